//! Tasks as the vendor shows them: a batch (level 1) and its phones (level 2), and the older view of commands.
//!
//! Invariants: only the status tells success; while a task runs, its row has a time of its end, as the manual's sample has; another client's tasks, and what
//! is done without a task, are not shown. Not here: how jobs run (`course`).

use super::form::{Form, Place};
use super::read::{Page, cut, status as phone_status};
use super::{Batch, REGION, Refusal, refuse, success, with_books};
use crate::model::stamp::Timestamp;
use crate::sim::job::{Job, State, Work};
use crate::sim::world::World;
use bytes::Bytes;
use serde::Serialize;
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeMap;

/// The vendor's word for a kind of work; `None`: there is no task of it.
fn task_type(work: &Work) -> Option<&'static str> {
    match work {
        Work::Restart => Some("RebootInstance"),
        Work::Reset => Some("ResetInstance"),
        Work::Shell(_) => Some("RunCommand"),
        Work::Install(_) => Some("InstallApp"),
        Work::Uninstall(_) => Some("UninstallApp"),
        Work::Start(_) => Some("StartApp"),
        Work::Stop(_) => Some("StopApp"),
        Work::Push(_) => Some("SendFile"),
        Work::Upgrade { .. } => Some("UpdateInstanceImage"),
        Work::TimeZone(_)
        | Work::Language(_)
        | Work::Gps(_)
        | Work::Properties { .. }
        | Work::Sim(_)
        | Work::SimByCountry { .. }
        | Work::AndroidProperties { .. }
        | Work::Proxy(_)
        | Work::Bandwidth(_)
        | Work::Adb(_)
        | Work::Other => None,
    }
}

/// A task's id as it is written.
pub(super) fn task_id(job: u64) -> SmolStr {
    format_smolstr!("t-bp67acf{job:010}")
}

/// The id of the batch that begins with this job.
pub(super) fn batch_id(first: u64) -> SmolStr {
    format_smolstr!("t-41oan3t{first:010}")
}

fn job_of(id: &str) -> Option<u64> {
    id.strip_prefix("t-bp67acf")?.parse().ok()
}

fn batch_of(id: &str) -> Option<u64> {
    id.strip_prefix("t-41oan3t")?.parse().ok()
}

/// The job that an id stands for on a phone: a task's own, or the phone's of a batch.
pub(super) fn job_named(world: &World, id: &str, index: u32) -> Option<u64> {
    let of_batch = |first: u64| {
        let jobs = first..first + super::batch_size(world, first)?;
        jobs.into_iter()
            .find(|id| world.job(*id).is_some_and(|job| job.phone == index))
    };
    job_of(id).or_else(|| of_batch(batch_of(id)?))
}

/// A row of `DescribeTasks`.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    task_id: SmolStr,
    invoke_id: SmolStr,
    region_id: &'static str,
    resource_id: SmolStr,
    task_type: &'static str,
    task_status: &'static str,
    start_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_time: Option<String>,
    param: &'static str,
    result: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_msg: Option<String>,
    level: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_id: Option<SmolStr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_status: Option<&'static str>,
    operator: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_task_id: Option<SmolStr>,
    #[serde(flatten)]
    counts: Option<Counts>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Counts {
    failed_child_count: u64,
    success_child_count: u64,
    running_child_count: u64,
    total_child_count: u64,
}

/// `DescribeTasks`: the newest first; 10 rows where the request does not say how many.
pub(super) fn tasks(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    let page = form.page(Place::Query, 10)?;
    let wanted = Wanted::of(form)?;
    let batches = with_books(world, |books| std::mem::take(&mut books.batches));
    let rows = wanted.rows(world, &batches);
    let first = world.first_job;
    with_books(world, |books| {
        books.batches = batches;
        books
            .batches
            .retain(|start, batch| start + batch.count > first);
    });
    let total_count = rows.len();
    let (data, next_token) = cut(rows, page);
    success(
        world,
        Page {
            data,
            next_token,
            total_count,
        },
    )
}

/// What a request filters by.
struct Wanted<'a> {
    ids: Vec<&'a str>,
    parent: Option<&'a str>,
    invoke: Option<&'a str>,
    phones: Vec<&'a str>,
    types: Vec<&'a str>,
    statuses: Vec<&'a str>,
    level: Option<i64>,
}

impl<'a> Wanted<'a> {
    fn of(form: &'a Form) -> Result<Self, Refusal> {
        let all = |list: &str, single: &str| -> Vec<&'a str> {
            let mut all = form.list(Place::Query, list);
            all.extend(form.text(Place::Query, single));
            all
        };
        let level = form.number(Place::Query, "Level")?;
        if level.is_some_and(|level| !(1..=2).contains(&level)) {
            return super::form::invalid("Level");
        }
        Ok(Self {
            ids: form.list(Place::Query, "TaskIds"),
            parent: form.text(Place::Query, "ParentTaskId"),
            invoke: form.text(Place::Query, "InvokeId"),
            phones: all("ResourceIds", "InstanceId"),
            types: all("TaskTypes", "TaskType"),
            statuses: all("TaskStatuses", "TaskStatus"),
            level,
        })
    }

    fn rows(&self, world: &World, batches: &BTreeMap<u64, Batch>) -> Vec<Row> {
        let mut rows: Vec<Row> = match (&self.ids[..], self.parent) {
            ([], None) => batches
                .iter()
                .rev()
                .flat_map(|(first, batch)| family(world, *first, batch))
                .collect(),
            ([], Some(parent)) => {
                let first = batch_of(parent);
                let batch = first.and_then(|first| Some((first, batches.get(&first)?)));
                let rows = batch.into_iter();
                rows.flat_map(|(first, batch)| family(world, first, batch))
                    .filter(|row| row.level == 2)
                    .collect()
            }
            (ids, _) => ids
                .iter()
                .filter_map(|id| one(world, batches, id))
                .collect(),
        };
        rows.retain(|row| self.fits(row));
        rows
    }

    fn fits(&self, row: &Row) -> bool {
        let among = |list: &[&str], word: &str| list.is_empty() || list.contains(&word);
        let phone = row.instance_id.as_deref().unwrap_or_default();
        among(&self.types, row.task_type)
            && among(&self.statuses, row.task_status)
            && (self.phones.is_empty() || self.phones.contains(&phone))
            && self.level.is_none_or(|level| level == i64::from(row.level))
            && self
                .invoke
                .is_none_or(|invoke| row.invoke_id == invoke || row.task_id == invoke)
            && self
                .parent
                .is_none_or(|parent| row.parent_task_id.as_deref() == Some(parent))
    }
}

/// The row of one id.
fn one(world: &World, batches: &BTreeMap<u64, Batch>, id: &str) -> Option<Row> {
    if let Some(first) = batch_of(id) {
        return family(world, first, batches.get(&first)?)
            .into_iter()
            .next();
    }
    let job = job_of(id)?;
    let (first, batch) = batches.range(..=job).next_back()?;
    (job < first + batch.count)
        .then(|| child(world, job, *first, batch))
        .flatten()
}

/// A batch and its phones.
fn family(world: &World, first: u64, batch: &Batch) -> Vec<Row> {
    let children: Vec<Row> = (first..first + batch.count)
        .filter_map(|job| child(world, job, first, batch))
        .collect();
    let Some(start) = children.first() else {
        return Vec::new();
    };
    let count = |wanted: &[&str]| {
        let fits = children
            .iter()
            .filter(|row| wanted.contains(&row.task_status));
        u64::try_from(fits.count()).unwrap_or(u64::MAX)
    };
    let counts = Counts {
        failed_child_count: count(&["Failed", "Skipped"]),
        success_child_count: count(&["Finished"]),
        running_child_count: count(&["Waiting", "Processing"]),
        total_child_count: batch.count,
    };
    let parent = Row {
        task_id: batch_id(first),
        invoke_id: batch.request_id.as_str().into(),
        region_id: REGION,
        resource_id: batch_id(first),
        task_type: start.task_type,
        task_status: match counts {
            Counts {
                running_child_count: 1..,
                ..
            } => "Processing",
            Counts {
                failed_child_count: 0,
                ..
            } => "Finished",
            Counts {
                success_child_count: 0,
                ..
            } => "Failed",
            Counts { .. } => "PartFinished",
        },
        start_time: start.start_time.clone(),
        finish_time: start.finish_time.clone(),
        param: "param",
        result: "{'Success': True}".to_owned(),
        level: 1,
        operator: "simulated",
        counts: Some(counts),
        ..Row::default()
    };
    std::iter::once(parent).chain(children).collect()
}

/// The task of one phone.
fn child(world: &World, id: u64, first: u64, batch: &Batch) -> Option<Row> {
    let job = world.job(id)?;
    let task_type = task_type(&job.work)?;
    let phone = world.at(job.phone);
    let status = status(job);
    let failed = matches!(status, "Failed" | "Skipped");
    let text = job.text.as_deref().unwrap_or_default();
    let shell = matches!(*job.work, Work::Shell(_));
    let running = matches!(status, "Waiting" | "Processing");
    // As in the manual's sample, what tells of an end is there before there is one.
    let error =
        (failed || (running && task_type == "SendFile")).then(|| format!("{task_type}Failed"));
    Some(Row {
        task_id: task_id(id),
        invoke_id: match shell {
            true => task_id(id),
            false => batch.request_id.as_str().into(),
        },
        region_id: REGION,
        resource_id: phone.id.clone(),
        task_type,
        task_status: status,
        start_time: iso(job.created),
        finish_time: Some(iso(job.ended.unwrap_or(job.created))),
        param: "param",
        result: match (status, shell) {
            ("Finished", true) => text.to_owned(),
            ("Finished", false) => "{'Success': True}".to_owned(),
            _ => "{'Success': False}".to_owned(),
        },
        error_msg: error.as_ref().map(|_| match failed {
            true => text.to_owned(),
            false => "connect error.".to_owned(),
        }),
        error_code: error,
        level: 2,
        instance_id: Some(phone.id.clone()),
        instance_status: Some(phone_status(phone)),
        operator: "simulated",
        parent_task_id: Some(batch_id(first)),
        counts: None,
    })
}

/// A job's status as a task.
fn status(job: &Job) -> &'static str {
    match job.state {
        State::Parked => "Waiting",
        State::Running | State::Cut | State::Hung => "Processing",
        State::Succeeded => "Finished",
        State::Failed | State::TimedOut => "Failed",
    }
}

fn iso(at: Timestamp) -> String {
    formatted(at, "%Y-%m-%dT%H:%M:%SZ")
}

fn formatted(at: Timestamp, format: &str) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .unwrap_or_default()
        .strftime(format)
        .to_string()
}

/// What an older call tells of a command on one phone, in the vendor's mixture of times.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Invocation {
    instance_id: SmolStr,
    invocation_id: SmolStr,
    invocation_status: &'static str,
    output: String,
    start_time: String,
    finish_time: String,
}

/// What became of a command.
pub(super) fn invocation(world: &World, id: u64) -> Option<Invocation> {
    let job = world.job(id)?;
    if !matches!(*job.work, Work::Shell(_)) {
        return None;
    }
    Some(Invocation {
        instance_id: world.at(job.phone).id.clone(),
        invocation_id: task_id(id),
        invocation_status: match job.state {
            State::Parked => "Pending",
            State::Running | State::Cut | State::Hung => "Running",
            State::Succeeded => "Success",
            State::Failed => "Failed",
            State::TimedOut => "Timeout",
        },
        output: job.text.as_deref().unwrap_or_default().to_owned(),
        start_time: iso(job.created),
        finish_time: formatted(job.ended.unwrap_or(job.created), "%Y-%m-%d %H:%M:%S"),
    })
}

/// Rows of [`Invocation`], counted in a text.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Invocations {
    data: Vec<Invocation>,
    total_count: String,
}

impl Invocations {
    pub(super) fn of(data: Vec<Invocation>) -> Self {
        Self {
            total_count: data.len().to_string(),
            data,
        }
    }
}

/// `DescribeInvocations`: by the id of one command's execution.
pub(super) fn invocations(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    let id = form.need(Place::Query, "InvocationId")?;
    form.phones(world, "InstanceIds", 50)?;
    let phones = form.list(Place::Query, "InstanceIds");
    let Some(invocation) = job_of(id).and_then(|job| invocation(world, job)) else {
        return refuse(
            400,
            "InvalidInvocationId.NotFound",
            format!("The specified invocation {id} does not exist."),
        );
    };
    let rows = std::iter::once(invocation)
        .filter(|row| phones.contains(&&*row.instance_id))
        .collect();
    success(world, Invocations::of(rows))
}
