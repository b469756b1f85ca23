//! What single values cannot be carried out here, and why: the command's character set and length, and what the install call takes.
//!
//! Invariants: what passes here is not refused when its order is made; every reason says what would work. Not here: attributes that cannot be written at all
//! (`table`).

use super::table::BOUNDS;
use crate::model::attribute::Attribute;
use crate::model::fleet::AppSource;
use crate::model::id::Package;
use crate::model::value::{AppWish, Value, VersionWish, Wish};
use crate::provider::shell;

/// Longest package, file name and version.
pub(super) const NAME: usize = 100;
/// Longest url of a package.
const URL: usize = 2000;
/// Characters of a url that the vendor's character set lacks; a signature stands behind them.
const QUERY: [char; 7] = ['?', '&', '=', '%', '+', '#', '@'];

/// Why this wish cannot be carried out; `None` if it can. An app comes from `from`.
pub(super) fn wish(attribute: &Attribute, wish: &Wish, from: Option<&AppSource>) -> Option<String> {
    let (Attribute::App(package), Wish::Set(Value::App(AppWish::Present { version, .. }))) =
        (attribute, wish)
    else {
        return shell::refuses(attribute, wish, None, &BOUNDS);
    };
    match version {
        VersionWish::CodeExact(_) | VersionWish::CodeAtLeast(_) => {
            return Some(
                "its list of apps tells version names only: say version in place of versionCode"
                    .to_owned(),
            );
        }
        VersionWish::Any | VersionWish::NameExact(_) | VersionWish::NameAtLeast(_) => {}
    }
    from.and_then(|from| source(package, from))
}

/// Why this app cannot be installed from there; `None` if it can.
pub(super) fn source(package: &Package, source: &AppSource) -> Option<String> {
    let AppSource::Url {
        url,
        md5: _,
        size_mb,
        version,
        version_code: _,
    } = source
    else {
        return Some(
            "it has no catalogue of apps: give the App a source { url: https://…, sizeMb: … }"
                .to_owned(),
        );
    };
    if let Some(odd) = url.chars().find(|c| QUERY.contains(c)) {
        return Some(format!(
            "it takes no url with {odd:?} in it, so no signed one: put the file where its url has neither query nor escapes, such as a bucket that may be read publicly"
        ));
    }
    if !url.is_ascii() || url.bytes().any(|b| b.is_ascii_control() || b == b' ') {
        return Some(
            "it takes a url of plain characters only: rename the file at its source".to_owned(),
        );
    }
    if url.len() > URL {
        return Some(format!(
            "it takes urls of {URL} characters, and this one has {}",
            url.len()
        ));
    }
    let long = [package.as_str(), version.as_deref().unwrap_or_default()]
        .into_iter()
        .find(|text| text.chars().count() > NAME);
    if let Some(long) = long {
        return Some(format!(
            "it takes packages and versions of {NAME} characters, and one has {}",
            long.chars().count()
        ));
    }
    size_mb
        .is_none()
        .then(|| "it must be told how large the file is: add sizeMb to the App's source".to_owned())
}
