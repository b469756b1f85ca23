//! The fleet in virtual time: runs in which nothing goes wrong, and runs in which everything does, end as they should.
//!
//! Invariants: a failing run prints the scenario that gives it again. Not here: planted bugs (`planted`), long runs (`phonefleet soak`).

use phonefleet::model::fleet::ProviderKind;
use phonefleet::rehearsal::profile::Profile;
use phonefleet::rehearsal::run::{Outcome, apart, run, run_twice};
use phonefleet::rehearsal::scenario::{AccountPlan, Scenario};
use phonefleet::rehearsal::seam::Seams;
use std::time::Duration;

fn scenario(seed: u64, phones: u32, hours: f64, profile: &str) -> Scenario {
    Scenario {
        seed,
        accounts: vec![AccountPlan {
            name: "lab",
            provider: ProviderKind::ArmCloud,
            phones,
        }],
        hours,
        profile: Profile::parse(profile).unwrap(),
        quiet: Duration::from_secs(1_800),
        ..Scenario::default()
    }
}

fn told(scenario: &Scenario, outcome: &Outcome) -> String {
    let violations: Vec<String> = outcome.violations.iter().map(ToString::to_string).collect();
    let Outcome {
        requests,
        jobs,
        crashes,
        waiting,
        faults,
        ..
    } = outcome;
    format!(
        "{scenario}\n{}\n{requests} requests, {jobs} jobs, {crashes} crashes, {waiting} phones wait; faults {faults:?}",
        violations.join("\n")
    )
}

/// Runs it; no invariant is broken.
fn holds(scenario: &Scenario) -> Outcome {
    let outcome = run(scenario);
    assert!(
        outcome.violations.is_empty(),
        "{}",
        told(scenario, &outcome)
    );
    outcome
}

#[test]
fn without_faults_everything_becomes_as_wished_and_stays() {
    let scenario = scenario(1, 40, 0.5, "none");
    let outcome = holds(&scenario);
    assert_eq!((outcome.waiting, outcome.crashes), (0, 0));
    assert!(outcome.jobs > 100, "{}", told(&scenario, &outcome));
}

#[test]
fn without_faults_every_provider_becomes_as_wished_and_stays() {
    for provider in ProviderKind::ALL {
        let scenario = Scenario {
            accounts: vec![AccountPlan {
                name: provider.as_str(),
                provider,
                phones: 20,
            }],
            ..scenario(5, 20, 0.5, "none")
        };
        let outcome = holds(&scenario);
        assert_eq!((outcome.waiting, outcome.crashes), (0, 0), "{scenario}");
        assert!(outcome.jobs > 50, "{}", told(&scenario, &outcome));
    }
}

#[test]
fn one_seed_gives_one_trace() {
    for seed in [3, 4] {
        let scenario = scenario(seed, 12, 0.3, "all");
        let outcome = run_twice(&scenario, &Seams::default());
        assert!(
            outcome.violations.is_empty(),
            "{}",
            told(&scenario, &outcome)
        );
    }
    let traces = [3, 4].map(|seed| run(&scenario(seed, 12, 0.3, "all")).trace);
    assert_ne!(traces[0], traces[1], "another seed is another run");
}

/// Callbacks arrive, whatever befalls them. Nothing takes them yet, so nothing goes another way.
#[test]
fn callbacks_arrive_and_nothing_goes_another_way() {
    let faults =
        ["lost", "doubled", "late", "forged", "foreign"].map(|of| format!("callback-{of}"));
    let befallen = faults.clone().map(|fault| format!("{fault}=0.2")).join(",");
    let without = holds(&scenario(3, 12, 0.3, "network,vendor,crash,world"));
    let with = scenario(3, 12, 0.3, &format!("all,{befallen}"));
    let outcome = holds(&with);
    assert_eq!(
        (outcome.trace, outcome.requests, &outcome.standing),
        (without.trace, without.requests, &without.standing)
    );
    let count = |kind: &str| outcome.faults.get(kind).copied().unwrap_or(0);
    assert!(
        faults.iter().all(|fault| count(fault) > 0),
        "{}",
        told(&with, &outcome)
    );
    assert_eq!(without.callbacks, 0);
    assert!(outcome.callbacks > 50, "{}", told(&with, &outcome));
    let unheard = count("callback dropped") + count("callback while no process lived");
    assert_eq!(unheard, outcome.callbacks);
}

#[test]
fn whatever_goes_wrong_every_invariant_holds() {
    // Clocks that jump while the process is away have a test of their own.
    let deaths = "crash=3,crash-at-request=0.003,crash-at-write=0.003,stop=1,disk=0.002";
    for profile in ["network", "vendor", deaths, "world", "all,clock=0"] {
        for seed in 0..4 {
            let scenario = scenario(seed, 16, 1.0, profile);
            holds(&scenario);
        }
    }
}

/// A job that is known from one operation is never taken for another's, whatever the clock says of when it was made.
#[test]
fn a_clock_that_jumped_finds_no_older_job() {
    for seed in 0..4 {
        let scenario = scenario(seed, 16, 1.0, "crash");
        holds(&scenario);
    }
}

/// What an old listing says of an image that was upgraded a moment ago is not drift.
#[test]
fn a_stale_listing_after_an_upgrade_orders_no_second_one() {
    let scenario = Scenario {
        quiet: Duration::from_secs(1_080),
        editions: 3,
        ..scenario(107, 12, 1.0, "vendor")
    };
    holds(&scenario);
}

#[test]
fn failing_phones_take_no_calls_from_the_others() {
    // Apps are read by one call a phone there, ten a second: what fails and is tried again must not come first.
    let scenario = Scenario {
        accounts: vec![AccountPlan {
            name: "lab",
            provider: ProviderKind::KooPhone,
            phones: 600,
        }],
        ..scenario(3, 600, 1.0, "none")
    };
    let (alone, beside, violations) = apart(&scenario);
    assert!(alone.as_secs() > 60, "{alone:?}");
    assert!(violations.is_empty(), "{alone:?} {beside:?}");
}
