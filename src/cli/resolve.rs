//! `resolve OPERATION --happened|--not-happened`: a person's answer about a costly operation whose outcome nobody knows.
//!
//! Invariants: only parked phones are answered for; a running daemon is told through its control socket, else the answer is journaled under the lock.
//! Not here: when an operation is parked (`controller`).

use super::error::{CliError, Exit};
use super::options::Global;
use super::output::{Output, counted};
use crate::journal::Journal;
use crate::journal::sqlite::SqliteJournal;
use crate::journal::state::load_key;
use crate::model::desired::Fingerprints;
use crate::model::id::{OperationId, PhoneId};
use crate::model::operation::{Phase, PhaseEvent};
use crate::model::record::{OperationState, Record};
use crate::secret::fingerprint::Fingerprinter;
use crate::secret::resolve::References;
use crate::server::control::{self, ControlError, Reply, Verb};
use crate::time::clock::{Clock, TokioClock};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A daemon answers within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Arguments.
#[derive(clap::Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("answer").required(true))]
pub struct Args {
    /// The operation, as `status` and `explain` name it: op-17
    operation: OperationId,
    /// It happened: the phones show what was asked for
    #[arg(long, group = "answer")]
    happened: bool,
    /// It did not happen, and will not any more
    #[arg(long, group = "answer")]
    not_happened: bool,
    /// Answer for this phone only; repeatable
    #[arg(long, value_name = "ID")]
    phone: Vec<String>,
}

/// Records the answer.
///
/// # Errors
/// No such operation, none of its phones is parked, or the state folder cannot be written.
pub async fn run(args: Args, global: &Global, output: &Output) -> Result<Exit, CliError> {
    let folder = global.state_dir()?;
    let answer = if args.happened {
        "happened"
    } else {
        "did not happen"
    };
    if by_daemon(&folder, &args).await? {
        output.say(&format!(
            "{}: {answer}, the running phonefleet was told",
            args.operation
        ));
        return Ok(Exit::Done);
    }
    let resolved = by_lock(&folder, &args)?;
    output.say(&format!(
        "{}: {answer} on {}",
        args.operation,
        counted(resolved, "phone")
    ));
    output.say("next: `phonefleet plan` shows what follows from it");
    Ok(Exit::Done)
}

/// Tells a running daemon; `false`: there is none.
async fn by_daemon(folder: &Path, args: &Args) -> Result<bool, CliError> {
    let verb = Verb::Resolve {
        operation: args.operation,
        happened: args.happened,
    };
    if !args.phone.is_empty() {
        return match control::ask(folder, &Verb::Status, PATIENCE).await {
            Err(ControlError::NoDaemon(_)) => Ok(false),
            Ok(_) | Err(_) => Err(CliError::new(
                Exit::Locked,
                "`--phone` cannot be used while phonefleet runs on this state folder",
            )
            .hint("answer for the whole operation, or stop the running phonefleet first")),
        };
    }
    match control::ask(folder, &verb, PATIENCE).await {
        Ok(Reply::Done) => Ok(true),
        Ok(Reply::Refused(why)) => Err(CliError::new(
            Exit::Before,
            format!("{why}; nothing was changed"),
        )
        .hint("`phonefleet status` lists operations that wait for an answer")),
        Err(ControlError::NoDaemon(_)) => Ok(false),
        Ok(Reply::Status(_)) => Err(CliError::new(
            Exit::Before,
            "the running phonefleet answered something else",
        )
        .hint("it may be of another version; restart it")),
        Err(problem) => Err(CliError::from_error(Exit::Before, &problem)),
    }
}

/// No daemon runs: the answer goes into the journal under the lock.
fn by_lock(folder: &Path, args: &Args) -> Result<u64, CliError> {
    let now = TokioClock::system().now();
    let (mut journal, ledger) = SqliteJournal::open(folder, "phonefleet resolve", now)?;
    let state = ledger.operations.get(&args.operation).ok_or_else(|| {
        CliError::new(
            Exit::Before,
            format!("no open operation is called {}", args.operation),
        )
        .hint("`phonefleet status` lists operations that wait for an answer")
    })?;
    let moves = moves(state, args)?;
    let resolved = u64::try_from(moves.len()).unwrap_or(u64::MAX);
    let mut records = Vec::new();
    if args.happened {
        records.extend(asserted(folder, state, &moves)?);
    }
    records.push(Record::Moved {
        operation: args.operation,
        moves,
        at: now,
    });
    journal.append(&records, now)?;
    Ok(resolved)
}

/// What happened is remembered as if the vendor had confirmed it: nothing else can tell of values that cannot be read back, and they would be written again.
fn asserted(
    folder: &Path,
    state: &OperationState,
    moves: &[(PhoneId, PhaseEvent)],
) -> Result<Option<Record>, CliError> {
    let Some(key) = load_key(folder)? else {
        return Ok(None);
    };
    let fingerprints = Fingerprinter::new(&key, Arc::new(References::from_process()));
    let mut rows = Vec::new();
    for (attribute, wish) in state.intent.writes.iter() {
        if let Some(print) = fingerprints.fingerprint(attribute, wish) {
            let of = |(phone, _): &(PhoneId, PhaseEvent)| {
                (phone.clone(), attribute.clone(), Some(print.clone()))
            };
            rows.extend(moves.iter().map(of));
        }
    }
    Ok((!rows.is_empty()).then(|| Record::Asserted {
        identity: state.intent.identity.clone(),
        rows,
    }))
}

/// The answer for each parked phone that was asked about.
fn moves(state: &OperationState, args: &Args) -> Result<Vec<(PhoneId, PhaseEvent)>, CliError> {
    let parked: Vec<&PhoneId> = state
        .intent
        .phones
        .iter()
        .zip(&state.phases)
        .filter(|(_, phase)| **phase == Phase::Parked)
        .map(|(phone, _)| phone)
        .collect();
    if let Some(stranger) = args
        .phone
        .iter()
        .find(|name| !parked.iter().any(|phone| phone.as_str() == name.as_str()))
    {
        return Err(not_parked(&format!(
            "phone {stranger} of {}",
            args.operation
        )));
    }
    if parked.is_empty() {
        return Err(not_parked(&args.operation.to_string()));
    }
    Ok(parked
        .into_iter()
        .filter(|phone| {
            args.phone.is_empty() || args.phone.iter().any(|name| phone.as_str() == name)
        })
        .map(|phone| (phone.clone(), PhaseEvent::Resolved(args.happened)))
        .collect())
}

fn not_parked(what: &str) -> CliError {
    CliError::new(
        Exit::Before,
        format!("{what} does not wait for an answer; nothing was changed"),
    )
    .hint("`phonefleet status` lists operations that wait for an answer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::capability::Costs;
    use crate::model::condition::Cause;
    use crate::model::id::{Revision, VendorIdentity};
    use crate::model::operation::{Intent, Outcome};
    use crate::model::stamp::Timestamp;

    fn args(phone: &[&str]) -> Args {
        Args {
            operation: OperationId(17),
            happened: true,
            not_happened: false,
            phone: phone.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn state() -> OperationState {
        OperationState {
            intent: Intent {
                operation: OperationId(17),
                identity: VendorIdentity::new("v"),
                call: "upgradeImage".into(),
                phones: ["AC1", "AC2", "AC3"].map(PhoneId::from).into(),
                writes: [].into(),
                costs: Costs::NONE,
                cause: Cause::Intended,
                revision: Revision::new("r"),
                at: Timestamp(0),
            },
            phases: vec![
                Phase::Parked,
                Phase::Closed(Outcome::Verified),
                Phase::Parked,
            ],
        }
    }

    #[test]
    fn the_answer_is_for_parked_phones_only() {
        let all = moves(&state(), &args(&[])).expect("two are parked");
        assert_eq!(
            all,
            ["AC1", "AC3"].map(|id| (PhoneId::from(id), PhaseEvent::Resolved(true)))
        );
        let one = moves(&state(), &args(&["AC3"])).expect("parked");
        assert_eq!(one.len(), 1);
        let error = moves(&state(), &args(&["AC2"])).expect_err("verified");
        assert_eq!(error.exit, Exit::Before);
        assert!(error.message.contains("AC2"), "{}", error.message);
    }
}
