//! Versions of apps: which one is wished, and whether one fits.
//!
//! Invariants: what a reference says wins over what the App manifest says; a version that is not told neither fits nor fails. Not here: where an app comes
//! from (`chain`).

use crate::model::canonical::compare_versions;
use crate::model::fleet::App;
use crate::model::id::AppName;
use crate::model::observed::{InstalledApp, Observed};
use crate::model::value::{AppWish, VersionWish};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What the installed version must be: what the reference says, else what the App manifest says. `None`: the app must not be there.
pub(super) fn wished_version(apps: &BTreeMap<AppName, App>, wish: &AppWish) -> Option<VersionWish> {
    match wish {
        AppWish::Absent => None,
        AppWish::Present { app, version } => Some(version_of(apps, app.as_ref(), version).clone()),
    }
}

/// The version that counts: the reference's own, else the App manifest's.
pub(super) fn version_of<'a>(
    apps: &'a BTreeMap<AppName, App>,
    app: Option<&AppName>,
    version: &'a VersionWish,
) -> &'a VersionWish {
    match (version, app.and_then(|name| apps.get(name))) {
        (VersionWish::Any, Some(app)) => &app.version,
        (
            VersionWish::Any
            | VersionWish::NameExact(_)
            | VersionWish::NameAtLeast(_)
            | VersionWish::CodeExact(_)
            | VersionWish::CodeAtLeast(_),
            _,
        ) => version,
    }
}

/// Whether a version is what is wished; `None`: too little is told of it.
pub(super) fn version_fits(
    wish: &VersionWish,
    name: Option<&str>,
    code: Option<u64>,
) -> Option<bool> {
    match wish {
        VersionWish::Any => Some(true),
        VersionWish::NameExact(wanted) => Some(name? == wanted),
        VersionWish::NameAtLeast(wanted) => Some(compare_versions(name?, wanted).is_ge()),
        VersionWish::CodeExact(wanted) => Some(code? == *wanted),
        VersionWish::CodeAtLeast(wanted) => Some(code? >= *wanted),
    }
}

/// What stands for an installed app in a change: its version, as far as it is told.
pub(super) fn installed_as(app: &InstalledApp) -> Observed {
    Observed::Text(match (&app.version_name, app.version_code) {
        (Some(name), _) => name.clone(),
        (None, Some(code)) => smol_str::format_smolstr!("code {code}"),
        (None, None) => SmolStr::new_static("installed"),
    })
}
