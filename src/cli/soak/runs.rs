//! What several kinds of runs are asked in the same words, and how they end.
//!
//! Invariants: exit 0 only without a violation. Not here: the runs (`rehearsal`), what each kind says of itself.

use crate::cli::error::{CliError, Exit};
use crate::cli::options::Global;
use crate::cli::output::{Format, Output};
use crate::model::fleet::ProviderKind;
use crate::rehearsal::plans::Reference;
use serde::Serialize;
use std::num::NonZero;

/// Whose phones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    All,
    One(ProviderKind),
}

fn whose(text: &str) -> Result<Whose, String> {
    match text {
        "all" => Ok(Whose::All),
        name => crate::cli::sim::provider(name)
            .map(Whose::One)
            .map_err(|problem| format!("{problem}, all")),
    }
}

/// Which runs without faults others are compared with.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Which {
    /// The first seed
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// Providers, each by itself; several with commas; or `all`
    #[arg(
        long,
        value_name = "PROVIDER",
        value_delimiter = ',',
        value_parser = whose,
        default_value = "armcloud"
    )]
    providers: Vec<Whose>,
    /// Runs at a time; 0: as many as there are processors
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

impl Which {
    /// So many seeds of each of the providers.
    pub(super) fn references(&self, seeds: u64) -> Vec<Reference> {
        let seeds = self.first_seed..self.first_seed.saturating_add(seeds);
        let of = |provider: &ProviderKind| {
            let provider = *provider;
            seeds.clone().map(move |seed| Reference { provider, seed })
        };
        let chosen = |provider: &&ProviderKind| {
            let named = |whose: &Whose| [Whose::All, Whose::One(**provider)].contains(whose);
            self.providers.iter().any(named)
        };
        ProviderKind::ALL
            .iter()
            .filter(chosen)
            .flat_map(of)
            .collect()
    }

    /// Runs at a time.
    pub(super) fn threads(&self) -> usize {
        threads(self.threads)
    }
}

/// Runs at a time; 0: as many as there are processors.
pub(super) fn threads(wanted: usize) -> usize {
    match wanted {
        0 => std::thread::available_parallelism().map_or(1, NonZero::get),
        threads => threads,
    }
}

/// Prints a report, as JSON or as this text, and says how it ends.
///
/// # Errors
/// The output cannot be written.
pub(super) fn finish<R: Serialize>(
    (report, violations): (&R, usize),
    text: impl FnOnce(&R) -> String,
    global: &Global,
    output: &Output,
) -> Result<Exit, CliError> {
    match global.output {
        Format::Json => output.json(report)?,
        Format::Text | Format::Markdown => output.data(&text(report))?,
    }
    Ok(match violations {
        0 => Exit::Done,
        _ => Exit::Partly,
    })
}
