//! What a process really writes: its system calls on files and sockets, as `strace` tells them, in order.
//!
//! Invariants: nothing is guessed; a call that failed did nothing. Not here: what of it survives (`disk`). Memory that is mapped (`-shm`) is not told of; it
//! does not survive either.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const CALLS: &str = "trace=openat,write,writev,pwrite64,pwritev,ftruncate,lseek,fsync,fdatasync,unlink,unlinkat,rename,renameat,renameat2,sendto,sendmsg";

/// One thing that the process did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Opened a file that may be new; `emptied`: and cut it to nothing.
    Open {
        path: String,
        made: bool,
        emptied: bool,
    },
    Write {
        path: String,
        at: u64,
        bytes: Vec<u8>,
    },
    Cut {
        path: String,
        length: u64,
    },
    /// A file, or a folder's names.
    Sync(String),
    Remove(String),
    Rename(String, String),
    /// Wrote to its standard output or to a socket.
    Said(Vec<u8>),
}

/// Runs a command under `strace` to its end, with this on its standard input. `None`: there is no `strace` that may trace, which was said.
///
/// # Panics
/// The command fails; or there is no `strace`, and `CI` is set. Where tracing is not permitted, `CI` or not, that is said and nothing is recorded.
pub(super) fn record(command: &Command, stdin: &str, folder: &Path) -> Option<Vec<Step>> {
    if let Err(problem) = usable() {
        let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
        // A machine that lets nobody trace cannot be mended by installing anything.
        let forbidden = problem.contains("not permitted");
        assert!(!ci || forbidden, "writes cannot be recorded: {problem}");
        // Past the test harness, which keeps what tests print to itself.
        let mut stderr = std::io::stderr();
        writeln!(stderr, "\nskipped: images of power cuts ({problem})").unwrap();
        return None;
    }
    let log = folder.join("strace.log");
    let mut traced = Command::new("strace");
    traced
        .args([
            "-f", "-y", "-qq", "-xx", "-s", "16777216", "-e", CALLS, "-o",
        ])
        .arg(&log)
        .arg(command.get_program())
        .args(command.get_args())
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    if let Some(place) = command.get_current_dir() {
        traced.current_dir(place);
    }
    let mut child = traced
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(stdin.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let text = std::fs::read_to_string(&log).unwrap();
    let steps = read(&text);
    std::fs::remove_file(&log).unwrap();
    Some(steps)
}

/// Whether there is a `strace` that may trace.
fn usable() -> Result<(), String> {
    let output = Command::new("strace").args(["-qq", "true"]).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "strace: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(problem) => Err(format!("strace: {problem}")),
    }
}

fn read(log: &str) -> Vec<Step> {
    let mut begun: BTreeMap<&str, &str> = BTreeMap::new();
    let mut reader = Reader::default();
    for line in log.lines() {
        let Some((pid, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim_start();
        if let Some(first) = rest.strip_suffix("<unfinished ...>") {
            begun.insert(pid, first);
        } else if let Some((_, last)) = rest
            .strip_prefix("<... ")
            .and_then(|rest| rest.split_once(" resumed>"))
        {
            let first = begun.remove(pid).unwrap_or_default();
            reader.call(&format!("{first}{last}"));
        } else {
            reader.call(rest);
        }
    }
    reader.steps
}

#[derive(Default)]
struct Reader {
    steps: Vec<Step>,
    /// Where the next plain `write` to a file goes.
    places: BTreeMap<u64, u64>,
}

impl Reader {
    fn call(&mut self, text: &str) {
        let Some((name, rest)) = text.split_once('(') else {
            return;
        };
        let Some((arguments, result)) = rest.rsplit_once(" = ") else {
            return;
        };
        let number = result.split(['<', ' ']).next().unwrap_or_default();
        let Ok(result) = number.parse::<u64>() else {
            return;
        };
        let texts = quoted(arguments);
        let file = file_of(arguments);
        match (name, file) {
            ("openat", _) => self.open(arguments, &texts, result),
            ("unlink" | "unlinkat", _) => self.steps.extend(last(&texts).map(Step::Remove)),
            ("rename" | "renameat" | "renameat2", _) => {
                if let [from, to] = &texts[..] {
                    let step = Step::Rename(string(from), string(to));
                    self.steps.push(step);
                }
            }
            ("fsync" | "fdatasync", Some((_, path))) => self.steps.push(Step::Sync(path)),
            ("ftruncate", Some((_, path))) => {
                let length = after_comma(arguments).parse().unwrap();
                self.steps.push(Step::Cut { path, length });
            }
            ("lseek", Some((file, _))) => {
                self.places.insert(file, result);
            }
            ("pwrite64" | "pwritev", Some((_, path))) => {
                let at = after_comma(arguments).parse().unwrap();
                let bytes = written(&texts, result);
                self.steps.push(Step::Write { path, at, bytes });
            }
            ("write" | "writev" | "sendto" | "sendmsg", Some((file, path))) => {
                let bytes = written(&texts, result);
                if path.starts_with('/') && file > 2 {
                    let at = self.places.entry(file).or_default();
                    self.steps.push(Step::Write {
                        path,
                        at: *at,
                        bytes,
                    });
                    *at += result;
                } else {
                    self.steps.push(Step::Said(bytes));
                }
            }
            (_, _) => {}
        }
    }

    fn open(&mut self, arguments: &str, texts: &[Vec<u8>], result: u64) {
        self.places.insert(result, 0);
        let Some(path) = last(texts) else { return };
        self.steps.push(Step::Open {
            path,
            made: arguments.contains("O_CREAT"),
            emptied: arguments.contains("O_TRUNC"),
        });
    }
}

fn string(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn last(texts: &[Vec<u8>]) -> Option<String> {
    texts.last().map(|text| string(text))
}

fn written(texts: &[Vec<u8>], length: u64) -> Vec<u8> {
    let mut bytes = texts.concat();
    bytes.truncate(usize::try_from(length).unwrap());
    bytes
}

/// The number of a file and what it is, from `5</path>`.
fn file_of(arguments: &str) -> Option<(u64, String)> {
    let (number, rest) = arguments.split_once('<')?;
    let (path, _) = rest.split_once('>')?;
    Some((number.parse().ok()?, string(&unhex(path))))
}

/// What stands between quotes.
fn quoted(arguments: &str) -> Vec<Vec<u8>> {
    arguments.split('"').skip(1).step_by(2).map(unhex).collect()
}

fn after_comma(arguments: &str) -> &str {
    let last = arguments.rsplit(',').next().unwrap_or_default();
    last.trim_end_matches([')', ' ']).trim()
}

fn unhex(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4);
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if let [b'\\', b'x', high, low, tail @ ..] = rest {
            let digit = |byte: &u8| u8::try_from(char::from(*byte).to_digit(16).unwrap()).unwrap();
            bytes.push(digit(high) << 4 | digit(low));
            rest = tail;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    bytes
}

#[test]
fn what_strace_tells_is_understood() {
    let log = concat!(
        r#"7  openat(AT_FDCWD</w>, "\x2f\x61", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3<\x2f\x61>"#,
        "\n",
        r#"7  write(3<\x2f\x61>, "\x01\x02", 2) = 2"#,
        "\n",
        r#"8  write(1<pipe:[5]>, "\x68\x69", 2 <unfinished ...>"#,
        "\n",
        r#"7  pwrite64(3<\x2f\x61>, "\x03", 1, 512) = 1"#,
        "\n",
        r#"8  <... write resumed>) = 2"#,
        "\n",
        r#"7  unlink("\x2f\x62") = -1 ENOENT (No such file or directory)"#,
        "\n",
        r#"7  write(3<\x2f\x61>, "\x04", 1) = 1"#,
        "\n",
        r#"7  ftruncate(3<\x2f\x61>, 9) = 0"#,
        "\n",
        r#"7  fsync(3<\x2f\x61>) = 0"#,
        "\n",
        r#"7  rename("\x2f\x61", "\x2f\x63") = 0"#,
    );
    let write = |at, bytes: &[u8]| Step::Write {
        path: "/a".to_owned(),
        at,
        bytes: bytes.to_vec(),
    };
    let expected = vec![
        Step::Open {
            path: "/a".to_owned(),
            made: true,
            emptied: false,
        },
        write(0, &[1, 2]),
        write(512, &[3]),
        Step::Said(b"hi".to_vec()),
        write(2, &[4]),
        Step::Cut {
            path: "/a".to_owned(),
            length: 9,
        },
        Step::Sync("/a".to_owned()),
        Step::Rename("/a".to_owned(), "/c".to_owned()),
    ];
    assert_eq!(read(log), expected);
}
