//! Lists of the installed apps, as the package manager prints them.
//!
//! Invariants: both lists must be there in full, or nothing is told: an app that a cut-off list lacks is not absent. Whether an app is part of the system is
//! told by the list it stands in, never guessed. Not here: markers (`read`).

use crate::model::id::Package;
use crate::model::observed::{AppState, InstalledApp};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Prints both kinds of apps, each in its own section. The words after `||` spoil a section whose list failed without a word.
pub(super) const LISTS: [&str; 2] = [
    "pm list packages --show-versioncode -3 || echo failed",
    "pm list packages --show-versioncode -s || echo failed",
];

/// Prints the version name of a package; of an updated system app that of the update, which comes first.
pub(super) fn version_name(package: &str) -> String {
    format!("dumpsys package {package} | grep -m 1 versionName=")
}

/// All apps, from the sections of [`LISTS`] and the version names of those that were asked for.
pub(super) fn decode<'a>(
    lists: &[Option<String>],
    versions: impl Iterator<Item = (&'a Package, &'a str)>,
) -> Option<Vec<InstalledApp>> {
    let [Some(third_party), Some(system)] = lists else {
        return None;
    };
    // A phone without a single system app does not exist; a list without a line is one that failed.
    let system = rows(system).filter(|rows| !rows.is_empty())?;
    let names: BTreeMap<&Package, SmolStr> = versions
        .filter_map(|(package, text)| Some((package, told_version(text)?)))
        .collect();
    let mut apps: BTreeMap<Package, InstalledApp> = BTreeMap::new();
    let both = [(rows(third_party)?, false), (system, true)];
    for (rows, system) in both {
        for (package, version_code) in rows {
            let version_name = names.get(&package).cloned();
            let app = InstalledApp {
                package: package.clone(),
                version_name,
                version_code,
                state: AppState::Installed,
                system: Some(system),
            };
            // In both lists: part of the system, to be on the safe side.
            apps.insert(package, app);
        }
    }
    Some(apps.into_values().collect())
}

/// `package:NAME versionCode:N` lines; `None` if there is any other.
fn rows(section: &str) -> Option<Vec<(Package, Option<u64>)>> {
    section
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(row)
        .collect()
}

fn row(line: &str) -> Option<(Package, Option<u64>)> {
    let mut words = line.strip_prefix("package:")?.split_whitespace();
    let name = words.next()?;
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !name.chars().all(good) {
        return None;
    }
    let code = words
        .find_map(|word| word.strip_prefix("versionCode:"))
        .and_then(|code| code.parse().ok());
    Some((Package::new(name), code))
}

/// `    versionName=1.4.2`.
fn told_version(text: &str) -> Option<SmolStr> {
    let mut lines = text.lines().map(str::trim);
    let name = lines
        .find_map(|line| line.strip_prefix("versionName="))?
        .trim();
    (!name.is_empty() && name != "null").then(|| name.into())
}
