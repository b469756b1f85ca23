//! Records as rows of the database: text forms, checksums, and the replay of a base and what came after it.
//!
//! Invariants: a row that was changed, lost or put elsewhere is found before its content is used; replay goes through [`Ledger::apply`] only.
//! Not here: opening files and transactions (`sqlite`).

use super::JournalError;
use crate::model::id::OperationId;
use crate::model::record::{Ledger, Record};
use crate::model::stamp::Timestamp;
use rusqlite::{Connection, ErrorCode, Row};
use sha2::{Digest, Sha256};
use std::path::Path;

/// Marks the file as ours (`PRAGMA application_id`): "pfjl".
pub(super) const APPLICATION: i32 = 0x7066_6a6c;

/// Version of the tables (`PRAGMA user_version`).
pub(super) const VERSION: i32 = 1;

/// The tables; documented for operators in `sqlite`.
pub(super) const SCHEMA: &str = "
CREATE TABLE records (
  sequence  INTEGER PRIMARY KEY AUTOINCREMENT,
  at        INTEGER NOT NULL,
  kind      TEXT NOT NULL,
  operation INTEGER,
  body      TEXT NOT NULL,
  sum       TEXT NOT NULL
);
CREATE TABLE snapshots (
  sequence  INTEGER NOT NULL,
  position  INTEGER NOT NULL,
  total     INTEGER NOT NULL,
  at        INTEGER NOT NULL,
  kind      TEXT NOT NULL,
  operation INTEGER,
  body      TEXT NOT NULL,
  sum       TEXT NOT NULL,
  PRIMARY KEY (sequence, position)
);
";

/// A record in its text form.
pub(super) struct Text {
    pub(super) kind: &'static str,
    pub(super) operation: Option<i64>,
    pub(super) body: String,
    pub(super) sum: String,
}

/// How much something holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) rows: i64,
    pub(super) bytes: i64,
}

impl Size {
    /// Counts one more record in.
    pub(super) fn add(&mut self, body: &str) {
        self.rows += 1;
        self.bytes += i64::try_from(body.len()).unwrap_or(i64::MAX);
    }
}

/// What a journal holds.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) ledger: Ledger,
    /// Number of the last record; 0: none yet.
    pub(super) last: i64,
    /// When it was appended.
    pub(super) latest: Timestamp,
    pub(super) base: Size,
    pub(super) since: Size,
}

/// Encodes a record that stands at this place (see [`checksum`]).
pub(super) fn encode(
    record: &Record,
    place: (i64, i64, Timestamp),
) -> Result<Text, serde_json::Error> {
    let (kind, operation) = head(record);
    let body = serde_json::to_string(record)?;
    Ok(Text {
        kind,
        operation: operation.map(|id| i64::try_from(id.0).unwrap_or(i64::MAX)),
        sum: checksum(place, kind, &body),
        body,
    })
}

fn head(record: &Record) -> (&'static str, Option<OperationId>) {
    match record {
        Record::Intended(intent) => ("intended", Some(intent.operation)),
        Record::Moved { operation, .. } => ("moved", Some(*operation)),
        Record::Asserted { .. } => ("asserted", None),
        Record::Converged { .. } => ("converged", None),
        Record::Trouble { .. } => ("trouble", None),
        Record::Spent { .. } => ("spent", None),
        Record::Called { .. } => ("called", None),
        Record::Renamed { .. } => ("renamed", None),
        Record::Past { .. } => ("past", None),
        Record::Standing(state) => ("standing", Some(state.intent.operation)),
        Record::LastOperation(_) => ("lastOperation", None),
    }
}

/// First 8 bytes of SHA-256 over the place (sequence, position in a snapshot or -1, time), the kind and the body.
fn checksum(place: (i64, i64, Timestamp), kind: &str, body: &str) -> String {
    let (sequence, position, at) = place;
    let mut hash = Sha256::new();
    hash.update(sequence.to_le_bytes());
    hash.update(position.to_le_bytes());
    hash.update(at.0.to_le_bytes());
    hash.update([u8::try_from(kind.len()).unwrap_or(u8::MAX)]);
    hash.update(kind.as_bytes());
    hash.update(body.as_bytes());
    base16ct::lower::encode_string(&hash.finalize()[..8])
}

/// A row as it was read, not believed yet.
pub(super) struct Read {
    pub(super) sequence: i64,
    pub(super) position: i64,
    pub(super) at: Timestamp,
    kind: String,
    pub(super) body: String,
    sum: String,
}

impl Read {
    /// A row as it is written.
    pub(super) fn written(text: Text, place: (i64, i64, Timestamp)) -> Self {
        let (sequence, position, at) = place;
        Self {
            sequence,
            position,
            at,
            kind: text.kind.to_owned(),
            body: text.body,
            sum: text.sum,
        }
    }

    /// From columns `sequence, position, at, kind, body, sum`, in this order.
    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            sequence: row.get(0)?,
            position: row.get(1)?,
            at: Timestamp(row.get(2)?),
            kind: row.get(3)?,
            body: row.get(4)?,
            sum: row.get(5)?,
        })
    }

    /// The record, if the row is what was written.
    ///
    /// # Errors
    /// `Damaged`, naming the record.
    pub(super) fn record(&self, path: &Path) -> Result<Record, JournalError> {
        let place = (self.sequence, self.position, self.at);
        if checksum(place, &self.kind, &self.body) != self.sum {
            return Err(damaged(
                path,
                self.sequence,
                "the content does not match its checksum",
            ));
        }
        serde_json::from_str(&self.body).map_err(|error| {
            damaged(
                path,
                self.sequence,
                format!("not a record that this version knows ({error})"),
            )
        })
    }
}

/// Replays the last snapshot and everything after it. Call inside a transaction, so that both are of one moment.
///
/// # Errors
/// `Damaged` or `Misfit`, naming the first record that is not as it was written; `Storage`.
pub(super) fn load(connection: &Connection, path: &Path) -> Result<Loaded, JournalError> {
    check_origin(connection, path)?;
    let failed = database("read", path);
    let base: i64 = connection
        .query_row(
            "SELECT coalesce(max(sequence), 0) FROM snapshots",
            [],
            |r| r.get(0),
        )
        .map_err(&failed)?;
    let last: i64 = connection
        .query_row(
            "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'records'",
            [],
            |r| r.get(0),
        )
        .map_err(&failed)?;
    let mut loaded = Loaded {
        last: base,
        ..Loaded::default()
    };
    load_base(connection, path, &mut loaded)?;
    load_since(connection, path, &mut loaded)?;
    if loaded.last != last {
        return Err(damaged(
            path,
            loaded.last,
            format!(
                "this is the last record found, but number {last} is the last that was written"
            ),
        ));
    }
    Ok(loaded)
}

/// The file is a journal of this program and of a version that this program reads.
pub(super) fn check_origin(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let failed = database("read", path);
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    if number("application_id").map_err(&failed)? != APPLICATION {
        return Err(damaged(path, 0, "not a journal of phonefleet"));
    }
    let version = number("user_version").map_err(&failed)?;
    if version != VERSION {
        return Err(damaged(
            path,
            0,
            format!(
                "written in format {version}, this version of phonefleet reads format {VERSION}"
            ),
        ));
    }
    check_tables(connection, path)
}

/// Its tables are ours and nothing else is there: a view may have rows without an end, a trigger changes what is written.
fn check_tables(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let failed = database("read", path);
    let mut statement = connection
        .prepare("SELECT type, name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite^_%' ESCAPE '^' ORDER BY name")
        .map_err(&failed)?;
    let mut rows = statement.query([]).map_err(&failed)?;
    let words = |sql: &str| sql.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut ours = SCHEMA.split(';').map(words);
    while let Some(row) = rows.next().map_err(&failed)? {
        let text = |column| row.get::<_, String>(column).map_err(&failed);
        if ours.next().unwrap_or_default() != words(&text(2)?) {
            let foreign = format!("the {} {:?} is no part of a journal", text(0)?, text(1)?);
            return Err(damaged(path, 0, foreign));
        }
    }
    match ours.next().unwrap_or_default().as_str() {
        "" => Ok(()),
        missing => Err(damaged(path, 0, format!("it lacks: {missing}"))),
    }
}

/// What is wrong while this record is read is wrong with this record.
fn at_record(error: JournalError, number: i64) -> JournalError {
    match error {
        JournalError::Damaged {
            path,
            sequence: 0,
            problem,
        } => JournalError::Damaged {
            path,
            sequence: number,
            problem,
        },
        JournalError::Damaged { .. }
        | JournalError::Locked { .. }
        | JournalError::Storage { .. }
        | JournalError::Misfit { .. } => error,
    }
}

fn load_base(
    connection: &Connection,
    path: &Path,
    loaded: &mut Loaded,
) -> Result<(), JournalError> {
    let failed = database("read", path);
    let base = loaded.last;
    let mut statement = connection
        .prepare(
            "SELECT sequence, position, at, kind, body, sum, total FROM snapshots WHERE sequence = ?1 ORDER BY position",
        )
        .map_err(&failed)?;
    let failed = |error| at_record(failed(error), base);
    let mut rows = statement.query([base]).map_err(failed)?;
    let mut total = 0;
    while let Some(row) = rows.next().map_err(failed)? {
        let read = Read::from_row(row).map_err(failed)?;
        total = row.get(6).map_err(failed)?;
        if read.position != loaded.base.rows {
            break;
        }
        let record = read.record(path)?;
        apply(&mut loaded.ledger, &record, base, path)?;
        loaded.base.add(&read.body);
        loaded.latest = read.at;
    }
    if loaded.base.rows != total {
        return Err(damaged(
            path,
            base,
            format!(
                "the snapshot has {total} rows, row {} is missing",
                loaded.base.rows
            ),
        ));
    }
    Ok(())
}

fn load_since(
    connection: &Connection,
    path: &Path,
    loaded: &mut Loaded,
) -> Result<(), JournalError> {
    let failed = database("read", path);
    let mut statement = connection
        .prepare(
            "SELECT sequence, -1, at, kind, body, sum FROM records WHERE sequence > ?1 ORDER BY sequence",
        )
        .map_err(&failed)?;
    let mut rows = statement.query([loaded.last]).map_err(&failed)?;
    loop {
        let failed = |error| at_record(failed(error), loaded.last + 1);
        let Some(row) = rows.next().map_err(failed)? else {
            return Ok(());
        };
        let read = Read::from_row(row).map_err(failed)?;
        if read.sequence != loaded.last + 1 {
            return Err(damaged(path, loaded.last + 1, "the record is missing"));
        }
        let record = read.record(path)?;
        apply(&mut loaded.ledger, &record, read.sequence, path)?;
        loaded.since.add(&read.body);
        loaded.last = read.sequence;
        loaded.latest = read.at;
    }
}

fn apply(
    ledger: &mut Ledger,
    record: &Record,
    sequence: i64,
    path: &Path,
) -> Result<(), JournalError> {
    ledger.apply(record).map_err(|source| JournalError::Misfit {
        path: path.display().to_string(),
        sequence,
        source: Box::new(source),
    })
}

/// Records whose text holds `needle`, in order.
pub(super) fn rows_about(
    connection: &Connection,
    path: &Path,
    needle: &str,
) -> Result<Vec<Read>, JournalError> {
    const SQL: &str = "SELECT sequence, -1, at, kind, body, sum FROM records WHERE instr(body, ?1) > 0 ORDER BY sequence";
    select(connection, path, SQL, needle)
}

/// Operations in the snapshot whose text holds `needle`.
pub(super) fn standing_about(
    connection: &Connection,
    path: &Path,
    needle: &str,
) -> Result<Vec<Read>, JournalError> {
    const SQL: &str = "SELECT sequence, position, at, kind, body, sum FROM snapshots WHERE kind = 'standing' AND instr(body, ?1) > 0";
    select(connection, path, SQL, needle)
}

fn select(
    connection: &Connection,
    path: &Path,
    sql: &str,
    needle: &str,
) -> Result<Vec<Read>, JournalError> {
    let failed = database("read", path);
    let mut statement = connection.prepare(sql).map_err(&failed)?;
    let rows = statement
        .query_map([needle], Read::from_row)
        .map_err(&failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(&failed)
}

/// A `Damaged` error about a record (0: the file).
pub(super) fn damaged(path: &Path, sequence: i64, problem: impl Into<String>) -> JournalError {
    JournalError::Damaged {
        path: path.display().to_string(),
        sequence,
        problem: problem.into(),
    }
}

/// Turns the library's errors into ours: what says that the content is no database, or damaged, is `Damaged`.
pub(super) fn database(
    step: &'static str,
    path: &Path,
) -> impl Fn(rusqlite::Error) -> JournalError {
    move |error| {
        let by_content = matches!(
            error,
            rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::Utf8Error(..)
        ) || matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TooBig)
        ) || error.to_string().contains("no such table");
        if by_content {
            return damaged(path, 0, format!("no readable journal ({error})"));
        }
        JournalError::Storage {
            step,
            path: path.display().to_string(),
            source: Box::new(error),
        }
    }
}
