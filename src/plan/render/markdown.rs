//! A plan as a comment on a pull request.
//!
//! Invariants: what was observed or written in a manifest cannot break out of its cell; costly lines are never cut; the text stays below the size that
//! forges take for a comment. Not here: words (`words`).

use super::lines::{Line, Mark, lines};
use super::words;
use crate::plan::preview::Plan;
use std::fmt::Write;

/// Rows of a table that cost nothing, at most.
const ROWS: usize = 100;

pub(super) fn render(plan: &Plan) -> String {
    let mut text = format!(
        "### phonefleet\n\n**{}**\n\n{}. {}.\n",
        words::verdict(plan),
        words::tally(plan),
        words::header(plan)
    );
    let follow = lines(plan.steps.iter().flat_map(|step| &step.changes));
    if !follow.is_empty() {
        text.push_str("\n#### Changes\n\n");
        table(&mut text, &follow);
        line(
            &mut text,
            format_args!("\nForecast: {}.", words::forecast(plan)),
        );
    }
    waiting(&mut text, plan);
    released(&mut text, plan);
    skipped(&mut text, plan);
    renamed(&mut text, plan);
    text
}

fn waiting(text: &mut String, plan: &Plan) {
    if plan.waiting.is_empty() {
        return;
    }
    text.push_str(
        "\n#### Waiting\n\n| reason | for | phones | what | next |\n|---|---|--:|---|---|\n",
    );
    let mut costly = Vec::new();
    for (row, group) in plan.waiting.iter().enumerate() {
        costly.extend(
            lines(group.changes.iter())
                .into_iter()
                .filter(|line| line.mark == Mark::Costs),
        );
        if row < ROWS {
            let attribute = group
                .attribute
                .as_ref()
                .map(|attribute| format!("`{}`: ", code(&attribute.to_string())))
                .unwrap_or_default();
            line(
                text,
                format_args!(
                    "| `{}` | {} | {} | {attribute}{} | {} |",
                    group.reason,
                    words::actor(group.actor()),
                    words::amount(group.phones.len()),
                    escaped(&group.detail),
                    escaped(group.reason.next_step())
                ),
            );
        }
    }
    if let Some(more) = plan.waiting.len().checked_sub(ROWS + 1) {
        line(
            text,
            format_args!("\n… and {} more", words::amount(more + 1)),
        );
    }
    if !costly.is_empty() {
        text.push_str("\nWhat waits and costs something:\n\n");
        table(text, &costly);
    }
}

fn released(text: &mut String, plan: &Plan) {
    if !plan.released.is_empty() {
        text.push_str("\n#### Released\n\nNo longer managed, stays as it is on the phones:\n\n");
        for released in plan.released.iter().take(ROWS) {
            line(
                text,
                format_args!(
                    "- {} of `{}`: `{}`",
                    words::counted(
                        u64::try_from(released.phones.len()).unwrap_or(u64::MAX),
                        "phone"
                    ),
                    code(released.group.as_str()),
                    code(&released.attribute.to_string())
                ),
            );
        }
    }
}

fn skipped(text: &mut String, plan: &Plan) {
    if !plan.skipped.is_empty() {
        text.push_str(
            "\n#### Left out\n\nThe provider lacks it, and the group says `unsupported: skip`:\n\n",
        );
        for skipped in plan.skipped.iter().take(ROWS) {
            line(
                text,
                format_args!("- {}", escaped(&words::skipped(skipped))),
            );
        }
    }
}

fn renamed(text: &mut String, plan: &Plan) {
    if !plan.renamed.is_empty() {
        text.push_str("\n#### Codes that the vendor changed\n\n");
        for renamed in plan.renamed.iter().take(ROWS) {
            line(
                text,
                format_args!("- {}", escaped(&words::renamed(renamed))),
            );
        }
    }
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a text cannot fail.
    let _infallible = writeln!(text, "{arguments}");
}

fn table(text: &mut String, lines: &[Line<'_>]) {
    text.push_str("| | phones | change | why | where |\n|---|--:|---|---|---|\n");
    let mut free = 0;
    let mut cut = 0;
    for entry in lines {
        if entry.mark != Mark::Costs {
            free += 1;
            if free > ROWS {
                cut += 1;
                continue;
            }
        }
        let mut why = Vec::new();
        if !entry.costs.is_live() {
            why.push(format!("**costs {}**", entry.costs));
        }
        why.extend(words::cause(entry.cause).map(str::to_owned));
        let origins: Vec<String> = entry
            .origins
            .iter()
            .take(3)
            .map(|origin| format!("`{}`", code(&origin.to_string())))
            .collect();
        let mut what = format!("`{}`", code(&entry.what()));
        if !entry.afterwards.is_empty() {
            let again: Vec<String> = entry
                .afterwards
                .iter()
                .map(|attribute| format!("`{}`", code(&attribute.to_string())))
                .collect();
            what = format!(
                "{what}<br>to be done again afterwards: {}",
                again.join(", ")
            );
        }
        line(
            text,
            format_args!(
                "| `{}` | {} | {what} | {} | {} |",
                entry.mark.sign(),
                escaped(&entry.who()),
                why.join(", "),
                origins.join(", ")
            ),
        );
    }
    if cut > 0 {
        line(text, format_args!("\n… and {} more", words::count(cut)));
    }
}

/// For a code span within a table cell.
fn code(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '`' => '\'',
            '|' => '¦',
            letter if letter.is_control() => ' ',
            letter => letter,
        })
        .collect()
}

/// For plain text within a table cell.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '|' | '*' | '_' | '[' | ']' | '#' | '~' | '\\' => {
                safe.push('\\');
                safe.push(letter);
            }
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            // A name after it would notify somebody.
            '@' => safe.push_str("&#64;"),
            letter if letter.is_control() => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    safe
}
