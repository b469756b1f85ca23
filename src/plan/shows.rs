//! Whether what was read of one attribute is what an operation wrote.
//!
//! Also what both kinds of comparing share: what a reset looks like, and when two texts are the same value.
//!
//! Invariants: only readable values are judged; a value that was not told does not show. Not here: what is desired now (`phone`): an operation is
//! judged by what it wrote, even after the manifests changed.

use super::phone::Catalogue;
use crate::model::attribute::Attribute;
use crate::model::canonical::compare_versions;
use crate::model::observed::{AppState, InstalledApp, Observed, Sight};
use crate::model::value::{AppWish, Image, ImageTarget, Proxy, SimField, Value, VersionWish, Wish};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Whether the latest readings show the wish on this attribute.
pub fn shows(sight: &Sight, attribute: &Attribute, wish: &Wish, catalogue: &Catalogue) -> bool {
    if let Attribute::App(package) = attribute {
        let installed = sight
            .apps
            .as_ref()
            .and_then(|apps| apps.iter().find(|app| app.package == *package));
        return app_shows(sight.apps.is_some(), installed, wish);
    }
    let Some(seen) = sight.values.get(attribute) else {
        return false;
    };
    match (wish, &seen.value) {
        (Wish::Reset, observed) => is_default(attribute, observed),
        (Wish::Set(Value::Text(wanted)), Observed::Text(text)) => {
            text_agrees(attribute, wanted, text)
        }
        (Wish::Set(Value::Flag(wanted)), Observed::Flag(flag)) => wanted == flag,
        (Wish::Set(Value::Bandwidth(wanted)), Observed::Bandwidth(limits)) => wanted == limits,
        (Wish::Set(Value::Sim(wanted)), Observed::Sim(fields)) => sim_shows(wanted, fields),
        (Wish::Set(Value::Image(wanted)), Observed::Image { id, version }) => {
            image_shows(wanted, id.as_ref(), version.as_ref(), catalogue)
        }
        (Wish::Set(Value::Proxy(wanted)), observed) => proxy_shows(wanted, observed),
        (Wish::Set(_), _) => false,
    }
}

/// Whether a proxy that was read is the wished one. What a phone tells of its proxy is `host:port`, or nothing.
pub(super) fn proxy_shows(wanted: &Proxy, observed: &Observed) -> bool {
    match (wanted, observed) {
        (Proxy::Direct, Observed::Missing) => true,
        (Proxy::Via(endpoint), Observed::Text(told)) => {
            told.rsplit_once(':').is_some_and(|(host, port)| {
                host.eq_ignore_ascii_case(&endpoint.host) && port.parse() == Ok(endpoint.port)
            })
        }
        (Proxy::Direct | Proxy::Via(_), _) => false,
    }
}

/// Whether this is what an attribute shows after a reset: nothing, and for ADB that it is off.
pub(super) fn is_default(attribute: &Attribute, observed: &Observed) -> bool {
    *observed == Observed::Missing
        || (*attribute == Attribute::Adb && *observed == Observed::Flag(false))
}

/// Whether an observed text is the wished one. A language wished without a region agrees with every region of it: vendors add one of their own
/// (ArmCloud reads `zh-CN` back where `zh` was written).
pub(super) fn text_agrees(attribute: &Attribute, wanted: &str, told: &str) -> bool {
    wanted == told
        || (*attribute == Attribute::Language
            && !names_region(wanted)
            && told
                .strip_prefix(wanted)
                .is_some_and(|rest| rest.starts_with('-')))
}

/// Whether a BCP 47 tag in canonical form names a region: two letters or three digits after the language.
fn names_region(tag: &str) -> bool {
    tag.split('-').skip(1).any(|part| match part.len() {
        2 => part.bytes().all(|byte| byte.is_ascii_alphabetic()),
        3 => part.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    })
}

fn app_shows(read: bool, installed: Option<&InstalledApp>, wish: &Wish) -> bool {
    match (wish, installed) {
        (Wish::Set(Value::App(AppWish::Absent)) | Wish::Reset, None) => read,
        (Wish::Set(Value::App(AppWish::Present { version, .. })), Some(app))
            if app.state == AppState::Installed =>
        {
            version_shows(version, app)
        }
        (Wish::Set(_) | Wish::Reset, _) => false,
    }
}

fn version_shows(wish: &VersionWish, app: &InstalledApp) -> bool {
    let name = app.version_name.as_deref();
    match wish {
        VersionWish::Any => true,
        VersionWish::NameExact(wanted) => name == Some(wanted.as_str()),
        VersionWish::NameAtLeast(wanted) => {
            name.is_some_and(|name| compare_versions(name, wanted).is_ge())
        }
        VersionWish::CodeExact(wanted) => app.version_code == Some(*wanted),
        VersionWish::CodeAtLeast(wanted) => app.version_code.is_some_and(|code| code >= *wanted),
    }
}

/// The wished fields that were told agree, and at least one was told.
fn sim_shows(wanted: &BTreeMap<SimField, SmolStr>, told: &BTreeMap<SimField, SmolStr>) -> bool {
    let mut pairs = wanted
        .iter()
        .filter_map(|(field, value)| told.get(field).map(|other| other == value))
        .peekable();
    pairs.peek().is_some() && pairs.all(|equal| equal)
}

fn image_shows(
    wanted: &Image,
    id: Option<&SmolStr>,
    version: Option<&SmolStr>,
    catalogue: &Catalogue,
) -> bool {
    match &wanted.target {
        ImageTarget::Id(wanted) => id == Some(wanted),
        ImageTarget::Version(wanted) => {
            let listed = catalogue
                .images
                .iter()
                .flatten()
                .find(|image| Some(&image.id) == id)
                .and_then(|image| image.version.as_ref());
            version == Some(wanted) || listed == Some(wanted)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::observed::Seen;
    use crate::model::stamp::Timestamp;

    fn after(attribute: &Attribute, value: Observed, wish: &Wish) -> bool {
        let mut sight = Sight::default();
        let at = Timestamp(1);
        sight.values.insert(attribute.clone(), Seen { value, at });
        shows(&sight, attribute, wish, &Catalogue::default())
    }

    #[test]
    fn adb_that_is_off_shows_a_reset() {
        assert!(after(&Attribute::Adb, Observed::Flag(false), &Wish::Reset));
        assert!(after(&Attribute::Adb, Observed::Missing, &Wish::Reset));
        assert!(!after(&Attribute::Adb, Observed::Flag(true), &Wish::Reset));
        let running = Attribute::Running(crate::model::id::Package::new("com.example.maps"));
        assert!(!after(&running, Observed::Flag(false), &Wish::Reset));
    }

    #[test]
    fn a_language_without_a_region_agrees_with_any_region() {
        let agrees = |wanted, told| text_agrees(&Attribute::Language, wanted, told);
        assert!(agrees("zh", "zh"));
        assert!(agrees("zh", "zh-CN"));
        assert!(agrees("zh-Hant", "zh-Hant-TW"));
        assert!(agrees("es", "es-419"));
        assert!(!agrees("zh-CN", "zh"));
        assert!(!agrees("zh-CN", "zh-TW"));
        assert!(!agrees("es-419", "es-419-x-a"));
        assert!(!agrees("zh", "zha"));
        assert!(!agrees("de", "zh-CN"));
        let property = Attribute::Property("persist.a".into());
        assert!(!text_agrees(&property, "zh", "zh-CN"));
    }
}
