//! What a run with one fault must have in common with the same run without it.
//!
//! Invariants: two runs are compared by what vendors saw and by their phones, never by what the program says. Not here: the invariants of every run
//! (`invariant`).

use super::{Allowed, Tried};
use crate::model::id::PhoneKey;
use crate::rehearsal::reference::Log;
use crate::sim::witness::End;
use std::collections::BTreeMap;

/// What cannot be read over any API: where a job lies about it, or it is undone behind our back, nobody can know.
const UNREADABLE: [&str; 3] = ["proxy", "location", "bandwidth"];

/// Jobs of one kind on one phone.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// That changed the phone.
    effects: u32,
    /// That did not.
    vain: u32,
    /// Those that changed the phone and were followed by a restart before the next of their kind: a restart may undo them, and makes what cannot be read
    /// unknown.
    outlived: u32,
    /// The last one has not been followed by a restart yet.
    fresh: bool,
    costly: bool,
    /// What it writes cannot be read: when the end of the job is in doubt, it has to be done again.
    blind: bool,
}

/// Jobs of ours on all phones, and what undid them.
struct Tallies {
    of: BTreeMap<(PhoneKey, String), Tally>,
    /// What may have undone work on a phone beside our own restarts: other people, copies, jobs that ran twice or reverted.
    undone: BTreeMap<PhoneKey, u32>,
    /// Jobs that claimed success and did nothing.
    lied: BTreeMap<PhoneKey, u32>,
}

impl Tallies {
    fn of(log: &Log) -> Self {
        let mut all = Self {
            of: BTreeMap::new(),
            undone: log.changed.clone(),
            lied: BTreeMap::new(),
        };
        for job in log.jobs.iter().filter(|job| job.mutates) {
            let effect = matches!(job.end, Some((_, true)));
            let phone = job.phone.clone();
            if job.copy {
                *all.undone.entry(phone).or_default() += u32::from(effect);
                continue;
            }
            if job.end == Some((End::Succeeded, false)) {
                *all.lied.entry(phone.clone()).or_default() += 1;
            }
            if effect && job.costly {
                all.restarted(&phone);
            }
            for kind in kinds(&job.work) {
                let tally = all.of.entry((phone.clone(), kind)).or_default();
                tally.costly |= job.costly;
                tally.blind |= job.blind;
                if effect {
                    tally.effects += 1;
                    tally.fresh = true;
                } else {
                    tally.vain += 1;
                }
            }
        }
        all
    }

    fn restarted(&mut self, phone: &PhoneKey) {
        let kinds = self.of.iter_mut().filter(|((of, _), _)| of == phone);
        for (_, tally) in kinds {
            tally.outlived += u32::from(tally.fresh);
            tally.fresh = false;
        }
    }

    fn get(of: &BTreeMap<PhoneKey, u32>, phone: &PhoneKey) -> u32 {
        of.get(phone).copied().unwrap_or(0)
    }
}

/// A job by each attribute that it writes: which ones share a call depends on when edits come and what was done before.
pub(in crate::rehearsal) fn kinds(work: &str) -> Vec<String> {
    match work.split_once(' ') {
        Some((call, attributes)) => attributes
            .split(' ')
            .map(|attribute| format!("{call} {attribute}"))
            .collect(),
        None => vec![work.to_owned()],
    }
}

/// Compares a run with its reference.
pub(super) fn compare(reference: &Log, log: &Log, allowed: &Allowed, tried: &mut Tried) {
    let (before, mut after) = (Tallies::of(reference), Tallies::of(log));
    phones(reference, log, &after, tried);
    after
        .of
        .retain(|(phone, _), _| reference.managed(phone) || !log.renamed.contains(phone));
    jobs(log, (&before, &after), allowed, tried);
}

/// The phones end as they did.
fn phones(reference: &Log, log: &Log, after: &Tallies, tried: &mut Tried) {
    for (phone, wanted) in &reference.phones {
        let Some(is) = log.phones.get(phone) else {
            tried
                .found
                .push(("end state", format!("{phone} is not there")));
            continue;
        };
        if log.waiting.contains_key(phone) {
            tried.waits = true;
            continue;
        }
        if !reference.managed(phone)
            && (log.renamed.contains(phone) || log.changed.contains_key(phone))
        {
            // Nobody mends a phone that nobody manages; with another code it is another phone, which somebody may.
            continue;
        }
        // A job lied, or what it wrote was undone behind our back.
        let hidden = Tallies::get(&after.lied, phone) > 0 || log.changed.contains_key(phone);
        let differing = wanted.iter().zip(is).filter(|((name, wanted), (_, is))| {
            wanted != is && !(hidden && UNREADABLE.contains(name))
        });
        for ((name, wanted), (_, is)) in differing {
            tried.found.push((
                "end state",
                format!("{phone}: {name} is {is}, without the fault it is {wanted}"),
            ));
        }
    }
}

/// No job has an effect that it does not have without the fault, unless something undid it.
fn jobs(log: &Log, (before, after): (&Tallies, &Tallies), allowed: &Allowed, tried: &mut Tried) {
    for ((phone, work), tally) in &after.of {
        let known = before.of.get(&(phone.clone(), work.clone()));
        let known = known.copied().unwrap_or_default();
        let undone = Tallies::get(&after.undone, phone);
        let renamed = u32::from(log.renamed.contains(phone));
        let restarts = tally.outlived.saturating_sub(known.outlived);
        let excuse = if tally.costly {
            undone
        } else {
            undone + renamed + restarts + u32::from(tally.blind) + allowed.live
        };
        let more = tally.effects.saturating_sub(known.effects);
        tried.again |= more > 0;
        if more > excuse {
            tried.found.push((
                "mutations",
                format!(
                    "{phone}: {work} took effect {} times, without the fault {} times, and was undone {excuse} times",
                    tally.effects, known.effects
                ),
            ));
        }
        let vain = u64::from(tally.vain.saturating_sub(known.vain));
        if vain > allowed.vain {
            tried.found.push((
                "mutations",
                format!(
                    "{phone}: {work} was tried in vain {vain} times, for {} faults",
                    allowed.vain
                ),
            ));
        }
    }
    tried.fewer |= before
        .of
        .iter()
        .any(|(key, known)| after.of.get(key).copied().unwrap_or_default().effects < known.effects);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::AccountName;
    use crate::rehearsal::reference::Done;

    fn phone() -> PhoneKey {
        PhoneKey {
            account: AccountName::new("lab"),
            phone: "AC32010000001".into(),
        }
    }

    fn job(work: &str, costly: bool, effect: bool) -> Done {
        Done {
            phone: phone(),
            work: work.to_owned(),
            blind: work.contains("proxy"),
            mutates: true,
            costly,
            copy: false,
            end: Some((if effect { End::Succeeded } else { End::Failed }, effect)),
        }
    }

    fn log(jobs: Vec<Done>) -> Log {
        let facets = vec![
            ("time zone", "Asia/Tokyo".to_owned()),
            ("proxy", "a".to_owned()),
        ];
        let mut log = Log::default();
        log.jobs = jobs;
        log.phones.insert(phone(), facets);
        log
    }

    fn found(before: &Log, after: &Log) -> Vec<&'static str> {
        let mut tried = Tried::default();
        compare(before, after, &Allowed { vain: 1, live: 0 }, &mut tried);
        tried.found.into_iter().map(|(oracle, _)| oracle).collect()
    }

    #[test]
    fn work_done_twice_is_found_unless_something_undid_it() {
        let before = log(vec![job("image", true, true), job("zone", false, true)]);
        assert_eq!(found(&before, &before), Vec::<&str>::new());
        for again in [job("image", true, true), job("zone", false, true)] {
            let mut after = before.clone();
            after.jobs.push(again);
            assert_eq!(found(&before, &after), ["mutations"]);
            after.changed.insert(phone(), 1);
            assert_eq!(found(&before, &after), Vec::<&str>::new());
        }
    }

    #[test]
    fn what_shared_a_call_may_go_alone_once_but_not_again() {
        let before = log(vec![job("asyncCmd app/a app/b", false, true)]);
        let apart = log(vec![
            job("asyncCmd app/b", false, true),
            job("asyncCmd app/a", false, true),
        ]);
        assert_eq!(found(&before, &apart), Vec::<&str>::new());
        let mut again = apart.clone();
        again.jobs.push(job("asyncCmd app/a app/b", false, true));
        assert_eq!(found(&before, &again), ["mutations", "mutations"]);
    }

    #[test]
    fn a_restart_excuses_what_it_undoes_and_no_other_restart() {
        let before = log(vec![job("image", true, true), job("zone", false, true)]);
        let after = log(vec![
            job("zone", false, true),
            job("image", true, true),
            job("zone", false, true),
        ]);
        assert_eq!(found(&before, &after), Vec::<&str>::new());
        let twice = log(vec![job("image", true, true), job("image", true, true)]);
        assert_eq!(found(&before, &twice), ["mutations"]);
    }

    #[test]
    fn attempts_in_vain_are_found_beyond_the_faults() {
        let before = log(vec![job("zone", false, true)]);
        let once = log(vec![job("zone", false, false), job("zone", false, true)]);
        assert_eq!(found(&before, &once), Vec::<&str>::new());
        let thrice = log(vec![job("zone", false, false), job("zone", false, false)]);
        assert_eq!(found(&before, &thrice), ["mutations"]);
    }

    #[test]
    fn another_end_is_found_unless_nobody_could_know_or_somebody_is_told() {
        let before = log(vec![job("zone", false, true), job("proxy", false, true)]);
        let mut after = before.clone();
        after.phones.insert(
            phone(),
            vec![
                ("time zone", "Asia/Tokyo".to_owned()),
                ("proxy", "b".to_owned()),
            ],
        );
        assert_eq!(found(&before, &after), ["end state"]);
        let mut lied = after.clone();
        lied.jobs[1].end = Some((End::Succeeded, false));
        assert_eq!(found(&before, &lied), Vec::<&str>::new());
        let mut undone = after.clone();
        undone.changed.insert(phone(), 1);
        assert_eq!(found(&before, &undone), Vec::<&str>::new());
        after.waiting.insert(phone(), "Contested".to_owned());
        assert_eq!(found(&before, &after), Vec::<&str>::new());
        after.phones.clear();
        assert_eq!(found(&before, &after), ["end state"]);
    }
}
