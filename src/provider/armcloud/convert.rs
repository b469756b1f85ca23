//! Reads: between the vendor's words and ours.
//!
//! Invariants: an unknown status means "wait", a value of no canonical form stays text, a phone nobody asked for is left out (and logged), a phone or a
//! value that the answer does not tell is never made up. Not here: JSON (`wire`), property lists (`properties`), jobs (`jobs`).

use super::table::{CATALOGUE_ROWS, LISTING_ROWS};
use super::wire::{
    AppRow, CatalogueAppRow, ImageRow, InstalledRow, PadRow, Paged, RenameRow, Scalar,
};
use crate::model::attribute::Attribute;
use crate::model::id::{Package, PhoneId, ProviderGroup};
use crate::model::observed::{
    AppState, CatalogueApp, CatalogueImage, Cursor, InstalledApp, Listed, Observation, Observed,
    PhoneReading, ReadKind, RunState,
};
use crate::model::rename::Rename;
pub(super) use crate::provider::asked::AskedFor;
use crate::provider::drift;
use smol_str::{SmolStr, ToSmolStr};

/// Text with something in it.
pub(super) fn some(text: Option<SmolStr>) -> Option<SmolStr> {
    drift::trimmed(text?)
}

/// An id that names something: not empty, not zero.
pub(super) fn some_id(id: Option<Scalar>) -> Option<SmolStr> {
    some(id.map(|id| id.0)).filter(|id| id != "0")
}

pub(super) fn observation(kind: ReadKind, rows: Vec<PhoneReading>) -> Observation {
    Observation {
        kind,
        rows,
        next: None,
        total: None,
        apps: Vec::new(),
        images: Vec::new(),
    }
}

/// Rows of a page, how many there are in all, and where the next page starts. `None`: the answer tells no rows, which is not the same as none.
pub(super) fn unpaged<T>(paged: Option<Paged<T>>, number: u32, asked: u32) -> Option<Unpaged<T>> {
    let page = match paged? {
        Paged::Page(page) => *page,
        Paged::Bare(rows) => return Some((rows, None, None)),
    };
    let rows = match page.page_data.or(page.records) {
        Some(rows) => rows,
        None if page.total == Some(0) => Vec::new(),
        None => return None,
    };
    let last = page.total_page.or(page.pages);
    // Without a number of pages, a full page has a successor; a vendor that gives fewer rows a page than asked says so in `rows`.
    let full = page
        .rows
        .and_then(|rows| u32::try_from(rows).ok())
        .filter(|rows| *rows > 0)
        .map_or(asked, |rows| rows.min(asked));
    let more = match last {
        Some(last) => i64::from(number) < last,
        None => rows.len() >= usize::try_from(full).unwrap_or(usize::MAX),
    };
    if more && rows.is_empty() && last.is_some() {
        // An empty page with pages after it is a broken listing, not the end of one.
        return None;
    }
    let next = (more && !rows.is_empty()).then(|| Cursor(number.saturating_add(1).to_smolstr()));
    let total = page.total.and_then(|total| u64::try_from(total).ok());
    Some((rows, total, next))
}

/// See [`unpaged`].
pub(super) type Unpaged<T> = (Vec<T>, Option<u64>, Option<Cursor>);

/// `infos`.
pub(super) fn listing(paged: Option<Paged<PadRow>>, number: u32) -> Option<Observation> {
    let (rows, total, next) = unpaged(paged, number, LISTING_ROWS)?;
    let rows = rows
        .into_iter()
        .filter_map(|row| {
            let phone = PhoneId::new(some(row.pad_code.clone())?);
            let listed = listed(&row);
            Some(PhoneReading {
                phone,
                listed: Some(listed),
                values: listed_values(row),
                apps: None,
            })
        })
        .collect();
    Some(Observation {
        total,
        next,
        ..observation(ReadKind::Listing, rows)
    })
}

/// `queryPadIdChangeRecords`, the newest first.
pub(super) fn renames(told: Vec<RenameRow>) -> Vec<Rename> {
    let mut renames = Vec::new();
    for row in told {
        let pages = [row.page_data, row.records, row.list, row.rows];
        let rows = pages.into_iter().flatten().flatten();
        let alone = (row.old_pad_code, row.new_pad_code);
        let all =
            std::iter::once(alone).chain(rows.map(|row| (row.old_pad_code, row.new_pad_code)));
        renames.extend(all.filter_map(|(from, to)| {
            Some(Rename {
                from: PhoneId::new(some(from)?),
                to: PhoneId::new(some(to)?),
            })
        }));
    }
    renames
}

/// `padDetails`. Tells state and use; what the listing tells too is left to the listing.
pub(super) fn usage(paged: Option<Paged<PadRow>>, phones: &[PhoneId]) -> Observation {
    let (rows, _, _) = unpaged(paged, 1, u32::MAX).unwrap_or_default();
    let asked = AskedFor::new(phones, "padDetails");
    let rows = rows
        .into_iter()
        .filter_map(|row| {
            Some(PhoneReading {
                phone: asked.phone(row.pad_code.as_deref())?,
                listed: Some(listed(&row)),
                values: Vec::new(),
                apps: None,
            })
        })
        .collect();
    observation(ReadKind::Usage, rows)
}

fn listed(row: &PadRow) -> Listed {
    Listed {
        state: run_state(row),
        in_use: row.stream_status.map(|status| status != 0),
        provider_group: row
            .group_id
            .as_ref()
            .map(|group| ProviderGroup::new(group.0.clone())),
    }
}

/// Whether the phone can run jobs. `online` and the board count only where the status says "running".
pub(super) fn run_state(row: &PadRow) -> RunState {
    match row.pad_status {
        Some(10) if row.online == Some(0) || row.device_status == Some(0) => RunState::Unreachable,
        Some(10) => RunState::Running,
        // 20 boots from off: what a restart loses is lost too.
        Some(11 | 20) => RunState::Restarting,
        // 17 puts a backup back, which is a change of everything.
        Some(12 | 13 | 17) => RunState::Changing,
        Some(15 | 16 | 19 | 26) => RunState::NotReady,
        Some(14 | 21 | 22 | 24) => RunState::Abnormal,
        Some(18) => RunState::Off,
        Some(23 | 25 | -1) => RunState::Gone,
        Some(_) | None => RunState::Unknown,
    }
}

fn listed_values(row: PadRow) -> Vec<(Attribute, Observed)> {
    let mut values = Vec::new();
    let (id, version) = (some(row.image_id), some(row.image_version));
    if id.is_some() || version.is_some() {
        values.push((Attribute::Image, Observed::Image { id, version }));
    }
    if let Some(status) = row.adb_open_status {
        let on = status.is_some_and(|status| status.number() == Some(1));
        values.push((Attribute::Adb, Observed::Flag(on)));
    }
    values
}

/// `listInstalledApp`. A phone whose list is null told nothing.
pub(super) fn apps(rows: Vec<InstalledRow>, phones: &[PhoneId]) -> Observation {
    let asked = AskedFor::new(phones, "listInstalledApp");
    let rows = rows
        .into_iter()
        .filter_map(|row| {
            let phone = asked.phone(row.pad_code.as_deref())?;
            let apps = row.apps?.into_iter().filter_map(installed).collect();
            Some(PhoneReading {
                phone,
                listed: None,
                values: Vec::new(),
                apps: Some(apps),
            })
        })
        .collect();
    observation(ReadKind::Apps, rows)
}

fn installed(row: AppRow) -> Option<InstalledApp> {
    Some(InstalledApp {
        package: Package::new(some(row.package_name)?),
        version_name: some(row.version_name),
        version_code: row.version_code.and_then(|code| code.trim().parse().ok()),
        state: match row.app_state {
            Some(0) | None => AppState::Installed,
            // 1 installs, 2 downloads; what we do not know is not taken for installed.
            Some(_) => AppState::InProgress,
        },
        system: None,
    })
}

/// `app/list`. Apps whose file the vendor calls unusable are left out.
pub(super) fn app_catalogue(
    paged: Option<Paged<CatalogueAppRow>>,
    number: u32,
) -> Option<Observation> {
    let (rows, total, next) = unpaged(paged, number, CATALOGUE_ROWS)?;
    let apps = rows
        .into_iter()
        .filter(|row| row.available != Some(0))
        .filter_map(|row| {
            Some(CatalogueApp {
                app_id: some(row.app_id.map(|id| id.0))?,
                package: some(row.package_name).map(Package::new),
                version_name: some(row.version_name),
                version_code: row.version_no.and_then(|code| u64::try_from(code).ok()),
            })
        })
        .collect();
    Some(Observation {
        total,
        next,
        apps,
        ..observation(ReadKind::AppCatalogue, Vec::new())
    })
}

/// `queryImageList`.
pub(super) fn image_catalogue(paged: Option<Paged<ImageRow>>, number: u32) -> Option<Observation> {
    let (rows, total, next) = unpaged(paged, number, CATALOGUE_ROWS)?;
    let images = rows
        .into_iter()
        .filter_map(|row| {
            Some(CatalogueImage {
                id: some(row.image_id)?,
                version: some(row.image_tag).or_else(|| some(row.image_name)),
            })
        })
        .collect();
    Some(Observation {
        total,
        next,
        images,
        ..observation(ReadKind::ImageCatalogue, Vec::new())
    })
}
