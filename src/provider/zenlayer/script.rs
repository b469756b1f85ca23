//! Scripts as stored commands: how they are wrapped for a phone inside a guest, how they are named, and how long they may be.
//!
//! Invariants: one content has one name, so that equal scripts share one stored command; what [`refuses`] lets through fits, alone and merged with others, behind
//! the longest prefix an account may have. Not here: what the scripts say (`provider::shell`), the stored commands (`book`).

use super::table::{MERGED_READS, MERGED_WRITES};
use crate::model::attribute::Attribute;
use crate::model::fleet::AppSource;
use crate::model::value::Wish;
use crate::provider::refusal::refused;
use crate::provider::shell::{self, Bounds, Charset};
use crate::provider::{AppToInstall, CallError};
use crate::transport::sign::sha256_hex;
use smol_str::{SmolStr, format_smolstr};

/// What every name of ours begins with.
pub(super) const OURS: &str = "phonefleet-";
/// Most characters of a stored command (manual, `CreateCommand`).
const CONTENT: usize = 4096;
/// Most characters of an account's prefix.
const PREFIX: usize = 256;
/// What is left for a script, quotes and the space before it taken off.
const ROOM: usize = CONTENT - PREFIX - 3;
/// What is left for each of the values that one script writes, with what stands between them.
const WRITE_ROOM: usize = ROOM / MERGED_WRITES as usize - 2;
/// What the two lists of apps and the last marker take of a script that reads.
const LISTS: usize = 256;
/// What is left for each of the attributes that one script reads.
const READ_ROOM: usize = (ROOM - LISTS) / MERGED_READS as usize;
/// Digits of each digest in a name; two of them with kind, beginning and number take at most 60 of the 64 characters a name may have.
const DIGITS: usize = 20;

/// What the shell driver may write into one script.
pub(super) const BOUNDS: Bounds = Bounds {
    bytes: CONTENT,
    charset: Charset::Any,
    joins: true,
};

/// What a stored command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// It tells what phones have.
    Read,
    /// It changes phones.
    Write,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// The kind that the name of a stored command tells; `None`: it is not ours.
    pub(super) fn of(name: &str) -> Option<Self> {
        let (kind, _) = name.strip_prefix(OURS)?.split_once('-')?;
        [Self::Read, Self::Write]
            .into_iter()
            .find(|one| one.as_str() == kind)
    }
}

/// What the names of all commands that read begin with.
pub(super) fn reads() -> SmolStr {
    format_smolstr!("{OURS}{}-", Kind::Read.as_str())
}

/// What the names of all commands that write this begin with, whatever the scripts say: a lost order is found by it, also by a process that does not know
/// where an app came from.
pub(super) fn writes(writes: &[(Attribute, Wish)]) -> SmolStr {
    // Attributes and wishes can always be written down.
    let text = serde_json::to_string(writes).unwrap_or_default();
    format_smolstr!("{OURS}{}-{}-", Kind::Write.as_str(), digest(&text))
}

/// The name that a content has; what it begins with is told by [`reads`] or [`writes`].
pub(super) fn name(family: &str, content: &str) -> SmolStr {
    format_smolstr!("{family}{}", digest(content))
}

fn digest(text: &str) -> String {
    let mut digits = sha256_hex(text.as_bytes());
    digits.truncate(DIGITS);
    digits
}

/// What stands before every script of an account: `docker exec phone sh -c`, `adb -s emulator-5554 shell`. The script follows as one quoted word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prefix(Option<SmolStr>);

impl Prefix {
    /// Reads an account's option.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub(super) fn new(option: Option<&str>) -> Result<Self, &'static str> {
        let Some(text) = option.map(str::trim) else {
            return Ok(Self(None));
        };
        if text.is_empty() {
            Err("is empty: leave it out where commands run on the phone itself")
        } else if text.chars().any(char::is_control) {
            Err("has control characters")
        } else if text.chars().count() > PREFIX {
            Err("is longer than 256 characters")
        } else {
            Ok(Self(Some(text.into())))
        }
    }

    /// The content of the stored command that runs this script.
    ///
    /// # Errors
    /// It is longer than the vendor takes.
    pub(super) fn content(&self, script: &str) -> Result<String, CallError> {
        let content = match &self.0 {
            Some(prefix) => format!("{prefix} {}", quoted(script)),
            None => script.to_owned(),
        };
        let long = content.chars().count();
        if long > CONTENT {
            return Err(refused(format!(
                "the command would be {long} characters long, and the vendor stores {CONTENT}"
            )));
        }
        Ok(content)
    }
}

/// The text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Why this cannot be said in a stored command, whatever the account's prefix; `None` if it can.
pub(super) fn refuses(
    attribute: &Attribute,
    wish: &Wish,
    source: Option<&AppSource>,
) -> Option<String> {
    if let Some(reason) = shell::refuses(attribute, wish, source, &BOUNDS) {
        return Some(reason);
    }
    let app = match (attribute, source) {
        (Attribute::App(package), Some(source)) => Some(AppToInstall {
            package: package.clone(),
            source: source.clone(),
        }),
        (_, _) => None,
    };
    let write = (attribute.clone(), wish.clone());
    // An app to be installed has a script of its own; everything else may share one. What has no script yet is judged when it has one.
    let (share, room) = match app {
        Some(_) => (1, ROOM),
        None => (MERGED_WRITES, WRITE_ROOM),
    };
    let script = shell::write_script(&[write], app.as_ref(), &BOUNDS);
    if let Ok(long @ 1..) = script.map(|script| length(&script))
        && long > room
    {
        return Some(too_long(long, room, share));
    }
    let one = std::slice::from_ref(attribute);
    let two = [attribute.clone(), attribute.clone()];
    let reads = [one, &two].map(|read| shell::read_script(read, &BOUNDS));
    if let [Ok(one), Ok(two)] = reads
        && let long = length(&two) - length(&one)
        && long > READ_ROOM
    {
        return Some(too_long(long, READ_ROOM, MERGED_READS));
    }
    None
}

/// Characters that a script takes behind a prefix.
fn length(script: &str) -> usize {
    quoted(script).chars().count()
}

fn too_long(long: usize, room: usize, share: u32) -> String {
    let others = match share {
        1 => "which a prefix shares".to_owned(),
        share => format!("which up to {share} values and a prefix share"),
    };
    format!(
        "its command would be {long} characters long, and {room} fit: the vendor stores {CONTENT}, {others}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::Package;
    use crate::model::value::{AppWish, Value, VersionWish};

    #[test]
    fn names_tell_kind_writes_and_content() {
        let zone = |zone: &str| {
            let wish = Wish::Set(Value::Text(zone.into()));
            writes(&[("timezone".parse().unwrap(), wish)])
        };
        let one = name(&zone("Asia/Tokyo"), "setprop a 1");
        assert!(
            one.starts_with("phonefleet-write-") && one.len() <= 62,
            "{one}"
        );
        assert_eq!(one, name(&zone("Asia/Tokyo"), "setprop a 1"));
        assert_ne!(one, name(&zone("Asia/Tokyo"), "setprop a 2"));
        assert!(one.starts_with(zone("Asia/Tokyo").as_str()));
        assert!(!one.starts_with(zone("Asia/Seoul").as_str()));
        assert_eq!(Kind::of(&one), Some(Kind::Write));
        assert_eq!(Kind::of(&name(&reads(), "x")), Some(Kind::Read));
        for other in [
            "",
            "phonefleet",
            "phonefleet-x-1",
            "Test Command",
            "x-phonefleet-read-1",
        ] {
            assert_eq!(Kind::of(other), None, "{other}");
        }
    }

    #[test]
    fn a_prefix_takes_the_script_as_one_word() {
        let prefix = Prefix::new(Some(" docker exec phone sh -c ")).unwrap();
        assert_eq!(
            prefix.content("getprop 'a b'; echo done").unwrap(),
            r"docker exec phone sh -c 'getprop '\''a b'\''; echo done'"
        );
        let none = Prefix::new(None).unwrap();
        assert_eq!(none.content("getprop 'a b'").unwrap(), "getprop 'a b'");
        assert!(Prefix::new(Some("")).is_err());
        assert!(Prefix::new(Some("a\nb")).is_err());
        assert!(Prefix::new(Some(&"x".repeat(257))).is_err());
    }

    #[test]
    fn what_is_let_through_fits_whatever_it_is_merged_with() {
        let worst = |text: &str| {
            let attribute: Attribute = text.parse().unwrap();
            // The longest value that is let through.
            let wish = |long: usize| Wish::Set(Value::Text("'x ".repeat(long).trim().into()));
            let long = (1..300)
                .take_while(|long| refuses(&attribute, &wish(*long), None).is_none())
                .last()
                .unwrap();
            (attribute, wish(long))
        };
        let prefix = Prefix::new(Some(&"p".repeat(PREFIX))).unwrap();
        let name = "n".repeat(100);
        let long = worst(&format!("setting/secure/{name}"));
        let writes = vec![long; MERGED_WRITES as usize];
        let script = shell::write_script(&writes, None, &BOUNDS).unwrap();
        let content = prefix.content(&script).unwrap();
        assert!(content.len() > CONTENT / 2, "{}", content.len());

        let longest = |attribute: &dyn Fn(usize) -> Attribute| {
            (1..300)
                .map(attribute)
                .take_while(|attribute| {
                    let absent = Wish::Set(Value::App(AppWish::Absent));
                    let set = Wish::Set(Value::Text("1".into()));
                    let wish = if matches!(attribute, Attribute::App(_)) {
                        absent
                    } else {
                        set
                    };
                    refuses(attribute, &wish, None).is_none()
                })
                .last()
                .unwrap()
        };
        let app =
            longest(&|long| Attribute::App(Package::new(format!("com.{}", "a".repeat(long)))));
        let setting =
            longest(&|long| Attribute::Setting(format!("secure/{}", "a".repeat(long)).into()));
        for attribute in [app, setting] {
            let reads = vec![attribute; MERGED_READS as usize];
            let script = shell::read_script(&reads, &BOUNDS).unwrap();
            let content = prefix.content(&script).unwrap();
            assert!(content.len() > CONTENT * 3 / 4, "{}", content.len());
        }
    }

    #[test]
    fn a_value_that_does_not_fit_is_refused_with_the_reason() {
        let attribute = Attribute::Setting("secure/long".into());
        let wish = Wish::Set(Value::Text("x".repeat(900).into()));
        let reason = refuses(&attribute, &wish, None).unwrap();
        assert!(reason.contains("characters long"), "{reason}");
        let url = AppSource::Url {
            url: format!("https://files.example/a.apk?sig={}", "x".repeat(1800)).into(),
            md5: None,
            size_mb: None,
            version: None,
            version_code: None,
        };
        let app = Attribute::App(Package::new("com.example.maps"));
        let present = Wish::Set(Value::App(AppWish::Present {
            app: None,
            version: VersionWish::Any,
        }));
        assert_eq!(refuses(&app, &present, Some(&url)), None);
    }

    #[test]
    fn contents_have_at_most_4096_characters() {
        let none = Prefix::default();
        assert!(none.content(&"é".repeat(4096)).is_ok());
        let error = none.content(&"é".repeat(4097)).unwrap_err();
        assert!(error.message.contains("4097 characters"), "{error}");
    }
}
