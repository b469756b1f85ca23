//! Input that is broken, huge, or made to do harm: an error in time that names the place, within bounded memory, with nothing sent, and with nothing in it that
//! could steer a terminal. Manifests from `tests/fixtures/bad/manifests` (the first line tells what the error must say) and made here; secrets, tables and
//! vendors that are not what they should be.
//!
//! Invariants: through the real binary, which has 1 GB of address space and 60 seconds at most. Not here: ordinary mistakes (`manifest`, `cli`), values that are
//! shell commands (`shell_abuse`), a vendor's answers by the thousand (`bad_answers`).

use crate::process::{Desk, stderr, stdout};
use phonefleet::sim::{ACCESS_KEY, SECRET_KEY};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/bad/manifests");
/// What a command says at most, in bytes.
const MOST_SAID: usize = 256 << 10;
/// Address space, in kibibytes.
const MOST_MEMORY: u64 = 1 << 20;

/// Runs the binary within bounds.
pub(crate) fn bounded(desk: &Desk, args: &[&str]) -> Output {
    let command = desk.command(args);
    let mut limited = Command::new("timeout");
    limited
        .args(["--signal=KILL", "60", "sh", "-c"])
        .arg(format!("ulimit -v {MOST_MEMORY}; exec \"$0\" \"$@\""))
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .env("HOME", desk.folder.path())
        .env("PATH", "/usr/bin:/bin")
        .current_dir(desk.folder.path())
        .stdin(Stdio::null());
    limited.output().unwrap()
}

/// Ends with 1, says these words (alternatives with `|`) and little else, and nothing that a terminal would obey.
#[track_caller]
pub(crate) fn refused(output: &Output, expected: &str, what: &str) {
    let said = stderr(output);
    let shown: String = said.chars().take(2_000).collect();
    assert_eq!(output.status.code(), Some(1), "{what}: {shown}");
    assert!(!said.contains("panicked"), "{what}: {shown}");
    let met = expected.split('|').any(|word| said.contains(word));
    assert!(met, "{what}: no {expected:?} in\n{shown}");
    assert!(said.len() <= MOST_SAID, "{what}: {} bytes", said.len());
    harmless(&said, what);
    harmless(&stdout(output), what);
}

/// Nothing that steers a terminal, or that turns text around.
#[track_caller]
pub(crate) fn harmless(text: &str, what: &str) {
    let steers = |letter: &char| {
        (letter.is_control() && *letter != '\n' && *letter != '\t')
            || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let found = text.chars().find(steers);
    assert_eq!(found, None, "{what}: {text:?}");
}

/// A listener that counts who comes, and answers each request with this.
pub(crate) fn vendor(
    answer: impl Fn(&mut TcpStream) + Send + Sync + 'static,
) -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let calls = Arc::new(AtomicU64::new(0));
    let (count, answer) = (Arc::clone(&calls), Arc::new(answer));
    // Ends with the process: it waits for connections.
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            count.fetch_add(1, Ordering::Relaxed);
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || {
                let mut request: Vec<u8> = Vec::new();
                let mut part = [0; 4096];
                // Heads and bodies of these tests come at once.
                while !request.windows(4).any(|four| four == b"\r\n\r\n") {
                    match stream.read(&mut part) {
                        Ok(length) if length > 0 => request.extend(&part[..length]),
                        Ok(_) | Err(_) => return,
                    }
                }
                answer(&mut stream);
                // The client reads to the end before it hears that the line is closed.
                drop(stream.shutdown(std::net::Shutdown::Write));
                while stream.read(&mut part).is_ok_and(|length| length > 0) {}
            });
        }
    });
    (address, calls)
}

/// What a vendor does once it has a request's head.
type Answer = Box<dyn Fn(&mut TcpStream) + Send + Sync>;

fn send(stream: &mut TcpStream, head: &str, body: &[u8]) {
    let length = body.len();
    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    // A client that has gone away is none of ours.
    drop(
        stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body)),
    );
}

/// Neither offline nor online does this manifest lead anywhere.
fn manifest_is_refused(text: &[u8], expected: &str, what: &str) {
    let desk = Desk::new();
    let (address, calls) = vendor(|_| {});
    let here = format!("http://{address}");
    let text = match std::str::from_utf8(text) {
        Ok(text) => text.replace("http://127.0.0.1:1", &here).into_bytes(),
        Err(_) => text.to_vec(),
    };
    desk.write("fleet/.keep", "");
    std::fs::write(desk.path("fleet/bad.yaml"), text).unwrap();
    for args in [&["validate"][..], &["plan"], &["apply", "--yes"]] {
        let output = bounded(&desk, args);
        refused(&output, expected, &format!("{what}, {args:?}"));
        assert_eq!(stdout(&output), "", "{what}, {args:?}");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0, "{what}: nothing is sent");
}

#[test]
fn every_manifest_of_the_corpus_is_refused() {
    let mut names: Vec<_> = std::fs::read_dir(CORPUS)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    assert!(names.len() >= 25, "{}", names.len());
    for path in names {
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = text.lines().next().unwrap();
        let expected = expected.strip_prefix("# expect: ").unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        manifest_is_refused(text.as_bytes(), expected, &name);
    }
}

#[test]
fn manifests_of_absurd_shapes_are_refused() {
    let mut steps = String::new();
    for depth in 1..3_000 {
        writeln!(steps, "{}a{depth}:", " ".repeat(depth)).unwrap();
    }
    let keys: String = (0..300_000).fold(String::from("kind: Group\n"), |mut all, key| {
        writeln!(all, "k{key}: v").unwrap();
        all
    });
    let utf16: Vec<u8> = "kind: Group\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("steps", steps.into_bytes(), "deep|recursion"),
        ("documents", b"---\na: b\n".repeat(20_000), "bad.yaml"),
        ("brackets", b"[".repeat(2 << 20), "deep|recursion"),
        ("anchors", b"- &a x\n".repeat(200_000), "bad.yaml"),
        ("keys", keys.into_bytes(), "bad.yaml"),
        ("one long word", b"x".repeat(8 << 20), "bad.yaml"),
        (
            "one long line of mistakes",
            b"{kind: Group, x: y}\n---\n".repeat(20_000),
            "bad.yaml",
        ),
        ("zeros", vec![0; 1 << 20], "bad.yaml"),
        ("half a letter", b"kind: \xc3\x28\n".to_vec(), "UTF-8"),
        ("UTF-16", [&[0xff, 0xfe][..], &utf16].concat(), "UTF-8"),
    ];
    for (what, text, expected) in cases {
        manifest_is_refused(&text, expected, what);
    }
}

pub(crate) fn fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

pub(crate) fn group(desk: &Desk) {
    desk.write(
        "fleet/group.yaml",
        "apiVersion: phonefleet/v1alpha1\nkind: Group\nmetadata: { name: all }\nspec:\n  phones: { accounts: [lab] }\n  desired: { timezone: UTC }\n",
    );
}

#[test]
fn secrets_that_are_no_secrets_are_named_and_nothing_is_sent() {
    let (address, calls) = vendor(|_| {});
    let desk = Desk::new();
    desk.account(&format!("http://{address}"), ACCESS_KEY, SECRET_KEY);
    group(&desk);
    let key = desk.path("secret/key");
    let account = std::fs::read_to_string(desk.path("fleet/account.yaml")).unwrap();
    let written = format!("file: {}", key.display());
    assert!(account.contains(&written));
    std::fs::create_dir(desk.path("secret/folder")).unwrap();
    fifo(&desk.path("secret/pipe"));
    desk.write("secret/large", &"k".repeat(80 << 10));
    std::fs::File::create(desk.path("secret/huge"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    std::fs::write(desk.path("secret/noise"), [0xff, 0xfe, 0x00, 0x80]).unwrap();
    desk.write("secret/blank", " \n\n");
    let folder = desk.path("secret").display().to_string();
    for name in ["folder", "pipe", "large", "huge", "noise", "blank", "none"] {
        for form in [
            format!("file: {folder}/{name}"),
            format!("csv: {folder}/{name}, key: a, column: b"),
        ] {
            desk.write("fleet/account.yaml", &account.replace(&written, &form));
            for args in [&["plan"][..], &["apply", "--yes"]] {
                refused(&bounded(&desk, args), &format!("{folder}/{name}"), &form);
            }
        }
    }
    for (form, expected) in [
        ("file: /dev/zero", "/dev/zero"),
        ("file: /dev/stdin", "/dev/stdin"),
        ("credential: ../secret/key", "secretKey"),
        ("env: \"NO\\e[2J\"", "control character"),
    ] {
        desk.write("fleet/account.yaml", &account.replace(&written, form));
        refused(&bounded(&desk, &["plan"]), expected, form);
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0, "nothing is sent");
}

#[test]
fn manifests_and_tables_that_are_no_files_are_named() {
    let desk = Desk::new();
    desk.account("http://127.0.0.1:1", ACCESS_KEY, SECRET_KEY);
    group(&desk);
    let inventory = |csv: &str| {
        desk.write(
            "fleet/inventory.yaml",
            &format!("apiVersion: phonefleet/v1alpha1\nkind: Inventory\nmetadata: {{ name: lab }}\nspec: {{ csv: {csv}, id: id, account: account }}\n"),
        );
    };
    fifo(&desk.path("fleet/phones.csv"));
    for csv in [
        "phones.csv",
        "/dev/zero",
        "/proc/self/mem",
        "..",
        "none.csv",
    ] {
        inventory(csv);
        refused(&bounded(&desk, &["validate"]), csv, csv);
    }
    std::fs::remove_file(desk.path("fleet/inventory.yaml")).unwrap();
    fifo(&desk.path("fleet/pipe.yaml"));
    refused(&bounded(&desk, &["validate"]), "pipe.yaml", "a pipe");
    std::fs::remove_file(desk.path("fleet/pipe.yaml")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", desk.path("fleet/zero.yaml")).unwrap();
    refused(&bounded(&desk, &["validate"]), "zero.yaml", "a device");
    std::fs::remove_file(desk.path("fleet/zero.yaml")).unwrap();
    // A folder that holds itself.
    std::os::unix::fs::symlink(desk.path("fleet"), desk.path("fleet/again")).unwrap();
    let output = bounded(&desk, &["validate"]);
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
}

fn fleet_at(address: SocketAddr) -> Desk {
    let desk = Desk::new();
    desk.account(&format!("http://{address}"), ACCESS_KEY, SECRET_KEY);
    group(&desk);
    desk
}

#[test]
fn nobody_is_sent_elsewhere() {
    let (other, strangers) = vendor(|stream| send(stream, "200 OK", b"{\"code\":200}"));
    for status in [
        "301 Moved",
        "302 Found",
        "303 See Other",
        "307 Temporary",
        "308 Permanent",
    ] {
        for place in [
            format!("http://{other}/here"),
            format!("//{other}/there"),
            "file:///etc/passwd".to_owned(),
        ] {
            let head = format!("{status}\r\nlocation: {place}");
            let (address, _) = vendor(move |stream| send(stream, &head, b""));
            let desk = fleet_at(address);
            for args in [&["plan"][..], &["apply", "--yes"], &["doctor"]] {
                let output = bounded(&desk, args);
                let said = stderr(&output);
                assert_ne!(output.status.code(), Some(0), "{status} {place}: {said}");
                assert!(!said.contains(SECRET_KEY), "{said}");
                harmless(&said, &place);
            }
        }
    }
    assert_eq!(
        strangers.load(Ordering::Relaxed),
        0,
        "no redirect is followed"
    );
}

#[test]
fn answers_of_absurd_depth_and_size_are_errors_within_bounds() {
    let deep = |open: &str, count: usize| format!("{{\"code\":200,\"data\":{}", open.repeat(count));
    let sent = Arc::new(AtomicU64::new(0));
    let endless = Arc::clone(&sent);
    let answers: Vec<(&str, Answer)> = vec![
        ("brackets", {
            let body = deep("[", 4 << 20);
            Box::new(move |stream| send(stream, "200 OK", body.as_bytes()))
        }),
        ("braces", {
            let body = deep("{\"data\":", 1 << 20);
            Box::new(move |stream| send(stream, "200 OK", body.as_bytes()))
        }),
        ("a number of a megabyte", {
            let body = format!("{{\"code\":{}}}", "9".repeat(1 << 20));
            Box::new(move |stream| send(stream, "200 OK", body.as_bytes()))
        }),
        ("no end", {
            Box::new(move |stream| {
                let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"data\":[";
                let mut part = stream.write_all(head);
                while part.is_ok() {
                    part = stream.write_all(&[b' '; 1 << 16]);
                    endless.fetch_add(1 << 16, Ordering::Relaxed);
                }
            })
        }),
        ("a length of a terabyte", {
            Box::new(|stream| {
                drop(stream.write_all(
                    b"HTTP/1.1 200 OK\r\ncontent-length: 1099511627776\r\n\r\n{\"code\":200",
                ));
            })
        }),
        ("heads without end", {
            Box::new(|stream| {
                let mut part = stream.write_all(b"HTTP/1.1 200 OK\r\n");
                while part.is_ok() {
                    part = stream.write_all(&b"x-y: zzzzzzzzzzzzzzzzzzzzzzzzzz\r\n".repeat(1_000));
                }
            })
        }),
    ];
    for (what, answer) in answers {
        let (address, calls) = vendor(answer);
        let output = bounded(&fleet_at(address), &["plan", "--timeout", "8s"]);
        // A vendor that answers nonsense may be down for a moment: the command waits as long as it was told to.
        assert!(
            matches!(output.status.code(), Some(1 | 124)),
            "{what}: {}",
            stderr(&output)
        );
        let said = stderr(&output);
        assert!(
            said.contains("lab") && !said.contains("panicked"),
            "{what}: {said}"
        );
        harmless(&said, what);
        let calls = calls.load(Ordering::Relaxed);
        assert!((1..=8).contains(&calls), "{what}: {calls} calls");
        let sent = sent.swap(0, Ordering::Relaxed);
        assert!(
            sent <= calls * (64 << 20),
            "{what}: {sent} bytes were taken in {calls} calls"
        );
    }
}

#[test]
fn a_vendors_words_steer_no_terminal() {
    let words = "\\u001b[2J\\u001b]0;title\\u0007\\u009b31m\\u202egpj.exe\\r\\nerror: all is well";
    let body = format!(
        "{{\"code\":500,\"msg\":\"{words}\",\"message\":\"{words}\",\"Message\":\"{words}\",\"data\":null}}"
    );
    let (address, _) = vendor(move |stream| {
        send(stream, "500 \u{1b}[2J", body.as_bytes());
    });
    let desk = fleet_at(address);
    for args in [
        &["plan"][..],
        &["apply", "--yes"],
        &["doctor"],
        &["-vvv", "plan"],
        &["-vvv", "--log-format", "json", "plan"],
        &["import"],
    ] {
        let output = bounded(&desk, args);
        assert_ne!(output.status.code(), Some(0), "{args:?}");
        harmless(&stderr(&output), &format!("{args:?}"));
        harmless(&stdout(&output), &format!("{args:?}"));
    }
}
