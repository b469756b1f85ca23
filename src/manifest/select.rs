//! Which phones a group selects.
//!
//! Invariants: all given conditions must hold, several values of one are alternatives; whether a phone of a known provider group is selected never
//! depends on other phones. Not here: what happens when two groups select one phone (`claims`).

use super::account::known_account;
use super::fields::{self, Fields};
use super::finding::{Mark, Sink};
use super::inventory::{Column, Row};
use super::tree::Node;
use crate::model::fleet::PhoneFacts;
use crate::model::id::{AccountName, PhoneId, PhoneKey, ProviderGroup};
use globset::{Glob, GlobSet, GlobSetBuilder};
use rustc_hash::FxHashSet;
use smol_str::SmolStr;

/// The conditions of a group.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) at: Mark,
    /// Accounts whose phones may be selected; all when none were given.
    pub(super) accounts: Vec<AccountName>,
    /// Empty: not given.
    pub(super) provider_groups: Vec<ProviderGroup>,
    patterns: Option<GlobSet>,
    /// With their places, in order.
    pub(super) ids: Option<Vec<(PhoneKey, Mark)>>,
    id_set: FxHashSet<PhoneKey>,
    /// Label, its values.
    pub(super) labels: Vec<(SmolStr, Vec<SmolStr>, Mark)>,
    excluded: Excluded,
}

impl Selection {
    /// Every condition but the provider group.
    pub(super) fn offline(&self, key: &PhoneKey, row: Option<&Row>) -> bool {
        self.holds(key, &[], row)
    }

    /// The same for a phone that had other codes before: what is said of one of its codes is said of the phone.
    fn holds(&self, key: &PhoneKey, former: &[PhoneKey], row: Option<&Row>) -> bool {
        let any = |test: &dyn Fn(&PhoneKey) -> bool| test(key) || former.iter().any(test);
        let label = |(name, values, _): &(SmolStr, Vec<SmolStr>, Mark)| {
            row.and_then(|row| row.cell(Column::Label, name))
                .is_some_and(|value| values.contains(value))
        };
        self.accounts.contains(&key.account)
            && (self.ids.is_none() || any(&|key| self.id_set.contains(key)))
            && self.labels.iter().all(label)
            && self
                .patterns
                .as_ref()
                .is_none_or(|patterns| any(&|key| patterns.is_match(key.phone.as_str())))
            && !any(&|key| self.excluded.has(key))
    }

    /// Phones that `exclude` names by their codes.
    pub(super) fn excluded(&self) -> impl Iterator<Item = PhoneKey> {
        let plain = self.accounts.iter().flat_map(|account| {
            self.excluded.ids.iter().map(|phone| PhoneKey {
                account: account.clone(),
                phone: phone.clone(),
            })
        });
        plain.chain(self.excluded.keys.iter().cloned())
    }

    /// Every condition.
    pub(super) fn matches(&self, facts: &PhoneFacts, row: Option<&Row>) -> bool {
        let provider_group = facts
            .provider_group
            .as_ref()
            .is_some_and(|group| self.provider_groups.contains(group));
        (self.provider_groups.is_empty() || provider_group)
            && self.holds(&facts.key, &facts.former, row)
    }

    /// Whether `offline` decides alone.
    pub(super) fn is_certain(&self) -> bool {
        self.provider_groups.is_empty()
    }
}

/// Reads the `phones` of a group.
pub(super) fn selection(node: &Node, accounts: &[SmolStr], sink: &mut Sink) -> Option<Selection> {
    let mut fields = Fields::open(node, "phones", sink)?;
    let mut list = |key, sink: &mut Sink| {
        let node = fields.get(key, sink)?;
        let found = fields::texts(node, key, sink);
        if found.is_empty() && fields::items(node, key, &mut Sink::default()).is_empty() {
            sink.say(node.at, "bad-value", format!("`{key}` is empty"))
                .hint("remove the line, or name at least one");
        }
        Some(found)
    };
    let said_accounts = list("accounts", sink);
    let provider_groups = list("providerGroups", sink);
    let patterns = list("idPatterns", sink);
    let ids = list("ids", sink);
    let exclude = list("exclude", sink);
    let select = fields.get("select", sink);
    let expect = ["accounts", "providerGroups", "idPatterns", "ids", "select"];
    if !expect.iter().any(|key| fields.has(key)) {
        sink.say(node.at, "bad-value", "`phones` has no condition")
            .hint("give at least one of accounts, providerGroups, idPatterns, ids, select");
    }
    // Read by the group itself.
    let _ = fields.get("expect", &mut Sink::default());
    fields.finish(sink);
    for (name, at) in said_accounts.iter().flatten() {
        known_account(name, *at, accounts, sink);
    }
    let scope: Vec<AccountName> = match &said_accounts {
        Some(said) => said
            .iter()
            .map(|(name, _)| AccountName::new(name.clone()))
            .collect(),
        None => accounts
            .iter()
            .map(|name| AccountName::new(name.clone()))
            .collect(),
    };
    let ids = ids.map(|ids| phone_keys(&ids, &scope, accounts, sink));
    for (key, at) in ids.iter().flatten() {
        if !scope.contains(&key.account) {
            let message = format!("phone {key} is of no account under `accounts`");
            sink.say(*at, "contradiction", message)
                .hint("all given conditions must hold");
        }
    }
    Some(Selection {
        at: node.at,
        id_set: ids.iter().flatten().map(|(key, _)| key.clone()).collect(),
        ids,
        accounts: scope,
        provider_groups: provider_groups
            .into_iter()
            .flatten()
            .map(|(name, _)| ProviderGroup::new(name))
            .collect(),
        patterns: patterns.map(|patterns| glob_set(&patterns, sink)),
        labels: select.map_or_else(Vec::new, |node| labels(node, sink)),
        excluded: Excluded::read(&exclude.unwrap_or_default(), accounts, sink),
    })
}

/// What `exclude` names.
#[derive(Debug)]
struct Excluded {
    ids: FxHashSet<PhoneId>,
    keys: FxHashSet<PhoneKey>,
    patterns: GlobSet,
}

impl Excluded {
    fn read(said: &[(SmolStr, Mark)], accounts: &[SmolStr], sink: &mut Sink) -> Self {
        let mut excluded = Self {
            ids: FxHashSet::default(),
            keys: FxHashSet::default(),
            patterns: GlobSet::empty(),
        };
        let mut globs = Vec::new();
        for (text, at) in said {
            if text.contains(['*', '?', '[', '{']) {
                globs.push((text.clone(), *at));
            } else if let Some(key) = account_prefix(text, accounts) {
                excluded.keys.insert(key);
            } else {
                excluded.ids.insert(PhoneId::new(text.clone()));
            }
        }
        excluded.patterns = glob_set(&globs, sink);
        excluded
    }

    fn has(&self, key: &PhoneKey) -> bool {
        self.ids.contains(&key.phone)
            || self.keys.contains(key)
            || (!self.patterns.is_empty() && self.patterns.is_match(key.phone.as_str()))
    }
}

fn glob_set(patterns: &[(SmolStr, Mark)], sink: &mut Sink) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for (pattern, at) in patterns {
        match Glob::new(pattern) {
            Ok(glob) => {
                set.add(glob);
            }
            Err(error) => {
                let message = format!("{pattern:?} is no pattern: {}", error.kind());
                sink.say(*at, "bad-value", message)
                    .hint("`*` stands for any text, `?` for one character, [0-9] for one of a set");
            }
        }
    }
    set.build().unwrap_or_default()
}

/// `account/id` with a known account.
fn account_prefix(text: &str, accounts: &[SmolStr]) -> Option<PhoneKey> {
    let (account, phone) = text.split_once('/')?;
    (accounts.iter().any(|known| known == account) && !phone.is_empty()).then(|| PhoneKey {
        account: AccountName::new(account),
        phone: PhoneId::new(phone),
    })
}

/// Ids, plain where there is one account, or as `account/id`.
pub(super) fn phone_keys(
    ids: &[(SmolStr, Mark)],
    scope: &[AccountName],
    accounts: &[SmolStr],
    sink: &mut Sink,
) -> Vec<(PhoneKey, Mark)> {
    let mut keys: Vec<(PhoneKey, Mark)> = Vec::new();
    let mut seen = FxHashSet::default();
    for (text, at) in ids {
        let key = match (account_prefix(text, accounts), text.split_once('/'), scope) {
            (Some(key), _, _) => key,
            (None, Some((account, _)), _) => {
                known_account(account, *at, accounts, sink);
                continue;
            }
            (None, None, [only]) => PhoneKey {
                account: only.clone(),
                phone: PhoneId::new(text.clone()),
            },
            (None, None, _) => {
                sink.say(
                    *at,
                    "bad-value",
                    format!("it is not clear which account {text:?} is of"),
                )
                .hint("name one account under `accounts`, or write account/id");
                continue;
            }
        };
        if text.contains(['*', '?']) {
            sink.say(
                *at,
                "bad-value",
                format!("{text:?} is a pattern, not an id"),
            )
            .hint("patterns stand under `idPatterns`");
        } else if seen.insert(key.clone()) {
            keys.push((key, *at));
        } else {
            sink.say(
                *at,
                "duplicate-phone",
                format!("phone {key} is named twice"),
            )
            .hint("remove one of the two");
        }
    }
    keys
}

fn labels(node: &Node, sink: &mut Sink) -> Vec<(SmolStr, Vec<SmolStr>, Mark)> {
    let mut found = Vec::new();
    for entry in fields::entries(node, "select", sink) {
        let values: Vec<SmolStr> = if entry.value.is_null() {
            fields::blank(entry.key_at, &entry.key, sink);
            continue;
        } else if entry.value.scalar().is_some() {
            fields::text(&entry.value, &entry.key, sink)
                .into_iter()
                .collect()
        } else {
            fields::texts(&entry.value, &entry.key, sink)
                .into_iter()
                .map(|(text, _)| text)
                .collect()
        };
        found.push((entry.key.clone(), values, entry.key_at));
    }
    found
}
