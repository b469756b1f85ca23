//! One process: put together from what is durable, with everything real but sockets, disk and time.
//!
//! Invariants: what a process knows comes from the image and the manifests; its clock may be wrong, the world's never is. Not here: what happens to it (`run`).

use super::line::Line;
use super::network::{Life, Network};
use super::scenario::Scenario;
use super::seam::{Seams, wrapped};
use super::witness::{MortalJournal, Side, WatchedJournal, WatchedProvider, Writes};
use super::{monitor::Happening, text};
use crate::controller::core::{AccountSetup, Core, Stance, Start};
use crate::controller::driver::{Driver, DriverError};
use crate::journal::image::Image;
use crate::manifest::{self, Finding};
use crate::model::fleet::Fleet;
use crate::model::id::AccountName;
use crate::model::stamp::Timestamp;
use crate::provider::Provider;
use crate::provider::registry::{self, Outfit};
use crate::secret::Secrets;
use crate::secret::fingerprint::Fingerprinter;
use crate::secret::resolve::References;
use crate::time::clock::{Clock, TokioClock};
use crate::transport::Transport;
use crate::transport::gate::Gate;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What every process of a run is made of.
pub(super) struct Parts {
    pub(super) scenario: Arc<Scenario>,
    pub(super) seams: Seams,
    pub(super) network: Network,
    pub(super) image: Image,
    pub(super) clock: TokioClock,
    pub(super) writes: Writes,
    pub(super) calm: Arc<AtomicBool>,
    /// Secrets by the variable that holds them.
    pub(super) environment: BTreeMap<String, String>,
    /// Phones that nobody manages, by account.
    pub(super) excluded: Vec<Vec<String>>,
}

/// The clock of a process: the world's, and how far it is wrong.
struct Shifted {
    clock: TokioClock,
    by: i64,
}

impl Clock for Shifted {
    fn now(&self) -> Timestamp {
        Timestamp(self.clock.now().0 + self.by)
    }
}

/// A process that runs.
pub(super) struct Process {
    pub(super) driver: Driver,
    pub(super) life: Arc<Life>,
    pub(super) shift: i64,
    outfit: Outfit,
    pub(super) gate: Arc<Gate>,
}

/// A process that did not come to life.
pub(super) enum Stillborn {
    /// The journal does not open: nothing can be done.
    Journal,
    /// The first turn failed: it may be started again.
    Driver(DriverError),
    /// The manifests are wrong: a mistake of the scenario.
    Manifests(Vec<Finding>),
    /// An account does not open: a mistake of the scenario.
    Account(String),
}

impl Parts {
    /// Loads an edition of the manifests.
    pub(super) fn load(&self, edition: u64, spoiled: bool) -> Result<Fleet, Vec<Finding>> {
        let plain = |edition| text::bundle(&self.scenario, edition, &self.excluded, spoiled);
        let bundle = match &self.seams.manifests {
            Some(write) => write(edition, &plain),
            None => plain(edition),
        };
        manifest::load(&bundle, &registry::capabilities, self.clock.now())
    }

    /// Starts a process with this edition of the manifests and a clock that is wrong by so many milliseconds.
    pub(super) fn start(&self, edition: u64, shift: i64) -> Result<Process, Stillborn> {
        let now = self.clock.now();
        let (journal, mut ledger) = match self.image.open() {
            Ok(opened) => opened,
            Err(error) => {
                let problem = chain(&error);
                let happening = Happening::Unopened(problem);
                self.network.monitor().happen(now, &happening);
                return Err(Stillborn::Journal);
            }
        };
        self.network
            .monitor()
            .happen(now, &Happening::Opened(&ledger));
        if let Some(change) = &self.seams.ledger {
            change(&mut ledger);
        }
        let life = Arc::new(Life::default());
        let clock: Arc<dyn Clock> = Arc::new(Shifted {
            clock: self.clock,
            by: shift,
        });
        let clock = wrapped(self.seams.clock.as_ref(), clock);
        let (outfit, gate) = self.outfit(&life, &clock);
        let fleet = Arc::new(self.load(edition, false).map_err(Stillborn::Manifests)?);
        let (providers, setups) = self.accounts(&fleet, &outfit).map_err(Stillborn::Account)?;
        self.hand_over(&fleet, now);
        let fleet = self.planted(edition, fleet);
        let mut settings = self.scenario.settings.clone();
        settings.seed = self.scenario.seed;
        if let Some(change) = &self.seams.settings {
            change(&mut settings);
        }
        let start = Start {
            settings,
            stance: Stance::Preview,
            ledger,
            remembers: true,
            fingerprints: Arc::new(Fingerprinter::new(&[7; 32], Arc::clone(&outfit.secrets))),
            only: None,
        };
        let mut core = Core::new(start, fleet, setups, clock.now());
        core.set_stance(Stance::Run, None);
        let journal = self.journal(Box::new(journal), &life);
        let mut driver = Driver::new(core, journal, providers, clock);
        driver.turn().map_err(Stillborn::Driver)?;
        Ok(Process {
            driver,
            life,
            shift,
            outfit,
            gate,
        })
    }

    fn outfit(&self, life: &Arc<Life>, clock: &Arc<dyn Clock>) -> (Outfit, Arc<Gate>) {
        let line: Arc<dyn Transport> =
            Arc::new(Line::new(&self.network, life, self.seams.receiver.clone()));
        let environment = self.environment.clone();
        let secrets: Arc<dyn Secrets> = Arc::new(References::new(
            Box::new(move |name| environment.get(name).cloned()),
            None,
        ));
        let line = wrapped(self.seams.transport.as_ref(), line);
        let gate = Arc::new(Gate::new(line));
        let outfit = Outfit {
            transport: Arc::<Gate>::clone(&gate),
            secrets,
            clock: Arc::clone(clock),
            request_timeout: self.scenario.settings.request_timeout,
        };
        (outfit, gate)
    }

    /// The disk, who watches it, and what is planted in between.
    fn journal(
        &self,
        disk: Box<dyn crate::journal::Journal>,
        life: &Arc<Life>,
    ) -> Box<dyn crate::journal::Journal> {
        let watched = |inner, side| WatchedJournal {
            inner,
            side,
            monitor: self.network.shared_monitor(),
            clock: self.clock,
        };
        let mortal = MortalJournal {
            inner: Box::new(watched(disk, Side::Durable)),
            life: Arc::clone(life),
            network: self.network.clone(),
            writes: self.writes.clone(),
            scenario: Arc::clone(&self.scenario),
            calm: Arc::clone(&self.calm),
        };
        let planted = wrapped(self.seams.journal.as_ref(), Box::new(mortal) as Box<_>);
        Box::new(watched(planted, Side::Acknowledged))
    }

    #[expect(clippy::type_complexity, reason = "what a core and a driver are given")]
    fn accounts(
        &self,
        fleet: &Fleet,
        outfit: &Outfit,
    ) -> Result<(BTreeMap<AccountName, Arc<dyn Provider>>, Vec<AccountSetup>), String> {
        let (mut providers, mut setups) = (BTreeMap::new(), Vec::new());
        for (name, account) in &fleet.accounts {
            let adapter = registry::open(account, outfit.clone()).map_err(|error| chain(&error))?;
            let watched: Arc<dyn Provider> = Arc::new(WatchedProvider::new(
                adapter,
                name.clone(),
                self.network.clone(),
            ));
            let decoder = Arc::clone(&watched);
            let mut setup = AccountSetup {
                name: name.clone(),
                identity: account.identity.clone(),
                capabilities: watched.capabilities(),
                limits: account.limits,
                decode: Arc::new(move |request, phone, output| {
                    decoder.decode_read(request, phone, output)
                }),
            };
            self.network.monitor().account(&setup);
            if let Some(change) = &self.seams.setup {
                change(&mut setup);
            }
            setups.push(setup);
            let planted = wrapped(self.seams.provider.as_ref(), watched);
            providers.insert(name.clone(), planted);
        }
        Ok((providers, setups))
    }

    /// The fleet as the core is given it.
    fn planted(&self, edition: u64, fleet: Arc<Fleet>) -> Arc<Fleet> {
        let Some(change) = &self.seams.core_fleet else {
            return fleet;
        };
        match self.load(edition, false) {
            Ok(mut other) => {
                change(&mut other);
                Arc::new(other)
            }
            Err(_) => fleet,
        }
    }

    /// From now on this is the newest fleet.
    fn hand_over(&self, fleet: &Arc<Fleet>, now: Timestamp) {
        let mut monitor = self.network.monitor();
        monitor.view.fleet = Some(Arc::clone(fleet));
        monitor.happen(now, &Happening::Fleet);
    }

    /// Gives a running process another edition.
    pub(super) fn edit(&self, process: &mut Process, edition: u64) -> Result<(), DriverError> {
        let Ok(fleet) = self.load(edition, false) else {
            return Ok(());
        };
        let fleet = Arc::new(fleet);
        let Ok((providers, setups)) = self.accounts(&fleet, &process.outfit) else {
            return Ok(());
        };
        let now = self.clock.now();
        self.hand_over(&fleet, now);
        let fleet = self.planted(edition, fleet);
        if self.seams.stubborn {
            return Ok(());
        }
        let driver = &mut process.driver;
        driver.set_providers(providers);
        let theirs = driver.now();
        driver.core_mut().set_fleet(fleet, setups, theirs);
        driver.turn()
    }
}

impl Process {
    /// A moment of the world in the time of this process.
    pub(super) fn theirs(&self, at: Timestamp) -> Timestamp {
        Timestamp(at.0 + self.shift)
    }
}

/// An error with its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
