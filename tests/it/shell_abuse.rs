//! Names and values made to break out of a command: refused with file and line, or carried to the phone as they are. Nothing else happens on the phone, neither on
//! a simulated one nor in the machine's own `sh`.

use crate::process::{Desk, ends_with, stderr};
use crate::rig::{Rig, virtual_time};
use phonefleet::daemon::Ending;
use phonefleet::model::attribute::Attribute;
use phonefleet::model::value::{Value, Wish};
use phonefleet::provider::shell::{Bounds, Charset, write_script};
use phonefleet::sim::Spec;
use std::fmt::Write as _;
use std::process::Command;

const NASTY: [&str; 16] = [
    "$(reboot)",
    "`reboot`",
    "a; reboot",
    "a && reboot",
    "a || reboot",
    "a | reboot",
    "a & reboot",
    "it's",
    "'; reboot; '",
    "\"; reboot; \"",
    "$HOME ${PATH} $((1+1))",
    "back\\slash\\",
    "* ? [a-z] ~ {a,b}",
    "#comment",
    "> /data/x < /data/y",
    "äöü 语言 🙂 !x %n",
];

#[test]
fn package_names_that_are_commands_are_refused_with_file_and_line() {
    for name in NASTY {
        let yaml = serde_json::to_string(name).unwrap();
        let group = format!("  desired:\n    apps:\n      {yaml}: absent\n");
        let desk = Desk::with_fleet("http://127.0.0.1:1", &group);
        let output = desk.run(&["validate"]);
        ends_with(&output, 1);
        let words = stderr(&output);
        assert!(words.contains("is no Android package"), "{name}: {words}");
        assert!(words.contains("group.yaml:8"), "{name}: {words}");
    }
}

#[test]
fn setting_values_that_are_commands_are_set_and_not_run() {
    virtual_time(async {
        let rig = Rig::new(Spec {
            phones: 3,
            ..Spec::default()
        });
        rig.account("");
        let mut desired = String::from("    settings:\n");
        for (number, value) in NASTY.iter().enumerate() {
            // In a manifest, `$(` begins a variable and `$$(` is itself.
            let value = serde_json::to_string(&value.replace("$(", "$$(")).unwrap();
            writeln!(desired, "      system/nasty_{number}: {value}").unwrap();
        }
        rig.group(&desired, "");
        let mut session = rig.session(true).await;
        let (_, ending) = rig.apply(&mut session).await;
        assert_eq!(ending, Ending::Converged);
        for id in rig.sim.phones() {
            let phone = rig.sim.phone(&id).unwrap();
            let set: Vec<&str> = phone.settings.iter().map(|(_, value)| value).collect();
            let mut wished = NASTY.to_vec();
            assert_eq!(set.len(), wished.len(), "{id}");
            wished.retain(|value| !set.contains(value));
            assert_eq!((wished, phone.boots), (Vec::new(), 1), "{id}");
        }
    });
}

/// The machine's own shell runs what would be sent, with stand-ins for the commands of a phone that write down their words.
#[test]
fn a_real_shell_reads_every_value_as_one_word() {
    let bounds = Bounds {
        bytes: 65_536,
        charset: Charset::Any,
        joins: true,
    };
    let mut writes = Vec::new();
    let mut expected = String::new();
    for value in NASTY {
        let wish = Wish::Set(Value::Text(value.into()));
        writes.push((Attribute::Property("persist.nasty".into()), wish.clone()));
        writes.push((Attribute::Setting("secure/nasty".into()), wish));
        write!(
            expected,
            "setprop|persist.nasty|{value}|\nsettings|put|secure|nasty|{value}|\n"
        )
        .unwrap();
    }
    let script = write_script(&writes, None, &bounds).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "said() {{ for word in \"$@\"; do printf '%s|' \"$word\"; done; printf '\\n'; }}\n\
             setprop() {{ said setprop \"$@\"; }}\nsettings() {{ said settings \"$@\"; }}\nreboot() {{ echo REBOOT; }}\n{script}"
        ))
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
