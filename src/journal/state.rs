//! The other files of the state folder: the fingerprints' key, the status, the last good manifests.
//!
//! | file | what it is |
//! |---|---|
//! | `fingerprint.key` | 32 random bytes that key the fingerprints of write-only values; losing it means asserting those values again |
//! | `status.json` | how the work stood last, for `status` |
//! | `fleet/` | the manifests that were last found good: `index.json` (path and digest of each) beside files named by digest |
//! | `lock`, `journal.db*` | see [`super::sqlite`] |
//! | `control.sock` | see `server::control` |
//!
//! Invariants: every file is replaced whole or not at all, and is on disk when a call returns; all are readable by their owner only.
//! Not here: making the key (`secret`), what manifests say (`manifest`).

use super::JournalError;
use super::rows::damaged;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const KEY: &str = "fingerprint.key";
const STATUS: &str = "status.json";
const FLEET: &str = "fleet";
const INDEX: &str = "index.json";

/// What was tried, for messages ("cannot {step} {path}").
#[derive(Clone, Copy)]
pub(super) struct Step(pub(super) &'static str);

/// A `Storage` error about a path.
pub(super) fn storage(step: Step, path: &Path) -> impl Fn(io::Error) -> JournalError + use<> {
    let path = path.display().to_string();
    move |source| JournalError::Storage {
        step: step.0,
        path: path.clone(),
        source: Box::new(source),
    }
}

/// A file of the state folder is never larger, in bytes; a larger one is none of ours.
const LARGEST: u64 = 64 << 20;

/// About a file; `None`: there is none. Looked at before it is opened: opening a pipe waits for somebody who writes, and a device may never end.
///
/// # Errors
/// `Damaged`: it is no plain file. `Storage`: nobody can tell.
pub(super) fn plain(path: &Path) -> Result<Option<Metadata>, JournalError> {
    match fs::metadata(path) {
        Ok(about) if about.is_file() => Ok(Some(about)),
        Ok(_) => Err(damaged(path, 0, "it is no plain file")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(storage(Step("read"), path)(error)),
    }
}

/// The content of a file; `None`: there is none.
fn content(path: &Path) -> Result<Option<Vec<u8>>, JournalError> {
    let Some(about) = plain(path)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    if about.len() <= LARGEST {
        File::open(path)
            .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
            .map_err(storage(Step("read"), path))?;
    }
    if about.len() > LARGEST || bytes.len() as u64 > LARGEST {
        return Err(damaged(path, 0, format!("larger than {LARGEST} bytes")));
    }
    Ok(Some(bytes))
}

/// Makes the state folder (0700) if it is missing. A folder that is there keeps its rights.
pub(super) fn make_folder(folder: &Path) -> Result<(), JournalError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(storage(Step("create"), folder))
}

/// Makes the names of a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The key of fingerprints, if there is one yet. Creates nothing.
///
/// # Errors
/// It cannot be read, or has another length (`Damaged`).
pub fn load_key(folder: &Path) -> Result<Option<[u8; 32]>, JournalError> {
    let path = folder.join(KEY);
    let Some(bytes) = content(&path)? else {
        return Ok(None);
    };
    match <[u8; 32]>::try_from(bytes.as_slice()) {
        Ok(key) => Ok(Some(key)),
        Err(_) => Err(damaged(
            &path,
            0,
            format!(
                "{} bytes where a key of 32 should be; remove it to begin with a new one (write-only values are asserted again)",
                bytes.len()
            ),
        )),
    }
}

/// The key of fingerprints; `fresh` becomes the key if there is none yet.
///
/// # Errors
/// It cannot be read or written, or has another length.
pub fn key(folder: &Path, fresh: [u8; 32]) -> Result<[u8; 32], JournalError> {
    if let Some(key) = load_key(folder)? {
        return Ok(key);
    }
    make_folder(folder)?;
    write(&folder.join(KEY), &fresh)?;
    Ok(fresh)
}

/// Replaces the status.
///
/// # Errors
/// It cannot be written; the old one stands.
pub fn save_status(folder: &Path, json: &[u8]) -> Result<(), JournalError> {
    write(&folder.join(STATUS), json)
}

/// The status that was saved last, if there is one.
///
/// # Errors
/// It cannot be read.
pub fn load_status(folder: &Path) -> Result<Option<Vec<u8>>, JournalError> {
    content(&folder.join(STATUS))
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    /// Path as the operator named it.
    path: PathBuf,
    /// SHA-256 of the content in lower hex: the file's name here.
    digest: String,
}

/// One file of the last good manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFile {
    /// Path as the operator named it.
    pub path: PathBuf,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Keeps a copy of these files (path as the operator named it, content) as the last good manifests, in this order.
///
/// *Guarantee*: after a crash at any point, [`load_last_good`] gives the old set or the new one, whole.
///
/// # Errors
/// They cannot be written; the old set stands.
pub fn save_last_good<'a>(
    folder: &Path,
    files: impl IntoIterator<Item = (&'a Path, &'a [u8])>,
) -> Result<(), JournalError> {
    let fleet = folder.join(FLEET);
    make_folder(&fleet)?;
    let mut index = Vec::new();
    for (path, bytes) in files {
        let digest = digest(bytes);
        let copy = fleet.join(&digest);
        if fs::read(&copy).ok().as_deref() != Some(bytes) {
            write(&copy, bytes)?;
        }
        index.push(Entry {
            path: path.to_owned(),
            digest,
        });
    }
    let path = fleet.join(INDEX);
    let json = serde_json::to_vec_pretty(&index)
        .map_err(|error| storage(Step("write"), &path)(error.into()))?;
    write(&path, &json)?;
    let keep: BTreeSet<&str> = index.iter().map(|entry| entry.digest.as_str()).collect();
    remove_others(&fleet, &keep).map_err(storage(Step("tidy"), &fleet))
}

/// The last good manifests, in the order they were saved; `None` if there are none.
///
/// # Errors
/// They cannot be read, or are not what was saved (`Damaged`).
pub fn load_last_good(folder: &Path) -> Result<Option<Vec<KeptFile>>, JournalError> {
    let fleet = folder.join(FLEET);
    let path = fleet.join(INDEX);
    let Some(json) = content(&path)? else {
        return Ok(None);
    };
    let index: Vec<Entry> = serde_json::from_slice(&json)
        .map_err(|error| damaged(&path, 0, format!("no readable index ({error})")))?;
    let mut files = Vec::with_capacity(index.len());
    for entry in index {
        if entry.digest.len() != 64 || !entry.digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(damaged(&path, 0, "names a file that is no digest"));
        }
        let copy = fleet.join(&entry.digest);
        let bytes = content(&copy)?.ok_or_else(|| damaged(&copy, 0, "it is missing"))?;
        if digest(&bytes) != entry.digest {
            return Err(damaged(&copy, 0, "the content is not what was saved"));
        }
        files.push(KeptFile {
            path: entry.path,
            bytes,
        });
    }
    Ok(Some(files))
}

fn digest(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(&Sha256::digest(bytes))
}

/// Removes copies that the index does not name any more, and temporary files of a crash.
fn remove_others(fleet: &Path, keep: &BTreeSet<&str>) -> io::Result<()> {
    for entry in fs::read_dir(fleet)? {
        let entry = entry?;
        let name = entry.file_name();
        let wanted = name
            .to_str()
            .is_some_and(|name| name == INDEX || keep.contains(name));
        if !wanted && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Replaces a file whole (0600), durably.
fn write(path: &Path, bytes: &[u8]) -> Result<(), JournalError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let replace = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|failed| failed.error)?;
        sync_folder(folder)
    };
    replace().map_err(storage(Step("write"), path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_key_is_made_once_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        assert_eq!(load_key(&state).unwrap(), None);
        assert!(!state.exists(), "loading creates nothing");
        assert_eq!(key(&state, [1; 32]).unwrap(), [1; 32]);
        assert_eq!(key(&state, [2; 32]).unwrap(), [1; 32]);
        assert_eq!(load_key(&state).unwrap(), Some([1; 32]));
        assert_eq!(mode(&state), 0o700);
        assert_eq!(mode(&state.join(KEY)), 0o600);
    }

    #[test]
    fn a_key_of_another_length_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(KEY), [7; 31]).unwrap();
        let error = key(folder.path(), [1; 32]).unwrap_err();
        assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
        assert_eq!(fs::read(folder.path().join(KEY)).unwrap(), [7; 31]);
    }

    #[test]
    fn the_status_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load_status(folder.path()).unwrap(), None);
        save_status(folder.path(), b"{\"a\":1}").unwrap();
        save_status(folder.path(), b"{}").unwrap();
        assert_eq!(load_status(folder.path()).unwrap().unwrap(), b"{}");
        assert_eq!(mode(&folder.path().join(STATUS)), 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_last_good_manifests_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        assert!(load_last_good(folder.path()).unwrap().is_none());
        let files: [(&Path, &[u8]); 3] = [
            (Path::new("../fleet/b.yaml"), b"kind: Group\n"),
            (Path::new("/abs/a.yaml"), b"kind: Account\n"),
            (Path::new("c.yaml"), b"kind: Group\n"),
        ];
        save_last_good(folder.path(), files).unwrap();
        let loaded = load_last_good(folder.path()).unwrap().unwrap();
        let expected: Vec<_> = files
            .iter()
            .map(|(path, bytes)| KeptFile {
                path: path.to_path_buf(),
                bytes: bytes.to_vec(),
            })
            .collect();
        assert_eq!(loaded, expected);
        save_last_good(folder.path(), [files[1]]).unwrap();
        assert_eq!(load_last_good(folder.path()).unwrap().unwrap().len(), 1);
        let names = fs::read_dir(folder.path().join(FLEET)).unwrap().count();
        assert_eq!(names, 2, "the index and one copy");
    }

    #[test]
    fn a_changed_copy_is_found() {
        let folder = tempfile::tempdir().unwrap();
        save_last_good(folder.path(), [(Path::new("a.yaml"), b"a".as_slice())]).unwrap();
        let copy = folder.path().join(FLEET).join(digest(b"a"));
        fs::write(copy, b"b").unwrap();
        assert!(matches!(
            load_last_good(folder.path()),
            Err(JournalError::Damaged { .. })
        ));
    }
}
