//! Doctored histories: for each invariant one in which something is wrong, and the check finds it.
//!
//! Invariants: the honest twin of every history gives nothing. Not here: whole runs (`tests/it/rehearsal.rs`, `tests/it/planted.rs`).

use super::{Invariant, checks};
use crate::model::attribute::Attribute;
use crate::model::capability::Costs;
use crate::model::condition::Cause;
use crate::model::fleet::{AccountLimits, ProviderKind};
use crate::model::id::{OperationId, PhoneId, PhoneKey};
use crate::model::observed::ReadKind;
use crate::model::operation::{Intent, PhaseEvent};
use crate::model::record::{Ledger, Record};
use crate::model::settings::Settings;
use crate::model::stamp::Timestamp;
use crate::model::value::{Image, ImageTarget, Value, Wish};
use crate::provider::Order;
use crate::provider::registry::capabilities;
use crate::rehearsal::monitor::{Happening, Monitor, Request};
use crate::sim::witness::{End, Fact};
use crate::transport::Effect;
use std::sync::Arc;
use std::time::Duration;

const PHONE: &str = "AC32010000001";

struct History {
    monitor: Monitor,
    now: Timestamp,
}

impl History {
    fn new() -> Self {
        let mut monitor = Monitor::new(Settings::default());
        let account = crate::rehearsal::Account {
            identity: "identity".into(),
            capabilities: capabilities(ProviderKind::ArmCloud).unwrap(),
            limits: AccountLimits::default(),
        };
        monitor.view.accounts.insert("lab".into(), account);
        Self {
            monitor,
            now: Timestamp(1_000_000),
        }
    }

    fn tell(&mut self, happening: &Happening<'_>) -> &mut Self {
        self.monitor.happen(self.now, happening);
        self
    }

    fn wait(&mut self, seconds: u64) -> &mut Self {
        self.now = self.now.after(Duration::from_secs(seconds));
        self
    }

    fn records(&mut self, records: &[Record]) -> &mut Self {
        self.tell(&Happening::Durable(records));
        self.tell(&Happening::Acknowledged(records))
    }

    fn intend(&mut self, number: u64, attribute: Attribute, wish: Value) -> &mut Self {
        let intent = Intent {
            operation: OperationId(number),
            identity: "identity".into(),
            call: "updateTimeZone".into(),
            phones: Arc::new([PhoneId::new(PHONE)]),
            writes: Arc::new([(attribute, Wish::Set(wish))]),
            costs: Costs::NONE,
            cause: Cause::Intended,
            revision: "1".into(),
            at: self.now,
        };
        self.records(&[Record::Intended(intent)])
    }

    fn zone(&mut self, number: u64) -> &mut Self {
        self.intend(
            number,
            Attribute::Timezone,
            Value::Text("Asia/Tokyo".into()),
        )
    }

    fn leave(&mut self, operation: Option<u64>) -> u64 {
        self.monitor.leaves(Request {
            account: "lab".into(),
            left: self.now,
            effect: Effect::Mutation,
            operation: operation.map(OperationId),
            answered: None,
            counted: true,
            order: true,
        })
    }

    /// A request leaves, arrives, and starts this job.
    fn start(&mut self, operation: u64, job: u64, costly: bool) -> &mut Self {
        let request = self.leave(Some(operation));
        self.world(
            &Fact::Accepted {
                job,
                phone: PHONE.into(),
                call: "call".into(),
                mutates: true,
                costly,
            },
            Some((request, 0)),
        );
        self.tell(&Happening::Settled(request))
    }

    fn world(&mut self, fact: &Fact, by: Option<(u64, u32)>) -> &mut Self {
        let account = "lab".into();
        self.tell(&Happening::World {
            account: &account,
            fact,
            by,
        })
    }

    fn end(&mut self, job: u64, end: End, effect: bool) -> &mut Self {
        self.world(&Fact::Ended { job, end, effect }, None)
    }

    fn moved(&mut self, operation: u64, event: PhaseEvent) -> &mut Self {
        let record = Record::Moved {
            operation: OperationId(operation),
            moves: vec![(PhoneId::new(PHONE), event)],
            at: self.now,
        };
        self.records(&[record])
    }

    fn read(&mut self) -> &mut Self {
        let (account, made) = ("lab".into(), self.now);
        self.tell(&Happening::Read {
            account: &account,
            kind: ReadKind::Properties,
            phones: &[PhoneId::new(PHONE)],
            made,
        })
    }

    fn found(&self) -> Vec<Invariant> {
        let mut found: Vec<Invariant> = self
            .monitor
            .violations
            .iter()
            .map(|violation| violation.invariant)
            .collect();
        found.dedup();
        found
    }
}

fn key() -> PhoneKey {
    PhoneKey {
        account: "lab".into(),
        phone: PHONE.into(),
    }
}

fn job(number: u64) -> crate::model::id::JobId {
    crate::model::id::JobId::new(number.to_string())
}

#[test]
fn every_invariant_has_a_check() {
    let judged: Vec<Invariant> = checks().iter().map(|check| check.invariant()).collect();
    for invariant in Invariant::ALL {
        assert!(judged.contains(&invariant), "{invariant}");
    }
}

#[test]
fn an_honest_history_gives_nothing() {
    let mut history = History::new();
    history.zone(1).start(1, 7, false);
    history.moved(1, PhaseEvent::Accepted(job(7)));
    history.wait(2).end(7, End::Succeeded, true);
    history.wait(3).moved(1, PhaseEvent::Succeeded);
    history.read().moved(1, PhaseEvent::Verified);
    history.wait(1).zone(2).start(2, 8, false);
    assert_eq!(history.found(), []);
}

#[test]
fn two_open_jobs_are_found() {
    let mut history = History::new();
    history.zone(1).start(1, 7, false);
    history.moved(1, PhaseEvent::Accepted(job(7)));
    history.wait(1).zone(2);
    assert_eq!(history.found(), [Invariant::SingleFlight]);
    let mut history = History::new();
    history.zone(1).start(1, 7, false);
    history.moved(1, PhaseEvent::Lost).wait(500);
    history.end(7, End::Succeeded, true);
    history.moved(1, PhaseEvent::Settled).zone(2);
    history.start(2, 8, false);
    let clash = Fact::Clashed {
        phone: PHONE.into(),
        job: 8,
        hung: false,
    };
    history.moved(2, PhaseEvent::Exists(None)).read();
    history.zone(3);
    let request = history.leave(Some(3));
    history.world(&clash, Some((request, 0)));
    assert!(history.found().contains(&Invariant::SingleFlight));
}

#[test]
fn a_request_without_intent_is_found() {
    let order = Order {
        mark: 7,
        call: "updateTimeZone",
        phones: Arc::new([]),
        writes: Arc::new([]),
        app: None,
        image: None,
    };
    let mut history = History::new();
    let account = "lab".into();
    history.tell(&Happening::Ordered {
        account: &account,
        order: &order,
        operation: None,
    });
    assert_eq!(history.found(), [Invariant::IntentFirst]);
    let mut history = History::new();
    history.zone(1).leave(Some(1));
    history.leave(Some(1));
    assert_eq!(history.found(), [Invariant::IntentFirst], "sent twice");
    let mut history = History::new();
    history.zone(1).wait(1).leave(Some(1));
    assert_eq!(history.found(), [Invariant::IntentFirst], "it waited");
}

#[test]
fn a_job_of_nobody_and_a_job_that_was_let_go_are_found() {
    let mut history = History::new();
    let request = history.leave(None);
    let accepted = Fact::Accepted {
        job: 7,
        phone: PHONE.into(),
        call: "call".into(),
        mutates: true,
        costly: false,
    };
    history.world(&accepted, Some((request, 0)));
    assert_eq!(history.found(), [Invariant::NoOrphan]);
    for (event, found) in [
        (PhaseEvent::Refused, true),
        (PhaseEvent::Accepted(job(8)), true),
        (PhaseEvent::Accepted(job(7)), false),
    ] {
        let mut history = History::new();
        history.zone(1).start(1, 7, false).moved(1, event);
        assert_eq!(history.found().contains(&Invariant::NoOrphan), found);
    }
}

#[test]
fn costly_work_done_twice_is_found() {
    let image = || {
        Value::Image(Image {
            target: ImageTarget::Id("img".into()),
            wipe_data: false,
        })
    };
    let history = |between: Option<Fact>, effect: bool| {
        let mut history = History::new();
        history
            .intend(1, Attribute::Image, image())
            .start(1, 7, true);
        history.moved(1, PhaseEvent::Accepted(job(7)));
        history.wait(60).end(7, End::Failed, effect);
        history.moved(1, PhaseEvent::Failed);
        if let Some(fact) = between {
            history.world(&fact, None);
        }
        history.intend(2, Attribute::Image, image()).leave(Some(2));
        history.found().contains(&Invariant::CostlyOnce)
    };
    assert!(history(None, true));
    assert!(!history(None, false), "it did nothing");
    let changed = Fact::Changed {
        phone: PHONE.into(),
    };
    assert!(!history(Some(changed), true), "somebody changed the phone");
}

#[test]
fn a_decision_on_an_old_reading_is_found() {
    let mut history = History::new();
    history.read().zone(1).start(1, 7, false);
    history.moved(1, PhaseEvent::Accepted(job(7)));
    history.wait(5).end(7, End::Failed, false);
    history.moved(1, PhaseEvent::Failed).zone(2);
    assert_eq!(history.found(), [Invariant::Fresh]);
}

#[test]
fn settling_too_early_is_found() {
    let mut history = History::new();
    history.zone(1).leave(Some(1));
    history.moved(1, PhaseEvent::Lost).wait(100);
    history.moved(1, PhaseEvent::Settled);
    assert_eq!(history.found(), [Invariant::Settle]);
    history.wait(1).zone(2).leave(Some(2));
    let early = |violation: &super::Violation| violation.problem.contains("may still arrive");
    assert!(history.monitor.violations.iter().any(early));
}

#[test]
fn a_request_that_comes_after_the_job_of_its_copy_is_nobodys_fault() {
    for (copy, found) in [(1, false), (0, true)] {
        let mut history = History::new();
        history.zone(1);
        let request = history.leave(Some(1));
        let accepted = Fact::Accepted {
            job: 7,
            phone: PHONE.into(),
            call: "call".into(),
            mutates: true,
            costly: false,
        };
        // Request and copy are told apart by number; the one that did not begin the job is still under way.
        history.world(&accepted, Some((request, copy)));
        history.moved(1, PhaseEvent::Accepted(job(7))).wait(2);
        history.end(7, End::Succeeded, true);
        history.moved(1, PhaseEvent::Succeeded).zone(2);
        history.leave(Some(2));
        let early = |violation: &super::Violation| violation.problem.contains("may still arrive");
        assert_eq!(history.monitor.violations.iter().any(early), found);
    }
}

#[test]
fn a_job_that_comes_behind_that_of_its_copy_is_nobodys_fault() {
    // Whether the answer of the request was given up before it began a job of its own.
    for (given_up, fault) in [(true, false), (false, true)] {
        let mut history = History::new();
        history.zone(1);
        let request = history.leave(Some(1));
        for (number, copy) in [(7, 1), (8, 0)] {
            let accepted = Fact::Accepted {
                job: number,
                phone: PHONE.into(),
                call: "call".into(),
                mutates: true,
                costly: false,
            };
            history.world(&accepted, Some((request, copy)));
            if copy == 1 {
                history.wait(2).end(number, End::Succeeded, true);
            }
            if given_up == (copy == 1) {
                history.wait(1).tell(&Happening::Answered(request));
            }
        }
        history.moved(1, PhaseEvent::Found(job(7)));
        history.moved(1, PhaseEvent::Succeeded).zone(2);
        let next = history.leave(Some(2));
        let clash = Fact::Clashed {
            phone: PHONE.into(),
            job: 8,
            hung: false,
        };
        history.world(&clash, Some((next, 0)));
        let told = history.found();
        for invariant in [Invariant::NoFalseSuccess, Invariant::SingleFlight] {
            assert_eq!(told.contains(&invariant), fault, "{invariant:?}");
        }
    }
}

#[test]
fn success_that_nobody_saw_is_found() {
    let mut history = History::new();
    history.zone(1).start(1, 7, false);
    history.moved(1, PhaseEvent::Accepted(job(7)));
    history.moved(1, PhaseEvent::Succeeded);
    assert_eq!(
        history.found(),
        [Invariant::NoFalseSuccess],
        "before the end"
    );
    let mut history = History::new();
    history.read().zone(1).start(1, 7, false);
    history.moved(1, PhaseEvent::Accepted(job(7))).wait(2);
    history.end(7, End::Succeeded, true);
    history.moved(1, PhaseEvent::Succeeded);
    history.moved(1, PhaseEvent::Verified);
    assert_eq!(
        history.found(),
        [Invariant::NoFalseSuccess],
        "not read back"
    );
}

#[test]
fn too_many_calls_are_found() {
    let mut history = History::new();
    history
        .monitor
        .view
        .accounts
        .values_mut()
        .for_each(|account| {
            account.limits.requests_per_second = Some(3);
        });
    for _ in 0..3 {
        history.leave(None);
    }
    assert_eq!(history.found(), []);
    history.leave(None);
    assert_eq!(history.found(), [Invariant::Budget]);
    let mut history = History::new();
    history.tell(&Happening::Calls(1_000, 51));
    assert_eq!(history.found(), [Invariant::Budget], "wasted");
}

#[test]
fn a_journal_that_lost_or_bent_something_is_found() {
    let mut history = History::new();
    history.tell(&Happening::Acknowledged(&[Record::LastOperation(1)]));
    assert_eq!(history.found(), [Invariant::Journal], "not durable");
    let mut history = History::new();
    history.zone(1).tell(&Happening::Opened(&Ledger::default()));
    assert_eq!(
        history.found(),
        [Invariant::Journal],
        "opens as something else"
    );
    let mut history = History::new();
    history.moved(1, PhaseEvent::Lost);
    assert_eq!(history.found(), [Invariant::Journal], "of no operation");
    let mut history = History::new();
    history.tell(&Happening::Unopened("damaged".to_owned()));
    assert_eq!(history.found(), [Invariant::Journal]);
}

#[test]
fn what_ends_wrongly_is_found() {
    let cases: [(Happening<'_>, Invariant); 6] = [
        (
            Happening::Judged {
                phone: &key(),
                differing: &["timezone".to_owned()],
                excuse: None,
            },
            Invariant::Stable,
        ),
        (
            Happening::Isolation(Duration::from_secs(300), Duration::from_secs(331)),
            Invariant::Isolation,
        ),
        (Happening::Hashes(1, 2), Invariant::Determinism),
        (
            Happening::Text("a log", "the canary sings"),
            Invariant::Secrets,
        ),
        (Happening::Absent(&key(), true), Invariant::Scope),
        (Happening::Touched(&key()), Invariant::Scope),
    ];
    for (happening, invariant) in cases {
        let mut history = History::new();
        history.monitor.view.canaries.push("canary".to_owned());
        history.tell(&happening);
        assert_eq!(history.found(), [invariant], "{happening:?}");
    }
}

#[test]
fn an_order_after_the_stop_or_in_the_quiet_is_found() {
    let mut history = History::new();
    history.tell(&Happening::StopAsked);
    history.wait(1).zone(1).leave(Some(1));
    assert_eq!(history.found(), [Invariant::Stop]);
    history.wait(10).tell(&Happening::Stopped);
    assert_eq!(history.monitor.violations.len(), 2, "it took 11 s");
    let mut history = History::new();
    history.tell(&Happening::Quiet).zone(1).leave(Some(1));
    assert_eq!(history.found(), [Invariant::Stable]);
}

#[test]
fn an_order_on_a_phone_of_nobody_is_found() {
    let order = Order {
        mark: 7,
        call: "updateTimeZone",
        phones: Arc::new([PhoneId::new(PHONE)]),
        writes: Arc::new([]),
        app: None,
        image: None,
    };
    let mut history = History::new();
    let account = "lab".into();
    history.tell(&Happening::Ordered {
        account: &account,
        order: &order,
        operation: Some(OperationId(1)),
    });
    assert_eq!(history.found(), [Invariant::Scope]);
}
