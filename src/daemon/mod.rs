//! Assembly: the only place that constructs everything. A [`Session`] is one command's hold on a fleet.
//!
//! Invariants: `plan`, `apply` and `run` are the same session with another stance; what is opened here is closed here.
//! Not here: arguments and output (`cli`), decisions (`controller`, `plan`).

mod assembly;
mod session;
mod survey;
mod watch;

pub use session::Session;

use crate::controller::driver::DriverError;
use crate::controller::progress::Progress;
use crate::journal::JournalError;
use crate::manifest::{Finding, ReadError};
use crate::model::id::{AccountName, OperationId, PhoneKey};
use crate::model::observed::{InstalledApp, Listed, Seen};
use crate::model::settings::Settings;
use crate::provider::CallError;
use crate::provider::registry::OpenError;
use crate::transport::Transport;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

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
    /// Another clock than the system's (simulation).
    pub clock: Option<Arc<dyn crate::time::clock::Clock>>,
    /// Another journal than the state folder's (simulation); `state_dir` is not used then.
    pub in_memory: bool,
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
    #[error(transparent)]
    Source(#[from] ReadError),
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
    /// The journal failed before anything was changed.
    #[error(transparent)]
    Driver(DriverError),
    /// The journal failed after changes had begun.
    #[error("stopped in the middle of changes; run the command again to go on")]
    AfterChanges(#[source] DriverError),
    /// The transport or a key cannot be made.
    #[error("cannot set up {what}")]
    Setup {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Work is open at an account that the manifests no longer have.
    #[error("{} are open at an account that the manifests no longer have", names(.0))]
    Orphans(Vec<OperationId>),
    /// Somebody asked to stop before anything was changed.
    #[error("interrupted while reading; nothing was changed")]
    Interrupted,
    /// A phone, account or operation the command names is unknown.
    #[error("{0}")]
    Unknown(String),
}

fn names(operations: &[OperationId]) -> String {
    let names: Vec<String> = operations.iter().take(5).map(ToString::to_string).collect();
    let more = operations.len().saturating_sub(names.len());
    if more == 0 {
        names.join(", ")
    } else {
        format!("{} and {more} more operations", names.join(", "))
    }
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
    /// Codes under which it was known before, the newest first.
    pub former: Vec<PhoneKey>,
    /// Values that were read.
    pub values: BTreeMap<crate::model::attribute::Attribute, Seen>,
    /// Apps, if they were read.
    pub apps: Option<Arc<[InstalledApp]>>,
}

/// Tells a command how far the work is.
pub type ProgressSink = Arc<dyn Fn(&Progress) + Send + Sync>;
