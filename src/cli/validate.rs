//! `validate`: check manifests, offline and without credentials.
//!
//! Invariants: sends nothing, reads no secret; all mistakes are shown together. Not here: the checks (`manifest`).

use super::error::{CliError, Exit};
use super::options::Manifests;
use super::output::{Format, Output, counted};
use crate::manifest::{self, Finding, LoadOptions};
use crate::model::fleet::Fleet;
use crate::provider::registry;
use crate::time::clock::{Clock, TokioClock};
use serde_json::json;

/// Arguments.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    #[command(flatten)]
    manifests: Manifests,
}

/// Checks.
///
/// # Errors
/// There are mistakes, or the files cannot be read.
pub fn run(args: &Args, output: &Output) -> Result<Exit, CliError> {
    let bundle = manifest::read_paths(&args.manifests.paths()?)?;
    let now = TokioClock::system().now();
    let options = LoadOptions {
        allow_plain_http: args.manifests.allow_plain_http,
        ..LoadOptions::default()
    };
    match manifest::load_with(&bundle, &registry::capabilities, now, &options) {
        Ok(fleet) => {
            report(&fleet, output)?;
            Ok(Exit::Done)
        }
        Err(findings) => refuse(findings, output),
    }
}

fn report(fleet: &Fleet, output: &Output) -> Result<(), CliError> {
    let numbers = [
        (fleet.accounts.len(), "account"),
        (fleet.groups.len(), "group"),
        (fleet.apps.len(), "app"),
        (fleet.inventory.len(), "inventory row"),
        (fleet.named.len(), "named phone"),
    ];
    if output.format == Format::Json {
        return output.json(&json!({
            "valid": true,
            "revision": fleet.revision,
            "accounts": fleet.accounts.keys().collect::<Vec<_>>(),
            "groups": fleet.groups.keys().collect::<Vec<_>>(),
            "apps": fleet.apps.keys().collect::<Vec<_>>(),
            "inventoryRows": fleet.inventory.len(),
            "namedPhones": fleet.named.len(),
        }));
    }
    let counts: Vec<String> = numbers
        .iter()
        .map(|(number, noun)| counted(u64::try_from(*number).unwrap_or(u64::MAX), noun))
        .collect();
    output.data(&format!(
        "valid: {}; revision {}",
        counts.join(", "),
        fleet.revision
    ))
}

fn refuse(findings: Vec<Finding>, output: &Output) -> Result<Exit, CliError> {
    if output.format == Format::Json {
        output.json(&json!({
            "valid": false,
            "findings": findings,
        }))?;
        return Ok(Exit::Before);
    }
    Err(CliError::manifests(findings))
}
