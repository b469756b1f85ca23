//! `schema`: the JSON schemas of what phonefleet reads and writes.
//!
//! Invariants: the schemas are those under `schemas/`, proven fresh by a test. Not here: the types they follow from (`manifest::schema`, `plan::render`).

use super::error::{CliError, Exit};
use super::output::Output;
use clap::ValueEnum;

/// Arguments.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Args {
    /// Of what
    #[arg(value_enum, default_value_t)]
    of: Of,
}

/// What a schema is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Of {
    /// Manifests, for editors
    #[default]
    Manifest,
    /// The JSON that `plan --output json` writes
    Plan,
}

/// Prints the schema.
///
/// # Errors
/// The output cannot be written.
pub fn run(args: Args, output: &Output) -> Result<Exit, CliError> {
    let schema = match args.of {
        Of::Manifest => crate::manifest::schema::schema(),
        Of::Plan => crate::plan::render::schema(),
    };
    output.json(&schema)?;
    Ok(Exit::Done)
}
