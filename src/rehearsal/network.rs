//! What happens to requests and answers on their way.
//!
//! Invariants: the network outlives the client: what has left arrives, late or twice if so be it, whether or not anybody still waits; what happens in the
//! worlds is told to the monitor in the order of time; a dead process sends nothing. Not here: what vendors answer (`sim`), who
//! sends what (`witness`), how a client waits (`line`).

use super::monitor::{Happening, Monitor, Request};
use super::post::Post;
use super::profile::Disturbances;
use super::scenario::{BEGINNING, Mischief, Point, Scenario};
use super::seam::Receiver;
use crate::model::id::{AccountName, JobId, OperationId, PhoneId};
use crate::model::stamp::Timestamp;
use crate::provider::JobReport;
use crate::sim::faults::Kind;
use crate::sim::witness::Fact;
use crate::sim::world::World;
use crate::sim::{Handled, Outcome, Simulator};
use crate::time::clock::{Clock, TokioClock};
use crate::time::delay::hash;
use crate::transport::Effect;
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Requests arrive this late at most: a request's life is a minute.
const LATEST: u64 = 55_000;
/// Calls that store something at the vendor, touch no phone, and come before the one that does.
const PREPARING: [&str; 2] = ["zos/CreateCommand", "CreateApp"];
/// Copies arrive this late at most.
const LATEST_COPY: u64 = 50_000;

/// Whether the process lives, and what it was told.
#[derive(Debug, Default)]
pub(super) struct Life {
    dead: AtomicBool,
    told: Mutex<Vec<(u64, Mischief)>>,
    called: Notify,
}

impl Life {
    /// It dies now.
    pub(super) fn die(&self) {
        self.dead.store(true, Ordering::Relaxed);
        self.called.notify_one();
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// It is told of something that happens round it, at the point of this number.
    pub(super) fn tell(&self, number: u64, what: Mischief) {
        lock(&self.told).push((number, what));
        self.called.notify_one();
    }

    /// Waits until it dies or is told something.
    pub(super) async fn called(&self) {
        self.called.notified().await;
    }

    /// What it was told since this was asked last.
    pub(super) fn told(&self) -> Vec<(u64, Mischief)> {
        std::mem::take(&mut lock(&self.told))
    }
}

/// Locks, also after a panic elsewhere.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a request is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Errand {
    /// The operation it carries out.
    pub(super) operation: Option<OperationId>,
    /// It belongs to an order.
    pub(super) order: bool,
}

/// The network between one client and all vendors.
#[derive(Clone)]
pub(super) struct Network {
    inner: Arc<Inner>,
}

struct Inner {
    wire: Mutex<Wire>,
    monitor: Arc<Mutex<Monitor>>,
    clock: TokioClock,
    errand: Mutex<Option<Errand>>,
    /// When the request arrived whose answer was handed to the client last.
    arrived: Mutex<Timestamp>,
    /// Jobs that read, and when they were started: they outlive the edition that started them.
    reading: Mutex<FxHashMap<(AccountName, JobId, PhoneId), Timestamp>>,
    /// Where callbacks go.
    post: Mutex<Post>,
}

/// What is under way, and what goes wrong.
struct Wire {
    hosts: BTreeMap<String, AccountName>,
    worlds: BTreeMap<AccountName, Simulator>,
    due: BTreeMap<(Timestamp, u64), Delivery>,
    deliveries: u64,
    points: u64,
    seed: u64,
    around: Disturbances,
    mischief: Vec<(u64, Mischief)>,
    faults: BTreeMap<&'static str, u64>,
}

/// A request that will arrive.
struct Delivery {
    number: u64,
    copy: u32,
    account: AccountName,
    http: Arc<http::Request<Bytes>>,
    vendor: Option<(Kind, bool)>,
    slot: Slot,
}

/// Where the answer is put.
pub(super) type Slot = Arc<Mutex<Option<Handled>>>;

/// What became of a request that the client sent.
pub(super) enum Passage {
    /// The process was dead, or died of it.
    Dead,
    /// The connection is refused.
    Refused,
    /// It is lost.
    Lost,
    /// It is under way.
    Sent(Sent),
}

/// A request that is under way.
pub(super) struct Sent {
    number: u64,
    pub(super) slot: Slot,
    pub(super) arrives: Timestamp,
    /// The process dies when the answer is there.
    pub(super) fatal: bool,
}

impl Network {
    pub(super) fn new(
        scenario: &Scenario,
        worlds: &BTreeMap<AccountName, Simulator>,
        monitor: Arc<Mutex<Monitor>>,
        clock: TokioClock,
    ) -> Self {
        let mischief = scenario
            .mischief
            .iter()
            .filter_map(|(point, mischief)| match point {
                Point::Request(number) => Some((*number, *mischief)),
                Point::Write(_) | Point::Wait(_) => None,
            });
        let hosts = worlds.keys().flat_map(|name| {
            let hosts = [super::text::host, super::text::login_host];
            hosts.map(|host| (host(name.as_str()), name.clone()))
        });
        let wire = Wire {
            hosts: hosts.collect(),
            worlds: worlds.clone(),
            due: BTreeMap::new(),
            deliveries: 0,
            points: 0,
            seed: scenario.seed,
            around: scenario.profile.around,
            mischief: mischief.collect(),
            faults: BTreeMap::new(),
        };
        Self {
            inner: Arc::new(Inner {
                wire: Mutex::new(wire),
                monitor,
                clock,
                errand: Mutex::new(None),
                arrived: Mutex::new(BEGINNING),
                reading: Mutex::default(),
                post: Mutex::default(),
            }),
        }
    }

    /// The world's time.
    pub(super) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Lets everything arrive that is due, and the worlds come to this moment.
    pub(super) fn pump(&self) {
        let now = self.now();
        let mut wire = lock(&self.inner.wire);
        self.arrive(&mut wire, now);
        for (account, world) in &wire.worlds {
            self.tell_facts(account, world, now);
        }
    }

    /// Nothing goes wrong on the way any more.
    pub(super) fn calm(&self) {
        let mut wire = lock(&self.inner.wire);
        wire.around = Disturbances::default();
        wire.mischief.clear();
    }

    /// Faults that happened on the way, by kind.
    pub(super) fn faults(&self) -> BTreeMap<&'static str, u64> {
        let mut faults = lock(&self.inner.wire).faults.clone();
        lock(&self.inner.post).report(&mut faults);
        faults
    }

    /// Counts a fault that happened elsewhere.
    pub(super) fn count(&self, kind: &'static str) {
        *lock(&self.inner.wire).faults.entry(kind).or_default() += 1;
    }

    /// The monitor.
    pub(super) fn monitor(&self) -> MutexGuard<'_, Monitor> {
        lock(&self.inner.monitor)
    }

    /// The monitor, to be kept.
    pub(super) fn shared_monitor(&self) -> Arc<Mutex<Monitor>> {
        Arc::clone(&self.inner.monitor)
    }

    /// What the next requests are sent for.
    pub(super) fn on_errand(&self, errand: Option<Errand>) {
        *lock(&self.inner.errand) = errand;
    }

    /// When the request arrived whose answer was handed to the client last: asked in the same breath, it is the asker's own.
    pub(super) fn arrived(&self) -> Timestamp {
        *lock(&self.inner.arrived)
    }

    /// A job that reads was started.
    pub(super) fn reads_by(
        &self,
        account: &AccountName,
        job: JobId,
        phone: PhoneId,
        made: Timestamp,
    ) {
        lock(&self.inner.reading).insert((account.clone(), job, phone), made);
    }

    /// When the job that is over was started, if it is one that reads.
    pub(super) fn read_by(&self, account: &AccountName, report: &JobReport) -> Option<Timestamp> {
        let key = (account.clone(), report.job.clone(), report.phone.clone());
        lock(&self.inner.reading).remove(&key)
    }

    /// Another process begins: what an earlier one started to read, nobody asks about any more, and callbacks go to the new one.
    pub(super) fn starts_anew(&self, life: &Arc<Life>, receiver: Option<Receiver>) {
        lock(&self.inner.reading).clear();
        lock(&self.inner.post).address(life, receiver);
    }

    /// Callbacks that arrived.
    pub(super) fn callbacks(&self) -> u64 {
        lock(&self.inner.post).arrived()
    }

    /// When the next callback arrives that wakes the process.
    pub(super) fn next_callback(&self) -> Option<Timestamp> {
        if !lock(&self.inner.post).is_open() {
            return None;
        }
        let wire = lock(&self.inner.wire);
        let next = |world: &Simulator| world.change(|world| world.next_callback());
        wire.worlds.values().filter_map(next).min()
    }

    /// The client has the answer to a request, or gives it up.
    pub(super) fn answered(&self, sent: &Sent) {
        *lock(&self.inner.arrived) = sent.arrives;
        let answered = Happening::Answered(sent.number);
        self.monitor().happen(self.now(), &answered);
    }

    /// Tells the monitor what happened in a world until now, and hands over what the vendor told unasked.
    fn tell_facts(&self, account: &AccountName, world: &Simulator, now: Timestamp) {
        let told = |world: &mut World| (world.facts(), world.callbacks());
        let (facts, callbacks) = world.change_at(now, told);
        if !callbacks.is_empty() {
            lock(&self.inner.post).hand_over(account, &callbacks);
        }
        if facts.is_empty() {
            return;
        }
        let mut monitor = self.monitor();
        for (at, fact) in &facts {
            let happening = Happening::World {
                account,
                fact,
                by: None,
            };
            monitor.happen(*at, &happening);
        }
    }

    fn arrive(&self, wire: &mut Wire, now: Timestamp) {
        while let Some(first) = wire.due.first_entry() {
            let at = first.key().0;
            if at > now {
                break;
            }
            let delivery = first.remove();
            let Some(world) = wire.worlds.get(&delivery.account) else {
                continue;
            };
            self.tell_facts(&delivery.account, world, at);
            let (handled, facts, rolled) = delivery.hand_over(world, at);
            let mut monitor = self.monitor();
            if let Some(log) = monitor.log.as_mut().filter(|_| delivery.copy == 0) {
                let call = world.call(&delivery.http);
                log.requested(delivery.number, call, &rolled, &facts);
            }
            for (at, fact) in &facts {
                let happening = Happening::World {
                    account: &delivery.account,
                    fact,
                    by: Some((delivery.number, delivery.copy)),
                };
                monitor.happen(*at, &happening);
            }
            // A copy that a proxy made comes when it comes: the client has its answer, or knows nothing of it.
            if delivery.copy == 0 {
                monitor.happen(at, &Happening::Settled(delivery.number));
            }
            if let Outcome::Answer(answer) = &handled.outcome {
                monitor.trace(answer.body());
            }
            drop(monitor);
            if delivery.copy == 0 {
                *lock(&delivery.slot) = Some(handled);
            }
        }
    }

    /// A request leaves, unless something is in its way.
    pub(super) fn leave(&self, request: &crate::transport::Request, life: &Life) -> Passage {
        let now = self.now();
        let mut wire = lock(&self.inner.wire);
        self.arrive(&mut wire, now);
        let host = request.http.uri().host().unwrap_or_default();
        let Some(account) = wire.hosts.get(host).cloned() else {
            return Passage::Refused;
        };
        let mischief = wire.next_mischief();
        let has = |wanted: Mischief| mischief.contains(&wanted);
        for told in &mischief {
            if matches!(
                told,
                Mischief::Stop | Mischief::Edit | Mischief::BadEdit | Mischief::World(_)
            ) {
                life.tell(wire.points, *told);
            }
        }
        if has(Mischief::CrashBefore) {
            wire.met("crash before a request");
            life.die();
            return Passage::Dead;
        }
        let errand = *lock(&self.inner.errand);
        let effect = match wire.worlds.get(&account) {
            Some(world) if PREPARING.contains(&world.call(&request.http).0) => Effect::Read,
            Some(_) | None => request.effect,
        };
        let number = self.monitor().leaves(Request {
            account: account.clone(),
            left: now,
            effect,
            operation: errand.and_then(|errand| errand.operation),
            answered: None,
            counted: wire
                .worlds
                .get(&account)
                .is_some_and(|world| world.is_counted(&request.http)),
            order: errand.is_some_and(|errand| errand.order),
        });
        self.trace(now, request);
        let lost = has(Mischief::RequestLost);
        if lost || has(Mischief::Refused) {
            wire.met(if lost { "request-lost" } else { "refused" });
            self.monitor().happen(now, &Happening::Settled(number));
            return match (has(Mischief::CrashAfter), lost) {
                (true, _) => {
                    life.die();
                    Passage::Dead
                }
                (false, true) => Passage::Lost,
                (false, false) => Passage::Refused,
            };
        }
        let (slot, arrives) = wire.send(number, &account, request, &mischief, now);
        self.arrive(&mut wire, now);
        if has(Mischief::CrashAfter) {
            wire.met("crash after a request");
            life.die();
            return Passage::Dead;
        }
        Passage::Sent(Sent {
            number,
            slot,
            arrives,
            fatal: has(Mischief::CrashOnAnswer),
        })
    }

    fn trace(&self, now: Timestamp, request: &crate::transport::Request) {
        let mut monitor = self.monitor();
        monitor.trace(&now.0.to_le_bytes());
        monitor.trace(request.http.uri().path().as_bytes());
        monitor.trace(request.http.body());
        for (name, value) in request.http.headers() {
            monitor.trace(name.as_str().as_bytes());
            monitor.trace(value.as_bytes());
        }
    }
}

impl Delivery {
    /// Hands the request to the vendor; what comes of it, what happened in the world, and which faults had a chance.
    fn hand_over(
        &self,
        world: &Simulator,
        at: Timestamp,
    ) -> (Handled, Vec<(Timestamp, Fact)>, Vec<Kind>) {
        world.change(|world| {
            world.rolled();
            if let Some((kind, always)) = self.vendor {
                world.force(kind, always);
            }
        });
        let handled = world.handle(&self.http, at);
        world.change(|world| {
            world.unforce(|kind| !kind.comes_later());
            (handled, world.facts(), world.rolled())
        })
    }
}

impl Wire {
    fn met(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// What happens to the next request: what was planned for it, and what chance brings.
    fn next_mischief(&mut self) -> Vec<Mischief> {
        self.points += 1;
        let number = self.points;
        let mut all: Vec<Mischief> = self
            .mischief
            .iter()
            .filter(|(at, _)| *at == number)
            .map(|(_, mischief)| *mischief)
            .collect();
        let around = self.around;
        let seconds = |most: u64, purpose| {
            let span = hash(purpose, number, self.seed) % most;
            u32::try_from(span / 1_000).unwrap_or(1).max(1)
        };
        let chances = [
            (around.request_lost, "request-lost", Mischief::RequestLost),
            (
                around.request_delayed,
                "request-delayed",
                Mischief::Delayed(seconds(LATEST, "how late")),
            ),
            (
                around.request_doubled,
                "request-doubled",
                Mischief::Doubled(seconds(LATEST_COPY, "how late a copy")),
            ),
        ];
        for (rate, purpose, mischief) in chances {
            if chance(rate, purpose, number, self.seed) {
                all.push(mischief);
            }
        }
        if chance(
            around.crash_at_request,
            "crash-at-request",
            number,
            self.seed,
        ) {
            let when = hash("when to crash", number, self.seed) % 3;
            all.push(match when {
                0 => Mischief::CrashBefore,
                1 => Mischief::CrashAfter,
                _ => Mischief::CrashOnAnswer,
            });
        }
        all
    }

    /// Puts a request and perhaps a copy of it on their way; where the answer will be, and when the request arrives.
    fn send(
        &mut self,
        number: u64,
        account: &AccountName,
        request: &crate::transport::Request,
        mischief: &[Mischief],
        now: Timestamp,
    ) -> (Slot, Timestamp) {
        let http = Arc::new(request.http.clone());
        let slot = Slot::default();
        let (mut arrives, mut copy, mut vendor) = (now, None, None);
        for mischief in mischief {
            match mischief {
                Mischief::Delayed(seconds) => {
                    self.met("request-delayed");
                    arrives = now.after(Duration::from_secs(u64::from(*seconds)));
                }
                Mischief::Doubled(seconds) => {
                    self.met("request-doubled");
                    copy = Some(now.after(Duration::from_secs(u64::from(*seconds))));
                }
                Mischief::Vendor(kind) => vendor = Some((*kind, false)),
                Mischief::Everywhere(kind) => vendor = Some((*kind, true)),
                Mischief::Refused
                | Mischief::RequestLost
                | Mischief::CrashBefore
                | Mischief::CrashAfter
                | Mischief::CrashOnAnswer
                | Mischief::CrashWithClock(_)
                | Mischief::Stop
                | Mischief::Edit
                | Mischief::BadEdit
                | Mischief::DiskFull
                | Mischief::SyncFails
                | Mischief::ReadOnly
                | Mischief::World(_) => {}
            }
        }
        let copies = [(0, Some(arrives)), (1, copy)];
        for (copy, at) in copies {
            let Some(at) = at else { continue };
            self.deliveries += 1;
            let delivery = Delivery {
                number,
                copy,
                account: account.clone(),
                http: Arc::clone(&http),
                vendor: vendor.filter(|_| copy == 0),
                slot: Arc::clone(&slot),
            };
            self.due.insert((at, self.deliveries), delivery);
        }
        (slot, arrives)
    }
}

/// Whether chance brings it.
pub(super) fn chance(rate: f64, purpose: &str, number: u64, seed: u64) -> bool {
    if rate <= 0.0 {
        return false;
    }
    let drawn = u32::try_from(hash(purpose, number, seed) >> 32).unwrap_or(u32::MAX);
    f64::from(drawn) / f64::from(u32::MAX) < rate
}
