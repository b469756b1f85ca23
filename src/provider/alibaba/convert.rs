//! Reads: between the vendor's words and ours.
//!
//! Invariants: an unknown status means "wait", an unknown word about a session means "in use", a phone nobody asked for is left out, a phone or value that the
//! answer does not tell is never made up. Not here: JSON (`wire`), jobs (`jobs`), what a phone's own shell tells (`provider/shell`).

use super::wire::{AdbRow, AppRow, ImageRow, InstanceRow, Page, Properties};
use crate::model::attribute::Attribute;
use crate::model::id::{Package, PhoneId, ProviderGroup};
use crate::model::observed::{
    CatalogueApp, CatalogueImage, Cursor, Listed, Observation, Observed, PhoneReading, ReadKind,
    RunState,
};
use crate::model::value::Bandwidth;
use crate::provider::drift;
use crate::provider::shell;
use rustc_hash::FxHashSet;
use smol_str::{SmolStr, format_smolstr};

/// Text with something in it.
pub(super) fn some(text: Option<&SmolStr>) -> Option<SmolStr> {
    drift::trimmed(text?.clone())
}

fn observation(kind: ReadKind, rows: Vec<PhoneReading>) -> Observation {
    Observation {
        kind,
        rows,
        next: None,
        total: None,
        apps: Vec::new(),
        images: Vec::new(),
    }
}

/// Rows of a page, how many there are in all, and the token of the next page. `None`: the answer tells no rows, which is not the same as none; or it sends us
/// back to the page that was asked for, which would never end.
pub(super) fn unpaged<R>(page: Page<R>, asked: Option<&str>) -> Option<Unpaged<R>> {
    let next = some(page.next_token.as_ref());
    if next.is_some() && next.as_deref() == asked {
        return None;
    }
    let rows = match page.data {
        Some(rows) => rows,
        None if page.total_count == Some(0) => Vec::new(),
        None => return None,
    };
    let total = page.total_count.and_then(|total| u64::try_from(total).ok());
    Some(Unpaged { rows, total, next })
}

/// See [`unpaged`].
pub(super) struct Unpaged<R> {
    pub(super) rows: Vec<R>,
    pub(super) total: Option<u64>,
    pub(super) next: Option<SmolStr>,
}

/// `DescribeAndroidInstances`.
pub(super) fn listing(page: Page<InstanceRow>, asked: Option<&str>) -> Option<Observation> {
    let Unpaged { rows, total, next } = unpaged(page, asked)?;
    let rows = rows
        .iter()
        .filter_map(|row| {
            Some(PhoneReading {
                phone: PhoneId::new(some(row.android_instance_id.as_ref())?),
                listed: Some(Listed {
                    state: run_state(row.android_instance_status.as_deref()),
                    in_use: Some(in_use(row.session_status.as_deref())),
                    provider_group: some(row.android_instance_group_id.as_ref())
                        .map(ProviderGroup::new),
                }),
                values: listed_values(row),
                apps: None,
            })
        })
        .collect();
    Some(Observation {
        total,
        next: next.map(Cursor),
        ..observation(ReadKind::Listing, rows)
    })
}

/// Statuses as the SDK's comments list them; the states of a changing image are mentioned without their names.
pub(super) fn run_state(status: Option<&str>) -> RunState {
    let Some(status) = status else {
        return RunState::Unknown;
    };
    match status.trim().to_ascii_uppercase().as_str() {
        "RUNNING" => RunState::Running,
        // What boots from off has lost what a restart loses.
        "STARTING" | "REBOOTING" => RunState::Restarting,
        "RESETTING" | "RECOVERING" | "UPDATING" => RunState::Changing,
        "CREATING" | "BACKUPING" | "STOPPING" => RunState::NotReady,
        "UNAVAILABLE" => RunState::Unreachable,
        "FAILED" | "BACKUP_FAILED" | "RECOVER_FAILED" | "UPDATING_FAILED" => RunState::Abnormal,
        "STOPPED" => RunState::Off,
        "DELETING" | "DELETED" => RunState::Gone,
        _ => RunState::Unknown,
    }
}

/// Whether somebody looks at the phone. The words are not documented: only what plainly says "nobody" counts as that.
fn in_use(session: Option<&str>) -> bool {
    const NOBODY: [&str; 9] = [
        "",
        "DISCONNECT",
        "DISCONNECTED",
        "NOT_CONNECTED",
        "NONE",
        "NULL",
        "IDLE",
        "OFFLINE",
        "CLOSED",
    ];
    let word = session.unwrap_or_default().trim().to_ascii_uppercase();
    !NOBODY.contains(&word.as_str())
}

fn listed_values(row: &InstanceRow) -> Vec<(Attribute, Observed)> {
    let mut values = Vec::with_capacity(2);
    let (id, version) = (
        some(row.image_id.as_ref()),
        some(row.image_version.as_ref()),
    );
    if id.is_some() || version.is_some() {
        values.push((Attribute::Image, Observed::Image { id, version }));
    }
    // No limit is told by leaving it out.
    let limit = |limit: Option<i64>| u32::try_from(limit.unwrap_or(0).max(0)).unwrap_or(u32::MAX);
    values.push((
        Attribute::Bandwidth,
        Observed::Bandwidth(Bandwidth {
            up_mbps: limit(row.up_bandwidth_limit),
            down_mbps: limit(row.down_bandwidth_limit),
        }),
    ));
    values
}

/// `ListInstanceAdbAttributes`: a phone with an address has ADB on; one without a row has it off, if the list is complete.
pub(super) fn adb(page: Page<AdbRow>, phones: &[PhoneId]) -> Option<Observation> {
    let Unpaged { rows, next, .. } = unpaged(page, None)?;
    let has_port = |port: Option<&SmolStr>| some(port).is_some_and(|port| port != "0");
    let on: FxHashSet<SmolStr> = rows
        .iter()
        .filter(|row| has_port(row.external_port.as_ref()) || has_port(row.internal_port.as_ref()))
        .filter_map(|row| some(row.instance_id.as_ref()))
        .collect();
    let rows = phones
        .iter()
        .filter(|phone| next.is_none() || on.contains(phone.as_str()))
        .map(|phone| PhoneReading {
            phone: phone.clone(),
            listed: None,
            values: vec![(Attribute::Adb, Observed::Flag(on.contains(phone.as_str())))],
            apps: None,
        })
        .collect();
    Some(observation(ReadKind::Properties, rows))
}

/// `GetInstanceProperties` of one phone: what was asked for, as far as properties tell it.
pub(super) fn properties(
    answer: &Properties,
    phone: &PhoneId,
    asked: &[Attribute],
) -> Option<Observation> {
    let values = answer.values()?;
    let value = |name: &str| values.get(name).map_or("", SmolStr::as_str);
    let told = asked.iter().filter_map(|attribute| {
        let seen = shell::told_by_property(attribute, &value)?;
        Some((attribute.clone(), seen))
    });
    let reading = PhoneReading {
        phone: phone.clone(),
        listed: None,
        values: told.collect(),
        apps: None,
    };
    Some(observation(ReadKind::Shell, vec![reading]))
}

/// `DescribeApps`. Apps that the vendor could not take in are left out.
pub(super) fn app_catalogue(page: Page<AppRow>, asked: Option<&str>) -> Option<Observation> {
    let Unpaged { rows, total, next } = unpaged(page, asked)?;
    let is = |row: &AppRow, word: &str| {
        row.status
            .as_deref()
            .is_some_and(|status| status.eq_ignore_ascii_case(word))
    };
    let apps = rows
        .iter()
        .filter(|row| !is(row, "FAILED") && !is(row, "CREATING"))
        .filter_map(|row| {
            Some(CatalogueApp {
                app_id: some(row.app_id.as_ref())?,
                package: some(row.package_name.as_ref()).map(Package::new),
                version_name: some(row.android_app_version.as_ref()),
                version_code: None,
            })
        })
        .collect();
    Some(Observation {
        total,
        next: next.map(Cursor),
        apps,
        ..observation(ReadKind::AppCatalogue, Vec::new())
    })
}

/// Kinds of images; the vendor lists one at a time.
pub(super) const IMAGE_TYPES: [&str; 2] = ["System", "User"];

/// A place in the lists of images: the kind, and the token of the page.
pub(super) fn image_place(cursor: Option<&Cursor>) -> Option<(&'static str, Option<SmolStr>)> {
    let Some(Cursor(text)) = cursor else {
        return Some((IMAGE_TYPES[0], None));
    };
    let (kind, token) = text.split_once('/')?;
    let kind = IMAGE_TYPES.into_iter().find(|known| *known == kind)?;
    Some((
        kind,
        Some(token.into()).filter(|token: &SmolStr| !token.is_empty()),
    ))
}

/// `DescribeImageList` of one kind; after its last page comes the next kind. Images that cannot be used are left out.
pub(super) fn image_catalogue(
    page: Page<ImageRow>,
    kind: &str,
    asked: Option<&str>,
) -> Option<Observation> {
    let Unpaged { rows, next, .. } = unpaged(page, asked)?;
    let usable = |row: &&ImageRow| {
        let status = row.status.as_deref().unwrap_or("AVAILABLE");
        status.is_empty() || status.eq_ignore_ascii_case("AVAILABLE")
    };
    let images = rows
        .iter()
        .filter(usable)
        .filter_map(|row| {
            Some(CatalogueImage {
                id: some(row.image_id.as_ref())?,
                version: some(row.image_version.as_ref()).or_else(|| some(row.image_name.as_ref())),
            })
        })
        .collect();
    let after = IMAGE_TYPES
        .iter()
        .skip_while(|known| **known != kind)
        .nth(1)
        .map(|kind| format_smolstr!("{kind}/"));
    Some(Observation {
        next: next
            .map(|token| format_smolstr!("{kind}/{token}"))
            .or(after)
            .map(Cursor),
        images,
        ..observation(ReadKind::ImageCatalogue, Vec::new())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_understood_and_unknown_ones_wait() {
        for (status, state) in [
            ("RUNNING", RunState::Running),
            ("running", RunState::Running),
            ("STARTING", RunState::Restarting),
            ("REBOOTING", RunState::Restarting),
            ("RESETTING", RunState::Changing),
            ("RECOVERING", RunState::Changing),
            ("UPDATING", RunState::Changing),
            ("CREATING", RunState::NotReady),
            ("BACKUPING", RunState::NotReady),
            ("STOPPING", RunState::NotReady),
            ("STOPPED", RunState::Off),
            ("UNAVAILABLE", RunState::Unreachable),
            ("FAILED", RunState::Abnormal),
            ("BACKUP_FAILED", RunState::Abnormal),
            ("RECOVER_FAILED", RunState::Abnormal),
            ("DELETING", RunState::Gone),
            ("DELETED", RunState::Gone),
            ("IMAGE_UPDATING_OR_SO", RunState::Unknown),
        ] {
            assert_eq!(run_state(Some(status)), state, "{status}");
        }
        assert_eq!(run_state(None), RunState::Unknown);
    }

    #[test]
    fn words_about_sessions_that_nobody_knows_mean_that_somebody_is_there() {
        for (word, used) in [
            (None, false),
            (Some(""), false),
            (Some("Disconnected"), false),
            (Some("CONNECT"), true),
            (Some("CONNECTED"), true),
            (Some("SOMETHING"), true),
        ] {
            assert_eq!(in_use(word), used, "{word:?}");
        }
    }

    #[test]
    fn images_are_listed_kind_by_kind() {
        let page = |token: Option<&str>| {
            Page::<ImageRow> {
            next_token: token.map(Into::into),
            ..serde_json::from_str(
                r#"{"Data":[{"ImageId":"img-1","ImageVersion":"1"},{"ImageId":"img-2","Status":"CREATING"}]}"#,
            )
            .unwrap()
        }
        };
        let (kind, token) = image_place(None).unwrap();
        assert_eq!((kind, token), ("System", None));
        let first = image_catalogue(page(Some("t/1")), kind, None).unwrap();
        assert_eq!(first.images.len(), 1);
        let (kind, token) = image_place(first.next.as_ref()).unwrap();
        assert_eq!((kind, token.as_deref()), ("System", Some("t/1")));
        let second = image_catalogue(page(None), kind, token.as_deref()).unwrap();
        let (kind, token) = image_place(second.next.as_ref()).unwrap();
        assert_eq!((kind, token), ("User", None));
        assert_eq!(image_catalogue(page(None), kind, None).unwrap().next, None);
        assert!(image_catalogue(page(Some("again")), kind, Some("again")).is_none());
        assert_eq!(image_place(Some(&Cursor("Other/".into()))), None);
    }
}
