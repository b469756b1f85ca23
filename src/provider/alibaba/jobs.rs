//! What answers say of work on phones: submissions, reports of jobs, jobs of a lost submit.
//!
//! Invariants: only the status of a task decides, never the result or error text beside it, which come while it runs; a phone without a row stays without one;
//! the task of a batch never speaks for a phone, its children do. Not here: reads (`convert`), errors of whole answers (`answer`).

use super::convert::some;
use super::table::call;
use super::wire::{Started, TaskRow};
use crate::model::id::{JobId, PhoneId};
use crate::model::stamp::Timestamp;
use crate::provider::asked::AskedFor;
use crate::provider::refusal::cleaned;
use crate::provider::{JobRef, JobReport, JobState, RowOutcome, Submission};
use rustc_hash::FxHashSet;
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeMap;

/// Characters of a failure that are kept.
const WORDS: usize = 280;

/// What the answer to a call that starts tasks says of each phone. Phones without a row stay without one, unless the answer has no rows at all but a task over
/// all phones: then that task is followed, and its children in the end (see [`batch_of`]).
pub(super) fn submission(name: &str, phones: &[PhoneId], answer: &Started) -> Submission {
    let asked = AskedFor::new(phones, name);
    let mut taken = FxHashSet::default();
    let mut rows: Vec<(PhoneId, RowOutcome)> = Vec::with_capacity(phones.len());
    for row in answer.rows() {
        let job = some(row.child_task_id.as_ref()).or_else(|| some(row.invoke_id.as_ref()));
        let (Some(phone), Some(job)) = (asked.phone(row.instance_id.as_deref()), job) else {
            continue;
        };
        if taken.insert(phone.clone()) {
            rows.push((phone, RowOutcome::Job(JobId::new(job))));
        } else {
            tracing::warn!(call = name, phone = %phone, "The answer has two rows for one phone; the first counts.");
        }
    }
    if answer.rows().next().is_none()
        && let Some(batch) = some(answer.batch())
    {
        rows.extend(phones.iter().map(|phone| {
            let job = JobId::new(format_smolstr!("{batch}/{phone}"));
            (phone.clone(), RowOutcome::Job(job))
        }));
    }
    Submission { rows }
}

/// The answer to a call that is final: every phone is done.
pub(super) fn done(phones: &[PhoneId]) -> Submission {
    Submission {
        rows: phones
            .iter()
            .map(|phone| (phone.clone(), RowOutcome::Done))
            .collect(),
    }
}

/// The task over all phones that a job is followed by, where the vendor named no task of the phone.
pub(super) fn batch_of(job: &JobId) -> Option<&str> {
    let (batch, _) = job.as_str().split_once('/')?;
    Some(batch)
}

/// What a poll by task ids tells.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) reports: Vec<JobReport>,
    /// Tasks over all phones that have ended; their children tell how.
    pub(super) ended: Vec<SmolStr>,
}

/// `DescribeTasks` by task ids: reports of the jobs that are tasks of a phone, and which batches are over.
pub(super) fn reports(rows: Vec<TaskRow>, jobs: &[JobRef]) -> Told {
    let mut by_id: BTreeMap<&str, &JobRef> = BTreeMap::new();
    let mut batches: FxHashSet<&str> = FxHashSet::default();
    for job in jobs {
        match batch_of(&job.job) {
            Some(batch) => {
                batches.insert(batch);
            }
            None => {
                by_id.insert(job.job.as_str(), job);
            }
        }
    }
    let mut told = Told::default();
    for row in rows {
        let ids = [some(row.task_id.as_ref()), some(row.invoke_id.as_ref())];
        let job = ids
            .iter()
            .flatten()
            .find_map(|id| by_id.remove(id.as_str()));
        if let Some(job) = job {
            told.reports.push(report(job, row));
        } else if let Some(batch) = ids
            .iter()
            .flatten()
            .find_map(|id| batches.take(id.as_str()))
        {
            if Status::of(&row) != Status::Open {
                told.ended.push(batch.into());
            }
        } else {
            tracing::debug!("The answer has a task nobody asked for.");
        }
    }
    told
}

/// `DescribeTasks` by the id of a batch that has ended: reports of its jobs.
pub(super) fn children(rows: Vec<TaskRow>, batch: &str, jobs: &[JobRef]) -> Vec<JobReport> {
    let mut by_phone: BTreeMap<&str, &JobRef> = jobs
        .iter()
        .filter(|job| batch_of(&job.job) == Some(batch))
        .map(|job| (job.phone.as_str(), job))
        .collect();
    let mut reports = Vec::new();
    for row in rows {
        if row.level == Some(1) {
            continue;
        }
        let job = phones_of(&row).find_map(|phone| by_phone.remove(phone.as_str()));
        if let Some(job) = job {
            reports.push(report(job, row));
        }
    }
    reports
}

/// The phone of a task: the manual has two columns for it.
fn phones_of(row: &TaskRow) -> impl Iterator<Item = SmolStr> + use<> {
    [
        some(row.instance_id.as_ref()),
        some(row.resource_id.as_ref()),
    ]
    .into_iter()
    .flatten()
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    /// Waiting, running, or a status we do not know.
    Open,
    Finished,
    PartFinished,
    Failed,
    Skipped,
}

impl Status {
    fn of(row: &TaskRow) -> Self {
        let word = row.task_status.as_deref().unwrap_or_default().trim();
        [
            ("Finished", Self::Finished),
            ("PartFinished", Self::PartFinished),
            ("Failed", Self::Failed),
            ("Skipped", Self::Skipped),
        ]
        .into_iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name))
        .map_or(Self::Open, |(_, status)| status)
    }
}

fn report(job: &JobRef, row: TaskRow) -> JobReport {
    let state = match Status::of(&row) {
        Status::Open => JobState::Open,
        Status::Finished => JobState::Succeeded(row.result.map(String::from)),
        Status::PartFinished => failed("partly finished", &row),
        Status::Failed => failed("failed", &row),
        Status::Skipped => failed("skipped", &row),
    };
    JobReport {
        job: job.job.clone(),
        phone: job.phone.clone(),
        state,
    }
}

fn failed(what: &str, row: &TaskRow) -> JobState {
    let words: Vec<String> = [&row.error_code, &row.error_msg]
        .into_iter()
        .filter_map(|text| some(text.as_ref()))
        .map(|text| cleaned(&text, WORDS))
        .collect();
    let words = match words.is_empty() {
        false => words.join(": "),
        true => some(row.result.as_ref()).map_or_else(String::new, |text| cleaned(&text, WORDS)),
    };
    JobState::Failed(match words.is_empty() {
        true => what.to_owned(),
        false => format!("{what}: {words}"),
    })
}

/// Types of the tasks that a call may start, to find them by; none: no name is documented, or the call starts no tasks.
pub(super) fn task_types(name: &str) -> &'static [&'static str] {
    match name {
        call::COMMAND => &["RunCommand"],
        call::INSTALL | call::CREATE => &["InstallApp"],
        call::SEND_FILE => &["SendFile"],
        call::UNINSTALL => &["UninstallApp"],
        call::OPERATE => &["StartApp", "StopApp"],
        _ => &[],
    }
}

/// What is known of a lost submit.
pub(super) struct Lost<'a> {
    /// The call.
    pub(super) call: &'a str,
    /// Its phones.
    pub(super) phones: &'a [PhoneId],
    /// When it was sent, by the vendor's clock, less what clocks may differ.
    pub(super) since: Timestamp,
    /// What its script says first, where it is a command.
    pub(super) mark: String,
    /// Jobs of answers that came: they are not lost.
    pub(super) known: &'a dyn Fn(&str) -> bool,
}

/// Jobs of a lost submit among these tasks: of each phone the first one. A command is ours when it printed the mark of the order, which it has done when it
/// has ended; readings and orders of others are commands too. Of other calls it is the first task of that type that began after the submit and is not known
/// otherwise: nothing else of ours runs on the phone until the outcome is known.
pub(super) fn found(rows: &[TaskRow], lost: &Lost<'_>) -> Vec<(PhoneId, JobId)> {
    let phones: FxHashSet<&str> = lost.phones.iter().map(PhoneId::as_str).collect();
    let mut first: BTreeMap<PhoneId, (Timestamp, JobId)> = BTreeMap::new();
    for row in rows {
        let Some(id) = some(row.task_id.as_ref()) else {
            continue;
        };
        let began = row.start_time.as_deref().and_then(moment);
        if row.level == Some(1) || !is_of(row, lost.call) || !is_this(row, (&id, began), lost) {
            continue;
        }
        let Some(phone) = phones_of(row).find(|phone| phones.contains(phone.as_str())) else {
            continue;
        };
        let job = (began.unwrap_or_default(), JobId::new(id));
        let entry = first
            .entry(PhoneId::new(phone))
            .or_insert_with(|| job.clone());
        if job.0 < entry.0 {
            *entry = job;
        }
    }
    let jobs = first.into_iter();
    jobs.map(|(phone, (_, job))| (phone, job)).collect()
}

/// Whether a task of the right type can be of this very submit.
fn is_this(row: &TaskRow, (id, began): (&str, Option<Timestamp>), lost: &Lost<'_>) -> bool {
    if lost.call == call::COMMAND {
        // `Param` is not documented; where it has the script, it tells before the command has ended.
        let words = [&row.result, &row.error_msg, &row.param];
        return words
            .into_iter()
            .flatten()
            .any(|text| text.contains(&lost.mark));
    }
    let parent = some(row.parent_task_id.as_ref());
    let known = (lost.known)(id) || parent.is_some_and(|parent| (lost.known)(&parent));
    began.is_some_and(|began| began >= lost.since) && !known
}

/// Whether a task is of the type that the call starts. The name of image changes is not documented: it has "Image" in it.
fn is_of(row: &TaskRow, name: &str) -> bool {
    let kind = row.task_type.as_deref().unwrap_or_default();
    match task_types(name) {
        [] => name == call::UPDATE_IMAGE && kind.to_ascii_lowercase().contains("image"),
        wanted => wanted
            .iter()
            .any(|wanted| kind.eq_ignore_ascii_case(wanted)),
    }
}

/// `2022-10-11T08:53:32Z`. Times without a zone are of no use.
fn moment(text: &str) -> Option<Timestamp> {
    let moment: jiff::Timestamp = text.trim().parse().ok()?;
    Some(Timestamp(moment.as_millisecond()))
}
