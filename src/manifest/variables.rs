//! Variables: `$(vars.NAME)`, `$(labels.NAME)`, `$(phone.id)` in values. `$$(` is a literal `$(`.
//!
//! Invariants: strict: an unknown variable is a problem, never an empty text; what a variable brings in is data and not expanded again.
//! Not here: where values come from (`inventory`).

use super::finding::{Mark, Sink};
use super::inventory::{Column, Row};
use super::tree::{Entry, Kind, Node};
use crate::model::canonical::nearest;
use crate::model::id::PhoneKey;
use smol_str::SmolStr;

/// One piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment<'t> {
    Literal(&'t str),
    Variable(&'t str),
}

/// Splits a text. `Err`: an opening `$(` without its end.
fn segments(text: &str) -> Result<Vec<Segment<'_>>, ()> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("$(") {
        if rest[..at].ends_with('$') {
            found.push(Segment::Literal(&rest[..at - 1]));
            found.push(Segment::Literal("$("));
            rest = &rest[at + 2..];
            continue;
        }
        let end = rest[at..].find(')').ok_or(())? + at;
        found.push(Segment::Literal(&rest[..at]));
        found.push(Segment::Variable(rest[at + 2..end].trim()));
        rest = &rest[end + 1..];
    }
    found.push(Segment::Literal(rest));
    Ok(found)
}

/// Whether a value has variables (or escapes); those with an impossible name are reported.
pub(super) fn any(node: &Node, sink: &mut Sink) -> bool {
    match &node.kind {
        Kind::Scalar { text, .. } => text.contains("$(") && scalar_has(node, text, sink),
        Kind::List(items) => items.iter().fold(false, |has, item| any(item, sink) | has),
        Kind::Map(entries) => entries
            .iter()
            .fold(false, |has, entry| any(&entry.value, sink) | has),
    }
}

fn scalar_has(node: &Node, text: &str, sink: &mut Sink) -> bool {
    const FORMS: &str = "write $(vars.NAME), $(labels.NAME) or $(phone.id); $$( is a literal $(";
    let Ok(segments) = segments(text) else {
        sink.say(node.at, "bad-variable", "`$(` has no closing `)`")
            .hint(FORMS);
        return true;
    };
    for segment in segments {
        if let Segment::Variable(name) = segment {
            let known = match name.split_once('.') {
                Some(("vars" | "labels", name)) => !name.is_empty(),
                _ => name == "phone.id",
            };
            if !known {
                let message = format!("`$({name})` is no variable");
                sink.say(node.at, "bad-variable", message).hint(FORMS);
            }
        }
    }
    true
}

/// What variables of one phone are looked up in.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) key: &'a PhoneKey,
    /// Codes that the phone had.
    pub(super) former: &'a [PhoneKey],
    pub(super) row: Option<&'a Row>,
}

/// A variable that has no value for a phone: its name, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unknown {
    pub(super) name: SmolStr,
    pub(super) why: String,
    pub(super) hint: Option<String>,
}

impl Scope<'_> {
    fn value(&self, name: &str) -> Result<&str, Unknown> {
        let unknown = |why: String, hint: Option<String>| Unknown {
            name: name.into(),
            why,
            hint,
        };
        let (kind, column, word) = match name.split_once('.') {
            Some(("vars", column)) => (Column::Var, column, "vars"),
            Some(("labels", column)) => (Column::Label, column, "labels"),
            Some(_) | None if name == "phone.id" => return Ok(self.key.phone.as_str()),
            Some(_) | None => return Err(unknown("it is no variable".into(), None)),
        };
        let Some(row) = self.row else {
            let why = "the phone stands in no Inventory".to_owned();
            let hint = "add a row for it to an Inventory".to_owned();
            return Err(unknown(why, Some(hint)));
        };
        row.cell(kind, column).map(SmolStr::as_str).ok_or_else(|| {
            let path = &row.table.path;
            let other = match kind {
                Column::Var => (Column::Label, "labels"),
                Column::Label => (Column::Var, "vars"),
            };
            let hint = if row.cell(other.0, column).is_some() {
                Some(format!("did you mean $({}.{column})?", other.1))
            } else {
                let known = row.table.names(kind);
                nearest(column, &known)
                    .map(|near| format!("did you mean $({word}.{near})?"))
                    .or_else(|| Some(format!("{path} has {}", known.join(", "))))
            };
            let what = match kind {
                Column::Var => "column",
                Column::Label => "label column",
            };
            unknown(format!("{path} has no {what} {column:?}"), hint)
        })
    }

    /// The text with its variables filled in.
    pub(super) fn expand(&self, text: &str) -> Result<SmolStr, Unknown> {
        if !text.contains("$(") {
            return Ok(text.into());
        }
        let mut out = String::with_capacity(text.len() + 16);
        for segment in segments(text).unwrap_or_default() {
            match segment {
                Segment::Literal(text) => out.push_str(text),
                Segment::Variable(name) => out.push_str(self.value(name)?),
            }
        }
        Ok(out.into())
    }

    /// The node with all variables filled in.
    /// # Errors
    /// A variable without a value, with the place of the text it stands in.
    pub(super) fn fill(&self, node: &Node) -> Result<Node, (Mark, Unknown)> {
        let kind = match &node.kind {
            Kind::Scalar { text, plain } => {
                let filled = self.expand(text).map_err(|unknown| (node.at, unknown))?;
                // What a variable brought in may be a number, but is never null.
                let plain = if filled == *text {
                    *plain
                } else {
                    !matches!(filled.as_str(), "" | "~" | "null" | "Null" | "NULL")
                };
                Kind::Scalar {
                    text: filled,
                    plain,
                }
            }
            Kind::List(items) => Kind::List(
                items
                    .iter()
                    .map(|item| self.fill(item))
                    .collect::<Result<_, _>>()?,
            ),
            Kind::Map(entries) => Kind::Map(
                entries
                    .iter()
                    .map(|entry| {
                        Ok(Entry {
                            key: entry.key.clone(),
                            key_at: entry.key_at,
                            value: self.fill(&entry.value)?,
                        })
                    })
                    .collect::<Result<_, _>>()?,
            ),
        };
        Ok(Node { at: node.at, kind })
    }
}

/// The names of the variables in a text.
pub(super) fn names(text: &str) -> Vec<SmolStr> {
    segments(text)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|segment| match segment {
            Segment::Variable(name) => Some(name.into()),
            Segment::Literal(_) => None,
        })
        .collect()
}

/// The names of the variables in the text at a place inside a value.
pub(super) fn names_at(node: &Node, at: Mark) -> Vec<SmolStr> {
    match &node.kind {
        Kind::Scalar { text, .. } if node.at == at => names(text),
        Kind::Scalar { .. } => Vec::new(),
        Kind::List(items) => items.iter().flat_map(|item| names_at(item, at)).collect(),
        Kind::Map(entries) => entries
            .iter()
            .flat_map(|entry| names_at(&entry.value, at))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_texts() {
        use Segment::{Literal, Variable};
        assert_eq!(segments("plain"), Ok(vec![Literal("plain")]));
        assert_eq!(
            segments("a$(vars.x)b$( labels.y )"),
            Ok(vec![
                Literal("a"),
                Variable("vars.x"),
                Literal("b"),
                Variable("labels.y"),
                Literal("")
            ])
        );
        assert_eq!(
            segments("a$$(vars.x)"),
            Ok(vec![Literal("a"), Literal("$("), Literal("vars.x)")])
        );
        assert_eq!(segments("a$(vars.x"), Err(()));
    }

    #[test]
    fn fills_in_only_what_is_known() {
        let key = PhoneKey {
            account: "hk".into(),
            phone: "AC1".into(),
        };
        let scope = Scope {
            key: &key,
            former: &[],
            row: None,
        };
        assert_eq!(scope.expand("p-$(phone.id)").unwrap(), "p-AC1");
        assert_eq!(scope.expand("$$(phone.id)").unwrap(), "$(phone.id)");
        let unknown = scope.expand("$(vars.host)").unwrap_err();
        assert_eq!(unknown.name, "vars.host");
        assert_eq!(unknown.why, "the phone stands in no Inventory");
    }
}
