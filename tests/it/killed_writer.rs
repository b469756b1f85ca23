//! A process that writes a journal is killed over and over: what it was told is on disk stays there.
//!
//! Invariants: kills are at seeded numbers of appends, so that a failure can be repeated. Not here: power cuts (cut logs: `journal::sqlite`).

use phonefleet::journal::Journal;
use phonefleet::journal::sqlite::{SqliteJournal, read};
use phonefleet::model::id::{PhoneId, VendorIdentity};
use phonefleet::model::record::{Ledger, Record, Trouble};
use phonefleet::model::stamp::Timestamp;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// Appends between two compactions: often enough that kills hit them.
const COMPACT_EVERY: u32 = 7;

fn identity() -> VendorIdentity {
    VendorIdentity::new("vendor")
}

fn phone(name: &str) -> PhoneId {
    PhoneId::new(name)
}

/// A fact that holds the number `count`.
fn fact(name: &str, count: u32) -> Record {
    Record::Trouble {
        identity: identity(),
        phone: phone(name),
        trouble: Trouble {
            failures: count,
            ..Trouble::default()
        },
    }
}

fn count(ledger: &Ledger, name: &str) -> u32 {
    ledger
        .history(&identity(), &phone(name))
        .map_or(0, |history| history.trouble.failures)
}

/// The child: appends pairs of facts with rising numbers to the journal that stdin names, and says each number when it is told that they are on disk.
#[test]
#[ignore = "run by the test below, which kills it"]
fn writes_until_it_is_killed() {
    let mut folder = String::new();
    std::io::stdin().read_line(&mut folder).unwrap();
    if folder.trim().is_empty() {
        return;
    }
    let (mut journal, mut ledger) =
        SqliteJournal::open(Path::new(folder.trim()), "test", NOW).unwrap();
    let mut said = std::io::stdout();
    for number in count(&ledger, "left") + 1.. {
        let pair = [fact("left", number), fact("right", number)];
        journal.append(&pair, NOW).unwrap();
        writeln!(said, "\nwritten {number}").unwrap();
        for record in &pair {
            ledger.apply(record).unwrap();
        }
        if number % COMPACT_EVERY == 0 {
            journal.compact(&ledger).unwrap();
        }
    }
}

#[test]
fn what_a_killed_writer_was_told_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut before = 0;
    let mut waited_for = 0;
    for seed in 0..12u64 {
        let appends = usize::try_from(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 61).unwrap();
        waited_for += appends;
        let told = write_and_kill(folder.path(), appends);
        let seen = read(folder.path()).unwrap().unwrap_or_default();
        let (journal, ledger) = SqliteJournal::open(folder.path(), "test", NOW).unwrap();
        drop(journal);
        assert_eq!(seen, ledger, "seed {seed}");
        let (left, right) = (count(&ledger, "left"), count(&ledger, "right"));
        assert_eq!(left, right, "seed {seed}: an append is whole");
        let least = told.unwrap_or(before);
        assert!(
            left >= least,
            "seed {seed}: {left} is there, {least} was told"
        );
        before = left;
    }
    assert!(
        waited_for >= 100 && usize::try_from(before).unwrap() >= waited_for,
        "{before} appends in all, {waited_for} were told"
    );
}

/// Lets a child write, kills it when it has said `appends` numbers, and gives the last one that it said.
fn write_and_kill(folder: &Path, appends: usize) -> Option<u32> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture"])
        .arg("killed_writer::writes_until_it_is_killed")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{}", folder.display()).unwrap();
    let mut numbers = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("written ")?.parse().ok());
    let mut last = None;
    for _ in 0..appends {
        last = numbers.next().or(last);
    }
    child.kill().unwrap();
    // What it had said before it died counts too.
    last = numbers.last().or(last);
    child.wait().unwrap();
    last
}
