//! Legal sequences of records out of random numbers, for property tests.
//!
//! Invariants: every sequence replays; the same numbers give the same sequence. Not here: what a controller would really do.

use crate::model::attribute::Attribute;
use crate::model::capability::{Cost, Costs};
use crate::model::condition::Cause;
use crate::model::id::{Fingerprint, JobId, OperationId, Package, PhoneId, WishDigest};
use crate::model::operation::{Intent, Phase, PhaseEvent};
use crate::model::record::{Ledger, OperationState, Record, Trouble};
use crate::model::stamp::Timestamp;
use crate::model::value::{AppWish, SecretRef, Value, Wish};
use crate::model::value::{Bypass, Proxy, ProxyEndpoint, ProxyMode, ProxyProtocol};
use std::collections::BTreeMap;

const EVENTS: usize = 14;

/// The next digit of a choice, below `count`.
fn digit(choice: &mut u64, count: u64) -> u64 {
    let digit = *choice % count;
    *choice /= count;
    digit
}

fn pick<T: Clone>(choice: &mut u64, from: &[T]) -> T {
    from[usize::try_from(digit(choice, from.len() as u64)).unwrap()].clone()
}

fn event(choice: &mut u64) -> PhaseEvent {
    let job = JobId::new(format!("job-{}", digit(choice, 50)));
    let all: [PhaseEvent; EVENTS] = [
        PhaseEvent::Accepted(job.clone()),
        PhaseEvent::Done,
        PhaseEvent::Exists(Some(job.clone())),
        PhaseEvent::Exists(None),
        PhaseEvent::Refused,
        PhaseEvent::Lost,
        PhaseEvent::Succeeded,
        PhaseEvent::Failed,
        PhaseEvent::Found(job),
        PhaseEvent::Verified,
        PhaseEvent::NoEffect,
        PhaseEvent::Settled,
        PhaseEvent::Parked,
        PhaseEvent::Resolved(digit(choice, 2) == 0),
    ];
    pick(choice, &all)
}

fn attributes() -> Vec<Attribute> {
    vec![
        Attribute::Timezone,
        Attribute::Location,
        Attribute::Proxy,
        Attribute::Property("ro.product.model".into()),
        Attribute::App(Package::new("com.example.maps")),
        Attribute::Setting("global/name with \"quotes\"".into()),
    ]
}

fn wish(attribute: &Attribute) -> Wish {
    Wish::Set(match attribute {
        Attribute::Proxy => Value::Proxy(Box::new(Proxy::Via(ProxyEndpoint {
            mode: ProxyMode::Vpn,
            protocol: ProxyProtocol::Socks5,
            host: "proxy.example".into(),
            port: 1080,
            username: None,
            password: Some(SecretRef::Env("PROXY".into())),
            bypass: Bypass::default(),
        }))),
        Attribute::App(_) => Value::App(AppWish::Absent),
        Attribute::Location => return Wish::Reset,
        Attribute::Image
        | Attribute::SimCountry
        | Attribute::Sim
        | Attribute::Property(_)
        | Attribute::Setting(_)
        | Attribute::Timezone
        | Attribute::Language
        | Attribute::Bandwidth
        | Attribute::Adb
        | Attribute::Running(_) => Value::Text("Ähnlich\u{1F4F1}".into()),
    })
}

fn intended(choice: &mut u64, number: u64) -> Record {
    let phones = digit(choice, 4) + 1;
    let attribute = pick(choice, &attributes());
    Record::Intended(Intent {
        operation: OperationId(number + 1 + digit(choice, 2)),
        identity: pick(choice, &["left".into(), "right".into()]),
        call: "updateTimeZone".into(),
        phones: (0..phones)
            .map(|n| PhoneId::new(format!("phone-{n}")))
            .collect(),
        writes: [(attribute.clone(), wish(&attribute))].into(),
        costs: Costs::of(&[Cost::Restart]),
        cause: Cause::Corrective,
        revision: "abc".into(),
        at: Timestamp(5),
    })
}

fn moved(choice: &mut u64, ledger: &Ledger) -> Option<Record> {
    let states: Vec<&OperationState> = ledger.operations.values().collect();
    if states.is_empty() {
        return None;
    }
    let state = pick(choice, &states);
    let at = Timestamp(i64::try_from(digit(choice, 1000)).unwrap());
    let event = event(choice);
    let moves: Vec<_> = state
        .intent
        .phones
        .iter()
        .zip(&state.phases)
        .filter(|(_, phase): &(_, &Phase)| phase.next(&event, at).is_ok())
        .take(1 + usize::try_from(digit(choice, 3)).unwrap())
        .map(|(phone, _)| (phone.clone(), event.clone()))
        .collect();
    (!moves.is_empty()).then_some(Record::Moved {
        operation: state.intent.operation,
        moves,
        at,
    })
}

fn trouble(choice: &mut u64) -> Trouble {
    let attribute = pick(choice, &attributes());
    match digit(choice, 3) {
        0 => Trouble::default(),
        1 => Trouble {
            failures: 3,
            last_failure: Some(Timestamp(9)),
            last_message: Some("it \"failed\"\n".to_owned()),
            ..Trouble::default()
        },
        _ => Trouble {
            no_effect: BTreeMap::from([(attribute.clone(), (WishDigest(u64::MAX), 2))]),
            corrections: BTreeMap::from([(attribute, vec![Timestamp(1), Timestamp(2)])]),
            ..Trouble::default()
        },
    }
}

fn record(mut choice: u64, ledger: &Ledger) -> Option<Record> {
    let choice = &mut choice;
    let kind = digit(choice, 13);
    if kind < 5 {
        return moved(choice, ledger);
    }
    if kind < 7 {
        return Some(intended(choice, ledger.last_operation));
    }
    let identity = pick(choice, &["left".into(), "right".into()]);
    let phone = PhoneId::new(format!("phone-{}", digit(choice, 5)));
    let attribute = pick(choice, &attributes());
    let keep = digit(choice, 2) == 0;
    Some(match kind {
        7 => Record::Asserted {
            identity,
            rows: vec![(phone, attribute, keep.then(|| Fingerprint("00ff".into())))],
        },
        8 => Record::Converged {
            identity,
            group: pick(choice, &["a".into(), "b".into()]),
            rows: vec![(
                phone,
                vec![(
                    attribute,
                    keep.then(|| WishDigest(u64::MAX - digit(choice, 2))),
                )],
            )],
            at: Timestamp(3),
        },
        9 => Record::Trouble {
            identity,
            phone,
            trouble: trouble(choice),
        },
        10 => Record::Spent {
            group: "a".into(),
            revision: pick(choice, &["1".into(), "2".into()]),
            identity,
            phones: if keep { vec![phone] } else { Vec::new() },
        },
        11 => {
            let to = PhoneId::new(format!("phone-{}", digit(choice, 7)));
            if !ledger.may_rename(&identity, &phone, &to) {
                return None;
            }
            Record::Renamed {
                identity,
                from: phone,
                to,
                at: Timestamp(4),
            }
        }
        _ => Record::Called {
            identity,
            second: i64::try_from(digit(choice, 400)).unwrap(),
            calls: u32::try_from(digit(choice, 3)).unwrap(),
        },
    })
}

/// A legal sequence, and the ledger that follows from it.
pub(crate) fn legal(choices: &[u64]) -> (Vec<Record>, Ledger) {
    let mut ledger = Ledger::default();
    let mut records = Vec::new();
    for choice in choices {
        if let Some(record) = record(*choice, &ledger) {
            ledger.apply(&record).expect("a legal record");
            records.push(record);
        }
    }
    (records, ledger)
}
