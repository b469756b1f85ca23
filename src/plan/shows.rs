//! Whether what was read of one attribute is what an operation wrote.
//!
//! Invariants: only readable values are judged; a value that was not told does not show. Not here: what is desired now (`phone`): an operation is
//! judged by what it wrote, even after the manifests changed.

use super::phone::Catalogue;
use crate::model::attribute::Attribute;
use crate::model::canonical::compare_versions;
use crate::model::observed::{AppState, InstalledApp, Observed, Sight};
use crate::model::value::{AppWish, Image, ImageTarget, SimField, Value, VersionWish, Wish};
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
        (Wish::Reset, Observed::Missing) => true,
        (Wish::Set(Value::Text(wanted)), Observed::Text(text)) => wanted == text,
        (Wish::Set(Value::Flag(wanted)), Observed::Flag(flag)) => wanted == flag,
        (Wish::Set(Value::Bandwidth(wanted)), Observed::Bandwidth(limits)) => wanted == limits,
        (Wish::Set(Value::Sim(wanted)), Observed::Sim(fields)) => sim_shows(wanted, fields),
        (Wish::Set(Value::Image(wanted)), Observed::Image { id, version }) => {
            image_shows(wanted, id.as_ref(), version.as_ref(), catalogue)
        }
        (Wish::Reset | Wish::Set(_), _) => false,
    }
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
