//! Findings: what is wrong, where, and what to do; and the sources they point into.
//!
//! Invariants: a finding about a secret shows no source line; other source lines have what looks like a secret masked.
//! Not here: how findings look (`report`).

use crate::model::canonical::{Invalid, nearest};
use crate::model::desired::Origin;
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

/// Findings of one load, at most: nobody reads more, and a file can be made to have millions.
const MOST_FINDINGS: usize = 200;

/// One thing that is wrong (or odd), with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Stable code (`unknown-key`, `duplicate-key`, `wrong-type`, …).
    pub code: &'static str,
    /// File as the operator named it.
    pub file: String,
    /// Line from 1; 0: the file as a whole.
    pub line: u32,
    /// Column from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The source line, for the snippet; secrets masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_line: Option<String>,
}

/// A place in a source: line and column count from 1; line 0 is the file as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Mark {
    pub(super) file: u32,
    pub(super) line: u32,
    pub(super) column: u32,
}

/// One thing that is wrong, before its source line is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) at: Mark,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) secret: bool,
}

impl Problem {
    /// Says what to do.
    pub(super) fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into());
        self
    }

    /// Asks whether the nearest of `known` was meant, or lists them.
    pub(super) fn did_you_mean(&mut self, text: &str, known: &[&str]) -> &mut Self {
        match nearest(text, known) {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None if known.is_empty() => self.hint("none is declared"),
            None if known.len() > 24 => self,
            None => self.hint(format!("known are {}", known.join(", "))),
        }
    }

    /// Keeps the source line out.
    pub(super) fn secret(&mut self) -> &mut Self {
        self.secret = true;
        self
    }
}

/// Collects problems.
#[derive(Debug, Default)]
pub(super) struct Sink {
    pub(super) problems: Vec<Problem>,
    /// A file could not be read to its end: what others refer to may be missing for that reason only.
    pub(super) torn: bool,
    /// The same of a CSV file: phones may be missing for that reason only.
    pub(super) rows_torn: bool,
}

impl Sink {
    /// Adds one.
    pub(super) fn say(
        &mut self,
        at: Mark,
        code: &'static str,
        message: impl Into<String>,
    ) -> &mut Problem {
        self.problems.push(Problem {
            at,
            code,
            message: message.into(),
            hint: None,
            secret: false,
        });
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }

    /// Adds a value that has no canonical form.
    pub(super) fn invalid(&mut self, at: Mark, code: &'static str, what: &str, invalid: &Invalid) {
        let problem = self.say(at, code, format!("{what}: {invalid}"));
        if let Some(suggestion) = &invalid.suggestion {
            problem.hint(format!("did you mean {suggestion:?}?"));
        }
    }
}

/// One source text.
#[derive(Debug)]
struct Source {
    path: Arc<str>,
    text: Arc<str>,
}

/// All source texts of a load.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<Source>);

impl Sources {
    /// Adds a text and gives its number.
    pub(super) fn add(&mut self, path: &Path, text: Arc<str>) -> u32 {
        self.0.push(Source {
            path: path.display().to_string().into(),
            text,
        });
        u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX)
    }

    /// The path as the operator named it.
    pub(super) fn path(&self, file: u32) -> &Arc<str> {
        &self.0[file as usize].path
    }

    /// `file:line`.
    pub(super) fn show(&self, at: Mark) -> String {
        format!("{}:{}", self.path(at.file), at.line)
    }

    /// The place as the model keeps it.
    pub(super) fn origin(&self, at: Mark) -> Origin {
        Origin {
            file: self.path(at.file).clone(),
            line: at.line,
            column: at.column,
        }
    }

    /// Forgets the texts; paths stay. For what lives as long as the Fleet.
    pub(super) fn without_texts(&self) -> Self {
        let bare = |source: &Source| Source {
            path: source.path.clone(),
            text: Arc::from(""),
        };
        Self(self.0.iter().map(bare).collect())
    }

    fn line(&self, at: Mark, index: &mut FxHashMap<u32, Vec<usize>>) -> Option<String> {
        let number = (at.line as usize).checked_sub(1)?;
        let text = &self.0[at.file as usize].text;
        let starts = index.entry(at.file).or_insert_with(|| {
            let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0)
                .chain(ends.map(|(end, _)| end + 1))
                .collect()
        });
        let line = text[*starts.get(number)?..].lines().next()?;
        let short: String = line
            .trim_start_matches('\u{feff}')
            .chars()
            .take(240)
            .collect();
        let shown = mask(&short);
        // A mask before the place would move the caret.
        let before = (at.column as usize).saturating_sub(1);
        let same = short.chars().take(before).eq(shown.chars().take(before));
        same.then_some(shown)
    }

    /// The findings, in order of file, line and column, each once; the first [`MOST_FINDINGS`] of them, and how many more there are (`more`).
    pub(super) fn findings(&self, mut problems: Vec<Problem>) -> Vec<Finding> {
        problems.sort_by(|a, b| (a.at, a.code, &a.message).cmp(&(b.at, b.code, &b.message)));
        problems.dedup();
        let more = problems.len().saturating_sub(MOST_FINDINGS);
        if more > 0 {
            problems.truncate(MOST_FINDINGS);
            let at = problems.last().map_or(
                Mark {
                    file: 0,
                    line: 0,
                    column: 0,
                },
                |last| last.at,
            );
            problems.push(Problem {
                at: Mark { line: 0, ..at },
                code: "more",
                message: format!("{more} more mistakes are not shown"),
                hint: None,
                secret: true,
            });
        }
        let mut index = FxHashMap::default();
        let finding = |problem: Problem| Finding {
            code: problem.code,
            file: self.path(problem.at.file).to_string(),
            line: problem.at.line,
            column: problem.at.column,
            source_line: if problem.secret {
                None
            } else {
                self.line(problem.at, &mut index)
            },
            message: problem.message,
            hint: problem.hint,
        };
        problems.into_iter().map(finding).collect()
    }
}

/// Keys whose plain values are masked when a source line is shown, in lower case.
const SECRET_KEYS: &[&str] = &[
    "password",
    "secretkey",
    "accesskey",
    "securitytoken",
    "token",
    "secret",
];

/// Replaces what stands after a secret's key on this line, unless it is a reference.
fn mask(line: &str) -> String {
    let mut shown = line.to_owned();
    let mut from = 0;
    while let Some(colon) = shown[from..].find(':').map(|at| at + from) {
        from = colon + 1;
        let key = shown[..colon]
            .trim_end()
            .trim_end_matches(['"', '\''])
            .rsplit(|c: char| !c.is_ascii_alphanumeric())
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        if !SECRET_KEYS.contains(&key.as_str()) {
            continue;
        }
        let rest = &shown[from..];
        let lead = rest.len() - rest.trim_start().len();
        let value = &rest[lead..];
        if value.is_empty() || value.starts_with(['{', '&', '*']) || value.starts_with("$(") {
            continue;
        }
        let end = value.find([',', '}']).unwrap_or(value.len());
        let end = value[..end].trim_end().len();
        shown.replace_range(from + lead..from + lead + end, "***");
        from += lead + 3;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_secrets_and_leaves_references() {
        assert_eq!(mask("    secretKey: hunter2"), "    secretKey: ***");
        assert_eq!(
            mask("{ host: a, password: \"hunter2\", port: 1 }"),
            "{ host: a, password: ***, port: 1 }"
        );
        assert_eq!(
            mask("  secretKey: { env: NAME }"),
            "  secretKey: { env: NAME }"
        );
        assert_eq!(mask("  \"token\": abc"), "  \"token\": ***");
        assert_eq!(mask("  timezone: UTC"), "  timezone: UTC");
    }
}
