//! What an account told us at one time about some attributes of some phones.
//!
//! Invariants: an observation is dated by when its request was *sent*; a failed, short or partial read never means absence;
//! a value that fits no canonical form is kept as text. Not here: deciding what is due to be read (`controller`), comparing (`plan`).

use super::attribute::Attribute;
use super::id::{Package, PhoneId, ProviderGroup};
use super::stamp::Timestamp;
use super::value::{Bandwidth, SimField};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How something is read. One kind is one call (or one job) shape of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReadKind {
    /// Page by page, all phones of the account with their run state.
    Listing,
    /// Whether phones are in use, and what only the details tell; for named phones.
    Usage,
    /// Properties, for named phones.
    Properties,
    /// Installed apps, for named phones.
    Apps,
    /// A command on named phones: a job.
    Shell,
    /// The account's catalogue of apps.
    AppCatalogue,
    /// The account's catalogue of images.
    ImageCatalogue,
}

/// Number of [`ReadKind`]s that are read per phone (`Listing` to `Shell`); they index dense tables.
pub const PHONE_READS: usize = 5;

impl ReadKind {
    /// Position in a table of [`PHONE_READS`] entries; `None` for catalogues.
    pub fn slot(self) -> Option<usize> {
        match self {
            Self::Listing => Some(0),
            Self::Usage => Some(1),
            Self::Properties => Some(2),
            Self::Apps => Some(3),
            Self::Shell => Some(4),
            Self::AppCatalogue | Self::ImageCatalogue => None,
        }
    }
}

/// What one read call told.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Which read it answers.
    pub kind: ReadKind,
    /// One row a phone; phones that were asked for and are missing here told nothing.
    pub rows: Vec<PhoneReading>,
    /// Listing and catalogues: the next page, if there is one.
    pub next: Option<Cursor>,
    /// Listing: how many phones the account has in all, if the answer says so.
    pub total: Option<u64>,
    /// `AppCatalogue`: the apps.
    pub apps: Vec<CatalogueApp>,
    /// `ImageCatalogue`: the images.
    pub images: Vec<CatalogueImage>,
}

/// Where the next page starts; the provider's own text or a page number as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor(pub SmolStr);

/// What one read told of one phone.
#[derive(Clone, Debug, PartialEq)]
pub struct PhoneReading {
    /// Which phone.
    pub phone: PhoneId,
    /// Listing and Usage: its state.
    pub listed: Option<Listed>,
    /// Attribute values this read tells. A Properties or Shell read gives a row (perhaps [`Observed::Missing`]) for every attribute that was asked for.
    pub values: Vec<(Attribute, Observed)>,
    /// Apps: all of them.
    pub apps: Option<Vec<InstalledApp>>,
}

/// State that a listing tells with the phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Whether it can work.
    pub state: RunState,
    /// A session or stream is visible; `None` where this read does not tell.
    pub in_use: Option<bool>,
    /// The provider's group; `None` where this read does not tell.
    pub provider_group: Option<ProviderGroup>,
}

/// Whether a phone can run jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RunState {
    /// Ready for work.
    Running,
    /// Restarting by itself; wait.
    Restarting,
    /// Resetting or upgrading; wait, and expect write-only values to be lost.
    Changing,
    /// Not ready, backing up, cloning, in transition: wait.
    NotReady,
    /// Runs by its status, but is not connected.
    Unreachable,
    /// The vendor says that something is wrong with it.
    Abnormal,
    /// Switched off.
    Off,
    /// Being deleted or gone.
    Gone,
    /// A status we do not know: wait.
    Unknown,
}

/// An observed value in canonical form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Observed {
    /// Text: zone, tag, property, setting.
    Text(SmolStr),
    /// A switch.
    Flag(bool),
    /// The image, by both its names.
    Image {
        /// Provider's image id.
        id: Option<SmolStr>,
        /// Provider's image version.
        version: Option<SmolStr>,
    },
    /// SIM fields that the read told.
    Sim(BTreeMap<SimField, SmolStr>),
    /// Limits.
    Bandwidth(Bandwidth),
    /// The phone has no value there.
    Missing,
}

/// An app on a phone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InstalledApp {
    /// Its package.
    pub package: Package,
    /// Version name, if told.
    pub version_name: Option<SmolStr>,
    /// Version code, if told and a number.
    pub version_code: Option<u64>,
    /// Where it is in its life.
    pub state: AppState,
    /// Part of the system image; never removed. `None` where the read does not tell.
    pub system: Option<bool>,
}

/// Where an app is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AppState {
    /// Installed.
    Installed,
    /// Downloading or installing now: neither missing nor there.
    InProgress,
}

/// An app of the vendor's catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueApp {
    /// The vendor's id.
    pub app_id: SmolStr,
    /// Its package, if told.
    pub package: Option<Package>,
    /// Version name, if told.
    pub version_name: Option<SmolStr>,
    /// Version code, if told.
    pub version_code: Option<u64>,
}

/// An image of the vendor's catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueImage {
    /// The vendor's id.
    pub id: SmolStr,
    /// Its version or tag.
    pub version: Option<SmolStr>,
}

/// What is remembered of one observed attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The value.
    pub value: Observed,
    /// When the request that told it was sent.
    pub at: Timestamp,
}

/// All that is remembered of one phone's observations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// State by the last listing, as amended by usage reads.
    pub listed: Option<Listed>,
    /// Values by attribute. Those of a read kind whose floor was raised since are still here, but not fresh.
    pub values: BTreeMap<Attribute, Seen>,
    /// Installed apps; equal lists are shared.
    pub apps: Option<Arc<[InstalledApp]>>,
    /// When the last answered read of each kind was sent (see [`ReadKind::slot`]).
    pub read_at: [Option<Timestamp>; PHONE_READS],
    /// Reads of each kind must be sent at or after this: our last completed write to what it reads, or to what invalidates that.
    pub floor: [Timestamp; PHONE_READS],
    /// What the floor would be without the writes of ours that ended well: those tell which attributes they touched, the rest does not.
    pub firm: [Timestamp; PHONE_READS],
    /// Two complete listings, far enough apart, did not show the phone.
    pub absent: bool,
    /// Since when every read that tells it has found the phone in use.
    pub in_use_since: Option<Timestamp>,
}

impl Sight {
    /// Takes one reading in, whose request was sent at `sent_at`. Older readings than what is there change nothing.
    pub fn take(&mut self, kind: ReadKind, reading: PhoneReading, sent_at: Timestamp) {
        let Some(slot) = kind.slot() else { return };
        if self.read_at[slot].is_some_and(|at| at > sent_at) {
            return;
        }
        self.read_at[slot] = Some(sent_at);
        if let Some(new) = reading.listed {
            match new.in_use {
                Some(true) => self.in_use_since = self.in_use_since.or(Some(sent_at)),
                Some(false) => self.in_use_since = None,
                None => {}
            }
            self.listed = Some(match self.listed.take() {
                Some(old) => Listed {
                    state: new.state,
                    in_use: new.in_use.or(old.in_use),
                    provider_group: new.provider_group.or(old.provider_group),
                },
                None => new,
            });
        }
        if let Some(apps) = reading.apps {
            self.apps = Some(apps.into());
        }
        for (attribute, value) in reading.values {
            self.values.insert(attribute, Seen { value, at: sent_at });
        }
    }

    /// Reads of this kind must be sent at or after `at`.
    pub fn raise_floor(&mut self, kind: ReadKind, at: Timestamp) {
        if let Some(slot) = kind.slot() {
            self.floor[slot] = self.floor[slot].max(at);
            self.firm[slot] = self.firm[slot].max(at);
        }
    }

    /// A write of ours ended well at `at` and may have changed what any read tells.
    pub fn overwritten(&mut self, at: Timestamp) {
        for floor in &mut self.floor {
            *floor = at.max(*floor);
        }
    }

    /// When the read was sent that told the attribute last. A read that tells everything it ever will (a listing, usage, a list of apps) tells by silence too.
    pub fn told_at(&self, attribute: &Attribute, kind: ReadKind) -> Option<Timestamp> {
        match (self.values.get(attribute), kind) {
            (Some(seen), _) => Some(seen.at),
            (None, ReadKind::Properties | ReadKind::Shell)
                if !matches!(attribute, Attribute::App(_)) =>
            {
                None
            }
            (None, _) => self.read_at[kind.slot()?],
        }
    }

    /// When the last read of this kind was sent, if it may be decided on: at or after the floor, and no older than `oldest`.
    pub fn fresh(&self, kind: ReadKind, oldest: Timestamp) -> Option<Timestamp> {
        let slot = kind.slot()?;
        self.read_at[slot].filter(|at| *at >= self.floor[slot] && *at >= oldest)
    }
}
