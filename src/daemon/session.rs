//! One command's hold on a fleet: preview, apply.
//!
//! Invariants: `plan` and `apply` drive the same core; a session that ends early leaves the journal consistent, because it is written before every call.
//! Not here: watching for ever (`watch`), surveys (`survey`).

use super::assembly::{self, Accounts, Memory};
use super::{DaemonError, Ending, Options, ProgressSink};
use crate::controller::core::{Core, PhoneReport, Stance, Start};
use crate::controller::driver::{Driver, DriverError};
use crate::controller::progress::Progress;
use crate::journal::state;
use crate::manifest::Bundle;
use crate::model::capability::Reads;
use crate::model::fleet::Fleet;
use crate::model::id::{AccountName, PhoneKey};
use crate::model::stamp::Timestamp;
use crate::plan::phone::Approval;
use crate::plan::preview::Plan;
use crate::provider::registry::Outfit;
use crate::provider::{CallError, Probe, Provider};
use crate::secret::fingerprint::Fingerprinter;
use crate::secret::resolve::References;
use crate::time::clock::{Clock, TokioClock};
use crate::transport::gate::Gate;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Counts are told this often.
const TOLD_EVERY: Duration = Duration::from_millis(200);
/// `status.json` is written this often at most, while counts change.
const PUBLISHED_EVERY: Duration = Duration::from_secs(2);
/// `status.json` is written this often at least, so that its age tells that somebody is alive.
const PUBLISHED_ANYWAY: Duration = Duration::from_secs(30);
/// Requests under way get this long to be answered when a session drains.
pub(super) const DRAIN: Duration = Duration::from_secs(4);

/// One command's hold on a fleet.
pub struct Session {
    pub(super) options: Options,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) outfit: Outfit,
    gate: Arc<Gate>,
    pub(super) secrets: Arc<References>,
    pub(super) fingerprints: Arc<Fingerprinter>,
    pub(super) driver: Driver,
    pub(super) providers: BTreeMap<AccountName, Arc<dyn Provider>>,
    pub(super) bundle: Bundle,
    pub(super) locked: bool,
    pub(super) stop: Option<watch::Receiver<bool>>,
    pub(super) asked_to_stop: bool,
    told_at: Timestamp,
    published_at: Timestamp,
    /// The counts as they were published.
    published: Progress,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Reads the manifests, opens accounts and journal. Sends nothing. With `lock`, takes the state folder's lock.
    ///
    /// # Errors
    /// Manifests, secrets, journal or lock.
    #[expect(
        clippy::unused_async,
        reason = "it must run inside a tokio runtime, whose clock it starts"
    )]
    pub async fn open(options: Options, lock: bool) -> Result<Self, DaemonError> {
        let clock: Arc<dyn Clock> = options
            .clock
            .clone()
            .unwrap_or_else(|| Arc::new(TokioClock::system()));
        let now = clock.now();
        let bundle = assembly::read(&options)?;
        let (bundle, fleet) = match assembly::load(&bundle, &options, now) {
            Ok(fleet) => (bundle, fleet),
            Err(findings) => {
                Self::last_good(&options, now).ok_or(DaemonError::Manifests(findings))?
            }
        };
        let secrets = Arc::new(References::from_process());
        let (outfit, gate) = assembly::outfit(&options, &secrets, &clock)?;
        let accounts = assembly::open_accounts(&fleet, &outfit)?;
        let memory = assembly::memory(&options, lock, &secrets, now)?;
        let only = assembly::selection(&options, &fleet)?;
        let Memory {
            journal,
            ledger,
            remembers,
            fingerprints,
        } = memory;
        let start = Start {
            settings: options.settings.clone(),
            stance: Stance::Preview,
            ledger,
            remembers,
            fingerprints: assembly::as_fingerprints(&fingerprints),
            only,
        };
        let Accounts { providers, setups } = accounts;
        let core = Core::new(start, Arc::new(fleet), setups, now);
        let orphans = core.orphans();
        if lock && !orphans.is_empty() {
            return Err(DaemonError::Orphans(orphans));
        }
        let driver = Driver::new(core, journal, providers.clone(), Arc::clone(&clock));
        let never = Timestamp::default();
        Ok(Self {
            options,
            clock,
            outfit,
            gate,
            secrets,
            fingerprints,
            driver,
            providers,
            bundle,
            locked: lock,
            stop: None,
            asked_to_stop: false,
            told_at: never,
            published_at: never,
            published: Progress::default(),
        })
    }

    /// A daemon that restarts with bad manifests goes on with the last good ones.
    fn last_good(options: &Options, now: Timestamp) -> Option<(Bundle, Fleet)> {
        let folder = options
            .state_dir
            .as_deref()
            .filter(|_| options.command == "run")?;
        let files = state::load_last_good(folder).ok()??;
        let bundle = assembly::kept(files);
        let fleet = assembly::load(&bundle, options, now).ok()?;
        tracing::error!(
            "The manifests are wrong; going on with the last good ones. `phonefleet validate` shows the mistakes"
        );
        Some((bundle, fleet))
    }

    /// Ends early when this becomes true: nothing new starts, requests under way are still answered.
    pub fn stop_on(&mut self, stop: watch::Receiver<bool>) {
        self.stop = Some(stop);
    }

    /// The fleet.
    pub fn fleet(&self) -> &Arc<Fleet> {
        self.driver.core().fleet()
    }

    /// The open accounts.
    pub fn providers(&self) -> &BTreeMap<AccountName, Arc<dyn Provider>> {
        &self.providers
    }

    /// Reads no more than this; for a preview.
    pub fn limit_reads(&mut self, reads: Reads) {
        self.driver.core_mut().limit_reads(reads);
    }

    /// Reads the fleet and plans it. Only reads are sent. Ends as soon as every due reading is in (or has failed for good); with the lock, jobs of an
    /// earlier session are waited for, so that the plan shows what is left after them.
    ///
    /// # Errors
    /// No account can be read.
    pub async fn preview(&mut self, progress: ProgressSink) -> Result<Plan, DaemonError> {
        self.driver.core_mut().set_stance(Stance::Preview, None);
        self.turn()?;
        let patience = self.clock.now().after(self.options.settings.patience);
        while !self.driver.core().reading_is_over() || self.earlier_work(patience) {
            if self.stopped() {
                return Err(DaemonError::Interrupted);
            }
            self.step(None).await?;
            self.tell(&progress);
        }
        let unreadable = self.driver.core().unreadable();
        if let Some((account, source)) = unreadable
            && self.driver.core().counts().reads > 0
            && (self.providers.len() == 1 || self.driver.core().keys().is_empty())
        {
            return Err(DaemonError::Unreadable { account, source });
        }
        self.publish();
        Ok(self.plan_now())
    }

    /// Jobs of an earlier session still run: what they leave to do cannot be shown before they end. Only where changes will follow, and not for ever.
    fn earlier_work(&self, patience: Timestamp) -> bool {
        self.locked && self.driver.core().has_earlier_work() && self.clock.now() < patience
    }

    /// Carries the approved plan out until nothing more can be done.
    ///
    /// # Errors
    /// The journal fails.
    pub async fn apply(
        &mut self,
        approval: Approval,
        timeout: Option<Duration>,
        progress: ProgressSink,
    ) -> Result<Ending, DaemonError> {
        assembly::keep_last_good(
            self.options.state_dir.as_deref().filter(|_| self.locked),
            &self.bundle,
        );
        self.driver
            .core_mut()
            .set_stance(Stance::Apply, Some(approval));
        let ends = timeout.map(|timeout| self.clock.now().after(timeout));
        let mut still_since: Option<Timestamp> = None;
        self.turn()?;
        let ending = loop {
            let now = self.clock.now();
            if self.stopped() {
                break Ending::Interrupted;
            }
            if ends.is_some_and(|ends| now >= ends) {
                break Ending::TimedOut;
            }
            if self.driver.core().is_converged() {
                break Ending::Converged;
            }
            if self.driver.core().is_still() {
                let since = *still_since.get_or_insert(now);
                let counts = self.driver.core().counts();
                if counts.vendor + counts.not_read == 0
                    || now >= since.after(self.options.settings.patience)
                {
                    break Ending::Partly;
                }
            } else {
                still_since = None;
            }
            let patience = still_since.map(|since| since.after(self.options.settings.patience));
            self.step([ends, patience].into_iter().flatten().min())
                .await?;
            self.tell(&progress);
        };
        if matches!(ending, Ending::Interrupted | Ending::TimedOut) {
            self.drain().await?;
        }
        self.publish();
        progress(&self.progress_now());
        Ok(ending)
    }

    /// Lets requests under way be answered; starts nothing.
    pub(super) async fn drain(&mut self) -> Result<(), DaemonError> {
        self.driver.core_mut().set_stance(Stance::Drain, None);
        self.gate.shut();
        let until = self.clock.now().after(DRAIN);
        self.turn()?;
        while !self.driver.core().is_quiet() && self.clock.now() < until {
            self.step(Some(until)).await?;
        }
        Ok(())
    }

    /// The plan as things stand now, without reading anything.
    pub fn plan_now(&self) -> Plan {
        self.driver.core().plan(self.clock.now())
    }

    /// All counts as things stand now.
    pub fn progress_now(&self) -> Progress {
        self.driver.core().progress(self.clock.now())
    }

    /// The key under which the phone of this key is known now: the vendor may have changed its code.
    pub fn current(&self, key: &PhoneKey) -> PhoneKey {
        self.driver.core().current(key)
    }

    /// Keys under which the phone was known before, the newest first, with when each was found to be another one.
    pub fn former(&self, key: &PhoneKey) -> Vec<(PhoneKey, Timestamp)> {
        self.driver.core().former_codes(key)
    }

    /// One phone as it stands now.
    pub fn report(&self, key: &PhoneKey) -> Option<PhoneReport> {
        self.driver.core().report(key)
    }

    /// Makes one cheap signed read per account.
    pub async fn probe(&self) -> BTreeMap<AccountName, Result<Probe, CallError>> {
        let mut probes = BTreeMap::new();
        for (name, provider) in &self.providers {
            probes.insert(name.clone(), provider.probe().await);
        }
        probes
    }

    pub(super) fn stopped(&self) -> bool {
        self.asked_to_stop || self.stop.as_ref().is_some_and(|stop| *stop.borrow())
    }

    pub(super) fn turn(&mut self) -> Result<(), DaemonError> {
        let result = self.driver.turn();
        self.checked(result)
    }

    /// Waits for the next event, or until the session is asked to stop.
    pub(super) async fn step(&mut self, until: Option<Timestamp>) -> Result<(), DaemonError> {
        let result = match self.stop.clone() {
            Some(mut stop) if !*stop.borrow() => {
                tokio::select! {
                    biased;
                    () = asked(&mut stop) => Ok(()),
                    result = self.driver.step(until) => result,
                }
            }
            Some(_) | None => self.driver.step(until).await,
        };
        self.checked(result)
    }

    fn checked(&self, result: Result<(), DriverError>) -> Result<(), DaemonError> {
        result.map_err(|error| {
            if self.driver.has_changed() {
                DaemonError::AfterChanges(error)
            } else {
                DaemonError::Driver(error)
            }
        })
    }

    pub(super) fn tell(&mut self, progress: &ProgressSink) {
        let now = self.clock.now();
        if now.since(self.told_at) >= TOLD_EVERY {
            self.told_at = now;
            progress(&Progress {
                at: now,
                ..self.driver.core().counts()
            });
        }
        let age = now.since(self.published_at);
        if age >= PUBLISHED_ANYWAY
            || (age >= PUBLISHED_EVERY && self.driver.core().counts() != self.published)
        {
            self.publish();
        }
    }

    /// Writes `status.json`, for `phonefleet status`.
    pub(super) fn publish(&mut self) {
        let now = self.clock.now();
        self.published_at = now;
        self.published = self.driver.core().counts();
        let Some(folder) = self.options.state_dir.as_deref().filter(|_| self.locked) else {
            return;
        };
        let written = serde_json::to_vec(&self.driver.core().progress(now))
            .map(|json| state::save_status(folder, &json));
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "The status cannot be written"),
            Err(error) => tracing::warn!(%error, "The status cannot be written"),
        }
    }
}

/// Waits until the session is asked to stop; for ever when nobody can ask any more.
pub(super) async fn asked(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|asked| *asked).await.is_err() {
        std::future::pending::<()>().await;
    }
}
