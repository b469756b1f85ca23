//! Android commands through `asyncCmd`: scripts that read or write, and what their output tells.
//!
//! Invariants: every name and value is quoted; output is untrusted text: an answer counts only between its own two markers, in order; a script is never
//! longer than the vendor takes. Not here: sending (`mod`), jobs (`convert`).

use super::answer::{our_bug, refused};
use super::table::SCRIPT_BYTES;
use crate::model::attribute::Attribute;
use crate::model::observed::Observed;
use crate::model::value::{Value, Wish};
use crate::provider::CallError;

/// What stands before the number of an answer, on a line of its own.
pub(super) const MARKER: &str = "=phonefleet=";

/// One script that reads all these attributes.
///
/// # Errors
/// An attribute that no command reads, a name with control characters, or a script that is too long.
pub(super) fn read_script(attributes: &[Attribute]) -> Result<String, CallError> {
    let mut script = String::new();
    for (index, attribute) in attributes.iter().enumerate() {
        let command = read_command(attribute)?;
        script.extend(["echo ", MARKER, &index.to_string(), "; ", &command, "; "]);
    }
    script.extend(["echo ", MARKER, &attributes.len().to_string()]);
    checked(script)
}

fn read_command(attribute: &Attribute) -> Result<String, CallError> {
    Ok(match attribute {
        Attribute::Property(name) => format!("getprop {}", quoted(name)?),
        Attribute::Timezone => "getprop persist.sys.timezone".to_owned(),
        Attribute::Language => "getprop persist.sys.locale".to_owned(),
        Attribute::Setting(name) => {
            let (space, key) = setting(name)?;
            format!("settings get {space} {}", quoted(key)?)
        }
        Attribute::Running(package) => format!("pidof {}", quoted(package.as_str())?),
        Attribute::Image
        | Attribute::SimCountry
        | Attribute::Sim
        | Attribute::Location
        | Attribute::Proxy
        | Attribute::Bandwidth
        | Attribute::Adb
        | Attribute::App(_) => return Err(our_bug(format!("no command reads {attribute}"))),
    })
}

/// One script that writes all these settings.
///
/// # Errors
/// A write that is no setting, a name or value with control characters, or a script that is too long.
pub(super) fn write_script(writes: &[(Attribute, Wish)]) -> Result<String, CallError> {
    let mut commands = Vec::with_capacity(writes.len());
    for (attribute, wish) in writes {
        let Attribute::Setting(name) = attribute else {
            return Err(our_bug(format!("no command writes {attribute}")));
        };
        let (space, key) = setting(name)?;
        let key = quoted(key)?;
        commands.push(match wish {
            Wish::Set(Value::Text(value)) => {
                format!("settings put {space} {key} {}", quoted(value)?)
            }
            Wish::Reset => format!("settings delete {space} {key}"),
            Wish::Set(_) => return Err(our_bug(format!("{attribute} wants a text"))),
        });
    }
    checked(commands.join("; "))
}

fn checked(script: String) -> Result<String, CallError> {
    if script.len() > SCRIPT_BYTES {
        return Err(refused(format!(
            "the command would be {} bytes long, and the vendor takes {SCRIPT_BYTES}: manage fewer settings, running apps and unlisted properties on one phone",
            script.len()
        )));
    }
    Ok(script)
}

fn setting(name: &str) -> Result<(&str, &str), CallError> {
    match name.split_once('/') {
        Some((space @ ("global" | "secure" | "system"), key)) if !key.is_empty() => {
            Ok((space, key))
        }
        Some(_) | None => Err(refused(format!(
            "setting {name} is not in global, secure or system"
        ))),
    }
}

/// The text as one word of a shell.
fn quoted(text: &str) -> Result<String, CallError> {
    if text.chars().any(char::is_control) {
        return Err(refused(format!(
            "{text:?} has control characters, which no command can carry"
        )));
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

/// What the output of [`read_script`] tells. Attributes whose answer is not there in full, or is an error message, are left out: they told nothing.
pub(super) fn decode(attributes: &[Attribute], output: &str) -> Vec<(Attribute, Observed)> {
    let sections = sections(attributes.len(), output);
    attributes
        .iter()
        .zip(sections)
        .filter_map(|(attribute, section)| {
            Some((attribute.clone(), observed(attribute, &section?)?))
        })
        .collect()
}

/// The text between marker `i` and marker `i + 1`, for each `i`. A marker that comes twice or out of order spoils its neighbours, nothing else.
fn sections(count: usize, output: &str) -> Vec<Option<String>> {
    let lines: Vec<&str> = output
        .split('\n')
        .map(|line| line.trim_end_matches('\r'))
        .collect();
    let mut places = vec![Vec::new(); count + 1];
    for (place, line) in lines.iter().enumerate() {
        let number = line
            .trim()
            .strip_prefix(MARKER)
            .and_then(|n| n.parse::<usize>().ok());
        if let Some(places) = number.and_then(|number| places.get_mut(number)) {
            places.push(place);
        }
    }
    (0..count)
        .map(|index| match (&places[index][..], &places[index + 1][..]) {
            (&[start], &[end]) if start < end => Some(lines[start + 1..end].join("\n")),
            _ => None,
        })
        .collect()
}

fn observed(attribute: &Attribute, text: &str) -> Option<Observed> {
    let text = text.trim();
    match attribute {
        Attribute::Running(_) => running(text),
        Attribute::Setting(_) => match text {
            "" | "null" => Some(Observed::Missing),
            _ if is_complaint(text) => None,
            _ => Some(Observed::Text(text.into())),
        },
        Attribute::Timezone => property(text, crate::model::canonical::timezone_or_text),
        Attribute::Language => property(text, crate::model::canonical::language_or_text),
        Attribute::Property(_) => property(text, |text| text.into()),
        Attribute::Image
        | Attribute::SimCountry
        | Attribute::Sim
        | Attribute::Location
        | Attribute::Proxy
        | Attribute::Bandwidth
        | Attribute::Adb
        | Attribute::App(_) => None,
    }
}

fn property(text: &str, canonical: impl Fn(&str) -> smol_str::SmolStr) -> Option<Observed> {
    if text.is_empty() {
        return Some(Observed::Missing);
    }
    (!is_complaint(text)).then(|| Observed::Text(canonical(text)))
}

/// `pidof` prints process ids, or nothing.
fn running(text: &str) -> Option<Observed> {
    if text.is_empty() {
        return Some(Observed::Flag(false));
    }
    text.split_whitespace()
        .all(|word| word.bytes().all(|b| b.is_ascii_digit()))
        .then_some(Observed::Flag(true))
}

/// Android's tools exit with 0 and print their errors; these words never begin a value.
fn is_complaint(text: &str) -> bool {
    const BEGINNINGS: [&str; 6] = [
        "Error:",
        "Exception",
        "Security exception",
        "java.lang.",
        "cmd: ",
        "/system/bin/sh:",
    ];
    BEGINNINGS.iter().any(|words| text.starts_with(words)) || text.contains(": not found")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::Package;
    use proptest::prelude::*;

    fn attributes() -> Vec<Attribute> {
        vec![
            Attribute::Property("ro.sys.cloud.android_id".into()),
            Attribute::Setting("global/it's".into()),
            Attribute::Running(Package::new("com.example.maps")),
        ]
    }

    #[test]
    fn one_script_reads_all_with_a_marker_each() {
        insta::assert_snapshot!(read_script(&attributes()).unwrap(), @r"echo =phonefleet=0; getprop 'ro.sys.cloud.android_id'; echo =phonefleet=1; settings get global 'it'\''s'; echo =phonefleet=2; pidof 'com.example.maps'; echo =phonefleet=3");
    }

    #[test]
    fn settings_are_put_and_deleted_in_one_script() {
        let writes = [
            (
                Attribute::Setting("global/a".into()),
                Wish::Set(Value::Text("x; rm -rf '/'".into())),
            ),
            (Attribute::Setting("secure/b".into()), Wish::Reset),
        ];
        insta::assert_snapshot!(write_script(&writes).unwrap(), @r"settings put global 'a' 'x; rm -rf '\''/'\'''; settings delete secure 'b'");
    }

    #[test]
    fn what_cannot_be_said_is_refused_before_it_is_sent() {
        let put = |name: &str, value: &str| {
            write_script(&[(
                Attribute::Setting(name.into()),
                Wish::Set(Value::Text(value.into())),
            )])
        };
        assert!(put("global/a", "two\nlines").is_err());
        assert!(put("elsewhere/a", "x").is_err());
        assert!(put("global/a", &"x".repeat(5000)).is_err());
        assert!(read_script(&[Attribute::Proxy]).is_err());
    }

    #[test]
    fn output_is_told_apart_by_its_markers() {
        let output = "=phonefleet=0\r\nabc123\r\n=phonefleet=1\r\nnull\r\n=phonefleet=2\r\n812 9\r\n=phonefleet=3\r\n";
        let told = decode(&attributes(), output);
        let values: Vec<_> = told.into_iter().map(|(_, value)| value).collect();
        assert_eq!(
            values,
            [
                Observed::Text("abc123".into()),
                Observed::Missing,
                Observed::Flag(true)
            ]
        );
    }

    #[test]
    fn nothing_said_is_nothing_told() {
        for output in [
            "",
            "null",
            "Error: device offline",
            "=phonefleet=0\nabc",
            "abc\n=phonefleet=1",
            "=phonefleet=1\n=phonefleet=0\n",
            "=phonefleet=0\nx\n=phonefleet=0\ny\n=phonefleet=1\nSecurity exception: no\n=phonefleet=2\n/system/bin/sh: pidof: not found\n=phonefleet=3",
        ] {
            assert_eq!(decode(&attributes(), output), [], "{output:?}");
        }
        // Cut off after the first answer: the first is told, the rest is not.
        let told = decode(&attributes(), "=phonefleet=0\n\n=phonefleet=1\n5");
        assert_eq!(told, [(attributes()[0].clone(), Observed::Missing)]);
    }

    proptest! {
        #[test]
        fn any_output_is_survived(output in ".{0,200}", lines in proptest::collection::vec("(=phonefleet=[0-9]|[a-z]{0,3})", 0..12)) {
            let attributes = attributes();
            prop_assert!(decode(&attributes, &output).len() <= 3);
            prop_assert!(decode(&attributes, &lines.join("\n")).len() <= 3);
        }

        #[test]
        fn a_value_between_markers_comes_back(value in "[a-zA-Z0-9_.:/-]{1,60}") {
            prop_assume!(value != "null");
            let attributes = [Attribute::Setting("global/x".into())];
            let output = format!("=phonefleet=0\n{value}\n=phonefleet=1\n");
            prop_assert_eq!(decode(&attributes, &output), vec![(attributes[0].clone(), Observed::Text(value.into()))]);
        }
    }
}
