//! The JSON schema (draft-07) of manifests, for editors.
//!
//! Invariants: what it refuses, loading refuses; variables are allowed wherever values are. Not here: meaning across documents (`check`).
