//! The head of a document: apiVersion, kind, metadata, spec; and the references to secrets that stand in several kinds.
//!
//! Invariants: a document with a broken head still has its spec read, so that all mistakes are reported together.
//! Not here: what is inside a spec (`account`, `app`, `inventory`, `group`).

use super::fields::{self, Fields};
use super::finding::{Mark, Sink, Sources};
use super::tree::{Kind, Node};
use crate::model::value::SecretRef;
use smol_str::SmolStr;
use std::path::Path;

/// The version this build reads.
pub(super) const API_VERSION: &str = "phonefleet/v1alpha1";

/// What a document declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DocumentKind {
    Account,
    App,
    Inventory,
    Profile,
    Group,
}

pub(super) const KINDS: &[(&str, DocumentKind)] = &[
    ("Account", DocumentKind::Account),
    ("App", DocumentKind::App),
    ("Inventory", DocumentKind::Inventory),
    ("Profile", DocumentKind::Profile),
    ("Group", DocumentKind::Group),
];

/// A document with its head read.
pub(super) struct Document<'n> {
    pub(super) kind: DocumentKind,
    /// Empty if it was missing or bad.
    pub(super) name: SmolStr,
    pub(super) name_at: Mark,
    pub(super) spec: &'n Node,
}

/// Reads the head.
pub(super) fn head<'n>(node: &'n Node, sink: &mut Sink) -> Option<Document<'n>> {
    let mut fields = Fields::open(node, "document", sink)?;
    if let Some(version) = fields.need("apiVersion", sink)
        && let Some(said) = fields::text(version, "apiVersion", sink)
        && said != API_VERSION
    {
        sink.say(
            version.at,
            "unknown-api-version",
            format!("apiVersion {said:?} is not known"),
        )
        .hint(format!("this build reads {API_VERSION}"));
    }
    let kind = fields
        .need("kind", sink)
        .and_then(|kind| fields::one_of(kind, "kind", KINDS, sink));
    let metadata = fields.need("metadata", sink);
    let (name, name_at) = match metadata {
        Some(node) => metadata_name(node, sink),
        None => (SmolStr::default(), node.at),
    };
    let spec = fields.need("spec", sink);
    fields.finish(sink);
    Some(Document {
        kind: kind?,
        name,
        name_at,
        spec: spec?,
    })
}

fn metadata_name(node: &Node, sink: &mut Sink) -> (SmolStr, Mark) {
    let Some(mut fields) = Fields::open(node, "metadata", sink) else {
        return (SmolStr::default(), node.at);
    };
    let name = fields.need("name", sink);
    for key in ["labels", "annotations"] {
        if let Some(map) = fields.get(key, sink) {
            fields::text_map(map, key, sink);
        }
    }
    fields.finish(sink);
    let at = name.map_or(node.at, |name| name.at);
    let name = name.and_then(|name| fields::text(name, "name", sink));
    let Some(name) = name else {
        return (SmolStr::default(), at);
    };
    if is_name(&name) {
        return (name, at);
    }
    sink.say(at, "bad-name", format!("{name:?} is no name"))
        .hint("lower-case letters, digits and `-`, at most 63, starting and ending with a letter or digit");
    (SmolStr::default(), at)
}

/// Lower-case letters, digits and inner hyphens, at most 63.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 63
        && text.bytes().all(|byte| plain(byte) || byte == b'-')
        && text.bytes().next().is_some_and(plain)
        && text.bytes().last().is_some_and(plain)
}

const REFERENCE_FORMS: &str = "write { env: NAME }, { credential: NAME }, { file: PATH } or { csv: PATH, key: KEY, column: NAME }";

/// A path relative to the folder of the manifest that names it.
pub(super) fn beside(manifest: &str, path: &str) -> SmolStr {
    let folder = Path::new(manifest).parent().unwrap_or(Path::new(""));
    folder.join(path).display().to_string().into()
}

/// A reference to a secret, and the same as it was written (paths not resolved). Nothing of a plain secret is repeated.
pub(super) fn secret(
    node: &Node,
    name: &str,
    sources: &Sources,
    sink: &mut Sink,
) -> Option<(SecretRef, String)> {
    let Kind::Map(entries) = &node.kind else {
        if node.is_null() {
            fields::blank(node.at, name, sink);
        } else {
            sink.say(
                node.at,
                "plain-secret",
                format!("`{name}` must be a reference to a secret, not the secret itself"),
            )
            .hint(REFERENCE_FORMS)
            .secret();
        }
        return None;
    };
    let before = sink.problems.len();
    let mut fields = Fields::open(node, name, sink)?;
    let mut get = |key, sink: &mut Sink| {
        let value = fields.get(key, sink)?;
        fields::text(value, key, sink)
    };
    let forms = [
        ("env", get("env", sink)),
        ("credential", get("credential", sink)),
        ("file", get("file", sink)),
        ("csv", get("csv", sink)),
    ];
    let (key, column) = (get("key", sink), get("column", sink));
    fields.finish(sink);
    for problem in &mut sink.problems[before..] {
        problem.secret = true;
    }
    let given: Vec<&str> = forms
        .iter()
        .filter(|(form, _)| entries.iter().any(|entry| entry.key == *form))
        .map(|(form, _)| *form)
        .collect();
    let part_of_csv = |entry: &&str| given != ["csv"] && node.get(entry).is_some();
    if given.len() != 1 || ["key", "column"].iter().any(part_of_csv) {
        sink.say(
            node.at,
            "bad-value",
            format!("`{name}` is no reference to a secret"),
        )
        .hint(REFERENCE_FORMS)
        .secret();
        return None;
    }
    let form = Form {
        node,
        name,
        home: sources.path(node.at.file),
    };
    match forms {
        [(_, Some(variable)), ..] => form.env(variable, sink),
        [_, (_, Some(credential)), ..] => form.credential(credential, sink),
        [_, _, (_, Some(file)), _] => {
            let written = format!("file:{file}");
            Some((SecretRef::File(beside(form.home, &file)), written))
        }
        [_, _, _, (_, Some(file))] => form.csv(&file, key, column, sink),
        [(_, None), (_, None), (_, None), (_, None)] => None,
    }
}

/// One form of a reference.
struct Form<'n> {
    node: &'n Node,
    name: &'n str,
    home: &'n str,
}

impl Form<'_> {
    fn bad(&self, takes: &str, hint: &str, sink: &mut Sink) {
        let message = format!("`{}`: {takes}", self.name);
        sink.say(self.node.at, "bad-value", message)
            .hint(hint)
            .secret();
    }

    fn env(&self, variable: SmolStr, sink: &mut Sink) -> Option<(SecretRef, String)> {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if variable.starts_with(|c: char| c.is_ascii_digit()) || !variable.chars().all(good) {
            let takes = "`env` takes the name of an environment variable";
            self.bad(takes, "letters, digits and `_`", sink);
            return None;
        }
        let written = format!("env:{variable}");
        Some((SecretRef::Env(variable), written))
    }

    fn credential(&self, credential: SmolStr, sink: &mut Sink) -> Option<(SecretRef, String)> {
        if credential.contains('/') || credential.starts_with('.') {
            let takes = "`credential` takes the name of a systemd credential";
            let hint = "a name without `/`; use { file: PATH } for a path";
            self.bad(takes, hint, sink);
            return None;
        }
        let written = format!("credential:{credential}");
        Some((SecretRef::Credential(credential), written))
    }

    fn csv(
        &self,
        file: &str,
        key: Option<SmolStr>,
        column: Option<SmolStr>,
        sink: &mut Sink,
    ) -> Option<(SecretRef, String)> {
        for part in ["key", "column"] {
            if self.node.get(part).is_none() {
                let message = format!("`{part}` is missing in `{}`", self.name);
                sink.say(self.node.at, "missing-field", message)
                    .hint(REFERENCE_FORMS)
                    .secret();
            }
        }
        let (key, column) = (key?, column?);
        let written = format!("csv:{file}:{key}:{column}");
        let file = beside(self.home, file);
        Some((SecretRef::Csv { file, key, column }, written))
    }
}
