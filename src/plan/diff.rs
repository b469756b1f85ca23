//! Comparing: what is desired of one phone against what was observed of it, attribute by attribute.
//!
//! Invariants: an attribute is compared only on a reading that was sent after our last completed write to it; what was not told is unknown or unread,
//! never a difference; a phone that agrees costs no text formatting. Not here: whether a difference may be mended now (`gate`).

use super::gate::OpenWork;
use super::phone::{Catalogue, Change, PhoneInput, Waiting, digest};
use crate::model::attribute::Attribute;
use crate::model::canonical::compare_versions;
use crate::model::capability::{Capabilities, Capability, Cost, Costs, Pattern, ReadMethod, Stage};
use crate::model::condition::{Cause, Reason};
use crate::model::desired::{AppPolicy, Desired, Fingerprints, Wanted};
use crate::model::id::{Fingerprint, Package, WishDigest};
use crate::model::observed::{AppState, InstalledApp, Observed, PHONE_READS, ReadKind, Seen};
use crate::model::stamp::Timestamp;
use crate::model::value::{
    AppWish, Image, ImageTarget, Proxy, SecretRef, SimField, Value, VersionWish, Wish,
};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What follows from a desired state alone, made ready once for all phones that share it: capability rows, digests, fingerprints.
#[derive(Clone, Debug)]
pub struct Prepared {
    facts: Box<[Facts]>,
}

#[derive(Clone, Debug)]
struct Facts {
    row: Option<&'static Capability>,
    digest: WishDigest,
    print: Print,
}

#[derive(Clone, Debug)]
enum Print {
    /// The attribute can be read, or nothing is remembered.
    Unneeded,
    Known(Fingerprint),
    /// A secret in the value cannot be resolved.
    Missing,
}

impl Prepared {
    /// Makes a desired state ready. `remembers`: see [`PhoneInput::remembers`].
    pub fn new(
        desired: &Desired,
        capabilities: &Capabilities,
        fingerprints: &dyn Fingerprints,
        remembers: bool,
    ) -> Self {
        let facts = desired.attributes.iter().map(|(attribute, wanted)| {
            let row = capabilities.of(attribute);
            let write_only = row.is_some_and(|row| row.read == ReadMethod::Never);
            let print = if write_only && remembers {
                fingerprints
                    .fingerprint(attribute, &wanted.wish)
                    .map_or(Print::Missing, Print::Known)
            } else {
                Print::Unneeded
            };
            Facts {
                row,
                digest: digest(&wanted.wish),
                print,
            }
        });
        Self {
            facts: facts.collect(),
        }
    }
}

/// A set of reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reads(u8);

impl Reads {
    const ALL: [ReadKind; 7] = [
        ReadKind::Listing,
        ReadKind::Usage,
        ReadKind::Properties,
        ReadKind::Apps,
        ReadKind::Shell,
        ReadKind::AppCatalogue,
        ReadKind::ImageCatalogue,
    ];

    #[must_use]
    pub(super) fn with(self, kind: ReadKind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    #[must_use]
    pub(super) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn has(self, kind: ReadKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    pub(super) fn list(self) -> Vec<ReadKind> {
        if self.0 == 0 {
            return Vec::new();
        }
        Self::ALL
            .into_iter()
            .filter(|kind| self.has(*kind))
            .collect()
    }
}

/// A difference, and why it waits if comparing already tells.
pub(super) struct Found {
    pub(super) change: Change,
    pub(super) held: Option<Waiting>,
}

/// What comparing tells.
#[derive(Default)]
pub(super) struct Compared {
    pub(super) found: Vec<Found>,
    pub(super) in_sync: Vec<(Attribute, WishDigest)>,
    pub(super) unknown: Vec<Attribute>,
    /// Needed before more can be decided.
    pub(super) unread: Reads,
    /// Needed to see what finished writes of ours did.
    pub(super) read_back: Reads,
}

enum Verdict {
    Agrees,
    Differs(Option<Observed>),
    Held(Option<Observed>, Reason, String),
    Unread(ReadKind),
    ReadBack(ReadKind),
    Unknown,
}

impl Verdict {
    fn of(agrees: bool, observed: &Observed) -> Self {
        if agrees {
            Self::Agrees
        } else {
            Self::Differs(Some(observed.clone()))
        }
    }
}

/// Compares everything managed on one phone.
pub(super) fn compare(
    prepared: &Prepared,
    input: &PhoneInput<'_>,
    open: &OpenWork<'_>,
) -> Compared {
    let reader = Reader::new(input, open);
    let mut compared = Compared::default();
    compared.in_sync.reserve_exact(prepared.facts.len());
    if !reader.listed() {
        compared.unread = compared.unread.with(ReadKind::Listing);
    }
    // Both maps are sorted by attribute: one walk over both instead of a look-up for each.
    let mut seen = input.sight.values.iter().peekable();
    for ((attribute, wanted), facts) in input.desired.attributes.iter().zip(&prepared.facts) {
        while seen.next_if(|(other, _)| *other < attribute).is_some() {}
        let value = seen
            .peek()
            .filter(|(other, _)| *other == attribute)
            .map(|(_, value)| *value);
        let subject = Subject {
            attribute,
            wanted,
            facts,
        };
        if input.assumed.contains(attribute) {
            continue;
        }
        let verdict = reader.judge(&subject, value);
        compared.take(input, &subject, verdict);
    }
    if input.desired.app_policy == AppPolicy::Exclusive {
        strays(input, &reader, &mut compared);
    }
    compared
}

#[derive(Clone, Copy)]
struct Subject<'a> {
    attribute: &'a Attribute,
    wanted: &'a Wanted,
    facts: &'a Facts,
}

impl Compared {
    fn take(&mut self, input: &PhoneInput<'_>, subject: &Subject<'_>, verdict: Verdict) {
        let (from, held) = match verdict {
            Verdict::Agrees => {
                self.in_sync
                    .push((subject.attribute.clone(), subject.facts.digest));
                return;
            }
            Verdict::Unread(kind) => {
                self.unread = self.unread.with(kind);
                return;
            }
            Verdict::ReadBack(kind) => {
                self.read_back = self.read_back.with(kind);
                return;
            }
            Verdict::Unknown => {
                self.unknown.push(subject.attribute.clone());
                return;
            }
            Verdict::Differs(from) => (from, None),
            Verdict::Held(from, reason, detail) => (from, Some((reason, detail))),
        };
        let Subject {
            attribute,
            wanted: Wanted { wish, origin },
            facts: Facts { row, digest, .. },
        } = *subject;
        let write_only = row.is_some_and(|row| row.read == ReadMethod::Never);
        let costs = match wish {
            // Taking one named app out is what the line says: no cost beyond it.
            Wish::Set(Value::App(AppWish::Absent)) => Costs::NONE,
            Wish::Set(_) | Wish::Reset => input.capabilities.costs(attribute, wish),
        };
        self.found.push(Found {
            held: held.map(|(reason, detail)| Waiting {
                attribute: Some(attribute.clone()),
                reason,
                detail,
                until: None,
                operation: None,
            }),
            change: Change {
                attribute: attribute.clone(),
                from,
                to: wish.clone(),
                digest: *digest,
                cause: cause(input, attribute, *digest, write_only),
                origin: origin.clone(),
                costs,
                stage: row.map_or(Stage::Live, |row| row.stage),
            },
        });
    }
}

/// Why there is a difference. (That an override ended cannot be told from here: it is `Intended`.)
fn cause(
    input: &PhoneInput<'_>,
    attribute: &Attribute,
    digest: WishDigest,
    write_only: bool,
) -> Cause {
    let Some(history) = input.history else {
        return Cause::NewMember;
    };
    let Some(group) = &history.group else {
        return Cause::NewMember;
    };
    match history.converged.get(attribute) {
        Some(old) if *old == digest => {
            if write_only && history.asserted.contains_key(attribute) {
                Cause::SecretRotated
            } else {
                Cause::Corrective
            }
        }
        Some(_) | None if *group != input.desired.group => Cause::NewMember,
        Some(_) | None => Cause::Intended,
    }
}

/// Third-party apps that nobody named, where the policy is `exclusive`.
fn strays(input: &PhoneInput<'_>, reader: &Reader<'_>, compared: &mut Compared) {
    let rows = input.capabilities.attributes;
    let Some(row) = rows.iter().find(|row| row.pattern == Pattern::App) else {
        return;
    };
    let ReadMethod::By(kind) = row.read else {
        return;
    };
    let at = reader
        .read_at(kind)
        .filter(|at| reader.young(kind, row, *at));
    let (Some(at), Some(apps)) = (at, &input.sight.apps) else {
        compared.unread = compared.unread.with(kind);
        return;
    };
    let wish = Wish::Set(Value::App(AppWish::Absent));
    let absent = digest(&wish);
    for app in apps.iter() {
        // Where the read does not tell whether an app is part of the system, it counts as part of it: a system app is never removed.
        if app.system != Some(false) || input.desired.ignored_apps.contains(&app.package) {
            continue;
        }
        let attribute = Attribute::App(app.package.clone());
        if input.desired.attributes.contains_key(&attribute) || input.assumed.contains(&attribute) {
            continue;
        }
        if reader.open.disturbed(&attribute, row, at) {
            compared.read_back = compared.read_back.with(kind);
            continue;
        }
        compared.found.push(Found {
            held: (app.state == AppState::InProgress).then(|| in_progress(&attribute)),
            change: Change {
                from: Some(installed_as(app)),
                to: wish.clone(),
                digest: absent,
                cause: cause(input, &attribute, absent, false),
                // The policy is the group's: it has no line of its own.
                origin: input.group.origin.clone(),
                costs: Costs::of(&[Cost::AppData]),
                stage: row.stage,
                attribute,
            },
        });
    }
}

fn in_progress(attribute: &Attribute) -> Waiting {
    Waiting {
        attribute: Some(attribute.clone()),
        reason: Reason::NotReady,
        detail: IN_PROGRESS.to_owned(),
        until: None,
        operation: None,
    }
}

const IN_PROGRESS: &str = "the app is being downloaded or installed on the phone";

/// What stands for an installed app in a change: its version, as far as it is told.
fn installed_as(app: &InstalledApp) -> Observed {
    Observed::Text(match (&app.version_name, app.version_code) {
        (Some(name), _) => name.clone(),
        (None, Some(code)) => smol_str::format_smolstr!("code {code}"),
        (None, None) => SmolStr::new_static("installed"),
    })
}

enum Standing {
    Usable,
    Unread,
    ReadBack,
}

/// What may be decided on.
struct Reader<'a> {
    input: &'a PhoneInput<'a>,
    open: &'a OpenWork<'a>,
    oldest_listing: Timestamp,
    oldest: Timestamp,
}

impl<'a> Reader<'a> {
    fn new(input: &'a PhoneInput<'a>, open: &'a OpenWork<'a>) -> Self {
        Self {
            input,
            open,
            oldest_listing: input.now.before(input.settings.listing_freshness),
            oldest: input.now.before(input.settings.reading_freshness),
        }
    }

    /// Whether the run state may be decided on: by a fresh listing, or because a live job of ours just ended well on a phone that was running.
    fn listed(&self) -> bool {
        let sight = self.input.sight;
        if sight.listed.is_none() {
            return false;
        }
        sight
            .fresh(ReadKind::Listing, self.oldest_listing)
            .is_some()
            || (sight
                .fresh(ReadKind::Listing, Timestamp(i64::MIN))
                .is_some()
                && self
                    .open
                    .shows_running(self.input)
                    .is_some_and(|at| at >= self.oldest_listing))
    }

    fn fresh(&self, kind: ReadKind) -> bool {
        self.input.sight.fresh(kind, self.oldest_of(kind)).is_some()
    }

    fn oldest_of(&self, kind: ReadKind) -> Timestamp {
        match kind {
            ReadKind::Listing => self.oldest_listing,
            ReadKind::Usage
            | ReadKind::Properties
            | ReadKind::Apps
            | ReadKind::Shell
            | ReadKind::AppCatalogue
            | ReadKind::ImageCatalogue => self.oldest,
        }
    }

    fn read_at(&self, kind: ReadKind) -> Option<Timestamp> {
        kind.slot().and_then(|slot| self.input.sight.read_at[slot])
    }

    /// Whether a reading of this attribute, sent at `at`, may be decided on.
    ///
    /// The floor of a read kind says that *something* it tells was written since. Where the only such writes are finished live ones of ours that have
    /// not been read back yet, what they did not touch may still be decided on: this is what makes one closing read-back a chain enough.
    fn standing(
        &self,
        kind: ReadKind,
        attribute: &Attribute,
        row: &Capability,
        at: Option<Timestamp>,
    ) -> Standing {
        let Some(at) = at else {
            return Standing::Unread;
        };
        if !self.open.is_empty() && self.open.disturbed(attribute, row, at) {
            return Standing::ReadBack;
        }
        if self.young(kind, row, at) {
            Standing::Usable
        } else {
            Standing::Unread
        }
    }

    /// Whether a reading sent at `at` is young enough, whatever it tells.
    fn young(&self, kind: ReadKind, row: &Capability, at: Timestamp) -> bool {
        let Some(slot) = kind.slot() else {
            return false;
        };
        let floor = self.input.sight.floor[slot];
        at >= self.oldest_of(kind)
            && (at >= floor || (row.costs.is_live() && self.open.explains(floor)))
    }

    fn judge(&self, subject: &Subject<'_>, value: Option<&Seen>) -> Verdict {
        let Some(row) = subject.facts.row else {
            return Verdict::Held(
                None,
                Reason::Unsupported,
                format!(
                    "{} has no {}",
                    self.input.capabilities.provider, subject.attribute
                ),
            );
        };
        let kind = match row.read {
            ReadMethod::Never => return self.by_fingerprint(subject),
            ReadMethod::By(kind) => kind,
        };
        if let Attribute::App(package) = subject.attribute {
            return match self.standing(kind, subject.attribute, row, self.read_at(kind)) {
                Standing::Usable => self.by_apps(subject, kind, package),
                Standing::Unread => Verdict::Unread(kind),
                Standing::ReadBack => Verdict::ReadBack(kind),
            };
        }
        let at = value.map(|seen| seen.at);
        match (value, self.standing(kind, subject.attribute, row, at)) {
            (Some(seen), Standing::Usable) => self.by_value(subject, &seen.value),
            (Some(_), Standing::ReadBack) => Verdict::ReadBack(kind),
            (None, Standing::ReadBack) | (Some(_), Standing::Unread) => Verdict::Unread(kind),
            // A listing tells all that it ever will; the other reads tell what they were asked for, and this was not asked for yet.
            (None, Standing::Usable | Standing::Unread) => match kind {
                ReadKind::Listing | ReadKind::Usage if self.fresh(kind) => Verdict::Unknown,
                ReadKind::Listing
                | ReadKind::Usage
                | ReadKind::Properties
                | ReadKind::Apps
                | ReadKind::Shell
                | ReadKind::AppCatalogue
                | ReadKind::ImageCatalogue => Verdict::Unread(kind),
            },
        }
    }

    fn by_fingerprint(&self, subject: &Subject<'_>) -> Verdict {
        if !self.input.remembers {
            return Verdict::Unknown;
        }
        let wanted = match &subject.facts.print {
            Print::Known(print) => print,
            Print::Unneeded => return Verdict::Unknown,
            Print::Missing => {
                return Verdict::Held(None, Reason::Guard, missing_secret(&subject.wanted.wish));
            }
        };
        let asserted = self
            .input
            .history
            .and_then(|history| history.asserted.get(subject.attribute));
        if asserted == Some(wanted) {
            Verdict::Agrees
        } else {
            Verdict::Differs(None)
        }
    }

    fn by_value(&self, subject: &Subject<'_>, observed: &Observed) -> Verdict {
        let value = match &subject.wanted.wish {
            Wish::Reset => return Verdict::of(*observed == Observed::Missing, observed),
            Wish::Set(value) => value,
        };
        match value {
            Value::Text(text) => Verdict::of(
                matches!(observed, Observed::Text(other) if other == text),
                observed,
            ),
            Value::Flag(flag) => Verdict::of(
                matches!(observed, Observed::Flag(other) if other == flag),
                observed,
            ),
            Value::Bandwidth(limits) => Verdict::of(
                matches!(observed, Observed::Bandwidth(other) if other == limits),
                observed,
            ),
            Value::Image(image) => self.by_image(image, observed),
            Value::Sim(fields) => self.by_sim(subject, fields, observed),
            // No read tells these; a row that says otherwise has nothing to compare with.
            Value::Location(_) | Value::Proxy(_) | Value::App(_) => Verdict::Unknown,
        }
    }

    fn by_image(&self, image: &Image, observed: &Observed) -> Verdict {
        let (id, version) = match observed {
            Observed::Image { id, version } => (id.as_ref(), version.as_ref()),
            Observed::Missing
            | Observed::Text(_)
            | Observed::Flag(_)
            | Observed::Sim(_)
            | Observed::Bandwidth(_) => return Verdict::Unknown,
        };
        let images = self.input.catalogue;
        let agrees = match &image.target {
            ImageTarget::Id(wanted) => match (id, version) {
                (Some(id), _) => Some(id == wanted),
                (None, Some(version)) => {
                    image_version(images, wanted).map(|other| other == version)
                }
                (None, None) => None,
            },
            ImageTarget::Version(wanted) => match (version, id) {
                (Some(version), _) => Some(version == wanted),
                (None, Some(id)) => image_version(images, id).map(|other| other == wanted),
                (None, None) => None,
            },
        };
        let by_version = matches!(image.target, ImageTarget::Version(_));
        match agrees {
            Some(true) => Verdict::Agrees,
            // The upgrade takes an id, which only the catalogue knows.
            Some(false) if by_version && self.catalogue_is_due() => {
                Verdict::Unread(ReadKind::ImageCatalogue)
            }
            Some(false) => Verdict::Differs(Some(observed.clone())),
            None if self.catalogue_is_due() => Verdict::Unread(ReadKind::ImageCatalogue),
            None => Verdict::Unknown,
        }
    }

    fn catalogue_is_due(&self) -> bool {
        self.input.catalogue.images.is_none()
            && self
                .input
                .capabilities
                .read(ReadKind::ImageCatalogue)
                .is_some()
    }

    /// A SIM agrees when the wished fields that were told agree. Fields of the cell are never told: they count as written when this very wish converged
    /// before, or a job of ours that wrote it has ended well.
    fn by_sim(
        &self,
        subject: &Subject<'_>,
        wished: &BTreeMap<SimField, SmolStr>,
        observed: &Observed,
    ) -> Verdict {
        let empty = BTreeMap::new();
        let told = match observed {
            Observed::Sim(told) => told,
            Observed::Missing => &empty,
            Observed::Text(_)
            | Observed::Flag(_)
            | Observed::Image { .. }
            | Observed::Bandwidth(_) => return Verdict::Differs(Some(observed.clone())),
        };
        let mut untold = false;
        for (field, value) in wished {
            match told.get(field) {
                Some(other) if other == value => {}
                Some(_) => return Verdict::Differs(Some(observed.clone())),
                None if is_cell(*field) => untold = true,
                None if told.is_empty() && *observed != Observed::Missing => {
                    return Verdict::Unknown;
                }
                None => return Verdict::Differs(Some(observed.clone())),
            }
        }
        if !untold || self.wrote(subject) {
            return Verdict::Agrees;
        }
        if self.input.remembers {
            Verdict::Differs(Some(observed.clone()))
        } else if wished.keys().all(|field| is_cell(*field)) {
            Verdict::Unknown
        } else {
            Verdict::Agrees
        }
    }

    fn wrote(&self, subject: &Subject<'_>) -> bool {
        let converged = self
            .input
            .history
            .and_then(|history| history.converged.get(subject.attribute));
        converged == Some(&subject.facts.digest)
            || self
                .open
                .succeeded_with(subject.attribute, &subject.wanted.wish)
    }

    fn by_apps(&self, subject: &Subject<'_>, kind: ReadKind, package: &Package) -> Verdict {
        let Some(apps) = &self.input.sight.apps else {
            return Verdict::Unread(kind);
        };
        let installed = apps.iter().find(|app| app.package == *package);
        let wish = match &subject.wanted.wish {
            Wish::Set(Value::App(wish)) => wish,
            Wish::Set(_) | Wish::Reset => {
                return Verdict::Differs(Some(installed.map_or(Observed::Missing, installed_as)));
            }
        };
        match (wish, installed) {
            (_, Some(app)) if app.state == AppState::InProgress => Verdict::Held(
                Some(Observed::Missing),
                Reason::NotReady,
                IN_PROGRESS.to_owned(),
            ),
            (AppWish::Absent, None) => Verdict::Agrees,
            (AppWish::Absent, Some(app)) => Verdict::Differs(Some(installed_as(app))),
            (AppWish::Present { .. }, None) => Verdict::Differs(Some(Observed::Missing)),
            (AppWish::Present { .. }, Some(app)) => {
                match satisfies(version_wish(self.input, wish), app) {
                    Some(true) => Verdict::Agrees,
                    Some(false) => Verdict::Differs(Some(installed_as(app))),
                    None => Verdict::Unknown,
                }
            }
        }
    }
}

/// When the reads of a kind that plan decides on were made: for [`super::gate::again_at`].
pub(super) const DECIDING: [ReadKind; PHONE_READS] = [
    ReadKind::Listing,
    ReadKind::Usage,
    ReadKind::Properties,
    ReadKind::Apps,
    ReadKind::Shell,
];

fn is_cell(field: SimField) -> bool {
    match field {
        SimField::CellType
        | SimField::CellTac
        | SimField::CellId
        | SimField::CellNarfcn
        | SimField::CellPhysicalId => true,
        SimField::Imei
        | SimField::Iccid
        | SimField::Imsi
        | SimField::PhoneNumber
        | SimField::Mcc
        | SimField::Mnc
        | SimField::Carrier => false,
    }
}

fn image_version<'a>(catalogue: &'a Catalogue, id: &str) -> Option<&'a SmolStr> {
    catalogue
        .images
        .as_ref()?
        .iter()
        .find(|image| image.id == id)?
        .version
        .as_ref()
}

/// What the installed version must be: what the reference says, else what the App manifest says.
pub(super) fn version_wish<'a>(input: &PhoneInput<'a>, wish: &'a AppWish) -> &'a VersionWish {
    match wish {
        AppWish::Absent => &VersionWish::Any,
        AppWish::Present { app, version } => match (version, app) {
            (VersionWish::Any, Some(name)) => input
                .apps
                .get(name)
                .map_or(&VersionWish::Any, |app| &app.version),
            (
                VersionWish::Any
                | VersionWish::NameExact(_)
                | VersionWish::NameAtLeast(_)
                | VersionWish::CodeExact(_)
                | VersionWish::CodeAtLeast(_),
                _,
            ) => version,
        },
    }
}

/// Whether an installed version is what is wished; `None`: the read does not tell enough.
fn satisfies(wish: &VersionWish, app: &InstalledApp) -> Option<bool> {
    version_fits(wish, app.version_name.as_deref(), app.version_code)
}

/// Whether a version is what is wished; `None`: too little is told of it.
pub(super) fn version_fits(
    wish: &VersionWish,
    name: Option<&str>,
    code: Option<u64>,
) -> Option<bool> {
    match wish {
        VersionWish::Any => Some(true),
        VersionWish::NameExact(wanted) => Some(name? == wanted),
        VersionWish::NameAtLeast(wanted) => Some(compare_versions(name?, wanted).is_ge()),
        VersionWish::CodeExact(wanted) => Some(code? == *wanted),
        VersionWish::CodeAtLeast(wanted) => Some(code? >= *wanted),
    }
}

fn missing_secret(wish: &Wish) -> String {
    let reference = match wish {
        Wish::Set(Value::Proxy(proxy)) => match proxy.as_ref() {
            Proxy::Via(endpoint) => endpoint.password.as_ref(),
            Proxy::Direct => None,
        },
        Wish::Set(
            Value::Text(_)
            | Value::Flag(_)
            | Value::Image(_)
            | Value::Location(_)
            | Value::Sim(_)
            | Value::Bandwidth(_)
            | Value::App(_),
        )
        | Wish::Reset => None,
    };
    match reference {
        Some(reference) => format!("the secret {} cannot be read", reference_text(reference)),
        None => "a secret of this value cannot be read".to_owned(),
    }
}

/// A secret reference as people write it; never the secret.
pub(super) fn reference_text(reference: &SecretRef) -> String {
    match reference {
        SecretRef::Credential(name) => format!("credential:{name}"),
        SecretRef::File(path) => format!("file:{path}"),
        SecretRef::Env(name) => format!("env:{name}"),
        SecretRef::Csv { file, key, column } => format!("csv:{file}:{key}:{column}"),
    }
}
