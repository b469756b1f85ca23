//! The shell driver: what a vendor has no call for is done by the phone's own shell, over whichever command call the vendor has.
//!
//! Invariants: every name and value is quoted or refused, never pasted; output is untrusted text: an answer counts only between its own two markers, and an
//! app list only when it is complete; nothing that [`refuses`] lets through fails when its script is made. Not here: sending commands and following their jobs
//! (each adapter), deciding when (`controller`). Source: Android 10 to 14; every result is judged by reading back, because many of its tools fail in words
//! with exit status 0.

mod packages;
mod read;
pub mod rows;
#[cfg(test)]
mod tests;
mod word;
mod write;

use super::refusal::{our_bug, refused};
use super::{AppToInstall, CallError};
use crate::model::attribute::Attribute;
use crate::model::fleet::AppSource;
use crate::model::observed::{InstalledApp, Observed};
use crate::model::value::Wish;

pub use read::MARKER;

/// What a vendor's command call takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Longest script, in bytes.
    pub bytes: usize,
    /// Which characters a script may have.
    pub charset: Charset,
    /// Several commands may stand in one script, with markers, `;`, pipes and `&&`. Otherwise a script is one plain command about one attribute.
    pub joins: bool,
}

/// Which characters a script may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    /// Any but control characters; every name and value stands in single quotes.
    Any,
    /// Letters, digits, `_ . / : -` and the space between words; nothing is quoted, everything else is refused.
    Plain,
}

/// How many attributes may share one script, as the vendor's capability table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// `max_attributes` of the command call.
    pub writes: u32,
    /// `max_attributes` of the read by shell.
    pub reads: u32,
}

/// What the output of a read script told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Values; attributes whose answer is not there in full, or is an error message, are left out.
    pub values: Vec<(Attribute, Observed)>,
    /// All apps of the phone, when at least one was asked for and the list is complete.
    pub apps: Option<Vec<InstalledApp>>,
}

/// Why a script cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Problem {
    /// No command can say it; the reason, for people.
    #[error("{0}")]
    Unsayable(String),
    /// It should never have been asked for.
    #[error("this is a bug of phonefleet: {0}")]
    Misfit(String),
}

impl Problem {
    fn misfit(message: impl Into<String>) -> Self {
        Self::Misfit(message.into())
    }

    fn unsayable(message: impl Into<String>) -> Self {
        Self::Unsayable(message.into())
    }
}

impl From<Problem> for CallError {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Unsayable(reason) => refused(reason),
            Problem::Misfit(what) => our_bug(what),
        }
    }
}

/// One script that reads all these attributes. An [`Attribute::App`] makes it list all packages and tell that app's version name.
///
/// # Errors
/// An attribute that no command reads, a name that cannot be said within the bounds, several attributes where only one command fits, or a script that is too
/// long.
pub fn read_script(attributes: &[Attribute], bounds: &Bounds) -> Result<String, CallError> {
    let script = read::script(attributes, bounds)?;
    if script.len() > bounds.bytes {
        return Err(refused(format!(
            "the command would be {} bytes long, and the vendor takes {}: manage fewer settings, running apps and unlisted properties on one phone",
            script.len(),
            bounds.bytes
        )));
    }
    Ok(script)
}

/// What the output of [`read_script`] for the same attributes tells. Without joins the output is the value as a whole.
pub fn decode(attributes: &[Attribute], bounds: &Bounds, output: &str) -> Told {
    read::decode(attributes, bounds, output)
}

/// What a property tells of this attribute, by the value that `getprop` prints of it (empty: it is not set); `None`: no property tells it.
pub fn told_by_property<'a>(
    attribute: &Attribute,
    value: &dyn Fn(&str) -> &'a str,
) -> Option<Observed> {
    let name = read::property_of(attribute)?;
    read::observed(attribute, value(name))
}

/// One script that writes all this. `app` is where an app that shall be present comes from: a url.
///
/// # Errors
/// A write that no command makes, a name or value that cannot be said within the bounds, several writes where only one command fits, or a script that is too
/// long.
pub fn write_script(
    writes: &[(Attribute, Wish)],
    app: Option<&AppToInstall>,
    bounds: &Bounds,
) -> Result<String, CallError> {
    let script = write::script(writes, app, bounds)?;
    if script.len() > bounds.bytes {
        return Err(refused(too_long(script.len(), bounds)));
    }
    Ok(script)
}

/// Why this wish cannot be carried out by a command, with what would work; `None` if it can. For attributes that are both written and read by shell, before
/// anything is sent.
pub fn refuses(
    attribute: &Attribute,
    wish: &Wish,
    source: Option<&AppSource>,
    bounds: &Bounds,
) -> Option<String> {
    let app = match (attribute, source) {
        (Attribute::App(package), Some(source)) => Some(AppToInstall {
            package: package.clone(),
            source: source.clone(),
        }),
        (_, _) => None,
    };
    if let Some(reason) = write::unreadable(attribute, wish) {
        return Some(reason);
    }
    if write::is_nothing_yet(wish, app.as_ref()) {
        return None;
    }
    let write = (attribute.clone(), wish.clone());
    let script = match write::script(&[write], app.as_ref(), bounds) {
        Ok(script) => script,
        Err(problem) => return Some(problem.to_string()),
    };
    let longest = script.len().max(read::longest(attribute, bounds));
    (longest > bounds.bytes).then(|| too_long(longest, bounds))
}

/// As [`refuses`], and so that whatever shares a script with it fits too: no script of several attributes that pass here is too long.
pub fn refuses_sharing(
    attribute: &Attribute,
    wish: &Wish,
    source: Option<&AppSource>,
    bounds: &Bounds,
    shares: Shares,
) -> Option<String> {
    let reason = refuses(attribute, wish, source, bounds);
    // An app that comes in has a script of its own.
    if reason.is_some() || source.is_some() {
        return reason;
    }
    let write = [(attribute.clone(), wish.clone())];
    let written = write::script(&write, None, bounds).map_or(0, |script| script.len() + GAP);
    crowds(written, bounds.bytes, shares.writes)
        .or_else(|| refuses_reading(attribute, bounds, shares))
}

/// Why this attribute cannot be read by a command that others share; `None` if it can. For attributes that are read by shell and written in another way.
pub fn refuses_reading(attribute: &Attribute, bounds: &Bounds, shares: Shares) -> Option<String> {
    match read::marginal(attribute, bounds) {
        Ok(long) => crowds(long, bounds.bytes.saturating_sub(read::BASE), shares.reads),
        Err(problem) => Some(problem.to_string()),
    }
}

/// Why a command of this length leaves too little for the others of its script.
fn crowds(long: usize, bytes: usize, among: u32) -> Option<String> {
    let room = bytes / usize::try_from(among.max(1)).unwrap_or(usize::MAX);
    (long > room).then(|| {
        format!(
            "its command is {long} bytes long, and each of the {among} that may share a script has {room}"
        )
    })
}

/// What stands between two commands.
const GAP: usize = "; ".len();

fn too_long(bytes: usize, bounds: &Bounds) -> String {
    format!(
        "the command would be {bytes} bytes long, and the vendor takes {}",
        bounds.bytes
    )
}
