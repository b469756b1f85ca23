//! Where planted bugs are put in: wrappers round the parts a process is made of, and changes to the values it starts with.
//!
//! Invariants: without a wrapper nothing is wrapped; the program itself knows of none of this. Not here: any bug (`tests/it/planted*`).

use crate::controller::core::AccountSetup;
use crate::journal::Journal;
use crate::journal::image::Image;
use crate::manifest::Bundle;
use crate::model::fleet::Fleet;
use crate::model::id::AccountName;
use crate::model::record::Ledger;
use crate::model::settings::Settings;
use crate::provider::Provider;
use crate::sim::callback::Callback;
use crate::time::clock::Clock;
use crate::transport::Transport;
use std::sync::Arc;

/// Changes a value before a process starts with it.
pub type Change<T> = Arc<dyn Fn(&mut T) + Send + Sync>;
/// Puts something round a part of a process.
pub type Wrap<T> = Arc<dyn Fn(T) -> T + Send + Sync>;

/// Writes an edition of the manifests; is given its number and a way to write any edition as the scenario has it.
pub type Manifests = Arc<dyn Fn(u64, &dyn Fn(u64) -> Bundle) -> Bundle + Send + Sync>;

/// Takes a callback that reached a living process, of the account it is for, at the moment at which it arrives.
pub type Receiver = Arc<dyn Fn(&AccountName, &Callback) + Send + Sync>;

/// What is put into a process. The default puts in nothing.
#[derive(Clone, Default)]
pub struct Seams {
    /// Round the journal, between the program and the disk.
    pub journal: Option<Wrap<Box<dyn Journal>>>,
    /// Round every account's provider, between the core and the adapter.
    pub provider: Option<Wrap<Arc<dyn Provider>>>,
    /// Round the transport, between the adapters and the network.
    pub transport: Option<Wrap<Arc<dyn Transport>>>,
    /// Round the clock.
    pub clock: Option<Wrap<Arc<dyn Clock>>>,
    /// The manifests.
    pub manifests: Option<Manifests>,
    /// The numbers.
    pub settings: Option<Change<Settings>>,
    /// What the core is told of an account.
    pub setup: Option<Change<AccountSetup>>,
    /// What was replayed.
    pub ledger: Option<Change<Ledger>>,
    /// The fleet as the core is given it; what counts as managed stays what was loaded.
    pub core_fleet: Option<Change<Fleet>>,
    /// The disk, when a process dies.
    pub disk: Option<Change<Image>>,
    /// The ear for callbacks, which the program does not have yet.
    pub receiver: Option<Receiver>,
    /// The process does not hear that it should end.
    pub deaf: bool,
    /// The process goes on with the manifests it began with.
    pub stubborn: bool,
}

impl std::fmt::Debug for Seams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seams").finish_non_exhaustive()
    }
}

/// Puts the wrapper round a part, if there is one.
pub(super) fn wrapped<T>(wrap: Option<&Wrap<T>>, part: T) -> T {
    match wrap {
        Some(wrap) => wrap(part),
        None => part,
    }
}
