//! The real binary, killed with SIGKILL at fifty seeded moments of an `apply` and run again, ends as the unbroken run does.
//!
//! Invariants: kills are in real time over loopback HTTP; the end is run in virtual time over the same world and the same state folder, because phones that
//! restart are asked about after 45 seconds at the earliest. Not here: deaths between any two effects (`crash`), power cuts (`journal`).

use crate::process::{Desk, Vendor, ends_with, phonefleet, stdout, wanted};
use crate::rig::{quiet, virtual_time, yes};
use phonefleet::daemon::{Ending, Options};
use phonefleet::model::condition::Reason;
use phonefleet::model::settings::Settings;
use phonefleet::model::stamp::Timestamp;
use phonefleet::sim::{Simulator, Spec};
use phonefleet::time::clock::{Clock, TokioClock};
use phonefleet::time::delay::hash;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

const SEED: u64 = 61;

/// Live changes and apps on all phones.
const LIVE: &str = "  allow: [restart]
  desired:
    timezone: Europe/Berlin
    language: de-DE
    proxy: { mode: proxy, protocol: socks5, host: proxy.example.net, port: 1080 }
    properties: { persist.sys.fleet.ring: \"3\" }
    apps: { com.bad.game: absent }
";

/// Restarts on half of the phones besides, one phone a call.
const RESTARTS: &str = "  overrides:
    - phones: [AC32010000001, AC32010000002, AC32010000003, AC32010000004, AC32010000005, AC32010000006, AC32010000007, AC32010000008]
      desired: { properties: { ro.product.model: Fleet One } }
      reason: costs restarts
";

fn wish(restarts: bool) -> String {
    format!("{LIVE}{}", if restarts { RESTARTS } else { "" })
}

fn spec() -> Spec {
    Spec {
        phones: 16,
        seed: SEED,
        job_time: Duration::from_millis(60),
        latency: Duration::from_millis(4),
        ..Spec::default()
    }
}

/// Waits in real time.
fn pause(span: Duration) {
    std::thread::park_timeout(span);
}

fn start(desk: &Desk, args: &[&str]) -> Child {
    desk.command(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills an `apply` at a seeded moment after `begun` has changed (however slowly this machine starts a process); whether it still ran then.
fn die(desk: &Desk, moment: u64, begun: impl Fn() -> u64) -> bool {
    let before = begun();
    let mut child = start(desk, &["apply", "--yes"]);
    for _ in 0..1_200 {
        if begun() > before {
            break;
        }
        pause(Duration::from_millis(2));
    }
    pause(Duration::from_millis(hash("kill", moment, SEED) % 400));
    let ran = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    ran
}

/// What was asked for, as it stands on each phone.
fn standing(sim: &Simulator) -> BTreeMap<String, String> {
    let phones = sim.phones().into_iter();
    phones
        .map(|id| {
            let phone = sim.phone(&id).unwrap();
            let game = phone.app("com.bad.game").is_some();
            let text = format!(
                "{} {} {:?} {:?} {:?} {} {game}",
                phone.timezone,
                phone.language,
                phone.proxy,
                phone.kept,
                phone.pending,
                phone.image.id
            );
            (id, text)
        })
        .collect()
}

/// Goes on in virtual time from the moment the world has reached.
fn finish(desk: &Desk, sim: &Simulator) -> (Ending, Vec<String>) {
    virtual_time(async {
        let now: Timestamp = sim.change(|world| world.now());
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(now));
        let options = Options {
            manifests: vec![desk.path("fleet")],
            state_dir: Some(desk.path("state")),
            settings: Settings::default(),
            select: Vec::new(),
            transport: Some(Arc::new(sim.transport(Arc::clone(&clock)))),
            allow_plain_http: false,
            command: "apply",
            clock: Some(clock),
            in_memory: false,
        };
        let mut session = crate::rig::open(&options, true).await;
        session.preview(quiet()).await.unwrap();
        let plan = session.plan_now();
        let ending = session
            .apply(yes(&plan), Some(Duration::from_secs(24 * 3600)), quiet())
            .await
            .unwrap();
        let progress = session.progress_now();
        let parked = progress
            .needing
            .iter()
            .filter(|(_, reason, _)| *reason == Reason::UnknownOutcome)
            .map(|(key, ..)| key.phone.to_string())
            .collect();
        if ending == Ending::Converged {
            let plan = session.preview(quiet()).await.unwrap();
            assert!(plan.is_empty(), "{plan:?}");
        }
        (ending, parked)
    })
}

/// The state after an unbroken run.
fn unbroken(restarts: bool) -> BTreeMap<String, String> {
    let vendor = Vendor::listening(spec());
    let desk = Desk::with_fleet(&vendor.url(), &wish(restarts));
    let sim = vendor.close();
    let (ending, _) = finish(&desk, &sim);
    assert_eq!(ending, Ending::Converged);
    standing(&sim)
}

/// Kills one fleet's `apply` so often and runs it to its end: deaths while it ran, deaths in the middle of changes, parked phones.
fn killed(fleet: u64, kills: u64, whole: &BTreeMap<String, String>) -> (u64, u64, usize) {
    let vendor = Vendor::listening(spec());
    let desk = Desk::with_fleet(&vendor.url(), &wish(kills < 3));
    let (mut died, mut in_work) = (0, 0);
    for kill in 0..kills {
        let before = vendor.sim.report().mutations;
        let begun = || {
            let report = vendor.sim.report();
            // Most deaths come while changes are sent, some while the fleet is read.
            match (kill, kills < 3) {
                (1, true) => report.calls,
                _ if fleet.is_multiple_of(4) => report.calls,
                _ => report.mutations,
            }
        };
        died += u64::from(die(&desk, fleet * 10 + kill, begun));
        in_work += u64::from(vendor.sim.report().mutations > before);
    }
    let sim = vendor.close();
    let (ending, parked) = finish(&desk, &sim);
    let report = sim.report();
    let named = format!("seed {SEED}, fleet {fleet}");
    assert_eq!(
        (
            report.costly_repeated,
            report.double_jobs,
            report.throttled,
            report.bad_signatures
        ),
        (0, 0, 0, 0),
        "{named}: {report:?}"
    );
    match ending {
        Ending::Converged => assert_eq!(parked, [""; 0], "{named}"),
        Ending::Partly => assert_ne!(parked, [""; 0], "{named}"),
        Ending::TimedOut | Ending::Interrupted => panic!("{named}: {ending:?}"),
    }
    let (mut now, mut then) = (standing(&sim), whole.clone());
    for phone in &parked {
        now.remove(phone);
        then.remove(phone);
    }
    assert_eq!(now, then, "{named}");
    (died, in_work, parked.len())
}

/// What became of many kills.
#[derive(Debug, Default)]
struct Deaths {
    fleets: u64,
    died: u64,
    in_work: u64,
    parked: usize,
}

/// Kills so many fleets over and over, each then ends as the unbroken run does.
fn deaths(fleets: u64) -> Deaths {
    let (with_restarts, live) = (unbroken(true), unbroken(false));
    let mut all = Vec::new();
    // Mostly they wait for one another: several fleets at a time.
    std::thread::scope(|scope| {
        let lane = |first: u64| {
            let (with_restarts, live) = (&with_restarts, &live);
            scope.spawn(move || {
                (first..fleets)
                    .step_by(4)
                    .map(|fleet| match fleet / 4 % 2 {
                        // Where phones restart, the next run waits for them, so that later deaths are all alike.
                        0 => killed(fleet, 2, with_restarts),
                        _ => killed(fleet, 5, live),
                    })
                    .collect::<Vec<_>>()
            })
        };
        let lanes: Vec<_> = (0..4).map(lane).collect();
        all.extend(lanes.into_iter().flat_map(|lane| lane.join().unwrap()));
    });
    Deaths {
        fleets,
        died: all.iter().map(|(died, ..)| died).sum(),
        in_work: all.iter().map(|(_, in_work, _)| in_work).sum(),
        parked: all.iter().map(|(.., parked)| parked).sum(),
    }
}

#[test]
fn killed_at_fifty_moments_it_ends_as_the_unbroken_run_does() {
    let deaths = deaths(16);
    assert!(
        deaths.died >= 50 && deaths.in_work >= 24,
        "seed {SEED}, of 56: {deaths:?}"
    );
}

#[test]
#[ignore = "takes minutes: run by scripts/torture.sh"]
#[expect(clippy::print_stdout, reason = "counts are what it is run for")]
fn torture() {
    let kills = wanted("PHONEFLEET_KILLS", 1_000);
    // Of eight fleets four are killed twice, four five times; some end before they are.
    let deaths = deaths(u64::from(kills).div_ceil(28) * 8 + 8);
    println!(
        "{} deaths, {} of them in the middle of changes; each of {} fleets ended as the unbroken run did; {} phones wait for a person",
        deaths.died, deaths.in_work, deaths.fleets, deaths.parked
    );
    assert!(deaths.died >= u64::from(kills), "{deaths:?}");
}

/// Ends the simulator; what it says at its end.
fn terminate(mut simulator: Child, mut lines: impl Read) -> serde_json::Value {
    let asked = std::process::Command::new("sh")
        .args(["-c", &format!("kill -TERM {}", simulator.id())])
        .status()
        .unwrap();
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    let ended = simulator.wait().unwrap();
    assert!(
        asked.success() && ended.success(),
        "{asked} {ended}: {rest}"
    );
    serde_json::from_str(&rest).unwrap()
}

#[test]
fn against_the_simulator_as_a_process_it_ends_with_0_and_an_empty_plan() {
    let folder = tempfile::tempdir().unwrap();
    let mut simulator = phonefleet(folder.path())
        .args([
            "sim",
            "--phones",
            "20",
            "--seed",
            "62",
            "--job-time",
            "20ms",
            "--latency",
            "3ms",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(simulator.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    let desk = Desk::with_fleet(
        ready["surfaces"]["armcloud"].as_str().unwrap(),
        "  desired:\n    timezone: Europe/Berlin\n    language: de-DE\n    properties: { persist.sys.fleet.ring: \"3\" }\n",
    );
    let keys = &ready["credentials"]["armcloud"];
    desk.write("secret/access", keys["accessKey"].as_str().unwrap());
    desk.write("secret/key", keys["secretKey"].as_str().unwrap());
    desk.write(
        "hasty",
        "request_life = 1s\nsettings_deadline = 3s\nread_lag = 500ms\n",
    );
    for moment in 100..108 {
        die(&desk, moment, || {
            u64::from(desk.path("state/journal.db").exists())
        });
    }
    let output = desk.run(&["apply", "--yes", "--timeout", "90s", "--settings", "hasty"]);
    let plan = desk.run(&["plan", "--output", "json", "--detailed-exitcode"]);
    let last = terminate(simulator, lines);
    ends_with(&output, 0);
    ends_with(&plan, 0);
    let plan: serde_json::Value = serde_json::from_str(&stdout(&plan)).unwrap();
    assert_eq!(plan["changes"], serde_json::json!([]), "{plan:#}");
    assert_eq!(plan["summary"]["inSync"], 20, "{plan:#}");
    let report = &last["report"];
    for count in [
        "doubleJobs",
        "throttled",
        "badSignatures",
        "costlyRepeated",
        "restarts",
    ] {
        assert_eq!(report[count], 0, "{count}: {report:#}");
    }
    assert!(report["mutations"].as_u64().unwrap() >= 3, "{report:#}");
}
