//! Brakes: what manifests do not allow, what nobody approved, and what is in doubt about whose phone it is, is not done.
//!
//! Invariants: in virtual time over the simulated vendor; judged by what the vendor saw. Not here: convergence without brakes (`converge`).

use crate::rig::{BEGINNING, Rig, quiet, virtual_time, yes};
use phonefleet::daemon::{Ending, Session};
use phonefleet::model::condition::Reason;
use phonefleet::sim::Spec;
use phonefleet::sim::report::Report;
use phonefleet::sim::scenario::Drift;
use std::collections::BTreeMap;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

const COSTLY: &str = "    timezone: Europe/Berlin\n    properties: { ro.product.model: Fleet One }\n    image: { id: img-26060812345, wipeData: true }\n    sim: { country: JP }\n";

const WIPING: &str =
    "    timezone: Europe/Berlin\n    image: { id: img-26060812345, wipeData: true }\n";

const RESTARTING: &str =
    "    timezone: Europe/Berlin\n    properties: { ro.product.model: Fleet One }\n";

fn rig(phones: u32) -> Rig {
    let rig = Rig::new(Spec {
        phones,
        seed: 21,
        ..Spec::default()
    });
    rig.account("");
    rig
}

/// Writes a Group with these `phones` and lines of its spec.
fn group(rig: &Rig, name: &str, phones: &str, rest: &str) {
    rig.write(
        &format!("fleet/{name}.yaml"),
        &format!(
            "apiVersion: phonefleet/v1alpha1\nkind: Group\nmetadata: {{ name: {name} }}\nspec:\n  phones: {phones}\n{rest}"
        ),
    );
}

/// Phones as they are, in words.
fn world(rig: &Rig) -> BTreeMap<String, String> {
    let phones = rig.sim.phones().into_iter();
    phones
        .map(|id| {
            let phone = rig.sim.phone(&id).unwrap();
            (id, format!("{phone:?}"))
        })
        .collect()
}

async fn converge(rig: &Rig, timeout: Duration) -> (Session, Ending) {
    let mut session = rig.session(true).await;
    let ending = rig.apply_all(&mut session, timeout).await;
    (session, ending)
}

fn waiting(session: &Session, reason: Reason) -> u64 {
    let progress = session.progress_now();
    progress.reasons.get(&reason).copied().unwrap_or_default()
}

#[track_caller]
fn nothing_costly(report: &Report) {
    assert_eq!(
        (report.restarts, report.wipes, report.new_identities),
        (0, 0, 0),
        "{report:?}"
    );
    assert!(report.costly.is_empty(), "{report:?}");
}

#[track_caller]
fn nothing_written(report: &Report) {
    assert_eq!(report.mutations, 0, "{report:?}");
    assert!(report.jobs.is_empty(), "{report:?}");
}

#[test]
fn without_allow_nothing_restarts_or_wipes() {
    virtual_time(async {
        let rig = rig(12);
        rig.group(COSTLY, "");
        let (session, ending) = converge(&rig, 12 * HOUR).await;
        assert_eq!(ending, Ending::Partly);
        nothing_costly(&rig.sim.report());
        assert_eq!(waiting(&session, Reason::CostNotAllowed), 12);
        let plan = session.plan_now();
        let held: BTreeMap<String, usize> = plan
            .waiting
            .iter()
            .filter(|group| group.reason == Reason::CostNotAllowed)
            .flat_map(|group| &group.changes)
            .map(|change| (change.attribute.to_string(), change.phones.len()))
            .collect();
        assert_eq!(
            held,
            BTreeMap::from([
                ("image".to_owned(), 12),
                ("property/ro.product.model".to_owned(), 12),
                ("sim-country".to_owned(), 12),
            ])
        );
        assert!(plan.steps.is_empty(), "{plan:?}");
        for phone in rig.sim.phones() {
            let phone = rig.sim.phone(&phone).unwrap();
            assert_eq!(phone.timezone, "Europe/Berlin", "live changes go on");
            assert_eq!((phone.boots, phone.country.as_str()), (1, "CN"));
        }
    });
}

#[test]
fn each_cost_needs_its_own_word() {
    virtual_time(async {
        let rig = rig(4);
        rig.group(COSTLY, "  allow: [restart]\n");
        let (session, ending) = converge(&rig, 12 * HOUR).await;
        assert_eq!(ending, Ending::Partly);
        let report = rig.sim.report();
        assert_eq!((report.wipes, report.new_identities), (0, 0), "{report:?}");
        assert_eq!(report.restarts, 4, "{report:?}");
        assert_eq!(waiting(&session, Reason::CostNotAllowed), 4);
    });
}

#[test]
fn an_allowance_ends_at_its_moment() {
    virtual_time(async {
        let rig = rig(6);
        let over = BEGINNING.before(Duration::from_secs(60));
        rig.group(
            RESTARTING,
            &format!("  allow: [{{ cost: restart, until: \"{over}\" }}]\n"),
        );
        let (session, ending) = converge(&rig, 12 * HOUR).await;
        assert_eq!(ending, Ending::Partly);
        nothing_costly(&rig.sim.report());
        assert_eq!(waiting(&session, Reason::CostNotAllowed), 6);
        drop(session);

        // In time for those who may start before, not for the one that is in use until after it.
        let first = rig.sim.phones()[0].clone();
        rig.sim
            .change(|world| world.phone_mut(&first).unwrap().streaming = true);
        let soon = phonefleet::time::clock::Clock::now(&rig.clock).after(HOUR);
        rig.group(
            RESTARTING,
            &format!("  allow: [{{ cost: restart, until: \"{soon}\" }}]\n"),
        );
        let script = async {
            tokio::time::sleep(2 * HOUR).await;
            rig.sim
                .change(|world| world.phone_mut(&first).unwrap().streaming = false);
        };
        let ((session, ending), ()) = tokio::join!(converge(&rig, 12 * HOUR), script);
        assert_eq!(ending, Ending::Partly);
        let report = rig.sim.report();
        assert_eq!(report.restarts, 5, "{report:?}");
        assert!(!report.costly.contains_key(first.as_str()), "{report:?}");
        assert_eq!(waiting(&session, Reason::CostNotAllowed), 1);
    });
}

#[test]
fn max_phones_counts_for_a_revision_whatever_restarts() {
    virtual_time(async {
        let rig = rig(20);
        let allow = "  allow: [restart, { cost: wipe, maxPhones: 5 }]\n";
        rig.group(WIPING, allow);
        for round in 0..3 {
            let (session, ending) = converge(&rig, 12 * HOUR).await;
            assert_eq!(ending, Ending::Partly, "round {round}");
            let report = rig.sim.report();
            assert_eq!(report.wipes, 5, "round {round}: {report:?}");
            assert_eq!(
                waiting(&session, Reason::CostNotAllowed),
                15,
                "round {round}"
            );
        }
        // Another edit of the manifests: five more.
        rig.group(&WIPING.replace("Berlin", "Paris"), allow);
        let (_, ending) = converge(&rig, 12 * HOUR).await;
        assert_eq!(ending, Ending::Partly);
        assert_eq!(rig.sim.report().wipes, 10);
    });
}

#[test]
fn max_phones_counts_phones_on_which_it_died_too() {
    virtual_time(async {
        let rig = rig(20);
        rig.group(WIPING, "  allow: [restart, { cost: wipe, maxPhones: 5 }]\n");
        for death in [1_u64, 3, 10, 40, 200] {
            let mut session = rig.session(true).await;
            tokio::select! {
                biased;
                _ = rig.apply_all(&mut session, 12 * HOUR) => {}
                () = tokio::time::sleep(Duration::from_secs(death)) => {}
            }
        }
        let (_, ending) = converge(&rig, 12 * HOUR).await;
        assert_eq!(ending, Ending::Partly);
        let report = rig.sim.report();
        assert_eq!((report.wipes, report.costly_repeated), (5, 0), "{report:?}");
    });
}

#[test]
fn drift_never_wipes() {
    virtual_time(async {
        let rig = rig(8);
        rig.group(WIPING, "  allow: [restart, wipe]\n");
        let (session, ending) = converge(&rig, 12 * HOUR).await;
        assert_eq!(ending, Ending::Converged);
        assert_eq!(rig.sim.report().wipes, 8);
        drop(session);

        let old = Drift {
            image: Some("img-25030796215".into()),
            timezone: Some("Asia/Tokyo".into()),
            ..Drift::default()
        };
        let drifted: Vec<String> = rig.sim.phones().into_iter().take(3).collect();
        rig.sim
            .change(|world| drifted.iter().for_each(|phone| world.drift(phone, &old)));
        let (session, ending) = converge(&rig, 12 * HOUR).await;
        assert_eq!(ending, Ending::Partly);
        let report = rig.sim.report();
        assert_eq!(report.wipes, 8, "{report:?}");
        assert_eq!(waiting(&session, Reason::CostNotAllowed), 3);
        for phone in &drifted {
            let phone = rig.sim.phone(phone).unwrap();
            assert_eq!(phone.timezone, "Europe/Berlin", "cheap drift is repaired");
            assert_eq!(phone.image.id, "img-25030796215");
        }
        drop(session);

        // Another edit of the manifests does not turn drift into a wish.
        rig.group(
            &format!("{WIPING}    language: de-DE\n"),
            "  allow: [restart, wipe]\n",
        );
        let (_, ending) = converge(&rig, 12 * HOUR).await;
        assert_eq!(ending, Ending::Partly);
        assert_eq!(rig.sim.report().wipes, 8);
    });
}

#[test]
fn phones_in_use_are_left_alone_until_they_are_free() {
    virtual_time(async {
        let rig = rig(5);
        rig.group(RESTARTING, "  allow: [restart]\n");
        let used: Vec<String> = rig.sim.phones().into_iter().take(2).collect();
        let stream = |streaming| {
            rig.sim.change(|world| {
                for phone in &used {
                    world.phone_mut(phone).unwrap().streaming = streaming;
                }
            });
        };
        stream(true);
        let (session, ending) = converge(&rig, HOUR).await;
        assert_eq!(ending, Ending::TimedOut, "{:?}", session.progress_now());
        assert_eq!(waiting(&session, Reason::InUse), 2);
        let report = rig.sim.report();
        assert_eq!(report.restarts, 3, "{report:?}");
        for phone in &used {
            assert!(!report.costly.contains_key(phone.as_str()), "{report:?}");
            assert_eq!(
                rig.sim.phone(phone).unwrap().timezone,
                "Europe/Berlin",
                "live changes disturb nobody"
            );
        }
        drop(session);
        stream(false);
        let (_, ending) = converge(&rig, HOUR).await;
        assert_eq!(ending, Ending::Converged);
        assert_eq!(rig.sim.report().restarts, 5);
    });
}

#[test]
fn a_group_that_is_not_as_large_as_expected_does_nothing() {
    virtual_time(async {
        for expect in ["{ min: 21 }", "{ min: 0, max: 19 }"] {
            let rig = rig(20);
            group(
                &rig,
                "all",
                &format!("{{ accounts: [lab], expect: {expect} }}"),
                "  desired: { timezone: Europe/Berlin }\n",
            );
            let (session, ending) = converge(&rig, 12 * HOUR).await;
            assert_eq!(ending, Ending::Partly, "{expect}");
            nothing_written(&rig.sim.report());
            assert_eq!(waiting(&session, Reason::Expectation), 20, "{expect}");
        }
        let rig = rig(20);
        group(
            &rig,
            "all",
            "{ accounts: [lab], expect: { min: 20, max: 20 } }",
            "  desired: { timezone: Europe/Berlin }\n",
        );
        let (_, ending) = converge(&rig, 12 * HOUR).await;
        assert_eq!(ending, Ending::Converged);
    });
}

#[test]
fn a_short_listing_does_not_open_the_gate_of_an_expectation() {
    virtual_time(async {
        let rig = rig(20);
        group(
            &rig,
            "all",
            "{ accounts: [lab], expect: { max: 19 } }",
            "  desired: { timezone: Europe/Berlin }\n",
        );
        rig.sim.change(|world| {
            world.set_faults(
                phonefleet::sim::faults::Faults::parse("short-page=0.5,empty-page=0.2").unwrap(),
            );
        });
        let mut session = rig.session(true).await;
        if session.preview(quiet()).await.is_ok() {
            let plan = session.plan_now();
            let ending = session
                .apply(yes(&plan), Some(2 * HOUR), quiet())
                .await
                .unwrap();
            assert_ne!(ending, Ending::Converged);
        }
        nothing_written(&rig.sim.report());
    });
}

#[test]
fn observe_and_warn_never_write() {
    virtual_time(async {
        for mode in ["observe", "warn"] {
            let rig = rig(10);
            rig.group(
                COSTLY,
                &format!("  mode: {mode}\n  allow: [restart, wipe, newIdentity]\n"),
            );
            let before = world(&rig);
            let mut session = rig.session(true).await;
            let plan = session.preview(quiet()).await.unwrap();
            assert!(plan.steps.is_empty(), "{mode}: {plan:?}");
            let ending = session
                .apply(yes(&plan), Some(12 * HOUR), quiet())
                .await
                .unwrap();
            if mode == "warn" {
                assert!(plan.has_changes(), "differences are reported");
                assert_eq!(ending, Ending::Partly);
                assert_eq!(waiting(&session, Reason::Paused), 10);
            }
            assert_ne!(ending, Ending::TimedOut, "{mode}");
            nothing_written(&rig.sim.report());
            assert_eq!(world(&rig), before, "{mode}");
        }
    });
}

#[test]
fn a_phone_that_two_groups_claim_is_touched_by_neither() {
    virtual_time(async {
        let rig = rig(12);
        let phones = rig.sim.phones();
        // The provider's group 1 holds the 1st, 5th and 9th phone; the pattern the 1st to 3rd.
        group(
            &rig,
            "by-group",
            "{ accounts: [lab], providerGroups: [\"1\"] }",
            "  desired: { timezone: Europe/Berlin }\n",
        );
        group(
            &rig,
            "by-pattern",
            "{ accounts: [lab], idPatterns: [\"AC3201000000[1-3]\"] }",
            "  desired: { timezone: Asia/Tokyo }\n",
        );
        let before = world(&rig);
        let (session, ending) = converge(&rig, 12 * HOUR).await;
        assert_eq!(ending, Ending::Partly, "{:?}", session.progress_now());
        assert_eq!(waiting(&session, Reason::ClaimedTwice), 1);
        let after = world(&rig);
        assert_eq!(after[&phones[0]], before[&phones[0]], "claimed twice");
        let zone = |place: usize| rig.sim.phone(&phones[place]).unwrap().timezone;
        assert_eq!(
            (zone(4), zone(8)),
            ("Europe/Berlin".into(), "Europe/Berlin".into())
        );
        assert_eq!(
            (zone(1), zone(2)),
            ("Asia/Tokyo".into(), "Asia/Tokyo".into())
        );
        for place in [3, 5, 6, 7, 9, 10, 11] {
            assert_eq!(after[&phones[place]], before[&phones[place]], "unclaimed");
        }
        let plan = session.plan_now();
        let told = plan
            .waiting
            .iter()
            .find(|group| group.reason == Reason::ClaimedTwice)
            .unwrap();
        assert!(
            told.detail.contains("by-group") && told.detail.contains("by-pattern"),
            "{told:?}"
        );
    });
}

#[test]
fn phones_that_no_group_claims_are_never_touched() {
    virtual_time(async {
        let rig = rig(40);
        rig.apps();
        group(
            &rig,
            "second",
            "{ accounts: [lab], providerGroups: [\"2\"] }",
            "  allow: [restart, wipe, newIdentity, appData]\n  desired:\n    appPolicy: exclusive\n    timezone: Europe/Berlin\n    image: { id: img-26060812345, wipeData: true }\n    sim: { country: JP }\n    proxy: { mode: proxy, protocol: socks5, host: proxy.example.net, port: 1080 }\n    apps: { com.example.chat: { app: chat } }\n",
        );
        let before = world(&rig);
        let (session, ending) = converge(&rig, 24 * HOUR).await;
        assert_eq!(ending, Ending::Converged, "{:?}", session.progress_now());
        let after = world(&rig);
        let mut changed = 0;
        for (place, phone) in rig.sim.phones().iter().enumerate() {
            if place % 4 == 1 {
                changed += usize::from(after[phone] != before[phone]);
            } else {
                assert_eq!(after[phone], before[phone], "{phone} is nobody's");
            }
        }
        assert_eq!(changed, 10);
    });
}
