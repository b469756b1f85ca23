//! Group documents.
//!
//! Invariants: an override has a reason; a moment has an offset; `ids` name one account each. Not here: what is desired (`layer`), selecting (`select`).

use super::document::Document;
use super::fields::{self, Fields};
use super::finding::{Mark, Sink};
use super::layer::{self, Layer};
use super::select::{self, Selection};
use super::tree::Node;
use super::value::Tools;
use super::variables::{self, Scope};
use crate::model::capability::{Cost, Costs};
use crate::model::desired::{Allowance, Mode, Unsupported};
use crate::model::fleet::Expect;
use crate::model::id::{GroupName, PhoneKey};
use crate::model::stamp::Timestamp;
use rustc_hash::FxHashMap;
use smol_str::SmolStr;

/// A group as it was written, its layers typed.
#[derive(Debug)]
pub(super) struct GroupSpec {
    pub(super) name: GroupName,
    pub(super) at: Mark,
    pub(super) selection: Selection,
    /// Names, perhaps with variables.
    pub(super) profiles: Vec<(SmolStr, Mark)>,
    pub(super) layer: Layer,
    pub(super) overrides: Vec<Override>,
    /// Overrides by phone, in order.
    pub(super) overridden: FxHashMap<PhoneKey, Vec<usize>>,
    pub(super) mode: Mode,
    pub(super) unsupported: Unsupported,
    pub(super) allow: Vec<Allowance>,
    pub(super) expect: Option<Expect>,
}

/// What is different for a few phones.
#[derive(Debug)]
pub(super) struct Override {
    pub(super) phones: Vec<(PhoneKey, Mark)>,
    pub(super) layer: Layer,
    pub(super) until: Option<Timestamp>,
}

impl GroupSpec {
    /// Overrides that hold for the phone at this time, in order.
    pub(super) fn overriding(&self, scope: &Scope<'_>, now: Timestamp) -> Vec<usize> {
        let codes = std::iter::once(scope.key).chain(scope.former);
        let mut numbers: Vec<usize> = codes
            .filter_map(|key| self.overridden.get(key))
            .flatten()
            .copied()
            .filter(|number| self.overrides[*number].holds(now))
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

impl Override {
    /// Whether it holds at this time.
    pub(super) fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

const MODES: &[(&str, Mode)] = &[
    ("observe", Mode::Observe),
    ("warn", Mode::Warn),
    ("enforce", Mode::Enforce),
];

const UNSUPPORTED: &[(&str, Unsupported)] =
    &[("error", Unsupported::Error), ("skip", Unsupported::Skip)];

/// Costs by their words in manifests.
pub(super) const COSTS: &[(&str, Cost)] = &[
    ("restart", Cost::Restart),
    ("wipe", Cost::Wipe),
    ("newIdentity", Cost::NewIdentity),
    ("appData", Cost::AppData),
];

/// Reads a Group.
pub(super) fn group(
    document: &Document<'_>,
    accounts: &[SmolStr],
    tools: &Tools<'_>,
    sink: &mut Sink,
) -> Option<GroupSpec> {
    let mut spec = Fields::open(document.spec, "Group", sink)?;
    let phones = spec.need("phones", sink);
    let selection = phones.and_then(|node| select::selection(node, accounts, sink));
    let expect = phones
        .and_then(|node| node.get("expect"))
        .and_then(|node| expect(node, sink));
    let profiles = spec
        .get("profiles", sink)
        .map_or_else(Vec::new, |node| profiles(node, sink));
    let layer = layer::layer(&mut spec, tools, sink);
    let overrides = spec.get("overrides", sink);
    let mode = spec
        .get("mode", sink)
        .and_then(|node| fields::one_of(node, "mode", MODES, sink))
        .unwrap_or_default();
    let unsupported = spec
        .get("unsupported", sink)
        .and_then(|node| fields::one_of(node, "unsupported", UNSUPPORTED, sink))
        .unwrap_or_default();
    let allow = spec
        .get("allow", sink)
        .map_or_else(Vec::new, |node| allow(node, tools, sink));
    spec.finish(sink);
    let scope = selection.as_ref().map_or(&[][..], |it| &it.accounts);
    let overrides: Vec<Override> = overrides
        .map_or(&[][..], |node| fields::items(node, "overrides", sink))
        .iter()
        .filter_map(|node| {
            let mut fields = Fields::open(node, "overrides", sink)?;
            let phones = fields.need("phones", sink);
            let phones = phones.map_or_else(Vec::new, |node| fields::texts(node, "phones", sink));
            let phones = select::phone_keys(&phones, scope, accounts, sink);
            Some(one_override(fields, phones, tools, sink))
        })
        .collect();
    let mut overridden: FxHashMap<PhoneKey, Vec<usize>> = FxHashMap::default();
    for (at, one) in overrides.iter().enumerate() {
        for (key, _) in &one.phones {
            overridden.entry(key.clone()).or_default().push(at);
        }
    }
    Some(GroupSpec {
        name: GroupName::new(document.name.clone()),
        at: document.name_at,
        selection: selection?,
        profiles,
        layer,
        overrides,
        overridden,
        mode,
        unsupported,
        allow,
        expect,
    })
}

fn profiles(node: &Node, sink: &mut Sink) -> Vec<(SmolStr, Mark)> {
    let mut found: Vec<(SmolStr, Mark)> = Vec::new();
    for item in fields::items(node, "profiles", sink) {
        let before = sink.problems.len();
        variables::any(item, sink);
        if sink.problems.len() > before {
            continue;
        }
        let Some(name) = fields::text(item, "profiles", sink) else {
            continue;
        };
        if found.iter().any(|(known, _)| *known == name) {
            sink.say(
                item.at,
                "said-twice",
                format!("profile `{name}` is listed twice"),
            )
            .hint("remove one of the two");
            continue;
        }
        found.push((name, item.at));
    }
    found
}

fn one_override(
    mut fields: Fields<'_>,
    phones: Vec<(PhoneKey, Mark)>,
    tools: &Tools<'_>,
    sink: &mut Sink,
) -> Override {
    let layer = layer::layer(&mut fields, tools, sink);
    if let Some(reason) = fields.need("reason", sink) {
        fields::text(reason, "reason", sink);
    }
    let until = fields
        .get("until", sink)
        .and_then(|node| fields::moment(node, "until", sink));
    if layer.statements.is_empty()
        && layer.ignored.is_empty()
        && !["desired", "reset", "ignore"]
            .iter()
            .any(|key| fields.has(key))
    {
        sink.say(fields.at, "bad-value", "the override changes nothing")
            .hint("give it `desired`, `reset` or `ignore`");
    }
    fields.finish(sink);
    Override {
        phones,
        layer,
        until,
    }
}

fn expect(node: &Node, sink: &mut Sink) -> Option<Expect> {
    let mut fields = Fields::open(node, "expect", sink)?;
    let mut bound = |key, sink: &mut Sink| {
        let node = fields.get(key, sink)?;
        fields::small(node, key, (0, u32::MAX), sink)
    };
    let (min, max) = (bound("min", sink), bound("max", sink));
    if !fields.has("min") && !fields.has("max") {
        sink.say(node.at, "bad-value", "`expect` says nothing")
            .hint("write { min: 1150, max: 1250 }");
    }
    fields.finish(sink);
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        sink.say(
            node.at,
            "contradiction",
            format!("`min` {min} is above `max` {max}"),
        );
    }
    Some(Expect { min, max })
}

fn allow(node: &Node, tools: &Tools<'_>, sink: &mut Sink) -> Vec<Allowance> {
    let mut found = Vec::new();
    for item in fields::items(node, "allow", sink) {
        let origin = tools.sources.origin(item.at);
        if item.scalar().is_some() {
            if let Some(cost) = fields::one_of(item, "allow", COSTS, sink) {
                found.push(Allowance {
                    costs: Costs::of(&[cost]),
                    until: None,
                    max_phones: None,
                    origin,
                });
            }
            continue;
        }
        let Some(mut fields) = Fields::open(item, "allow", sink) else {
            continue;
        };
        let cost = fields
            .need("cost", sink)
            .and_then(|node| fields::one_of(node, "cost", COSTS, sink));
        let until = fields
            .get("until", sink)
            .and_then(|node| fields::moment(node, "until", sink));
        let max_phones = fields
            .get("maxPhones", sink)
            .and_then(|node| fields::small(node, "maxPhones", (1, u32::MAX), sink));
        fields.finish(sink);
        if let Some(cost) = cost {
            found.push(Allowance {
                costs: Costs::of(&[cost]),
                until,
                max_phones,
                origin,
            });
        }
    }
    found
}
