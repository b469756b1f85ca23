//! Plans from a reference run: one fault at one point changes neither how the phones end nor what was done to them.
//!
//! Invariants: a failing plan prints the line that gives it again. Not here: all plans (`phonefleet soak plans`, which CI runs).

use phonefleet::model::fleet::ProviderKind;
use phonefleet::rehearsal::plans::{Plan, Recorded, Reference, Work, run_all, run_these};
use phonefleet::rehearsal::relations::try_all;

fn reference(seed: u64) -> Reference {
    Reference {
        provider: ProviderKind::ArmCloud,
        seed,
    }
}

#[test]
fn a_plan_is_one_line_that_gives_it_again() {
    let plans = Recorded::of(reference(1)).plans();
    assert!(plans.len() > 2_000, "{}", plans.len());
    for plan in &plans {
        assert_eq!(plan.to_string().parse::<Plan>().as_ref(), Ok(plan));
    }
    for wrong in [
        "",
        "armcloud/1",
        "armcloud request 1 lost",
        "nobody/1 request 1 lost",
        "armcloud/1 moment 1 lost",
        "armcloud/1 request one lost",
        "armcloud/1 request 1 luck",
        "armcloud/1 request 1 lost twice",
        "armcloud/1 request 1 everywhere=luck",
        "armcloud/1 write 1 crash-with-clock=soon",
    ] {
        assert!(wrong.parse::<Plan>().is_err(), "{wrong:?}");
    }
}

#[test]
fn one_fault_at_one_point_changes_nothing_in_the_end() {
    let work = Work {
        references: vec![reference(1), reference(2)],
        most: Some(60),
        threads: 2,
    };
    let report = run_all(&work, &|_, _, _| {});
    assert_eq!(report.violations, [], "{report:?}");
    assert_eq!(report.plans + report.vacuous, 60);
    assert!(report.plans > 50, "{report:?}");
}

#[test]
fn a_plan_gives_the_same_again() {
    let plan: Plan = "armcloud/1 request 40 lost".parse().unwrap();
    let [first, second] = [0, 1].map(|_| run_these(&[plan], &|_, _, _| {}));
    assert_eq!(
        (first.requests, first.jobs, first.plans),
        (second.requests, second.jobs, second.plans)
    );
    assert_eq!(first.plans, 1, "{first:?}");
    assert_eq!(first.violations, []);
}

#[test]
fn other_ways_and_other_words_come_out_alike() {
    let report = try_all(&[reference(1), reference(2)], 2);
    assert_eq!(report.violations, []);
    assert!(report.relations.len() >= 15, "{report:?}");
    assert!(report.relations.values().all(|pairs| *pairs == 2));
}

#[test]
fn a_phone_that_is_gone_is_not_asked_for_ever() {
    // Gone with a job done and not read back yet; it comes back with another code.
    let plans: Vec<Plan> = (80..90)
        .map(|wait| format!("armcloud/1 wait {wait} vanish").parse().unwrap())
        .collect();
    let report = run_these(&plans, &|_, _, _| {});
    assert_eq!(report.violations, []);
    assert!(report.most_more.0 < 100, "{report:?}");
}

#[test]
fn a_clock_that_went_back_is_not_waited_for() {
    // What was done before lies in the future: of the process after the death, or of the one after the clock was put right.
    let plans = [
        "armcloud/1 wait 141 crash-with-clock=2400",
        "vsphone/2 write 18 crash-with-clock=-2400",
        "alibaba/1 wait 101 crash-with-clock=90",
        "zenlayer/1 wait 26 crash-with-clock=-90",
    ];
    let plans: Vec<Plan> = plans.iter().map(|plan| plan.parse().unwrap()).collect();
    let report = run_these(&plans, &|_, _, _| {});
    assert_eq!(report.violations, []);
    assert_eq!((report.plans, report.crashes), (4, 8), "{report:?}");
    assert!(report.most_more.0 < 500, "{report:?}");
}
