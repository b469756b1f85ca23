//! One attribute: whether its reading may be decided on, and whether what was read is what is wished.
//!
//! Invariants: a reading counts only if it was sent after our last completed write to the attribute; a value is compared by its type; what was not told is
//! unread or unknown, never a difference. Not here: causes and costs (`diff`).

use super::diff::{Facts, Print};
use super::gate::OpenWork;
use super::phone::{Catalogue, PhoneInput};
use super::shows::{is_default, proxy_shows, text_agrees};
use super::version::{installed_as, version_fits, version_of};
use crate::model::attribute::Attribute;
use crate::model::capability::{Capability, ReadMethod};
use crate::model::condition::Reason;
use crate::model::desired::Wanted;
use crate::model::id::Package;
use crate::model::observed::{AppState, Observed, ReadKind, Seen};
use crate::model::stamp::Timestamp;
use crate::model::value::{AppWish, Image, ImageTarget, SecretRef, SimField, Value, Wish};
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::time::Duration;

/// What comparing one attribute says.
pub(super) enum Verdict {
    Agrees,
    Differs(Option<Observed>),
    Held(Option<Observed>, Reason, String),
    /// What was written at a cost seems not to be there, by a reading that may be older than it looks: another one is needed, made after this moment.
    Doubted(Option<Observed>, ReadKind, Timestamp, &'static str),
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

/// One managed attribute.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) attribute: &'a Attribute,
    pub(super) wanted: &'a Wanted,
    pub(super) facts: &'a Facts,
}

/// Why a reading is doubted.
const WRITTEN: &str = "it was written a moment ago; it is read once more";
const UNDER_WAY: &str =
    "the vendor said that the same is under way already; it is read again when that must be over";

pub(super) const IN_PROGRESS: &str = "the app is being downloaded or installed on the phone";

enum Standing {
    Usable,
    Unread,
    ReadBack,
}

/// What may be decided on.
pub(super) struct Reader<'a> {
    input: &'a PhoneInput<'a>,
    pub(super) open: &'a OpenWork<'a>,
    oldest_listing: Timestamp,
    oldest: Timestamp,
}

impl<'a> Reader<'a> {
    pub(super) fn new(input: &'a PhoneInput<'a>, open: &'a OpenWork<'a>) -> Self {
        Self {
            input,
            open,
            oldest_listing: input.now.before(input.settings.listing_freshness),
            oldest: input.now.before(input.settings.reading_freshness),
        }
    }

    /// Whether the run state may be decided on: by a fresh listing, or because a live job of ours just ended well on a phone that was running.
    pub(super) fn listed(&self) -> bool {
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

    pub(super) fn read_at(&self, kind: ReadKind) -> Option<Timestamp> {
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
    pub(super) fn young(&self, kind: ReadKind, row: &Capability, at: Timestamp) -> bool {
        let Some(slot) = kind.slot() else {
            return false;
        };
        let (floor, firm) = (self.input.sight.floor[slot], self.input.sight.firm[slot]);
        at >= self.oldest_of(kind)
            && at >= firm
            && (at >= floor || (row.costs.is_live() && self.open.explains(floor)))
    }

    pub(super) fn judge(&self, subject: &Subject<'_>, value: Option<&Seen>) -> Verdict {
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
            let at = self.read_at(kind);
            return match self.standing(kind, subject.attribute, row, at) {
                Standing::Usable => {
                    self.doubt(subject, kind, at, self.by_apps(subject, kind, package))
                }
                Standing::Unread => Verdict::Unread(kind),
                Standing::ReadBack => Verdict::ReadBack(kind),
            };
        }
        let at = value.map(|seen| seen.at);
        match (value, self.standing(kind, subject.attribute, row, at)) {
            (Some(seen), Standing::Usable) => {
                self.doubt(subject, kind, at, self.by_value(subject, &seen.value))
            }
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

    /// A vendor may tell of a phone as it was a moment ago. For what is live that costs a second write; what costs more is not repeated on the word of a
    /// reading that was made less than the read lag after it was known to have happened, or to have failed: some jobs fail and are done. What the vendor
    /// refused because the same was under way is not repeated while that may go on.
    fn doubt(
        &self,
        subject: &Subject<'_>,
        kind: ReadKind,
        at: Option<Timestamp>,
        verdict: Verdict,
    ) -> Verdict {
        let Verdict::Differs(from) = verdict else {
            return verdict;
        };
        let Some(history) = self.input.history else {
            return Verdict::Differs(from);
        };
        let (attribute, digest) = (subject.attribute, subject.facts.digest);
        let lag = self.input.settings.read_lag;
        let seen = |at: Timestamp| at.remembered(self.input.began, self.input.now);
        let wrote = history.past.wrote(attribute, digest).map(seen);
        let met = history.past.met(attribute, digest).map(seen);
        let sure = [
            (wrote.map(|wrote| wrote.after(lag)), WRITTEN),
            (
                met.map(|met| met.after(self.deadline(attribute)).after(lag)),
                UNDER_WAY,
            ),
        ];
        let last = sure
            .into_iter()
            .filter_map(|(sure, why)| Some((sure?, why)))
            .max();
        match last {
            Some((sure, why)) if at.is_none_or(|at| at < sure) => {
                Verdict::Doubted(from, kind, sure, why)
            }
            Some(_) | None => Verdict::Differs(from),
        }
    }

    /// How long a job may go on that writes this attribute.
    fn deadline(&self, attribute: &Attribute) -> Duration {
        let settings = self.input.settings;
        match attribute {
            Attribute::Image => settings.image_deadline,
            Attribute::App(_) => settings.apps_deadline,
            Attribute::SimCountry
            | Attribute::Sim
            | Attribute::Property(_)
            | Attribute::Setting(_)
            | Attribute::Timezone
            | Attribute::Language
            | Attribute::Location
            | Attribute::Proxy
            | Attribute::Bandwidth
            | Attribute::Adb
            | Attribute::Running(_) => settings.settings_deadline,
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
            Wish::Reset => {
                return Verdict::of(is_default(subject.attribute, observed), observed);
            }
            Wish::Set(value) => value,
        };
        match value {
            Value::Text(text) => Verdict::of(
                matches!(observed, Observed::Text(other) if text_agrees(subject.attribute, text, other)),
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
            Value::Location(_) | Value::App(_) => Verdict::Unknown,
            Value::Proxy(proxy) => Verdict::of(proxy_shows(proxy, observed), observed),
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
            (AppWish::Present { app: name, version }, Some(app)) => {
                match version_fits(
                    version_of(self.input.apps, name.as_ref(), version),
                    app.version_name.as_deref(),
                    app.version_code,
                ) {
                    Some(true) => Verdict::Agrees,
                    Some(false) => Verdict::Differs(Some(installed_as(app))),
                    None => Verdict::Unknown,
                }
            }
        }
    }
}

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

fn missing_secret(wish: &Wish) -> String {
    match wish.secret() {
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
