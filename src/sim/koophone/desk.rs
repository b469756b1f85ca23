//! What the vendor keeps beside the world: tasks with their jobs, and tokens.
//!
//! Invariants: a task is forgotten when its last job is; a token that ended or was revoked is never valid again. Not here: what tasks look like (`task`).

use crate::model::stamp::Timestamp;
use crate::sim::surface;
use crate::sim::world::World;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long tokens live, unless a test says otherwise.
const TOKEN_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Tasks between two rounds of forgetting.
const ROUND: u64 = 1_024;

/// What one call started.
#[derive(Debug)]
pub(super) struct Task {
    /// Its jobs, one a phone.
    pub(super) jobs: Vec<u64>,
    /// It installs an app: its jobs have statuses of their own.
    pub(super) installs: bool,
}

/// What the vendor keeps.
#[derive(Debug)]
pub(in crate::sim) struct Desk {
    tasks: BTreeMap<SmolStr, Task>,
    started: u64,
    /// Valid tokens, and when they end.
    pub(super) tokens: BTreeMap<SmolStr, Timestamp>,
    /// Tokens given so far.
    pub(super) given: u64,
    pub(super) token_life: Duration,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            tasks: BTreeMap::new(),
            started: 0,
            tokens: BTreeMap::new(),
            given: 0,
            token_life: TOKEN_LIFE,
        }
    }
}

impl Desk {
    /// Keeps a task; `first` is the first job that is still remembered. Gives the task's number.
    pub(super) fn number(&mut self, first: u64) -> u64 {
        self.started += 1;
        if self.started.is_multiple_of(ROUND) {
            self.tasks
                .retain(|_, task| task.jobs.iter().any(|job| *job >= first));
        }
        self.started
    }

    /// Keeps a task under its id.
    pub(super) fn keep(&mut self, id: SmolStr, task: Task) {
        self.tasks.insert(id, task);
    }

    /// The task of this id.
    pub(super) fn task(&self, id: &str) -> Option<&Task> {
        self.tasks.get(id)
    }
}

/// Does something at the world's desk.
pub(super) fn at<R>(world: &mut World, act: impl FnOnce(&mut Desk) -> R) -> R {
    let kept = std::mem::take(&mut world.desk);
    let mut desk = if let surface::Desk::KooPhone(desk) = kept {
        desk
    } else {
        Box::default()
    };
    let result = act(&mut desk);
    world.desk = surface::Desk::KooPhone(desk);
    result
}

impl World {
    /// Every token that was given is no longer valid, as after a change of the user's rights.
    pub fn revoke_tokens(&mut self) {
        at(self, |desk| desk.tokens.clear());
    }

    /// From now on tokens live so long.
    pub fn set_token_life(&mut self, life: Duration) {
        at(self, |desk| desk.token_life = life);
    }

    /// Tokens that were given so far.
    pub fn tokens_given(&mut self) -> u64 {
        at(self, |desk| desk.given)
    }
}
