//! YAML to Fleet: files are read into located trees (`tree`), typed document by document (`document`, `account`, `inventory`, `group`, `layer`, `value`), put over
//! each other (`merge`), and checked against each other and against what providers can do (`check`, `wishes`).
//!
//! Invariants: all findings of a load are reported together; a load with a finding yields nothing; every value keeps file and line; no secret is
//! needed, kept or shown. Not here: where manifests come from (`source`), what happens with a Fleet (`plan`, `controller`).

mod account;
mod alias;
mod bundle;
mod check;
mod claims;
mod document;
mod fields;
mod finding;
mod group;
mod inventory;
mod layer;
mod load;
mod merge;
pub mod report;
pub mod schema;
mod select;
#[cfg(test)]
mod tests;
mod tree;
mod value;
mod variables;
mod wishes;

pub use bundle::{Bundle, MANIFEST_BYTES, ReadError, SourceFile, TABLE_BYTES, read_paths};
pub use finding::Finding;
pub use load::{LoadOptions, load, load_with};
