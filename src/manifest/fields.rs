//! Typed reading of nodes: mappings with known keys, and scalars of each type.
//!
//! Invariants: reading never stops at a mistake; a blank or null value is a finding wherever it stands. Not here: which kinds have which keys (`document`).

use super::finding::{Mark, Sink};
use super::tree::{Entry, Kind, Node};
use crate::model::canonical::Invalid;
use crate::model::stamp::Timestamp;
use smol_str::SmolStr;
use std::time::Duration;

const BLANK_HINT: &str = "give it a value; an attribute can also be listed under `reset` (put back to the provider's default) or under `ignore` (not managed here)";

/// Says that a value is blank.
pub(super) fn blank(at: Mark, name: &str, sink: &mut Sink) {
    sink.say(at, "blank-value", format!("`{name}` has no value"))
        .hint(BLANK_HINT);
}

/// Says that a value is of another type than wanted.
pub(super) fn wrong_type(node: &Node, name: &str, wanted: &str, sink: &mut Sink) {
    if node.is_null() {
        blank(node.at, name, sink);
    } else {
        let found = node.described();
        sink.say(
            node.at,
            "wrong-type",
            format!("`{name}` must be {wanted}, not {found}"),
        );
    }
}

/// The entries of a mapping.
pub(super) fn entries<'n>(node: &'n Node, name: &str, sink: &mut Sink) -> &'n [Entry] {
    match &node.kind {
        Kind::Map(entries) => entries,
        Kind::Scalar { .. } | Kind::List(_) => {
            wrong_type(node, name, "a mapping", sink);
            &[]
        }
    }
}

/// The items of a list.
pub(super) fn items<'n>(node: &'n Node, name: &str, sink: &mut Sink) -> &'n [Node] {
    match &node.kind {
        Kind::List(items) => items,
        Kind::Scalar { text, .. } if !node.is_null() => {
            let hint = format!("write [{text}]");
            let found = node.described();
            sink.say(
                node.at,
                "wrong-type",
                format!("`{name}` must be a list, not {found}"),
            )
            .hint(hint);
            &[]
        }
        Kind::Scalar { .. } | Kind::Map(_) => {
            wrong_type(node, name, "a list", sink);
            &[]
        }
    }
}

/// A mapping with known keys; asks for each and then says what was left.
pub(super) struct Fields<'n> {
    pub(super) at: Mark,
    entries: &'n [Entry],
    asked: Vec<&'static str>,
    name: &'n str,
}

impl<'n> Fields<'n> {
    /// Opens a mapping.
    pub(super) fn open(node: &'n Node, name: &'n str, sink: &mut Sink) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else {
            wrong_type(node, name, "a mapping", sink);
            return None;
        };
        Some(Self {
            at: node.at,
            entries,
            asked: Vec::new(),
            name,
        })
    }

    fn entry(&mut self, key: &'static str) -> Option<&'n Entry> {
        self.asked.push(key);
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of an optional key; a blank one is a finding.
    pub(super) fn get(&mut self, key: &'static str, sink: &mut Sink) -> Option<&'n Node> {
        let entry = self.entry(key)?;
        if entry.value.is_null() {
            blank(entry.key_at, key, sink);
            return None;
        }
        Some(&entry.value)
    }

    /// The value of a key that must be there.
    pub(super) fn need(&mut self, key: &'static str, sink: &mut Sink) -> Option<&'n Node> {
        if self.entries.iter().any(|entry| entry.key == key) {
            return self.get(key, sink);
        }
        self.asked.push(key);
        let name = self.name;
        sink.say(
            self.at,
            "missing-field",
            format!("`{key}` is missing in `{name}`"),
        )
        .hint(format!("add `{key}: …`"));
        None
    }

    /// Whether the key is there, blank or not.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// Says which keys nobody asked for.
    pub(super) fn finish(self, sink: &mut Sink) {
        for entry in self.entries {
            if !self.asked.contains(&entry.key.as_str()) {
                let name = self.name;
                let key = &entry.key;
                sink.say(
                    entry.key_at,
                    "unknown-key",
                    format!("`{name}` has no key `{key}`"),
                )
                .did_you_mean(key, &self.asked);
            }
        }
    }
}

/// A text: any scalar, as it was typed.
pub(super) fn text(node: &Node, name: &str, sink: &mut Sink) -> Option<SmolStr> {
    let Kind::Scalar { text, .. } = &node.kind else {
        wrong_type(node, name, "a text", sink);
        return None;
    };
    if node.is_null() || text.trim().is_empty() {
        blank(node.at, name, sink);
        return None;
    }
    if text.chars().any(char::is_control) {
        sink.say(
            node.at,
            "bad-value",
            format!("`{name}` contains a line break or another control character"),
        );
        return None;
    }
    Some(text.clone())
}

/// A whole number within bounds.
pub(super) fn number(node: &Node, name: &str, bounds: (u64, u64), sink: &mut Sink) -> Option<u64> {
    let (least, most) = bounds;
    let Kind::Scalar { text, plain } = &node.kind else {
        wrong_type(node, name, "a whole number", sink);
        return None;
    };
    if node.is_null() {
        blank(node.at, name, sink);
        return None;
    }
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain && digits {
        sink.say(
            node.at,
            "wrong-type",
            format!("`{name}` must be a whole number, not a text"),
        )
        .hint("remove the quotes");
        return None;
    }
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        sink.say(
            node.at,
            "wrong-type",
            format!("`{name}` must be a whole number, not {text:?}"),
        );
        return None;
    }
    match text.parse::<u64>() {
        Ok(number) if (least..=most).contains(&number) => Some(number),
        Ok(_) | Err(_) => {
            sink.say(
                node.at,
                "out-of-range",
                format!("`{name}` must be between {least} and {most}, not {text}"),
            );
            None
        }
    }
}

/// A whole number that fits 32 bits.
pub(super) fn small(node: &Node, name: &str, bounds: (u32, u32), sink: &mut Sink) -> Option<u32> {
    let bounds = (u64::from(bounds.0), u64::from(bounds.1));
    number(node, name, bounds, sink).and_then(|number| u32::try_from(number).ok())
}

/// `true` or `false`.
pub(super) fn flag(node: &Node, name: &str, sink: &mut Sink) -> Option<bool> {
    match &node.kind {
        Kind::Scalar { text, plain: true } => match text.as_str() {
            "true" | "True" | "TRUE" => return Some(true),
            "false" | "False" | "FALSE" => return Some(false),
            other if !node.is_null() => {
                let problem = sink.say(
                    node.at,
                    "wrong-type",
                    format!("`{name}` must be true or false, not {other:?}"),
                );
                match other.to_ascii_lowercase().as_str() {
                    "yes" | "on" | "1" => {
                        problem.hint("write true");
                    }
                    "no" | "off" | "0" => {
                        problem.hint("write false");
                    }
                    _ => {}
                }
                return None;
            }
            _ => {}
        },
        Kind::Scalar { plain: false, .. } | Kind::List(_) | Kind::Map(_) => {}
    }
    wrong_type(node, name, "true or false", sink);
    None
}

/// One of some words.
pub(super) fn one_of<T: Copy>(
    node: &Node,
    name: &str,
    words: &[(&str, T)],
    sink: &mut Sink,
) -> Option<T> {
    let said = text(node, name, sink)?;
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == said) {
        return Some(*value);
    }
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    sink.say(node.at, "bad-value", format!("`{name}` cannot be {said:?}"))
        .did_you_mean(&said, &known);
    None
}

/// A list of texts, each with its place.
pub(super) fn texts(node: &Node, name: &str, sink: &mut Sink) -> Vec<(SmolStr, Mark)> {
    items(node, name, sink)
        .iter()
        .filter_map(|item| Some((text(item, name, sink)?, item.at)))
        .collect()
}

/// A mapping of texts, in order.
pub(super) fn text_map(node: &Node, name: &str, sink: &mut Sink) -> Vec<(SmolStr, SmolStr, Mark)> {
    let mut pairs = Vec::new();
    for entry in entries(node, name, sink) {
        if entry.value.is_null() {
            blank(entry.key_at, &entry.key, sink);
        } else if let Some(value) = text(&entry.value, &entry.key, sink) {
            pairs.push((entry.key.clone(), value, entry.value.at));
        }
    }
    pairs
}

/// A text in canonical form.
pub(super) fn canonical(
    node: &Node,
    name: &str,
    form: impl Fn(&str) -> Result<SmolStr, Invalid>,
    sink: &mut Sink,
) -> Option<SmolStr> {
    let said = text(node, name, sink)?;
    form(&said)
        .map_err(|invalid| sink.invalid(node.at, "bad-value", name, &invalid))
        .ok()
}

/// A duration above zero (`5s`, `1h30m`).
pub(super) fn duration(node: &Node, name: &str, sink: &mut Sink) -> Option<Duration> {
    let said = text(node, name, sink)?;
    let span = said
        .parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|span| Duration::try_from(span).ok())
        .filter(|span| !span.is_zero());
    if span.is_none() {
        sink.say(
            node.at,
            "bad-value",
            format!("`{name}` must be a duration above zero, not {said:?}"),
        )
        .hint("write it like 30s, 5m or 1h30m");
    }
    span
}

/// A moment with its offset (`2027-01-31T18:00+08:00`).
pub(super) fn moment(node: &Node, name: &str, sink: &mut Sink) -> Option<Timestamp> {
    let said = text(node, name, sink)?;
    if let Ok(moment) = said.parse::<jiff::Timestamp>() {
        return Some(Timestamp(moment.as_millisecond()));
    }
    let problem = sink.say(
        node.at,
        "bad-value",
        format!("`{name}` must be a moment with its offset from UTC, not {said:?}"),
    );
    problem.hint("write it like 2027-01-31T18:00+08:00 or 2027-01-31T10:00Z");
    None
}

#[cfg(test)]
mod tests {
    use super::super::tree::{TreeLimits, parse};
    use super::*;

    fn with<T>(value: &str, read: impl Fn(&Node, &mut Sink) -> T) -> (T, Vec<String>) {
        let mut sink = Sink::default();
        let documents = parse(
            0,
            &format!("v: {value}\n"),
            TreeLimits::default(),
            &mut sink,
        );
        let node = documents[0].get("v").unwrap();
        let result = read(node, &mut sink);
        let said = sink
            .problems
            .into_iter()
            .map(|p| p.code.to_owned())
            .collect();
        (result, said)
    }

    #[test]
    fn moments_carry_an_offset() {
        let read = |node: &Node, sink: &mut Sink| moment(node, "until", sink);
        let want = Some(Timestamp(1_801_389_600_000));
        assert_eq!(with("2027-01-31T18:00+08:00", read).0, want);
        assert_eq!(with("2027-01-31T10:00:00Z", read).0, want);
        assert_eq!(with("'2027-01-31T18:00:00.000+08:00'", read).0, want);
        assert_eq!(
            with("2027-01-31T18:00", read),
            (None, vec!["bad-value".into()])
        );
        assert_eq!(with("2027-01-31", read), (None, vec!["bad-value".into()]));
    }

    #[test]
    fn numbers_are_strict() {
        let read = |node: &Node, sink: &mut Sink| number(node, "n", (1, 100), sink);
        assert_eq!(with("42", read).0, Some(42));
        for (text, code) in [
            ("'42'", "wrong-type"),
            ("042", "wrong-type"),
            ("4.2", "wrong-type"),
            ("-1", "wrong-type"),
            ("[1]", "wrong-type"),
            ("101", "out-of-range"),
            ("99999999999999999999999", "out-of-range"),
            ("", "blank-value"),
        ] {
            assert_eq!(with(text, read), (None, vec![code.to_owned()]), "{text}");
        }
    }

    #[test]
    fn flags_and_durations() {
        let read = |node: &Node, sink: &mut Sink| flag(node, "f", sink);
        assert_eq!(with("true", read).0, Some(true));
        assert_eq!(with("yes", read).1, ["wrong-type"]);
        assert_eq!(with("'true'", read).1, ["wrong-type"]);
        assert_eq!(with("~", read).1, ["blank-value"]);
        let read = |node: &Node, sink: &mut Sink| duration(node, "d", sink);
        assert_eq!(with("1h30m", read).0, Some(Duration::from_secs(5400)));
        assert_eq!(with("90", read).1, ["bad-value"]);
        assert_eq!(with("0s", read).1, ["bad-value"]);
    }
}
