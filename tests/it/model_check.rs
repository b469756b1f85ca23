//! The operation protocol, checked over its whole state space: three phones, three crashes, three losses, and every order in which they can happen.
//!
//! The model (`protocol`) is tied to the program in three ways. It moves operations by the program's own table only ([`Phase::next`], read by `table`), so a
//! changed table changes the model. Every step that the table allows is taken by the model, or stands in [`NOT_TAKEN`] with its reason. And every step that the
//! program's core takes in runs with everything going wrong (`rehearsal`) is one that the model takes: the core cannot learn a move that was not checked.
//!
//! Invariants: a run that did not see every state fails; every flaw is refuted by the rule that it is named with. Not here: how the program decides
//! (`controller::core`), wrong numbers, wrong bytes, real time (`rehearsal`).

mod protocol;
mod table;

use phonefleet::journal::{Journal, JournalError};
use phonefleet::model::fleet::ProviderKind;
use phonefleet::model::record::{Ledger, Record};
use phonefleet::model::stamp::Timestamp;
use phonefleet::rehearsal::profile::Profile;
use phonefleet::rehearsal::run::run_with;
use phonefleet::rehearsal::scenario::{AccountPlan, Scenario};
use phonefleet::rehearsal::seam::Seams;
use protocol::{Action, Call, Flaw, PHONES, Protocol, Rule, State, Stranger};
use rustc_hash::FxHashMap;
use stateright::{Checker, HasDiscoveries, Model, Property};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use table::{Edge, Happens, Stage, Taken, legal};

/// Steps that the table allows and the model never takes.
const NOT_TAKEN: [(Edge, &str); 3] = [
    (
        (Stage::Intended, Happens::Found),
        "what is looked for is in doubt already",
    ),
    (
        (Stage::Unknown, Happens::Accepted),
        "an answer that nobody waits for any more is not heard",
    ),
    (
        (Stage::Parked, Happens::Verified),
        "what a person must look at cannot be read back",
    ),
];

const ENDS: &str = "every operation ends or waits for a person";

fn rule_name(rule: Rule) -> &'static str {
    match rule {
        Rule::SingleFlight => "I1: never two open mutating jobs of ours on one phone",
        Rule::IntentFirst => "I2: the intent is durable when the request leaves",
        Rule::CostlyOnce => "I3: costly work has its effect at most once",
        Rule::NoOrphan => "I4: no job without its operation, no operation with another's job",
        Rule::Settle => {
            "I8: nothing is settled or sent while an earlier request or job is under way"
        }
        Rule::NoFalseSuccess => "I10: proven only when it is true",
        Rule::Legal => "I12: only allowed transitions",
    }
}

fn keeps(rule: Rule) -> Property<Protocol> {
    // Property takes a plain function: one for each rule.
    let condition: fn(&Protocol, &State) -> bool = match rule {
        Rule::SingleFlight => |_, state| state.broken & Rule::SingleFlight as u8 == 0,
        Rule::IntentFirst => |_, state| state.broken & Rule::IntentFirst as u8 == 0,
        Rule::CostlyOnce => |_, state| state.broken & Rule::CostlyOnce as u8 == 0,
        Rule::NoOrphan => |_, state| state.broken & Rule::NoOrphan as u8 == 0,
        Rule::Settle => |_, state| state.broken & Rule::Settle as u8 == 0,
        Rule::NoFalseSuccess => |_, state| state.broken & Rule::NoFalseSuccess as u8 == 0,
        Rule::Legal => |_, state| state.broken & Rule::Legal as u8 == 0,
    };
    Property::always(rule_name(rule), condition)
}

/// Nothing more can happen: then nothing is open, and every phone is as wished or somebody knows why not.
fn ends_well(model: &Protocol, state: &State) -> bool {
    if state.broken != 0 || !state.requests.is_empty() {
        return true;
    }
    let well = |phone: usize| {
        let it = &state.phones[phone];
        it.stage == Stage::Parked
            || (it.stage == Stage::Idle && (it.stuck || model.satisfied(phone, state)))
    };
    if (0..PHONES).all(well) {
        return true;
    }
    let mut actions = Vec::new();
    model.list(state, &mut actions);
    !actions.is_empty()
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.begin()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.list(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(self.step(state, action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![Property::always(ENDS, ends_well)];
        all.extend(
            [
                Rule::SingleFlight,
                Rule::IntentFirst,
                Rule::CostlyOnce,
                Rule::NoOrphan,
                Rule::Settle,
                Rule::NoFalseSuccess,
                Rule::Legal,
            ]
            .map(keeps),
        );
        all
    }
}

fn protocol(calls: [Call; PHONES]) -> Protocol {
    Protocol {
        calls,
        crashes: 3,
        losses: 3,
        failures: 0,
        stranger: Stranger::Never,
        flaw: None,
        taken: Arc::new(Taken::default()),
    }
}

#[expect(
    clippy::print_stdout,
    reason = "the size of the state space is wanted when a test is looked at"
)]
fn print(text: &str) {
    println!("{text}");
}

fn named(protocol: &Protocol) -> String {
    let Protocol {
        calls,
        crashes,
        losses,
        failures,
        stranger,
        flaw,
        taken: _,
    } = protocol;
    format!(
        "{calls:?}, {crashes} crashes, {losses} losses, {failures} failures, stranger {stranger:?}, {flaw:?}"
    )
}

/// Sees every state, and fails with the shortest way to one that breaks a property.
fn holds(protocol: &Protocol) {
    let checker = protocol.clone().checker().threads(2).spawn_bfs().join();
    if let Some((name, path)) = checker.discoveries().into_iter().next() {
        panic!(
            "{}\n{name}\n{:#?}\n{:?}",
            named(protocol),
            path.last_state(),
            path.clone().into_actions()
        );
    }
    assert!(checker.is_done(), "every state was seen");
    print(&format!(
        "{}: {} states, {} steps, at most {} deep",
        named(protocol),
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth()
    ));
}

/// Whether one can come back to where one was: then something could go on for ever.
fn goes_round(protocol: &Protocol) -> Option<Vec<Action>> {
    let mut over: FxHashMap<State, bool> = FxHashMap::default();
    let mut path: Vec<(State, Vec<Action>, Option<Action>)> = Vec::new();
    let enter = |state: State, by: Option<Action>| {
        let mut actions = Vec::new();
        protocol.list(&state, &mut actions);
        (state, actions, by)
    };
    let begin = protocol.begin();
    over.insert(begin.clone(), false);
    path.push(enter(begin, None));
    while let Some((state, actions, _)) = path.last_mut() {
        let Some(action) = actions.pop() else {
            over.insert(state.clone(), true);
            path.pop();
            continue;
        };
        let next = protocol.step(state, action);
        match over.get(&next) {
            Some(true) => {}
            Some(false) => {
                let ways = path.iter().filter_map(|(_, _, by)| *by);
                return Some(ways.chain([action]).collect());
            }
            None => {
                over.insert(next.clone(), false);
                path.push(enter(next, Some(action)));
            }
        }
    }
    None
}

const KINDS: [[Call; PHONES]; 4] = [
    [Call::Live; PHONES],
    [Call::AtOnce; PHONES],
    [Call::Costly; PHONES],
    [Call::Blind; PHONES],
];

#[test]
fn three_phones_three_crashes_three_losses() {
    for calls in KINDS {
        holds(&protocol(calls));
    }
}

#[test]
fn three_phones_of_different_kinds() {
    holds(&Protocol {
        crashes: 2,
        losses: 2,
        ..protocol([Call::Live, Call::Costly, Call::Blind])
    });
}

#[test]
fn three_phones_three_crashes_and_a_vendor_that_fails_twice() {
    for calls in KINDS {
        holds(&Protocol {
            losses: 0,
            failures: 2,
            ..protocol(calls)
        });
    }
}

#[test]
fn another_tool_is_at_work_beside_us() {
    for calls in KINDS {
        holds(&Protocol {
            crashes: 1,
            losses: 1,
            stranger: Stranger::Before,
            ..protocol(calls)
        });
    }
}

#[test]
fn nothing_goes_on_for_ever() {
    for calls in KINDS {
        for (crashes, losses, failures, stranger) in [
            (3, 3, 0, Stranger::Never),
            (1, 1, 1, Stranger::Never),
            (1, 1, 0, Stranger::Before),
        ] {
            let protocol = Protocol {
                crashes,
                losses,
                failures,
                stranger,
                ..protocol(calls)
            };
            let round = goes_round(&protocol);
            assert!(round.is_none(), "{}: {round:?}", named(&protocol));
        }
    }
}

#[test]
#[ignore = "takes minutes and gigabytes: the whole space of everything that can go wrong together"]
fn three_crashes_three_losses_and_three_failures_together() {
    for calls in KINDS {
        holds(&Protocol {
            failures: 3,
            ..protocol(calls)
        });
    }
}

/// What finds a flaw, in which fleet.
const REFUTED: [(Flaw, Call, Rule); 11] = [
    (Flaw::NoIntent, Call::Live, Rule::IntentFirst),
    (Flaw::NoSettle, Call::Live, Rule::Settle),
    (Flaw::HalfSettle, Call::Live, Rule::Settle),
    (Flaw::LostIsRefused, Call::Live, Rule::NoOrphan),
    (Flaw::MissingIsRefused, Call::Live, Rule::NoOrphan),
    (Flaw::AdoptAny, Call::Live, Rule::NoOrphan),
    (Flaw::ForgetOnCrash, Call::Live, Rule::NoOrphan),
    (Flaw::DoubtIsFree, Call::Live, Rule::SingleFlight),
    (Flaw::BlindAgain, Call::Blind, Rule::CostlyOnce),
    (Flaw::BusyIsOurs, Call::Live, Rule::NoOrphan),
    (Flaw::NoReading, Call::Live, Rule::NoFalseSuccess),
];

fn flawed(flaw: Flaw, call: Call) -> Protocol {
    Protocol {
        crashes: 1,
        losses: 1,
        failures: 1,
        stranger: Stranger::Before,
        flaw: Some(flaw),
        ..protocol([call; PHONES])
    }
}

/// Fails unless the checker finds a way to break this property.
fn refuted(protocol: &Protocol, name: &'static str) {
    let checker = protocol
        .clone()
        .checker()
        .finish_when(HasDiscoveries::AnyOf(BTreeSet::from([name])))
        .spawn_bfs()
        .join();
    let Some(path) = checker.discovery(name) else {
        panic!("{}: nothing breaks {name}", named(protocol));
    };
    print(&format!(
        "{:?}: {name}: broken by {:?}",
        protocol.flaw,
        path.into_actions()
    ));
}

#[test]
fn every_flaw_is_refuted_by_its_rule() {
    for (flaw, call, rule) in REFUTED {
        refuted(&flawed(flaw, call), rule_name(rule));
    }
    refuted(&flawed(Flaw::NeverParks, Call::Blind), ENDS);
    let forever = goes_round(&flawed(Flaw::SearchAgain, Call::Live));
    let round = forever.expect("a job that was given up is found again, for ever");
    print(&format!("SearchAgain: goes round by {round:?}"));
}

/// What no search can tell: a vendor's list names no tool. The page on exactness says so; if this test fails, it can say better.
#[test]
fn a_job_of_another_tool_that_begins_while_ours_is_in_doubt_is_still_taken_for_ours() {
    let protocol = Protocol {
        crashes: 0,
        losses: 1,
        stranger: Stranger::Anytime,
        ..protocol([Call::Live; PHONES])
    };
    refuted(&protocol, rule_name(Rule::Settle));
}

#[test]
fn every_step_of_the_table_is_taken_or_has_its_reason() {
    let taken = Arc::new(Taken::default());
    for calls in KINDS {
        let protocol = Protocol {
            crashes: 0,
            losses: 1,
            failures: 1,
            stranger: Stranger::Before,
            taken: Arc::clone(&taken),
            ..protocol(calls)
        };
        protocol.checker().spawn_bfs().join();
    }
    let wrong: Vec<Edge> = legal()
        .into_iter()
        .filter(|edge| taken.has(*edge) == NOT_TAKEN.iter().any(|(other, _)| other == edge))
        .collect();
    assert_eq!(wrong, []);
}
// ---- the program

/// Notes every step that becomes durable.
struct Noting {
    inner: Box<dyn Journal>,
    noted: Arc<Mutex<Noted>>,
}

#[derive(Default)]
struct Noted {
    ledger: Ledger,
    steps: BTreeSet<Edge>,
}

impl Noted {
    fn take(&mut self, record: &Record) {
        if let Record::Moved {
            operation, moves, ..
        } = record
        {
            let state = &self.ledger.operations[operation];
            for (phone, event) in moves {
                let phase = &state.phases[state.position(phone).unwrap()];
                let edge = (Stage::of(phase).unwrap(), Happens::of(event));
                self.steps.insert(edge);
            }
        }
        self.ledger.apply(record).unwrap();
    }
}

impl Journal for Noting {
    fn append(&mut self, records: &[Record], at: Timestamp) -> Result<(), JournalError> {
        self.inner.append(records, at)?;
        let mut noted = self.noted.lock().unwrap();
        for record in records {
            noted.take(record);
        }
        Ok(())
    }
}

/// The program as it ships, with everything going wrong, takes no step that the model does not take.
#[test]
fn the_core_takes_no_step_that_was_not_checked() {
    let noted: Arc<Mutex<Noted>> = Arc::default();
    let (at_start, at_write) = (Arc::clone(&noted), Arc::clone(&noted));
    let seams = Seams {
        ledger: Some(Arc::new(move |replayed: &mut Ledger| {
            at_start.lock().unwrap().ledger = replayed.clone();
        })),
        journal: Some(Arc::new(move |inner: Box<dyn Journal>| {
            let noted = Arc::clone(&at_write);
            Box::new(Noting { inner, noted }) as Box<dyn Journal>
        })),
        ..Seams::default()
    };
    for seed in 1..=6 {
        let scenario = Scenario {
            seed,
            accounts: vec![AccountPlan {
                name: "lab",
                provider: ProviderKind::ArmCloud,
                phones: 12,
            }],
            hours: 0.5,
            quiet: Duration::from_secs(600),
            profile: Profile::parse("all,clock=0").unwrap(),
            ..Scenario::default()
        };
        run_with(&scenario, &seams);
    }
    let steps = &noted.lock().unwrap().steps;
    let unchecked: Vec<&Edge> = steps
        .iter()
        .filter(|edge| NOT_TAKEN.iter().any(|(other, _)| other == *edge))
        .collect();
    assert_eq!(unchecked, Vec::<&Edge>::new());
    assert!(
        steps.len() >= 12,
        "too little happened to say anything: {steps:?}"
    );
    print(&format!(
        "{} of {} steps: {steps:?}",
        steps.len(),
        legal().len()
    ));
}
