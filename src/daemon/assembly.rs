//! Putting the parts together: manifests, state folder, secrets, providers.
//!
//! Invariants: nothing is sent here; with a lock the journal is open for writing, without one nothing in the state folder changes.
//! Not here: running (`session`).

use super::{DaemonError, Options};
use crate::controller::core::AccountSetup;
use crate::journal::sqlite::SqliteJournal;
use crate::journal::state::KeptFile;
use crate::journal::{Journal, MemoryJournal, sqlite, state};
use crate::manifest::{self, Bundle, Finding, LoadOptions, SourceFile};
use crate::model::desired::Fingerprints;
use crate::model::fleet::Fleet;
use crate::model::id::{AccountName, PhoneKey};
use crate::model::record::Ledger;
use crate::model::stamp::Timestamp;
use crate::provider::Provider;
use crate::provider::registry::{self, Outfit};
use crate::secret::Secrets;
use crate::secret::fingerprint::{Fingerprinter, new_key};
use crate::secret::resolve::References;
use crate::time::clock::Clock;
use crate::transport::Transport;
use crate::transport::gate::Gate;
use crate::transport::http::HttpTransport;
use globset::{Glob, GlobSet, GlobSetBuilder};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Providers and what the core must know of their accounts.
pub(super) struct Accounts {
    pub(super) providers: BTreeMap<AccountName, Arc<dyn Provider>>,
    pub(super) setups: Vec<AccountSetup>,
}

/// What outlives a command, and what it is compared with.
pub(super) struct Memory {
    pub(super) journal: Box<dyn Journal>,
    pub(super) ledger: Ledger,
    pub(super) remembers: bool,
    pub(super) fingerprints: Arc<Fingerprinter>,
}

/// Reads the manifests.
pub(super) fn read(options: &Options) -> Result<Bundle, DaemonError> {
    Ok(manifest::read_paths(&options.manifests)?)
}

/// All files of a bundle: manifests and the tables they name.
pub(super) fn files(bundle: &Bundle) -> impl Iterator<Item = &SourceFile> {
    bundle.files.iter().chain(&bundle.tables)
}

/// A bundle of the files that were kept as the last good ones.
pub(super) fn kept(files: Vec<KeptFile>) -> Bundle {
    let mut bundle = Bundle::default();
    for KeptFile { path, bytes } in files {
        let yaml = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        let file = SourceFile {
            path,
            bytes: bytes.into(),
        };
        if yaml {
            bundle.files.push(file);
        } else {
            bundle.tables.push(file);
        }
    }
    bundle
}

/// Makes a fleet of the manifests.
pub(super) fn load(
    bundle: &Bundle,
    options: &Options,
    now: Timestamp,
) -> Result<Fleet, Vec<Finding>> {
    let options = LoadOptions {
        allow_plain_http: options.allow_plain_http,
        ..LoadOptions::default()
    };
    manifest::load_with(bundle, &registry::capabilities, now, &options)
}

/// Opens every account; sends nothing.
pub(super) fn open_accounts(fleet: &Fleet, outfit: &Outfit) -> Result<Accounts, DaemonError> {
    let mut accounts = Accounts {
        providers: BTreeMap::new(),
        setups: Vec::new(),
    };
    for (name, account) in &fleet.accounts {
        let provider = registry::open(account, outfit.clone())?;
        let decoder = Arc::clone(&provider);
        accounts.setups.push(AccountSetup {
            name: name.clone(),
            identity: account.identity.clone(),
            capabilities: provider.capabilities(),
            limits: account.limits,
            decode: Arc::new(move |request, phone, output| {
                decoder.decode_read(request, phone, output)
            }),
        });
        accounts.providers.insert(name.clone(), provider);
    }
    Ok(accounts)
}

/// What providers need, and the gate that is shut when the program stops.
pub(super) fn outfit(
    options: &Options,
    secrets: &Arc<References>,
    clock: &Arc<dyn Clock>,
) -> Result<(Outfit, Arc<Gate>), DaemonError> {
    let transport: Arc<dyn Transport> = match &options.transport {
        Some(transport) => Arc::clone(transport),
        None => {
            let options = crate::transport::http::HttpOptions {
                allow_plain_http: options.allow_plain_http,
                ..Default::default()
            };
            let transport = HttpTransport::new(&options);
            Arc::new(transport.map_err(|source| DaemonError::Setup {
                what: "the HTTP client",
                source: source.into(),
            })?)
        }
    };
    let secrets: Arc<dyn Secrets> = Arc::<References>::clone(secrets);
    let gate = Arc::new(Gate::new(transport));
    let outfit = Outfit {
        transport: Arc::<Gate>::clone(&gate),
        secrets,
        clock: Arc::clone(clock),
        request_timeout: options.settings.request_timeout,
    };
    Ok((outfit, gate))
}

/// Opens the state folder: for writing with a lock, for reading without.
pub(super) fn memory(
    options: &Options,
    lock: bool,
    secrets: &Arc<References>,
    now: Timestamp,
) -> Result<Memory, DaemonError> {
    let secrets: Arc<dyn Secrets> = Arc::<References>::clone(secrets);
    let fresh = || {
        new_key().map_err(|source| DaemonError::Setup {
            what: "a key",
            source: source.into(),
        })
    };
    let in_memory = |ledger, remembers, key: [u8; 32]| Memory {
        journal: Box::new(MemoryJournal::default()),
        ledger,
        remembers,
        fingerprints: Arc::new(Fingerprinter::new(&key, Arc::clone(&secrets))),
    };
    let Some(folder) = options.state_dir.as_deref().filter(|_| !options.in_memory) else {
        return Ok(in_memory(Ledger::default(), options.in_memory, fresh()?));
    };
    if !lock {
        let ledger = sqlite::read(folder)?;
        let key = if ledger.is_some() {
            state::load_key(folder)?
        } else {
            None
        };
        return match (ledger, key) {
            (Some(ledger), Some(key)) => Ok(in_memory(ledger, true, key)),
            (ledger, _) => Ok(in_memory(ledger.unwrap_or_default(), false, fresh()?)),
        };
    }
    let (journal, ledger) =
        SqliteJournal::open(folder, &format!("phonefleet {}", options.command), now)?;
    let key = state::key(folder, fresh()?)?;
    let fingerprints = Arc::new(Fingerprinter::new(&key, secrets));
    Ok(Memory {
        journal: Box::new(journal),
        ledger,
        remembers: true,
        fingerprints,
    })
}

/// The fingerprints as the core wants them.
pub(super) fn as_fingerprints(fingerprints: &Arc<Fingerprinter>) -> Arc<dyn Fingerprints> {
    Arc::<Fingerprinter>::clone(fingerprints)
}

/// Keeps the manifests that were good, so that a restart with bad ones goes on with them.
pub(super) fn keep_last_good(folder: Option<&Path>, bundle: &Bundle) {
    let Some(folder) = folder else { return };
    let files = files(bundle).map(|file| (file.path.as_path(), file.bytes.as_ref()));
    if let Err(error) = state::save_last_good(folder, files) {
        tracing::warn!(%error, "The last good manifests cannot be kept");
    }
}

/// The phones `--select` names: globs on `account/id` or on the id, an alias, or `label=value`; all must hold between kinds, any within one.
pub(super) fn selection(
    options: &Options,
    fleet: &Fleet,
) -> Result<Option<crate::controller::core::Only>, DaemonError> {
    if options.select.is_empty() {
        return Ok(None);
    }
    let mut globs = GlobSetBuilder::new();
    let mut labels: Vec<(String, String)> = Vec::new();
    for text in &options.select {
        match text.split_once('=') {
            Some((label, value)) => labels.push((label.to_owned(), value.to_owned())),
            None => {
                globs.add(
                    Glob::new(text).map_err(|error| {
                        DaemonError::Unknown(format!("--select {text}: {error}"))
                    })?,
                );
            }
        }
    }
    let set = globs
        .build()
        .map_err(|error| DaemonError::Unknown(error.to_string()))?;
    let inventory = fleet.inventory.clone();
    Ok(Some(Arc::new(move |key: &PhoneKey| {
        let entry = inventory.get(key);
        let labelled = |(label, value): &(String, String)| {
            entry.is_some_and(|entry| {
                entry
                    .labels
                    .get(label.as_str())
                    .is_some_and(|other| other == value)
            })
        };
        let named =
            set.is_empty() || matches(&set, key, entry.and_then(|entry| entry.alias.as_deref()));
        named && labels.iter().all(labelled)
    })))
}

fn matches(set: &GlobSet, key: &PhoneKey, alias: Option<&str>) -> bool {
    set.is_match(key.to_string())
        || set.is_match(key.phone.as_str())
        || alias.is_some_and(|alias| set.is_match(alias))
}
