//! The course of events: what is due is done at its moment, jobs begin, end, hang or wait for their phones.
//!
//! Invariants: one open job a phone; events of one moment keep their order; a job's fate is drawn when it is accepted. Not here: what work does (`job`).

use super::faults::Kind;
use super::job::{Fate, Job, State, Work};
use super::phone::{ABNORMAL, Phone, RUNNING};
use super::report::{Costly, Report};
use super::shell::Ran;
use super::witness::Fact;
use super::world::World;
use super::{armcloud, surface};
use crate::model::stamp::Timestamp;
use crate::time::delay::jitter;
use bytes::Bytes;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a job waits for its phone.
const PARKED_AT_MOST: Duration = Duration::from_secs(600);
/// How long ended jobs can be asked about.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Something that is due.
#[derive(Debug)]
pub(super) enum Due {
    /// A job's time is over.
    End(u64),
    /// A hung job no longer occupies its phone.
    Free(u64),
    /// A job has waited long enough for its phone.
    GiveUp(u64),
    /// A phone is connected again.
    Online(u32),
    /// An abnormal phone runs again, unless it was restarted since.
    Recover(u32, u32),
    /// A phone that restarted by itself is abnormal, unless something else happened to it since.
    Fell(u32, u32),
    /// A request arrives late.
    Arrive(Box<http::Request<Bytes>>),
    /// An event of the scenario.
    Scenario(usize),
    /// A job's end becomes visible.
    Show(u64, State, Option<Ended>),
    /// A job runs a second time.
    Again(u64),
    /// What a job did is undone, if nothing else has happened to the phone since.
    Revert(Box<Phone>, u32),
    /// A phone that vanished is back, perhaps with another code.
    Return(u32, Option<SmolStr>),
}

/// What is due, by moment.
#[derive(Debug, Default)]
pub(super) struct Queue {
    due: BTreeMap<(Timestamp, u64), Due>,
    number: u64,
}

impl Queue {
    pub(super) fn push(&mut self, at: Timestamp, due: Due) {
        self.number += 1;
        self.due.insert((at, self.number), due);
    }

    fn pop(&mut self, now: Timestamp) -> Option<(Timestamp, Due)> {
        let next = self.due.first_entry()?;
        if next.key().0 > now {
            return None;
        }
        let ((at, _), due) = next.remove_entry();
        Some((at, due))
    }
}

/// What a job leaves behind.
#[derive(Debug)]
pub(super) enum Ended {
    /// A command's output.
    Ran(Ran),
    /// Why it failed.
    Because(&'static str),
}

/// What came of a submit on one phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) phone: u32,
    /// The new job, or the one that is in its way.
    pub(super) job: u64,
    /// The phone has another open job; nothing was started.
    pub(super) exists: bool,
    /// The row is left out of the answer.
    pub(super) missing: bool,
}

impl World {
    /// Lets everything happen that is due until `now`.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some((at, due)) = self.queue.pop(now) {
            self.now = self.now.max(at);
            match due {
                Due::End(job) => self.end(job),
                Due::Free(job) => self.free(job),
                Due::GiveUp(job) => self.give_up(job),
                Due::Online(index) => {
                    self.at_mut(index).connected = true;
                    self.announce_status(index);
                    self.wake(index);
                }
                Due::Recover(index, boots) => self.recovers(index, boots),
                Due::Fell(index, boots) => self.falls(index, boots),
                Due::Arrive(request) => {
                    (surface::of(self.spec.provider).answer)(self, &request);
                }
                Due::Scenario(number) => self.happen(number),
                Due::Show(job, state, text) => self.conclude(job, state, text),
                Due::Again(job) => self.run_again(job),
                Due::Revert(before, index) => self.revert(*before, index),
                Due::Return(index, code) => self.come_back(index, code),
            }
        }
        self.now = self.now.max(now);
        self.forget_jobs();
    }

    fn forget_jobs(&mut self) {
        let oldest = self.now.before(REMEMBERED);
        while self
            .jobs
            .front()
            .is_some_and(|job| job.ended.is_some_and(|ended| ended < oldest))
        {
            self.jobs.pop_front();
            self.first_job += 1;
        }
    }

    /// Starts this work on each of these phones, but on those that have an open job.
    pub(super) fn submit(&mut self, phones: &[u32], work: &Arc<Work>) -> Vec<Row> {
        let first = self.next_job();
        let costly = work.costly();
        let rows: Vec<Row> = phones
            .iter()
            .map(|index| self.accept(*index, work, costly))
            .collect();
        let accepted = self.next_job() - first;
        if let Ok(count @ 1..) = u32::try_from(accepted) {
            self.batches
                .entry(armcloud::task_type(work))
                .or_default()
                .push((first, count));
        }
        rows
    }

    fn accept(&mut self, index: u32, work: &Arc<Work>, costly: u64) -> Row {
        if let Some(job) = self.clash(index) {
            return Row {
                phone: index,
                job,
                exists: true,
                missing: false,
            };
        }
        let id = self.next_job();
        let fate = self.draw(id, index, work);
        self.jobs.push_back(Job {
            phone: index,
            work: Arc::clone(work),
            created: self.now,
            ended: None,
            fate,
            state: State::Parked,
            text: None,
            ran: None,
        });
        self.report.ends(work.name()).submitted += 1;
        self.tell_accepted(id, index, work);
        self.at_mut(index).job = Some(id);
        if costly != 0 {
            self.count_costly(index, work, costly);
        }
        let repairs = matches!(**work, Work::Restart) && self.at(index).status == ABNORMAL;
        if self.at(index).ready() || repairs {
            self.begin(id);
        } else {
            self.queue
                .push(self.now.after(PARKED_AT_MOST), Due::GiveUp(id));
        }
        Row {
            phone: index,
            job: id,
            exists: false,
            missing: self.fault(Kind::MissingRow, id),
        }
    }

    /// The job that is in the way of another on this phone; counts the attempt.
    pub(super) fn clash(&mut self, index: u32) -> Option<u64> {
        let id = self.at(index).job?;
        let job = self.job(id)?;
        let hung = job.state == State::Hung;
        match (&*job.work, hung) {
            (Work::Other, _) => {
                self.report.foreign_clashes += 1;
                return Some(id);
            }
            (_, true) => self.report.hung_clashes += 1,
            (_, false) => self.report.double_jobs += 1,
        }
        self.tell(|world| Fact::Clashed {
            phone: world.at(index).id.clone(),
            job: id,
            hung,
        });
        Some(id)
    }

    /// Does work at once, as calls do that answer their end; the job, and whether it went well.
    pub(super) fn at_once(&mut self, index: u32, work: &Arc<Work>) -> (u64, bool) {
        let id = self.next_job();
        let drawn = self.draw(id, index, work);
        let fate = match drawn {
            Fate::Hangs { .. } => Fate::Honest,
            Fate::Honest | Fate::Fails | Fate::NoEffect => drawn,
            Fate::FailsDone | Fate::Twice | Fate::Reverts | Fate::Lags => Fate::Honest,
        };
        let (good, ended) = match fate {
            Fate::Honest if self.at(index).ready() => match work.carry_out(self.at_mut(index)) {
                Ok(ran) => (true, ran.map(Ended::Ran)),
                Err(why) => (false, Some(Ended::Because(why))),
            },
            Fate::NoEffect => (true, None),
            Fate::Honest
            | Fate::Fails
            | Fate::Hangs { .. }
            | Fate::FailsDone
            | Fate::Twice
            | Fate::Reverts
            | Fate::Lags => (false, None),
        };
        self.jobs.push_back(Job {
            phone: index,
            work: Arc::clone(work),
            created: self.now,
            ended: Some(self.now),
            fate,
            state: State::Running,
            text: None,
            ran: None,
        });
        self.report.ends(work.name()).submitted += 1;
        self.tell_accepted(id, index, work);
        let state = if good {
            State::Succeeded
        } else {
            State::Failed
        };
        self.tell_end(id, state, good && fate == Fate::Honest);
        self.conclude(id, state, ended);
        (id, good)
    }

    fn draw(&mut self, id: u64, index: u32, work: &Work) -> Fate {
        if self.fault(Kind::Fail, id) || self.broken.contains(&index) {
            Fate::Fails
        } else if self.fault(Kind::Hang, id) {
            Fate::Hangs {
                effect: id.is_multiple_of(2),
            }
        } else if work.mutates() && self.fault(Kind::NoEffect, id) {
            Fate::NoEffect
        } else if self.fault(Kind::FailDone, id) {
            Fate::FailsDone
        } else if work.mutates() && self.fault(Kind::Twice, id) {
            Fate::Twice
        } else if work.mutates() && !work.restarts() && self.fault(Kind::Revert, id) {
            Fate::Reverts
        } else if self.fault(Kind::Lag, id) {
            Fate::Lags
        } else {
            Fate::Honest
        }
    }

    fn count_costly(&mut self, index: u32, work: &Work, costly: u64) {
        let phone = &mut self.phones[super::world::place(index)];
        if phone.costly == costly {
            self.report.costly_repeated += 1;
        }
        phone.costly = costly;
        let Costly {
            restarts,
            wipes,
            new_identities,
        } = self.report.costly.entry(phone.id.clone()).or_default();
        *restarts += 1;
        *wipes += u32::from(work.wipes());
        *new_identities += u32::from(work.draws_identity());
    }

    /// Another client's job, which no answer mentions.
    pub(super) fn begin_other(&mut self, index: u32, span: Duration) {
        let id = self.next_job();
        self.jobs.push_back(Job {
            phone: index,
            work: Arc::new(Work::Other),
            created: self.now,
            ended: None,
            fate: Fate::Honest,
            state: State::Running,
            text: None,
            ran: None,
        });
        self.at_mut(index).job = Some(id);
        self.queue.push(self.now.after(span), Due::End(id));
    }

    /// A parked job begins.
    fn begin(&mut self, id: u64) {
        let (job_time, seed) = (self.spec.job_time, self.spec.seed);
        let Some(job) = self.job_mut(id) else { return };
        job.state = State::Running;
        let (index, fate, work) = (job.phone, job.fate, Arc::clone(&job.work));
        let (whole, luck) = (job_time * work.weight(), self.at_mut(index).luck(seed));
        let end = self.now.after(jitter(whole, 25, work.name(), luck, seed));
        match (work.status(), fate) {
            (
                Some(status),
                Fate::Honest
                | Fate::Hangs { effect: true }
                | Fate::FailsDone
                | Fate::Twice
                | Fate::Reverts
                | Fate::Lags,
            ) => {
                self.at_mut(index).status = status;
                self.announce_status(index);
            }
            (Some(_), Fate::Fails | Fate::NoEffect | Fate::Hangs { effect: false }) | (None, _) => {
            }
        }
        self.queue.push(end, Due::End(id));
    }

    /// A phone can work again: what waits for it goes on.
    pub(super) fn wake(&mut self, index: u32) {
        let phone = self.at(index);
        let (ready, connected) = (phone.ready(), phone.connected);
        let Some(id) = phone.job else { return };
        match self.job(id).map(|job| job.state) {
            Some(State::Parked) if ready => self.begin(id),
            Some(State::Cut) if connected => self.end(id),
            Some(_) | None => {}
        }
    }

    fn give_up(&mut self, id: u64) {
        let now = self.now;
        let Some(job) = self.job_mut(id) else { return };
        if job.state != State::Parked {
            return;
        }
        job.state = State::TimedOut;
        job.ended = Some(now);
        job.text = Some("instance not ready".into());
        let (index, work) = (job.phone, Arc::clone(&job.work));
        self.report.ends(work.name()).timed_out += 1;
        self.tell_end(id, State::TimedOut, false);
        let why = Ended::Because("instance not ready");
        self.announce_end(id, State::TimedOut, Some(&why));
        let phone = self.at_mut(index);
        phone.job = None;
        if work.restarts() {
            phone.costly = 0;
        }
    }

    fn free(&mut self, id: u64) {
        let Some(index) = self.job(id).map(|job| job.phone) else {
            return;
        };
        if self.at(index).job == Some(id) {
            self.at_mut(index).job = None;
        }
    }

    /// A job's time is over.
    fn end(&mut self, id: u64) {
        let Some(job) = self.job(id) else { return };
        let (index, fate, work) = (job.phone, job.fate, Arc::clone(&job.work));
        if !self.at(index).connected {
            if let Some(job) = self.job_mut(id) {
                job.state = State::Cut;
            }
            return;
        }
        let before = matches!(fate, Fate::Reverts).then(|| self.at(index).clone());
        let (state, text) = match fate {
            Fate::Honest | Fate::Twice | Fate::Reverts | Fate::Lags => {
                self.carry_out(index, &work, id)
            }
            Fate::Fails => (State::Failed, Some(Ended::Because(failure(&work)))),
            Fate::FailsDone => {
                self.carry_out(index, &work, id);
                (State::Failed, Some(Ended::Because(failure(&work))))
            }
            Fate::NoEffect => (State::Succeeded, None),
            Fate::Hangs { effect } => {
                if effect {
                    self.carry_out(index, &work, id);
                }
                (State::Hung, None)
            }
        };
        self.tell_end(id, state, self.has_effect(fate, state, &work));
        self.announce_end(id, state, text.as_ref());
        if let Some(before) = before {
            let at = self.now.after(self.faults.revert_after.0);
            self.queue.push(at, Due::Revert(Box::new(before), index));
        }
        if fate == Fate::Twice {
            let at = self.now.after(self.spec.job_time);
            self.queue.push(at, Due::Again(id));
        }
        if fate == Fate::Lags {
            let at = self.now.after(self.faults.lag_by.0);
            self.queue.push(at, Due::Show(id, state, text));
        } else {
            self.conclude(id, state, text);
        }
        if state == State::Hung {
            let free = self.now.after(self.faults.hang_for.0);
            self.queue.push(free, Due::Free(id));
        } else {
            self.at_mut(index).job = None;
        }
        if self.fault(Kind::Offline, id) {
            self.cut_off(index, self.faults.offline_for.0);
        }
    }

    fn conclude(&mut self, id: u64, state: State, ended: Option<Ended>) {
        let now = self.now;
        let Some(job) = self.job_mut(id) else { return };
        job.state = state;
        match ended {
            Some(Ended::Ran(ran)) => {
                job.text = Some(ran.all.as_str().into());
                job.ran = Some(Box::new(ran));
            }
            Some(Ended::Because(why)) => job.text = Some(why.into()),
            None => {}
        }
        job.ended = (state != State::Hung).then_some(now);
        let (index, fate, name) = (job.phone, job.fate, job.work.name());
        let costly = job.work.restarts();
        let in_vain = match state {
            State::Succeeded => fate == Fate::NoEffect,
            State::Hung => fate == (Fate::Hangs { effect: false }),
            State::Failed | State::TimedOut | State::Parked | State::Running | State::Cut => {
                fate != Fate::FailsDone
            }
        };
        if costly && in_vain {
            self.phones[super::world::place(index)].costly = 0;
        }
        let ends = self.report.ends(name);
        match (state, fate) {
            (State::Succeeded, Fate::NoEffect) => ends.without_effect += 1,
            (State::Succeeded, _) => ends.succeeded += 1,
            (State::Hung, _) => ends.hung += 1,
            (State::Failed | State::TimedOut | State::Parked | State::Running | State::Cut, _) => {
                ends.failed += 1;
            }
        }
    }

    /// Whether a job of this fate that ended like this changed its phone.
    fn has_effect(&self, fate: Fate, state: State, work: &Work) -> bool {
        match fate {
            Fate::Honest | Fate::Twice | Fate::Reverts | Fate::Lags => {
                // A phone that is abnormal after its restart has restarted.
                state == State::Succeeded || work.restarts()
            }
            Fate::Hangs { effect } => effect,
            Fate::FailsDone => true,
            Fate::Fails | Fate::NoEffect => false,
        }
    }

    /// A job runs a second time, unseen, unless the phone has another one by then.
    fn run_again(&mut self, id: u64) {
        let Some((index, work)) = self.job(id).map(|job| (job.phone, Arc::clone(&job.work))) else {
            return;
        };
        if self.at(index).job.is_none() && self.at(index).ready() {
            self.carry_out(index, &work, id);
            self.tell(|world| Fact::Changed {
                phone: world.at(index).id.clone(),
            });
        }
    }

    /// Puts back what a job wrote, unless the phone has booted or has another job.
    fn revert(&mut self, before: Phone, index: u32) {
        let phone = self.at(index);
        if phone.job.is_some() || phone.boots != before.boots {
            return;
        }
        let phone = self.at_mut(index);
        let past = std::mem::take(&mut phone.past);
        let (status, connected, id) = (phone.status, phone.connected, phone.id.clone());
        *phone = Phone {
            status,
            connected,
            id,
            job: None,
            past,
            ..before
        };
        self.tell(|world| Fact::Changed {
            phone: world.at(index).id.clone(),
        });
    }

    /// Does the work; what its phone is like afterwards.
    fn carry_out(&mut self, index: u32, work: &Work, id: u64) -> (State, Option<Ended>) {
        let done = match work.mutates() {
            true => work.carry_out(self.at_mut(index)),
            false => work.carry_out(&mut self.phones[super::world::place(index)]),
        };
        if !work.restarts() {
            return match done {
                Ok(ran) => (State::Succeeded, ran.map(Ended::Ran)),
                Err(why) => (State::Failed, Some(Ended::Because(why))),
            };
        }
        self.report.restarts += 1;
        self.report.wipes += u64::from(work.wipes());
        self.report.new_identities += u64::from(work.draws_identity());
        if self.fault(Kind::Abnormal, id) {
            let boots = self.at(index).boots;
            self.at_mut(index).status = ABNORMAL;
            self.announce_status(index);
            let again = self.now.after(self.faults.abnormal_for.0);
            self.queue.push(again, Due::Recover(index, boots));
            return (
                State::Failed,
                Some(Ended::Because("instance abnormal after restart")),
            );
        }
        self.at_mut(index).status = RUNNING;
        self.announce_status(index);
        (State::Succeeded, done.ok().flatten().map(Ended::Ran))
    }

    /// Counts one call of a path.
    pub(super) fn count_call(&mut self, path: &str) {
        self.report.calls += 1;
        Report::count(&mut self.report.calls_by_path, path);
    }
}

/// What the vendor writes to a job that fails.
fn failure(work: &Work) -> &'static str {
    match work {
        Work::Restart => "restart failed",
        Work::Reset => "reset failed",
        Work::Install(_) | Work::Push(_) => "Failure [INSTALL_FAILED_INSUFFICIENT_STORAGE]",
        Work::Uninstall(_) => "Failure [DELETE_FAILED_INTERNAL_ERROR]",
        Work::Shell(_) => "execute command failed",
        Work::TimeZone(_)
        | Work::Language(_)
        | Work::Gps(_)
        | Work::Properties { .. }
        | Work::Sim(_)
        | Work::SimByCountry { .. }
        | Work::AndroidProperties { .. }
        | Work::Proxy(_)
        | Work::Bandwidth(_)
        | Work::Adb(_)
        | Work::Upgrade { .. }
        | Work::Start(_)
        | Work::Stop(_)
        | Work::Other => "command execution failed",
    }
}
