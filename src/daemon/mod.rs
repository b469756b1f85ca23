//! Assembly: the only place that constructs everything. A [`Session`] is one command's hold on a fleet.
//!
//! Invariants: `plan`, `apply` and `run` are the same session with another stance; what is opened here is closed here.
//! Not here: arguments and output (`cli`), decisions (`controller`, `plan`).

use crate::controller::progress::Progress;
use crate::journal::JournalError;
use crate::manifest::Finding;
use crate::model::id::{AccountName, PhoneKey};
use crate::model::observed::{InstalledApp, Listed, Seen};
use crate::model::settings::Settings;
use crate::plan::phone::Approval;
use crate::plan::preview::Plan;
use crate::provider::registry::OpenError;
use crate::provider::{CallError, Probe};
use crate::transport::Transport;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a command asks for.
#[derive(Clone)]
pub struct Options {
    /// Files and folders of manifests.
    pub manifests: Vec<PathBuf>,
    /// The state folder; `None`: keep nothing (previews without memory).
    pub state_dir: Option<PathBuf>,
    /// The numbers.
    pub settings: Settings,
    /// Only these phones: globs on `account/id`, on the alias, or `label=value`; empty: all.
    pub select: Vec<String>,
    /// Another way to send requests than real HTTP (simulation).
    pub transport: Option<Arc<dyn Transport>>,
    /// Let plain http reach hosts other than loopback.
    pub allow_plain_http: bool,
    /// The command's name, for the lock's holder.
    pub command: &'static str,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("manifests", &self.manifests)
            .field("state_dir", &self.state_dir)
            .finish_non_exhaustive()
    }
}

/// How a session ended. The exit codes of the design, section 10, follow from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything desired was read back: 0.
    Converged,
    /// Some phones failed, or wait for a person or the vendor: 4.
    Partly,
    /// The time-out passed while still converging: 124.
    TimedOut,
    /// Interrupted; the journal is consistent: 130.
    Interrupted,
}

/// A session cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Manifests cannot be read from disk.
    #[error("cannot read {path}")]
    Source {
        /// The file or folder.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The manifests are wrong.
    #[error("the manifests have {} mistakes", .0.len())]
    Manifests(Vec<Finding>),
    /// An account cannot be opened (missing secret, unknown provider).
    #[error(transparent)]
    Account(#[from] OpenError),
    /// The state folder or its journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The first reading of an account failed: nothing was changed.
    #[error("account {account} cannot be read")]
    Unreadable {
        /// The account.
        account: AccountName,
        /// Why.
        #[source]
        source: CallError,
    },
    /// The journal failed after changes had begun.
    #[error("stopped in the middle of changes; run the command again to go on")]
    AfterChanges(#[source] JournalError),
    /// A phone, account or operation the command names is unknown.
    #[error("{0}")]
    Unknown(String),
}

/// What the provider lists, read once.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Phones by key.
    pub phones: BTreeMap<PhoneKey, SurveyRow>,
}

/// One phone of a survey.
#[derive(Clone, Debug)]
pub struct SurveyRow {
    /// Its state.
    pub listed: Option<Listed>,
    /// The group that claims it, if any.
    pub group: Option<String>,
    /// Values that were read.
    pub values: BTreeMap<crate::model::attribute::Attribute, Seen>,
    /// Apps, if they were read.
    pub apps: Option<Arc<[InstalledApp]>>,
}

/// Tells a command how far the work is.
pub type ProgressSink = Arc<dyn Fn(&Progress) + Send + Sync>;

/// One command's hold on a fleet.
#[derive(Debug)]
pub struct Session {
    #[expect(dead_code, reason = "skeleton")]
    options: Options,
}

impl Session {
    /// Reads the manifests, opens accounts and journal. Sends nothing. With `lock`, takes the state folder's lock.
    ///
    /// # Errors
    /// Manifests, secrets, journal or lock.
    pub async fn open(options: Options, lock: bool) -> Result<Self, DaemonError> {
        let _ = lock;
        Ok(Self { options })
    }

    /// Reads the fleet and plans it. Only reads are sent. Ends as soon as every due reading is in (or has failed for good).
    ///
    /// # Errors
    /// An account that cannot be read at all.
    pub async fn preview(&mut self, progress: ProgressSink) -> Result<Plan, DaemonError> {
        drop(progress);
        unimplemented!()
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
        drop((approval, timeout, progress));
        unimplemented!()
    }

    /// Reconciles for ever: watches the manifests, reads in rounds, repairs. Ends on SIGTERM or SIGINT, or by `stop`.
    ///
    /// # Errors
    /// The journal fails.
    pub async fn run(
        &mut self,
        stop: tokio::sync::watch::Receiver<bool>,
    ) -> Result<Ending, DaemonError> {
        drop(stop);
        unimplemented!()
    }

    /// The plan as things stand now, without reading anything.
    pub fn plan_now(&self) -> Plan {
        unimplemented!()
    }

    /// Reads what one account lists; with `details`, also every attribute its provider can read.
    ///
    /// # Errors
    /// The account is unknown or cannot be read.
    pub async fn survey(
        &mut self,
        account: Option<&AccountName>,
        details: bool,
        progress: ProgressSink,
    ) -> Result<Survey, DaemonError> {
        drop((account, details, progress));
        unimplemented!()
    }

    /// Makes one cheap signed read per account.
    pub async fn probe(&self) -> BTreeMap<AccountName, Result<Probe, CallError>> {
        unimplemented!()
    }
}
