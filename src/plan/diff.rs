//! Comparing: all that is desired of one phone against what was observed of it; what differs becomes a change with its cause and costs.
//!
//! Invariants: an attribute is compared only on a reading that was sent after our last completed write to it; what was not told is unknown or unread,
//! never a difference; a phone that agrees costs no text formatting. Not here: one attribute (`reader`), whether a
//! difference may be mended now (`gate`).

use super::gate::OpenWork;
use super::phone::{Change, PhoneInput, Waiting, digest};
use super::reader::{IN_PROGRESS, Reader, Subject, Verdict};
use super::version::installed_as;
use crate::model::attribute::Attribute;
use crate::model::capability::{
    Capabilities, Capability, Cost, Costs, Pattern, ReadMethod, Refuses, Stage,
};
use crate::model::condition::{Cause, Reason};
use crate::model::desired::{AppPolicy, Desired, Fingerprints, Wanted};
use crate::model::fleet::AppSource;
use crate::model::id::{Fingerprint, Package, WishDigest};
use crate::model::observed::{AppState, PHONE_READS, ReadKind};
use crate::model::value::{AppWish, Value, Wish};
use std::cmp::Ordering;
use std::sync::OnceLock;

/// What follows from a desired state alone, made ready once for all phones that share it: capability rows, digests, fingerprints.
#[derive(Clone, Debug)]
pub struct Prepared {
    facts: Box<[Facts]>,
    /// Digest of what an exclusive policy wishes of an app that nobody named.
    absent: WishDigest,
}

#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) row: Option<&'static Capability>,
    pub(super) digest: WishDigest,
    pub(super) print: Print,
    /// Why the provider refuses this very value, as soon as that was asked. (Not of apps: where they come from counts there.)
    refused: OnceLock<Option<String>>,
}

impl Facts {
    /// Why the provider refuses this wish, which is about no app.
    fn refused(
        &self,
        capabilities: &Capabilities,
        attribute: &Attribute,
        wish: &Wish,
    ) -> Option<String> {
        let Refuses(refuses) = capabilities.refuses;
        self.refused
            .get_or_init(|| refuses(attribute, wish, None))
            .clone()
    }
}

#[derive(Clone, Debug)]
pub(super) enum Print {
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
                refused: OnceLock::new(),
            }
        });
        Self {
            facts: facts.collect(),
            absent: match desired.app_policy {
                AppPolicy::Exclusive => digest(&ABSENT),
                AppPolicy::Additive => WishDigest(0),
            },
        }
    }
}

const ABSENT: Wish = Wish::Set(Value::App(AppWish::Absent));

/// What `appPolicy: exclusive` itself stands under among what agrees (`app/*`): on a phone where no stray is. Strays that come after that are drift.
pub fn policy_attribute() -> Attribute {
    Attribute::App(Package::new("*"))
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
pub(super) struct Found<'a> {
    pub(super) change: Change,
    /// The row about its attribute.
    pub(super) row: Option<&'static Capability>,
    /// What is known of the wish; `None`: nobody said it, a policy wants it.
    facts: Option<&'a Facts>,
    pub(super) held: Option<Waiting>,
}

/// What carrying a change out needs to know of it.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// The row about its attribute.
    pub(super) row: Option<&'static Capability>,
    facts: Option<&'a Facts>,
}

impl<'a> Found<'a> {
    pub(super) fn known(&self) -> Known<'a> {
        Known {
            row: self.row,
            facts: self.facts,
        }
    }
}

impl Known<'_> {
    /// Why the provider refuses this value; for an app from this source.
    pub(super) fn refused(
        &self,
        capabilities: &Capabilities,
        change: &Change,
        source: Option<&AppSource>,
    ) -> Option<String> {
        let (attribute, wish) = (&change.attribute, &change.to);
        let of_app = matches!(attribute, Attribute::App(_) | Attribute::Running(_));
        match (self.facts, source) {
            (Some(facts), None) if !of_app => facts.refused(capabilities, attribute, wish),
            (Some(_) | None, _) => (capabilities.refuses.0)(attribute, wish, source),
        }
    }
}

/// What comparing tells.
#[derive(Default)]
pub(super) struct Compared<'a> {
    pub(super) found: Vec<Found<'a>>,
    pub(super) in_sync: Vec<(Attribute, WishDigest)>,
    pub(super) unknown: Vec<Attribute>,
    /// Needed before more can be decided.
    pub(super) unread: Reads,
    /// Among what is not read is something that is written with a restart.
    pub(super) may_restart: bool,
    /// Needed to see what finished writes of ours did.
    pub(super) read_back: Reads,
}

/// Compares everything managed on one phone.
pub(super) fn compare<'a>(
    prepared: &'a Prepared,
    input: &PhoneInput<'a>,
    open: &OpenWork<'_>,
) -> Compared<'a> {
    let reader = Reader::new(input, open);
    let mut compared = Compared::default();
    compared.in_sync.reserve_exact(
        prepared.facts.len() + usize::from(input.desired.app_policy == AppPolicy::Exclusive),
    );
    if !reader.listed() {
        compared.unread = compared.unread.with(ReadKind::Listing);
    }
    // Both maps are sorted by attribute: one walk over both instead of a look-up for each.
    let mut seen = input.sight.values.iter().peekable();
    for ((attribute, wanted), facts) in input.desired.attributes.iter().zip(&prepared.facts) {
        let mut value = None;
        while let Some((other, seen_value)) = seen.peek() {
            match (*other).cmp(attribute) {
                Ordering::Less => seen.next(),
                Ordering::Equal => {
                    value = Some(*seen_value);
                    break;
                }
                Ordering::Greater => break,
            };
        }
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
        strays(prepared.absent, input, &reader, &mut compared);
    }
    compared
}

impl<'a> Compared<'a> {
    fn take(&mut self, input: &PhoneInput<'_>, subject: &Subject<'a>, verdict: Verdict) {
        let (from, held) = match verdict {
            Verdict::Agrees => {
                self.in_sync
                    .push((subject.attribute.clone(), subject.facts.digest));
                return;
            }
            Verdict::Unread(kind) => {
                self.unread = self.unread.with(kind);
                self.may_restart |= subject
                    .facts
                    .row
                    .is_some_and(|row| row.costs.has(Cost::Restart));
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
            Verdict::Held(from, reason, detail) => (from, Some((reason, detail, None))),
            Verdict::Doubted(from, kind, sure, why) => {
                if input.now >= sure {
                    self.unread = self.unread.with(kind);
                }
                (from, Some((Reason::Settling, why.to_owned(), Some(sure))))
            }
        };
        let Subject {
            attribute,
            wanted: Wanted { wish, origin },
            facts: facts @ Facts { row, digest, .. },
        } = *subject;
        let write_only = row.is_some_and(|row| row.read == ReadMethod::Never);
        let costs = match wish {
            // Taking one named app out is what the line says: no cost beyond it.
            Wish::Set(Value::App(AppWish::Absent)) => Costs::NONE,
            Wish::Set(_) | Wish::Reset => Capabilities::costs_by(*row, wish),
        };
        self.found.push(Found {
            row: *row,
            facts: Some(facts),
            held: held.map(|(reason, detail, until)| Waiting {
                attribute: Some(attribute.clone()),
                reason,
                detail,
                until,
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

/// Why there is a difference.
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
        Some(_) | None if input.expired.contains(attribute) => Cause::OverrideExpired,
        Some(_) | None => Cause::Intended,
    }
}

/// Third-party apps that nobody named, where the policy is `exclusive`.
fn strays(
    absent: WishDigest,
    input: &PhoneInput<'_>,
    reader: &Reader<'_>,
    compared: &mut Compared<'_>,
) {
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
    let mut clean = true;
    for app in apps.iter() {
        // Where the read does not tell whether an app is part of the system, it counts as part of it: a system app is never removed.
        if app.system != Some(false) || input.desired.ignored_apps.contains(&app.package) {
            continue;
        }
        let attribute = Attribute::App(app.package.clone());
        if input.desired.attributes.contains_key(&attribute) {
            continue;
        }
        clean = false;
        if input.assumed.contains(&attribute) {
            continue;
        }
        if reader.open.disturbed(&attribute, row, at) {
            compared.read_back = compared.read_back.with(kind);
            continue;
        }
        compared.found.push(Found {
            row: input.capabilities.of(&attribute),
            facts: None,
            held: (app.state == AppState::InProgress).then(|| in_progress(&attribute)),
            change: Change {
                from: Some(installed_as(app)),
                to: ABSENT,
                digest: absent,
                cause: stray_cause(input, &attribute, absent),
                // The policy is the group's: it has no line of its own.
                origin: input.group.origin.clone(),
                costs: Costs::of(&[Cost::AppData]),
                stage: row.stage,
                attribute,
            },
        });
    }
    if clean {
        compared.in_sync.push((policy_attribute(), absent));
    }
}

/// A stray is drift where the policy was in force on the phone already, unless it was managed under a line of its own until now.
fn stray_cause(input: &PhoneInput<'_>, attribute: &Attribute, absent: WishDigest) -> Cause {
    let named = input
        .history
        .is_some_and(|history| history.converged.contains_key(attribute));
    if named {
        cause(input, attribute, absent, false)
    } else {
        cause(input, &policy_attribute(), absent, false)
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

/// When the reads of a kind that plan decides on were made: for [`super::gate::again_at`].
pub(super) const DECIDING: [ReadKind; PHONE_READS] = [
    ReadKind::Listing,
    ReadKind::Usage,
    ReadKind::Properties,
    ReadKind::Apps,
    ReadKind::Shell,
];
