//! One layer of wishes: what a profile, a group or an override says under `desired`, `reset` and `ignore`.
//!
//! Invariants: a layer says each thing once, whatever spelling it uses; a statement without variables is typed when it is read.
//! Not here: the values themselves (`value`), putting layers over each other (`merge`).

use super::alias;
use super::fields::{self, Fields};
use super::finding::{Mark, Sink};
use super::tree::{Kind, Node};
use super::value::{self, Piece, Tools};
use super::variables;
use crate::model::attribute::Attribute;
use crate::model::canonical;
use crate::model::id::Package;
use crate::model::value::SimField;
use smol_str::{SmolStr, ToSmolStr};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A thing that is said once per layer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    /// An attribute as a whole.
    Attribute(Attribute),
    /// One field of the SIM.
    Sim(SimField),
    /// `appPolicy`.
    AppPolicy,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(Attribute::SimCountry) => f.write_str("sim.country"),
            Self::Attribute(attribute) => attribute.fmt(f),
            Self::Sim(field) => write!(f, "sim.{}", sim_name(*field)),
            Self::AppPolicy => f.write_str("appPolicy"),
        }
    }
}

/// SIM fields by their names in manifests.
pub(super) const SIM_FIELDS: &[(&str, SimField)] = &[
    ("imei", SimField::Imei),
    ("iccid", SimField::Iccid),
    ("imsi", SimField::Imsi),
    ("phoneNumber", SimField::PhoneNumber),
    ("mcc", SimField::Mcc),
    ("mnc", SimField::Mnc),
    ("carrier", SimField::Carrier),
    ("cell.type", SimField::CellType),
    ("cell.tac", SimField::CellTac),
    ("cell.cellId", SimField::CellId),
    ("cell.narfcn", SimField::CellNarfcn),
    ("cell.physicalCellId", SimField::CellPhysicalId),
];

/// The name of a SIM field.
pub(super) fn sim_name(field: SimField) -> &'static str {
    SIM_FIELDS
        .iter()
        .find(|(_, known)| *known == field)
        .map_or("", |(name, _)| name)
}

/// What is said.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// A value.
    Piece(Piece),
    /// A value with variables, typed when they are known.
    Template(Arc<Node>),
    /// Put back to the provider's default.
    Reset,
}

/// What is said, and where.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) said: Said,
    pub(super) at: Mark,
}

/// What `ignore` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ignored {
    One(Slot),
    Apps,
    Properties,
    Settings,
    Sim,
}

impl Ignored {
    /// Whether it covers a slot.
    pub(super) fn covers(&self, slot: &Slot) -> bool {
        match (self, slot) {
            (Self::One(Slot::Attribute(Attribute::App(one))), Slot::Attribute(attribute)) => {
                matches!(attribute, Attribute::App(package) | Attribute::Running(package) if package == one)
            }
            (Self::One(one), slot) => one == slot,
            (
                Self::Apps,
                Slot::AppPolicy | Slot::Attribute(Attribute::App(_) | Attribute::Running(_)),
            )
            | (Self::Properties, Slot::Attribute(Attribute::Property(_)))
            | (Self::Settings, Slot::Attribute(Attribute::Setting(_)))
            | (Self::Sim, Slot::Sim(_) | Slot::Attribute(Attribute::Sim | Attribute::SimCountry)) => {
                true
            }
            (Self::Apps | Self::Properties | Self::Settings | Self::Sim, _) => false,
        }
    }
}

/// One layer.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    pub(super) statements: BTreeMap<Slot, Statement>,
    pub(super) ignored: Vec<(Ignored, Mark)>,
}

/// Reads `desired`, `reset` and `ignore` of a mapping.
pub(super) fn layer(fields: &mut Fields<'_>, tools: &Tools<'_>, sink: &mut Sink) -> Layer {
    let mut layer = Layer::default();
    if let Some(node) = fields.get("desired", sink) {
        for (slot, said, at) in desired(node, tools, sink) {
            layer.add(slot, said, at, sink);
        }
    }
    if let Some(node) = fields.get("reset", sink) {
        for (name, at) in fields::texts(node, "reset", sink) {
            match named(&name) {
                Some(Ignored::Sim) => {
                    layer.add(Slot::Attribute(Attribute::Sim), Said::Reset, at, sink);
                }
                Some(Ignored::One(slot @ Slot::Attribute(_))) => {
                    layer.add(slot, Said::Reset, at, sink);
                }
                Some(Ignored::One(Slot::Sim(_))) => {
                    sink.say(at, "bad-value", format!("`{name}` cannot be reset alone"))
                        .hint("write `sim`: the SIM is reset as a whole");
                }
                Some(
                    Ignored::One(Slot::AppPolicy)
                    | Ignored::Apps
                    | Ignored::Properties
                    | Ignored::Settings,
                ) => {
                    sink.say(
                        at,
                        "bad-value",
                        format!("`{name}` cannot be reset as a whole"),
                    )
                    .hint("name one attribute, such as property/persist.sys.example");
                }
                None => unknown_attribute(&name, at, sink),
            }
        }
    }
    if let Some(node) = fields.get("ignore", sink) {
        for (name, at) in fields::texts(node, "ignore", sink) {
            match named(&name) {
                Some(ignored) => layer.ignore(ignored, at, &name, sink),
                None => unknown_attribute(&name, at, sink),
            }
        }
    }
    alias::check(
        layer.statements.iter().map(|(slot, it)| (slot, it.at)),
        tools.sources,
        sink,
    );
    layer
}

impl Layer {
    fn add(&mut self, slot: Slot, said: Said, at: Mark, sink: &mut Sink) {
        let whole_sim = Slot::Attribute(Attribute::Sim);
        let sim = |slot: &Slot| matches!(slot, Slot::Sim(_)) || *slot == whole_sim;
        let earlier = self
            .statements
            .iter()
            .find(|(known, _)| **known == slot || (slot == whole_sim && sim(known)));
        if let Some((_, earlier)) = earlier {
            said_twice(&slot.to_smolstr(), earlier.at, at, sink);
            return;
        }
        self.statements.insert(slot, Statement { said, at });
    }

    fn ignore(&mut self, ignored: Ignored, at: Mark, name: &str, sink: &mut Sink) {
        let earlier = self.ignored.iter().find(|(known, _)| *known == ignored);
        let said = self
            .statements
            .iter()
            .find(|(slot, _)| ignored.covers(slot));
        let first = earlier
            .map(|(_, at)| *at)
            .or(said.map(|(_, statement)| statement.at));
        match first {
            Some(first) => said_twice(name, first, at, sink),
            None => self.ignored.push((ignored, at)),
        }
    }
}

fn said_twice(name: &str, first: Mark, at: Mark, sink: &mut Sink) {
    sink.say(
        at,
        "said-twice",
        format!(
            "`{name}` is said twice in one layer; first in line {}",
            first.line
        ),
    )
    .hint(
        "an attribute has a value, or stands under `reset`, or under `ignore`: remove all but one",
    );
}

/// What a name under `reset` or `ignore` means.
fn named(name: &str) -> Option<Ignored> {
    Some(match name {
        "apps" => Ignored::Apps,
        "properties" => Ignored::Properties,
        "settings" => Ignored::Settings,
        "sim" => Ignored::Sim,
        "sim.country" => Ignored::One(Slot::Attribute(Attribute::SimCountry)),
        "appPolicy" => Ignored::One(Slot::AppPolicy),
        _ => {
            let (group, rest) = name.split_once(['/', '.']).unwrap_or((name, ""));
            let field = SIM_FIELDS.iter().find(|(known, _)| *known == rest);
            match (group, field) {
                ("sim", Some((_, field))) => Ignored::One(Slot::Sim(*field)),
                ("apps", None) if !rest.is_empty() => {
                    Ignored::One(Slot::Attribute(Attribute::App(Package::new(rest))))
                }
                ("properties", None) if !rest.is_empty() => {
                    Ignored::One(Slot::Attribute(Attribute::Property(rest.into())))
                }
                ("settings", None) if !rest.is_empty() => {
                    Ignored::One(Slot::Attribute(Attribute::Setting(rest.into())))
                }
                _ => Ignored::One(Slot::Attribute(name.parse().ok()?)),
            }
        }
    })
}

/// Names that `desired` may have, and that stand under `reset` and `ignore`.
pub(super) const ATTRIBUTES: &[&str] = &[
    "image",
    "timezone",
    "language",
    "location",
    "proxy",
    "sim",
    "properties",
    "settings",
    "apps",
    "appPolicy",
    "bandwidth",
    "adb",
];

fn unknown_attribute(name: &str, at: Mark, sink: &mut Sink) {
    sink.say(
        at,
        "unknown-attribute",
        format!("no attribute is called `{name}`"),
    )
    .did_you_mean(name, ATTRIBUTES)
    .hint
    .get_or_insert_with(|| {
        "known are timezone, app/PACKAGE, property/NAME, setting/NAMESPACE/NAME and the like"
            .to_owned()
    });
}

type Statements = Vec<(Slot, Said, Mark)>;

fn desired(node: &Node, tools: &Tools<'_>, sink: &mut Sink) -> Statements {
    let mut found = Statements::new();
    for entry in fields::entries(node, "desired", sink) {
        let (value, at) = (&entry.value, entry.key_at);
        if value.is_null() {
            fields::blank(at, &entry.key, sink);
            continue;
        }
        let whole = match entry.key.as_str() {
            "image" => Slot::Attribute(Attribute::Image),
            "timezone" => Slot::Attribute(Attribute::Timezone),
            "language" => Slot::Attribute(Attribute::Language),
            "location" => Slot::Attribute(Attribute::Location),
            "proxy" => Slot::Attribute(Attribute::Proxy),
            "bandwidth" => Slot::Attribute(Attribute::Bandwidth),
            "adb" => Slot::Attribute(Attribute::Adb),
            "appPolicy" => Slot::AppPolicy,
            "sim" => {
                sim(value, tools, &mut found, sink);
                continue;
            }
            "properties" => {
                let named = ("properties", property as SlotOf);
                by_key(value, named, tools, &mut found, sink);
                continue;
            }
            "settings" => {
                let named = ("settings", setting as SlotOf);
                by_key(value, named, tools, &mut found, sink);
                continue;
            }
            "apps" => {
                apps(value, tools, &mut found, sink);
                continue;
            }
            other => {
                sink.say(at, "unknown-key", format!("`desired` has no key `{other}`"))
                    .did_you_mean(other, ATTRIBUTES);
                continue;
            }
        };
        found.extend(statement(whole, value, at, tools, sink));
    }
    found
}

fn statement(
    slot: Slot,
    value: &Node,
    at: Mark,
    tools: &Tools<'_>,
    sink: &mut Sink,
) -> Option<(Slot, Said, Mark)> {
    let before = sink.problems.len();
    let has_variables = variables::any(value, sink);
    if sink.problems.len() > before {
        return None;
    }
    if has_variables {
        return Some((slot, Said::Template(Arc::new(value.clone())), at));
    }
    let piece = value::typed(&slot, value, tools, sink)?;
    Some((slot, Said::Piece(piece), at))
}

fn sim(node: &Node, tools: &Tools<'_>, found: &mut Statements, sink: &mut Sink) {
    let Some(mut fields) = Fields::open(node, "sim", sink) else {
        return;
    };
    if let Some(value) = fields.get("country", sink) {
        let slot = Slot::Attribute(Attribute::SimCountry);
        found.extend(statement(slot, value, value.at, tools, sink));
    }
    let cell = fields.get("cell", sink);
    let mut cell = cell.and_then(|node| Fields::open(node, "cell", sink));
    for (name, field) in SIM_FIELDS {
        let value = match (name.strip_prefix("cell."), &mut cell) {
            (None, _) => fields.get(name, sink),
            (Some(name), Some(cell)) => cell.get(name, sink),
            (Some(_), None) => None,
        };
        if let Some(value) = value {
            found.extend(statement(Slot::Sim(*field), value, value.at, tools, sink));
        }
    }
    if let Some(cell) = cell {
        cell.finish(sink);
    }
    fields.finish(sink);
}

/// The slot that a key means.
type SlotOf = fn(&SmolStr, Mark, &mut Sink) -> Option<Slot>;

fn by_key(
    node: &Node,
    (name, slot_of): (&str, SlotOf),
    tools: &Tools<'_>,
    found: &mut Statements,
    sink: &mut Sink,
) {
    for entry in fields::entries(node, name, sink) {
        if entry.value.is_null() {
            fields::blank(entry.key_at, &entry.key, sink);
        } else if let Some(slot) = slot_of(&entry.key, entry.key_at, sink) {
            found.extend(statement(slot, &entry.value, entry.key_at, tools, sink));
        }
    }
}

/// Letters, digits and what names of Android properties and settings use.
fn plain_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-/:@+".contains(c);
    !name.is_empty() && name.len() <= 256 && name.chars().all(good)
}

fn property(name: &SmolStr, at: Mark, sink: &mut Sink) -> Option<Slot> {
    if plain_name(name) && !name.starts_with('/') && !name.ends_with('/') {
        return Some(Slot::Attribute(Attribute::Property(name.clone())));
    }
    sink.say(at, "bad-name", format!("{name:?} is no name of a property"))
        .hint("such as ro.product.model, modem/IMEI, setting/bt/mac or oaid/OAID");
    None
}

fn setting(name: &SmolStr, at: Mark, sink: &mut Sink) -> Option<Slot> {
    let (space, key) = name.split_once('/').unwrap_or(("", name));
    if matches!(space, "global" | "secure" | "system") && plain_name(key) {
        return Some(Slot::Attribute(Attribute::Setting(name.clone())));
    }
    let problem = sink.say(at, "bad-name", format!("{name:?} is no name of a setting"));
    problem.hint(if space.is_empty() {
        format!("write \"global/{key}\", \"secure/{key}\" or \"system/{key}\"")
    } else {
        "it starts with global/, secure/ or system/".to_owned()
    });
    None
}

fn apps(node: &Node, tools: &Tools<'_>, found: &mut Statements, sink: &mut Sink) {
    for entry in fields::entries(node, "apps", sink) {
        let at = entry.key_at;
        if entry.value.is_null() {
            fields::blank(at, &entry.key, sink);
            continue;
        }
        let package = match canonical::package(&entry.key) {
            Ok(package) => Package::new(package),
            Err(invalid) => {
                sink.invalid(at, "bad-name", "apps", &invalid);
                continue;
            }
        };
        if let Kind::Map(_) = entry.value.kind
            && let Some(running) = entry.value.get("running")
        {
            if running.is_null() {
                fields::blank(running.at, "running", sink);
            } else {
                let slot = Slot::Attribute(Attribute::Running(package.clone()));
                found.extend(statement(slot, running, running.at, tools, sink));
            }
        }
        let slot = Slot::Attribute(Attribute::App(package));
        found.extend(statement(slot, &entry.value, at, tools, sink));
    }
}
