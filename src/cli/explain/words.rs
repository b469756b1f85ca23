//! Causes, records and events of the journal in words.
//!
//! Invariants: every record has words; text from outside is made safe. Not here: which records are shown (`explain`).

use crate::cli::output::{clean, counted};
use crate::model::condition::Cause;
use crate::model::id::PhoneId;
use crate::model::operation::PhaseEvent;
use crate::model::record::Record;
use crate::plan::render;

/// Why there is a difference, in words.
pub(super) fn cause_name(cause: Cause) -> &'static str {
    match cause {
        Cause::Intended => "the manifests changed",
        Cause::NewMember => "the phone is new to the group",
        Cause::OverrideExpired => "an override ended",
        Cause::SecretRotated => "a secret was rotated",
        Cause::Corrective => "the phone drifted",
    }
}

/// One row of history of the phone with these codes, in words.
pub(super) fn happened(record: &Record, codes: &[PhoneId]) -> String {
    match record {
        Record::Intended(intent) => {
            let writes: Vec<String> = intent
                .writes
                .iter()
                .map(|(attribute, wish)| {
                    format!("{attribute} = {}", clean(&render::wish(attribute, wish)))
                })
                .collect();
            format!(
                "{}: {} for {} ({}; {}): {}",
                intent.operation,
                intent.call,
                counted(
                    u64::try_from(intent.phones.len()).unwrap_or(u64::MAX),
                    "phone"
                ),
                cause_name(intent.cause),
                intent.costs,
                writes.join(", ")
            )
        }
        Record::Moved {
            operation, moves, ..
        } => {
            let events: Vec<String> = moves
                .iter()
                .filter(|(moved, _)| codes.contains(moved))
                .map(|(_, event)| event_name(event))
                .collect();
            format!("{operation}: {}", events.join(", "))
        }
        Record::Asserted { rows, .. } => {
            let told: Vec<String> = rows
                .iter()
                .map(|(_, attribute, print)| match print {
                    Some(_) => format!("{attribute} is remembered as set"),
                    None => format!("{attribute} is not known any more"),
                })
                .collect();
            told.join(", ")
        }
        Record::Converged { group, rows, .. } => {
            let wishes: usize = rows.iter().map(|(_, wishes)| wishes.len()).sum();
            let wishes = counted(u64::try_from(wishes).unwrap_or(u64::MAX), "wish");
            format!("{wishes} of group {group} read back or confirmed")
        }
        Record::Trouble { trouble, .. } => format!(
            "{} in a row{}",
            counted(u64::from(trouble.failures), "failure"),
            trouble
                .last_message
                .as_ref()
                .map_or_else(String::new, |message| format!(": {}", clean(message)))
        ),
        Record::Spent {
            group, revision, ..
        } => format!("counted under the allowance of group {group} for revision {revision}"),
        Record::Renamed { from, to, .. } => renamed(from, to),
        Record::Called { .. } | Record::Past { .. } | Record::LastOperation(_) => String::new(),
        Record::Standing(state) => format!(
            "{}: {} was open when the journal was compacted",
            state.intent.operation, state.intent.call
        ),
    }
}

fn renamed(from: &PhoneId, to: &PhoneId) -> String {
    if from == to {
        return "the code stands for the phone that has it, and no longer for the one that had it"
            .to_owned();
    }
    format!(
        "the vendor changed the phone's code: {} is {} now",
        clean(from.as_str()),
        clean(to.as_str())
    )
}

fn event_name(event: &PhaseEvent) -> String {
    match event {
        PhaseEvent::Accepted(job) => format!("accepted as job {job}"),
        PhaseEvent::Done => "done at once".to_owned(),
        PhaseEvent::Exists(Some(job)) => format!("the same task exists as job {job}"),
        PhaseEvent::Exists(None) => "the same task exists".to_owned(),
        PhaseEvent::Refused => "refused".to_owned(),
        PhaseEvent::Lost => "the answer was lost; unknown whether it happened".to_owned(),
        PhaseEvent::Succeeded => "the vendor says it is done".to_owned(),
        PhaseEvent::Failed => "the vendor says it failed".to_owned(),
        PhaseEvent::Found(job) => format!("found in the vendor's lists as job {job}"),
        PhaseEvent::Verified => "read back: as wished".to_owned(),
        PhaseEvent::NoEffect => "read back: no effect".to_owned(),
        PhaseEvent::Settled => "it cannot happen any more; may be written again".to_owned(),
        PhaseEvent::Parked => "parked: a person must tell whether it happened".to_owned(),
        PhaseEvent::Resolved(true) => "a person said that it happened".to_owned(),
        PhaseEvent::Resolved(false) => "a person said that it did not happen".to_owned(),
    }
}
