//! Tasks as ArmCloud shows them: details by id, and the list by type of the manual of 2024.
//!
//! Invariants: only `taskStatus` tells success; ids nobody knows are left out. Not here: how jobs run (`course`).

use super::form::{Page, TaskIds, parse};
use super::wire::{BatchRow, Num, Paged, SubTask, TaskRow};
use super::{Refusal, refuse, success};
use crate::sim::job::{Job, State, Work};
use crate::sim::world::World;
use bytes::Bytes;

/// Most task ids in one call.
const MOST_TASKS: usize = 500;

/// The vendor's number for a kind of work.
pub(in crate::sim) fn task_type(work: &Work) -> u32 {
    match work {
        Work::Restart => 1000,
        Work::Reset => 1001,
        Work::Shell(_) => 1002,
        Work::Install(_) => 1003,
        Work::Uninstall(_) => 1004,
        Work::Stop(_) => 1005,
        Work::Start(_) => 1007,
        Work::Push(_) => 1009,
        Work::TimeZone(_)
        | Work::Language(_)
        | Work::Gps(_)
        | Work::Properties { .. }
        | Work::Sim(_)
        | Work::SimByCountry { .. }
        | Work::AndroidProperties { .. }
        | Work::Proxy(_)
        | Work::Bandwidth(_)
        | Work::Adb(_) => 1010,
        Work::Upgrade { .. } => 1012,
        Work::Other => 999,
    }
}

/// `padTaskDetail`
pub(super) fn details(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let TaskIds { task_ids } = parse(body)?;
    if task_ids.is_empty() || task_ids.len() > MOST_TASKS {
        return refuse(100_000, format!("taskIds: 1 to {MOST_TASKS}"));
    }
    let rows: Vec<TaskRow<'_>> = task_ids
        .iter()
        .filter_map(|id| {
            let id = id.value()?;
            Some(detail(world, id, world.job(id)?))
        })
        .collect();
    success(world, rows)
}

fn detail<'a>(world: &'a World, id: u64, job: &'a Job) -> TaskRow<'a> {
    let dialect = &world.spec.dialect;
    let text = job.text.as_deref();
    let good = job.state == State::Succeeded;
    let (result, mut error) = match (good, dialect.output_in_error) {
        (true, false) => (text, None),
        (true, true) | (false, _) => (None, text),
    };
    if good && dialect.message_on_success {
        error = error.or(Some("ADB call succeeded"));
    }
    TaskRow {
        task_id: num(world, signed(id)),
        pad_code: &world.at(job.phone).id,
        task_status: num(world, status(world, job)),
        end_time: job.ended.map(|at| num(world, at.0)),
        task_content: None,
        task_result: result,
        error_msg: error,
    }
}

/// `task/list`: calls of one type, the newest first.
pub(super) fn list(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: Page = parse(body)?;
    let (page, rows) = form.bounds(true)?;
    let Some(kind) = form.kind else {
        return refuse(100_000, "type is required");
    };
    let batches = world.batches.get(&kind).map_or(&[][..], Vec::as_slice);
    let page_data: Vec<BatchRow<'_>> = batches
        .iter()
        .rev()
        .skip((page - 1) * rows)
        .take(rows)
        .filter_map(|(first, count)| batch(world, kind, *first, *count))
        .collect();
    success(
        world,
        Paged {
            page,
            rows,
            size: page_data.len(),
            total: batches.len(),
            total_page: batches.len().div_ceil(rows),
            page_data,
        },
    )
}

fn batch(world: &World, kind: u32, first: u64, count: u32) -> Option<BatchRow<'_>> {
    let created = world.job(first)?.created;
    let mut worst = 3;
    let sub_tasks = (first..first + u64::from(count))
        .filter_map(|id| {
            let job = world.job(id)?;
            let status = status(world, job);
            if status != 3 && worst == 3 {
                worst = if status < 0 { -2 } else { 2 };
            }
            Some(SubTask {
                task_id: num(world, signed(id)),
                pad_code: &world.at(job.phone).id,
                file_unique_id: None,
                task_status: num(world, status),
                end_time: job.ended.map(|at| num(world, at.0)),
            })
        })
        .collect();
    Some(BatchRow {
        task_batch_id: format!("{first:032x}"),
        task_batch_status: num(world, worst),
        kind,
        create_timestamp: created.0,
        sub_tasks,
    })
}

/// A job's `taskStatus`.
fn status(world: &World, job: &Job) -> i64 {
    match job.state {
        State::Parked => 9,
        State::Running if world.now == job.created => 1,
        State::Running | State::Cut | State::Hung => 2,
        State::Succeeded => 3,
        State::Failed => -1,
        State::TimedOut => -4,
    }
}

/// A number in this build's writing.
pub(super) fn num(world: &World, value: i64) -> Num {
    Num {
        value,
        as_text: world.spec.dialect.numbers_as_text,
    }
}

/// A task id as it is written.
pub(super) fn signed(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}
