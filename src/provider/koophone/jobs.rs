//! What answers say of work on phones: submissions and reports of jobs.
//!
//! Invariants: only the status of a job decides, never a text beside it; a phone without a row stays without one; a job's id holds its task's, because tasks
//! alone can be asked about and their rows name no phone. Not here: reads (`convert`), errors of whole answers (`answer`).

use super::convert::some;
use super::errors;
use super::table::call;
use super::wire::{JobRow, Started, TaskDetail};
use crate::model::id::{JobId, PhoneId};
use crate::provider::asked::AskedFor;
use crate::provider::refusal::{cleaned, our_bug};
use crate::provider::{CallError, JobRef, JobReport, JobState, RowOutcome, Submission};
use rustc_hash::{FxHashMap, FxHashSet};

/// Characters of a vendor's words about a job that are kept.
const WORDS: usize = 280;

/// `task/job`.
fn job_id(task: &str, job: &str) -> JobId {
    JobId::new([task, "/", job].concat())
}

/// Task and job of an id that [`job_id`] made.
fn split(job: &JobId) -> Option<(&str, &str)> {
    job.as_str().split_once('/')
}

/// Whether a task's id can stand in a path and before a `/`.
fn plain(task: &str) -> bool {
    !task.is_empty()
        && task
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && !task.bytes().all(|b| b == b'.')
}

/// What the answer to a call says of each phone. Phones without a row stay without one.
pub(super) fn submission(call: &str, phones: &[PhoneId], started: Started) -> Submission {
    let asked = AskedFor::new(phones, call);
    let mut rows = Vec::with_capacity(phones.len());
    let Some(task) = some(started.task_id).filter(|task| plain(task)) else {
        tracing::warn!(call, "The answer names no task that could be asked about.");
        return Submission { rows };
    };
    let mut taken = FxHashSet::default();
    for row in started.cmd_jobs.unwrap_or_default() {
        let (Some(phone), Some(job)) = (
            asked.phone(row.instance_id.as_deref()),
            some(row.job_id.clone()),
        ) else {
            continue;
        };
        if taken.insert(phone.clone()) {
            rows.push((phone, RowOutcome::Job(job_id(&task, &job))));
        } else {
            tracing::warn!(call, phone = %phone, "The answer has two rows for one phone; the first counts.");
        }
    }
    Submission { rows }
}

/// The one task that these jobs belong to.
///
/// # Errors
/// There are none, or they belong to several: a defect of phonefleet.
pub(super) fn task(jobs: &[JobRef]) -> Result<&str, CallError> {
    let mut tasks = jobs
        .iter()
        .map(|job| split(&job.job).map(|(task, _)| task).unwrap_or_default());
    let first = tasks.next().unwrap_or_default();
    if plain(first) && tasks.all(|task| task == first) {
        Ok(first)
    } else {
        Err(our_bug("a poll must be about the jobs of one task"))
    }
}

/// What `tasks/{task_id}` says of the jobs asked about. Its other jobs are those that have ended before.
pub(super) fn reports(detail: TaskDetail, jobs: &[JobRef]) -> Vec<JobReport> {
    let mut rows: FxHashMap<String, JobRow> = FxHashMap::default();
    for row in detail.jobs.unwrap_or_default() {
        if let Some(id) = some(row.job_id.clone()) {
            rows.entry(id.into()).or_insert(row);
        }
    }
    jobs.iter()
        .filter_map(|job| {
            let (_, id) = split(&job.job)?;
            Some(JobReport {
                job: job.job.clone(),
                phone: job.phone.clone(),
                state: state(rows.get(id)?, &job.call),
            })
        })
        .collect()
}

/// The two tables of statuses agree where they overlap. A status of neither means "wait".
fn state(row: &JobRow, started_by: &str) -> JobState {
    let install = started_by == call::INSTALL;
    match row.status {
        Some(2) => JobState::Succeeded(row.execute_msg.clone()),
        Some(-1) => JobState::Failed(words(row)),
        Some(3) if install => JobState::Failed(words(row)),
        Some(_) | None => JobState::Open,
    }
}

fn words(row: &JobRow) -> String {
    let code = some(row.error_code.clone()).filter(|code| code != "0");
    let told = [&row.error_msg, &row.execute_msg]
        .into_iter()
        .flatten()
        .map(|text| cleaned(text, WORDS))
        .find(|text| !text.is_empty());
    match (code, told) {
        (Some(code), Some(told)) => format!("failed: {told} ({})", cleaned(&code, 40)),
        (Some(code), None) => {
            let meaning = errors::judge(&code, 200).meaning;
            format!("failed: {meaning} ({})", cleaned(&code, 40))
        }
        (None, Some(told)) => format!("failed: {told}"),
        (None, None) => "failed".to_owned(),
    }
}
