//! Runs that must come out alike although they are asked for differently: by another way to the same wishes, by other words, with a pause, beside others;
//! and although vendors tell more or less of them unasked.
//!
//! Invariants: manifests go through the real loader; runs are compared by what vendors saw and by their phones. Not here: faults at points (`plans`), how
//! manifests are written otherwise (`manuscript`).

use super::network::lock;
use super::plans::{Reference, kinds};
use super::profile::Profile;
use super::run::{Outcome, run_with};
use super::scenario::{AccountPlan, Scenario};
use super::seam::Seams;
use crate::manifest::Bundle;
use crate::model::fleet::ProviderKind;
use crate::model::id::PhoneKey;
use crate::sim::callback::are_sent_by;
use crate::sim::faults::Kind;
use manuscript::Hand;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

mod manuscript;

/// Between two edits: everything is over by then.
const APART: Duration = Duration::from_secs(600);

/// Share of callbacks that each fault befalls where they must not matter.
const BEFALLEN: f64 = 0.3;

/// What an edition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// What the scenario's edition of this number says.
    Edition(u64),
    /// The same, in another hand.
    In(Hand, u64),
    /// The same, but nothing is to be done.
    Watched(u64),
    /// The same, but with an app that the vendor does not have and an image that does not exist.
    Hopeless(u64),
    /// A mistake: the edition before stays.
    Wrong(u64),
}

/// What of two runs must be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Same {
    /// The phones in the end.
    End,
    /// That, and what was done to each phone, in whichever order.
    Jobs,
    /// That, and in the same order.
    Work,
    /// That, and the number of requests.
    Requests,
}

/// A relation between runs.
struct Relation {
    name: &'static str,
    /// What the editions of the two runs say.
    runs: (Vec<Says>, Vec<Says>),
    same: Same,
}

/// Editions as the scenario has them.
fn editions(numbers: &[u64]) -> Vec<Says> {
    numbers.iter().copied().map(Says::Edition).collect()
}

/// Other ways to the same wishes.
fn ways() -> Vec<Relation> {
    vec![
        Relation {
            name: "a detour ends where the straight way ends",
            runs: (editions(&[0, 1, 2]), editions(&[0, 2])),
            same: Same::End,
        },
        Relation {
            name: "there and back ends where it began",
            runs: (editions(&[0, 1, 0]), editions(&[0])),
            same: Same::End,
        },
        Relation {
            name: "the same said again does nothing",
            runs: (editions(&[0, 1, 1, 1]), editions(&[0, 1])),
            same: Same::Work,
        },
        Relation {
            name: "a mistake changes nothing",
            runs: (
                vec![
                    Says::Edition(0),
                    Says::Edition(1),
                    Says::Wrong(2),
                    Says::Edition(1),
                ],
                editions(&[0, 1]),
            ),
            same: Same::Work,
        },
        Relation {
            name: "what cannot be had is got over",
            runs: (
                vec![
                    Says::Edition(0),
                    Says::Edition(1),
                    Says::Hopeless(1),
                    Says::Edition(1),
                ],
                editions(&[0, 1]),
            ),
            same: Same::Work,
        },
        Relation {
            name: "a pause only delays",
            runs: (
                vec![Says::Edition(0), Says::Watched(1), Says::Edition(1)],
                editions(&[0, 1]),
            ),
            same: Same::Jobs,
        },
    ]
}

/// The same in other words.
fn words() -> Vec<Relation> {
    let mut all = Vec::new();
    all.extend(Hand::ALL.into_iter().map(|hand| Relation {
        name: hand.as_str(),
        runs: (
            vec![Says::In(hand, 0), Says::In(hand, 1)],
            editions(&[0, 1]),
        ),
        same: Same::Requests,
    }));
    all.push(Relation {
        name: "rewritten with the same meaning, nothing is done",
        runs: (
            vec![
                Says::Edition(0),
                Says::In(Hand::InProfile, 0),
                Says::In(Hand::Backwards, 0),
            ],
            editions(&[0]),
        ),
        same: Same::Work,
    });
    all
}

/// A scenario of some accounts in which nothing goes wrong, with an edit for every edition after the first.
fn scenario(seed: u64, accounts: &[(&'static str, ProviderKind)], editions: usize) -> Scenario {
    let edits = u32::try_from(editions.saturating_sub(1)).unwrap_or(0);
    Scenario {
        seed,
        accounts: accounts
            .iter()
            .map(|(name, provider)| AccountPlan {
                name,
                provider: *provider,
                phones: 4 + u32::try_from(seed % 5).unwrap_or(0),
            })
            .collect(),
        hours: (APART * (edits + 1)).as_secs_f64() / 3_600.0,
        quiet: APART,
        editions: 0,
        edits: (1..=edits).map(|number| APART * number).collect(),
        record: true,
        ..Scenario::default()
    }
}

fn run_editions(reference: Reference, says: &[Says]) -> Outcome {
    let scenario = scenario(reference.seed, &[("lab", reference.provider)], says.len());
    let says = says.to_vec();
    let seams = Seams {
        manifests: Some(Arc::new(move |edition, plain| {
            let place = usize::try_from(edition).unwrap_or(usize::MAX);
            let last = says.last().copied().unwrap_or(Says::Edition(0));
            written(says.get(place).copied().unwrap_or(last), plain)
        })),
        ..Seams::default()
    };
    run_with(&scenario, &seams)
}

fn written(says: Says, plain: &dyn Fn(u64) -> Bundle) -> Bundle {
    match says {
        Says::Edition(edition) => plain(edition),
        Says::In(hand, edition) => hand.write(&plain(edition)),
        Says::Watched(edition) => changed(
            plain(edition),
            "  desired:\n",
            "  mode: observe\n  desired:\n",
        ),
        Says::Wrong(edition) => changed(plain(edition), "    timezone: ", "    timezone: Nowhere/"),
        Says::Hopeless(edition) => changed(
            plain(edition),
            "      com.example.chat: ",
            "      com.example.nobody: { app: nobody }\n      com.example.chat: ",
        ),
    }
}

/// A change of the text. What cannot be had is an app without a source for the account.
fn changed(mut bundle: Bundle, from: &str, to: &str) -> Bundle {
    const NOBODY: &str = "apiVersion: phonefleet/v1alpha1\nkind: App\nmetadata: { name: nobody }\nspec:\n  package: com.example.nobody\n  sources: [{ account: lab, appId: \"999999\" }]\n---\n";
    for file in &mut bundle.files {
        let text = String::from_utf8_lossy(&file.bytes).replace(from, to);
        let app = if to.contains("nobody") { NOBODY } else { "" };
        file.bytes = format!("{app}{text}").into_bytes().into();
    }
    bundle
}

/// What was done to each phone, in order.
fn work(outcome: &Outcome) -> BTreeMap<&PhoneKey, Vec<String>> {
    let mut all: BTreeMap<&PhoneKey, Vec<String>> = BTreeMap::new();
    for job in outcome.log.iter().flat_map(|log| &log.jobs) {
        if job.mutates {
            all.entry(&job.phone).or_default().push(job.work.clone());
        }
    }
    all
}

/// In what two runs differ that must be the same.
fn differences(same: Same, left: &Outcome, right: &Outcome) -> Vec<String> {
    let mut found: Vec<String> = [left, right]
        .iter()
        .flat_map(|outcome| &outcome.violations)
        .map(ToString::to_string)
        .collect();
    let (Some(first), Some(second)) = (&left.log, &right.log) else {
        found.push("nothing was written down".to_owned());
        return found;
    };
    for (phone, facets) in &first.phones {
        let other = second.phones.get(phone).into_iter().flatten();
        for ((name, one), (_, other)) in facets.iter().zip(other) {
            if one != other {
                found.push(format!("{phone}: {name} is {one} and {other}"));
            }
        }
    }
    if first.phones.len() != second.phones.len() {
        found.push("not the same phones".to_owned());
    }
    if same == Same::End {
        return found;
    }
    let (mut one, mut other) = (work(left), work(right));
    if same == Same::Jobs {
        let all = one.values_mut().chain(other.values_mut());
        // Which attributes share a call depends on when the edits come.
        all.for_each(|jobs| {
            *jobs = jobs.iter().flat_map(|work| kinds(work)).collect();
            jobs.sort_unstable();
        });
    }
    for phone in one.keys().chain(other.keys()) {
        let (one, other) = (one.get(phone), other.get(phone));
        if one != other {
            found.push(format!("{phone}: {one:?} was done, and {other:?}"));
        }
    }
    if same == Same::Requests && left.requests != right.requests {
        found.push(format!("{} requests and {}", left.requests, right.requests));
    }
    found.dedup();
    found
}

/// Two accounts beside each other have the same done to them as each by itself.
fn beside(reference: Reference) -> Vec<String> {
    let editions = 2;
    let (one, two) = (("lab", reference.provider), ("east", reference.provider));
    let both = run_with(
        &scenario(reference.seed, &[one, two], editions),
        &Seams::default(),
    );
    let mut found = Vec::new();
    for account in [one, two] {
        let alone = run_with(
            &scenario(reference.seed, &[account], editions),
            &Seams::default(),
        );
        let mut part = both.clone();
        if let Some(log) = &mut part.log {
            log.jobs
                .retain(|job| job.phone.account.as_str() == account.0);
            log.phones
                .retain(|phone, _| phone.account.as_str() == account.0);
        }
        found.extend(differences(Same::Work, &alone, &part));
    }
    found
}

/// Callbacks are hints (I9): the phones end the same, and the same is done to them, whether none come, all come in time, or they are lost, doubled, late,
/// forged and of foreign jobs. `None`: no callback of the provider's is known. The seams are those of all three runs.
///
/// Nothing in the program takes callbacks yet, so that now this can find only what [`Seams::receiver`] brings.
pub fn hints(reference: Reference, seams: &Seams) -> Option<Vec<String>> {
    if !are_sent_by(reference.provider) {
        return None;
    }
    let run = |callbacks: bool, share: f64| {
        let account = ("lab", reference.provider);
        let mut profile = Profile::default();
        for kind in Kind::OF_CALLBACKS {
            *profile.vendor.rate_mut(kind) = share;
        }
        let scenario = Scenario {
            callbacks,
            profile,
            ..scenario(reference.seed, &[account], 2)
        };
        run_with(&scenario, seams)
    };
    let without = run(false, 0.0);
    let mut found = Vec::new();
    for with in [run(true, 0.0), run(true, BEFALLEN)] {
        found.extend(unheeded(&without, &with));
    }
    Some(found)
}

/// In what a run with callbacks differs from one without.
fn unheeded(without: &Outcome, with: &Outcome) -> Vec<String> {
    let mut found = differences(Same::Jobs, without, with);
    if without.callbacks > 0 || with.callbacks == 0 {
        found.push("callbacks came where there are none, or none came".to_owned());
    }
    found
}

/// Something that was not the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unlike {
    /// The provider.
    pub provider: String,
    /// The seed.
    pub seed: u64,
    /// The relation.
    pub relation: &'static str,
    /// What differs.
    pub problem: String,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Pairs of runs by relation.
    pub relations: BTreeMap<&'static str, u64>,
    /// What was not the same.
    pub violations: Vec<Unlike>,
}

/// Tries every relation for each of these, so many at a time.
///
/// # Guarantees
/// The report does not depend on the number of threads.
pub fn try_all(references: &[Reference], threads: usize) -> Report {
    let queue: Mutex<VecDeque<Reference>> = Mutex::new(references.iter().copied().collect());
    let report: Mutex<Report> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let Some(reference) = lock(&queue).pop_front() else {
                        break;
                    };
                    let found = try_one(reference);
                    let mut report = lock(&report);
                    for (relation, problems) in found {
                        *report.relations.entry(relation).or_default() += 1;
                        let unlike = problems.into_iter().map(|problem| Unlike {
                            provider: reference.provider.to_string(),
                            seed: reference.seed,
                            relation,
                            problem,
                        });
                        report.violations.extend(unlike);
                    }
                }
            });
        }
    });
    let mut report = report
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    report.violations.sort();
    report
}

fn try_one(reference: Reference) -> Vec<(&'static str, Vec<String>)> {
    let mut known: Vec<(Vec<Says>, Outcome)> = Vec::new();
    let mut outcome = |says: &Vec<Says>| {
        if let Some((_, outcome)) = known.iter().find(|(of, _)| of == says) {
            return outcome.clone();
        }
        let outcome = run_editions(reference, says);
        known.push((says.clone(), outcome.clone()));
        outcome
    };
    let mut found: Vec<(&'static str, Vec<String>)> = ways()
        .iter()
        .chain(&words())
        .map(|relation| {
            let (left, right) = (outcome(&relation.runs.0), outcome(&relation.runs.1));
            (relation.name, differences(relation.same, &left, &right))
        })
        .collect();
    found.push(("accounts beside each other", beside(reference)));
    if let Some(problems) = hints(reference, &Seams::default()) {
        found.push(("callbacks change nothing", problems));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_alike_is_found() {
        let reference = Reference {
            provider: ProviderKind::ArmCloud,
            seed: 1,
        };
        let short = run_editions(reference, &[Says::Edition(0), Says::Edition(1)]);
        assert_eq!(
            differences(Same::Requests, &short, &short),
            Vec::<String>::new()
        );
        let other = run_editions(reference, &[Says::Edition(0), Says::Edition(2)]);
        assert_ne!(differences(Same::End, &short, &other), Vec::<String>::new());
        let detour = [Says::Edition(0), Says::Edition(2), Says::Edition(1)];
        let detour = run_editions(reference, &detour);
        assert_eq!(
            differences(Same::End, &short, &detour),
            Vec::<String>::new()
        );
        assert_ne!(
            differences(Same::Jobs, &short, &detour),
            Vec::<String>::new()
        );
        let mut lost = short.clone();
        lost.log.as_mut().unwrap().phones.pop_first();
        assert_eq!(
            differences(Same::End, &short, &lost),
            ["not the same phones"]
        );
    }

    /// What a receiver that believes callbacks would do: order once more, leave something undone, or spoil a phone.
    #[test]
    fn what_callbacks_bring_about_is_found() {
        let run = |callbacks| {
            let scenario = Scenario {
                callbacks,
                ..scenario(1, &[("lab", ProviderKind::ArmCloud)], 2)
            };
            run_with(&scenario, &Seams::default())
        };
        let (without, with) = (run(false), run(true));
        assert_eq!(unheeded(&without, &with), Vec::<String>::new());
        assert_ne!(
            unheeded(&without, &without),
            Vec::<String>::new(),
            "none came"
        );
        let doctored = |doctor: fn(&mut crate::rehearsal::reference::Log)| {
            let mut other = with.clone();
            doctor(other.log.as_mut().unwrap());
            unheeded(&without, &other)
        };
        let again = doctored(|log| {
            let job = log.jobs.iter().rfind(|job| job.mutates).unwrap().clone();
            log.jobs.push(job);
        });
        let undone = doctored(|log| {
            let place = log.jobs.iter().rposition(|job| job.mutates).unwrap();
            log.jobs.remove(place);
        });
        for found in [again, undone] {
            assert!(found[0].contains(" was done, and "), "{found:?}");
        }
        let spoiled = doctored(|log| {
            let facets = log.phones.values_mut().next().unwrap();
            facets[0].1 = "spoiled".to_owned();
        });
        assert!(spoiled[0].ends_with("and spoiled"), "{spoiled:?}");
    }
}
