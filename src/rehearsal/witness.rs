//! Wrappers that see every order, read and record of a process, and the disk that may fail.
//!
//! Invariants: what passes is not changed; what is durable is told before what is acknowledged. Not here: planted bugs, which sit between these (`seam`).

use super::monitor::{Happening, Monitor};
use super::network::{Errand, Life, Network, chance, lock};
use super::scenario::{CLOCK, Mischief, Point, Scenario};
use crate::journal::{Journal, JournalError};
use crate::model::capability::Capabilities;
use crate::model::id::{AccountName, PhoneId};
use crate::model::observed::{Observation, PhoneReading, ReadKind};
use crate::model::record::{Ledger, Record};
use crate::model::rename::Rename;
use crate::model::stamp::Timestamp;
use crate::provider::{
    CallError, Found, JobRef, JobReport, JobState, LostSubmit, Order, Probe, Provider, ReadRequest,
    RowOutcome, Submission,
};
use crate::time::clock::{Clock, TokioClock};
use crate::time::delay::hash;
use futures_util::future::BoxFuture;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Sees orders and reads of one account.
pub(super) struct WatchedProvider {
    inner: Arc<dyn Provider>,
    account: AccountName,
    network: Network,
}

impl WatchedProvider {
    pub(super) fn new(inner: Arc<dyn Provider>, account: AccountName, network: Network) -> Self {
        Self {
            inner,
            account,
            network,
        }
    }

    /// Marks every request that leaves while `future` is polled.
    fn escort<'a, T: 'a>(
        &'a self,
        errand: Errand,
        mut future: BoxFuture<'a, T>,
    ) -> BoxFuture<'a, T> {
        Box::pin(poll_fn(move |context| {
            self.network.on_errand(Some(errand));
            let polled = future.as_mut().poll(context);
            self.network.on_errand(None);
            polled
        }))
    }

    fn tell_asked(&self, request: &ReadRequest) {
        let now = self.network.now();
        self.network.monitor().asks(&self.account, request, now);
    }

    fn tell_read(&self, kind: ReadKind, phones: &[PhoneId], made: Timestamp) {
        let happening = Happening::Read {
            account: &self.account,
            kind,
            phones,
            made,
        };
        let now = self.network.now();
        self.network.monitor().happen(now, &happening);
    }
}

const ON_OUR_OWN: Errand = Errand {
    operation: None,
    order: false,
};

impl Provider for WatchedProvider {
    fn capabilities(&self) -> &'static Capabilities {
        self.inner.capabilities()
    }

    fn read<'a>(
        &'a self,
        request: &'a ReadRequest,
    ) -> BoxFuture<'a, Result<Observation, CallError>> {
        Box::pin(async move {
            self.tell_asked(request);
            let result = self.escort(ON_OUR_OWN, self.inner.read(request)).await;
            let made = self.network.arrived();
            if let Ok(observation) = &result {
                let told: Vec<PhoneId> = observation
                    .rows
                    .iter()
                    .map(|row| row.phone.clone())
                    .collect();
                self.tell_read(request.kind, &told, made);
            }
            result
        })
    }

    fn start_read<'a>(
        &'a self,
        request: &'a ReadRequest,
    ) -> BoxFuture<'a, Result<Submission, CallError>> {
        Box::pin(async move {
            self.tell_asked(request);
            let result = self
                .escort(ON_OUR_OWN, self.inner.start_read(request))
                .await;
            let made = self.network.arrived();
            if let Ok(submission) = &result {
                for (phone, row) in &submission.rows {
                    if let RowOutcome::Job(job) = row {
                        self.network
                            .reads_by(&self.account, job.clone(), phone.clone(), made);
                    }
                }
            }
            result
        })
    }

    fn decode_read(&self, request: &ReadRequest, phone: &PhoneId, output: &str) -> PhoneReading {
        self.inner.decode_read(request, phone, output)
    }

    fn submit<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Submission, CallError>> {
        Box::pin(async move {
            let now = self.network.now();
            let operation = {
                let mut monitor = self.network.monitor();
                let operation = monitor.view.operation_of(&self.account, order);
                let happening = Happening::Ordered {
                    account: &self.account,
                    order,
                    operation,
                };
                monitor.happen(now, &happening);
                operation
            };
            let errand = Errand {
                operation,
                order: true,
            };
            self.escort(errand, self.inner.submit(order)).await
        })
    }

    fn poll<'a>(&'a self, jobs: &'a [JobRef]) -> BoxFuture<'a, Result<Vec<JobReport>, CallError>> {
        Box::pin(async move {
            let result = self.escort(ON_OUR_OWN, self.inner.poll(jobs)).await;
            // Jobs of one command were started together: they are told together.
            let mut together: Option<(Timestamp, Vec<PhoneId>)> = None;
            for report in result.as_ref().ok().into_iter().flatten() {
                if report.state == JobState::Open {
                    continue;
                }
                let made = self.network.read_by(&self.account, report);
                let (Some(made), JobState::Succeeded(_)) = (made, &report.state) else {
                    continue;
                };
                match &mut together {
                    Some((at, phones)) if *at == made => phones.push(report.phone.clone()),
                    Some(_) | None => {
                        let next = (made, vec![report.phone.clone()]);
                        if let Some((made, phones)) = together.replace(next) {
                            self.tell_read(ReadKind::Shell, &phones, made);
                        }
                    }
                }
            }
            if let Some((made, phones)) = together {
                self.tell_read(ReadKind::Shell, &phones, made);
            }
            result
        })
    }

    fn find<'a>(&'a self, missing: &'a LostSubmit) -> BoxFuture<'a, Result<Found, CallError>> {
        self.escort(ON_OUR_OWN, self.inner.find(missing))
    }

    fn tidy(&self) -> BoxFuture<'_, Result<bool, CallError>> {
        self.escort(ON_OUR_OWN, self.inner.tidy())
    }

    fn renames(&self) -> BoxFuture<'_, Result<Vec<Rename>, CallError>> {
        self.escort(ON_OUR_OWN, self.inner.renames())
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, CallError>> {
        self.escort(ON_OUR_OWN, self.inner.probe())
    }
}

/// Which side of the seam a journal is watched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// At the disk.
    Durable,
    /// At the program.
    Acknowledged,
}

/// Sees what is written.
pub(super) struct WatchedJournal {
    pub(super) inner: Box<dyn Journal>,
    pub(super) side: Side,
    pub(super) monitor: Arc<Mutex<Monitor>>,
    pub(super) clock: TokioClock,
}

impl Journal for WatchedJournal {
    fn append(&mut self, records: &[Record], at: Timestamp) -> Result<(), JournalError> {
        self.inner.append(records, at)?;
        let mut monitor = lock(&self.monitor);
        if let (Side::Durable, Some(log)) = (self.side, &mut monitor.log) {
            log.written(records);
        }
        let happening = match self.side {
            Side::Durable => {
                monitor.counts.records += u64::try_from(records.len()).unwrap_or(0);
                Happening::Durable(records)
            }
            Side::Acknowledged => Happening::Acknowledged(records),
        };
        monitor.happen(self.clock.now(), &happening);
        Ok(())
    }

    fn should_compact(&self) -> bool {
        self.inner.should_compact()
    }

    fn compact(&mut self, ledger: &Ledger) -> Result<(), JournalError> {
        self.inner.compact(ledger)
    }
}

/// How often a run wrote its journal, for points.
#[derive(Clone, Debug, Default)]
pub(super) struct Writes(Arc<Mutex<Disk>>);

#[derive(Debug, Default)]
struct Disk {
    writes: u64,
    /// Until when it can only be read, in the world's time.
    stuck: Timestamp,
}

/// How long a disk can only be read before somebody puts it right.
const STUCK: Duration = Duration::from_secs(300);

impl Writes {
    fn next(&self) -> u64 {
        let mut disk = lock(&self.0);
        disk.writes += 1;
        disk.writes
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        lock(&self.0).writes
    }
}

/// A disk that fails, and a process that dies while it writes.
pub(super) struct MortalJournal {
    pub(super) inner: Box<dyn Journal>,
    pub(super) life: Arc<Life>,
    pub(super) network: Network,
    pub(super) writes: Writes,
    pub(super) scenario: Arc<Scenario>,
    /// Nothing goes wrong any more.
    pub(super) calm: Arc<std::sync::atomic::AtomicBool>,
}

impl MortalJournal {
    fn mischief(&self) -> Option<Mischief> {
        let number = self.writes.next();
        if self.calm.load(std::sync::atomic::Ordering::Relaxed) {
            return None;
        }
        if self.network.now() < lock(&self.writes.0).stuck {
            return Some(Mischief::ReadOnly);
        }
        let planned = self.scenario.at(Point::Write(number)).next();
        let (around, seed) = (self.scenario.profile.around, self.scenario.seed);
        let second = hash("which half", number, seed).is_multiple_of(2);
        let by_chance = if chance(around.crash_at_write, "crash-at-write", number, seed) {
            Some(if second {
                Mischief::CrashAfter
            } else {
                Mischief::CrashBefore
            })
        } else if chance(around.disk, "disk", number, seed) {
            Some(if second {
                Mischief::SyncFails
            } else {
                Mischief::DiskFull
            })
        } else {
            None
        };
        planned.or(by_chance)
    }
}

impl Journal for MortalJournal {
    fn append(&mut self, records: &[Record], at: Timestamp) -> Result<(), JournalError> {
        if self.life.is_dead() {
            return Err(failed("the process is dead"));
        }
        match self.mischief() {
            Some(Mischief::CrashBefore) => {
                self.network.count("crash before a write");
                self.life.die();
                Err(failed("the process died before it wrote"))
            }
            Some(Mischief::CrashAfter) => {
                self.network.count("crash after a write");
                self.inner.append(records, at)?;
                self.life.die();
                Err(failed("the process died when it had written"))
            }
            Some(Mischief::CrashWithClock(_)) => {
                self.network.count(CLOCK);
                self.inner.append(records, at)?;
                self.life.die();
                Err(failed("the process died when it had written"))
            }
            Some(Mischief::DiskFull) => {
                self.network.count("disk full");
                Err(failed("no space left on device"))
            }
            Some(Mischief::SyncFails) => {
                self.network.count("fsync failed");
                if at.0 % 2 == 0 {
                    self.inner.append(records, at)?;
                }
                Err(failed("input/output error"))
            }
            Some(Mischief::ReadOnly) => {
                self.network.count("read-only");
                let mut disk = lock(&self.writes.0);
                let now = self.network.now();
                if disk.stuck <= now {
                    disk.stuck = now.after(STUCK);
                }
                Err(failed("read-only file system"))
            }
            Some(told @ (Mischief::Stop | Mischief::Edit | Mischief::BadEdit)) => {
                self.life.tell(self.writes.count(), told);
                self.inner.append(records, at)
            }
            Some(
                Mischief::Refused
                | Mischief::RequestLost
                | Mischief::Delayed(_)
                | Mischief::Doubled(_)
                | Mischief::Vendor(_)
                | Mischief::Everywhere(_)
                | Mischief::CrashOnAnswer
                | Mischief::World(_),
            )
            | None => self.inner.append(records, at),
        }
    }

    fn should_compact(&self) -> bool {
        self.inner.should_compact()
    }

    fn compact(&mut self, ledger: &Ledger) -> Result<(), JournalError> {
        self.inner.compact(ledger)
    }
}

fn failed(why: &'static str) -> JournalError {
    JournalError::Storage {
        step: "write",
        path: "journal image".to_owned(),
        source: why.into(),
    }
}
