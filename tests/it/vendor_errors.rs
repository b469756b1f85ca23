//! What can be wrong outside the manifests (secrets, endpoints, state folders): each has its own message and exit code, and changes nothing.
//!
//! Invariants: through the real binary; `plan` and `apply --yes` both. Not here: manifests (`cli`, `manifest`), trouble in the middle of work (`converge`).

use crate::process::{Desk, Vendor, ends_with, stderr, stdout};
use phonefleet::sim::{ACCESS_KEY, SECRET_KEY, Spec};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

const WISH: &str = "  desired: { timezone: Europe/Berlin }\n";

const COMMANDS: [&[&str]; 2] = [&["plan"], &["apply", "--yes"]];

fn vendor() -> Vendor {
    Vendor::listening(Spec {
        phones: 3,
        job_time: Duration::from_millis(20),
        latency: Duration::from_millis(1),
        ..Spec::default()
    })
}

/// `plan` and `apply --yes` both end with 1, say these words on stderr, and nothing on stdout.
#[track_caller]
fn fails_saying(desk: &Desk, words: &[&str]) {
    for args in COMMANDS {
        let output = desk.run(args);
        ends_with(&output, 1);
        assert_eq!(stdout(&output), "", "{args:?}");
        says(&stderr(&output), words);
    }
}

#[track_caller]
fn says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "no {word:?} in\n{said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    assert!(!said.contains(SECRET_KEY), "a secret is told:\n{said}");
}

#[track_caller]
fn untouched(vendor: &Vendor) {
    let report = vendor.sim.report();
    assert_eq!(report.mutations, 0, "{report:?}");
    for phone in vendor.sim.phones() {
        assert_eq!(vendor.sim.phone(&phone).unwrap().timezone, "Asia/Shanghai");
    }
}

#[test]
fn the_fleet_of_these_tests_converges_when_nothing_is_wrong() {
    let vendor = vendor();
    let desk = Desk::with_fleet(&vendor.url(), WISH);
    let output = desk.run(&["apply", "--yes"]);
    ends_with(&output, 0);
    for phone in vendor.sim.phones() {
        assert_eq!(vendor.sim.phone(&phone).unwrap().timezone, "Europe/Berlin");
    }
}

#[test]
fn a_missing_secret_is_named() {
    let vendor = vendor();
    let desk = Desk::with_fleet(&vendor.url(), WISH);
    fs::remove_file(desk.path("secret/key")).unwrap();
    fails_saying(&desk, &["lab", "secretKey", "secret/key", "hint"]);
    assert_eq!(vendor.sim.report().calls, 0, "nothing was sent");

    let account = fs::read_to_string(desk.path("fleet/account.yaml")).unwrap();
    let file = format!("{{ file: {} }}", desk.path("secret/key").display());
    assert!(account.contains(&file), "{account}");
    desk.write(
        "fleet/account.yaml",
        &account.replace(&file, "{ env: NO_SUCH_VARIABLE }"),
    );
    fails_saying(&desk, &["lab", "secretKey", "NO_SUCH_VARIABLE", "hint"]);
    assert_eq!(vendor.sim.report().calls, 0, "nothing was sent");
}

#[test]
fn wrong_credentials_are_told_and_not_hammered() {
    let vendor = vendor();
    for (access, secret) in [
        (ACCESS_KEY, "another-secret"),
        ("ANOTHER-KEY", "another-secret"),
    ] {
        let desk = Desk::with_fleet(&vendor.url(), WISH);
        desk.account(&vendor.url(), access, secret);
        let before = vendor.sim.report().calls;
        fails_saying(
            &desk,
            &[
                "account lab cannot be read",
                "nothing was changed",
                "credentials",
                "doctor",
            ],
        );
        let report = vendor.sim.report();
        assert!(report.bad_signatures > 0, "{report:?}");
        assert!(
            report.calls - before <= 4,
            "two commands, {} calls",
            report.calls - before
        );
    }
    untouched(&vendor);
}

#[test]
fn an_unreachable_endpoint_is_named_as_such() {
    // A port that was free a moment ago.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let desk = Desk::with_fleet(&format!("http://{address}"), WISH);
    fails_saying(
        &desk,
        &[
            "account lab cannot be read",
            "nothing was changed",
            "endpoint",
        ],
    );
}

#[test]
fn an_endpoint_that_answers_html_is_named_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Ends with the process: it waits for connections.
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut length = 0;
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    let lower = line.to_ascii_lowercase();
                    if let Some(text) = lower.strip_prefix("content-length:") {
                        length = text.trim().parse().unwrap_or(0);
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                if reader.read_exact(&mut body).is_err() {
                    return;
                }
                let page = "<!DOCTYPE html><html><body><h1>Welcome to the portal</h1><form>log in</form></body></html>";
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}",
                    page.len()
                );
                // A client that has gone away is none of ours.
                drop(stream.write_all(answer.as_bytes()));
            });
        }
    });
    let desk = Desk::with_fleet(&format!("http://{address}"), WISH);
    fails_saying(
        &desk,
        &[
            "account lab cannot be read",
            "nothing was changed",
            "not the vendor's API",
        ],
    );
}

#[test]
fn a_state_folder_in_use_ends_with_6_and_names_its_holder() {
    let vendor = vendor();
    let desk = Desk::with_fleet(
        &vendor.url(),
        "  mode: observe\n  desired: { timezone: Europe/Berlin }\n",
    );
    let mut daemon = desk
        .command(&["run"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = daemon.id().to_string();
    // It holds the folder from its first read on at the latest.
    let held = (0..600).any(|_| {
        std::thread::park_timeout(Duration::from_millis(50));
        fs::read_to_string(desk.path("state/lock")).is_ok_and(|text| text.contains(&pid))
    });
    let second = desk.run(&["apply", "--yes"]);
    let third = desk.run(&["run"]);
    let beside = desk.run(&["plan"]);
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert!(held, "the daemon never took the lock");
    for output in [&second, &third] {
        ends_with(output, 6);
        assert_eq!(stdout(output), "");
        says(
            &stderr(output),
            &["in use by", &pid, "phonefleet run", "hint"],
        );
    }
    ends_with(&beside, 0);
    untouched(&vendor);
    let again = desk.run(&["apply", "--yes"]);
    assert_ne!(
        again.status.code(),
        Some(6),
        "the lock ends with its process: {}",
        stderr(&again)
    );
}

#[test]
fn a_damaged_journal_is_named_with_the_way_out() {
    let vendor = vendor();
    let desk = Desk::with_fleet(&vendor.url(), WISH);
    desk.write("state/journal.db", &"this is no database\n".repeat(500));
    fails_saying(&desk, &["journal.db", "backup", "hint"]);
    assert_eq!(
        fs::read(desk.path("state/journal.db")).unwrap(),
        "this is no database\n".repeat(500).as_bytes(),
        "it is left as it is"
    );
    untouched(&vendor);
    assert_eq!(vendor.sim.report().calls, 0, "nothing was sent");
}

#[test]
fn a_journal_with_a_hole_is_refused_and_named() {
    let vendor = vendor();
    let desk = Desk::with_fleet(&vendor.url(), WISH);
    ends_with(&desk.run(&["apply", "--yes"]), 0);
    let done = vendor.sim.report().mutations;
    // Half of the pages of a journal that has some are overwritten, the header aside.
    let path = desk.path("state/journal.db");
    for wal in ["state/journal.db-wal", "state/journal.db-shm"] {
        // It may have been folded into the file when the last process ended.
        drop(fs::remove_file(desk.path(wal)));
    }
    let mut bytes = fs::read(&path).unwrap();
    let length = bytes.len();
    bytes[4096.min(length / 2)..].fill(0xA5);
    fs::write(&path, &bytes).unwrap();
    fails_saying(&desk, &["journal.db", "backup", "hint"]);
    assert_eq!(vendor.sim.report().mutations, done);
}

#[test]
fn a_state_folder_that_cannot_be_is_named() {
    let vendor = vendor();
    let desk = Desk::with_fleet(&vendor.url(), WISH);
    desk.write("state", "a file stands where the folder should be");
    fails_saying(&desk, &["state", "hint"]);
    untouched(&vendor);
    assert_eq!(vendor.sim.report().calls, 0, "nothing was sent");

    let mut command = crate::process::phonefleet(desk.folder.path());
    let output = command
        .args([
            "apply",
            "--yes",
            "--state-dir",
            "/proc/phonefleet-state",
            "-f",
        ])
        .arg(desk.path("fleet"))
        .output()
        .unwrap();
    ends_with(&output, 1);
    assert_eq!(stdout(&output), "");
    says(&stderr(&output), &["/proc/phonefleet-state", "hint"]);
    untouched(&vendor);
}

#[test]
fn a_journal_that_fills_up_in_the_middle_ends_with_7_and_can_be_gone_on_from() {
    let vendor = Vendor::listening(Spec {
        phones: 40,
        job_time: Duration::from_millis(20),
        ..Spec::default()
    });
    let desk = Desk::with_fleet(
        &vendor.url(),
        "  desired: { timezone: Europe/Berlin, language: de-DE }\n",
    );
    let account = fs::read_to_string(desk.path("fleet/account.yaml")).unwrap();
    let limits = "limits: { batchSize: 1, requestsPerSecond: 200, requestsPerMinute: 9000, ";
    desk.write("fleet/account.yaml", &account.replace("limits: { ", limits));
    desk.write(
        "hasty",
        "request_life = 1s\nsettings_deadline = 3s\nread_lag = 500ms\n",
    );
    let apply = ["apply", "--yes", "--timeout", "60s", "--settings", "hasty"];
    let command = desk.command(&apply);
    // No file may grow beyond some 100 kB: the log of the journal meets that when some orders are sent.
    let full = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\""])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .env("HOME", desk.folder.path())
        .current_dir(desk.folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    ends_with(&full, 7);
    let words = ["stopped in the middle of changes", "journal.db", "hint"];
    says(&stderr(&full), &words);
    let done = vendor.sim.report().mutations;
    assert!((1..80).contains(&done), "{done} orders");
    let again = desk.run(&apply);
    ends_with(&again, 0);
    let report = vendor.sim.report();
    assert_eq!((report.double_jobs, report.throttled), (0, 0), "{report:?}");
    assert_eq!(report.mutations, 80, "nothing was sent twice: {report:?}");
}

#[test]
fn interrupted_while_reading_it_ends_with_130_and_has_changed_nothing() {
    let vendor = Vendor::listening(Spec {
        phones: 3,
        latency: Duration::from_secs(3),
        ..Spec::default()
    });
    let desk = Desk::with_fleet(&vendor.url(), WISH);
    for args in [&["apply", "--yes"][..], &["explain", "lab/AC32010000001"]] {
        let before = vendor.sim.report().calls;
        let child = desk
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while vendor.sim.report().calls == before {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        let asked = std::process::Command::new("sh")
            .args(["-c", &format!("kill -INT {}", child.id())])
            .status()
            .unwrap();
        assert!(asked.success());
        let output = child.wait_with_output().unwrap();
        ends_with(&output, 130);
        assert_eq!(stdout(&output), "", "{args:?}");
        says(
            &stderr(&output),
            &["interrupted while reading; nothing was changed"],
        );
    }
    untouched(&vendor);
}
