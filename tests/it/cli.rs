//! The command line, through the real binary: streams, exit codes, messages.
//!
//! Invariants: every test has its own folder and environment; nothing outside this machine is reached. Not here: what happens to phones.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

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
    for name in [
        "armcloud",
        "vmoscloud",
        "vsphone",
        "alibaba",
        "koophone",
        "zenlayer",
    ] {
        assert!(stdout(&text).contains(name), "{name}: {}", stdout(&text));
    }
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
        // Deeper lines go on with what the line before says.
        .filter(|line| !line.starts_with("   "))
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

/// A simulator of its own process; ends with this value.
struct Simulator {
    child: Child,
    endpoint: String,
}

impl Simulator {
    fn start(folder: &Path, args: &[&str]) -> Self {
        let quick: &[&str] = if args.contains(&"--job-time") {
            &[]
        } else {
            &["--job-time", "200ms"]
        };
        let mut child = phonefleet(folder)
            .args(["sim", "--latency", "1ms"])
            .args(quick)
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(ready["ready"], true);
        let endpoint = ready["surfaces"]["armcloud"].as_str().unwrap().to_owned();
        Self { child, endpoint }
    }

    /// Asks it to end, and tells how it did.
    fn stop(mut self) -> Option<i32> {
        interrupt(&self.child);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn interrupt(child: &Child) {
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// A folder with a fleet of one group at this endpoint.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new(endpoint: &str, rest: &str) -> Self {
        let stage = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        stage.wish(endpoint, rest);
        stage
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn wish(&self, endpoint: &str, rest: &str) {
        let account = ACCOUNT.replace("ENDPOINT", endpoint);
        let text = format!(
            "{account}  limits: {{ pollInterval: 1s }}\n{}",
            group("qa", "{ accounts: [hk] }", rest)
        );
        fs::write(self.path().join("fleet.yaml"), text).unwrap();
    }

    /// The binary with the simulator's keys and this folder's fleet and state.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = phonefleet(self.path());
        command
            .env("TEST_ACCESS_KEY", phonefleet::sim::ACCESS_KEY)
            .env("TEST_SECRET_KEY", phonefleet::sim::SECRET_KEY)
            .env("PHONEFLEET_STATE_DIR", self.path().join("state"))
            .env("PHONEFLEET_FILE", self.path().join("fleet.yaml"))
            .args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }
}

const TOKYO: &str = "  desired: { timezone: Asia/Tokyo }\n";

#[test]
fn the_simulator_says_when_it_is_ready_and_ends_when_it_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(folder.path(), &["--phones", "1"]);
    assert!(simulator.endpoint.starts_with("http://127.0.0.1:"));
    assert_eq!(simulator.stop(), Some(0));
    ends_with(&run(folder.path(), &["sim", "--faults", "lost=2"]), 64);
    ends_with(&run(folder.path(), &["sim", "--scenario", "missing"]), 64);
}

#[test]
fn a_fleet_is_planned_applied_and_then_in_sync() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(folder.path(), &["--phones", "4"]);
    let stage = Stage::new(&simulator.endpoint, TOKYO);
    ends_with(&stage.run(&["status"]), 1);

    let plan = stage.run(&["plan", "--detailed-exitcode", "--output", "json"]);
    ends_with(&plan, 2);
    serde_json::from_str::<serde_json::Value>(&stdout(&plan)).unwrap();
    assert!(
        !stage.path().join("state").exists(),
        "a plan writes nothing"
    );

    let unasked = stage.run(&["apply"]);
    ends_with(&unasked, 64);
    assert!(stderr(&unasked).contains("--yes"), "{}", stderr(&unasked));

    let one = stage.run(&["apply", "--yes", "--max-phones", "1"]);
    ends_with(&one, 4);
    assert!(stderr(&one).contains("NotApproved  3 "), "{}", stderr(&one));

    let all = stage.run(&["apply", "--yes"]);
    ends_with(&all, 0);
    assert!(
        stdout(&all).contains("Plan: 3 to change"),
        "{}",
        stdout(&all)
    );
    assert!(stderr(&all).contains("converged"), "{}", stderr(&all));

    let again = stage.run(&["plan", "--detailed-exitcode"]);
    ends_with(&again, 0);
    assert!(stdout(&again).contains("Plan: nothing to do."));
    ends_with(&stage.run(&["apply", "--yes"]), 0);

    let status = stage.run(&["status"]);
    ends_with(&status, 0);
    assert!(
        stdout(&status)
            .starts_with("needs you 0 · vendor 0 · working 0 · in sync 4 · not read 0\n"),
        "{}",
        stdout(&status)
    );

    let story = stage.run(&["explain", "AC32010000001", "timezone"]);
    ends_with(&story, 0);
    for word in ["Asia/Tokyo", "fleet.yaml:", "in sync", "updateTimeZone"] {
        assert!(
            stdout(&story).contains(word),
            "no {word} in\n{}",
            stdout(&story)
        );
    }
    ends_with(&stage.run(&["explain", "nowhere/AC1"]), 1);
}

#[test]
fn what_a_group_does_not_allow_stops_with_3_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(folder.path(), &["--phones", "2"]);
    let wipe = "  desired: { image: { id: img-25111133267, wipeData: true } }\n";
    let stage = Stage::new(&simulator.endpoint, wipe);
    let output = stage.run(&["apply", "--yes"]);
    ends_with(&output, 3);
    assert!(
        stdout(&output).contains("CostNotAllowed"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn phones_are_listed_imported_and_the_account_examined() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(folder.path(), &["--phones", "3"]);
    let stage = Stage::new(&simulator.endpoint, TOKYO);
    let only = ACCOUNT.replace("ENDPOINT", &simulator.endpoint);
    fs::write(stage.path().join("fleet.yaml"), only).unwrap();

    let phones = stage.run(&["get", "phones", "--output", "json"]);
    ends_with(&phones, 0);
    let rows: serde_json::Value = serde_json::from_str(&stdout(&phones)).unwrap();
    assert_eq!(rows.as_array().map(Vec::len), Some(3));
    assert_eq!(rows[0]["state"], "running");

    ends_with(
        &stage.run(&["import", "--account", "hk", "--out", "imported"]),
        0,
    );
    let both = ["validate", "-f", "fleet.yaml", "-f", "imported"];
    ends_with(&stage.run(&both), 0);
    let plan = [
        "plan",
        "--detailed-exitcode",
        "-f",
        "fleet.yaml",
        "-f",
        "imported",
    ];
    ends_with(&stage.run(&plan), 0);
    let again = stage.run(&["import", "--account", "hk", "--out", "imported"]);
    ends_with(&again, 1);
    assert!(
        stderr(&again).contains("exists already"),
        "{}",
        stderr(&again)
    );

    let doctor = stage.run(&["doctor"]);
    ends_with(&doctor, 0);
    assert!(
        stdout(&doctor).contains("✓ credentials"),
        "{}",
        stdout(&doctor)
    );
}

#[test]
fn trouble_with_credentials_and_endpoints_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(folder.path(), &["--phones", "1"]);
    let html = Simulator::start(folder.path(), &["--phones", "1", "--faults", "html=1"]);
    let nobody = "http://127.0.0.1:9";

    let stage = Stage::new(&simulator.endpoint, TOKYO);
    let missing = stage
        .command(&["plan"])
        .env_remove("TEST_SECRET_KEY")
        .output()
        .unwrap();
    ends_with(&missing, 1);
    assert!(
        stderr(&missing).contains("secretKey"),
        "{}",
        stderr(&missing)
    );
    assert!(
        stderr(&missing).contains("TEST_SECRET_KEY"),
        "{}",
        stderr(&missing)
    );

    let wrong = stage
        .command(&["apply", "--yes"])
        .env("TEST_SECRET_KEY", "s3cr3t-text")
        .output()
        .unwrap();
    ends_with(&wrong, 1);
    assert!(stderr(&wrong).contains("credentials"), "{}", stderr(&wrong));
    assert!(
        !stderr(&wrong).contains("s3cr3t-text"),
        "{}",
        stderr(&wrong)
    );
    let doctor = stage
        .command(&["doctor"])
        .env("TEST_SECRET_KEY", "s3cr3t-text")
        .output()
        .unwrap();
    ends_with(&doctor, 1);
    assert!(
        stdout(&doctor).contains("✗ credentials"),
        "{}",
        stdout(&doctor)
    );

    let refused = Stage::new(nobody, TOKYO).run(&["plan", "--timeout", "20s"]);
    ends_with(&refused, 1);
    assert!(
        stderr(&refused).contains("127.0.0.1:9"),
        "{}",
        stderr(&refused)
    );

    let page = Stage::new(&html.endpoint, TOKYO).run(&["plan", "--timeout", "20s"]);
    ends_with(&page, 1);
    assert!(
        stderr(&page).contains("not the vendor's API"),
        "{}",
        stderr(&page)
    );
}

#[test]
fn a_state_folder_in_use_names_its_holder_and_a_daemon_drains() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(folder.path(), &["--phones", "2"]);
    let stage = Stage::new(&simulator.endpoint, TOKYO);
    let mut daemon = stage
        .command(&["run"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(daemon.stderr.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    assert!(said.starts_with("running"), "{said}");

    let second = stage.run(&["apply", "--yes"]);
    ends_with(&second, 6);
    let pid = daemon.id().to_string();
    assert!(
        stderr(&second).contains(&pid),
        "no {pid} in\n{}",
        stderr(&second)
    );
    ends_with(&stage.run(&["plan"]), 0);
    let none = stage.run(&["resolve", "op-999", "--happened"]);
    ends_with(&none, 1);
    assert!(stderr(&none).contains("op-999"), "{}", stderr(&none));

    interrupt(&daemon);
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
    let after = stage.run(&["resolve", "op-999", "--happened"]);
    ends_with(&after, 1);
    ends_with(&stage.run(&["apply", "--yes"]), 0);
}

#[test]
fn a_damaged_journal_is_named_and_nothing_happens() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(folder.path(), &["--phones", "1"]);
    let stage = Stage::new(&simulator.endpoint, TOKYO);
    fs::create_dir(stage.path().join("state")).unwrap();
    fs::write(
        stage.path().join("state/journal.db"),
        "no database, but some text",
    )
    .unwrap();
    let output = stage.run(&["apply", "--yes"]);
    ends_with(&output, 1);
    assert!(
        stderr(&output).contains("journal.db"),
        "{}",
        stderr(&output)
    );
    assert!(stderr(&output).contains("hint"), "{}", stderr(&output));
}

#[test]
fn time_outs_and_interruptions_have_their_own_codes_and_can_be_gone_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(folder.path(), &["--phones", "2", "--job-time", "3s"]);
    let stage = Stage::new(&simulator.endpoint, TOKYO);
    let mut child = stage
        .command(&["apply", "--yes"])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("open jobs 2")));
    interrupt(&child);
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:#?}");

    stage.wish(
        &simulator.endpoint,
        "  desired: { timezone: Europe/Berlin }\n",
    );
    ends_with(&stage.run(&["apply", "--yes", "--timeout", "1500ms"]), 124);
    ends_with(&stage.run(&["apply", "--yes"]), 0);
    ends_with(&stage.run(&["plan", "--detailed-exitcode"]), 0);
}
