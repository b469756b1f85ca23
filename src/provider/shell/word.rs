//! One word of a command: quoted, or refused with the reason.
//!
//! Invariants: a word comes out of a POSIX shell exactly as it went in; nothing has a control character; a plain word has no character that a shell could
//! read as anything but itself. Not here: whole commands (`write`, `read`).

use super::{Bounds, Charset, Problem};
use crate::model::canonical;
use crate::model::id::Package;

/// What plain commands are made of, for people.
pub(super) const PLAIN: &str = "letters, digits and _ . / : -";

/// Whether a plain word may have this character.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | ':' | '-')
}

/// The text as one word of a shell. `what` names it for people ("the value").
pub(super) fn word(text: &str, what: &str, bounds: &Bounds) -> Result<String, Problem> {
    if text.chars().any(char::is_control) {
        return Err(Problem::unsayable(format!(
            "{what} {text:?} has control characters, which no command can carry"
        )));
    }
    match bounds.charset {
        Charset::Any => Ok(format!("'{}'", text.replace('\'', r"'\''"))),
        Charset::Plain => plain(text, what),
    }
}

fn plain(text: &str, what: &str) -> Result<String, Problem> {
    if text.is_empty() {
        return Err(Problem::unsayable(format!(
            "{what} is empty, and the vendor's commands have no quotes to say that with"
        )));
    }
    match text.chars().find(|c| !is_plain(*c)) {
        None => Ok(text.to_owned()),
        Some(c) => Err(Problem::unsayable(format!(
            "{what} {text:?} has {}, and the vendor's commands take {PLAIN} only",
            called(c)
        ))),
    }
}

/// A character as people call it.
fn called(c: char) -> String {
    match c {
        ' ' => "a space, which would split it in two".to_owned(),
        c => format!("{c:?}"),
    }
}

/// Name of an Android property, as a word.
///
/// Android takes letters, digits and `. - @ : _`, neither beginning nor ending with a full stop (`bionic`, `IsLegalPropertyName`).
pub(super) fn property(name: &str, bounds: &Bounds) -> Result<String, Problem> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '@' | ':' | '_');
    if name.is_empty()
        || name.starts_with(['.', '-'])
        || name.ends_with('.')
        || name.contains("..")
        || !name.chars().all(good)
    {
        return Err(Problem::unsayable(format!(
            "no Android property can be called {name:?}: its name has letters, digits and . - @ : _ only"
        )));
    }
    word(name, "the name", bounds)
}

/// Name space and key of a setting, the key as a word.
pub(super) fn setting<'a>(name: &'a str, bounds: &Bounds) -> Result<(&'a str, String), Problem> {
    match name.split_once('/') {
        Some((_, key)) if key.starts_with("--") => Err(Problem::unsayable(format!(
            "the setting's name {key:?} would be taken for an option"
        ))),
        Some((space @ ("global" | "secure" | "system"), key)) if !key.is_empty() => {
            Ok((space, word(key, "the name", bounds)?))
        }
        Some(_) | None => Err(Problem::unsayable(format!(
            "setting {name} is not in global, secure or system"
        ))),
    }
}

/// A package, as a word.
pub(super) fn package(package: &Package, bounds: &Bounds) -> Result<String, Problem> {
    match canonical::package(package.as_str()) {
        Ok(name) if name == package.as_str() => word(&name, "the package", bounds),
        Ok(_) | Err(_) => Err(Problem::unsayable(format!(
            "{:?} is no Android package such as com.example.maps",
            package.as_str()
        ))),
    }
}
