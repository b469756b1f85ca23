//! Rendering of a plan: text for people, JSON for programs, Markdown for a pull request.
//!
//! Invariants: costly lines are never cut; the last line of the text is fixed and can be searched for (`Plan: …`); a secret is named by its reference,
//! never shown. Not here: what is in a plan (`preview`).

mod json;
mod lines;
mod markdown;
mod text;
mod words;

use super::preview::Plan;
use crate::model::attribute::Attribute;
use crate::model::observed::Observed;
use crate::model::value::Wish;

pub use json::{PlanDocument, schema};
pub use text::Style;

/// The plan as text for people, with colours: write it through something that takes them out where nobody wants them (`anstream` does).
pub fn text(plan: &Plan) -> String {
    text_with(plan, Style::default())
}

/// The plan as text for people, in this style.
pub fn text_with(plan: &Plan, style: Style) -> String {
    text::render(plan, style)
}

/// The plan as JSON; its schema is [`schema`].
pub fn json(plan: &Plan) -> PlanDocument {
    PlanDocument::of(plan)
}

/// The plan as a comment on a pull request.
pub fn markdown(plan: &Plan) -> String {
    markdown::render(plan)
}

/// The last line of the text: what will happen, in phones and calls.
pub fn verdict(plan: &Plan) -> String {
    words::verdict(plan)
}

/// A wish as the plan writes it.
pub fn wish(attribute: &Attribute, wish: &Wish) -> String {
    words::wish(attribute, wish, None)
}

/// An observed value as the plan writes it.
pub fn observed(value: &Observed) -> String {
    words::observed(value).unwrap_or_else(|| "missing".to_owned())
}

#[cfg(test)]
mod tests;
