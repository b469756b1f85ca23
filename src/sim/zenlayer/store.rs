//! What only this vendor keeps: stored commands, and what was run of them.
//!
//! Invariants: a run keeps the content it was made with; ids are never used twice. Not here: what requests do with it (`zos`).

use super::Dialect;
use crate::model::stamp::Timestamp;
use crate::sim::surface::Desk;
use crate::sim::world::World;
use smol_str::{SmolStr, format_smolstr};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How long runs can be asked about; jobs are remembered as long.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// A stored command.
#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) name: SmolStr,
    pub(super) description: SmolStr,
    pub(super) content: SmolStr,
    pub(super) kind: SmolStr,
    pub(super) created: Timestamp,
    pub(super) invoked: Option<Timestamp>,
}

/// A run of a command.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) number: u64,
    pub(super) command: u64,
    pub(super) name: SmolStr,
    pub(super) content: SmolStr,
    pub(super) kind: SmolStr,
    pub(super) created: Timestamp,
    /// Phones, and the job on each.
    pub(super) instances: Vec<(u32, Work)>,
}

/// What a run is on one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// This job.
    Job(u64),
    /// This job, and no answer has a row of it.
    Untold(u64),
    /// Ended at once: exit status and what was printed as an error.
    Failed(i64, SmolStr),
}

/// Everything the vendor stores for the account.
#[derive(Debug, Default)]
pub(in crate::sim) struct Store {
    pub(super) dialect: Dialect,
    pub(super) commands: BTreeMap<u64, Command>,
    pub(super) last_command: u64,
    pub(super) runs: VecDeque<Run>,
    pub(super) last_run: u64,
}

impl Store {
    /// Forgets runs that ended long ago.
    pub(super) fn forget(&mut self, now: Timestamp) {
        let oldest = now.before(REMEMBERED);
        while self.runs.front().is_some_and(|run| run.created < oldest) {
            self.runs.pop_front();
        }
    }
}

/// The world's store; made when it is first needed.
pub(super) fn of(world: &mut World) -> &mut Store {
    if !matches!(world.desk, Desk::Zenlayer(_)) {
        world.desk = Desk::Zenlayer(Box::default());
    }
    let Desk::Zenlayer(store) = &mut world.desk else {
        unreachable!("it was just made");
    };
    store
}

/// The runs that are remembered, the oldest first.
pub(super) fn runs(world: &World) -> impl DoubleEndedIterator<Item = &Run> {
    let store = if let Desk::Zenlayer(store) = &world.desk {
        Some(store)
    } else {
        None
    };
    store.into_iter().flat_map(|store| &store.runs)
}

/// The job that a run is on a phone; 0 where it ended before any job began.
pub(super) fn job_named(world: &World, id: &str, index: u32) -> Option<u64> {
    let wanted = number(id, "inv-")?;
    let run = runs(world).find(|run| run.number == wanted)?;
    run.instances.iter().find_map(|(phone, work)| match work {
        _ if *phone != index => None,
        Work::Job(job) | Work::Untold(job) => Some(*job),
        Work::Failed(..) => Some(0),
    })
}

/// A command's id.
pub(super) fn command_id(number: u64) -> SmolStr {
    format_smolstr!("cmd-{number:06}")
}

/// A run's id.
pub(super) fn run_id(number: u64) -> SmolStr {
    format_smolstr!("inv-{number:08}")
}

/// The number in an id of this kind.
pub(super) fn number(id: &str, prefix: &str) -> Option<u64> {
    id.strip_prefix(prefix)?.parse().ok()
}

/// A time as the vendor writes it: no zone is given.
pub(super) fn time(at: Timestamp, dialect: &Dialect) -> String {
    let local = at.0.saturating_add(dialect.zone.saturating_mul(60_000));
    jiff::Timestamp::from_millisecond(local)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}
