//! From manifests to a converged fleet, over the simulated vendor in virtual time.

use crate::rig::{Rig, quiet, virtual_time};
use phonefleet::daemon::Ending;
use phonefleet::sim::Spec;
use phonefleet::sim::faults::Faults;
use std::time::Duration;

fn spec(phones: u32, seed: u64, faults: &str) -> Spec {
    Spec {
        phones,
        seed,
        faults: Faults::parse(faults).unwrap(),
        ..Spec::default()
    }
}

#[test]
fn one_attribute_goes_the_whole_way() {
    virtual_time(async {
        let rig = Rig::new(spec(3, 1, ""));
        rig.account("");
        rig.group("    timezone: Europe/Berlin\n", "");
        let mut session = rig.session(true).await;
        let (plan, ending) = rig.apply(&mut session).await;
        assert!(plan.has_changes());
        assert_eq!(ending, Ending::Converged);
        for phone in rig.sim.phones() {
            assert_eq!(rig.sim.phone(&phone).unwrap().timezone, "Europe/Berlin");
        }
        drop(session);
        let mut again = rig.session(true).await;
        let plan = again.preview(quiet()).await.unwrap();
        assert!(plan.is_empty(), "a second plan is empty: {plan:?}");
    });
}

#[test]
fn a_thousand_phones_converge_with_hardly_more_calls_than_needed() {
    virtual_time(async {
        let rig = Rig::new(spec(1000, 7, ""));
        rig.standard("");
        let mut session = rig.session(true).await;
        let (_, ending) = rig.apply(&mut session).await;
        let report = rig.sim.report();
        assert_eq!(ending, Ending::Converged, "{report:?}");
        assert_eq!(
            (report.throttled, report.bad_signatures, report.double_jobs),
            (0, 0, 0),
            "{report:?}"
        );
        // Reads: 1 listing, 5 of properties, 10 of apps, the last two again at the end, 1 of the catalogue; writes: 6 payloads for 1,000 phones and one for the
        // 100 phones that have the app that goes, 100 phones a call.
        let reads = 1 + 2 * (5 + 10) + 1;
        let writes = 6 * 10 + 1;
        let made = report.reads + report.mutations;
        assert!(
            made * 100 <= (reads + writes) * 105,
            "{made} calls, {} needed: {report:?}",
            reads + writes
        );
    });
}

#[test]
fn a_thousand_phones_converge_over_a_bad_network() {
    virtual_time(async {
        for seed in [11, 12] {
            let rig = Rig::new(spec(1000, seed, "lost=0.05,5xx=0.02,fail=0.02"));
            rig.standard("");
            let mut session = rig.session(true).await;
            let (_, ending) = rig.apply(&mut session).await;
            let report = rig.sim.report();
            assert_eq!(ending, Ending::Converged, "seed {seed}: {report:?}");
            assert_eq!(
                (report.throttled, report.bad_signatures, report.double_jobs),
                (0, 0, 0),
                "seed {seed}: {report:?}"
            );
            let plan = session.preview(quiet()).await.unwrap();
            assert!(plan.is_empty(), "seed {seed}");
        }
    });
}

#[test]
fn costs_wait_until_the_group_allows_them() {
    virtual_time(async {
        let rig = Rig::new(spec(20, 3, ""));
        rig.account("");
        let desired = "    timezone: Europe/Berlin\n    properties: { ro.product.model: Pixel 9 }\n    image: { id: img-26060812345, wipeData: true }\n";
        rig.group(desired, "");
        let mut session = rig.session(true).await;
        let (plan, ending) = rig.apply(&mut session).await;
        assert_eq!(ending, Ending::Partly);
        assert!(plan.has_changes());
        let report = rig.sim.report();
        assert_eq!((report.restarts, report.wipes), (0, 0), "{report:?}");
        assert_eq!(
            rig.sim.phone(&rig.sim.phones()[0]).unwrap().timezone,
            "Europe/Berlin",
            "live changes do not wait for costly ones"
        );
        drop(session);

        rig.group(
            desired,
            "  allow: [restart, { cost: wipe, maxPhones: 5 }]\n",
        );
        let mut session = rig.session(true).await;
        rig.apply_all(&mut session, Duration::from_secs(7200)).await;
        let report = rig.sim.report();
        assert_eq!(report.wipes, 5, "{report:?}");
        assert!(report.restarts >= 15, "{report:?}");
    });
}

#[test]
fn what_only_the_listing_tells_is_read_back_there() {
    virtual_time(async {
        let rig = Rig::new(spec(20, 3, ""));
        rig.account("");
        rig.group("    adb: true\n", "");
        let mut session = rig.session(true).await;
        let (_, ending) = rig.apply(&mut session).await;
        let report = rig.sim.report();
        assert_eq!(ending, Ending::Converged, "{report:?}");
        assert_eq!(report.calls_to("infos"), 2, "{report:?}");
        assert_eq!(report.calls_to("openOnlineAdb"), 1, "{report:?}");
    });
}
