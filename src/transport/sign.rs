//! Signing primitives.
