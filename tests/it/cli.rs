//! The command line, through the real binary: streams, exit codes, messages.
//!
//! Invariants: every test has its own folder and environment; nothing outside this machine is reached. Not here: what happens to phones.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The binary, with an environment that holds nothing of the caller's.
fn phonefleet(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phonefleet"));
    command
        .env_clear()
        .env("HOME", folder)
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

fn run(folder: &Path, args: &[&str]) -> Output {
    phonefleet(folder).args(args).output().expect("runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("stdout is UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("stderr is UTF-8")
}

#[track_caller]
fn ends_with(output: &Output, code: i32) {
    assert_eq!(
        output.status.code(),
        Some(code),
        "stdout:\n{}\nstderr:\n{}",
        stdout(output),
        stderr(output)
    );
}

#[test]
fn help_and_version_are_data_and_end_with_0() {
    let folder = tempfile::tempdir().expect("folder");
    for args in [["--help"], ["--version"], ["help"]] {
        let output = run(folder.path(), &args);
        ends_with(&output, 0);
        assert!(stdout(&output).contains("phonefleet"));
        assert_eq!(stderr(&output), "");
    }
}

#[test]
fn a_wrong_command_line_ends_with_64_and_says_nothing_on_stdout() {
    let folder = tempfile::tempdir().expect("folder");
    let wrong: [&[&str]; 7] = [
        &[],
        &["conquer"],
        &["plan", "--conquer"],
        &["run", "--output", "yaml"],
        &["get", "phones", "--timeout", "soon"],
        &["get", "phones", "-f", ".", "--set", "no_such_number=1"],
        &["get", "phones", "-f", ".", "--set", "seed=many"],
    ];
    for args in wrong {
        let output = run(folder.path(), args);
        ends_with(&output, 64);
        assert_eq!(stdout(&output), "", "{args:?}");
        assert_ne!(stderr(&output), "", "{args:?}");
    }
}

#[test]
fn without_manifests_the_hint_tells_how_to_name_them() {
    let folder = tempfile::tempdir().expect("folder");
    fs::write(folder.path().join("other.yaml"), "kind: Pod\n").expect("writes");
    let output = run(folder.path(), &["plan"]);
    ends_with(&output, 64);
    assert!(stderr(&output).contains("-f PATH"), "{}", stderr(&output));
    assert!(stderr(&output).contains("demo"), "{}", stderr(&output));
}

#[test]
fn settings_come_from_flag_environment_and_file_in_that_order() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("settings");
    fs::write(&file, "seed = nonsense\n").expect("writes");
    let args = ["get", "phones", "-f", ".", "--settings", "settings"];
    let output = run(folder.path(), &args);
    ends_with(&output, 64);
    assert!(
        stderr(&output).contains("settings, line 1"),
        "{}",
        stderr(&output)
    );

    fs::write(&file, "seed = 1\n").expect("writes");
    let output = phonefleet(folder.path())
        .args(args)
        .env("PHONEFLEET_SET_SEED", "nonsense")
        .output()
        .expect("runs");
    ends_with(&output, 64);
    assert!(
        stderr(&output).contains("PHONEFLEET_SET_SEED"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn completions_exist_for_every_shell() {
    let folder = tempfile::tempdir().expect("folder");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(folder.path(), &["completions", shell]);
        ends_with(&output, 0);
        assert!(stdout(&output).contains("phonefleet"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let folder = tempfile::tempdir().expect("folder");
    for args in [
        ["completions", "bash"],
        ["schema", "manifest"],
        ["providers", "armcloud"],
    ] {
        let mut child = phonefleet(folder.path())
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        drop(child.stdout.take());
        let mut said = String::new();
        child
            .stderr
            .take()
            .expect("stderr")
            .read_to_string(&mut said)
            .expect("stderr is UTF-8");
        let status = child.wait().expect("ends");
        assert_eq!(status.code(), Some(0), "{args:?}: {said}");
        assert!(!said.contains("panicked"), "{args:?}: {said}");
    }
}

const ACCOUNT: &str = "apiVersion: phonefleet/v1alpha1
kind: Account
metadata: { name: hk }
spec:
  provider: armcloud
  endpoint: ENDPOINT
  credentials:
    accessKey: { env: TEST_ACCESS_KEY }
    secretKey: { env: TEST_SECRET_KEY }
";

fn group(name: &str, phones: &str, rest: &str) -> String {
    format!(
        "---
apiVersion: phonefleet/v1alpha1
kind: Group
metadata: {{ name: {name} }}
spec:
  phones: {phones}
{rest}"
    )
}

/// A fleet of one group that wishes this, with an account nobody answers for.
fn wishing(rest: &str) -> String {
    let account = ACCOUNT.replace("ENDPOINT", "http://127.0.0.1:9");
    format!(
        "{account}{}",
        group("qa", "{ accounts: [hk], ids: [AC1] }", rest)
    )
}

/// Ten million values from eight lines.
fn alias_bomb() -> String {
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x, x]\n");
    for (name, of) in [
        ("b", "a"),
        ("c", "b"),
        ("d", "c"),
        ("e", "d"),
        ("f", "e"),
        ("g", "f"),
        ("h", "g"),
    ] {
        let ten = vec![format!("*{of}"); 10].join(", ");
        bomb = format!("{bomb}{name}: &{name} [{ten}]\n");
    }
    bomb
}

/// Wrong manifests: what is wrong, the file, and words that the message must have.
fn bad_manifests() -> Vec<(&'static str, String, &'static [&'static str])> {
    let twice = format!(
        "{}{}",
        wishing("  desired: { timezone: Asia/Tokyo }\n"),
        group(
            "qa2",
            "{ accounts: [hk], ids: [AC1] }",
            "  desired: { adb: true }\n"
        )
    );
    vec![
        (
            "unknown key",
            wishing("  desierd: { adb: true }\n"),
            &["desierd", "desired"],
        ),
        (
            "duplicate key",
            wishing("  mode: warn\n  mode: enforce\n"),
            &["mode"],
        ),
        ("wrong type", wishing("  desired: { adb: [1] }\n"), &["adb"]),
        (
            "blank value",
            wishing("  desired:\n    timezone:\n"),
            &["timezone", "reset", "ignore"],
        ),
        (
            "null value",
            wishing("  desired:\n    timezone: null\n"),
            &["timezone", "reset", "ignore"],
        ),
        (
            "unknown time zone",
            wishing("  desired: { timezone: Asia/Tokio }\n"),
            &["Asia/Tokio", "Asia/Tokyo"],
        ),
        (
            "unknown language",
            wishing("  desired: { language: qq-ZZ }\n"),
            &["qq-ZZ"],
        ),
        (
            "bad IMEI",
            wishing("  desired: { sim: { imei: \"490154203237510\" } }\n"),
            &["490154203237510"],
        ),
        (
            "bad ICCID",
            wishing("  desired: { sim: { iccid: \"8985203101234567890\" } }\n"),
            &["8985203101234567890"],
        ),
        ("dangling profile", wishing("  profiles: [bse]\n"), &["bse"]),
        (
            "dangling app",
            wishing("  desired: { apps: { com.example.maps: { app: mpas } } }\n"),
            &["mpas"],
        ),
        (
            "unknown variable",
            wishing("  desired: { timezone: $(vars.zone) }\n"),
            &["zone"],
        ),
        ("two groups claim one phone", twice, &["AC1", "qa", "qa2"]),
        ("alias bomb", alias_bomb(), &["alias"]),
    ]
}

#[test]
fn each_mistake_in_a_manifest_has_its_own_message_with_its_place() {
    for (what, text, words) in bad_manifests() {
        let folder = tempfile::tempdir().expect("folder");
        fs::write(folder.path().join("fleet.yaml"), text).expect("writes");
        let output = run(folder.path(), &["validate", "-f", "fleet.yaml"]);
        ends_with(&output, 1);
        assert_eq!(stdout(&output), "", "{what}");
        let said = stderr(&output);
        assert!(said.contains("fleet.yaml"), "{what}: {said}");
        for word in words {
            assert!(said.contains(word), "{what}: no {word:?} in\n{said}");
        }
        assert!(!said.contains("panicked"), "{what}: {said}");
    }
}

#[test]
fn all_mistakes_are_reported_together_also_as_json() {
    let folder = tempfile::tempdir().expect("folder");
    let text = wishing("  mode: wran\n  desired: { timezone: Mars/Base, language: qq-ZZ }\n");
    fs::write(folder.path().join("fleet.yaml"), text).expect("writes");
    let output = run(folder.path(), &["validate", "-f", ".", "--output", "json"]);
    ends_with(&output, 1);
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(report["valid"], false);
    let findings = report["findings"].as_array().expect("findings");
    assert!(findings.len() >= 3, "{report:#}");
    for finding in findings {
        assert!(
            finding["line"].as_u64().is_some_and(|line| line > 0),
            "{finding}"
        );
        assert!(
            finding["column"].as_u64().is_some_and(|column| column > 0),
            "{finding}"
        );
    }
}

#[test]
fn good_manifests_are_valid_without_network_and_secrets() {
    let folder = tempfile::tempdir().expect("folder");
    let text = wishing("  desired: { timezone: Asia/Tokyo }\n");
    fs::write(folder.path().join("fleet.yaml"), text).expect("writes");
    // The current folder holds manifests, so it need not be named.
    let output = run(folder.path(), &["validate"]);
    ends_with(&output, 0);
    assert!(
        stdout(&output).starts_with("valid: 1 account, 1 group"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn a_file_of_100_megabytes_is_refused_at_once() {
    let folder = tempfile::tempdir().expect("folder");
    let file = fs::File::create(folder.path().join("fleet.yaml")).expect("creates");
    file.set_len(100 << 20).expect("sparse");
    let output = run(folder.path(), &["validate", "-f", "fleet.yaml"]);
    ends_with(&output, 1);
    assert!(
        stderr(&output).contains("fleet.yaml"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().expect("folder");
    let output = run(folder.path(), &["validate", "-f", "missing"]);
    ends_with(&output, 1);
    assert!(stderr(&output).contains("missing"), "{}", stderr(&output));
    assert!(stderr(&output).contains("hint"), "{}", stderr(&output));
}

#[test]
fn schemas_are_json_and_say_their_draft() {
    let folder = tempfile::tempdir().expect("folder");
    for of in ["manifest", "plan"] {
        let output = run(folder.path(), &["schema", of]);
        ends_with(&output, 0);
        let schema: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        assert!(
            schema["$schema"]
                .as_str()
                .is_some_and(|draft| draft.contains("draft-07")),
            "{of}"
        );
    }
}

#[test]
fn the_capability_table_is_printed_as_text_markdown_and_json() {
    let folder = tempfile::tempdir().expect("folder");
    let text = run(folder.path(), &["providers"]);
    ends_with(&text, 0);
    assert!(stdout(&text).contains("timezone"), "{}", stdout(&text));
    assert!(stderr(&text).contains("zenlayer"), "{}", stderr(&text));
    let markdown = run(
        folder.path(),
        &["providers", "armcloud", "--output", "markdown"],
    );
    ends_with(&markdown, 0);
    assert!(stdout(&markdown).contains("| attribute"));
    let json = run(folder.path(), &["providers", "--output", "json"]);
    let tables: serde_json::Value = serde_json::from_str(&stdout(&json)).expect("JSON");
    assert_eq!(tables[0]["provider"], "armcloud");
    ends_with(&run(folder.path(), &["providers", "nokia"]), 64);
}

#[test]
fn the_readme_names_every_command_reason_and_exit_code() {
    use phonefleet::model::condition::Reason;
    let readme = include_str!("../../README.md");
    for reason in Reason::ALL {
        let row = format!("| `{}` | {} |", reason.as_str(), reason.next_step());
        assert!(readme.contains(&row), "README.md lacks: {row}");
    }
    let folder = tempfile::tempdir().expect("folder");
    let help = stdout(&run(folder.path(), &["-h"]));
    let commands = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next());
    for command in commands.filter(|name| *name != "help") {
        assert!(
            readme.contains(&format!("`{command}")),
            "README.md lacks `{command}`"
        );
    }
    for code in [0, 1, 2, 3, 4, 6, 7, 64, 124, 130] {
        assert!(
            readme.contains(&format!("\n| {code} | ")),
            "README.md lacks exit {code}"
        );
    }
}
