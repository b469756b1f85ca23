//! Tests of batching, the rules one by one and against a plain model. Invariants: each name states a rule. Not here: what a phone is due for.

use super::*;
use crate::model::attribute::Attribute;
use crate::model::value::{Value, Wish};
use proptest::prelude::*;

const SIZE: usize = 10;
const HOLD: Duration = Duration::from_secs(10);

fn key(call: CallName, value: u32, cause: Cause) -> BatchKey {
    let wish = Wish::Set(Value::Text(value.to_string().into()));
    BatchKey {
        payload: Arc::new(Payload {
            call,
            writes: Arc::from([(Attribute::Timezone, wish)]),
            app: None,
            image: None,
        }),
        costs: Costs::NONE,
        cause,
    }
}

fn zone(value: u32) -> BatchKey {
    key("zone", value, Cause::Intended)
}

fn phone(number: u32) -> PhoneId {
    PhoneId::new(format!("p{number:04}"))
}

fn due(key: BatchKey) -> Standing {
    Standing {
        due: Some(key),
        coming: Vec::new(),
    }
}

fn coming(key: BatchKey) -> Standing {
    Standing {
        due: None,
        coming: vec![key],
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1000)
}

fn ready(batches: &Batches, now: i64) -> Option<Ready> {
    batches.ready((at(now), at(now)), |_| SIZE, |_| HOLD)
}

fn names(ready: &Ready) -> Vec<&str> {
    ready.phones.iter().map(PhoneId::as_str).collect()
}

/// Takes everything that may go now, one batch after the other.
fn drain(batches: &mut Batches, now: i64) -> Vec<Ready> {
    let mut sent = Vec::new();
    while let Some(batch) = ready(batches, now) {
        for phone in &batch.phones {
            batches.set(phone, Standing::default(), at(now));
        }
        sent.push(batch);
    }
    sent
}

#[test]
fn a_partial_batch_goes_at_once_when_nobody_is_coming() {
    let mut batches = Batches::default();
    batches.set(&phone(2), due(zone(1)), at(0));
    batches.set(&phone(1), due(zone(1)), at(0));
    let batch = ready(&batches, 0).unwrap();
    assert_eq!(names(&batch), ["p0001", "p0002"]);
    assert_eq!(batch.key, zone(1));
}

#[test]
fn a_partial_batch_waits_for_those_who_come_but_not_longer_than_the_hold() {
    let mut batches = Batches::default();
    batches.set(&phone(1), due(zone(1)), at(0));
    batches.set(&phone(2), coming(zone(1)), at(0));
    assert_eq!(ready(&batches, 9), None);
    assert_eq!(batches.next_release(|_| HOLD), Some(at(10)));
    assert_eq!(names(&ready(&batches, 10).unwrap()), ["p0001"]);
    batches.set(&phone(2), due(zone(1)), at(9));
    assert_eq!(ready(&batches, 9).unwrap().phones.len(), 2);
    assert_eq!(batches.next_release(|_| HOLD), None);
}

#[test]
fn nobody_waits_for_a_phone_that_no_longer_comes() {
    let mut batches = Batches::default();
    batches.set(&phone(1), due(zone(1)), at(0));
    batches.set(&phone(2), coming(zone(1)), at(0));
    batches.set(&phone(2), Standing::default(), at(1));
    assert!(ready(&batches, 1).is_some());
}

#[test]
fn a_full_batch_waits_for_nobody() {
    let mut batches = Batches::default();
    for number in 0..12 {
        batches.set(&phone(number), due(zone(1)), at(0));
    }
    batches.set(&phone(99), coming(zone(1)), at(0));
    assert_eq!(ready(&batches, 0).unwrap().phones.len(), SIZE);
    let sent = drain(&mut batches, 0);
    assert_eq!(sent.len(), 1);
    assert_eq!(batches.due(), 2);
}

#[test]
fn full_ones_go_first_then_those_due_longest() {
    let mut batches = Batches::default();
    batches.set(&phone(50), due(zone(2)), at(0));
    batches.set(&phone(51), due(zone(3)), at(1));
    for number in 0..10 {
        batches.set(&phone(number), due(zone(1)), at(2));
    }
    let order: Vec<_> = drain(&mut batches, 2)
        .into_iter()
        .map(|batch| batch.key)
        .collect();
    assert_eq!(order, [zone(1), zone(2), zone(3)]);
}

#[test]
fn user_caused_goes_before_repairs() {
    let mut batches = Batches::default();
    for number in 0..10 {
        let repair = key("aaa", 1, Cause::Corrective);
        batches.set(&phone(number), due(repair), at(0));
    }
    batches.set(&phone(20), due(zone(2)), at(5));
    assert_eq!(ready(&batches, 5).unwrap().key, zone(2));
}

#[test]
fn phones_due_longest_go_first() {
    let mut batches = Batches::default();
    for number in 0..12 {
        let since = if number >= 2 { 0 } else { 1 };
        batches.set(&phone(number), due(zone(1)), at(since));
    }
    let batch = ready(&batches, 1).unwrap();
    assert_eq!(names(&batch)[0], "p0002");
}

#[test]
fn a_phone_keeps_its_place_while_it_is_due_for_the_same() {
    let mut batches = Batches::default();
    batches.set(&phone(1), due(zone(1)), at(0));
    batches.set(&phone(2), coming(zone(1)), at(0));
    batches.set(&phone(1), due(zone(1)), at(8));
    assert!(ready(&batches, 10).is_some());
    batches.set(&phone(1), due(zone(2)), at(10));
    batches.set(&phone(2), coming(zone(2)), at(10));
    assert_eq!(ready(&batches, 19), None);
}

#[test]
fn halves_go_apart_until_the_one_is_found() {
    let bad = phone(6);
    let mut batches = Batches::default();
    for number in 0..8 {
        batches.set(&phone(number), due(zone(1)), at(0));
    }
    // More phones of the same key come: they are not mixed with the suspects, and the suspects are not held for them.
    batches.set(&phone(70), coming(zone(1)), at(0));
    let mut calls = 0;
    let mut done = Vec::new();
    let found = loop {
        let Some(batch) = batches.ready((at(60), at(60)), |_| 8, |_| HOLD) else {
            break None;
        };
        calls += 1;
        if batch.phones == [bad.clone()] {
            break Some(batch);
        }
        if batch.phones.contains(&bad) {
            batches.split(&batch.phones);
        } else {
            for phone in &batch.phones {
                batches.mend(phone);
                batches.set(phone, Standing::default(), at(60));
            }
            done.extend(batch.phones);
        }
    };
    assert!(found.is_some());
    assert_eq!(done.len() + batches.due(), 8);
    // 8 → 4 → 2 → 1, and the good half of each.
    assert!(calls <= 7, "{calls} calls");
    assert!(batches.is_apart(&bad));
    batches.mend(&bad);
    assert!(!batches.is_apart(&bad));
}

#[test]
fn what_is_gone_leaves_nothing_behind() {
    let mut batches = Batches::default();
    for number in 0..30 {
        batches.set(&phone(number), due(zone(number % 3)), at(0));
        batches.set(&phone(100 + number), coming(zone(number % 3)), at(0));
    }
    for number in 0..30 {
        batches.set(&phone(number), Standing::default(), at(1));
        batches.set(&phone(100 + number), Standing::default(), at(1));
    }
    assert!(batches.is_idle());
    assert!(batches.keys.is_empty() && batches.files.is_empty() && batches.shelves.is_empty());
    assert!(batches.by_phone.is_empty());
}

#[test]
fn a_hundred_thousand_payloads_of_their_own_are_no_trouble() {
    let mut batches = Batches::default();
    let count = 100_000;
    for number in 0..count {
        batches.set(&phone(number), due(zone(number)), at(i64::from(number % 7)));
    }
    let mut sent = 0;
    while let Some(batch) = ready(&batches, 10) {
        sent += batch.phones.len();
        batches.set(&batch.phones[0], Standing::default(), at(10));
    }
    assert_eq!(sent, 100_000);
}

#[derive(Clone, Debug)]
enum Step {
    Due(u32, u32),
    Coming(u32, u32),
    Idle(u32),
    Send,
    Split,
    Mend(u32),
    Pass(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let phone = 0..25u32;
    let key = 0..4u32;
    let step = prop_oneof![
        6 => (phone.clone(), key.clone()).prop_map(|(phone, key)| Step::Due(phone, key)),
        2 => (phone.clone(), key).prop_map(|(phone, key)| Step::Coming(phone, key)),
        1 => phone.clone().prop_map(Step::Idle),
        2 => Just(Step::Send),
        1 => Just(Step::Split),
        1 => phone.prop_map(Step::Mend),
        2 => (1..6i64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..120)
}

/// What is due, kept plainly: phone → key and since when; phones that come, by key.
#[derive(Default)]
struct Model {
    due: BTreeMap<PhoneId, (BatchKey, Timestamp)>,
    coming: BTreeMap<PhoneId, BatchKey>,
}

impl Model {
    fn set(&mut self, phone: &PhoneId, standing: &Standing, now: Timestamp) {
        self.coming.remove(phone);
        match &standing.due {
            Some(key) => {
                let since = match self.due.get(phone) {
                    Some((old, since)) if old == key => *since,
                    _ => now,
                };
                self.due.insert(phone.clone(), (key.clone(), since));
            }
            None => {
                self.due.remove(phone);
            }
        }
        if let Some(key) = standing.coming.first() {
            self.coming.insert(phone.clone(), key.clone());
        }
    }

    /// Whether anything may go, by the rules said plainly (parts apart).
    fn may_go(&self, batches: &Batches, now: Timestamp) -> bool {
        let mut whole: BTreeMap<&BatchKey, (usize, Timestamp)> = BTreeMap::new();
        for (phone, (key, since)) in &self.due {
            if batches.is_apart(phone) {
                return true;
            }
            let lot = whole.entry(key).or_insert((0, *since));
            *lot = (lot.0 + 1, lot.1.min(*since));
        }
        whole.iter().any(|(key, (count, since))| {
            *count >= SIZE
                || since.after(HOLD) <= now
                || !self.coming.values().any(|other| other == *key)
        })
    }
}

proptest! {
    #[test]
    fn no_phone_is_lost_doubled_or_held_too_long(steps in steps()) {
        let mut batches = Batches::default();
        let mut model = Model::default();
        let mut now = at(0);
        let mut last: Option<Ready> = None;
        let set = |batches: &mut Batches, model: &mut Model, phone: &PhoneId, standing: Standing, now| {
            model.set(phone, &standing, now);
            batches.set(phone, standing, now);
        };
        for step in steps {
            match step {
                Step::Due(number, value) => set(&mut batches, &mut model, &phone(number), due(zone(value)), now),
                Step::Coming(number, value) => set(&mut batches, &mut model, &phone(number), coming(zone(value)), now),
                Step::Idle(number) => set(&mut batches, &mut model, &phone(number), Standing::default(), now),
                Step::Mend(number) => batches.mend(&phone(number)),
                Step::Pass(seconds) => now = now.after(Duration::from_secs(seconds.unsigned_abs())),
                Step::Split => if let Some(batch) = &last { batches.split(&batch.phones) },
                Step::Send => {
                    if let Some(batch) = batches.ready((now, now), |_| SIZE, |_| HOLD) {
                        for phone in &batch.phones {
                            set(&mut batches, &mut model, phone, Standing::default(), now);
                        }
                        last = Some(batch);
                    }
                }
            }
            prop_assert_eq!(batches.due(), model.due.len());
            let ready = batches.ready((now, now), |_| SIZE, |_| HOLD);
            prop_assert_eq!(ready.is_some(), model.may_go(&batches, now));
            if let Some(batch) = ready {
                prop_assert!(!batch.phones.is_empty() && batch.phones.len() <= SIZE);
                prop_assert!(batch.phones.is_sorted());
                for phone in &batch.phones {
                    prop_assert_eq!(&model.due[phone].0, &batch.key);
                }
            }
        }
        // Everything that is due goes in the end, each phone once.
        let due = model.due.len();
        let sent = drain(&mut batches, 1_000_000);
        prop_assert_eq!(sent.iter().map(|batch| batch.phones.len()).sum::<usize>(), due);
        prop_assert!(batches.is_idle());
    }

    #[test]
    fn the_order_of_insertion_does_not_matter(
        mut phones in prop::collection::btree_map(0..40u32, 0..3u32, 0..40).prop_map(|map| map.into_iter().collect::<Vec<_>>()),
        seed in any::<u64>(),
    ) {
        let fill = |phones: &[(u32, u32)]| {
            let mut batches = Batches::default();
            for (number, value) in phones {
                batches.set(&phone(*number), due(zone(*value)), at(0));
            }
            drain(&mut batches, 0)
        };
        let first = fill(&phones);
        let mut state = seed;
        phones.sort_by_cached_key(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state
        });
        prop_assert_eq!(fill(&phones), first);
    }
}

#[test]
fn a_batch_whose_turn_comes_later_lets_others_go_first() {
    let mut batches = Batches::default();
    for number in 0..10 {
        batches.set(&phone(number), due(zone(1)), at(60));
    }
    batches.set(&phone(10), due(zone(2)), at(5));
    let phones = |turn: i64| {
        let ready = batches.ready((at(5), at(turn)), |_| SIZE, |_| HOLD);
        ready.map(|ready| ready.phones.len())
    };
    // A full one is not in the way of the one phone whose turn has come.
    assert_eq!(
        [phones(4), phones(5), phones(60)],
        [None, Some(1), Some(10)]
    );
}
