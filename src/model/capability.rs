//! What a provider can do, as data: how each attribute is read and written, and what that costs.
//!
//! Invariants: a table is total (every attribute finds a row or is unsupported); rows are static data, so the same table is printed,
//! validated against, planned with and tested. Not here: any vendor's rows (`provider/<vendor>`).

use super::attribute::Attribute;
use super::fleet::{AppSource, ProviderKind};
use super::observed::ReadKind;
use super::value::{AppWish, Value, Wish};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Something a change costs beyond the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cost {
    /// The phone restarts.
    Restart,
    /// Everything on the phone is erased.
    Wipe,
    /// The phone draws a new random identity.
    NewIdentity,
    /// An app's data is lost.
    AppData,
}

impl Cost {
    /// All costs, in the order they are printed.
    pub const ALL: [Self; 4] = [Self::Restart, Self::Wipe, Self::NewIdentity, Self::AppData];

    /// As it stands in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Wipe => "wipe",
            Self::NewIdentity => "newIdentity",
            Self::AppData => "appData",
        }
    }
}

/// A set of costs. Empty is "live".
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(from = "Vec<Cost>", into = "Vec<Cost>")]
pub struct Costs(u8);

impl Costs {
    /// No cost: a live change.
    pub const NONE: Self = Self(0);

    /// The set of these.
    pub const fn of(costs: &[Cost]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < costs.len() {
            bits |= 1 << costs[i] as u8;
            i += 1;
        }
        Self(bits)
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `cost` is in it.
    pub const fn has(self, cost: Cost) -> bool {
        self.0 & (1 << cost as u8) != 0
    }

    /// Whether all of `other` is in it.
    pub const fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nothing is in it.
    pub const fn is_live(self) -> bool {
        self.0 == 0
    }

    /// Whether it holds more than a restart.
    pub const fn beyond_restart(self) -> bool {
        self.0 & !(1 << Cost::Restart as u8) != 0
    }

    /// The costs in it, in printing order.
    pub fn iter(self) -> impl Iterator<Item = Cost> {
        Cost::ALL.into_iter().filter(move |cost| self.has(*cost))
    }
}

impl From<Vec<Cost>> for Costs {
    fn from(costs: Vec<Cost>) -> Self {
        Self::of(&costs)
    }
}

impl From<Costs> for Vec<Cost> {
    fn from(costs: Costs) -> Self {
        costs.iter().collect()
    }
}

impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_live() {
            return f.write_str("live");
        }
        for (i, cost) in self.iter().enumerate() {
            if i > 0 {
                f.write_str("+")?;
            }
            f.write_str(cost.as_str())?;
        }
        Ok(())
    }
}

/// The order of changes on one phone; earlier stages first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Stage {
    Image,
    Identity,
    RestartProperties,
    Sim,
    Live,
    Apps,
    AppState,
}

/// How an attribute is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReadMethod {
    /// By this read.
    By(ReadKind),
    /// Not at all: write-only, remembered by a keyed fingerprint.
    Never,
}

/// Which attributes a row is about. The first row of a table that matches counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are those of the attributes")]
pub enum Pattern {
    Image,
    SimCountry,
    Sim,
    Timezone,
    Language,
    Location,
    Proxy,
    Bandwidth,
    Adb,
    App,
    Running,
    /// A property that is one of these names exactly.
    PropertyNamed(&'static [&'static str]),
    /// A property whose name starts with this text (empty: every property).
    Property(&'static str),
    /// A setting whose name starts with this text (empty: every setting).
    Setting(&'static str),
}

impl Pattern {
    /// Whether this pattern is about `attribute`.
    pub fn matches(self, attribute: &Attribute) -> bool {
        match (self, attribute) {
            (Self::Image, Attribute::Image)
            | (Self::SimCountry, Attribute::SimCountry)
            | (Self::Sim, Attribute::Sim)
            | (Self::Timezone, Attribute::Timezone)
            | (Self::Language, Attribute::Language)
            | (Self::Location, Attribute::Location)
            | (Self::Proxy, Attribute::Proxy)
            | (Self::Bandwidth, Attribute::Bandwidth)
            | (Self::Adb, Attribute::Adb)
            | (Self::App, Attribute::App(_))
            | (Self::Running, Attribute::Running(_)) => true,
            (Self::PropertyNamed(names), Attribute::Property(name)) => {
                names.contains(&name.as_str())
            }
            (Self::Property(prefix), Attribute::Property(name))
            | (Self::Setting(prefix), Attribute::Setting(name)) => name.starts_with(prefix),
            _ => false,
        }
    }
}

/// Name of one of a provider's calls, as the vendor writes it (`updateTimeZone`).
pub type CallName = &'static str;

/// Which call writes an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Write {
    /// It cannot be written.
    No,
    /// This call.
    Call(CallName),
    /// An app: by where it comes from, and its removal.
    App {
        /// From the vendor's catalogue.
        catalogue: Option<CallName>,
        /// From a url.
        url: Option<CallName>,
        /// From a url, by way of the vendor's catalogue, where the manifest describes the file in full ([`AppSource::is_described`]). `None`: as any url.
        described: Option<CallName>,
        /// Out.
        remove: Option<CallName>,
        /// Out, where the vendor's catalogue has just the version that is there. `None`: as any app.
        remove_known: Option<CallName>,
    },
    /// A switch with a call for each way.
    Switch {
        /// To true.
        on: CallName,
        /// To false.
        off: CallName,
        /// Either way, for an app of which the vendor's catalogue has just the version that is there. `None`: as any app.
        known: Option<CallName>,
    },
}

/// One row of a capability table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Capability {
    /// Which attributes.
    pub pattern: Pattern,
    /// How they are read.
    pub read: ReadMethod,
    /// How they are written.
    pub write: Write,
    /// The call that puts them back to the provider's default; `None`: `reset` is not supported.
    pub reset: Option<CallName>,
    /// What a write costs (an `image` with `wipeData` costs a wipe in addition: see [`Capabilities::costs`]).
    pub costs: Costs,
    /// When it is written, relative to the others.
    pub stage: Stage,
    /// The effect shows only after a restart (of which `costs` tells).
    pub effective_after_restart: bool,
    /// The value is lost when the phone restarts.
    pub lost_by_restart: bool,
    /// The value is lost when the phone is wiped (write-only fingerprints are dropped then; true for nearly everything).
    pub lost_by_wipe: bool,
    /// One line for people: source in the vendor's manual, traps.
    pub note: &'static str,
}

/// One call that changes phones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Its name.
    pub name: CallName,
    /// Phones in one call, at most.
    pub max_phones: u32,
    /// Attributes in one call, at most (properties merge into one call; an app is one a call).
    pub max_attributes: u32,
    /// How long its jobs take, as far as is known: when to poll first.
    pub expected: Duration,
    /// How long its jobs may take before they count as unknown.
    pub deadline: DeadlineClass,
    /// It sets an absolute value: sending it twice ends as sending it once.
    pub absolute: bool,
    /// HTTP requests that one such order may take, at most; all but the last only prepare it.
    pub requests: u32,
}

/// Which of the settings' deadlines holds for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeadlineClass {
    /// Settings and properties (2 min).
    Settings,
    /// Apps (15 min).
    Apps,
    /// Image, identity, restart (30 min).
    Image,
}

/// Limits and page sizes of one read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadCall {
    /// Which read.
    pub kind: ReadKind,
    /// Phones (rows) in one call, at most.
    pub max_phones: u32,
    /// Attributes one call asks for, at most; the others are asked for by further calls.
    pub max_attributes: u32,
    /// Whether it is a job on the phones.
    pub job: bool,
    /// HTTP requests that one such read may take, at most; all but the last only prepare it.
    pub requests: u32,
}

/// A second way to read what a command on phones tells: the vendor's own call, which tells less and costs more calls, and runs no command of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuietRead {
    /// The read; of a kind whose usual way is a job.
    pub read: ReadCall,
    /// Which of the attributes that are read by that kind it tells.
    pub tells: &'static [Pattern],
}

/// How far reading goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reads {
    /// Listings and catalogues only.
    Listed,
    /// Whatever the vendor's API tells; nothing is run on phones.
    Api,
    /// Commands on phones too, where nothing else tells.
    #[default]
    Shell,
}

impl Reads {
    /// Whether this read may be made.
    pub fn allow(self, read: &ReadCall) -> bool {
        match self {
            Self::Shell => true,
            Self::Api => !read.job,
            Self::Listed => match read.kind {
                ReadKind::Listing | ReadKind::AppCatalogue | ReadKind::ImageCatalogue => true,
                ReadKind::Usage | ReadKind::Properties | ReadKind::Apps | ReadKind::Shell => false,
            },
        }
    }
}

/// The limits a vendor documents; an Account may lower them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Requests in any second.
    pub requests_per_second: u32,
    /// Requests in any minute.
    pub requests_per_minute: u32,
    /// Jobs of ours open at once.
    pub open_jobs: u32,
    /// Jobs asked for in one poll.
    pub poll_batch: u32,
    /// The jobs of one poll must come from one submit: their ids share the text before the first `/` (see [`JobId::submit`](super::id::JobId::submit)).
    pub poll_one_submit: bool,
    /// Shortest time between two polls of one job.
    pub poll_interval: Duration,
    /// Requests under way at once.
    pub in_flight: u32,
}

/// Everything a provider can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// Whose table it is.
    pub provider: ProviderKind,
    /// Attributes; the first match counts.
    pub attributes: &'static [Capability],
    /// Calls that change phones.
    pub calls: &'static [Call],
    /// Reads.
    pub reads: &'static [ReadCall],
    /// What stands in for the command that reads, where none may be run.
    pub quiet: Option<QuietRead>,
    /// Documented limits.
    pub limits: Limits,
    /// Base URL when the Account names none.
    pub default_endpoint: &'static str,
    /// Ways to sign in; an Account's `credentials` must be one of them.
    pub credentials: &'static [CredentialForm],
    /// Names an Account's `options` may have.
    pub options: &'static [&'static str],
    /// Why single values cannot be carried out, where the attribute as such can.
    #[serde(skip)]
    pub refuses: Refuses,
    /// Nothing that is read tells whether a phone is connected: a job that the vendor calls open for long may wait for its phone.
    pub blind: bool,
    /// What the vendor's list shows of a job tells whose order it is. Elsewhere only phone, kind and time do, which a late copy of another order shares.
    pub names_orders: bool,
    /// Calls may leave later than they are handed out: they wait for a token, or for what is stored at the vendor before they can be made.
    pub leaves_late: bool,
    /// The adapter leaves things at the vendor that are to be cleared away when nothing else is to be done.
    pub tidies: bool,
    /// The vendor changes codes of phones that stay what they are, and may tell which (see [`Rename`](super::rename::Rename)).
    pub renames: bool,
}

/// One way to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialForm {
    /// Names that must be there. The first one's reference tells one tenant from another.
    pub required: &'static [&'static str],
    /// Names that may be there.
    pub optional: &'static [&'static str],
}

impl CredentialForm {
    /// Whether exactly these names make this form.
    pub fn fits(&self, names: &[&str]) -> bool {
        self.required.iter().all(|name| names.contains(name))
            && names
                .iter()
                .all(|name| self.required.contains(name) || self.optional.contains(name))
    }

    /// All its names, the required ones first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.required.iter().chain(self.optional).copied()
    }
}

/// Says why a wish cannot be carried out (with what would work), or nothing. For an app to be installed, from this source.
#[derive(Clone, Copy)]
pub struct Refuses(pub fn(&Attribute, &Wish, Option<&AppSource>) -> Option<String>);

impl Refuses {
    /// Every value can be carried out.
    pub const NOTHING: Self = Self(|_, _, _| None);
}

impl fmt::Debug for Refuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refuses")
    }
}

impl PartialEq for Refuses {
    /// Code is not compared: two tables that differ in nothing else are equal.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Refuses {}

impl Capabilities {
    /// The row about `attribute`.
    pub fn of(&self, attribute: &Attribute) -> Option<&'static Capability> {
        self.attributes
            .iter()
            .find(|row| row.pattern.matches(attribute))
    }

    /// The call of this name.
    pub fn call(&self, name: &str) -> Option<&'static Call> {
        self.calls.iter().find(|call| call.name == name)
    }

    /// The read of this kind.
    pub fn read(&self, kind: ReadKind) -> Option<&'static ReadCall> {
        self.reads.iter().find(|read| read.kind == kind)
    }

    /// How this kind is read as far as reading may go; `None`: not at all.
    pub fn read_within(&self, kind: ReadKind, reads: Reads) -> Option<&ReadCall> {
        let usual = self.read(kind)?;
        let quiet = self.quiet.as_ref().map(|quiet| &quiet.read);
        std::iter::once(usual)
            .chain(quiet.filter(|quiet| quiet.kind == kind))
            .find(|read| reads.allow(read))
    }

    /// Whether this read tells the attribute, which is one of its kind.
    pub fn tells(&self, read: &ReadCall, attribute: &Attribute) -> bool {
        match &self.quiet {
            Some(quiet) if quiet.read == *read => {
                quiet.tells.iter().any(|pattern| pattern.matches(attribute))
            }
            Some(_) | None => true,
        }
    }

    /// The call that carries out this wish; for an app to be installed, from this source; for any other wish about an app, `source` is where the vendor's
    /// catalogue has it, if it has. `None`: the provider cannot do it.
    pub fn route(
        &self,
        attribute: &Attribute,
        wish: &Wish,
        source: Option<&AppSource>,
    ) -> Option<CallName> {
        self.of(attribute)?.route(wish, source)
    }

    /// What writing this wish costs: the row's costs, and a wipe for an image that may erase data.
    pub fn costs(&self, attribute: &Attribute, wish: &Wish) -> Costs {
        Self::costs_by(self.of(attribute), wish)
    }

    /// The same where the row about the attribute is known.
    pub fn costs_by(row: Option<&Capability>, wish: &Wish) -> Costs {
        let base = row.map_or(Costs::NONE, |row| row.costs);
        match wish {
            Wish::Set(Value::Image(image)) if image.wipe_data => {
                base.union(Costs::of(&[Cost::Wipe]))
            }
            Wish::Set(_) | Wish::Reset => base,
        }
    }
}

impl Capability {
    /// See [`Capabilities::route`], of which this is the part about one row.
    pub fn route(&self, wish: &Wish, source: Option<&AppSource>) -> Option<CallName> {
        let value = match wish {
            Wish::Reset => return self.reset,
            Wish::Set(value) => value,
        };
        let offered = matches!(source, Some(AppSource::Catalogue { .. }));
        match (self.write, value) {
            (Write::No, _) => None,
            (Write::Call(name), _) => Some(name),
            (
                Write::Switch {
                    known: Some(known), ..
                },
                _,
            ) if offered => Some(known),
            (Write::Switch { on, .. }, Value::Flag(true)) => Some(on),
            (Write::Switch { off, .. }, _) => Some(off),
            (
                Write::App {
                    remove_known: Some(known),
                    ..
                },
                Value::App(AppWish::Absent),
            ) if offered => Some(known),
            (Write::App { remove, .. }, Value::App(AppWish::Absent)) => remove,
            (
                Write::App {
                    catalogue,
                    url,
                    described,
                    ..
                },
                _,
            ) => match source? {
                AppSource::Catalogue { .. } => catalogue,
                full if full.is_described() => described.or(url),
                AppSource::Url { .. } => url,
            },
        }
    }
}
