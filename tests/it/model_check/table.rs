//! The program's own transition table, read once into a table of small numbers: what the model moves by.
//!
//! Invariants: every cell comes from [`Phase::next`], none is written here. Not here: when an event happens (`protocol`).

use phonefleet::model::operation::{Outcome, Phase, PhaseEvent};
use phonefleet::model::stamp::Timestamp;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where an operation stands on a phone; `Idle`: the phone has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Stage {
    Idle,
    Intended,
    Submitted,
    Following,
    Unknown,
    Succeeded,
    Parked,
}

impl Stage {
    pub(super) const OPEN: [Self; 6] = [
        Self::Intended,
        Self::Submitted,
        Self::Following,
        Self::Unknown,
        Self::Succeeded,
        Self::Parked,
    ];

    fn phase(self) -> Phase {
        match self {
            Self::Idle => unreachable!("no operation has no phase"),
            Self::Intended => Phase::Intended,
            Self::Submitted => Phase::Submitted("job".into()),
            Self::Following => Phase::Following("job".into()),
            Self::Unknown => Phase::Unknown(Timestamp(1)),
            Self::Succeeded => Phase::Succeeded(Timestamp(1)),
            Self::Parked => Phase::Parked,
        }
    }

    /// The stage of a phase, or how it ended.
    pub(super) fn of(phase: &Phase) -> Result<Self, Outcome> {
        Ok(match phase {
            Phase::Intended => Self::Intended,
            Phase::Submitted(_) => Self::Submitted,
            Phase::Following(_) => Self::Following,
            Phase::Unknown(_) => Self::Unknown,
            Phase::Succeeded(_) => Self::Succeeded,
            Phase::Parked => Self::Parked,
            Phase::Closed(outcome) => return Err(*outcome),
        })
    }
}

/// What happens to one phone of an operation, without the names of jobs and people's answers spelled out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Happens {
    Accepted,
    Done,
    ExistsNamed,
    ExistsUnnamed,
    Refused,
    Lost,
    Succeeded,
    Failed,
    Found,
    Verified,
    NoEffect,
    Settled,
    Parked,
    ResolvedYes,
    ResolvedNo,
}

impl Happens {
    pub(super) const ALL: [Self; 15] = [
        Self::Accepted,
        Self::Done,
        Self::ExistsNamed,
        Self::ExistsUnnamed,
        Self::Refused,
        Self::Lost,
        Self::Succeeded,
        Self::Failed,
        Self::Found,
        Self::Verified,
        Self::NoEffect,
        Self::Settled,
        Self::Parked,
        Self::ResolvedYes,
        Self::ResolvedNo,
    ];

    fn event(self) -> PhaseEvent {
        match self {
            Self::Accepted => PhaseEvent::Accepted("job".into()),
            Self::Done => PhaseEvent::Done,
            Self::ExistsNamed => PhaseEvent::Exists(Some("job".into())),
            Self::ExistsUnnamed => PhaseEvent::Exists(None),
            Self::Refused => PhaseEvent::Refused,
            Self::Lost => PhaseEvent::Lost,
            Self::Succeeded => PhaseEvent::Succeeded,
            Self::Failed => PhaseEvent::Failed,
            Self::Found => PhaseEvent::Found("job".into()),
            Self::Verified => PhaseEvent::Verified,
            Self::NoEffect => PhaseEvent::NoEffect,
            Self::Settled => PhaseEvent::Settled,
            Self::Parked => PhaseEvent::Parked,
            Self::ResolvedYes => PhaseEvent::Resolved(true),
            Self::ResolvedNo => PhaseEvent::Resolved(false),
        }
    }

    /// The other way round. A new kind of event does not compile until the model knows it.
    pub(super) fn of(event: &PhaseEvent) -> Self {
        match event {
            PhaseEvent::Accepted(_) => Self::Accepted,
            PhaseEvent::Done => Self::Done,
            PhaseEvent::Exists(Some(_)) => Self::ExistsNamed,
            PhaseEvent::Exists(None) => Self::ExistsUnnamed,
            PhaseEvent::Refused => Self::Refused,
            PhaseEvent::Lost => Self::Lost,
            PhaseEvent::Succeeded => Self::Succeeded,
            PhaseEvent::Failed => Self::Failed,
            PhaseEvent::Found(_) => Self::Found,
            PhaseEvent::Verified => Self::Verified,
            PhaseEvent::NoEffect => Self::NoEffect,
            PhaseEvent::Settled => Self::Settled,
            PhaseEvent::Parked => Self::Parked,
            PhaseEvent::Resolved(true) => Self::ResolvedYes,
            PhaseEvent::Resolved(false) => Self::ResolvedNo,
        }
    }
}

/// A step that the table allows, or that something took.
pub(super) type Edge = (Stage, Happens);

/// What follows: another stage, or an end.
pub(super) type Next = Result<Stage, Outcome>;

const WIDTH: usize = Happens::ALL.len();
const CELLS: usize = 7 * WIDTH;

struct Table {
    next: [Option<Next>; CELLS],
    holds: [bool; 7],
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table {
        next: [None; CELLS],
        holds: [false; 7],
    };
    for stage in Stage::OPEN {
        let phase = stage.phase();
        table.holds[stage as usize] = phase.holds_phone();
        for happens in Happens::ALL {
            table.next[cell((stage, happens))] = phase
                .next(&happens.event(), Timestamp(2))
                .ok()
                .map(|next| Stage::of(&next));
        }
    }
    table
});

fn cell((stage, happens): Edge) -> usize {
    stage as usize * WIDTH + happens as usize
}

/// What follows, if the program allows it.
pub(super) fn next(edge: Edge) -> Option<Next> {
    TABLE.next[cell(edge)]
}

/// Whether no other mutating job may start on the phone.
pub(super) fn holds(stage: Stage) -> bool {
    TABLE.holds[stage as usize]
}

/// Every step that the program's table allows.
pub(super) fn legal() -> Vec<Edge> {
    let all = Stage::OPEN
        .into_iter()
        .flat_map(|stage| Happens::ALL.map(|happens| (stage, happens)));
    all.filter(|edge| next(*edge).is_some()).collect()
}

/// Steps that were taken.
#[derive(Debug)]
pub(super) struct Taken([AtomicBool; CELLS]);

impl Default for Taken {
    fn default() -> Self {
        Self([const { AtomicBool::new(false) }; CELLS])
    }
}

impl Taken {
    pub(super) fn take(&self, edge: Edge) {
        self.0[cell(edge)].store(true, Ordering::Relaxed);
    }

    pub(super) fn has(&self, edge: Edge) -> bool {
        self.0[cell(edge)].load(Ordering::Relaxed)
    }
}
