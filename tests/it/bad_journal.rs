//! Journals and other files of the state folder that were not written by this program, or not as they are now: records of absurd length, depth and number,
//! lengths that lie, noise, foreign tables, pipes, devices. Each is an error in time that names the file, the record where it is one, and what to do, within
//! bounded memory and with nothing sent; or it is no matter, and the program goes on.
//!
//! Invariants: through the real binary within its bounds (`bad_input::bounded`); what is refused stays as it is. Not here: single bytes that flip, files that
//! are cut, rows that are lost (`journal::sqlite`), power cuts (`power_cut`).

use crate::bad_input::{bounded, fifo, group, harmless, refused, vendor};
use crate::process::{Desk, stderr, stdout};
use phonefleet::journal::Journal;
use phonefleet::journal::sqlite::SqliteJournal;
use phonefleet::model::record::{Ledger, Record};
use phonefleet::model::stamp::Timestamp;
use phonefleet::sim::{ACCESS_KEY, SECRET_KEY};
use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// A desk with a fleet, and a journal of three records, the first of them in a snapshot; and a vendor that counts who comes.
struct Office {
    desk: Desk,
    calls: Arc<AtomicU64>,
}

impl Office {
    fn new() -> Self {
        let (address, calls) = vendor(|_| {});
        let desk = Desk::new();
        desk.account(&format!("http://{address}"), ACCESS_KEY, SECRET_KEY);
        group(&desk);
        let (mut journal, mut ledger) =
            SqliteJournal::open(&desk.path("state"), "phonefleet apply", NOW).unwrap();
        let called = |second| Record::Called {
            identity: "left".into(),
            second,
            calls: 1,
        };
        journal.append(&[called(1)], NOW).unwrap();
        ledger.apply(&called(1)).unwrap();
        journal.compact(&ledger).unwrap();
        journal.append(&[called(2), called(3)], NOW).unwrap();
        drop(journal);
        Self { desk, calls }
    }

    fn journal(&self) -> PathBuf {
        self.desk.path("state/journal.db")
    }

    fn sql(&self, sql: &str) {
        let connection = Connection::open(self.journal()).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    /// Appends a record with this text, and a checksum as this program makes it.
    fn record(&self, body: &str, at: i64) {
        const NEXT: &str = "SELECT seq + 1 FROM sqlite_sequence WHERE name = 'records'";
        let connection = Connection::open(self.journal()).unwrap();
        let sequence: i64 = connection.query_row(NEXT, [], |row| row.get(0)).unwrap();
        let kind = "called";
        let mut hash = Sha256::new();
        for number in [sequence, -1, at] {
            hash.update(number.to_le_bytes());
        }
        hash.update([6]);
        hash.update(kind);
        hash.update(body);
        let sum: String = hash.finalize()[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let insert =
            "INSERT INTO records (sequence, at, kind, body, sum) VALUES (?1, ?2, ?3, ?4, ?5)";
        connection
            .execute(insert, params![sequence, at, kind, body, sum])
            .unwrap();
    }

    /// Writes into the middle of the file.
    fn bytes(&self, at: u64, bytes: &[u8]) {
        let mut file = OpenOptions::new().write(true).open(self.journal()).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(bytes).unwrap();
    }

    /// Readers and writers refuse it, say what, where and what to do, and leave it as it is; nothing is sent.
    #[track_caller]
    fn refuses(&self, expected: &str, what: &str) {
        let length = || fs::symlink_metadata(self.journal()).unwrap().len();
        let before = length();
        for args in [&["plan"][..], &["apply", "--yes"]] {
            let output = bounded(&self.desk, args);
            let what = format!("{what}, {args:?}");
            refused(&output, expected, &what);
            let said = stderr(&output);
            assert!(said.contains("state/journal.db"), "{what}: where? {said}");
            assert!(said.contains("backup"), "{what}: what to do? {said}");
            assert_eq!(stdout(&output), "", "{what}");
        }
        assert_eq!(self.calls.load(Ordering::Relaxed), 0, "{what}: sent");
        assert_eq!(length(), before, "{what}: changed");
    }

    /// Refused, or no matter: within bounds, without a panic.
    #[track_caller]
    fn endures(&self, what: &str) {
        for args in [
            &["plan", "--timeout", "2s"][..],
            &["apply", "--yes", "--timeout", "2s"],
        ] {
            let output = bounded(&self.desk, args);
            let said: String = stderr(&output).chars().take(2_000).collect();
            let code = output.status.code();
            assert!(
                matches!(code, Some(0..=124)),
                "{what}, {args:?}: {code:?} {said}"
            );
            assert!(!said.contains("panicked"), "{what}, {args:?}: {said}");
            harmless(&said, what);
        }
    }
}

/// A file that begins like this and goes on with noise.
fn noise(beginning: &[u8]) -> Vec<u8> {
    let noise = (0..40_000_u64).flat_map(|n| {
        let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
        mixed.wrapping_mul(0xd6e8_feb8_6659_fd93).to_le_bytes()
    });
    beginning.iter().copied().chain(noise).collect()
}

#[test]
fn records_of_absurd_length_depth_and_number_are_named() {
    let deep = format!("{{\"called\":{}", "[".repeat(2 << 20));
    let cases: [(&str, &str, i64, &str); 5] = [
        ("depth", &deep, 0, "damaged at record 4|recursion"),
        ("another thing", "[{}]", 0, "damaged at record 4"),
        (
            "a number without a next one",
            "{\"lastOperation\":18446744073709551615}",
            0,
            "record 4 does not fit",
        ),
        (
            "calls below zero",
            "{\"called\":{\"identity\":\"left\",\"second\":1,\"calls\":-1}}",
            0,
            "damaged at record 4",
        ),
        (
            "an operation of nobody",
            "{\"moved\":{\"operation\":7,\"moves\":[],\"at\":0}}",
            0,
            "record 4 does not fit",
        ),
    ];
    for (what, body, at, expected) in cases {
        let office = Office::new();
        office.record(body, at);
        office.refuses(expected, what);
    }
    for (table, number) in [("records", 3), ("snapshots", 1)] {
        for body in [
            "zeroblob(100000000)",
            "zeroblob(1000)",
            "randomblob(50000000)",
            "CAST(randomblob(1000) AS TEXT)",
            "3.5",
        ] {
            let office = Office::new();
            office.sql(&format!(
                "UPDATE {table} SET body = {body} WHERE sequence = {number}"
            ));
            let expected = format!("damaged at record {number}");
            office.refuses(&expected, &format!("{table}, {body}"));
        }
    }
}

#[test]
fn what_is_odd_but_possible_is_gone_on_with() {
    let far =
        "{\"called\":{\"identity\":\"left\",\"second\":9223372036854775807,\"calls\":4294967295}}";
    let deep = format!(
        "{{\"called\":{{\"identity\":\"left\",\"second\":5,\"calls\":1,\"x\":{}1{}}}}}",
        "[".repeat(1 << 20),
        "]".repeat(1 << 20)
    );
    let bodies = [far, &far.replace("922", "-922"), &deep];
    for (place, body) in bodies.into_iter().enumerate() {
        for at in [i64::MIN, i64::MAX] {
            let office = Office::new();
            office.record(body, at);
            office.endures(&format!("body {place} at {at}"));
        }
    }
}

#[test]
fn lengths_that_lie_are_found_out() {
    for (sql, expected) in [
        (
            "UPDATE sqlite_sequence SET seq = 9223372036854775807",
            "9223372036854775807",
        ),
        ("UPDATE sqlite_sequence SET seq = -1", "damaged at record 3"),
        (
            "UPDATE snapshots SET total = 9223372036854775807",
            "is missing",
        ),
        ("UPDATE snapshots SET total = -1", "-1 rows"),
        (
            "UPDATE snapshots SET position = position + 9223372036854775000",
            "is missing",
        ),
        (
            "UPDATE snapshots SET sequence = 9223372036854775807",
            "damaged at record",
        ),
        ("DELETE FROM sqlite_sequence", "damaged at record 3"),
    ] {
        let office = Office::new();
        office.sql(sql);
        office.refuses(expected, sql);
    }
    // The file's head: size of a page, room left in each, number of pages, first free page and their number, size of the cache.
    for (at, bytes) in [
        (16, &[0x02, 0x00][..]),
        (16, &[0x00, 0x01]),
        (20, &[0xff]),
        (28, &[0xff; 4]),
        (32, &[0xff; 8]),
        (48, &[0x7f, 0xff, 0xff, 0xff]),
    ] {
        let office = Office::new();
        office.bytes(at, bytes);
        office.endures(&format!("head at {at}: {bytes:?}"));
    }
    // Each page's head says where its rows are; each row how long it is.
    let office = Office::new();
    let good = fs::read(office.journal()).unwrap();
    for page in 1..good.len() / 4_096 {
        let office = Office::new();
        office.bytes(u64::try_from(page * 4_096 + 3).unwrap(), &[0xff; 8]);
        office.refuses("damaged|readable", &format!("head of page {page}"));
        let pointer =
            usize::from(good[page * 4_096 + 8]) << 8 | usize::from(good[page * 4_096 + 9]);
        if pointer == 0 {
            continue;
        }
        let office = Office::new();
        let row = u64::try_from(page * 4_096 + pointer).unwrap();
        office.bytes(row, &[0x83, 0xff, 0xff, 0x7f]);
        office.endures(&format!("a row of page {page} that is 8 MB long"));
        office.bytes(row, &[0x87, 0xff, 0xff, 0xff, 0x7f]);
        office.endures(&format!("a row of page {page} that is 2 GB long"));
    }
    let office = Office::new();
    let file = OpenOptions::new().write(true).open(office.journal());
    file.unwrap().set_len(1 << 40).unwrap();
    office.endures("a terabyte of nothing at the end");
}

#[test]
fn what_is_no_journal_is_refused() {
    let office = Office::new();
    let path = office.journal();
    let good = fs::read(&path).unwrap();
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("zeros", vec![0; 8_192]),
        ("noise", noise(b"")),
        ("a head and noise", noise(b"SQLite format 3\0")),
        ("a good head and noise", noise(&good[..100])),
        ("a good page and noise", noise(&good[..4_096])),
        ("text", b"timezone: UTC\n".repeat(100_000)),
    ] {
        fs::write(&path, bytes).unwrap();
        office.refuses("journal", what);
    }
    File::create(&path).unwrap().set_len(1 << 40).unwrap();
    office.refuses("no readable journal|not a journal", "a terabyte of nothing");
    fs::remove_file(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    office.refuses("no plain file", "a device");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    office.refuses("no plain file", "a folder");
    fs::remove_dir(&path).unwrap();
    fifo(&path);
    office.refuses("no plain file", "a pipe");
    fs::remove_file(&path).unwrap();
    fs::write(&path, &good).unwrap();
    for suffix in ["-wal", "-shm"] {
        let beside = office.desk.path(&format!("state/journal.db{suffix}"));
        fifo(&beside);
        office.refuses("no plain file", suffix);
        fs::remove_file(&beside).unwrap();
    }
    fs::write(
        office.desk.path("state/journal.db-wal"),
        noise(b"\x37\x7f\x06\x82"),
    )
    .unwrap();
    office.endures("noise beside it");
}

#[test]
fn foreign_tables_and_other_versions_are_refused() {
    let endless = "AS WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) \
         SELECT i AS sequence, i AS position, i AS total, 0 AS at, 'called' AS kind, 0 AS operation, '' AS body, '' AS sum FROM n";
    let endless = |table: &str| format!("DROP TABLE {table}; CREATE VIEW {table} {endless}");
    for (sql, expected) in [
        (endless("snapshots").as_str(), "the view \"snapshots\""),
        (&endless("records"), "the view \"records\""),
        (
            "CREATE TRIGGER t AFTER INSERT ON records BEGIN DELETE FROM records; END",
            "the trigger \"t\"",
        ),
        ("CREATE TABLE notes (a)", "the table \"notes\""),
        ("CREATE TABLE zoo (a)", "the table \"zoo\""),
        (
            "ALTER TABLE records ADD COLUMN more",
            "the table \"records\"",
        ),
        ("DROP TABLE snapshots", "it lacks: CREATE TABLE snapshots"),
        ("DROP TABLE records", "the table \"snapshots\""),
        ("PRAGMA user_version = 2", "format 2"),
        ("PRAGMA user_version = -2147483648", "format -2147483648"),
        ("PRAGMA application_id = 0", "not a journal of phonefleet"),
    ] {
        let office = Office::new();
        office.sql(sql);
        office.refuses(expected, sql);
    }
}

#[test]
fn other_files_of_the_state_folder_are_read_within_bounds() {
    let office = Office::new();
    let deep = vec![b'['; 2 << 20];
    for name in ["fingerprint.key", "fleet/index.json", "status.json"] {
        let path = office.desk.path(&format!("state/{name}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        for what in ["noise", "deep", "nothing", "huge", "pipe", "device"] {
            match what {
                "noise" => fs::write(&path, noise(b"")).unwrap(),
                "deep" => fs::write(&path, &deep).unwrap(),
                "nothing" => fs::write(&path, "").unwrap(),
                "huge" => File::create(&path).unwrap().set_len(1 << 40).unwrap(),
                "pipe" => fifo(&path),
                _ => symlink("/dev/zero", &path).unwrap(),
            }
            if name == "fingerprint.key" {
                for args in [&["plan"][..], &["apply", "--yes"]] {
                    let output = bounded(&office.desk, args);
                    refused(&output, "state/fingerprint.key", &format!("{name}, {what}"));
                }
                assert_eq!(office.calls.load(Ordering::Relaxed), 0, "{what}");
            } else if name == "status.json" {
                let output = bounded(&office.desk, &["status"]);
                refused(
                    &output,
                    "state/status.json|status",
                    &format!("{name}, {what}"),
                );
            } else {
                // Only `run` looks at the last good manifests.
                let error = phonefleet::journal::state::load_last_good(&office.desk.path("state"));
                assert!(error.is_err(), "{what}");
            }
            fs::remove_file(&path).unwrap();
        }
    }
    let folder = office.desk.path("state");
    let ledger = phonefleet::journal::sqlite::read(&folder).unwrap();
    assert!(ledger.is_some_and(|ledger| ledger != Ledger::default()));
}
