//! Quoting, through the machine's own `sh`: stand-ins for Android's commands print their words one by one.
//!
//! Not here: what the commands do (`sim`).

use super::*;
use std::process::Command;

/// Each stand-in prints a line: its name, then every word in angle brackets.
const STAND_INS: &str = r#"
said() { for word in "$@"; do printf '<%s>' "$word"; done; printf '\n'; }
for name in settings setprop getprop am pm cmd monkey pidof dumpsys appops curl rm md5sum grep; do
    eval "$name() { said $name \"\$@\"; }"
done
"#;

/// What the stand-ins print for a script.
fn sh(script: &str) -> String {
    let output = Command::new("sh")
        .args(["-c", &format!("{STAND_INS}\n{script}")])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{script}");
    String::from_utf8(output.stdout).unwrap()
}

fn said(words: &[&str]) -> String {
    let words: String = words.iter().map(|word| format!("<{word}>")).collect();
    words + "\n"
}

const NASTY: [&str; 14] = [
    "$(reboot)",
    "`reboot`",
    "a; reboot",
    "a && reboot",
    "a | reboot",
    "it's",
    "'; reboot; '",
    "\"quoted\" $HOME ${PATH}",
    "back\\slash\\",
    "* ? [a-z] ~",
    "#comment",
    "> /data/x < /data/y",
    "äöü 语言 🙂",
    "!history %s %n {a,b}",
];

#[test]
fn nasty_values_arrive_as_they_are() {
    for value in NASTY {
        let script = put("setting/global/a b", value, &ANY).unwrap();
        assert_eq!(
            sh(&script),
            said(&["settings", "put", "global", "a b", value])
        );
        let script = put("property/persist.a", value, &ANY).unwrap();
        assert_eq!(sh(&script), said(&["setprop", "persist.a", value]));
    }
}

#[test]
fn nasty_names_are_quoted_or_refused() {
    for name in NASTY {
        let setting = Attribute::Setting(format!("secure/{name}").into());
        let output = sh(&read_script(&[setting], &ANY).unwrap());
        let expected = said(&["settings", "get", "secure", name]);
        assert_eq!(output, format!("=phonefleet=0\n{expected}=phonefleet=1\n"));
        for attribute in [
            Attribute::Property(name.into()),
            Attribute::App(Package::new(name)),
            Attribute::Running(Package::new(name)),
        ] {
            assert!(
                read_script(std::slice::from_ref(&attribute), &ANY).is_err(),
                "{attribute}"
            );
        }
    }
}

#[test]
fn an_installing_script_runs_as_it_is_meant() {
    let url = "https://a.example/a.apk?x='$(reboot)'&y=[1-9]";
    let app = from_url(url, Some("0123456789abcdef0123456789abcdef"));
    let writes = [(attribute("app/com.example.maps"), present())];
    let output = sh(&write_script(&writes, Some(&app), &ANY).unwrap());
    let lines: Vec<&str> = output.lines().collect();
    let [curl, check, install, remove] = lines[..] else {
        panic!("{output}");
    };
    assert!(curl.starts_with("<curl><-fsSLg><-o></data/local/tmp/phonefleet-"));
    assert!(curl.ends_with(&format!("<{url}>")));
    assert_eq!(check, "<md5sum><-c>");
    assert!(install.starts_with("<pm><install><-r><-d><-g><--user><0></data/local/tmp/"));
    assert!(remove.starts_with("<rm><-f></data/local/tmp/"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn many_values_at_once_arrive_as_they_are(values in proptest::collection::vec("\\PC{1,30}", 1..40)) {
        let writes: Vec<_> = values
            .iter()
            .map(|value| (attribute("setting/system/x"), set(value)))
            .filter(|(attribute, wish)| refuses(attribute, wish, None, &ANY).is_none())
            .collect();
        let expected: String = writes
            .iter()
            .map(|(_, wish)| match wish {
                Wish::Set(Value::Text(value)) => said(&["settings", "put", "system", "x", value]),
                Wish::Set(_) | Wish::Reset => String::new(),
            })
            .collect();
        let wide = Bounds { bytes: 100_000, ..ANY };
        prop_assert_eq!(sh(&write_script(&writes, None, &wide).unwrap()), expected);
    }
}
