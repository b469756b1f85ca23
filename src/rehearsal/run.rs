//! One whole run: a storm in which everything goes wrong, calm in which the fleet must become as wished, quiet in which nothing may happen.
//!
//! Invariants: a run has a thread and a runtime of its own, whose clock stands still while anybody works; its outcome follows from scenario and seams.
//! Not here: single processes (`life`), how it is judged (`judge`, `invariant`).

mod apart;
mod judge;

pub use apart::apart;

use super::invariant::{Invariant, Violation};
use super::life::{Parts, Process, Stillborn, chain};
use super::listen::listening;
use super::monitor::{Happening, Monitor};
use super::network::Network;
use super::reference::Log;
use super::scenario::{BEGINNING, CLOCK, Mischief, Point, Scenario};
use super::seam::Seams;
use super::storm::{Disturbance, timeline};
use super::text;
use super::truth::Truth;
use super::witness::Writes;
use crate::controller::core::Stance;
use crate::journal::image::Image;
use crate::model::id::{AccountName, PhoneKey};
use crate::model::stamp::Timestamp;
use crate::sim::faults::Faults;
use crate::sim::{Simulator, Spec};
use crate::time::clock::{Clock, TokioClock};
use crate::time::delay::hash;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Between two looks at how the fleet stands.
const LOOK: Duration = Duration::from_secs(60);
/// Requests under way get this long when a process is asked to end.
const DRAIN: Duration = Duration::from_secs(4);
/// Steps at one moment before a process counts as running in circles.
const CIRCLES: u32 = 20_000;

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Hash of all requests, answers and durable records.
    pub trace: u64,
    /// What did not hold.
    pub violations: Vec<Violation>,
    /// Simulated time.
    pub simulated: Duration,
    /// Requests that left.
    pub requests: u64,
    /// Requests that could change phones.
    pub mutations: u64,
    /// Jobs that vendors accepted from us.
    pub jobs: u64,
    /// Processes that died.
    pub crashes: u64,
    /// Processes that were asked to end.
    pub stops: u64,
    /// Records that became durable.
    pub records: u64,
    /// Writes to the journal.
    pub writes: u64,
    /// Faults that happened, by kind.
    pub faults: BTreeMap<String, u64>,
    /// From the end of the storm until everything was as wished.
    pub calmed: Duration,
    /// Phones that wait for a person in the end.
    pub waiting: u64,
    /// How each managed phone stands in the end.
    pub standing: BTreeMap<PhoneKey, String>,
    /// Jobs by the call that started them: accepted.
    pub jobs_by_call: BTreeMap<String, u64>,
    /// Costly jobs accepted.
    pub costly: u64,
    /// Points, jobs and phones, where the scenario asks for them.
    pub log: Option<Log>,
    /// Callbacks that arrived, whoever took them.
    pub callbacks: u64,
    /// Calls that gained nothing: refused for pace, orders refused as a whole, reads of what was fresh.
    pub wasted: u64,
    /// Lines that were logged, where somebody listened.
    pub logged: u64,
}

/// Runs a scenario.
pub fn run(scenario: &Scenario) -> Outcome {
    run_with(scenario, &Seams::default())
}

/// Runs a scenario and listens to all that is logged meanwhile: I17 holds for the log too.
pub fn run_listening(scenario: &Scenario) -> Outcome {
    let secrets = text::secrets(scenario);
    let (mut outcome, heard) = listening(&secrets, || run(scenario));
    outcome.logged = heard.lines;
    if let Some(line) = heard.secret {
        let mut monitor = Monitor::new(scenario.settings.clone());
        monitor.view.canaries = secrets;
        monitor.happen(BEGINNING, &Happening::Text("the log", &line));
        outcome.violations.append(&mut monitor.violations);
    }
    outcome
}

/// Runs a scenario with planted bugs.
pub fn run_with(scenario: &Scenario, seams: &Seams) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(Box::pin(async {
            let mut run = Run::new(scenario, seams);
            run.whole().await;
            run.outcome()
        })),
        Err(error) => Outcome {
            violations: vec![Violation {
                invariant: Invariant::Determinism,
                at: BEGINNING,
                problem: format!("no runtime: {error}"),
            }],
            ..Outcome::default()
        },
    }
}

/// Runs a scenario twice and compares the traces.
pub fn run_twice(scenario: &Scenario, seams: &Seams) -> Outcome {
    let first = run_with(scenario, seams);
    let mut second = run_with(scenario, seams);
    let mut monitor = Monitor::new(scenario.settings.clone());
    monitor.happen(BEGINNING, &Happening::Hashes(first.trace, second.trace));
    second.violations.append(&mut monitor.violations);
    second
}

/// A world that tells what happens in it, remembers how its phones were if reads are to be stale at points, and sends callbacks if they are wanted.
fn watched(spec: Spec, scenario: &Scenario) -> Simulator {
    let world = Simulator::new(spec, BEGINNING);
    world.change(|world| {
        world.watch();
        if scenario.record {
            world.remember();
        }
        world.register_callbacks(scenario.callbacks || scenario.profile.befalls_callbacks());
    });
    world
}

struct Run {
    scenario: Arc<Scenario>,
    parts: Parts,
    worlds: BTreeMap<AccountName, Simulator>,
    network: Network,
    clock: TokioClock,
    process: Option<Process>,
    timeline: VecDeque<(Timestamp, Disturbance)>,
    edition: u64,
    starts: u64,
    crashes: u64,
    stops: u64,
    again_at: Timestamp,
    vanished: BTreeSet<String>,
    untouched: BTreeMap<PhoneKey, String>,
    calmed: Duration,
    waiting: u64,
    waiting_for: BTreeMap<PhoneKey, String>,
    hopeless: bool,
    circles: (Timestamp, u32),
    /// How often the program has waited.
    waits: u64,
}

impl Run {
    fn new(scenario: &Scenario, seams: &Seams) -> Self {
        let clock = TokioClock::starting_at(BEGINNING);
        let scenario = Arc::new(scenario.clone());
        let mut worlds = BTreeMap::new();
        let mut environment = BTreeMap::new();
        let mut excluded = Vec::new();
        for plan in &scenario.accounts {
            let spec = Spec {
                phones: plan.phones,
                seed: scenario.seed,
                faults: scenario.profile.vendor.clone(),
                rate_per_second: text::PER_SECOND,
                rate_per_minute: text::PER_MINUTE,
                ..Spec::of(plan.provider)
            };
            let world = watched(spec, &scenario);
            for (credential, value) in text::access(&scenario, plan) {
                let variable = text::variable(plan.name, credential);
                environment.insert(variable, value.to_owned());
            }
            let phones = world.phones();
            excluded.push(phones.into_iter().skip(3).step_by(4).collect());
            worlds.insert(AccountName::new(plan.name), world);
        }
        environment.insert("PROXY_PASSWORD".to_owned(), text::PROXY_PASSWORD.to_owned());
        let mut monitor = Monitor::new(scenario.settings.clone());
        monitor.log = scenario.record.then(Log::default);
        monitor.view.canaries = text::secrets(&scenario);
        monitor.view.truth = Some(Truth {
            worlds: worlds.clone(),
        });
        let network = Network::new(&scenario, &worlds, Arc::new(Mutex::new(monitor)), clock);
        let parts = Parts {
            scenario: Arc::clone(&scenario),
            seams: seams.clone(),
            network: network.clone(),
            image: Image::default(),
            clock,
            writes: Writes::default(),
            calm: Arc::new(AtomicBool::new(false)),
            environment,
            excluded,
        };
        let mut run = Self {
            timeline: timeline(&scenario),
            untouched: BTreeMap::new(),
            scenario,
            parts,
            worlds,
            network,
            clock,
            process: None,
            edition: 0,
            starts: 0,
            crashes: 0,
            stops: 0,
            again_at: BEGINNING,
            vanished: BTreeSet::new(),
            calmed: Duration::ZERO,
            waiting: 0,
            waiting_for: BTreeMap::new(),
            hopeless: false,
            circles: (BEGINNING, 0),
            waits: 0,
        };
        run.untouched = run.unmanaged();
        run
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn whole(&mut self) {
        let storm = BEGINNING.after(self.scenario.span());
        self.storm(storm).await;
        self.show();
        self.calm();
        self.settle().await;
        self.judge();
        self.show();
        self.quiet().await;
        self.stop().await;
        self.judge_calls();
        self.read_everything();
    }

    async fn storm(&mut self, until: Timestamp) {
        let mut look = self.now().after(LOOK * 10);
        while self.now() < until && !self.hopeless {
            let next = self.timeline.front().map_or(until, |(at, _)| *at);
            self.live(next.min(look).min(until)).await;
            while self
                .timeline
                .front()
                .is_some_and(|(at, _)| *at <= self.now())
            {
                if let Some((_, disturbance)) = self.timeline.pop_front() {
                    self.disturb(disturbance).await;
                }
            }
            if self.now() >= look {
                look = look.after(LOOK * 10);
                self.look_for_absent();
                self.operate();
            }
        }
    }

    /// Lets the process live, and starts it again when it died, until this moment.
    async fn live(&mut self, until: Timestamp) {
        while self.now() < until && !self.hopeless {
            if self.process.is_none() {
                if self.again_at > self.now() {
                    let wake = self.again_at.min(until);
                    tokio::time::sleep(wake.since(self.now())).await;
                    self.network.pump();
                    continue;
                }
                self.start();
                continue;
            }
            self.step(until).await;
        }
    }

    fn start(&mut self) {
        self.starts += 1;
        let shift = self.clock_shift();
        match self.parts.start(self.edition, shift) {
            Ok(process) => self.process = Some(process),
            Err(Stillborn::Driver(error)) => {
                self.network.monitor().trace(chain(&error).as_bytes());
                self.dies();
            }
            Err(Stillborn::Journal) => self.hopeless = true,
            Err(Stillborn::Manifests(findings)) => {
                self.give_up(format!("the scenario's manifests are wrong: {findings:?}"));
            }
            Err(Stillborn::Account(problem)) => {
                self.give_up(format!(
                    "an account of the scenario does not open: {problem}"
                ));
            }
        }
    }

    fn give_up(&mut self, problem: String) {
        self.hopeless = true;
        self.network.monitor().violate(Invariant::Stable, problem);
    }

    /// How far the clock of the next process is wrong: as planned, or up to an hour either way by chance.
    fn clock_shift(&self) -> i64 {
        if self.parts.calm.load(Ordering::Relaxed) {
            return 0;
        }
        let writes = self.parts.writes.count();
        let planned = self.scenario.planned_shift(writes, self.waits);
        let rate = self.scenario.profile.around.clock;
        if planned != 0 || !super::network::chance(rate, "clock", self.starts, self.scenario.seed) {
            return planned;
        }
        self.network.count("clock");
        let drawn = hash("how wrong", self.starts, self.scenario.seed) % 7_200_000;
        i64::try_from(drawn).unwrap_or(0) - 3_600_000
    }

    /// One step of the process, or its death, or what it is told.
    async fn step(&mut self, until: Timestamp) {
        let Some(process) = &mut self.process else {
            return;
        };
        let until = self
            .network
            .next_callback()
            .map_or(until, |at| at.min(until));
        let until = process.theirs(until);
        let life = Arc::clone(&process.life);
        let result = tokio::select! {
            biased;
            () = life.called() => Ok(()),
            result = process.driver.step(Some(until)) => result,
        };
        self.network.pump();
        if life.is_dead() {
            self.dies();
            return;
        }
        if let Err(error) = result {
            self.failed(&error);
            return;
        }
        self.count_circles();
        self.end_early();
        self.waits += 1;
        let planned: Vec<Mischief> = self.scenario.at(Point::Wait(self.waits)).collect();
        if !self.parts.calm.load(Ordering::Relaxed) {
            for mischief in planned {
                life.tell(self.waits, mischief);
            }
        }
        for (number, told) in life.told() {
            match told {
                Mischief::Stop => self.disturb(Disturbance::Stop).await,
                Mischief::Edit => self.disturb(Disturbance::Edit).await,
                Mischief::BadEdit => self.disturb(Disturbance::BadEdit).await,
                Mischief::World(deed) => self.disturb(Disturbance::World(number, deed)).await,
                Mischief::CrashBefore => self.disturb(Disturbance::Crash).await,
                Mischief::CrashWithClock(_) => {
                    self.network.count(CLOCK);
                    self.dies();
                }
                Mischief::Refused
                | Mischief::RequestLost
                | Mischief::Delayed(_)
                | Mischief::Doubled(_)
                | Mischief::Vendor(_)
                | Mischief::Everywhere(_)
                | Mischief::CrashAfter
                | Mischief::CrashOnAnswer
                | Mischief::DiskFull
                | Mischief::SyncFails
                | Mischief::ReadOnly => {}
            }
        }
    }

    /// What was looked for is found: nothing more is to be learned.
    fn end_early(&mut self) {
        let wanted = &self.scenario.ends_at;
        if !wanted.is_empty() {
            let monitor = self.network.monitor();
            let found = |of: &Invariant| monitor.violations.iter().any(|v| v.invariant == *of);
            self.hopeless |= wanted.iter().any(found);
        }
    }

    fn count_circles(&mut self) {
        let now = self.now();
        if self.circles.0 != now {
            self.circles = (now, 0);
        }
        self.circles.1 += 1;
        if self.circles.1 > CIRCLES {
            self.give_up("the process runs in circles while time stands still".to_owned());
        }
    }

    /// The journal failed or a record did not fit: the process ends with an error.
    fn failed(&mut self, error: &crate::controller::driver::DriverError) {
        let text = chain(error);
        let mut monitor = self.network.monitor();
        monitor.trace(text.as_bytes());
        let now = self.clock.now();
        monitor.happen(now, &Happening::Text("an error", &text));
        if let crate::controller::driver::DriverError::Misfit(_) = error {
            monitor.violate(Invariant::Journal, text);
        }
        drop(monitor);
        self.dies();
    }

    /// The process is gone; another one is started after a while.
    fn dies(&mut self) {
        self.process = None;
        self.crashes += 1;
        if let Some(disk) = &self.parts.seams.disk {
            disk(&mut self.parts.image);
        }
        let now = self.now();
        self.network.monitor().happen(now, &Happening::Died);
        let down = 200 + hash("down", self.starts, self.scenario.seed) % 60_000;
        self.again_at = now.after(Duration::from_millis(down));
    }

    async fn disturb(&mut self, disturbance: Disturbance) {
        match disturbance {
            Disturbance::Crash => {
                if self.process.is_some() {
                    self.network.count("crash");
                    self.dies();
                }
            }
            Disturbance::Stop => {
                self.network.count("stop");
                self.stop().await;
            }
            Disturbance::Edit => {
                self.network.count("edit");
                self.edit();
            }
            Disturbance::BadEdit => {
                self.network.count("bad-edit");
                if self.parts.load(self.edition, true).is_ok() {
                    let problem = "wrong manifests were taken".to_owned();
                    self.network.monitor().violate(Invariant::Scope, problem);
                }
            }
            Disturbance::World(number, kind) => {
                let now = self.now();
                self.network.count(kind.as_str());
                let touched =
                    super::storm::happen(&self.scenario, &self.worlds, (number, kind), now);
                self.vanished.extend(touched);
                self.network.pump();
            }
        }
    }

    fn edit(&mut self) {
        self.edition += 1;
        let Some(process) = &mut self.process else {
            return;
        };
        if let Err(error) = self.parts.edit(process, self.edition) {
            if process.life.is_dead() {
                self.dies();
            } else {
                self.failed(&error);
            }
        }
    }

    /// SIGTERM, as the daemon takes it: nothing new starts, what is under way may be answered, then it is gone.
    async fn stop(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        let now = self.now();
        self.stops += 1;
        self.network.monitor().happen(now, &Happening::StopAsked);
        if !self.parts.seams.deaf {
            process.driver.core_mut().set_stance(Stance::Drain, None);
            process.gate.shut();
        }
        let until = now.after(DRAIN);
        let mut result = process.driver.turn();
        while result.is_ok()
            && !process.life.is_dead()
            && !process.driver.core().is_quiet()
            && self.now() < until
        {
            let theirs = process.theirs(until);
            let life = Arc::clone(&process.life);
            result = tokio::select! {
                biased;
                () = life.called() => Ok(()),
                result = process.driver.step(Some(theirs)) => result,
            };
            self.network.pump();
        }
        let now = self.now();
        let happening = if process.life.is_dead() || result.is_err() {
            Happening::Died
        } else {
            Happening::Stopped
        };
        drop(process);
        self.network.monitor().happen(now, &happening);
        let down = 200 + hash("stopped", self.starts, self.scenario.seed) % 30_000;
        self.again_at = now.after(Duration::from_millis(down));
    }

    /// Nothing goes wrong any more.
    fn calm(&mut self) {
        self.network.calm();
        if let Some(log) = &mut self.network.monitor().log {
            log.calm(self.waits);
        }
        self.parts.calm.store(true, Ordering::Relaxed);
        self.timeline.clear();
        for world in self.worlds.values() {
            world.change(|world| {
                world.set_faults(Faults::default());
                world.unforce(|_| true);
            });
        }
        // A clock that is wrong is put right by a restart.
        if self
            .process
            .as_ref()
            .is_some_and(|process| process.shift != 0)
        {
            self.dies();
        }
    }

    /// The longest that anything may take once nothing goes wrong: jobs that hang, doubts to be settled, pauses to run out, and everything after them.
    fn bound(&self) -> Duration {
        let settings = &self.scenario.settings;
        let doubt = settings.request_life + settings.image_deadline + settings.read_lag * 10;
        let pauses = settings.quarantine_most + settings.contested_within;
        doubt * 2 + pauses + settings.read_interval * 4
    }

    async fn settle(&mut self) {
        let began = self.now();
        let until = began.after(self.bound());
        let mut still = 0;
        while self.now() < until && !self.hopeless && still < 2 {
            self.live(self.now().after(LOOK)).await;
            self.operate();
            let done = self.is_settled() && self.has_no_steps();
            still = if done { still + 1 } else { 0 };
        }
        self.calmed = self.now().since(began);
        self.look_for_absent();
    }

    async fn quiet(&mut self) {
        if self.hopeless || !self.is_settled() {
            return;
        }
        let now = self.now();
        let excused = self.waiting_phones();
        self.network.monitor().view.excused = excused;
        self.network.monitor().happen(now, &Happening::Quiet);
        self.live(now.after(self.scenario.quiet)).await;
    }
}
