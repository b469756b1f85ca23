//! The exclusive lock of a state folder: one process writes, and says who it is.
//!
//! Invariants: the lock ends with the process, whatever happens to it; the file stays, its text counts only while it is locked.
//! Not here: readers (they never lock).

use super::JournalError;
use super::state::{Step, storage};
use crate::model::stamp::Timestamp;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Name of the lock file in the state folder.
const LOCK: &str = "lock";

/// Holds the lock until it is dropped.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Takes the lock and writes into the file who holds it.
    ///
    /// # Errors
    /// `Locked` when another process (or another journal in this one) has it, naming the holder.
    pub(super) fn take(folder: &Path, holder: &str, now: Timestamp) -> Result<Self, JournalError> {
        let path = folder.join(LOCK);
        let failed = storage(Step("lock"), &path);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(&failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                drop(file.take(1024).read_to_string(&mut text));
                let text = text.trim();
                return Err(JournalError::Locked {
                    folder: folder.display().to_string(),
                    holder: if text.is_empty() {
                        "another process".to_owned()
                    } else {
                        text.to_owned()
                    },
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let text = format!("pid {}, {holder}, since {now}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(&failed)?;
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.0.set_len(0));
    }
}
