//! How findings look: for people with file, line, column, the source line and a caret; for programs as JSON.
//!
//! Invariants: nothing is shown that a finding does not carry. Not here: finding them.

use super::finding::Finding;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// The findings as text, a blank line after each.
pub fn render(findings: &[Finding], color: bool) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut out = String::new();
    for finding in findings {
        out.push_str(&renderer.render(&[group(finding)]));
        out.push_str("\n\n");
    }
    out
}

fn group(finding: &Finding) -> Group<'_> {
    let title = Level::ERROR
        .primary_title(finding.message.as_str())
        .id(finding.code);
    let group = match &finding.source_line {
        Some(source) => {
            let start = byte_of(source, finding.column);
            let end = end_of_word(source, start);
            Group::with_title(title).element(
                Snippet::source(source.as_str())
                    .path(finding.file.as_str())
                    .line_start(finding.line as usize)
                    .annotation(AnnotationKind::Primary.span(start..end)),
            )
        }
        None => {
            let mut origin = annotate_snippets::Origin::path(finding.file.as_str());
            if finding.line > 0 {
                origin = origin
                    .line(finding.line as usize)
                    .char_column(finding.column as usize);
            }
            Group::with_title(title).element(origin)
        }
    };
    match &finding.hint {
        Some(hint) => group.element(Level::HELP.message(hint.as_str())),
        None => group,
    }
}

fn byte_of(line: &str, column: u32) -> usize {
    line.char_indices()
        .nth((column as usize).saturating_sub(1))
        .map_or(line.len(), |(at, _)| at)
}

/// Where the word (or quoted text) that starts at `start` ends.
fn end_of_word(line: &str, start: usize) -> usize {
    let rest = &line[start..];
    let length = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => rest[1..].find(quote).map(|end| end + 2),
        Some(_) => rest.find([' ', ',', '}', ']', ':', ';', '\t']),
        None => None,
    };
    let end = start + length.unwrap_or(rest.len());
    end.max(start)
}

/// The findings as JSON: an object with `findings`, each with code, file, line, column, message, and hint and source line where there are any.
pub fn to_json(findings: &[Finding]) -> serde_json::Value {
    serde_json::json!({ "findings": findings })
}
