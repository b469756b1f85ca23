//! What answers say of work on phones: submissions, reports of jobs, jobs of a lost submit.
//!
//! Invariants: only the status of a task decides, never an error text beside it; a phone without a row stays without one; what was not asked for is left
//! out and logged. Not here: reads (`convert`), errors of whole answers (`answer`).

use super::answer::cleaned;
use super::convert::{AskedFor, some, some_id, unpaged};
use super::errors;
use super::flavour::{Action, Flavour, Route};
use super::table::CATALOGUE_ROWS;
use super::wire::{Paged, Rows, Scalar, TaskBatchRow, TaskDetailRow, TaskRow};
use crate::model::id::{JobId, PhoneId};
use crate::model::stamp::Timestamp;
use crate::provider::{
    Accepted, CallError, ErrorKind, Found, JobRef, JobReport, JobState, RowOutcome, Submission,
};
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;

/// What the answer to a call says of each phone. Phones without a row stay without one.
pub(super) fn submission(
    route: &Route,
    phones: &[PhoneId],
    answer: Option<Rows<TaskRow>>,
) -> Submission {
    let answer = answer.unwrap_or_default();
    let name = route.name;
    if let (Action::Location, Rows::Flag(done)) = (route.action, &answer) {
        let outcome = if *done {
            RowOutcome::Done
        } else {
            RowOutcome::Refused(row_error(None, "the vendor answers false"))
        };
        return Submission {
            rows: phones
                .iter()
                .map(|phone| (phone.clone(), outcome.clone()))
                .collect(),
        };
    }
    let asked = AskedFor::new(phones, name);
    let mut rows: Vec<(PhoneId, RowOutcome)> = Vec::new();
    let mut taken = FxHashSet::default();
    let mut take = |row: TaskRow, failed: bool| {
        let Some(phone) = asked.phone(row.pad_code.as_deref()) else {
            return;
        };
        let outcome = if failed {
            Some(RowOutcome::Refused(refusal(&row)))
        } else {
            outcome(route.action, &row)
        };
        match outcome {
            Some(outcome) if taken.insert(phone.clone()) => rows.push((phone, outcome)),
            Some(_) => {
                tracing::warn!(call = name, phone = %phone, "The answer has two rows for one phone; the first counts.");
            }
            None => {}
        }
    };
    for mut row in answer.into_vec() {
        let lists = (row.success_list.take(), row.fail_list.take());
        if let (None, None) = lists {
            take(row, false);
            continue;
        }
        lists
            .0
            .into_iter()
            .flatten()
            .for_each(|row| take(row, false));
        lists
            .1
            .into_iter()
            .flatten()
            .for_each(|row| take(row, true));
    }
    Submission { rows }
}

/// What one row says; `None`: nothing that could be followed.
fn outcome(action: Action, row: &TaskRow) -> Option<RowOutcome> {
    let job = some_id(row.task_id.clone()).map(JobId::new);
    if action == Action::Adb {
        return match (row.task_status, job) {
            (Some(3), _) => Some(RowOutcome::Done),
            // It was tried, and what is said of its end may be wrong.
            (Some(-5..=-1), _) => Some(RowOutcome::Refused(CallError {
                kind: ErrorKind::Transient,
                accepted: Accepted::Maybe,
                ..refusal(row)
            })),
            (_, job) => job.map(RowOutcome::Job),
        };
    }
    match (row.task_status, job) {
        (Some(-1), job) => Some(RowOutcome::Exists(job)),
        (_, Some(job)) => Some(RowOutcome::Job(job)),
        // `upgradeImage`: refused row by row. With a task the task decides: error texts come with success too.
        (_, None) => {
            let refused = some(row.error_msg.clone()).is_some() || row.error_code.is_some();
            refused.then(|| RowOutcome::Refused(refusal(row)))
        }
    }
}

fn refusal(row: &TaskRow) -> CallError {
    let words = row.error_msg.as_deref().or(row.err_msg.as_deref());
    row_error(row.error_code.as_ref(), words.unwrap_or_default())
}

fn row_error(code: Option<&Scalar>, words: &str) -> CallError {
    let (kind, meaning) = match code {
        Some(code) => {
            let row = errors::judge(code.as_str(), words);
            (row.kind, row.meaning)
        }
        None => (ErrorKind::Refused, "refused without a reason"),
    };
    CallError {
        kind,
        accepted: Accepted::No,
        code: code.map(|code| cleaned(code.as_str(), 40).into()),
        message: if words.trim().is_empty() {
            meaning.to_owned()
        } else {
            cleaned(words, 300)
        },
        retry_at: None,
        phones: Vec::new(),
    }
}

/// `padTaskDetail`: what it says of the jobs asked about.
pub(super) fn reports(
    rows: Vec<TaskDetailRow>,
    jobs: &[JobRef],
    flavour: &Flavour,
) -> Vec<JobReport> {
    let mut by_id: BTreeMap<&str, Vec<&JobRef>> = BTreeMap::new();
    for job in jobs {
        by_id.entry(job.job.as_str()).or_default().push(job);
    }
    let mut reports: Vec<JobReport> = Vec::with_capacity(jobs.len());
    for row in rows {
        let Some(id) = some_id(row.task_id.clone()) else {
            continue;
        };
        let code = some(row.pad_code.clone());
        let Some(job) = by_id.get_mut(id.as_str()).and_then(|jobs| {
            let by_code = jobs
                .iter()
                .position(|job| code.as_ref().is_none_or(|code| code == job.phone.as_str()));
            // The phone may have got another code since; a task is one phone's.
            let renamed = (flavour.renames.is_some() && jobs.len() == 1).then_some(0);
            let place = by_code.or(renamed)?;
            Some(jobs.swap_remove(place))
        }) else {
            tracing::warn!(call = "padTaskDetail", job = %cleaned(&id, 64), "The answer has a task nobody asked for.");
            continue;
        };
        let secret = flavour
            .route(&job.call)
            .is_some_and(|route| route.action == Action::Proxy);
        reports.push(JobReport {
            job: job.job.clone(),
            phone: job.phone.clone(),
            state: job_state(row, secret),
        });
    }
    reports
}

/// Only the status decides: error texts come with success too. Words about a proxy may repeat its password and are not passed on.
fn job_state(row: TaskDetailRow, secret: bool) -> JobState {
    let failed = match row.task_status {
        Some(3) if secret => return JobState::Succeeded(None),
        Some(3) => return JobState::Succeeded(output(row)),
        Some(-1) => "failed",
        Some(-2) => "partly failed",
        Some(-3) => "cancelled",
        Some(-4) => "timeout",
        Some(-5) => "abnormal",
        Some(_) | None => return JobState::Open,
    };
    let words = row
        .error_msg
        .filter(|text| !text.trim().is_empty())
        .or(row.task_result)
        .map(|text| cleaned(&text, 280))
        .filter(|text| !secret && !text.is_empty());
    JobState::Failed(words.map_or_else(|| failed.to_owned(), |words| format!("{failed}: {words}")))
}

/// The output of a command: where its marker is, else the result, else the error text.
fn output(row: TaskDetailRow) -> Option<String> {
    let marked = |text: &Option<String>| {
        text.as_deref()
            .is_some_and(|text| text.contains(crate::provider::shell::MARKER))
    };
    let moved = marked(&row.error_msg) && !marked(&row.task_result);
    row.task_result
        .filter(|text| !moved && !text.is_empty())
        .or(row.error_msg)
        .filter(|text| !text.is_empty())
}

/// Jobs of a lost submit on the newest page of the vendor's list. `since` is when it was sent, by the vendor's clock.
///
/// A page that does not reach back to `since` and lacks some of the phones proves nothing: what it shows need not be the first job since then.
pub(super) fn found(
    paged: Option<Paged<TaskBatchRow>>,
    phones: &[PhoneId],
    since: Timestamp,
) -> Found {
    let Some((batches, _, next)) = unpaged(paged, 1, CATALOGUE_ROWS) else {
        return Found::CannotLook;
    };
    let mut oldest = i64::MAX;
    let mut jobs: BTreeMap<PhoneId, (i64, JobId)> = BTreeMap::new();
    let known: FxHashSet<&str> = phones.iter().map(PhoneId::as_str).collect();
    for batch in batches {
        let Some(created) = batch.create_timestamp else {
            return Found::CannotLook;
        };
        oldest = oldest.min(created);
        if created < since.0 {
            continue;
        }
        for row in batch.sub_tasks.unwrap_or_default() {
            let (Some(code), Some(id)) = (some(row.pad_code), some_id(row.task_id)) else {
                continue;
            };
            if !known.contains(code.as_str()) {
                continue;
            }
            // The first one made after the submit is ours: nothing else of ours runs on the phone until the outcome is known.
            let job = (created, JobId::new(id));
            let entry = jobs
                .entry(PhoneId::new(code))
                .or_insert_with(|| job.clone());
            if job.0 < entry.0 {
                *entry = job;
            }
        }
    }
    if next.is_some() && oldest >= since.0 && jobs.len() < known.len() {
        return Found::Jobs(Vec::new());
    }
    Found::Jobs(
        jobs.into_iter()
            .map(|(phone, (_, job))| (phone, job))
            .collect(),
    )
}
