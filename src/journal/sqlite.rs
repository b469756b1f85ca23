//! The journal of a state folder: one SQLite file, one writer.
//!
//! Operators can open `journal.db` with `sqlite3 -readonly` at any time, also while a writer runs:
//!
//! | table | column | meaning |
//! |---|---|---|
//! | `records` | `sequence` | counts up from 1, no gaps after the snapshot |
//! | | `at` | when it was appended, milliseconds since 1970 in UTC |
//! | | `kind` | `intended`, `moved`, `asserted`, `converged`, `trouble`, `spent`, `called`, `renamed` |
//! | | `operation` | number of the operation it is about, if it is about one |
//! | | `body` | the record, JSON (`model::record::Record`) |
//! | | `sum` | checksum over place, time, kind and body |
//! | `snapshots` | `sequence` | the rows together are the state after this record; replay begins there |
//! | | `position`, `total` | number of the row from 0, and how many there are |
//! | | `at`, `kind`, `operation`, `body`, `sum` | as above |
//!
//! `sqlite3 -readonly journal.db "SELECT sequence, datetime(at/1000,'unixepoch'), body FROM records WHERE operation = 17"` tells what became of `op-17`.
//! Records before the snapshot are history: kept for [`HISTORY`], at most [`HISTORY_ROWS`] of them.
//!
//! *The way out of a damaged file*: restore the state folder from a backup, or move `journal.db`, `journal.db-wal` and `journal.db-shm` aside together and
//! start again. That costs the memory of operations under way (costly ones may be doubled: look at the vendor first), of costs spent under allowances, and of
//! write-only values, which are asserted again.
//!
//! Invariants: a record is on disk when `append` returns (`synchronous=FULL`); `journal.db` never exists without its tables; readers create no file and take no lock.
//! Not here: what is written when (`controller`), text forms and replay (`rows`).

use super::lock::Lock;
use super::rows::{APPLICATION, Loaded, SCHEMA, Size, VERSION, damaged, database, encode, load};
use super::state::{Step, make_folder, plain, storage, sync_folder};
use super::{Journal, JournalError};
use crate::model::record::{Ledger, Record};
use crate::model::stamp::Timestamp;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, Transaction, params};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the journal in the state folder.
const JOURNAL: &str = "journal.db";

/// Records before the snapshot are kept this long, for `explain` and `history`.
pub const HISTORY: Duration = Duration::from_hours(30 * 24);

/// Records before the snapshot are kept up to this number (some 100 MB).
pub const HISTORY_ROWS: i64 = 200_000;

/// Replay of less than this is not worth a snapshot (some 50 ms).
const SMALL: Size = Size {
    rows: 10_000,
    bytes: 8 << 20,
};

/// No record is longer, in bytes: one that is was not written here, and is not taken into memory.
const LONGEST: i32 = 64 << 20;

/// A reader that meets a checkpoint waits this long; a writer never waits, it is alone.
const BUSY: Duration = Duration::from_secs(2);

/// The journal of a state folder, open for writing.
#[derive(Debug)]
pub struct SqliteJournal {
    connection: Connection,
    path: PathBuf,
    last: i64,
    latest: Timestamp,
    base: Size,
    since: Size,
    _lock: Lock,
}

impl SqliteJournal {
    /// Opens the journal of a state folder for writing, making both if they are missing, and replays it.
    ///
    /// `holder` is the command that will hold the folder ("phonefleet run"); process id and `now` are added.
    ///
    /// # Errors
    /// `Locked`: another process writes. `Damaged`, `Misfit`: the content cannot be trusted, and nothing was changed. `Storage`: everything else.
    pub fn open(
        folder: &Path,
        holder: &str,
        now: Timestamp,
    ) -> Result<(Self, Ledger), JournalError> {
        make_folder(folder)?;
        let lock = Lock::take(folder, holder, now)?;
        let path = folder.join(JOURNAL);
        if !is_there(&path)? {
            create(folder, &path)?;
        }
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let loaded = load(&connection, &path)?;
        prepare_for_writing(&connection).map_err(database("open", &path))?;
        let Loaded {
            ledger,
            last,
            latest,
            base,
            since,
        } = loaded;
        let journal = Self {
            connection,
            path,
            last,
            latest: latest.max(now),
            base,
            since,
            _lock: lock,
        };
        Ok((journal, ledger))
    }

    fn write(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> Result<(), WriteError>,
    ) -> Result<(), JournalError> {
        let done = self
            .connection
            .transaction()
            .map_err(WriteError::from)
            .and_then(|transaction| {
                work(&transaction)?;
                Ok(transaction.commit()?)
            });
        done.map_err(|error| match error {
            WriteError::Database(error) => database("write", &self.path)(error),
            WriteError::Encode(error) => storage(Step("write"), &self.path)(error.into()),
        })
    }
}

/// What can go wrong inside a transaction.
enum WriteError {
    Database(rusqlite::Error),
    Encode(serde_json::Error),
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<serde_json::Error> for WriteError {
    fn from(error: serde_json::Error) -> Self {
        Self::Encode(error)
    }
}

impl Journal for SqliteJournal {
    /// *Guarantee*: after a crash at any point, all of these records are there or none.
    fn append(&mut self, records: &[Record], at: Timestamp) -> Result<(), JournalError> {
        if records.is_empty() {
            return Ok(());
        }
        let (mut last, mut since) = (self.last, self.since);
        self.write(|transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO records (sequence, at, kind, operation, body, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            for record in records {
                last += 1;
                let text = encode(record, (last, -1, at))?;
                insert.execute(params![last, at.0, text.kind, text.operation, text.body, text.sum])?;
                since.add(&text.body);
            }
            Ok(())
        })?;
        (self.last, self.since) = (last, since);
        self.latest = self.latest.max(at);
        Ok(())
    }

    /// True when what came after the snapshot is large, and twice as large as the snapshot: the cost of compacting stays a share of that of appending.
    fn should_compact(&self) -> bool {
        self.since.rows > SMALL.rows.max(2 * self.base.rows)
            || self.since.bytes > SMALL.bytes.max(2 * self.base.bytes)
    }

    fn compact(&mut self, ledger: &Ledger) -> Result<(), JournalError> {
        let (last, at) = (self.last, self.latest);
        if last == 0 {
            return Ok(());
        }
        let records = ledger.snapshot();
        let mut base = Size::default();
        self.write(|transaction| {
            transaction.execute("DELETE FROM snapshots", [])?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO snapshots (sequence, position, total, at, kind, operation, body, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?;
            for record in &records {
                let text = encode(record, (last, base.rows, at))?;
                insert.execute(params![
                    last, base.rows, i64::try_from(records.len()).unwrap_or(i64::MAX), at.0, text.kind, text.operation, text.body, text.sum
                ])?;
                base.add(&text.body);
            }
            transaction.execute(
                "DELETE FROM records WHERE sequence <= ?1 AND (at < ?2 OR sequence <= ?1 - ?3)",
                params![last, at.before(HISTORY).0, HISTORY_ROWS],
            )?;
            Ok(())
        })?;
        self.base = base;
        self.since = Size::default();
        Ok(())
    }
}

/// The ledger of a state folder as it stands now; `None`: there is no journal yet. Takes no lock, creates nothing, works while a writer runs.
///
/// # Errors
/// `Damaged`, `Misfit`: the content cannot be trusted. `Storage`: it cannot be read.
pub fn read(folder: &Path) -> Result<Option<Ledger>, JournalError> {
    with_reader(folder, |connection, path| {
        load(connection, path).map(|loaded| loaded.ledger)
    })
}

/// Runs `work` on a read-only view of one moment. `None`: there is no journal.
///
/// SQLite's readers of a WAL file make `-wal` and `-shm` files when these are missing. So a file without `-wal` (no writer runs) is opened as one that
/// never changes; should a writer come meanwhile, the work is done again.
pub(super) fn with_reader<T>(
    folder: &Path,
    work: impl Fn(&Connection, &Path) -> Result<T, JournalError>,
) -> Result<Option<T>, JournalError> {
    let path = folder.join(JOURNAL);
    let failed = storage(Step("read"), &path);
    is_there(&path)?;
    loop {
        let Some(before) = stand(&path).map_err(&failed)? else {
            return Ok(None);
        };
        let result = connect_reader(&path, before.quiet).and_then(|connection| {
            let view = connection
                .unchecked_transaction()
                .map_err(database("read", &path))?;
            work(&view, &path)
        });
        if !before.quiet || stand(&path).map_err(&failed)?.as_ref() == Some(&before) {
            return result.map(Some);
        }
    }
}

/// How the file stands: no writer's file beside it, and size and time of change.
#[derive(PartialEq, Eq)]
struct Stand {
    quiet: bool,
    length: u64,
    modified: Option<std::time::SystemTime>,
}

fn stand(path: &Path) -> io::Result<Option<Stand>> {
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(Stand {
        quiet: !beside(path, "-wal").try_exists()?,
        length: about.len(),
        modified: about.modified().ok(),
    }))
}

/// Whether there is a journal; it and what SQLite keeps beside it are plain files.
fn is_there(path: &Path) -> Result<bool, JournalError> {
    for suffix in ["-wal", "-shm"] {
        plain(&beside(path, suffix))?;
    }
    Ok(plain(path)?.is_some())
}

/// The file that SQLite keeps beside a database (`-wal`, `-shm`).
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn connect_reader(path: &Path, quiet: bool) -> Result<Connection, JournalError> {
    if !quiet {
        return connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    }
    let absolute = std::path::absolute(path).map_err(storage(Step("open"), path))?;
    let mut url = url::Url::from_file_path(&absolute).map_err(|()| {
        storage(Step("open"), path)(io::Error::new(
            ErrorKind::InvalidInput,
            "the path cannot be written as a URL",
        ))
    })?;
    url.set_query(Some("immutable=1"));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    connect(Path::new(url.as_str()), flags).map_err(|error| match error {
        JournalError::Storage { step, source, .. } => JournalError::Storage {
            step,
            path: path.display().to_string(),
            source,
        },
        JournalError::Locked { .. }
        | JournalError::Damaged { .. }
        | JournalError::Misfit { .. } => error,
    })
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, JournalError> {
    let failed = database("open", path);
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(&failed)?;
    connection.busy_timeout(BUSY).map_err(&failed)?;
    connection
        .set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST)
        .map_err(&failed)?;
    Ok(connection)
}

/// Makes an empty journal under another name and puts it in place whole, so that an empty `journal.db` is always damage and never a beginning.
fn create(folder: &Path, path: &Path) -> Result<(), JournalError> {
    let left = beside(path, "-wal");
    if left.try_exists().map_err(storage(Step("open"), &left))? {
        return Err(damaged(
            &left,
            0,
            "its journal.db is missing; put that back, or move this file out of the way too",
        ));
    }
    let new = folder.join("journal.db.new");
    let failed = storage(Step("create"), &new);
    for file in [&new, &beside(&new, "-journal")] {
        match fs::remove_file(file) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .map_err(&failed)?;
    fill(&new).map_err(database("create", &new))?;
    file.sync_all()
        .and_then(|()| fs::rename(&new, path))
        .and_then(|()| sync_folder(folder))
        .map_err(&failed)
}

fn fill(new: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open_with_flags(new, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.execute_batch(&format!(
        "BEGIN; PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; {SCHEMA} COMMIT;"
    ))?;
    connection.close().map_err(|(_, error)| error)
}

/// WAL: readers work beside the writer. FULL: a commit is on disk when it returns; with NORMAL acknowledged commits are lost on power cut.
fn prepare_for_writing(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| {
        let mode: String = row.get(0)?;
        if mode.eq_ignore_ascii_case("wal") {
            return Ok(());
        }
        Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
            Some("this file system cannot share memory between processes, which the write-ahead log needs".to_owned()),
        ))
    })?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    connection.pragma_update(None, "trusted_schema", false)
}

#[cfg(test)]
mod tests {
    use super::super::history::history;
    use super::super::legal::legal;
    use super::*;
    use crate::model::id::{OperationId, PhoneId};
    use crate::model::operation::PhaseEvent;
    use crate::model::record::Misfit;
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn open(folder: &Path) -> Result<(SqliteJournal, Ledger), JournalError> {
        SqliteJournal::open(folder, "phonefleet apply", NOW)
    }

    /// Numbers that make some dozens of records with open operations.
    fn choices(count: u64) -> Vec<u64> {
        (1..=count)
            .map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23))
            .collect()
    }

    /// A folder as it would be found had the power failed now.
    fn crash(folder: &Path) -> tempfile::TempDir {
        let image = tempfile::tempdir().unwrap();
        for name in ["journal.db", "journal.db-wal"] {
            if folder.join(name).exists() {
                fs::copy(folder.join(name), image.path().join(name)).unwrap();
            }
        }
        image
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// A closed journal of these records, with a snapshot after the first half.
    fn closed(folder: &Path, records: &[Record]) {
        let (mut journal, mut ledger) = open(folder).unwrap();
        for (number, record) in records.iter().enumerate() {
            journal.append(std::slice::from_ref(record), NOW).unwrap();
            ledger.apply(record).unwrap();
            if number == records.len() / 2 {
                journal.compact(&ledger).unwrap();
            }
        }
    }

    #[test]
    fn what_was_appended_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("new/state");
        let (records, ledger) = legal(&choices(300));
        let (mut journal, empty) = open(&state).unwrap();
        assert_eq!(empty, Ledger::default());
        journal.append(&records, NOW).unwrap();
        journal.append(&[], NOW).unwrap();
        drop(journal);
        assert_eq!(open(&state).unwrap().1, ledger);
        assert_eq!(read(&state).unwrap(), Some(ledger));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&state), 0o700);
        assert_eq!(mode(&state.join("journal.db")), 0o600);
        assert_eq!(mode(&state.join("lock")), 0o600);
        assert_eq!(names(&state), ["journal.db", "lock"]);
    }

    #[test]
    fn the_files_beside_an_open_journal_are_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(folder.path()).unwrap();
        journal.append(&legal(&choices(9)).0, NOW).unwrap();
        for name in names(folder.path()) {
            let about = fs::metadata(folder.path().join(&name)).unwrap();
            assert_eq!(about.permissions().mode() & 0o777, 0o600, "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn compaction_and_reopening_change_nothing(
            numbers in prop::collection::vec(any::<u64>(), 1..80),
            cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..4),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let (records, expected) = legal(&numbers);
            prop_assume!(!records.is_empty());
            let mut cuts: Vec<_> = cuts.iter().map(|(at, reopen)| (at.index(records.len()), *reopen)).collect();
            cuts.sort_unstable();
            let (mut journal, mut ledger) = open(folder.path()).unwrap();
            let mut from = 0;
            for (cut, reopen) in cuts.into_iter().chain([(records.len(), true)]) {
                journal.append(&records[from..cut], NOW).unwrap();
                for record in &records[from..cut] {
                    ledger.apply(record).unwrap();
                }
                from = cut;
                journal.compact(&ledger).unwrap();
                if reopen {
                    drop(journal);
                    (journal, ledger) = open(folder.path()).unwrap();
                }
            }
            prop_assert_eq!(&ledger, &expected);
            prop_assert_eq!(read(folder.path()).unwrap(), Some(expected));
        }
    }

    #[test]
    fn a_transaction_that_was_not_committed_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (records, _) = legal(&choices(60));
        let (mut journal, mut ledger) = open(folder.path()).unwrap();
        journal.append(&records[..5], NOW).unwrap();
        for record in &records[..5] {
            ledger.apply(record).unwrap();
        }
        let transaction = journal.connection.transaction().unwrap();
        transaction
            .execute(
                "INSERT INTO records (at, kind, body, sum) VALUES (0, 'called', '{}', '')",
                [],
            )
            .unwrap();
        let image = crash(folder.path());
        drop(transaction);
        assert_eq!(open(image.path()).unwrap().1, ledger);
    }

    #[test]
    fn a_log_that_was_cut_anywhere_gives_a_beginning_of_whole_appends() {
        let folder = tempfile::tempdir().unwrap();
        let (records, _) = legal(&choices(120));
        let (mut journal, _) = open(folder.path()).unwrap();
        let mut standings = vec![Ledger::default()];
        for pair in records.chunks(2) {
            journal.append(pair, NOW).unwrap();
            let mut ledger = standings.last().unwrap().clone();
            for record in pair {
                ledger.apply(record).unwrap();
            }
            standings.push(ledger);
        }
        let image = crash(folder.path());
        let log = fs::read(image.path().join("journal.db-wal")).unwrap();
        let mut reached = std::collections::BTreeSet::new();
        for cut in (0..=log.len()).step_by(log.len() / 97) {
            let image = crash(folder.path());
            fs::write(image.path().join("journal.db-wal"), &log[..cut]).unwrap();
            let seen = read(image.path()).unwrap().unwrap();
            let (_journal, ledger) = open(image.path()).unwrap();
            assert_eq!(seen, ledger, "cut at {cut}");
            let at = standings.iter().position(|standing| *standing == ledger);
            reached.insert(at.unwrap_or_else(|| panic!("cut at {cut}: no such standing")));
        }
        assert!(reached.len() > 10, "{reached:?}");
    }

    #[test]
    fn no_flipped_byte_gives_another_ledger() {
        let folder = tempfile::tempdir().unwrap();
        let (records, expected) = legal(&choices(60));
        closed(folder.path(), &records);
        let good = fs::read(folder.path().join("journal.db")).unwrap();
        let mut refused = 0;
        for step in 0..400usize {
            let at = step * 7919 % good.len();
            let mut bad = good.clone();
            bad[at] ^= 1 << (step % 8);
            let image = tempfile::tempdir().unwrap();
            fs::write(image.path().join("journal.db"), &bad).unwrap();
            match open(image.path()) {
                Ok((_, ledger)) => assert_eq!(ledger, expected, "byte {at}"),
                Err(_) => refused += 1,
            }
            match read(image.path()) {
                Ok(ledger) => assert_eq!(ledger.as_ref(), Some(&expected), "byte {at}"),
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 100, "only {refused} were noticed");
    }

    #[test]
    fn a_truncated_file_is_damaged_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        closed(folder.path(), &legal(&choices(200)).0);
        let path = folder.path().join("journal.db");
        let whole = fs::read(&path).unwrap();
        for keep in [0, 1, 99, 512, 4096, whole.len() / 2, whole.len() - 4096] {
            fs::write(&path, &whole[..keep]).unwrap();
            for error in [
                open(folder.path()).unwrap_err(),
                read(folder.path()).unwrap_err(),
            ] {
                assert!(
                    matches!(error, JournalError::Damaged { .. }),
                    "{keep}: {error:?}"
                );
                assert!(error.advice().contains("move journal.db"));
            }
            assert_eq!(fs::read(&path).unwrap(), &whole[..keep]);
        }
    }

    #[test]
    fn garbage_other_databases_and_other_versions_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let refused = |part: &str| {
            for error in [
                open(folder.path()).unwrap_err(),
                read(folder.path()).unwrap_err(),
            ] {
                let JournalError::Damaged {
                    sequence: 0,
                    problem,
                    ..
                } = &error
                else {
                    panic!("{error:?}");
                };
                assert!(problem.contains(part), "{error}");
            }
        };
        fs::write(&path, "timezone: Asia/Singapore\n".repeat(400)).unwrap();
        refused("no readable journal");
        fs::remove_file(&path).unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("CREATE TABLE records (a)").unwrap();
        drop(other);
        refused("not a journal of phonefleet");
        fs::remove_file(&path).unwrap();
        closed(folder.path(), &legal(&choices(9)).0);
        let newer = Connection::open(&path).unwrap();
        newer.pragma_update(None, "user_version", 2).unwrap();
        drop(newer);
        refused("format 2");
    }

    #[test]
    fn lost_records_are_found_in_the_middle_and_at_the_end() {
        for (sql, number) in [
            ("DELETE FROM records WHERE sequence = 7", 7),
            ("DELETE FROM records WHERE sequence = 12", 11),
            ("DELETE FROM records WHERE sequence = 1", 1),
            ("UPDATE records SET at = at + 1 WHERE sequence = 3", 3),
            (
                "UPDATE records SET body = replace(body, '0', '1') WHERE sequence = 4",
                4,
            ),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let called = |n: i64| Record::Called {
                identity: "left".into(),
                second: 100 + n,
                calls: 10,
            };
            let (mut journal, _) = open(folder.path()).unwrap();
            journal
                .append(&(1..=12).map(called).collect::<Vec<_>>(), NOW)
                .unwrap();
            drop(journal);
            let editor = Connection::open(folder.path().join("journal.db")).unwrap();
            assert_eq!(editor.execute(sql, []).unwrap(), 1);
            drop(editor);
            let error = open(folder.path()).unwrap_err();
            assert!(
                matches!(error, JournalError::Damaged { sequence, .. } if sequence == number),
                "{sql}: {error}"
            );
        }
    }

    #[test]
    fn a_record_that_does_not_fit_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(folder.path()).unwrap();
        let called = Record::Called {
            identity: "left".into(),
            second: 1,
            calls: 1,
        };
        let stray = Record::Moved {
            operation: OperationId(17),
            moves: vec![(PhoneId::new("AC1"), PhaseEvent::Done)],
            at: NOW,
        };
        journal.append(&[called, stray], NOW).unwrap();
        drop(journal);
        let error = open(folder.path()).unwrap_err();
        let JournalError::Misfit {
            sequence: 2,
            source,
            ..
        } = error
        else {
            panic!("{error:?}");
        };
        assert_eq!(*source, Misfit::Operation(OperationId(17)));
    }

    #[test]
    fn the_second_opener_is_told_who_holds_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (journal, _) = SqliteJournal::open(folder.path(), "phonefleet run", NOW).unwrap();
        let error = open(folder.path()).unwrap_err().to_string();
        let pid = std::process::id();
        assert!(
            error.contains(&format!(
                "pid {pid}, phonefleet run, since 2027-01-15T08:00:00Z"
            )),
            "{error}"
        );
        drop(journal);
        open(folder.path()).unwrap();
    }

    #[test]
    fn readers_work_beside_a_writer_and_see_what_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let (records, _) = legal(&choices(60));
        let (mut journal, mut ledger) = open(folder.path()).unwrap();
        for record in &records {
            journal.append(std::slice::from_ref(record), NOW).unwrap();
            ledger.apply(record).unwrap();
            assert_eq!(read(folder.path()).unwrap().as_ref(), Some(&ledger));
        }
        journal.compact(&ledger).unwrap();
        assert_eq!(read(folder.path()).unwrap(), Some(ledger));
    }

    #[test]
    fn reading_creates_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), None);
        assert_eq!(read(&folder.path().join("missing")).unwrap(), None);
        assert!(names(folder.path()).is_empty());
        let odd = folder.path().join("with space, %20, ? and #");
        closed(&odd, &legal(&choices(30)).0);
        assert!(read(&odd).unwrap().is_some());
        assert_eq!(names(&odd), ["journal.db", "lock"]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_or_used_is_an_error_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = open(&file.join("state")).unwrap_err();
        assert!(
            matches!(&error, JournalError::Storage { step: "create", .. }),
            "{error:?}"
        );
        let locked = folder.path().join("locked");
        fs::create_dir_all(locked.join("lock")).unwrap();
        let error = open(&locked).unwrap_err();
        assert!(error.to_string().contains("lock"), "{error}");
        // Nobody can make files there, root neither.
        let read_only = Path::new("/proc/self/task");
        let error = open(read_only).unwrap_err();
        assert!(
            matches!(&error, JournalError::Storage { step: "lock", .. }),
            "{error:?}"
        );
        assert_eq!(read(read_only).unwrap(), None);
    }

    #[test]
    fn a_full_disk_refuses_the_whole_append_and_harms_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (records, expected) = legal(&choices(300));
        let (mut journal, mut ledger) = open(folder.path()).unwrap();
        let pages = |journal: &SqliteJournal, most: i64| {
            journal
                .connection
                .query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))
                .unwrap();
        };
        journal.append(&records[..3], NOW).unwrap();
        pages(&journal, 1);
        let error = journal.append(&records[3..], NOW).unwrap_err();
        assert!(
            matches!(&error, JournalError::Storage { step: "write", .. }),
            "{error:?}"
        );
        for record in &records[..3] {
            ledger.apply(record).unwrap();
        }
        assert_eq!(read(folder.path()).unwrap(), Some(ledger));
        pages(&journal, 1 << 20);
        journal.append(&records[3..], NOW).unwrap();
        drop(journal);
        assert_eq!(open(folder.path()).unwrap().1, expected);
    }

    #[test]
    fn a_log_without_its_journal_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(folder.path()).unwrap();
        journal.append(&legal(&choices(9)).0, NOW).unwrap();
        let image = crash(folder.path());
        fs::remove_file(image.path().join("journal.db")).unwrap();
        let error = open(image.path()).unwrap_err();
        assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
        fs::remove_file(image.path().join("journal.db-wal")).unwrap();
        open(image.path()).unwrap();
    }

    #[test]
    fn what_a_crashed_beginning_left_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("journal.db.new"), "half").unwrap();
        fs::write(folder.path().join("journal.db.new-journal"), "half").unwrap();
        open(folder.path()).unwrap();
        assert_eq!(names(folder.path()), ["journal.db", "lock"]);
    }

    #[test]
    fn old_history_goes_and_the_numbers_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let (records, expected) = legal(&choices(40));
        let (mut journal, mut ledger) = open(folder.path()).unwrap();
        journal
            .append(&records[..4], NOW.before(HISTORY * 2))
            .unwrap();
        journal.append(&records[4..6], NOW).unwrap();
        for record in &records[..6] {
            ledger.apply(record).unwrap();
        }
        journal.compact(&ledger).unwrap();
        let count = |journal: &SqliteJournal| -> i64 {
            let sql = "SELECT count(*) FROM records";
            journal
                .connection
                .query_row(sql, [], |row| row.get(0))
                .unwrap()
        };
        assert_eq!(count(&journal), 2);
        drop(journal);
        let (mut journal, again) = open(folder.path()).unwrap();
        assert_eq!(again, ledger);
        journal.append(&records[6..], NOW).unwrap();
        assert_eq!(journal.last, i64::try_from(records.len()).unwrap());
        drop(journal);
        assert_eq!(open(folder.path()).unwrap().1, expected);
    }

    #[test]
    fn compaction_is_asked_for_when_it_pays() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, mut ledger) = open(folder.path()).unwrap();
        let called = |second| Record::Called {
            identity: "left".into(),
            second,
            calls: 1,
        };
        let records: Vec<Record> = (0..=SMALL.rows).map(called).collect();
        journal.append(&records[1..], NOW).unwrap();
        assert!(!journal.should_compact());
        journal.append(&records[..1], NOW).unwrap();
        assert!(journal.should_compact());
        for record in &records {
            ledger.apply(record).unwrap();
        }
        journal.compact(&ledger).unwrap();
        assert!(!journal.should_compact());
    }

    #[test]
    fn the_history_of_a_phone_tells_of_that_phone_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (records, _) = legal(&choices(400));
        closed(folder.path(), &records);
        let (identity, phone) = ("left".into(), PhoneId::new("phone-1"));
        let codes = std::slice::from_ref(&phone);
        let rows = history(folder.path(), &identity, codes, usize::MAX).unwrap();
        let mut expected = 0;
        let mut ours = std::collections::BTreeSet::new();
        for record in &records {
            expected += usize::from(match record {
                Record::Intended(intent) => {
                    intent.identity == identity
                        && intent.phones.contains(&phone)
                        && ours.insert(intent.operation)
                }
                Record::Moved {
                    operation, moves, ..
                } => ours.contains(operation) && moves.iter().any(|(id, _)| *id == phone),
                Record::Asserted { identity: of, rows } => *of == identity && rows[0].0 == phone,
                Record::Converged {
                    identity: of, rows, ..
                } => *of == identity && rows[0].0 == phone,
                Record::Trouble {
                    identity: of,
                    phone: id,
                    ..
                } => *of == identity && *id == phone,
                Record::Spent {
                    identity: of,
                    phones,
                    ..
                } => *of == identity && phones.contains(&phone),
                Record::Renamed {
                    identity: of,
                    from,
                    to,
                    ..
                } => *of == identity && [from, to].contains(&&phone),
                Record::Called { .. }
                | Record::Past { .. }
                | Record::Standing(_)
                | Record::LastOperation(_) => false,
            });
        }
        assert_eq!(rows.len(), expected);
        assert!(expected > 20);
        for row in &rows {
            if let Record::Moved { moves, .. } = &row.record {
                assert!(moves.iter().all(|(id, _)| *id == phone));
            }
        }
        let newest = history(folder.path(), &identity, codes, 3).unwrap();
        assert_eq!(newest, rows[rows.len() - 3..]);
        let none = history(&folder.path().join("missing"), &identity, codes, 3).unwrap();
        assert!(none.is_empty());
    }
}
