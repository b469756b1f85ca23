//! Reconciling for ever: manifests are watched, the fleet is read in rounds, what differs is repaired.
//!
//! Invariants: bad manifests change nothing, the last good fleet stays; SIGTERM starts nothing new and leaves the journal consistent.
//! Not here: decisions (`controller::core`), watching files (`source`).

use super::assembly;
use super::session::asked;
use super::{DaemonError, Ending, ProgressSink, Session};
use crate::controller::core::{Event, Stance};
use crate::model::fleet::Fleet;
use crate::model::id::VendorIdentity;
use crate::model::stamp::Timestamp;
use crate::secret::Secrets as _;
use crate::server::control::{ControlSocket, Reply, Request, Verb};
use crate::source::folder::FolderSource;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

impl Session {
    /// Reconciles for ever: watches the manifests, reads in rounds, repairs. Ends when `stop` becomes true.
    ///
    /// # Errors
    /// The journal fails.
    pub async fn run(&mut self, stop: watch::Receiver<bool>) -> Result<Ending, DaemonError> {
        self.stop_on(stop.clone());
        let mut tasks = JoinSet::new();
        let mut source = FolderSource::new(self.options.settings.quiet_period);
        source.ignore.extend(self.options.state_dir.clone());
        let mut changes = source.watch(self.watched());
        let mut control = self.listen(&mut tasks);
        assembly::keep_last_good(
            self.options.state_dir.as_deref().filter(|_| self.locked),
            &self.bundle,
        );
        self.driver.core_mut().set_stance(Stance::Run, None);
        self.turn()?;
        notify(&[sd_notify::NotifyState::Ready]);
        let quiet: ProgressSink = Arc::new(|_| {});
        let mut stop = stop;
        // Closed when the session ends.
        while !self.stopped() {
            let until = Some(self.clock.now().after(std::time::Duration::from_secs(2)));
            tokio::select! {
                biased;
                () = asked(&mut stop) => {}
                Some(request) = control.recv() => self.answer(request)?,
                () = changes.changed() => {
                    self.reload()?;
                    changes.watch_also(self.watched());
                }
                result = self.driver.step(until) => self.after(result)?,
            }
            self.tell(&quiet);
        }
        notify(&[sd_notify::NotifyState::Stopping]);
        self.drain().await?;
        self.publish();
        tasks.shutdown().await;
        Ok(Ending::Interrupted)
    }

    fn after(
        &self,
        result: Result<(), crate::controller::driver::DriverError>,
    ) -> Result<(), DaemonError> {
        result.map_err(|error| {
            if self.driver.has_changed() {
                DaemonError::AfterChanges(error)
            } else {
                DaemonError::Driver(error)
            }
        })
    }

    fn listen(&self, tasks: &mut JoinSet<()>) -> mpsc::Receiver<Request> {
        let (sender, receiver) = mpsc::channel(16);
        if let Some(folder) = self.options.state_dir.as_deref().filter(|_| self.locked) {
            match ControlSocket::bind(folder) {
                Ok(socket) => {
                    tasks.spawn(socket.serve(sender));
                }
                Err(error) => {
                    tracing::warn!(%error, "There is no control socket; `phonefleet resolve` needs the daemon to be stopped");
                }
            }
        }
        receiver
    }

    fn answer(&mut self, request: Request) -> Result<(), DaemonError> {
        let reply = match request.verb {
            Verb::Resolve {
                operation,
                happened,
            } => {
                let now = self.clock.now();
                if self.driver.core().is_parked(operation) {
                    self.driver
                        .core_mut()
                        .handle(Event::Resolved(operation, happened), now);
                    Reply::Done
                } else {
                    Reply::Refused(format!("{operation} is not waiting for a person"))
                }
            }
            Verb::Status => Reply::Status(Box::new(self.progress_now())),
            Verb::Stop => {
                self.asked_to_stop = true;
                Reply::Done
            }
        };
        if request.reply.send(reply).is_err() {
            tracing::debug!("Nobody waits for the answer any more");
        }
        self.turn()
    }

    /// Files and folders whose changes matter.
    fn watched(&self) -> Vec<PathBuf> {
        self.options
            .manifests
            .iter()
            .cloned()
            .chain(assembly::files(&self.bundle).map(|file| file.path.clone()))
            .collect()
    }

    /// Operations that are open at an account this fleet does not have.
    fn open_work_dropped_by(&self, fleet: &Fleet) -> usize {
        let kept = |identity: &VendorIdentity| {
            let mut accounts = fleet.accounts.values();
            accounts.any(|account| account.identity == *identity)
        };
        let operations = &self.driver.core().ledger().operations;
        operations
            .values()
            .filter(|state| !kept(&state.intent.identity))
            .count()
    }

    /// Reads the manifests again; good ones are taken, bad ones are told and left.
    fn reload(&mut self) -> Result<(), DaemonError> {
        let now: Timestamp = self.clock.now();
        let bundle = match assembly::read(&self.options) {
            Ok(bundle) => bundle,
            Err(error) => {
                tracing::error!(%error, "The manifests cannot be read; the last good ones stay");
                return Ok(());
            }
        };
        if bundle.revision() == self.bundle.revision() {
            return Ok(());
        }
        self.secrets.refresh();
        self.fingerprints.refresh();
        let fleet = match assembly::load(&bundle, &self.options, now) {
            Ok(fleet) => fleet,
            Err(findings) => {
                let first = findings
                    .first()
                    .map(|finding| {
                        format!("{}:{}: {}", finding.file, finding.line, finding.message)
                    })
                    .unwrap_or_default();
                tracing::error!(
                    mistakes = findings.len(),
                    first,
                    "The manifests are wrong; the last good ones stay"
                );
                return Ok(());
            }
        };
        let orphans = self.open_work_dropped_by(&fleet);
        if orphans > 0 {
            tracing::error!(
                orphans,
                "The manifests drop an account at which work is open; the last good ones stay until it has ended"
            );
            return Ok(());
        }
        match assembly::open_accounts(&fleet, &self.outfit) {
            Ok(accounts) => {
                tracing::info!(revision = %fleet.revision, "The manifests changed");
                self.providers = accounts.providers.clone();
                self.driver.set_providers(accounts.providers);
                self.driver
                    .core_mut()
                    .set_fleet(Arc::new(fleet), accounts.setups, now);
                self.bundle = bundle;
                assembly::keep_last_good(
                    self.options.state_dir.as_deref().filter(|_| self.locked),
                    &self.bundle,
                );
                self.turn()
            }
            Err(error) => {
                tracing::error!(%error, "An account cannot be opened; the last good manifests stay");
                Ok(())
            }
        }
    }
}

/// Tells systemd, if it asks.
fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}
