//! The vendors, simulated: one world of phones, and a surface over it for each vendor, served in-process and over HTTP by the same handler.
//!
//! Invariants: what a surface answers follows from the world, the request and the time; the world acts when a request arrives, whether or not anyone waits for
//! the answer; it shares no mapping with the adapters, so their mistakes show. Not here: anything of the program under test.

pub mod alibaba;
pub mod armcloud;
pub mod callback;
mod course;
pub mod faults;
pub mod front;
mod inprocess;
mod job;
pub mod koophone;
mod mishap;
pub mod phone;
mod rate;
mod recode;
pub mod report;
pub mod scenario;
mod shell;
mod surface;
mod values;
pub mod witness;
pub mod world;
pub mod zenlayer;

pub use inprocess::InProcess;
pub use values::Values;

use crate::model::fleet::ProviderKind;
use crate::model::stamp::Timestamp;
use crate::time::clock::Clock;
use crate::time::delay::jitter;
use bytes::Bytes;
use course::Due;
use faults::Kind;
use rate::Standing;
use smol_str::SmolStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use surface::{Class, Surface};
use world::World;

/// How long a silent loss keeps a client waiting at most.
const SILENCE: Duration = Duration::from_secs(90);

/// What a world is made of.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Whose phones they are: which surface answers.
    pub provider: ProviderKind,
    /// How many phones.
    pub phones: u32,
    /// Decides everything that looks like chance.
    pub seed: u64,
    /// What goes wrong.
    pub faults: faults::Faults,
    /// How long settings take; apps take 4 times, images and restarts 20 times as long, all ± 25 %.
    pub job_time: Duration,
    /// From a request to its answer, ± 25 %.
    pub latency: Duration,
    /// Calls the vendor lets through in any second.
    pub rate_per_second: u32,
    /// Calls the vendor lets through in any minute.
    pub rate_per_minute: u32,
    /// What happens by itself.
    pub scenario: Vec<scenario::Event>,
    /// What phones' codes begin with; seven digits follow.
    pub phone_prefix: SmolStr,
    /// Phones are dealt to groups 1 to this.
    pub provider_groups: u32,
    /// Share of phones with a real-device image, which accept live properties and ignore them.
    pub real_devices: f64,
    /// Whether signatures made more than five minutes from now are refused.
    pub check_clock: bool,
    /// Where the manuals of ArmCloud disagree, which one holds.
    pub dialect: armcloud::Dialect,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            provider: ProviderKind::ArmCloud,
            phones: 100,
            seed: 1,
            faults: faults::Faults::default(),
            job_time: Duration::from_secs(2),
            latency: Duration::from_millis(20),
            rate_per_second: 200,
            rate_per_minute: 5_000,
            scenario: Vec::new(),
            phone_prefix: SmolStr::new_static("AC3201"),
            provider_groups: 4,
            real_devices: 0.0,
            check_clock: false,
            dialect: armcloud::Dialect::default(),
        }
    }
}

impl Spec {
    /// A world of this vendor's phones, their codes shaped as the vendor's are.
    pub fn of(provider: ProviderKind) -> Self {
        Self {
            provider,
            phone_prefix: SmolStr::new_static(surface::of(provider).phone_prefix),
            ..Self::default()
        }
    }
}

/// Keys that open nothing but the simulator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Sent with every request.
    pub access_key: String,
    /// Signs every request.
    pub secret_key: String,
}

/// The fake access key.
pub const ACCESS_KEY: &str = "SIMULATED-ACCESS-KEY";
/// The fake secret key.
pub const SECRET_KEY: &str = "simulated-secret-key-opens-nothing";

/// What comes of a request, and when.
#[derive(Debug)]
pub struct Handled {
    /// From the request's arrival to this outcome.
    pub delay: Duration,
    /// What the client sees then.
    pub outcome: Outcome,
}

/// What a client sees of its request.
#[derive(Debug)]
pub enum Outcome {
    /// An answer.
    Answer(http::Response<Bytes>),
    /// The connection is refused; nothing arrived.
    Refused,
    /// The connection drops; the request took effect, or will.
    Lost,
    /// The request took effect; the answer is larger than anybody reads.
    Endless,
}

/// A handle on one world. Clones share it.
#[derive(Clone, Debug)]
pub struct Simulator {
    world: Arc<Mutex<World>>,
}

impl Simulator {
    /// Makes the world at this moment.
    pub fn new(spec: Spec, now: Timestamp) -> Self {
        Self {
            world: Arc::new(Mutex::new(World::new(spec, now))),
        }
    }

    /// The keys every surface accepts.
    pub fn credentials(&self) -> Credentials {
        Credentials {
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
        }
    }

    /// The keys this world's surface accepts, by the names they have in an Account.
    pub fn keys(&self) -> &'static [(&'static str, &'static str)] {
        surface::of(self.lock().spec.provider).credentials
    }

    /// Other ways to sign in that this world's surface accepts, each with all it needs.
    pub fn other_keys(&self) -> &'static [&'static [(&'static str, &'static str)]] {
        surface::of(self.lock().spec.provider).other_credentials
    }

    /// Lets a request arrive now.
    ///
    /// # Guarantees
    /// The world has acted when this returns, but for requests that arrive late; the delay is for the answer only.
    pub fn handle(&self, request: &http::Request<Bytes>, now: Timestamp) -> Handled {
        let mut world = self.lock();
        world.advance(now);
        receive(&mut world, request)
    }

    /// The name a request is counted under, as the vendor writes it, and whether it can change phones.
    pub fn call(&self, request: &http::Request<Bytes>) -> (&'static str, bool) {
        let surface = surface::of(self.lock().spec.provider);
        let mutates = (surface.class)(request) == Some(Class::Mutation);
        ((surface.call_name)(request), mutates)
    }

    /// Whether a request counts against the limits of the account, not against those of another service beside it.
    pub fn is_counted(&self, request: &http::Request<Bytes>) -> bool {
        (surface::of(self.lock().spec.provider).class)(request).is_some()
    }

    /// The number of the job on a phone that this stands for: ids of the vendor's, joined by `/`, of which the last that names a job counts. 0: what
    /// was asked for ended before any job began.
    pub fn job_named(&self, ids: &str, phone: &str) -> Option<u64> {
        let world = self.lock();
        let index = world.found(phone).unwrap_or(u32::MAX);
        let named = surface::of(world.spec.provider).job_named;
        ids.rsplit('/').find_map(|id| named(&world, id, index))
    }

    /// A transport that calls this simulator directly.
    pub fn transport(&self, clock: Arc<dyn Clock>) -> InProcess {
        InProcess::new(self.clone(), clock)
    }

    /// What the provider's side has counted.
    pub fn report(&self) -> report::Report {
        self.lock().report()
    }

    /// Looks at the world or changes it behind the client's back, as it was after the last request.
    pub fn change<R>(&self, change: impl FnOnce(&mut World) -> R) -> R {
        change(&mut self.lock())
    }

    /// The same at a moment: what is due until then has happened.
    pub fn change_at<R>(&self, now: Timestamp, change: impl FnOnce(&mut World) -> R) -> R {
        let mut world = self.lock();
        world.advance(now);
        change(&mut world)
    }

    /// One phone as it is.
    pub fn phone(&self, id: &str) -> Option<phone::Phone> {
        self.lock().phone(id).cloned()
    }

    /// Codes of all phones, in listing order.
    pub fn phones(&self) -> Vec<String> {
        self.lock().phone_ids()
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a call, and says where the account stands with its limits.
fn counted(world: &mut World, surface: &Surface, request: &http::Request<Bytes>) -> Standing {
    world.count_call((surface.call_name)(request));
    match (surface.class)(request) {
        Some(Class::Read) => world.report.reads += 1,
        Some(Class::Poll) => world.report.polls += 1,
        Some(Class::Mutation) => world.report.mutations += 1,
        None => return world.rate.aside(world.now),
    }
    world.rate.call(world.now)
}

/// A request arrives: what the network and the vendor's front do with it.
fn receive(world: &mut World, request: &http::Request<Bytes>) -> Handled {
    let number = world.call;
    world.call += 1;
    let mut delay = jitter(world.spec.latency, 25, "latency", number, world.spec.seed);
    if world.fault(Kind::Slow, number) {
        delay += world.faults.slow_by.0;
    }
    let handled = |delay, outcome| Handled { delay, outcome };
    if world.fault(Kind::Refused, number) {
        return handled(delay, Outcome::Refused);
    }
    let surface = surface::of(world.spec.provider);
    let standing = counted(world, surface, request);
    if !standing.allowed {
        world.report.throttled += 1;
        return handled(
            delay,
            Outcome::Answer((surface.throttled)(world.now, standing, request)),
        );
    }
    let throttles = [Kind::Throttle, Kind::ThrottleBare, Kind::ThrottleLying];
    if let Some(kind) = throttles
        .into_iter()
        .find(|kind| world.fault(*kind, number))
    {
        let answer = (surface.throttled)(world.now, standing, request);
        return handled(delay, Outcome::Answer(faults::mislead(answer, kind)));
    }
    if world.fault(Kind::Html, number) {
        let page = surface::html(200, "Welcome to the portal");
        return handled(delay, Outcome::Answer(page));
    }
    let server_error = world.fault(Kind::ServerError, number);
    if world.fault(Kind::ErrorBefore, number) || (server_error && number.is_multiple_of(2)) {
        return handled(delay, Outcome::Answer(surface::html(502, "Bad Gateway")));
    }
    if world.fault(Kind::Late, number) {
        let arrival = world.now.after(world.faults.late_by.0);
        world
            .queue
            .push(arrival, Due::Arrive(Box::new(request.clone())));
        return handled(world.faults.late_by.0, Outcome::Lost);
    }
    let answer = (surface.answer)(world, request);
    if world.fault(Kind::ErrorAfter, number) || server_error {
        return handled(
            delay,
            Outcome::Answer(surface::html(504, "Gateway Timeout")),
        );
    }
    if world.fault(Kind::Lost, number) {
        world.report.lost_answers += 1;
        let silent = number % 2 == 1;
        return handled(if silent { SILENCE } else { delay }, Outcome::Lost);
    }
    if world.fault(Kind::Huge, number) {
        return handled(delay, Outcome::Endless);
    }
    let mut answer = (surface.dress)(answer, standing, request);
    if world.fault(Kind::Garbled, number) {
        let body = answer.body_mut();
        body.truncate(body.len() / 2);
    }
    handled(delay, Outcome::Answer(answer))
}

#[cfg(test)]
mod client;
#[cfg(test)]
mod tests;
