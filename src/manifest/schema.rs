//! The JSON schema of manifests.
