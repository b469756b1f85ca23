//! Manifest files and the tables they name, as bytes; reading them from disk.
//!
//! Invariants: a revision follows from names and contents only, in sorted order; hidden files are not read; a file that is too large is refused
//! before it is read. Not here: what the files say (`load`).

use super::document::{self, DocumentKind};
use super::finding::{Sink, Sources};
use super::inventory;
use super::tree::{self, TreeLimits};
use crate::model::id::Revision;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of one manifest file, at most.
pub const MANIFEST_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of one CSV file, at most.
pub const TABLE_BYTES: u64 = 256 * 1024 * 1024;
/// Folders within folders, at most.
const FOLDER_DEPTH: usize = 32;

/// Manifest files as they were read, with the files they refer to (CSV of inventories).
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// Manifest files.
    pub files: Vec<SourceFile>,
    /// CSV files that inventories name, by the path that follows from the manifest's folder.
    pub tables: Vec<SourceFile>,
    /// CSV files that inventories name and that cannot be read, with the reason. They become findings.
    pub missing: Vec<(PathBuf, String)>,
}

/// One file.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Path as the operator named it (used in messages).
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

/// Manifests cannot be read from disk.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is too large to be a manifest or table.
    #[error("{path} has {size} bytes; the limit is {limit}")]
    TooLarge {
        /// Which.
        path: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// There is no manifest file at all.
    #[error("no manifests (*.yaml, *.yml) under {path}")]
    Nothing {
        /// Where they were looked for.
        path: String,
    },
}

impl ReadError {
    /// The file or folder that it is about.
    pub fn path(&self) -> &str {
        match self {
            Self::Unreadable { path, .. }
            | Self::TooLarge { path, .. }
            | Self::Nothing { path } => path,
        }
    }
}

impl Bundle {
    /// All files, for watching.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let read = self.files.iter().chain(&self.tables);
        let missing = self.missing.iter().map(|(path, _)| path.as_path());
        read.map(|file| file.path.as_path()).chain(missing)
    }

    /// Digest of names and contents: the Revision while manifests do not come from git.
    pub fn revision(&self) -> Revision {
        let mut parts: Vec<(&Path, &[u8])> = self
            .files
            .iter()
            .chain(&self.tables)
            .map(|file| (file.path.as_path(), &*file.bytes))
            .collect();
        parts.sort();
        let mut digest = Sha256::new();
        for (path, bytes) in parts {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            for part in [name, bytes] {
                digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
                digest.update(part);
            }
        }
        let mut hex = base16ct::lower::encode_string(&digest.finalize());
        hex.truncate(12);
        Revision::new(hex)
    }
}

/// Reads manifest files, and the CSV files that their inventories name. Folders are read with everything below them.
///
/// # Errors
/// A file or folder that cannot be read or is too large, or no manifest at all.
pub fn read_paths(paths: &[PathBuf]) -> Result<Bundle, ReadError> {
    let mut found = BTreeSet::new();
    let mut order = Vec::new();
    for path in paths {
        let before = order.len();
        collect(path, &mut Folders::default(), &mut found, &mut order)?;
        if order.len() == before && !found.contains(path) {
            return Err(ReadError::Nothing {
                path: path.display().to_string(),
            });
        }
    }
    let mut bundle = Bundle::default();
    for path in order {
        let bytes = read_file(&path, MANIFEST_BYTES)?;
        bundle.files.push(SourceFile { path, bytes });
    }
    for path in table_paths(&bundle) {
        match read_file(&path, TABLE_BYTES) {
            Ok(bytes) => bundle.tables.push(SourceFile { path, bytes }),
            Err(ReadError::Unreadable { source, .. }) => {
                bundle.missing.push((path, source.to_string()));
            }
            Err(error @ (ReadError::TooLarge { .. } | ReadError::Nothing { .. })) => {
                return Err(error);
            }
        }
    }
    Ok(bundle)
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> ReadError {
    let path = path.display().to_string();
    move |source| ReadError::Unreadable { path, source }
}

fn read_file(path: &Path, limit: u64) -> Result<Arc<[u8]>, ReadError> {
    let too_large = |size| {
        let path = path.display().to_string();
        ReadError::TooLarge { path, size, limit }
    };
    // Looked at before it is opened: opening a pipe waits for somebody who writes, and a device may never end.
    let about = std::fs::metadata(path).map_err(unreadable(path))?;
    if !about.is_file() {
        let error = io::Error::other("it is no plain file");
        return Err(unreadable(path)(error));
    }
    if about.len() > limit {
        return Err(too_large(about.len()));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(unreadable(path))?;
    match u64::try_from(bytes.len()) {
        Ok(size) if size <= limit => Ok(bytes.into()),
        Ok(size) => Err(too_large(size)),
        Err(_) => Err(too_large(u64::MAX)),
    }
}

/// Folders that were read, and those on the way to where the reading is.
#[derive(Default)]
struct Folders {
    read: BTreeSet<(u64, u64)>,
    way: Vec<(u64, u64)>,
}

fn collect(
    path: &Path,
    folders: &mut Folders,
    found: &mut BTreeSet<PathBuf>,
    order: &mut Vec<PathBuf>,
) -> Result<(), ReadError> {
    let metadata = std::fs::metadata(path).map_err(unreadable(path))?;
    if !metadata.is_dir() {
        if found.insert(path.to_owned()) {
            order.push(path.to_owned());
        }
        return Ok(());
    }
    let folder = (metadata.dev(), metadata.ino());
    if folders.way.contains(&folder) {
        let error = io::Error::other("the folder is within itself, by a link");
        return Err(unreadable(path)(error));
    }
    if folders.way.len() > FOLDER_DEPTH {
        let error = io::Error::other("folders are nested too deep");
        return Err(unreadable(path)(error));
    }
    // Two links to one folder are read once: links to links would double the work at every level.
    if !folders.read.insert(folder) {
        return Ok(());
    }
    folders.way.push(folder);
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable(path))? {
        entries.push(entry.map_err(unreadable(path))?.path());
    }
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        let is_manifest = entry
            .extension()
            .is_some_and(|end| end == "yaml" || end == "yml");
        let is_folder = std::fs::metadata(&entry).is_ok_and(|data| data.is_dir());
        if is_folder || is_manifest {
            collect(&entry, folders, found, order)?;
        }
    }
    folders.way.pop();
    Ok(())
}

/// The CSV files that the inventories of these manifests name.
fn table_paths(bundle: &Bundle) -> BTreeSet<PathBuf> {
    let mut paths = BTreeSet::new();
    for file in &bundle.files {
        let Ok(text) = std::str::from_utf8(&file.bytes) else {
            continue;
        };
        if !text.contains("Inventory") {
            continue;
        }
        let mut sources = Sources::default();
        let mut sink = Sink::default();
        let number = sources.add(&file.path, Arc::from(""));
        for node in tree::parse(number, text, TreeLimits::default(), &mut sink) {
            let Some(head) = document::head(&node, &mut sink) else {
                continue;
            };
            if head.kind == DocumentKind::Inventory
                && let Some(spec) = inventory::inventory(&head, &sources, &mut sink)
            {
                paths.insert(spec.csv.0);
            }
        }
    }
    paths
}
