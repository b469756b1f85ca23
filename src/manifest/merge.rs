//! Layers over each other: profiles in order, then the group, then overrides; the nearest wins.
//!
//! Invariants: merging is pure; what is typed already is shared by all phones of a stack, what has variables is typed per phone.
//! Not here: which layers hold for a phone (`claims`).

use super::finding::{Mark, Problem, Sink};
use super::layer::{Ignored, Layer, Said, Slot, Statement};
use super::tree::Node;
use super::value::{self, Piece, Tools};
use super::variables::{self, Scope, Unknown};
use crate::model::attribute::Attribute;
use crate::model::desired::{Desired, Wanted};
use crate::model::id::{GroupName, Package};
use crate::model::value::{SimField, Value, Wish};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What stands after merging: each slot with the number of the layer it came from.
#[derive(Debug, Default)]
pub(super) struct Merged<'l> {
    pub(super) slots: BTreeMap<Slot, (usize, &'l Statement)>,
    ignored_apps: BTreeSet<Package>,
}

/// Puts layers over each other, the farthest first.
pub(super) fn merge<'l>(layers: impl Iterator<Item = &'l Layer>) -> Merged<'l> {
    let mut merged = Merged::default();
    for (number, layer) in layers.enumerate() {
        for (ignored, _) in &layer.ignored {
            merged.slots.retain(|slot, _| !ignored.covers(slot));
            if let Ignored::One(Slot::Attribute(Attribute::App(package))) = ignored {
                merged.ignored_apps.insert(package.clone());
            }
        }
        for slot in layer.statements.keys() {
            match slot {
                Slot::Attribute(Attribute::App(package)) => {
                    let running = Slot::Attribute(Attribute::Running(package.clone()));
                    merged.slots.remove(&running);
                    merged.ignored_apps.remove(package);
                }
                Slot::Attribute(Attribute::Sim) => {
                    merged.slots.retain(|slot, _| !matches!(slot, Slot::Sim(_)));
                }
                Slot::Sim(_) => {
                    merged.slots.remove(&Slot::Attribute(Attribute::Sim));
                }
                Slot::Attribute(_) | Slot::AppPolicy => {}
            }
        }
        for (slot, statement) in &layer.statements {
            merged.slots.insert(slot.clone(), (number, statement));
        }
    }
    merged
}

/// The desired state of all phones with the same layers, as far as it does not depend on the phone.
#[derive(Debug)]
pub(super) struct Stack {
    /// What is the same for all of them.
    pub(super) base: Arc<Desired>,
    /// What has variables.
    pub(super) templates: Vec<(Slot, Arc<Node>, Mark)>,
    sim: BTreeMap<SimField, SmolStr>,
    sim_at: Option<Mark>,
    /// Where each attribute of the base, and `appPolicy`, was said.
    pub(super) marks: Vec<(Slot, Mark)>,
}

/// What is wrong for one phone.
#[derive(Debug)]
pub(super) enum Trouble {
    /// A variable is unknown.
    Unknown(Mark, Unknown),
    /// A filled-in value is wrong.
    Wrong(Problem, Vec<SmolStr>),
}

impl Stack {
    /// Types what does not depend on the phone.
    pub(super) fn build(group: &GroupName, merged: &Merged<'_>, tools: &Tools<'_>) -> Self {
        let mut base = Desired {
            group: group.clone(),
            attributes: BTreeMap::new(),
            app_policy: crate::model::desired::AppPolicy::Additive,
            ignored_apps: merged.ignored_apps.iter().cloned().collect(),
            left_out: Vec::new(),
        };
        let mut stack = Self {
            base: Arc::new(base.clone()),
            templates: Vec::new(),
            sim: BTreeMap::new(),
            sim_at: None,
            marks: Vec::new(),
        };
        let sim_layers = merged
            .slots
            .iter()
            .filter(|(slot, _)| matches!(slot, Slot::Sim(_)));
        stack.sim_at = sim_layers
            .max_by_key(|(_, (layer, statement))| (*layer, std::cmp::Reverse(statement.at)))
            .map(|(_, (_, statement))| statement.at);
        for (slot, (_, statement)) in &merged.slots {
            stack.marks.push((slot.clone(), statement.at));
            match &statement.said {
                Said::Template(node) => {
                    stack
                        .templates
                        .push((slot.clone(), node.clone(), statement.at));
                }
                Said::Reset => {
                    if let Slot::Attribute(attribute) = slot {
                        let origin = tools.sources.origin(statement.at);
                        let wish = Wish::Reset;
                        base.attributes
                            .insert(attribute.clone(), Wanted { wish, origin });
                    }
                }
                Said::Piece(piece) => {
                    let origin = tools.sources.origin(statement.at);
                    put(slot, piece.clone(), &mut base, &mut stack.sim, origin);
                }
            }
        }
        let sim_waits = stack
            .templates
            .iter()
            .any(|(slot, _, _)| matches!(slot, Slot::Sim(_)));
        if !sim_waits {
            add_sim(&mut base, &stack.sim, stack.sim_at, tools);
        }
        stack.base = Arc::new(base);
        stack
    }

    /// The desired state of one phone.
    pub(super) fn desired(
        &self,
        scope: &Scope<'_>,
        tools: &Tools<'_>,
    ) -> Result<Arc<Desired>, Vec<Trouble>> {
        if self.templates.is_empty() {
            return Ok(self.base.clone());
        }
        let mut desired = (*self.base).clone();
        let mut sim = self.sim.clone();
        let mut troubles = Vec::new();
        for (slot, node, at) in &self.templates {
            let filled = match scope.fill(node) {
                Ok(filled) => filled,
                Err((at, unknown)) => {
                    troubles.push(Trouble::Unknown(at, unknown));
                    continue;
                }
            };
            let mut sink = Sink::default();
            if let Some(piece) = value::typed(slot, &filled, tools, &mut sink) {
                put(
                    slot,
                    piece,
                    &mut desired,
                    &mut sim,
                    tools.sources.origin(*at),
                );
            }
            if !sink.problems.is_empty() {
                troubles.extend(sink.problems.into_iter().map(|problem| {
                    let names = variables::names_at(node, problem.at);
                    Trouble::Wrong(problem, names)
                }));
            }
        }
        if !troubles.is_empty() {
            return Err(troubles);
        }
        add_sim(&mut desired, &sim, self.sim_at, tools);
        Ok(Arc::new(desired))
    }
}

fn put(
    slot: &Slot,
    piece: Piece,
    desired: &mut Desired,
    sim: &mut BTreeMap<SimField, SmolStr>,
    origin: crate::model::desired::Origin,
) {
    match (slot, piece) {
        (Slot::Attribute(attribute), Piece::Value(value)) => {
            let wish = Wish::Set(value);
            desired
                .attributes
                .insert(attribute.clone(), Wanted { wish, origin });
        }
        (Slot::Sim(field), Piece::Text(text)) => {
            sim.insert(*field, text);
        }
        (Slot::AppPolicy, Piece::Policy(policy)) => desired.app_policy = policy,
        (Slot::Attribute(_) | Slot::Sim(_) | Slot::AppPolicy, _) => {}
    }
}

fn add_sim(
    desired: &mut Desired,
    sim: &BTreeMap<SimField, SmolStr>,
    at: Option<Mark>,
    tools: &Tools<'_>,
) {
    let Some(at) = at.filter(|_| !sim.is_empty()) else {
        return;
    };
    let wanted = Wanted {
        wish: Wish::Set(Value::Sim(sim.clone())),
        origin: tools.sources.origin(at),
    };
    desired.attributes.insert(Attribute::Sim, wanted);
}
