//! A scenario's manifests, written differently with the same meaning.
//!
//! Invariants: what is written here means what the scenario's own text means; it goes through the real loader. Not here: what must be the same then
//! (`relations`).

use crate::manifest::{Bundle, SourceFile};
use std::path::PathBuf;

/// A line of a manifest with the lines that belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    text: String,
    below: Vec<Self>,
}

/// One document.
type Document = Vec<Line>;

/// How a manifest can be written otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hand {
    /// Keys and documents in another order.
    Backwards,
    /// A file for each document.
    ManyFiles,
    /// What a group wishes in a profile.
    InProfile,
    /// One half in a profile with other values that the group overrides, the other half in the group.
    Overridden,
    /// Defaults written out.
    Defaults,
    /// Merge keys and anchors.
    Merged,
    /// Comments, and line ends of another system.
    Foreign,
}

impl Hand {
    /// All.
    pub(super) const ALL: [Self; 7] = [
        Self::Backwards,
        Self::ManyFiles,
        Self::InProfile,
        Self::Overridden,
        Self::Defaults,
        Self::Merged,
        Self::Foreign,
    ];

    /// As it stands in reports.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Backwards => "keys and documents in another order",
            Self::ManyFiles => "a file for each document",
            Self::InProfile => "wishes in a profile",
            Self::Overridden => "a profile that the group overrides",
            Self::Defaults => "defaults written out",
            Self::Merged => "merge keys and anchors",
            Self::Foreign => "comments and foreign line ends",
        }
    }

    /// Writes manifests in this hand.
    pub(super) fn write(self, bundle: &Bundle) -> Bundle {
        let text: Vec<String> = bundle
            .files
            .iter()
            .map(|file| String::from_utf8_lossy(&file.bytes).into_owned())
            .collect();
        let mut documents: Vec<Document> = text
            .join("---\n")
            .split("---\n")
            .map(documents_of)
            .collect();
        match self {
            Self::Backwards => {
                documents.reverse();
                for document in &mut documents {
                    turn(document);
                }
            }
            Self::ManyFiles => {
                let files = documents.iter().zip(1..);
                let files = files.map(|(document, number)| file(number, &printed(document)));
                return Bundle {
                    files: files.collect(),
                    ..bundle.clone()
                };
            }
            Self::InProfile => to_profiles(&mut documents, false),
            Self::Overridden => to_profiles(&mut documents, true),
            Self::Defaults => {
                for group in groups(&mut documents) {
                    group.push(leaf("  mode: enforce"));
                    if let Some(desired) = key(group, "desired:") {
                        desired.below.push(leaf("    appPolicy: additive"));
                    }
                }
            }
            Self::Merged => {
                for group in groups(&mut documents) {
                    merge(group);
                }
            }
            Self::Foreign => {}
        }
        let text: Vec<String> = documents.iter().map(|document| printed(document)).collect();
        let mut text = text.join("---\n");
        if self == Self::Foreign {
            text = format!("# Written elsewhere.\n{text}").replace('\n', " # as it was\r\n");
        }
        Bundle {
            files: vec![file(1, &text)],
            ..bundle.clone()
        }
    }
}

fn file(number: u32, text: &str) -> SourceFile {
    SourceFile {
        path: PathBuf::from(format!("written-{number}.yaml")),
        bytes: text.as_bytes().to_vec().into(),
    }
}

fn leaf(text: &str) -> Line {
    Line {
        text: text.to_owned(),
        below: Vec::new(),
    }
}

fn depth(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// Reads a document of block mappings; what stands in one line stays in it.
fn documents_of(text: &str) -> Document {
    let mut open: Vec<Line> = vec![leaf("")];
    let close = |open: &mut Vec<Line>| {
        if let (Some(line), true) = (open.pop(), !open.is_empty())
            && let Some(above) = open.last_mut()
        {
            above.below.push(line);
        }
    };
    for text in text.lines().filter(|line| !line.trim().is_empty()) {
        while open.len() > 1
            && open
                .last()
                .is_some_and(|last| depth(&last.text) >= depth(text))
        {
            close(&mut open);
        }
        open.push(leaf(text));
    }
    while open.len() > 1 {
        close(&mut open);
    }
    open.pop().map(|root| root.below).unwrap_or_default()
}

fn printed(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(&line.text);
        text.push('\n');
        text.push_str(&printed(&line.below));
    }
    text
}

fn turn(lines: &mut [Line]) {
    lines.reverse();
    for line in lines {
        turn(&mut line.below);
    }
}

fn key<'a>(lines: &'a mut [Line], name: &str) -> Option<&'a mut Line> {
    lines.iter_mut().find(|line| line.text.trim() == name)
}

/// The `spec` of every group.
fn groups(documents: &mut [Document]) -> Vec<&mut Vec<Line>> {
    let groups = documents
        .iter_mut()
        .filter(|document| document.iter().any(|line| line.text == "kind: Group"));
    groups
        .filter_map(|document| key(document, "spec:").map(|spec| &mut spec.below))
        .collect()
}

/// What every group wishes goes into a profile of its own; `half`: a part of it, with a value that the group overrides.
fn to_profiles(documents: &mut Vec<Document>, half: bool) {
    let mut profiles = Vec::new();
    for (group, number) in groups(documents).into_iter().zip(1..) {
        let Some(place) = group.iter().position(|line| line.text.trim() == "desired:") else {
            continue;
        };
        let mut desired = group.remove(place);
        let mut profile = desired.clone();
        if half {
            let kept = desired.below.split_off(desired.below.len() / 2);
            let overridden = desired
                .below
                .iter()
                .any(|line| line.text.trim().starts_with("timezone:"));
            profile.below = kept;
            if overridden {
                profile.below.push(leaf("    timezone: Pacific/Fiji"));
            }
            group.push(desired);
        }
        group.push(leaf(&format!("  profiles: [all-{number}]")));
        profiles.push(vec![
            leaf("apiVersion: phonefleet/v1alpha1"),
            leaf("kind: Profile"),
            leaf(&format!("metadata: {{ name: all-{number} }}")),
            Line {
                text: "spec:".to_owned(),
                below: vec![profile],
            },
        ]);
    }
    documents.extend(profiles);
}

/// The first two plain wishes come in by a merge key; a text that is said twice is an alias.
fn merge(group: &mut [Line]) {
    let Some(desired) = key(group, "desired:") else {
        return;
    };
    let plain = |line: &Line| line.below.is_empty() && line.text.contains(": ");
    let (merged, mut rest): (Vec<Line>, Vec<Line>) = std::mem::take(&mut desired.below)
        .into_iter()
        .partition(plain);
    let indent = " ".repeat(4);
    let parts: Vec<&str> = merged.iter().map(|line| line.text.trim()).collect();
    rest.push(leaf(&format!(
        "{indent}<<: &wishes {{ {} }}",
        parts.join(", ")
    )));
    desired.below = rest;
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "apiVersion: phonefleet/v1alpha1\nkind: Group\nmetadata: { name: all }\nspec:\n  phones:\n    accounts: [lab]\n  desired:\n    timezone: Asia/Tokyo\n    language: ja-JP\n    apps:\n      com.example.maps: absent\n";

    #[test]
    fn what_is_read_is_printed_as_it_was() {
        assert_eq!(printed(&documents_of(TEXT)), TEXT);
    }

    #[test]
    fn every_hand_writes_something_else() {
        let bundle = Bundle {
            files: vec![file(0, &format!("{TEXT}---\n{TEXT}"))],
            ..Bundle::default()
        };
        let mut seen = Vec::new();
        for hand in Hand::ALL {
            let written = hand.write(&bundle);
            let texts: Vec<Vec<u8>> = written
                .files
                .iter()
                .map(|file| file.bytes.to_vec())
                .collect();
            assert_ne!(
                texts,
                [format!("{TEXT}---\n{TEXT}").into_bytes()],
                "{}",
                hand.as_str()
            );
            assert!(!seen.contains(&texts), "{}", hand.as_str());
            seen.push(texts);
        }
    }
}
