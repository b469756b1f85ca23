//! Quiet rounds: when nothing is to be done, hardly anything is sent.
//!
//! Invariants: in virtual time; calls are counted by the vendor. Not here: calls to converge (`converge`).

use crate::rig::{Rig, quiet, virtual_time};
use phonefleet::daemon::Ending;
use phonefleet::model::capability::Reads;
use phonefleet::sim::Spec;
use phonefleet::sim::report::Report;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Converges and then goes on for so long; what was counted before and after.
async fn quiet_rounds(rig: &Rig, span: Duration) -> (Report, Report) {
    let mut options = rig.options(true);
    options.command = "run";
    let mut session = crate::rig::open(&options, true).await;
    let (stop, stopped) = watch::channel(false);
    let script = async {
        sleep(10 * MINUTE).await;
        let before = rig.sim.report();
        sleep(span).await;
        let after = rig.sim.report();
        stop.send_replace(true);
        (before, after)
    };
    let (ending, counted) = tokio::join!(session.run(stopped), script);
    assert_eq!(ending.unwrap(), Ending::Interrupted);
    let progress = session.progress_now();
    assert_eq!(progress.in_sync, progress.phones, "{progress:?}");
    counted
}

#[test]
fn a_quiet_round_of_a_thousand_phones_is_its_read_batches() {
    virtual_time(async {
        let rig = Rig::new(Spec {
            phones: 1000,
            seed: 41,
            ..Spec::default()
        });
        rig.standard("");
        let (before, after) = quiet_rounds(&rig, 2 * HOUR).await;
        let calls = after.calls - before.calls;
        // Five minutes ± 20 %: 20 to 30 rounds in two hours.
        let rounds = after.calls_to("batchPadProperties") - before.calls_to("batchPadProperties");
        assert_eq!(
            rounds % 5,
            0,
            "five calls a round for 1,000 phones: {rounds}"
        );
        let rounds = rounds / 5;
        assert!((19..=31).contains(&rounds), "{rounds} rounds");
        // 1 listing page, 5 times properties, 10 times apps.
        assert!(
            calls <= rounds * (1 + 5 + 10 + 5),
            "{calls} calls in {rounds} rounds: {:?}",
            after.calls_by_path
        );
        assert_eq!(after.mutations, before.mutations);
        assert_eq!(after.polls, before.polls);
        assert_eq!(after.throttled, 0);
    });
}

#[test]
fn in_the_day_after_convergence_nothing_is_written() {
    virtual_time(async {
        let rig = Rig::new(Spec {
            phones: 60,
            seed: 42,
            ..Spec::default()
        });
        rig.account("");
        rig.apps();
        rig.group(
            &format!(
                "{}    location: {{ latitude: 52.52, longitude: 13.405 }}\n    bandwidth: {{ upMbps: 10, downMbps: 20 }}\n    adb: true\n",
                crate::rig::STANDARD
            ),
            "",
        );
        let (before, after) = quiet_rounds(&rig, 24 * HOUR).await;
        assert!(before.mutations > 0);
        assert_eq!(after.mutations, before.mutations);
        assert_eq!(after.polls, before.polls);
        let reads = after.reads - before.reads;
        assert!((230 * 3..=361 * 4).contains(&reads), "{reads} reads a day");
    });
}

#[test]
fn a_preview_reads_no_more_than_it_may() {
    virtual_time(async {
        let desired = "    timezone: Europe/Berlin\n    settings: { global/fleet_ring: \"3\" }\n    apps: { com.bad.game: absent }\n";
        let cases = [
            (Reads::Listed, [1, 0, 0, 0]),
            (Reads::Api, [1, 1, 1, 0]),
            (Reads::Shell, [1, 1, 1, 1]),
        ];
        for (reads, expected) in cases {
            let rig = Rig::new(Spec {
                phones: 50,
                ..Spec::default()
            });
            rig.account("");
            rig.group(desired, "");
            let mut session = rig.session(false).await;
            session.limit_reads(reads);
            let plan = session.preview(quiet()).await.unwrap();
            let report = rig.sim.report();
            let calls = [
                "pad/infos",
                "batchPadProperties",
                "listInstalledApp",
                "asyncCmd",
            ]
            .map(|name| report.calls_to(name));
            assert_eq!(calls, expected, "{reads:?}");
            let all_read = reads == Reads::Shell;
            let unread = &plan.header.unread;
            assert_eq!(unread.is_empty(), all_read, "{reads:?}: {unread:?}");
        }
    });
}
