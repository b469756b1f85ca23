//! Costly work of which nobody knows whether it happened waits for a person, and goes on as the person says.
//!
//! Invariants: the answer is given through the real binary; what is sent is counted by the vendor. Not here: outcomes that reading back decides (`crash`).

use crate::process::{ends_with, phonefleet, stderr, stdout};
use crate::rig::{Rig, quiet, virtual_time, yes};
use phonefleet::daemon::{Ending, Session};
use phonefleet::model::condition::Reason;
use phonefleet::sim::Spec;
use phonefleet::sim::faults::Faults;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

const HOUR: Duration = Duration::from_secs(3600);
/// A call that draws a new identity, cannot be read back and cannot be looked up.
const CALL: &str = "replacePadAndroidPropByCountry";
const PHONES: u32 = 3;

fn rig() -> Rig {
    let rig = Rig::new(Spec {
        phones: PHONES,
        seed: 51,
        ..Spec::default()
    });
    rig.account("");
    rig.group(
        "    timezone: Europe/Berlin\n    sim: { country: JP }\n",
        "  allow: [restart, newIdentity]\n",
    );
    rig
}

fn submits(rig: &Rig) -> u64 {
    rig.sim.report().calls_to(CALL)
}

/// Applies while every costly submit meets these faults, and nothing later does.
async fn apply_into(rig: &Rig, faults: &str) -> (Session, Ending) {
    let mut session = rig.session(true).await;
    let plan = session.preview(quiet()).await.unwrap();
    let bad = Faults::parse(faults).unwrap();
    rig.sim.change(|world| world.set_faults(bad));
    let heal = async {
        for _ in 0..100_000 {
            if submits(rig) >= u64::from(PHONES) {
                break;
            }
            sleep(Duration::from_millis(1)).await;
        }
        rig.sim.change(|world| world.set_faults(Faults::default()));
    };
    let (ending, ()) = tokio::join!(session.apply(yes(&plan), Some(12 * HOUR), quiet()), heal);
    assert_eq!(
        submits(rig),
        u64::from(PHONES),
        "every submit met the fault"
    );
    (session, ending.unwrap())
}

async fn apply(rig: &Rig) -> Ending {
    let mut session = rig.session(true).await;
    rig.apply_all(&mut session, 12 * HOUR).await
}

/// The operations that wait for a person.
fn parked(session: &Session) -> Vec<String> {
    let plan = session.plan_now();
    let waiting = plan
        .waiting
        .iter()
        .filter(|group| group.reason == Reason::UnknownOutcome);
    let operations: BTreeSet<_> = waiting.flat_map(|group| group.operations.iter()).collect();
    operations.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn is_parked(session: &Session, ending: &Ending) -> Vec<String> {
    assert_eq!(*ending, Ending::Partly, "{:?}", session.progress_now());
    let progress = session.progress_now();
    let listed = progress
        .needing
        .iter()
        .filter(|(_, reason, _)| *reason == Reason::UnknownOutcome);
    assert_eq!(listed.count(), PHONES as usize, "{progress:?}");
    let operations = parked(session);
    assert_eq!(operations.len(), PHONES as usize, "one phone a call");
    operations
}

fn resolve_in(folder: &Path, state: &Path, args: &[&str]) -> Output {
    phonefleet(folder)
        .args(args)
        .arg("--state-dir")
        .arg(state)
        .output()
        .unwrap()
}

fn resolve(rig: &Rig, args: &[&str]) -> Output {
    resolve_in(rig.folder.path(), &rig.state(), args)
}

#[test]
fn without_a_word_it_is_never_sent_again() {
    virtual_time(async {
        let rig = rig();
        let (session, ending) = apply_into(&rig, "lost=1").await;
        let operations = is_parked(&session, &ending);
        let report = rig.sim.report();
        assert_eq!(report.new_identities, u64::from(PHONES), "{report:?}");
        for phone in rig.sim.phones() {
            let phone = rig.sim.phone(&phone).unwrap();
            assert_eq!(phone.timezone, "Europe/Berlin", "the rest goes on");
        }
        drop(session);

        let status = resolve(&rig, &["status"]);
        ends_with(&status, 0);
        for operation in &operations {
            assert!(stdout(&status).contains(operation), "{}", stdout(&status));
        }
        for _ in 0..3 {
            assert_eq!(apply(&rig).await, Ending::Partly);
        }
        let mut options = rig.options(true);
        options.command = "run";
        let mut session = crate::rig::open(&options, true).await;
        let (stop, stopped) = watch::channel(false);
        let script = async {
            sleep(24 * HOUR).await;
            stop.send_replace(true);
        };
        let (ending, ()) = tokio::join!(session.run(stopped), script);
        assert_eq!(ending.unwrap(), Ending::Interrupted);
        assert_eq!(submits(&rig), u64::from(PHONES));
        assert_eq!(parked(&session), operations, "the same ones wait");
    });
}

#[test]
fn what_happened_is_not_sent_again() {
    virtual_time(async {
        let rig = rig();
        let (session, ending) = apply_into(&rig, "lost=1").await;
        let operations = is_parked(&session, &ending);
        drop(session);
        for operation in &operations {
            let output = resolve(&rig, &["resolve", operation, "--happened"]);
            ends_with(&output, 0);
            assert_eq!(stdout(&output), "");
            let again = resolve(&rig, &["resolve", operation, "--happened"]);
            ends_with(&again, 1);
        }
        let mut session = rig.session(true).await;
        let plan = session.preview(quiet()).await.unwrap();
        assert!(plan.is_empty(), "{plan:?}");
        drop(session);
        assert_eq!(apply(&rig).await, Ending::Converged);
        let report = rig.sim.report();
        assert_eq!(submits(&rig), u64::from(PHONES), "{report:?}");
        assert_eq!(report.costly_repeated, 0);
        // Another wish is another change.
        rig.group(
            "    timezone: Europe/Berlin\n    sim: { country: SG }\n",
            "  allow: [restart, newIdentity]\n",
        );
        assert_eq!(apply(&rig).await, Ending::Converged);
        assert_eq!(rig.sim.report().new_identities, 2 * u64::from(PHONES));
    });
}

#[test]
fn what_did_not_happen_is_sent_once_more() {
    virtual_time(async {
        let rig = rig();
        let (session, ending) = apply_into(&rig, "5xx-before=1").await;
        let operations = is_parked(&session, &ending);
        drop(session);
        assert_eq!(rig.sim.report().new_identities, 0);
        assert_eq!(apply(&rig).await, Ending::Partly);
        assert_eq!(submits(&rig), u64::from(PHONES), "not without a word");

        let output = resolve(&rig, &["resolve", &operations[0], "--not-happened"]);
        ends_with(&output, 0);
        assert_eq!(apply(&rig).await, Ending::Partly, "two still wait");
        assert_eq!(submits(&rig), u64::from(PHONES) + 1);
        for operation in &operations[1..] {
            ends_with(&resolve(&rig, &["resolve", operation, "--not-happened"]), 0);
        }
        assert_eq!(apply(&rig).await, Ending::Converged);
        let report = rig.sim.report();
        assert_eq!(submits(&rig), 2 * u64::from(PHONES), "{report:?}");
        assert_eq!(
            (report.new_identities, report.costly_repeated),
            (u64::from(PHONES), 0),
            "{report:?}"
        );
    });
}

#[test]
fn a_running_daemon_takes_the_answer() {
    virtual_time(async {
        let rig = rig();
        let (session, ending) = apply_into(&rig, "lost=1").await;
        let operations = is_parked(&session, &ending);
        drop(session);
        let mut options = rig.options(true);
        options.command = "run";
        let mut session = crate::rig::open(&options, true).await;
        let (stop, stopped) = watch::channel(false);
        let (folder, state): (PathBuf, PathBuf) = (rig.folder.path().into(), rig.state());
        let script = async {
            sleep(Duration::from_secs(60)).await;
            let outputs = tokio::task::spawn_blocking(move || {
                let answer = |operation: &String| {
                    resolve_in(&folder, &state, &["resolve", operation, "--happened"])
                };
                let outputs: Vec<Output> = operations.iter().map(answer).collect();
                outputs
            })
            .await
            .unwrap();
            sleep(6 * HOUR).await;
            stop.send_replace(true);
            outputs
        };
        let (ending, outputs) = tokio::join!(session.run(stopped), script);
        assert_eq!(ending.unwrap(), Ending::Interrupted);
        for output in &outputs {
            ends_with(output, 0);
            assert!(stderr(output).contains("running"), "{}", stderr(output));
        }
        let progress = session.progress_now();
        assert_eq!(progress.in_sync, u64::from(PHONES), "{progress:?}");
        assert_eq!(submits(&rig), u64::from(PHONES));
    });
}

#[test]
fn an_answer_that_nobody_asked_for_is_refused() {
    virtual_time(async {
        let rig = rig();
        assert_eq!(apply(&rig).await, Ending::Converged);
        for operation in ["op-1", "op-999"] {
            let output = resolve(&rig, &["resolve", operation, "--happened"]);
            ends_with(&output, 1);
            assert!(stderr(&output).contains(operation), "{}", stderr(&output));
        }
        ends_with(&resolve(&rig, &["resolve", "op-1"]), 64);
        let both = ["resolve", "op-1", "--happened", "--not-happened"];
        ends_with(&resolve(&rig, &both), 64);
    });
}
