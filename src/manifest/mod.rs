//! YAML to Fleet.

use crate::model::capability::Capabilities;
use crate::model::fleet::{Fleet, ProviderKind};
use crate::model::stamp::Timestamp;
use std::path::PathBuf;
use std::sync::Arc;

/// Manifest files as they were read, with the files they refer to (CSV of inventories).
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// Manifest files.
    pub files: Vec<SourceFile>,
}

/// One file.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Path as the operator named it (used in messages).
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

/// One thing that is wrong (or odd), with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    pub hint: Option<String>,
    /// The source line, for the snippet.
    pub source_line: Option<String>,
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
    let _ = (bundle, capabilities(ProviderKind::ArmCloud), now);
    unimplemented!()
}
