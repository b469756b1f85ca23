//! Lines: changes that read alike stand on one line, whatever account or step they belong to.
//!
//! Invariants: no phone is counted twice on a line; lines that cost something stand by themselves and are never gathered into "different values"; the order
//! is that of stages, then of attributes. Not here: colours and sections (`text`, `markdown`).

use super::words;
use crate::model::attribute::Attribute;
use crate::model::capability::{Costs, Stage};
use crate::model::condition::Cause;
use crate::model::desired::Origin;
use crate::model::id::PhoneKey;
use crate::model::observed::Observed;
use crate::model::value::{AppWish, Value, Wish};
use crate::plan::preview::ChangeGroup;
use similar::{ChangeTag, TextDiff};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// What a line is about, at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    Costs,
    Change,
    Add,
    Remove,
}

impl Mark {
    pub(super) fn sign(self) -> char {
        match self {
            Self::Costs => '!',
            Self::Change => '~',
            Self::Add => '+',
            Self::Remove => '-',
        }
    }

    fn of(change: &ChangeGroup) -> Self {
        if !change.costs.is_live() {
            return Self::Costs;
        }
        match (&change.to, &change.from) {
            (Wish::Reset | Wish::Set(Value::App(AppWish::Absent)), _) => Self::Remove,
            (Wish::Set(_), Some(Observed::Missing)) => Self::Add,
            (Wish::Set(_), _) => Self::Change,
        }
    }
}

/// One line: so many phones, and what changes on them.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    pub(super) mark: Mark,
    pub(super) attribute: &'a Attribute,
    pub(super) phones: u64,
    pub(super) first: Option<&'a PhoneKey>,
    pub(super) what: What,
    pub(super) costs: Costs,
    pub(super) cause: Cause,
    pub(super) origins: BTreeSet<&'a Origin>,
    pub(super) afterwards: BTreeSet<&'a Attribute>,
}

/// What changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// From what (if it is there and can be read) to what.
    One(Option<String>, String),
    /// So many different changes of one attribute.
    Many(usize),
}

/// Different live changes of one attribute, from which on they share a line.
const TOO_MANY: usize = 6;

/// Values longer than this, both together, are shown by where they differ.
const LONG: usize = 100;

type Key<'a> = (Stage, &'a Attribute, Mark, Costs, Cause);

/// The lines of these changes.
pub(super) fn lines<'a>(changes: impl Iterator<Item = &'a ChangeGroup>) -> Vec<Line<'a>> {
    let mut by_key: BTreeMap<Key<'a>, BTreeMap<What, Line<'a>>> = BTreeMap::new();
    for change in changes {
        let mark = Mark::of(change);
        let (from, to) = words::sides(change);
        let what = What::One(from, to);
        let key = (
            change.stage,
            &change.attribute,
            mark,
            change.costs,
            change.cause,
        );
        let line = by_key
            .entry(key)
            .or_default()
            .entry(what.clone())
            .or_insert_with(|| Line {
                mark,
                attribute: &change.attribute,
                phones: 0,
                first: change.phones.first(),
                what,
                costs: change.costs,
                cause: change.cause,
                origins: BTreeSet::new(),
                afterwards: BTreeSet::new(),
            });
        line.phones += u64::try_from(change.phones.len()).unwrap_or(u64::MAX);
        line.origins.insert(&change.origin);
        line.afterwards.extend(&change.afterwards);
    }
    by_key
        .into_values()
        .flat_map(|lines| gathered(lines.into_values().collect()))
        .collect()
}

fn gathered(mut lines: Vec<Line<'_>>) -> Vec<Line<'_>> {
    let many = lines.len();
    lines.sort_by_key(|line| Reverse(line.phones));
    if many < TOO_MANY || lines.iter().any(|line| line.mark == Mark::Costs) {
        return lines;
    }
    lines
        .into_iter()
        .reduce(|mut all, line| {
            all.phones += line.phones;
            all.origins.extend(line.origins);
            all.what = What::Many(many);
            all
        })
        .into_iter()
        .collect()
}

impl Line<'_> {
    /// `412 phones`, `hk/AC1`.
    pub(super) fn who(&self) -> String {
        words::phones(self.phones, self.first)
    }

    /// `timezone Asia/Shanghai → Europe/Berlin`.
    pub(super) fn what(&self) -> String {
        let attribute = self.attribute;
        match &self.what {
            What::Many(many) => format!("{attribute}, {} different changes", words::amount(*many)),
            What::One(None, to) => format!("{attribute} → {to}"),
            What::One(Some(from), to) => {
                if from.chars().count() + to.chars().count() > LONG {
                    let (from, to) = apart(from, to);
                    format!("{attribute} {from} → {to}")
                } else {
                    format!("{attribute} {from} → {to}")
                }
            }
        }
    }

    /// What it costs, why, and where it was said.
    pub(super) fn notes(&self) -> String {
        let mut notes = Vec::new();
        if !self.costs.is_live() {
            notes.push(format!("costs {}", self.costs));
        }
        notes.extend(words::cause(self.cause).map(str::to_owned));
        if let Some(first) = self.origins.first() {
            notes.push(match self.origins.len() {
                1 => first.to_string(),
                more => format!("{first} and {} more", words::amount(more - 1)),
            });
        }
        notes.join(", ")
    }
}

/// Two long texts, without what they share but for some letters around each difference.
fn apart(from: &str, to: &str) -> (String, String) {
    const KEEP: usize = 12;
    let diff = TextDiff::from_chars(from, to);
    let mut sides = (String::new(), String::new());
    let mut same = String::new();
    for change in diff.iter_all_changes() {
        let text = change.value();
        match change.tag() {
            ChangeTag::Equal => same.push_str(text),
            ChangeTag::Delete => {
                flush(&mut sides, &mut same, KEEP);
                sides.0.push_str(text);
            }
            ChangeTag::Insert => {
                flush(&mut sides, &mut same, KEEP);
                sides.1.push_str(text);
            }
        }
    }
    flush(&mut sides, &mut same, KEEP);
    sides
}

fn flush(sides: &mut (String, String), same: &mut String, keep: usize) {
    let letters: Vec<char> = same.chars().collect();
    let text = if letters.len() > 2 * keep + 1 {
        let head: String = letters[..keep].iter().collect();
        let tail: String = letters[letters.len() - keep..].iter().collect();
        format!("{head}…{tail}")
    } else {
        same.clone()
    };
    sides.0.push_str(&text);
    sides.1.push_str(&text);
    same.clear();
}
