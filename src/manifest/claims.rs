//! Claims: which group claims a phone, and what it desires of it.
//!
//! Invariants: an answer depends on the Fleet, the phone's facts and the time only (the cache is no state); phones with the same layers and no variables share one `Arc`.
//! Not here: reporting at load what can be known then (`check`).

use super::finding::Sources;
use super::group::GroupSpec;
use super::inventory::{Rows, Table};
use super::layer::Layer;
use super::merge::{Stack, Trouble, merge};
use super::value::Tools;
use super::variables::Scope;
use crate::model::desired::Desired;
use crate::model::fleet::{App, Claim, Claims, PhoneFacts};
use crate::model::id::AppName;
use crate::model::stamp::Timestamp;
use indexmap::IndexMap;
use rustc_hash::FxHashMap;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Group, profiles, overrides: what decides a stack.
type StackKey = (usize, Vec<usize>, Vec<usize>);

/// Everything that claims are answered from.
#[derive(Debug)]
pub(super) struct Claimant {
    pub(super) groups: Vec<GroupSpec>,
    pub(super) profiles: IndexMap<SmolStr, Layer>,
    pub(super) rows: Rows,
    pub(super) tables: Vec<Arc<Table>>,
    pub(super) apps: BTreeMap<AppName, Option<App>>,
    pub(super) sources: Sources,
    pub(super) stacks: Mutex<FxHashMap<StackKey, Arc<Stack>>>,
}

impl Claimant {
    /// What typing a value needs.
    pub(super) fn tools(&self) -> Tools<'_> {
        Tools {
            apps: &self.apps,
            sources: &self.sources,
        }
    }

    /// Numbers of the profiles that hold for a phone of the group.
    pub(super) fn profiles_of(
        &self,
        group: &GroupSpec,
        scope: &Scope<'_>,
    ) -> Result<Vec<usize>, Trouble> {
        let mut numbers = Vec::with_capacity(group.profiles.len());
        for (text, at) in &group.profiles {
            let name = scope
                .expand(text)
                .map_err(|unknown| Trouble::Unknown(*at, unknown))?;
            let Some(number) = self.profiles.get_index_of(&name) else {
                return Err(self.no_profile(&name, text, *at));
            };
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        Ok(numbers)
    }

    fn no_profile(&self, name: &str, text: &str, at: super::finding::Mark) -> Trouble {
        let mut sink = super::finding::Sink::default();
        let known: Vec<&str> = self.profiles.keys().map(SmolStr::as_str).collect();
        sink.say(
            at,
            "unknown-profile",
            format!("there is no Profile `{name}`"),
        )
        .did_you_mean(name, &known);
        Trouble::Wrong(sink.problems.remove(0), super::variables::names(text))
    }

    /// The stack of these layers, from the cache or new.
    pub(super) fn stack(&self, key: StackKey) -> Arc<Stack> {
        let mut stacks = self.stacks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stack) = stacks.get(&key) {
            return stack.clone();
        }
        let (group, profiles, overrides) = &key;
        let group = &self.groups[*group];
        let layers = profiles
            .iter()
            .map(|number| &self.profiles[*number])
            .chain([&group.layer])
            .chain(
                overrides
                    .iter()
                    .map(|number| &group.overrides[*number].layer),
            );
        let merged = merge(layers);
        let stack = Arc::new(Stack::build(&group.name, &merged, &self.tools()));
        stacks.insert(key, stack.clone());
        stack
    }

    /// The desired state of a phone that a group claims; `at`: the overrides that hold then, `None`: without overrides.
    pub(super) fn desired(
        &self,
        number: usize,
        scope: &Scope<'_>,
        at: Option<Timestamp>,
    ) -> Result<Arc<Desired>, Vec<Trouble>> {
        let group = &self.groups[number];
        let profiles = self
            .profiles_of(group, scope)
            .map_err(|trouble| vec![trouble])?;
        let overrides = match at {
            Some(now) => group.overriding(scope, now),
            None => Vec::new(),
        };
        self.stack((number, profiles, overrides))
            .desired(scope, &self.tools())
    }

    fn broken(&self, troubles: &[Trouble]) -> String {
        let lines: Vec<String> = troubles
            .iter()
            .map(|trouble| match trouble {
                Trouble::Unknown(at, unknown) => format!(
                    "{}: variable $({}): {}",
                    self.sources.show(*at),
                    unknown.name,
                    unknown.why
                ),
                Trouble::Wrong(problem, _) => {
                    format!("{}: {}", self.sources.show(problem.at), problem.message)
                }
            })
            .collect();
        lines.join("; ")
    }
}

impl Claims for Claimant {
    fn claim(&self, facts: &PhoneFacts, now: Timestamp) -> Claim {
        let row = facts.codes().find_map(|key| self.rows.get(key));
        let mut hits = (0..self.groups.len())
            .filter(|number| self.groups[*number].selection.matches(facts, row));
        let Some(number) = hits.next() else {
            return Claim::Unclaimed;
        };
        let others: Vec<usize> = hits.collect();
        if !others.is_empty() {
            let names = std::iter::once(number)
                .chain(others)
                .map(|number| self.groups[number].name.clone());
            return Claim::Twice(names.collect());
        }
        let scope = Scope {
            key: &facts.key,
            former: &facts.former,
            row,
        };
        match self.desired(number, &scope, Some(now)) {
            Ok(desired) => Claim::Claimed(desired),
            Err(troubles) => {
                let name = self.groups[number].name.clone();
                Claim::Broken(name, self.broken(&troubles))
            }
        }
    }
}
