//! Power cuts: the writes and syncs of the real journal file are recorded, and the disk is stopped at every one of them, with any part of what was not synced
//! lost, reordered or torn. Every image opens, holds every record that was acknowledged, and goes on.
//!
//! Two writers are recorded: a process that appends, compacts and opens the journal anew and says each number when it was told that it is on disk; and the real
//! binary's `apply`, whose orders on the wire are its word that their intents are.
//!
//! Invariants: acknowledged is what the process said, not what the test thinks; a failure names step, cut and seed. Not here: killed processes
//! (`killed_writer`, `sigkill`).

mod disk;
mod record;

use crate::process::{Desk, Vendor, wanted};
use disk::{Cut, Dice, Disk};
use phonefleet::journal::Journal;
use phonefleet::journal::sqlite::{SqliteJournal, read};
use phonefleet::model::id::{PhoneId, VendorIdentity};
use phonefleet::model::record::{Ledger, Record, Trouble};
use phonefleet::model::stamp::Timestamp;
use phonefleet::sim::Spec;
use record::{Step, record};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// Appends between two compactions.
const COMPACT_EVERY: u32 = 37;
/// Appends between two openings: the last one to close a journal clears its log away.
const OPEN_EVERY: u32 = 401;

fn identity() -> VendorIdentity {
    VendorIdentity::new("vendor")
}

/// A fact that holds the number, and more text than a page takes from time to time.
fn fact(name: &str, number: u32) -> Record {
    let length = match number % 10 {
        0 => 9_000,
        length => length * 90,
    };
    Record::Trouble {
        identity: identity(),
        phone: PhoneId::new(name),
        trouble: Trouble {
            failures: number,
            last_message: Some("m".repeat(usize::try_from(length).unwrap())),
            ..Trouble::default()
        },
    }
}

fn number(ledger: &Ledger, name: &str) -> u32 {
    ledger
        .history(&identity(), &PhoneId::new(name))
        .map_or(0, |history| history.trouble.failures)
}

/// The recorded process: stdin names a folder and how many pairs of facts to append.
#[test]
#[ignore = "run by the tests below, under strace"]
fn writes_and_says_so() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let Some((folder, count)) = line.trim().split_once(' ') else {
        return;
    };
    let folder = Path::new(folder);
    let mut said = std::io::stdout();
    let mut open = SqliteJournal::open(folder, "test", NOW).unwrap();
    for number in 1..=count.parse::<u32>().unwrap() {
        let (journal, ledger) = &mut open;
        let pair = [fact("left", number), fact("right", number)];
        journal.append(&pair, NOW).unwrap();
        writeln!(said, "\nwritten {number}").unwrap();
        said.flush().unwrap();
        for record in &pair {
            ledger.apply(record).unwrap();
        }
        if number % COMPACT_EVERY == 0 {
            journal.compact(ledger).unwrap();
        }
        if number % OPEN_EVERY == 0 {
            drop(open);
            open = SqliteJournal::open(folder, "test", NOW).unwrap();
        }
    }
}

fn recorded_writer(folder: &Path, appends: u32) -> Option<Vec<Step>> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--ignored", "--exact", "--nocapture"])
        .arg("power_cut::writes_and_says_so");
    let state = folder.join("state");
    record(
        &command,
        &format!("{} {appends}\n", state.display()),
        folder,
    )
}

/// The number that the process said last.
fn told(said: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(said).ok()?;
    text.lines()
        .rev()
        .find_map(|line| line.strip_prefix("written ")?.parse().ok())
}

/// What was seen of the images.
#[derive(Debug, Default)]
struct Seen {
    images: BTreeMap<Cut, u32>,
    steps: usize,
    appends: u32,
}

/// Puts an image into a folder of its own.
fn lay(image: &BTreeMap<String, Vec<u8>>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in image {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

/// Both ways of reading it agree, and it goes on.
fn opened(image: &BTreeMap<String, Vec<u8>>, named: &str) -> Ledger {
    let folder = lay(image);
    let seen = read(folder.path()).unwrap_or_else(|error| panic!("{named}: {error:?}"));
    let (mut journal, ledger) = SqliteJournal::open(folder.path(), "test", NOW)
        .unwrap_or_else(|error| panic!("{named}: {error:?}"));
    assert_eq!(seen.unwrap_or_default(), ledger, "{named}");
    journal
        .append(&[fact("after", 1)], NOW)
        .unwrap_or_else(|error| panic!("{named}: {error:?}"));
    drop(journal);
    let after = read(folder.path()).unwrap().unwrap();
    assert_eq!(number(&after, "after"), 1, "{named}");
    ledger
}

/// Stops the disk of the recorded writer at every `stride`-th step.
fn stopped(steps: &[Step], folder: &Path, stride: usize, seed: u64) -> Seen {
    let mut disk = Disk::new(&folder.join("state"));
    let mut seen = Seen::default();
    let mut acknowledged = 0;
    for (place, step) in steps.iter().enumerate() {
        disk.take(step);
        if let Step::Said(said) = step {
            acknowledged = told(said).unwrap_or(acknowledged);
        }
        // A word is only as good as the disk at that moment: every one of them is looked at, or the step's turn has come.
        let turn = (place + usize::try_from(seed).unwrap()) % stride == 0;
        if !turn || !(disk.is_dirty() || matches!(step, Step::Said(_))) {
            continue;
        }
        for cut in Cut::ALL {
            let mut dice = Dice(seed ^ (place as u64) << 8 ^ cut as u64);
            let named = format!("step {place}, {cut:?}, seed {seed}, {acknowledged} acknowledged");
            let ledger = opened(&disk.image(cut, &mut dice), &named);
            let (left, right) = (number(&ledger, "left"), number(&ledger, "right"));
            assert_eq!(left, right, "{named}: an append is whole");
            assert!(left >= acknowledged, "{named}: only {left} is there");
            assert!(left <= acknowledged + 1, "{named}: {left} is there");
            *seen.images.entry(cut).or_default() += 1;
        }
    }
    seen.steps = steps.len();
    seen.appends = acknowledged;
    seen
}

#[expect(
    clippy::print_stdout,
    reason = "counts are wanted when a test is looked at"
)]
fn print(text: &str) {
    println!("{text}");
}

#[test]
fn whatever_a_power_cut_leaves_opens_and_holds_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let Some(steps) = recorded_writer(folder.path(), 420) else {
        return;
    };
    let seen = stopped(&steps, folder.path(), 97, 1);
    print(&format!("{seen:?}"));
    assert_eq!(seen.appends, 420);
    assert!(seen.images.values().sum::<u32>() >= 150, "{seen:?}");
}

#[test]
#[ignore = "takes minutes: run by scripts/torture.sh"]
fn torture() {
    let images = wanted("PHONEFLEET_IMAGES", 5_000);
    let folder = tempfile::tempdir().unwrap();
    let Some(steps) = recorded_writer(folder.path(), 2_000) else {
        panic!("writes cannot be recorded");
    };
    let (mut made, mut seed) = (0, 1);
    while made < images {
        let stride = usize::try_from(u64::from(images - made)).unwrap();
        let stride = (steps.len() * Cut::ALL.len() / stride).clamp(1, 41);
        let seen = stopped(&steps, folder.path(), stride, seed);
        made += seen.images.values().sum::<u32>();
        print(&format!("seed {seed}: {seen:?}"));
        seed += 1;
    }
    print(&format!(
        "{made} images of power cuts, none without what was acknowledged"
    ));
}

const DESIRED: &str = "  desired:
    timezone: Europe/Berlin
    properties: { persist.sys.fleet.ring: \"3\" }
";

/// Orders in what went over the wire.
fn orders(said: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(said);
    let count = ["updateTimeZone HTTP", "updatePadProperties HTTP"]
        .map(|order| text.matches(order).count() as u64);
    count.iter().sum()
}

#[test]
fn when_an_order_is_on_the_wire_no_power_cut_takes_its_intent_away() {
    let vendor = Vendor::listening(Spec {
        phones: 12,
        seed: 71,
        job_time: Duration::from_millis(40),
        ..Spec::default()
    });
    let desk = Desk::with_fleet(&vendor.url(), DESIRED);
    let folder = std::fs::canonicalize(desk.folder.path()).unwrap();
    let command = desk.command(&["apply", "--yes", "--timeout", "60s"]);
    let Some(steps) = record(&command, "", &folder) else {
        return;
    };
    let mut disk = Disk::new(&folder.join("state"));
    let (mut sent, mut images) = (0, 0);
    for (place, step) in steps.iter().enumerate() {
        disk.take(step);
        let Step::Said(said) = step else { continue };
        let now = orders(said);
        sent += now;
        if now == 0 {
            continue;
        }
        for cut in Cut::ALL {
            let named = format!("step {place}, {cut:?}, {sent} orders sent");
            let ledger = opened(&disk.image(cut, &mut Dice(place as u64)), &named);
            assert!(
                ledger.last_operation >= sent,
                "{named}: {}",
                ledger.last_operation
            );
            images += 1;
        }
    }
    assert!(sent >= 2 && images >= 10, "{sent} orders, {images} images");
}

/// The check sees what it should: a disk that forgets what it was told to keep loses acknowledged records.
#[test]
fn a_disk_that_does_not_sync_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let Some(steps) = recorded_writer(folder.path(), 60) else {
        return;
    };
    let log = folder.path().join("state/journal.db-wal");
    let lazy: Vec<Step> = steps
        .into_iter()
        .filter(|step| !matches!(step, Step::Sync(path) if Path::new(path) == log))
        .collect();
    let found = std::panic::catch_unwind(|| stopped(&lazy, folder.path(), 11, 1));
    let said = *found.unwrap_err().downcast::<String>().unwrap();
    assert!(said.contains("is there"), "{said}");
}
