//! Secret references: the only room that reads secrets, and the keyed fingerprint of values that contain them.
//!
//! Invariants: secret texts live in `secrecy` types and never reach a log, plan, journal or error; errors name the reference only.
//! Not here: where references may stand (`manifest`).

pub mod fingerprint;
pub mod resolve;

use crate::model::value::SecretRef;
use secrecy::SecretString;

/// A reference cannot be resolved. Names the reference, never a content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reference}: {problem}")]
pub struct SecretError {
    /// The reference as written.
    pub reference: String,
    /// What is wrong ("is not set", "no such file", …).
    pub problem: String,
}

/// Resolves references.
pub trait Secrets: Send + Sync {
    /// The secret.
    ///
    /// # Errors
    /// It is missing, empty or unreadable.
    fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError>;

    /// Forgets what was read, so that rotated secrets are read again.
    fn refresh(&self) {}
}
