//! Reads: between the vendor's words and ours.
//!
//! Invariants: an unknown status means "wait"; a phone or a value that the answer does not tell is never made up. Not here: JSON (`wire`), jobs (`jobs`),
//! what commands print (`provider::shell`).

use super::wire::{AppRow, InstanceRow, Page};
use crate::model::id::{Package, PhoneId};
use crate::model::observed::{
    AppState, Cursor, InstalledApp, Listed, Observation, PhoneReading, ReadKind, RunState,
};
use crate::provider::drift;
use smol_str::{SmolStr, ToSmolStr};

/// Which of the vendor's two tables `running_status` follows. The pages about it contradict each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum StatusTable {
    /// 0 unknown, 1 stopped, 2 running, 3 going offline, 4 starting, 5 shut down: the SDK and the page of the list. 6 and 7 are read as the other table's.
    #[default]
    Running,
    /// 0 idle, 1 restoring, 2 data loaded, 3 streaming, 4 backing up, 5 backup failed, 6 restore failed, 7 loaded: a page of 2025-12.
    Lifecycle,
}

/// Text with something in it.
pub(super) fn some(text: Option<SmolStr>) -> Option<SmolStr> {
    drift::trimmed(text?)
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

/// A page: its rows, how many there are in all, and the number of the next page.
pub(super) struct Unpaged<T> {
    /// The rows.
    pub(super) rows: Vec<T>,
    /// Rows in all, if told.
    pub(super) total: Option<u64>,
    /// The next page, if there is one.
    pub(super) next: Option<u32>,
}

/// What a page tells. `None`: no rows, which is not the same as none, or an empty page before the last one.
pub(super) fn unpaged<T>(page: Page<T>, number: u32, asked: u32) -> Option<Unpaged<T>> {
    let total = page.total_count.and_then(|total| u64::try_from(total).ok());
    let rows = match page.result {
        Some(rows) => rows,
        None if total == Some(0) => Vec::new(),
        None => return None,
    };
    // A vendor that gives fewer rows a page than asked says so.
    let size = page
        .page_size
        .and_then(|size| u32::try_from(size).ok())
        .filter(|size| *size > 0)
        .map_or(asked, |size| size.min(asked));
    let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    let before = u64::from(number.saturating_sub(1)) * u64::from(size);
    let more = match total {
        Some(total) => before + u64::from(size) < total,
        None => count >= u64::from(size),
    };
    if rows.is_empty() && (more || total.is_some_and(|total| before < total)) {
        return None;
    }
    Some(Unpaged {
        rows,
        total,
        next: more.then(|| number.saturating_add(1)),
    })
}

/// `batch-query`.
pub(super) fn listing(
    page: Page<InstanceRow>,
    number: u32,
    asked: u32,
    table: StatusTable,
) -> Option<Observation> {
    let page = unpaged(page, number, asked)?;
    let rows = page.rows.into_iter().filter_map(|row| {
        Some(PhoneReading {
            phone: PhoneId::new(some(row.instance_id.clone())?),
            listed: Some(listed(&row, table)),
            values: Vec::new(),
            apps: None,
        })
    });
    Some(Observation {
        total: page.total,
        next: page.next.map(|next| Cursor(next.to_smolstr())),
        ..observation(ReadKind::Listing, rows.collect())
    })
}

fn listed(row: &InstanceRow, table: StatusTable) -> Listed {
    let streaming = table == StatusTable::Lifecycle && row.running_status == Some(3);
    let logged_in = row.login_status.map(|status| status > 0);
    Listed {
        state: run_state(row, table),
        in_use: if streaming { Some(true) } else { logged_in },
        provider_group: None,
    }
}

/// Whether the phone can run jobs. A backup or a restore that is under way counts where the status says "running".
pub(super) fn run_state(row: &InstanceRow, table: StatusTable) -> RunState {
    if row.frozen_status.is_some_and(|status| status != 0) {
        // Nothing but its owner, or the bill, brings it back.
        return RunState::Off;
    }
    let state = match (table, row.running_status) {
        (_, Some(2 | 7)) | (StatusTable::Lifecycle, Some(0 | 3)) => RunState::Running,
        (StatusTable::Running, Some(1 | 5)) => RunState::Off,
        (StatusTable::Running, Some(4)) => RunState::Restarting,
        (StatusTable::Running, Some(3)) | (StatusTable::Lifecycle, Some(4)) => RunState::NotReady,
        (StatusTable::Lifecycle, Some(1)) => RunState::Changing,
        (_, Some(6)) | (StatusTable::Lifecycle, Some(5)) => RunState::Abnormal,
        (StatusTable::Running | StatusTable::Lifecycle, Some(_) | None) => RunState::Unknown,
    };
    match (state, row.restore_status, row.backup_status) {
        (RunState::Running, Some(1), _) => RunState::Changing,
        (RunState::Running, _, Some(1)) => RunState::NotReady,
        (state, _, _) => state,
    }
}

/// `app-list`, all pages of one phone together; `system`: what is known of all rows, by what was asked for.
pub(super) fn apps(phone: PhoneId, rows: Vec<AppRow>, system: Option<bool>) -> Observation {
    let apps = rows
        .into_iter()
        .filter_map(|row| installed(row, system))
        .collect();
    let reading = PhoneReading {
        phone,
        listed: None,
        values: Vec::new(),
        apps: Some(apps),
    };
    observation(ReadKind::Apps, vec![reading])
}

fn installed(row: AppRow, system: Option<bool>) -> Option<InstalledApp> {
    Some(InstalledApp {
        package: Package::new(some(row.app_pkg)?),
        version_name: some(row.app_version),
        version_code: None,
        state: AppState::Installed,
        system,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(running: i64) -> InstanceRow {
        InstanceRow {
            running_status: Some(running),
            ..InstanceRow::default()
        }
    }

    #[test]
    fn both_tables_of_statuses_are_read() {
        use RunState::{Abnormal, Changing, NotReady, Off, Restarting, Running, Unknown};
        let states = |table| {
            (0..9)
                .map(|status| run_state(&row(status), table))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            states(StatusTable::Running),
            [
                Unknown, Off, Running, NotReady, Restarting, Off, Abnormal, Running, Unknown
            ]
        );
        assert_eq!(
            states(StatusTable::Lifecycle),
            [
                Running, Changing, Running, Running, NotReady, Abnormal, Abnormal, Running, Unknown
            ]
        );
        let silent = InstanceRow::default();
        assert_eq!(run_state(&silent, StatusTable::Running), Unknown);
    }

    #[test]
    fn frozen_restored_and_backed_up_phones_do_not_work() {
        let with = |change: fn(&mut InstanceRow)| {
            let mut row = row(2);
            change(&mut row);
            run_state(&row, StatusTable::Running)
        };
        assert_eq!(with(|row| row.frozen_status = Some(1)), RunState::Off);
        assert_eq!(with(|row| row.frozen_status = Some(0)), RunState::Running);
        assert_eq!(with(|row| row.restore_status = Some(1)), RunState::Changing);
        assert_eq!(with(|row| row.backup_status = Some(1)), RunState::NotReady);
        assert_eq!(with(|row| row.backup_status = Some(2)), RunState::Running);
    }

    #[test]
    fn a_login_or_a_stream_is_use() {
        let in_use = |running, login, table| {
            let row = InstanceRow {
                login_status: login,
                ..row(running)
            };
            listed(&row, table).in_use
        };
        assert_eq!(in_use(2, Some(1), StatusTable::Running), Some(true));
        assert_eq!(in_use(2, Some(0), StatusTable::Running), Some(false));
        assert_eq!(in_use(2, None, StatusTable::Running), None);
        assert_eq!(in_use(3, Some(0), StatusTable::Lifecycle), Some(true));
        assert_eq!(in_use(3, Some(0), StatusTable::Running), Some(false));
    }

    fn page(rows: Option<usize>, size: Option<i64>, total: Option<i64>) -> Page<u8> {
        Page {
            result: rows.map(|rows| vec![0; rows]),
            page_no: None,
            page_size: size,
            total_count: total,
        }
    }

    #[test]
    fn pages_follow_each_other_until_all_rows_were_told() {
        let next = |page, number| unpaged(page, number, 100).map(|page| page.next);
        assert_eq!(
            next(page(Some(100), Some(100), Some(250)), 1),
            Some(Some(2))
        );
        assert_eq!(next(page(Some(50), Some(100), Some(250)), 3), Some(None));
        assert_eq!(next(page(Some(100), Some(100), Some(200)), 2), Some(None));
        // Fewer rows a page than asked for: the vendor's own page size counts.
        assert_eq!(next(page(Some(50), Some(50), Some(120)), 2), Some(Some(3)));
        assert_eq!(next(page(Some(20), Some(50), Some(120)), 3), Some(None));
        // Without a total, a full page has a successor.
        assert_eq!(next(page(Some(100), None, None), 1), Some(Some(2)));
        assert_eq!(next(page(Some(99), None, None), 1), Some(None));
        assert_eq!(next(page(Some(0), None, None), 2), Some(None));
    }

    #[test]
    fn nothing_is_not_an_empty_list() {
        assert!(unpaged(page(None, None, None), 1, 100).is_none());
        assert!(unpaged(page(None, None, Some(7)), 1, 100).is_none());
        assert!(unpaged(page(Some(0), None, Some(7)), 1, 100).is_none());
        let none = unpaged(page(None, None, Some(0)), 1, 100).unwrap();
        assert!(none.rows.is_empty());
    }
}
