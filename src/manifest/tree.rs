//! The located tree: YAML documents with file, line and column of every key and value, and every scalar's source text.
//!
//! Invariants: size, depth, number of nodes and of replayed aliases are bounded before they cost anything; duplicate keys are findings; merge keys
//! (`<<`) are resolved here, explicit keys win. Not here: what a key means (`fields`, `document`).

use super::finding::{Mark, Sink};
use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};
use rustc_hash::FxHashMap;
use smol_str::SmolStr;
use std::borrow::Cow;

/// Bounds of one file.
#[derive(Clone, Copy, Debug)]
pub(super) struct TreeLimits {
    /// Nested lists and mappings.
    pub(super) depth: usize,
    /// Nodes, with those that aliases replay.
    pub(super) nodes: usize,
    /// Aliases.
    pub(super) aliases: usize,
    /// Nodes that aliases replay.
    pub(super) replayed: usize,
}

impl Default for TreeLimits {
    fn default() -> Self {
        Self {
            depth: 48,
            nodes: 2_000_000,
            aliases: 10_000,
            replayed: 200_000,
        }
    }
}

/// A value with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) at: Mark,
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A scalar, as it was typed; `plain`: without quotes, so that it may be null, a number or a boolean.
    Scalar { text: SmolStr, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the source.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: SmolStr,
    pub(super) key_at: Mark,
    pub(super) value: Node,
}

impl Node {
    /// The text of a scalar.
    pub(super) fn scalar(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// Blank, `~` or `null` (YAML 1.2 core).
    pub(super) fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar { text, plain } => {
                *plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            Kind::List(_) | Kind::Map(_) => false,
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(entries) => entries
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| &entry.value),
            Kind::Scalar { .. } | Kind::List(_) => None,
        }
    }

    /// What it is, for people.
    pub(super) fn described(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar { .. } if self.is_null() => "nothing",
            Kind::Scalar { plain: true, text } if is_number(text) => "a number",
            Kind::Scalar { plain: true, text } if matches!(text.as_str(), "true" | "false") => {
                "true or false"
            }
            Kind::Scalar { .. } => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok() && text.bytes().any(|byte| byte.is_ascii_digit())
}

/// Reads the documents of one file. Empty documents are skipped. What stops the reading is one finding, and marks the sink as torn.
pub(super) fn parse(file: u32, text: &str, limits: TreeLimits, sink: &mut Sink) -> Vec<Node> {
    let options = granit_parser::options! { emit_comments: false, disallow_directives: false };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder {
        file,
        limits,
        stack: Vec::new(),
        anchors: FxHashMap::default(),
        documents: Vec::new(),
        nodes: 0,
        aliases: 0,
        replayed: 0,
    };
    for next in Parser::new_from_str_with_options(text, options) {
        let stop = match next {
            Ok((event, span)) => builder.take(event, &span, sink).err(),
            Err(error) => {
                let at = mark(file, error.marker());
                Some(Stop(at, "syntax", error.info().clone(), None))
            }
        };
        if let Some(Stop(at, code, message, hint)) = stop {
            let problem = sink.say(at, code, message);
            problem.hint = hint.map(str::to_owned);
            sink.torn = true;
            break;
        }
    }
    builder.documents
}

fn mark(file: u32, marker: &granit_parser::Marker) -> Mark {
    let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Mark {
        file,
        line: small(marker.line()),
        column: small(marker.col() + 1),
    }
}

/// Why a file is not read any further: place, code, message, hint.
struct Stop(Mark, &'static str, String, Option<&'static str>);

/// A collection that is not closed yet.
enum Frame {
    List {
        at: Mark,
        anchor: usize,
        items: Vec<Node>,
    },
    Map {
        at: Mark,
        anchor: usize,
        entries: Vec<(Entry, bool)>,
        key: Option<(SmolStr, Mark, bool)>,
    },
}

struct Builder {
    file: u32,
    limits: TreeLimits,
    stack: Vec<Frame>,
    anchors: FxHashMap<usize, (Node, usize)>,
    documents: Vec<Node>,
    nodes: usize,
    aliases: usize,
    replayed: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span, sink: &mut Sink) -> Result<(), Stop> {
        let at = mark(self.file, &span.start);
        match event {
            Event::DocumentStart(..) => self.anchors.clear(),
            Event::Scalar(text, style, anchor, tag) => {
                self.count(at, 1)?;
                let forced = self.tag(at, tag, sink);
                let node = Node {
                    at,
                    kind: Kind::Scalar {
                        text: SmolStr::from(&*text),
                        plain: style == ScalarStyle::Plain && !forced,
                    },
                };
                self.place(node, anchor, sink);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.deeper(at)?;
                self.tag(at, tag, sink);
                self.stack.push(Frame::List {
                    at,
                    anchor,
                    items: Vec::new(),
                });
            }
            Event::MappingStart(_, anchor, tag) => {
                self.deeper(at)?;
                self.tag(at, tag, sink);
                self.stack.push(Frame::Map {
                    at,
                    anchor,
                    entries: Vec::new(),
                    key: None,
                });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(sink),
            Event::Alias(anchor) => self.replay(at, anchor, sink)?,
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentEnd
            | Event::Anchor(..)
            | Event::UnresolvedAlias(_)
            | Event::Comment(..) => {}
            _ => return Err(Stop(at, "syntax", "unknown YAML construct".into(), None)),
        }
        Ok(())
    }

    /// Whether the tag makes a text of the scalar.
    fn tag(&self, at: Mark, tag: Option<Cow<'_, Tag>>, sink: &mut Sink) -> bool {
        let Some(tag) = tag else { return false };
        if tag.core_suffix().is_none() && tag.parts() != ("!", "") && tag.parts() != ("", "!") {
            sink.say(at, "unknown-tag", "YAML tags have no meaning here")
                .hint("remove the tag (the word that starts with `!`)");
        }
        tag.core_suffix().is_none_or(|suffix| suffix == "str")
    }

    fn count(&mut self, at: Mark, more: usize) -> Result<(), Stop> {
        self.nodes += more;
        if self.nodes <= self.limits.nodes {
            return Ok(());
        }
        let message = format!("the file has more than {} values", self.limits.nodes);
        Err(Stop(
            at,
            "too-many-nodes",
            message,
            Some("split it into several files"),
        ))
    }

    fn deeper(&mut self, at: Mark) -> Result<(), Stop> {
        self.count(at, 1)?;
        if self.stack.len() < self.limits.depth {
            return Ok(());
        }
        let message = format!(
            "lists and mappings are nested deeper than {}",
            self.limits.depth
        );
        Err(Stop(at, "too-deep", message, None))
    }

    fn replay(&mut self, at: Mark, anchor: usize, sink: &mut Sink) -> Result<(), Stop> {
        self.aliases += 1;
        let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
            let message = "the alias stands inside what it refers to".to_owned();
            return Err(Stop(at, "alias-bomb", message, None));
        };
        self.replayed += size;
        if self.aliases > self.limits.aliases || self.replayed > self.limits.replayed {
            let message = format!(
                "aliases repeat too much: more than {} aliases or {} repeated values in one file",
                self.limits.aliases, self.limits.replayed
            );
            let hint = Some("use a Profile for what many groups share");
            return Err(Stop(at, "alias-bomb", message, hint));
        }
        self.count(at, size)?;
        self.place(node, 0, sink);
        Ok(())
    }

    fn close(&mut self, sink: &mut Sink) {
        let (node, anchor) = match self.stack.pop() {
            Some(Frame::List { at, anchor, items }) => {
                let kind = Kind::List(items);
                (Node { at, kind }, anchor)
            }
            Some(Frame::Map {
                at,
                anchor,
                entries,
                ..
            }) => {
                let kind = Kind::Map(merged(entries, sink));
                (Node { at, kind }, anchor)
            }
            None => return,
        };
        self.place(node, anchor, sink);
    }

    fn place(&mut self, node: Node, anchor: usize, sink: &mut Sink) {
        if anchor != 0 {
            let size = size(&node);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.stack.last_mut() {
            None if node.is_null() => {}
            None => self.documents.push(node),
            Some(Frame::List { items, .. }) => items.push(node),
            Some(Frame::Map { entries, key, .. }) => match key.take() {
                Some((key, key_at, plain)) => entries.push((
                    Entry {
                        key,
                        key_at,
                        value: node,
                    },
                    plain,
                )),
                None => {
                    let at = node.at;
                    let (text, plain) = match node.kind {
                        Kind::Scalar { text, plain } => (text, plain),
                        Kind::List(_) | Kind::Map(_) => {
                            sink.say(at, "wrong-type", "a key must be a text")
                                .hint("a value that starts with `{` or `[` needs quotes, or a key before it");
                            (SmolStr::default(), false)
                        }
                    };
                    *key = Some((text, at, plain));
                }
            },
        }
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::Scalar { .. } => 0,
        Kind::List(items) => items.iter().map(size).sum(),
        Kind::Map(entries) => entries.iter().map(|entry| 1 + size(&entry.value)).sum(),
    }
}

/// Explicit entries without duplicates, then what merge keys add.
fn merged(entries: Vec<(Entry, bool)>, sink: &mut Sink) -> Vec<Entry> {
    let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
    let mut first: FxHashMap<SmolStr, u32> = FxHashMap::default();
    let mut bases = Vec::new();
    for (entry, plain) in entries {
        if let Some(line) = first.get(&entry.key) {
            sink.say(
                entry.key_at,
                "duplicate-key",
                format!("`{}` is said twice; first in line {line}", entry.key),
            )
            .hint("remove one of the two");
            continue;
        }
        first.insert(entry.key.clone(), entry.key_at.line);
        if plain && entry.key == "<<" {
            bases.push(entry.value);
        } else {
            kept.push(entry);
        }
    }
    for base in bases {
        match base.kind {
            Kind::Map(entries) => add_missing(&mut kept, &mut first, entries),
            Kind::List(items) => {
                for item in items {
                    match item.kind {
                        Kind::Map(entries) => add_missing(&mut kept, &mut first, entries),
                        Kind::Scalar { .. } | Kind::List(_) => no_merge(item.at, sink),
                    }
                }
            }
            Kind::Scalar { .. } => no_merge(base.at, sink),
        }
    }
    kept
}

fn no_merge(at: Mark, sink: &mut Sink) {
    sink.say(
        at,
        "wrong-type",
        "a merge key `<<` takes a mapping or a list of mappings",
    );
}

fn add_missing(kept: &mut Vec<Entry>, known: &mut FxHashMap<SmolStr, u32>, more: Vec<Entry>) {
    for entry in more {
        if !known.contains_key(&entry.key) {
            known.insert(entry.key.clone(), entry.key_at.line);
            kept.push(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Node>, Vec<(u32, u32, &'static str)>) {
        let mut sink = Sink::default();
        let documents = parse(0, text, TreeLimits::default(), &mut sink);
        let places = sink
            .problems
            .iter()
            .map(|problem| (problem.at.line, problem.at.column, problem.code))
            .collect();
        (documents, places)
    }

    #[test]
    fn keeps_source_text_and_places() {
        let (documents, problems) = read("a: NO\nb:\n  - 0755\n  - '1.10'\nc: ~\n");
        assert_eq!(problems, []);
        let root = &documents[0];
        assert_eq!(root.get("a").unwrap().scalar(), Some("NO"));
        let Kind::List(items) = &root.get("b").unwrap().kind else {
            panic!("b is a list")
        };
        assert_eq!(items[0].scalar(), Some("0755"));
        assert_eq!((items[1].at.line, items[1].at.column), (4, 5));
        assert!(root.get("c").unwrap().is_null());
        assert!(!items[1].is_null());
    }

    #[test]
    fn documents_and_empty_documents() {
        let (documents, problems) = read("---\n---\na: 1\n---\n# nothing\n---\nb: 2\n...\n");
        assert_eq!(problems, []);
        assert_eq!(documents.len(), 2);
        assert_eq!(documents[1].get("b").unwrap().at.line, 7);
        assert_eq!(read("").0.len(), 0);
        assert_eq!(
            read("\u{feff}a: 1\r\nb: 2\r\n").0[0]
                .get("b")
                .unwrap()
                .scalar(),
            Some("2")
        );
    }

    #[test]
    fn duplicate_keys_are_found_in_any_mapping() {
        let (documents, problems) = read("a: 1\nlabels: {x: 1, y: 2, x: 3}\na: 2\n");
        assert_eq!(
            problems,
            [(2, 22, "duplicate-key"), (3, 1, "duplicate-key")]
        );
        assert_eq!(documents[0].get("a").unwrap().scalar(), Some("1"));
    }

    #[test]
    fn merge_keys_give_way_to_explicit_keys() {
        let (documents, problems) =
            read("base: &b {x: 1, y: 2}\nother: &o {z: 3, y: 9}\nuse:\n  <<: [*b, *o]\n  x: 5\n");
        assert_eq!(problems, []);
        let used = documents[0].get("use").unwrap();
        assert_eq!(used.get("x").unwrap().scalar(), Some("5"));
        assert_eq!(used.get("y").unwrap().scalar(), Some("2"));
        assert_eq!(used.get("z").unwrap().scalar(), Some("3"));
        assert_eq!(used.get("y").unwrap().at.line, 1);
        assert_eq!(read("<<: 3\n").1, [(1, 5, "wrong-type")]);
    }

    #[test]
    fn bombs_and_depths_stop_the_reading() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            bomb.push_str(
                &[
                    "a",
                    &level.to_string(),
                    ": &a",
                    &level.to_string(),
                    " [",
                    &below,
                    "]\n",
                ]
                .concat(),
            );
        }
        let (_, problems) = read(&bomb);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].2, "alias-bomb");
        assert_eq!(read(&"[".repeat(100_000)).1.len(), 1);
        let deep = ["[".repeat(60), "]".repeat(60)].concat();
        assert_eq!(read(&deep).1[0].2, "too-deep");
        assert_eq!(read("a: &a [*a]\n").1[0].2, "alias-bomb");
        assert_eq!(read("a: [1, 2\nb: 3\n").1[0].2, "syntax");
        assert_eq!(read("b:\n\ta: 1\n").1[0].2, "syntax");
        assert_eq!(read("a: *nowhere\n").1[0].2, "syntax");
    }

    #[test]
    fn odd_keys_and_tags() {
        assert_eq!(read("? [a]\n: 1\n").1, [(1, 3, "wrong-type")]);
        assert_eq!(read("a: !thing 1\n").1[0].2, "unknown-tag");
        let (documents, problems) = read("a: !!str null\n");
        assert_eq!(problems, []);
        assert!(!documents[0].get("a").unwrap().is_null());
    }
}
