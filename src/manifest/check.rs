//! What can be known before anything is read from a provider: dangling names, phones claimed twice, variables without a value, wishes no provider can fulfil.
//!
//! Invariants: nothing is reported that might be right (a provider group is only known at the provider); the same mistake on many phones is one finding.
//! Not here: mistakes inside one document (`document` and its neighbours).

use super::alias;
use super::claims::Claimant;
use super::finding::{Mark, Sink};
use super::group::GroupSpec;
use super::inventory::{Column, Row};
use super::layer::Slot;
use super::merge::{Stack, Trouble};
use super::variables::{self, Scope};
use super::wishes;
use crate::model::desired::Unsupported;
use crate::model::fleet::Account;
use crate::model::id::{AccountName, PhoneKey};
use crate::model::stamp::Timestamp;
use indexmap::IndexMap;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

/// Different texts of one kind of mistake at one place, at most.
const MOST_VARIANTS: usize = 20;

/// What the checks found that the Fleet keeps.
pub(super) struct Checked {
    /// Phones that manifests name and a group claims for certain.
    pub(super) named: Vec<PhoneKey>,
}

/// Troubles of phones, the same ones together.
#[derive(Default)]
struct Troubles(IndexMap<(Mark, &'static str, String), Seen>);

struct Seen {
    phone: String,
    hint: Option<String>,
    more: usize,
}

/// Runs all checks.
pub(super) fn check(
    claimant: &Claimant,
    accounts: &BTreeMap<AccountName, Option<Account>>,
    capabilities: wishes::Tables<'_>,
    now: Timestamp,
    sink: &mut Sink,
) -> Checked {
    if !sink.rows_torn {
        labels_exist(claimant, sink);
    }
    let mut check = Check {
        claimant,
        accounts,
        capabilities,
        now,
        stacks: BTreeSet::new(),
        dangling: BTreeSet::new(),
        sink,
    };
    for number in 0..claimant.groups.len() {
        check.group(number);
    }
    let named = if check.sink.rows_torn {
        Vec::new()
    } else {
        check.phones()
    };
    Checked { named }
}

fn labels_exist(claimant: &Claimant, sink: &mut Sink) {
    let tables = claimant.tables.iter();
    let known: BTreeSet<&str> = tables
        .flat_map(|table| table.names(Column::Label))
        .collect();
    let known: Vec<&str> = known.into_iter().collect();
    for group in &claimant.groups {
        for (label, _, at) in &group.selection.labels {
            if !known.contains(&label.as_str()) {
                sink.say(
                    *at,
                    "unknown-label",
                    format!("no Inventory has the label `{label}`"),
                )
                .did_you_mean(label, &known);
            }
        }
    }
}

struct Check<'a> {
    claimant: &'a Claimant,
    accounts: &'a BTreeMap<AccountName, Option<Account>>,
    capabilities: wishes::Tables<'a>,
    now: Timestamp,
    /// Stack and account that were checked.
    stacks: BTreeSet<(usize, AccountName)>,
    /// Groups with a profile that does not exist, whatever the phone.
    dangling: BTreeSet<usize>,
    sink: &'a mut Sink,
}

impl Check<'_> {
    /// What does not need a phone: static profiles, overrides, capabilities.
    fn group(&mut self, number: usize) {
        let group = &self.claimant.groups[number];
        let mut profiles = Vec::new();
        let mut whole = true;
        for (name, at) in &group.profiles {
            if !variables::names(name).is_empty() {
                whole = false;
            } else if let Some(profile) = self.claimant.profiles.get_index_of(name) {
                profiles.push(profile);
            } else {
                whole = false;
                self.dangling.insert(number);
                let known: Vec<&str> = self.claimant.profiles.keys().map(SmolStr::as_str).collect();
                self.sink
                    .say(
                        *at,
                        "unknown-profile",
                        format!("there is no Profile `{name}`"),
                    )
                    .did_you_mean(name, &known);
            }
        }
        let accounts = group.selection.accounts.clone();
        if whole {
            self.layers(number, &profiles, &[], &accounts);
        }
        self.overrides(group);
    }

    /// Checks one combination of layers for these accounts.
    fn layers(
        &mut self,
        number: usize,
        profiles: &[usize],
        overrides: &[usize],
        accounts: &[AccountName],
    ) {
        let key = (number, profiles.to_vec(), overrides.to_vec());
        let stack = self.claimant.stack(key);
        let identity = Arc::as_ptr(&stack).addr();
        for account in accounts {
            if !self.stacks.insert((identity, account.clone())) {
                continue;
            }
            self.aliases(&stack);
            if let Some(Some(account)) = self.accounts.get(account)
                && let Some(table) = (self.capabilities)(account.provider)
            {
                let tools = self.claimant.tools();
                let strict = self.claimant.groups[number].unsupported == Unsupported::Error;
                let judge = wishes::Judge {
                    account,
                    table,
                    tools: &tools,
                    strict,
                };
                judge.check(&stack, self.sink);
            }
        }
    }

    fn aliases(&mut self, stack: &Stack) {
        let marks = stack.marks.iter().map(|(slot, at)| (slot, *at));
        alias::check(marks, &self.claimant.sources, self.sink);
    }

    fn overrides(&mut self, group: &GroupSpec) {
        let mut said: BTreeMap<(&PhoneKey, &Slot), Mark> = BTreeMap::new();
        for one in group.overrides.iter().filter(|one| one.holds(self.now)) {
            for (key, at) in &one.phones {
                let row = self.claimant.rows.get(key);
                if group.selection.is_certain() && !group.selection.offline(key, row) {
                    let name = &group.name;
                    self.sink
                        .say(
                            *at,
                            "unclaimed-override",
                            format!("group {name} does not select phone {key}"),
                        )
                        .hint("an override is for phones that its group selects");
                }
                for (slot, statement) in &one.layer.statements {
                    match said.get(&(key, slot)) {
                        None => {
                            said.insert((key, slot), statement.at);
                        }
                        Some(first) => {
                            let first = self.claimant.sources.show(*first);
                            self.sink
                                .say(
                                    statement.at,
                                    "said-twice",
                                    format!("two overrides say `{slot}` of phone {key}; first in {first}"),
                                )
                                .hint("overrides are one layer: remove one of the two");
                        }
                    }
                }
            }
        }
    }

    /// What needs phones: those that inventories and groups name.
    fn phones(&mut self) -> Vec<PhoneKey> {
        let claimant = self.claimant;
        let ids = claimant
            .groups
            .iter()
            .flat_map(|group| group.selection.ids.iter().flatten())
            .map(|(key, _)| key);
        let known: BTreeSet<&PhoneKey> = claimant.rows.keys().chain(ids).collect();
        let mut named = Vec::new();
        let mut twice: IndexMap<(usize, usize), (String, usize)> = IndexMap::new();
        let mut troubles = Troubles::default();
        for key in known {
            let row = claimant.rows.get(key);
            let scope = Scope {
                key,
                former: &[],
                row,
            };
            let mut certain = Vec::new();
            for (number, group) in claimant.groups.iter().enumerate() {
                if !group.selection.offline(key, row) {
                    continue;
                }
                let sure = group.selection.is_certain();
                if sure {
                    certain.push(number);
                }
                self.phone(number, &scope, sure.then_some(&mut troubles));
            }
            if let [first, second, ..] = certain[..] {
                let (_, more) = twice
                    .entry((first, second))
                    .or_insert_with(|| (key.to_string(), 0));
                *more += 1;
            }
            if !certain.is_empty() {
                named.push(key.clone());
            }
        }
        for ((first, second), (phone, count)) in twice {
            self.claimed_twice(first, second, &phone, count);
        }
        troubles.report(self.sink);
        named
    }

    fn phone(&mut self, number: usize, scope: &Scope<'_>, troubles: Option<&mut Troubles>) {
        let claimant = self.claimant;
        let group = &claimant.groups[number];
        if self.dangling.contains(&number) {
            return;
        }
        let Ok(profiles) = claimant.profiles_of(group, scope) else {
            if let Some(troubles) = troubles {
                let found = claimant.desired(number, scope, None).err();
                troubles.add(found.unwrap_or_default(), scope);
            }
            return;
        };
        let overrides = group.overriding(scope, self.now);
        let account = std::slice::from_ref(&scope.key.account);
        self.layers(number, &profiles, &[], account);
        if !overrides.is_empty() {
            self.layers(number, &profiles, &overrides, account);
        }
        let Some(troubles) = troubles else { return };
        let times = [None, Some(self.now)];
        let times = &times[..1 + usize::from(!overrides.is_empty())];
        for at in times {
            if let Err(found) = claimant.desired(number, scope, *at) {
                troubles.add(found, scope);
            }
        }
    }

    fn claimed_twice(&mut self, first: usize, second: usize, phone: &str, count: usize) {
        let (one, two) = (&self.claimant.groups[first], &self.claimant.groups[second]);
        let more = if count > 1 {
            format!(" (and {} more {})", count - 1, phones(count - 1))
        } else {
            String::new()
        };
        let place = self.claimant.sources.show(one.selection.at);
        let (one, name) = (&one.name, &two.name);
        self.sink
            .say(
                two.selection.at,
                "claimed-twice",
                format!("phone {phone}{more} is claimed by groups {one} ({place}) and {name}"),
            )
            .hint("a phone has one group: narrow one of the two, or use `exclude`");
    }
}

impl Troubles {
    fn add(&mut self, found: Vec<Trouble>, scope: &Scope<'_>) {
        for trouble in found {
            let (at, code, message, hint, names) = match trouble {
                Trouble::Unknown(at, unknown) => (
                    at,
                    "unknown-variable",
                    format!("`$({})` has no value: {}", unknown.name, unknown.why),
                    unknown.hint,
                    Vec::new(),
                ),
                Trouble::Wrong(problem, names) => (
                    problem.at,
                    problem.code,
                    problem.message,
                    problem.hint,
                    names,
                ),
            };
            let key = (at, code, message);
            if let Some(seen) = self.0.get_mut(&key) {
                seen.more += 1;
                continue;
            }
            let same =
                |(known, word, _): &&(Mark, &'static str, String)| *known == at && *word == code;
            let variants = self.0.keys().filter(same).count();
            if variants >= MOST_VARIANTS {
                continue;
            }
            let seen = Seen {
                phone: place(scope.key, scope.row, &names),
                hint,
                more: 0,
            };
            self.0.insert(key, seen);
        }
    }

    fn report(self, sink: &mut Sink) {
        for ((at, code, message), seen) in self.0 {
            let Seen { phone, hint, more } = seen;
            let more = if more == 0 {
                String::new()
            } else {
                format!("; and {more} more {}", phones(more))
            };
            let problem = sink.say(at, code, format!("{message} ({phone}{more})"));
            problem.hint = hint;
        }
    }
}

fn phones(count: usize) -> &'static str {
    if count == 1 { "phone" } else { "phones" }
}

/// Phone, row and columns, for people.
fn place(key: &PhoneKey, row: Option<&Row>, names: &[SmolStr]) -> String {
    let mut text = format!("phone {key}");
    if let Some(row) = row {
        text.push_str(", ");
        text.push_str(&row.place());
        for name in names {
            if let Some((_, column)) = name.split_once('.').filter(|(kind, _)| *kind != "phone") {
                let _ = write!(text, " column {column:?}");
            }
        }
    }
    text
}
