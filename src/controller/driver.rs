//! Performs what the core decides: journals, then calls, and feeds the answers back.
//!
//! One task owns core and journal. A turn takes every event that is there, asks the core once, appends all records in one transaction, and only then lets
//! the calls leave: that is the group commit.
//!
//! Invariants: no call leaves before its records are durable; every call gives exactly one event, even if its task panics. Not here: decisions (`core`).

use super::core::{Call, CallId, Core, Effects, Event, Work};
use crate::journal::{Journal, JournalError};
use crate::model::id::AccountName;
use crate::model::stamp::Timestamp;
use crate::provider::{Accepted, CallError, ErrorKind, Provider};
use crate::time::clock::Clock;
use futures_util::FutureExt;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Events taken in one turn, at most.
const TURN: usize = 256;

/// Performs what the core decides.
pub struct Driver {
    core: Core,
    journal: Box<dyn Journal>,
    providers: BTreeMap<AccountName, Arc<dyn Provider>>,
    clock: Arc<dyn Clock>,
    tasks: JoinSet<Event>,
    /// Something was sent that may have changed phones.
    changed: bool,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver")
            .field("core", &self.core)
            .finish_non_exhaustive()
    }
}

/// Why the driver stopped.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The journal cannot be written. Nothing that was not durable has been sent.
    #[error("the journal cannot be written")]
    Journal(#[from] JournalError),
    /// A record did not fit the ledger: a defect of phonefleet.
    #[error("a decision did not fit the journal; this is a defect of phonefleet")]
    Misfit(#[source] crate::model::record::Misfit),
}

impl Driver {
    /// Puts core, journal and providers together.
    pub fn new(
        core: Core,
        journal: Box<dyn Journal>,
        providers: BTreeMap<AccountName, Arc<dyn Provider>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            core,
            journal,
            providers,
            clock,
            tasks: JoinSet::new(),
            changed: false,
        }
    }

    /// The core.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// The core, to tell it of a new fleet, stance or event. Follow with [`Driver::turn`].
    pub fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    /// Replaces the providers, for a new fleet.
    pub fn set_providers(&mut self, providers: BTreeMap<AccountName, Arc<dyn Provider>>) {
        self.providers.extend(providers);
    }

    /// Whether something was sent that may have changed phones.
    pub fn has_changed(&self) -> bool {
        self.changed
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Decides, journals, sends.
    ///
    /// # Errors
    /// The journal cannot be written; nothing of this turn was sent then.
    pub fn turn(&mut self) -> Result<(), DriverError> {
        let now = self.clock.now();
        let effects = self.core.turn(now);
        if let Some(misfit) = self.core.broken() {
            return Err(DriverError::Misfit(misfit.clone()));
        }
        self.perform(effects, now)
    }

    fn perform(&mut self, effects: Effects, now: Timestamp) -> Result<(), DriverError> {
        if !effects.records.is_empty() {
            self.journal.append(&effects.records, now)?;
            if self.journal.should_compact() {
                self.journal.compact(self.core.ledger())?;
            }
        }
        for call in effects.calls {
            self.changed |= matches!(call.work, Work::Submit(..));
            match self.providers.get(&call.account) {
                Some(provider) => {
                    self.tasks.spawn(perform(Arc::clone(provider), call));
                }
                None => {
                    let gone = failed(
                        ErrorKind::Transient,
                        Accepted::No,
                        "the account is not open",
                    );
                    self.core.handle(answer(call.id, &call.work, gone), now);
                }
            }
        }
        Ok(())
    }

    /// Waits until something happened or time has come, takes it in, and makes a turn. Returns early, without a turn, at `until`.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub async fn step(&mut self, until: Option<Timestamp>) -> Result<(), DriverError> {
        let now = self.clock.now();
        let wake = match (self.core.wake_at(now), until) {
            (Some(wake), Some(until)) => Some(wake.min(until)),
            (wake, until) => wake.or(until),
        };
        let idle = self.tasks.is_empty();
        let wait = wake.map(|at| {
            at.since(now)
                .max(Duration::from_millis(u64::from(at > now)))
        });
        tokio::select! {
            biased;
            Some(done) = self.tasks.join_next(), if !idle => self.take(done),
            () = sleep(wait), if wait.is_some() || idle => {}
        }
        for _ in 0..TURN {
            let Some(done) = self.tasks.try_join_next() else {
                break;
            };
            self.take(done);
        }
        self.turn()
    }

    fn take(&mut self, done: Result<Event, tokio::task::JoinError>) {
        match done {
            Ok(event) => self.core.handle(event, self.clock.now()),
            // Panics are caught inside the task; what is left is a runtime that shuts down.
            Err(error) => tracing::error!(%error, "A call's task ended without an answer"),
        }
    }
}

/// Sleeps; for ever without a duration.
async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

/// Makes one call. A panic becomes an answer that may have had an effect.
async fn perform(provider: Arc<dyn Provider>, call: Call) -> Event {
    let Call { id, account, work } = call;
    let spare = work.clone();
    match AssertUnwindSafe(dispatch(provider, id, work))
        .catch_unwind()
        .await
    {
        Ok(event) => event,
        Err(_) => {
            tracing::error!(%account, "A call panicked; its outcome counts as unknown");
            answer(
                id,
                &spare,
                failed(ErrorKind::Malformed, Accepted::Maybe, "the call panicked"),
            )
        }
    }
}

async fn dispatch(provider: Arc<dyn Provider>, id: CallId, work: Work) -> Event {
    match work {
        Work::Read(request) => Event::Read(id, provider.read(&request).await),
        Work::StartRead(request) => Event::StartedRead(id, provider.start_read(&request).await),
        Work::Submit(_, order) => Event::Submitted(id, provider.submit(&order).await),
        Work::Poll(jobs) => Event::Polled(id, provider.poll(&jobs).await),
        Work::Find(_, lost) => Event::Found(id, provider.find(&lost).await),
        Work::Tidy => Event::Tidied(id, provider.tidy().await),
        Work::Renames => Event::Renames(id, provider.renames().await),
    }
}

/// The event that says a call failed.
fn answer(id: CallId, work: &Work, error: CallError) -> Event {
    match work {
        Work::Read(_) => Event::Read(id, Err(error)),
        Work::StartRead(_) => Event::StartedRead(id, Err(error)),
        Work::Submit(..) => Event::Submitted(id, Err(error)),
        Work::Poll(_) => Event::Polled(id, Err(error)),
        Work::Find(..) => Event::Found(id, Err(error)),
        Work::Tidy => Event::Tidied(id, Err(error)),
        Work::Renames => Event::Renames(id, Err(error)),
    }
}

fn failed(kind: ErrorKind, accepted: Accepted, message: &str) -> CallError {
    CallError {
        kind,
        accepted,
        code: None,
        message: message.to_owned(),
        retry_at: None,
        phones: Vec::new(),
    }
}
