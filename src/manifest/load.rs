//! One load: from bytes to a Fleet or to all findings.
//!
//! Invariants: documents are read in an order in which each finds what it refers to (accounts, inventories, apps, profiles, groups), whatever
//! file they stand in. Not here: the checks across documents (`check`).

use super::account::{self, Surroundings};
use super::bundle::{Bundle, MANIFEST_BYTES, SourceFile};
use super::check;
use super::claims::Claimant;
use super::document::{self, Document, DocumentKind};
use super::fields::Fields;
use super::finding::{Finding, Mark, Sink, Sources};
use super::group::{self, GroupSpec};
use super::inventory::{self, Column, CsvReader, Rows, Table};
use super::layer::{self, Layer};
use super::tree::{self, Node, TreeLimits};
use super::value::Tools;
use crate::model::capability::Capabilities;
use crate::model::fleet::{Account, App, Fleet, Group, InventoryEntry, ProviderKind};
use crate::model::id::{AccountName, AppName, GroupName, PhoneKey};
use crate::model::stamp::Timestamp;
use indexmap::IndexMap;
use rustc_hash::FxHashMap;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What an operator may allow beyond the defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadOptions {
    /// Plain http to endpoints that are not on loopback.
    pub allow_plain_http: bool,
    /// Loopback and link-local hosts in the urls of apps.
    pub allow_private_urls: bool,
}

/// Reads, resolves and validates. All findings are reported together.
///
/// # Errors
/// At least one finding; nothing of the bundle is used then.
pub fn load(
    bundle: &Bundle,
    capabilities: &dyn Fn(ProviderKind) -> Option<&'static Capabilities>,
    now: Timestamp,
) -> Result<Fleet, Vec<Finding>> {
    load_with(bundle, capabilities, now, &LoadOptions::default())
}

/// [`load`] with options.
///
/// # Errors
/// At least one finding; nothing of the bundle is used then.
pub fn load_with(
    bundle: &Bundle,
    capabilities: &dyn Fn(ProviderKind) -> Option<&'static Capabilities>,
    now: Timestamp,
    options: &LoadOptions,
) -> Result<Fleet, Vec<Finding>> {
    let mut sources = Sources::default();
    let mut sink = Sink::default();
    let nodes = parse(&bundle.files, &mut sources, &mut sink);
    let tables = Tables::read(bundle, &mut sources, &mut sink);
    let documents = heads(&nodes, &sources, &mut sink);
    let around = Surroundings {
        capabilities,
        options,
        sources: &sources,
    };
    let declared = Declared::read(&documents, &around, &mut sink);
    let names = &declared.account_names;
    let (rows, tables) = tables.rows(&documents, names, &sources, &mut sink);
    let tools = Tools {
        apps: &declared.apps,
        sources: &sources,
    };
    let profiles = profiles(&documents, &tools, &mut sink);
    let groups = groups(&documents, &declared.account_names, &tools, &mut sink);
    let claimant = Claimant {
        groups,
        profiles,
        rows,
        tables,
        apps: declared.apps,
        sources: sources.without_texts(),
        stacks: Mutex::new(FxHashMap::default()),
    };
    let checked = if sink.torn {
        sink.problems.retain(|problem| !refers(problem.code));
        None
    } else {
        Some(check::check(
            &claimant,
            &declared.accounts,
            capabilities,
            now,
            &mut sink,
        ))
    };
    match checked {
        Some(checked) if sink.problems.is_empty() => Ok(fleet(
            bundle,
            declared.accounts,
            claimant,
            checked.named,
            now,
        )),
        Some(_) | None => Err(sources.findings(sink.problems)),
    }
}

/// Findings that may be due only to a file that was not read to its end.
fn refers(code: &str) -> bool {
    matches!(
        code,
        "unknown-account" | "unknown-app" | "unknown-profile" | "unknown-label"
    )
}

fn parse(files: &[SourceFile], sources: &mut Sources, sink: &mut Sink) -> Vec<Node> {
    let mut nodes = Vec::new();
    for file in files {
        let Some((number, text)) = text(file, sources, sink) else {
            continue;
        };
        nodes.extend(tree::parse(number, &text, TreeLimits::default(), sink));
    }
    nodes
}

fn text(file: &SourceFile, sources: &mut Sources, sink: &mut Sink) -> Option<(u32, Arc<str>)> {
    let whole = |file| Mark {
        file,
        line: 0,
        column: 1,
    };
    let size = u64::try_from(file.bytes.len()).unwrap_or(u64::MAX);
    let is_table = file.path.extension().is_some_and(|end| end == "csv");
    if size > MANIFEST_BYTES && !is_table {
        let number = sources.add(&file.path, Arc::from(""));
        sink.torn = true;
        sink.say(
            whole(number),
            "file-too-large",
            format!("the file has {size} bytes; the limit is {MANIFEST_BYTES}"),
        )
        .hint("split it, or keep phones in a CSV file with an Inventory");
        return None;
    }
    match std::str::from_utf8(&file.bytes) {
        Ok(text) => {
            let text: Arc<str> = Arc::from(text);
            Some((sources.add(&file.path, text.clone()), text))
        }
        Err(error) => {
            let number = sources.add(&file.path, Arc::from(""));
            sink.torn = true;
            let lines = file.bytes[..error.valid_up_to()]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            let line = u32::try_from(lines + 1).unwrap_or(u32::MAX);
            sink.say(
                Mark {
                    file: number,
                    line,
                    column: 1,
                },
                "not-utf8",
                "the file is not UTF-8",
            )
            .hint("save it again as UTF-8");
            None
        }
    }
}

fn heads<'n>(nodes: &'n [Node], sources: &Sources, sink: &mut Sink) -> Vec<Document<'n>> {
    let mut documents: Vec<Document<'n>> = Vec::new();
    let mut first: BTreeMap<(DocumentKind, SmolStr), Mark> = BTreeMap::new();
    for node in nodes {
        let Some(document) = document::head(node, sink) else {
            sink.torn = true;
            continue;
        };
        if document.name.is_empty() {
            sink.torn = true;
        } else if let Some(at) = first.get(&(document.kind, document.name.clone())) {
            let name = &document.name;
            let kind = document::KINDS
                .iter()
                .find(|(_, kind)| *kind == document.kind)
                .map_or("", |(word, _)| word);
            let place = sources.show(*at);
            sink.say(
                document.name_at,
                "duplicate-name",
                format!("there is another {kind} `{name}` in {place}"),
            )
            .hint("give one of them another name");
        } else {
            first.insert((document.kind, document.name.clone()), document.name_at);
        }
        documents.push(document);
    }
    documents
}

/// Accounts and apps by name; `None`: declared, but with mistakes.
struct Declared {
    account_names: Vec<SmolStr>,
    accounts: BTreeMap<AccountName, Option<Account>>,
    apps: BTreeMap<AppName, Option<App>>,
}

impl Declared {
    fn read(documents: &[Document<'_>], around: &Surroundings<'_>, sink: &mut Sink) -> Self {
        let of = |kind| {
            documents
                .iter()
                .filter(move |document| document.kind == kind)
        };
        let mut account_names: Vec<SmolStr> = of(DocumentKind::Account)
            .map(|document| document.name.clone())
            .collect();
        account_names.sort();
        account_names.dedup();
        let mut accounts = BTreeMap::new();
        let mut identities: BTreeMap<_, (AccountName, Mark)> = BTreeMap::new();
        for document in of(DocumentKind::Account) {
            let account = account::account(document, around, sink);
            if let Some(account) = &account {
                let here = (account.name.clone(), document.name_at);
                if let Some((other, at)) = identities.insert(account.identity.clone(), here)
                    && other != account.name
                {
                    let place = around.sources.show(at);
                    sink.say(
                        document.name_at,
                        "same-account",
                        format!("Account `{other}` ({place}) is the same: provider, endpoint and key are equal"),
                    )
                    .hint("one Account is enough: limits and journal belong to the key");
                }
            }
            accounts.insert(AccountName::new(document.name.clone()), account);
        }
        let mut apps = BTreeMap::new();
        for document in of(DocumentKind::App) {
            let app = account::app(document, &account_names, around, sink);
            apps.insert(AppName::new(document.name.clone()), app);
        }
        Self {
            account_names,
            accounts,
            apps,
        }
    }
}

/// CSV files by path: number and text, or why there is none.
struct Tables<'b>(BTreeMap<&'b Path, Result<(u32, Arc<str>), &'b str>>);

impl<'b> Tables<'b> {
    fn read(bundle: &'b Bundle, sources: &mut Sources, sink: &mut Sink) -> Self {
        let mut tables = BTreeMap::new();
        for file in &bundle.tables {
            let found = text(file, sources, sink);
            tables.insert(file.path.as_path(), found.ok_or("it is not UTF-8"));
        }
        for (path, why) in &bundle.missing {
            tables.insert(path.as_path(), Err(why.as_str()));
        }
        Self(tables)
    }

    fn rows(
        &self,
        documents: &[Document<'_>],
        accounts: &[SmolStr],
        sources: &Sources,
        sink: &mut Sink,
    ) -> (Rows, Vec<Arc<Table>>) {
        let (mut rows, mut tables) = (Rows::default(), Vec::new());
        for document in documents {
            if document.kind != DocumentKind::Inventory {
                continue;
            }
            let Some(spec) = inventory::inventory(document, sources, sink) else {
                sink.rows_torn = true;
                continue;
            };
            let (path, at) = &spec.csv;
            let table = self.0.get(path.as_path());
            match table.unwrap_or(&Err("it is not there")) {
                Ok((file, text)) => {
                    let reader = CsvReader {
                        file: *file,
                        text,
                        path: sources.path(*file).clone(),
                        accounts,
                    };
                    tables.extend(reader.read(&spec, &mut rows, sink));
                }
                Err(why) => {
                    sink.rows_torn = true;
                    let path = path.display();
                    sink.say(*at, "missing-file", format!("cannot read {path}: {why}"))
                        .hint("the path starts at the folder of this manifest");
                }
            }
        }
        (rows, tables)
    }
}

fn profiles(
    documents: &[Document<'_>],
    tools: &Tools<'_>,
    sink: &mut Sink,
) -> IndexMap<SmolStr, Layer> {
    let mut profiles = IndexMap::new();
    for document in documents {
        if document.kind != DocumentKind::Profile {
            continue;
        }
        let layer = match Fields::open(document.spec, "Profile", sink) {
            Some(mut fields) => {
                let layer = layer::layer(&mut fields, tools, sink);
                fields.finish(sink);
                layer
            }
            None => Layer::default(),
        };
        profiles.entry(document.name.clone()).or_insert(layer);
    }
    profiles
}

fn groups(
    documents: &[Document<'_>],
    accounts: &[SmolStr],
    tools: &Tools<'_>,
    sink: &mut Sink,
) -> Vec<GroupSpec> {
    let mut groups: Vec<GroupSpec> = documents
        .iter()
        .filter(|document| document.kind == DocumentKind::Group)
        .filter_map(|document| group::group(document, accounts, tools, sink))
        .collect();
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    groups
}

fn fleet(
    bundle: &Bundle,
    accounts: BTreeMap<AccountName, Option<Account>>,
    claimant: Claimant,
    named: Vec<PhoneKey>,
    now: Timestamp,
) -> Fleet {
    let mut expiries: Vec<Timestamp> = claimant
        .groups
        .iter()
        .flat_map(|group| group.overrides.iter().filter_map(|one| one.until))
        .filter(|until| *until > now)
        .collect();
    expiries.sort();
    expiries.dedup();
    let inventory = claimant
        .rows
        .iter()
        .map(|(key, row)| {
            let labels = row
                .cells(Column::Label)
                .map(|(name, cell)| (name.clone(), cell.clone()));
            let entry = InventoryEntry {
                alias: row.alias().cloned(),
                labels: labels.collect(),
            };
            (key.clone(), entry)
        })
        .collect();
    let overridden = claimant
        .groups
        .iter()
        .flat_map(|group| group.overridden.keys().cloned());
    let excluded = claimant
        .groups
        .iter()
        .flat_map(|group| group.selection.excluded());
    let mentioned: BTreeSet<PhoneKey> = overridden.chain(excluded).collect();
    Fleet {
        revision: bundle.revision(),
        accounts: accounts
            .into_iter()
            .filter_map(|(name, account)| Some((name, account?)))
            .collect(),
        apps: claimant
            .apps
            .iter()
            .filter_map(|(name, app)| Some((name.clone(), app.clone()?)))
            .collect(),
        groups: claimant
            .groups
            .iter()
            .map(|it| named_group(it, &claimant))
            .collect(),
        named,
        mentioned: mentioned.into_iter().collect(),
        inventory,
        expiries,
        claims: Arc::new(claimant),
    }
}

fn named_group(group: &GroupSpec, claimant: &Claimant) -> (GroupName, Group) {
    let shown = Group {
        name: group.name.clone(),
        accounts: group.selection.accounts.clone(),
        mode: group.mode,
        unsupported: group.unsupported,
        allow: group.allow.clone(),
        expect: group.expect,
        origin: claimant.sources.origin(group.at),
    };
    (group.name.clone(), shown)
}
