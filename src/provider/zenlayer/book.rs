//! The stored commands that this process knows, by name, and when they were used; what is left over of other processes; and the vendor's time zone, as far as
//! it could be learned.
//!
//! Invariants: a name is looked up or made by one call at a time, so that equal scripts never get two commands; nothing that was used goes before its time;
//! times by the vendor's clock are compared only once its zone is known, or when no zone on earth makes a difference. Not here: the calls (`mod`).

use super::script::Kind;
use super::wire::Command;
use crate::model::stamp::{Timestamp, millis};
use smol_str::SmolStr;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a read command of this process is kept unused: the routine readings use it again.
const READ_KEPT: Duration = Duration::from_secs(3600);
/// How long a write command of somebody else is kept unused: another process may be about to run it.
const FOREIGN_WRITE_KEPT: Duration = Duration::from_secs(600);
/// How far apart listings of what is left over are.
const LISTED_EVERY: Duration = Duration::from_secs(3600);
/// When a command is tried again that was under way.
const RUNS_FOR: Duration = Duration::from_secs(600);
/// No two clocks on earth differ by more.
pub(super) const ANY_ZONE: Duration = Duration::from_secs(14 * 3600);
/// Zones lie quarters of an hour apart.
const QUARTER: i64 = 15 * 60_000;
/// Answered submits whose creation time is waited for, at most.
const AWAITED: usize = 64;

/// A stored command as this process knows it.
#[derive(Debug)]
pub(super) struct Card {
    /// Its id, once it is known. Locked while it is looked up, made or deleted.
    pub(super) id: tokio::sync::Mutex<Option<SmolStr>>,
    used: AtomicI64,
}

impl Card {
    /// It is about to be run.
    pub(super) fn uses(&self, now: Timestamp) {
        self.used.fetch_max(now.0, Ordering::Relaxed);
    }

    fn used(&self) -> Timestamp {
        Timestamp(self.used.load(Ordering::Relaxed))
    }
}

/// A submit whose answer was lost.
#[derive(Clone, Debug)]
pub(super) struct Lost {
    /// When it was sent.
    pub(super) at: Timestamp,
    /// What was to be run.
    pub(super) command: SmolStr,
}

/// A command that is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leaving {
    pub(super) id: SmolStr,
    pub(super) name: SmolStr,
}

/// A command of ours in the vendor's list, and since when the list has told the same of it.
#[derive(Debug)]
struct Seen {
    mark: SmolStr,
    since: Timestamp,
}

#[derive(Debug, Default)]
struct State {
    cards: BTreeMap<SmolStr, Arc<Card>>,
    /// Answered submits, to learn the zone from: run, and when it was asked for.
    awaited: VecDeque<(SmolStr, Timestamp)>,
    /// What the vendor's times are ahead of UTC, in milliseconds.
    zone: Option<i64>,
    lost: VecDeque<Lost>,
    leaving: VecDeque<Leaving>,
    seen: BTreeMap<SmolStr, Seen>,
    /// Page of the listing that comes next; 0: none is under way.
    page: u32,
    /// Ids that the listing under way has told.
    told: Vec<SmolStr>,
    listed: Option<Timestamp>,
    not_before: BTreeMap<SmolStr, Timestamp>,
}

/// See the file's heading.
#[derive(Debug, Default)]
pub(super) struct Book(Mutex<State>);

/// What is to be done about leftovers now, with one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Chore {
    /// This page of our commands is to be listed.
    List(u32),
    /// This command is to be deleted.
    Delete(Leaving),
}

impl Book {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The card of a name.
    pub(super) fn card(&self, name: &SmolStr, now: Timestamp) -> Arc<Card> {
        let mut state = self.state();
        let card = state.cards.entry(name.clone()).or_insert_with(|| {
            Arc::new(Card {
                id: tokio::sync::Mutex::new(None),
                used: AtomicI64::new(now.0),
            })
        });
        let card = Arc::clone(card);
        card.uses(now);
        card
    }

    /// The card of a name, if there is one; looking does not count as use.
    pub(super) fn card_if_known(&self, name: &SmolStr) -> Option<Arc<Card>> {
        self.state().cards.get(name).cloned()
    }

    /// A submit was answered with this run.
    pub(super) fn answered(&self, run: &SmolStr, at: Timestamp) {
        let mut state = self.state();
        if state.awaited.len() == AWAITED {
            state.awaited.pop_front();
        }
        state.awaited.push_back((run.clone(), at));
    }

    /// A submit's answer was lost.
    pub(super) fn lost(&self, command: SmolStr, at: Timestamp) {
        let mut state = self.state();
        if state.lost.len() == AWAITED {
            state.lost.pop_front();
        }
        state.lost.push_back(Lost { at, command });
    }

    /// Commands of submits that were lost between these moments.
    pub(super) fn lost_commands(&self, from: Timestamp, until: Timestamp) -> Vec<SmolStr> {
        let state = self.state();
        let between = |lost: &&Lost| (from..=until).contains(&lost.at);
        let mut commands: Vec<SmolStr> = state
            .lost
            .iter()
            .filter(between)
            .map(|lost| lost.command.clone())
            .collect();
        commands.sort_unstable();
        commands.dedup();
        commands
    }

    /// The vendor tells when a run was made: what its zone is follows, if we know when we asked for it.
    pub(super) fn learn(&self, run: &str, created: Timestamp) {
        let mut state = self.state();
        let Some(place) = state.awaited.iter().position(|(known, _)| known == run) else {
            return;
        };
        let Some((_, sent)) = state.awaited.remove(place) else {
            return;
        };
        let zone = zone_of(created.0 - sent.0);
        if zone.abs() <= millis(ANY_ZONE) {
            state.zone = Some(zone);
        }
    }

    /// What the vendor's times are ahead of UTC, in milliseconds, if that was learned.
    pub(super) fn zone(&self) -> Option<i64> {
        self.state().zone
    }

    /// What is to be done about leftovers at this moment.
    pub(super) fn chore(&self, now: Timestamp) -> Option<Chore> {
        let mut state = self.state();
        if let Some(leaving) = state.leaving.pop_front() {
            return Some(Chore::Delete(leaving));
        }
        if state.page > 0 {
            return Some(Chore::List(state.page));
        }
        if let Some(leaving) = state.own(now) {
            return Some(Chore::Delete(leaving));
        }
        if state.lists_again(now) {
            state.page = 1;
            state.told.clear();
            return Some(Chore::List(1));
        }
        None
    }

    /// Whether there is something to be done about leftovers at this moment.
    pub(super) fn is_untidy(&self, now: Timestamp) -> bool {
        let mut state = self.state();
        !state.leaving.is_empty()
            || state.page > 0
            || state.own(now).is_some()
            || state.lists_again(now)
    }

    /// Takes in a page of our commands; `more`: there is another page.
    pub(super) fn listed(&self, commands: Vec<Command>, more: bool, now: Timestamp) {
        let mut state = self.state();
        for command in commands {
            state.found(&command, now);
        }
        if more {
            state.page += 1;
            return;
        }
        state.page = 0;
        state.listed = Some(now);
        let told = std::mem::take(&mut state.told);
        state.seen.retain(|id, _| told.contains(id));
    }

    /// The listing did not come about: it begins again another time.
    pub(super) fn not_listed(&self, now: Timestamp) {
        let mut state = self.state();
        state.page = 0;
        state.listed = Some(now);
    }

    /// The command is under way somewhere: it stays for now.
    pub(super) fn stays(&self, leaving: &Leaving, now: Timestamp) {
        let mut state = self.state();
        let until = now.after(RUNS_FOR);
        state.not_before.retain(|_, until| *until > now);
        state.not_before.insert(leaving.id.clone(), until);
    }

    /// The command is gone.
    pub(super) fn gone(&self, leaving: &Leaving) {
        let mut state = self.state();
        state.seen.remove(&leaving.id);
        let unused = |card: &Arc<Card>| {
            Arc::strong_count(card) == 1 && card.id.try_lock().is_ok_and(|id| id.is_none())
        };
        if state.cards.get(&leaving.name).is_some_and(unused) {
            state.cards.remove(&leaving.name);
        }
    }
}

impl State {
    /// Whether it is time to look for what others have left.
    fn lists_again(&self, now: Timestamp) -> bool {
        self.listed.is_none_or(|at| at.after(LISTED_EVERY) <= now)
    }

    /// A command of this process that nobody needs any more. Nothing is under way when this is asked, so a write command has done its work.
    fn own(&mut self, now: Timestamp) -> Option<Leaving> {
        let mut empty = Vec::new();
        let mut found = None;
        for (name, card) in &self.cards {
            let over = match Kind::of(name) {
                Some(Kind::Read) => card.used().after(READ_KEPT) <= now,
                Some(Kind::Write) | None => true,
            };
            if !over || Arc::strong_count(card) > 1 {
                continue;
            }
            let Ok(id) = card.id.try_lock() else { continue };
            match &*id {
                Some(id) if self.not_before.get(id).is_none_or(|until| *until <= now) => {
                    found = Some(Leaving {
                        id: id.clone(),
                        name: name.clone(),
                    });
                    break;
                }
                Some(_) => {}
                None => empty.push(name.clone()),
            }
        }
        for name in empty {
            self.cards.remove(&name);
        }
        found
    }

    /// A command in the vendor's list. What this process uses is not left over.
    fn found(&mut self, command: &Command, now: Timestamp) {
        let (Some(id), Some(name)) = (&command.command_id, &command.name) else {
            return;
        };
        let Some(kind) = Kind::of(name) else { return };
        let ours = self.cards.get(name).is_some_and(|card| {
            let known = card.id.try_lock();
            known.map_or(true, |known| known.as_ref().is_none_or(|known| known == id))
        });
        if ours {
            return;
        }
        self.told.push(id.clone());
        let mark = command
            .latest_invocation_time
            .as_ref()
            .or(command.create_time.as_ref())
            .cloned()
            .unwrap_or_default();
        let keep = match kind {
            Kind::Read => READ_KEPT,
            Kind::Write => FOREIGN_WRITE_KEPT,
        };
        let since = match self.seen.get(id) {
            Some(seen) if seen.mark == mark => seen.since,
            Some(_) | None => now,
        };
        let by_clock = moment(&mark).map(|at| match self.zone {
            Some(zone) => Timestamp(at.0.saturating_sub(zone)),
            None => at.after(ANY_ZONE),
        });
        let last = by_clock.map_or(since, |at| at.min(since));
        let held = self.not_before.get(id).is_some_and(|until| *until > now);
        if last.after(keep) <= now && !held {
            self.leaving.push_back(Leaving {
                id: id.clone(),
                name: name.clone(),
            });
        }
        self.seen.insert(id.clone(), Seen { mark, since });
    }
}

/// The zone that explains a difference: a whole number of quarters of an hour.
pub(super) fn zone_of(difference: i64) -> i64 {
    (difference + QUARTER / 2).div_euclid(QUARTER) * QUARTER
}

/// `YYYY-MM-DD HH:mm:ss`, as if it were UTC.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim().trim_end_matches('Z').replace('T', " ");
    let parsed = jiff::fmt::strtime::parse("%Y-%m-%d %H:%M:%S", text).ok()?;
    let zoned = parsed.to_datetime().ok()?.to_zoned(jiff::tz::TimeZone::UTC);
    Some(Timestamp(zoned.ok()?.timestamp().as_millisecond()))
}
