//! The house rules that clippy cannot check: which room may name which, sizes, headings, names, and where nothing may wait.
//!
//! Invariants: every rule has a test that breaks it on purpose; a finding names file and rule. Not here: lints (`Cargo.toml`, `clippy.toml`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use syn::spanned::Spanned;
use syn::visit::Visit;

/// What each room may name besides itself. A room that is not here is an error.
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("time", &["model"]),
    ("secret", &["model"]),
    ("transport", &["model", "time"]),
    ("plan", &["model"]),
    ("journal", &["model"]),
    ("manifest", &["model", "time"]),
    ("source", &["time"]),
    ("provider", &["model", "time", "transport", "secret"]),
    (
        "controller",
        &["model", "time", "plan", "journal", "provider"],
    ),
    ("sim", &["model", "time", "transport", "provider"]),
    (
        "rehearsal",
        &[
            "model",
            "time",
            "secret",
            "transport",
            "plan",
            "journal",
            "manifest",
            "provider",
            "controller",
            "sim",
        ],
    ),
    ("server", &["model", "journal", "controller", "provider"]),
    (
        "daemon",
        &[
            "model",
            "time",
            "secret",
            "transport",
            "plan",
            "journal",
            "manifest",
            "source",
            "provider",
            "controller",
            "sim",
            "rehearsal",
            "server",
        ],
    ),
    (
        "cli",
        &[
            "model",
            "time",
            "secret",
            "transport",
            "plan",
            "journal",
            "manifest",
            "source",
            "provider",
            "controller",
            "sim",
            "rehearsal",
            "server",
            "daemon",
        ],
    ),
];

/// Of some rooms only some parts may be named from some others: (who, whom, parts).
const PARTS: &[(&str, &str, &[&str])] = &[
    ("time", "model", &["stamp"]),
    ("transport", "model", &["stamp"]),
    ("server", "controller", &["trigger", "progress"]),
    ("server", "provider", &["callback"]),
];

/// Parts of the providers that the simulator may not share, so that mapping mistakes show.
const NOT_SHARED_WITH_SIM: &str = "convert";

/// Where nothing waits: no `async`, no tokio. Files or folders under `src/`.
const PURE: &[&str] = &[
    "model",
    "plan",
    "journal",
    "controller/core",
    "controller/core.rs",
];

/// Names that say nothing.
const BANNED_NAMES: &[&str] = &[
    "utils", "util", "helpers", "helper", "common", "misc", "imp", "manager",
];

/// Lines of a file without its tests, at most.
const MOST_LINES: usize = 600;

/// One source file.
struct Source {
    /// Path under `src/`, with slashes.
    path: String,
    text: String,
    syntax: syn::File,
}

impl Source {
    fn parse(path: &str, text: &str) -> Self {
        let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            syntax,
        }
    }

    /// The room it belongs to; `None`: `lib.rs` and `main.rs`.
    fn room(&self) -> Option<&str> {
        match self.path.split_once('/') {
            Some((room, _)) => Some(room),
            None => self
                .path
                .strip_suffix(".rs")
                .filter(|stem| !["lib", "main"].contains(stem)),
        }
    }
}

/// Every source file of the crate.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut paths: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
            Source::parse(name, &fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// Paths that a file names, test code apart, and what else the rules ask of its syntax.
#[derive(Default)]
struct Walk {
    /// Every path of two segments or more, from `use` trees and from expressions, types and macros.
    paths: Vec<Vec<String>>,
    /// Lines on which something is `async`.
    asyncs: Vec<usize>,
    /// Lines of test modules: first and last.
    tests: Vec<(usize, usize)>,
    /// Modules declared inside of this file, outermost first: `super` counts them.
    depth: usize,
}

fn only_in_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|path| path.is_ident("test"))
    })
}

impl Walk {
    fn over(source: &Source) -> Self {
        let mut walk = Self::default();
        walk.visit_file(&source.syntax);
        walk
    }

    /// `super` and `self` inside of modules of the file itself are dropped: they stay in the file.
    fn add(&mut self, mut segments: Vec<String>) {
        let mut depth = self.depth;
        while depth > 0 && segments.first().is_some_and(|first| first == "super") {
            segments.remove(0);
            depth -= 1;
        }
        if segments.len() > 1 {
            self.paths.push(segments);
        }
    }

    fn add_tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.add(with(&name.ident)),
            syn::UseTree::Rename(rename) => self.add(with(&rename.ident)),
            syn::UseTree::Glob(_) => self.add([before, &["*".to_owned()]].concat()),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_tree(before, tree);
                }
            }
        }
    }

    /// Paths in the unparsed tokens of a macro: runs of identifiers joined by `::`.
    fn add_tokens(&mut self, tokens: proc_macro2::TokenStream) {
        use proc_macro2::TokenTree;
        let mut run: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.add(std::mem::take(&mut run));
                    }
                    if ident == "async" {
                        self.asyncs.push(ident.span().start().line);
                    }
                    run.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.add(std::mem::take(&mut run));
                    colons = 0;
                    self.add_tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.add(std::mem::take(&mut run));
                    colons = 0;
                }
            }
        }
        self.add(run);
    }
}

impl<'ast> Visit<'ast> for Walk {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "syntax that another crate lists, and may list more of"
    )]
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes: &[syn::Attribute] = match item {
            syn::Item::Const(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Static(item) => &item.attrs,
            syn::Item::Struct(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            _ => &[],
        };
        if !only_in_tests(attributes) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if only_in_tests(&module.attrs) {
            if module.content.is_some() {
                let span = module.span();
                self.tests.push((span.start().line, span.end().line));
            }
            return;
        }
        self.depth += 1;
        syn::visit::visit_item_mod(self, module);
        self.depth -= 1;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.add(
            path.segments
                .iter()
                .map(|part| part.ident.to_string())
                .collect(),
        );
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        self.visit_path(&mac.path);
        self.add_tokens(mac.tokens.clone());
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        if let Some(token) = signature.asyncness {
            self.asyncs.push(token.span.start().line);
        }
        syn::visit::visit_signature(self, signature);
    }

    fn visit_expr_async(&mut self, block: &'ast syn::ExprAsync) {
        self.asyncs.push(block.async_token.span.start().line);
        syn::visit::visit_expr_async(self, block);
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        if let Some(token) = closure.asyncness {
            self.asyncs.push(token.span.start().line);
        }
        syn::visit::visit_expr_closure(self, closure);
    }
}

/// A path as it stands from the root of the crate: `[room, part, …]`; `None`: of another crate, or within the file's own module.
fn within_crate(source: &Source, path: &[String]) -> Option<Vec<String>> {
    let mut module: Vec<String> = source
        .path
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    if module
        .last()
        .is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str()))
    {
        module.pop();
    }
    match path[0].as_str() {
        "crate" | "phonefleet" => Some(path[1..].to_vec()),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            module.truncate(module.len().saturating_sub(ups));
            module.extend_from_slice(&path[ups..]);
            Some(module)
        }
        _ => None,
    }
}

/// Arrows between rooms that the file draws.
fn arrows(source: &Source, walk: &Walk) -> Vec<Vec<String>> {
    let own = source.room();
    walk.paths
        .iter()
        .filter_map(|path| within_crate(source, path))
        .filter(|path| !path.is_empty() && Some(path[0].as_str()) != own)
        .collect()
}

fn row(room: &str) -> Option<&'static [&'static str]> {
    ROOMS
        .iter()
        .find(|(name, _)| *name == room)
        .map(|(_, may)| *may)
}

/// What is wrong with a file that is for tests only.
fn findings_in_tests(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    check_heading_and_name(source, &mut found);
    named(source, found)
}

fn named(source: &Source, found: Vec<String>) -> Vec<String> {
    found
        .into_iter()
        .map(|problem| format!("src/{}: {problem}", source.path))
        .collect()
}

/// What is wrong with one file of the product.
fn findings(source: &Source) -> Vec<String> {
    let walk = Walk::over(source);
    let mut found = Vec::new();
    check_arrows(source, &walk, &mut found);
    check_form(source, &walk, &mut found);
    let pure = PURE
        .iter()
        .any(|place| source.path == *place || source.path.starts_with(&format!("{place}/")));
    if pure {
        for line in &walk.asyncs {
            found.push(format!("line {line} is async where nothing may wait"));
        }
        if walk.paths.iter().any(|path| path[0] == "tokio") {
            found.push("tokio is named where nothing may wait".to_owned());
        }
    }
    named(source, found)
}

fn check_arrows(source: &Source, walk: &Walk, found: &mut Vec<String>) {
    let Some(room) = source.room() else { return };
    let Some(may) = row(room) else {
        found.push(format!("the room {room} has no row in the table of rooms"));
        return;
    };
    for path in arrows(source, walk) {
        let (whom, part) = (path[0].as_str(), path.get(1).map_or("", String::as_str));
        let parts = PARTS
            .iter()
            .find(|(from, to, _)| *from == room && *to == whom)
            .map(|(_, _, parts)| *parts);
        if !may.contains(&whom) {
            found.push(format!("{room} may not name {whom} ({})", path.join("::")));
        } else if parts.is_some_and(|parts| !parts.contains(&part)) {
            found.push(format!(
                "of {whom}, {room} may name {parts:?} only ({})",
                path.join("::")
            ));
        } else if room == "sim" && path.iter().any(|part| part == NOT_SHARED_WITH_SIM) {
            found.push(format!(
                "sim may not share conversions ({})",
                path.join("::")
            ));
        }
    }
}

fn check_form(source: &Source, walk: &Walk, found: &mut Vec<String>) {
    check_heading_and_name(source, found);
    let tests: usize = walk.tests.iter().map(|(from, to)| to - from + 1).sum();
    let lines = source.text.lines().count() - tests;
    if lines > MOST_LINES {
        found.push(format!(
            "has {lines} lines without its tests, {MOST_LINES} are allowed"
        ));
    }
}

fn check_heading_and_name(source: &Source, found: &mut Vec<String>) {
    if !source.text.starts_with("//!") {
        found.push("does not begin with //! (what it is for)".to_owned());
    }
    for part in source.path.trim_end_matches(".rs").split('/') {
        if BANNED_NAMES.contains(&part) {
            found.push(format!("the name {part} says nothing"));
        }
    }
    if source.room() == Some("core") {
        found.push("core is no name of a room".to_owned());
    }
}

/// Files that are compiled for tests only (`#[cfg(test)] mod name;`), by their path without `.rs`: what holds for test modules holds for them.
fn test_files(sources: &[Source]) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for source in sources {
        let stem = source.path.trim_end_matches(".rs");
        let folder = match stem.rsplit_once('/') {
            Some((folder, "mod")) => format!("{folder}/"),
            None if ["lib", "main"].contains(&stem) => String::new(),
            Some(_) | None => format!("{stem}/"),
        };
        for item in &source.syntax.items {
            if let syn::Item::Mod(module) = item
                && module.content.is_none()
                && only_in_tests(&module.attrs)
            {
                files.insert(match path_of(module) {
                    Some(path) => {
                        let beside = source.path.rfind('/').map_or(0, |at| at + 1);
                        format!("{}{}", &source.path[..beside], path.trim_end_matches(".rs"))
                    }
                    None => format!("{folder}{}", module.ident),
                });
            }
        }
    }
    files
}

/// What `#[path = "…"]` says.
fn path_of(module: &syn::ItemMod) -> Option<String> {
    module.attrs.iter().find_map(|attribute| {
        let pair = attribute.meta.require_name_value().ok()?;
        if let syn::Expr::Lit(literal) = &pair.value
            && let syn::Lit::Str(text) = &literal.lit
            && pair.path.is_ident("path")
        {
            return Some(text.value());
        }
        None
    })
}

/// The files that are in the product, and those that are for tests only.
fn product_and_tests() -> (Vec<Source>, Vec<Source>) {
    let sources = sources();
    let tests = test_files(&sources);
    sources.into_iter().partition(|source| {
        let stem = source.path.trim_end_matches(".rs");
        !tests
            .iter()
            .any(|test| stem == test || stem.starts_with(&format!("{test}/")))
    })
}

/// A cycle among the rooms, if there is one, as `a -> b -> a`.
fn cycle(arrows: &BTreeMap<String, BTreeSet<String>>) -> Option<String> {
    fn from(
        room: &str,
        arrows: &BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> bool {
        if way.iter().any(|before| before == room) {
            way.push(room.to_owned());
            return true;
        }
        if !done.insert(room.to_owned()) {
            return false;
        }
        way.push(room.to_owned());
        for next in arrows.get(room).into_iter().flatten() {
            if from(next, arrows, way, done) {
                return true;
            }
        }
        way.pop();
        false
    }
    let mut done = BTreeSet::new();
    arrows.keys().find_map(|room| {
        let mut way = Vec::new();
        from(room, arrows, &mut way, &mut done).then(|| way.join(" -> "))
    })
}

#[test]
fn the_house_is_tidy() {
    let (product, tests) = product_and_tests();
    assert!(
        product.len() > 40,
        "only {} files were found",
        product.len()
    );
    let mut report = String::new();
    let found = product.iter().flat_map(findings);
    for finding in found.chain(tests.iter().flat_map(findings_in_tests)) {
        writeln!(report, "{finding}").unwrap();
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn there_is_no_cycle_between_rooms() {
    let mut drawn: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in product_and_tests().0 {
        let Some(room) = source.room() else { continue };
        let to = arrows(&source, &Walk::over(&source));
        let to = to.into_iter().map(|path| path[0].clone());
        drawn.entry(room.to_owned()).or_default().extend(to);
    }
    assert!(
        drawn["cli"].contains("daemon") || drawn["daemon"].contains("journal"),
        "{drawn:?}"
    );
    assert_eq!(cycle(&drawn), None);
    let allowed = ROOMS
        .iter()
        .map(|(room, may)| {
            (
                (*room).to_owned(),
                may.iter().map(|to| (*to).to_owned()).collect(),
            )
        })
        .collect();
    assert_eq!(cycle(&allowed), None, "the table itself");
}

#[test]
fn a_cycle_is_found() {
    let arrow = |from: &str, to: &[&str]| {
        (
            from.to_owned(),
            to.iter()
                .map(|to| (*to).to_owned())
                .collect::<BTreeSet<_>>(),
        )
    };
    let drawn = BTreeMap::from([
        arrow("a", &["b", "c"]),
        arrow("b", &["c"]),
        arrow("c", &["d"]),
        arrow("d", &["b"]),
    ]);
    assert_eq!(cycle(&drawn).as_deref(), Some("a -> b -> c -> d -> b"));
}

/// What is found in a file of this content at this path.
fn found(path: &str, text: &str) -> String {
    findings(&Source::parse(path, &format!("//! A file.\n{text}"))).join("\n")
}

#[test]
fn forbidden_arrows_are_found_however_they_are_written() {
    for text in [
        "use crate::provider::Provider;",
        "use crate::{model::id::PhoneId, provider::{self, CallError}};",
        "use crate::provider as vendor;",
        "use super::super::provider::Provider;",
        "fn f(p: &dyn crate::provider::Provider) {}",
        "fn f() { let x = crate::provider::registry::open(); }",
        "fn f() { assert_eq!(1, crate::provider::registry::count()); }",
        "mod inner { use super::super::super::provider::Provider; }",
        "impl crate::provider::Provider for X {}",
        "pub use crate::provider::*;",
    ] {
        let found = found("plan/phone.rs", text);
        assert!(
            found.contains("plan may not name provider"),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn allowed_arrows_and_test_code_are_not_found() {
    for text in [
        "use crate::model::id::PhoneId;",
        "use super::batch::Batch;",
        "mod inner { use super::super::batch::Batch; use super::Thing; }",
        "use std::collections::BTreeMap; use provider::Other;",
        "#[cfg(test)] mod tests { use crate::provider::Provider; async fn f() {} }",
        "#[cfg(test)] use crate::provider::Provider;",
        "#[cfg(test)] fn f(p: crate::provider::Provider) {}",
        "#[cfg(test)] impl X { fn f(p: crate::provider::Provider) {} }",
    ] {
        assert_eq!(found("plan/phone.rs", text), "", "{text}");
    }
}

#[test]
fn files_for_tests_only_are_known_by_their_declaration() {
    let text = "#[cfg(test)] mod legal; mod lock; #[cfg(test)] mod tests { fn f() {} }";
    let known = |path| test_files(&[Source::parse(path, text)]);
    assert_eq!(known("journal/mod.rs"), ["journal/legal".to_owned()].into());
    assert_eq!(
        known("plan/phone.rs"),
        ["plan/phone/legal".to_owned()].into()
    );
    assert_eq!(known("lib.rs"), ["legal".to_owned()].into());
    let by_path = "#[cfg(test)] #[path = \"phone_tests.rs\"] mod tests;";
    let files = test_files(&[Source::parse("sim/phone.rs", by_path)]);
    assert_eq!(files, ["sim/phone_tests".to_owned()].into());
    let (product, tests) = product_and_tests();
    let legal = |sources: &[Source]| {
        sources
            .iter()
            .any(|source| source.path == "journal/legal.rs")
    };
    assert!(legal(&tests) && !legal(&product));
    let bare = Source::parse("journal/legal.rs", "fn f() {}\n");
    assert!(findings_in_tests(&bare)[0].contains("does not begin with //!"));
}

#[test]
fn only_some_parts_of_some_rooms_may_be_named() {
    assert_eq!(
        found(
            "server/control.rs",
            "use crate::controller::progress::Progress;"
        ),
        ""
    );
    assert!(found("server/control.rs", "use crate::controller::core::Core;").contains("only"));
    assert_eq!(
        found(
            "sim/armcloud.rs",
            "use crate::provider::armcloud::wire::Row;"
        ),
        ""
    );
    assert!(
        found(
            "sim/armcloud.rs",
            "use crate::provider::armcloud::convert::row;"
        )
        .contains("conversions")
    );
    assert!(found("attic/mod.rs", "").contains("no row"));
    assert_eq!(found("lib.rs", "pub use crate::cli::run;"), "");
}

#[test]
fn waiting_is_found_where_nothing_may_wait() {
    for text in [
        "async fn f() {}",
        "fn f() { let x = async { 1 }; }",
        "fn f() { g(async || 1) }",
        "fn f() { select!(x = async { 1 } => x) }",
        "trait T { async fn f(); }",
        "use tokio::sync::mpsc;",
        "fn f(x: tokio::sync::Notify) {}",
    ] {
        for path in [
            "model/id.rs",
            "plan/phone.rs",
            "journal/rows.rs",
            "controller/core/poll.rs",
            "controller/core.rs",
        ] {
            assert!(
                found(path, text).contains("nothing may wait"),
                "{path}: {text}"
            );
        }
        assert_eq!(found("controller/driver.rs", text), "");
    }
}

#[test]
fn headings_lengths_and_names_are_checked() {
    let bare = findings(&Source::parse("plan/phone.rs", "fn f() {}\n"));
    assert!(bare[0].contains("does not begin with //!"));
    let long = "// a line\n".repeat(MOST_LINES);
    assert!(found("plan/phone.rs", &long).contains("601 lines"));
    let tests = format!("#[cfg(test)]\nmod tests {{\n{long}}}\n");
    assert_eq!(found("plan/phone.rs", &tests), "");
    assert!(found("plan/utils.rs", "").contains("says nothing"));
    assert!(found("model/helpers/mod.rs", "").contains("says nothing"));
    assert!(found("core/mod.rs", "").contains("core is no name of a room"));
    assert_eq!(found("controller/core/mod.rs", ""), "");
}
