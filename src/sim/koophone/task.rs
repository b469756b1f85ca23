//! Work on phones: commands, installs, restarts, and the tasks that are asked about.
//!
//! Invariants: a request is checked completely before anything starts; which job runs on which phone is told once, by the answer to the submit; output is cut
//! off at its limit. Not here: what the work does (`job`), how jobs run (`course`).

use super::desk::{self, Task};
use super::form::{self, Command, Install, Phones};
use super::read::told;
use super::wire::{CmdJob, JobRow, Jobs, ResultRow, Results, Started};
use super::{Refusal, Told, refuse};
use crate::sim::job::{Fate, Job, State, Work};
use crate::sim::phone::App;
use crate::sim::shell::Script;
use crate::sim::surface;
use crate::sim::witness::{End, Fact};
use crate::sim::world::World;
use crate::time::delay::hash;
use smol_str::{SmolStr, format_smolstr};
use std::sync::Arc;

/// Longest output of a command, in bytes.
const OUTPUT: usize = 1024;
/// Most phones of a command that is waited for.
const MOST_AT_ONCE: usize = 32;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Starts work on phones. A phone that is busy gets a job that fails.
fn start(world: &mut World, phones: &[u32], work: Work, installs: bool) -> Result<Told, Refusal> {
    let work = Arc::new(work);
    let mut rows = world.submit(phones, &work);
    for row in &mut rows {
        if row.exists {
            row.job = fails(world, row.phone, &work);
        }
    }
    let (first, seed) = (world.first_job, world.spec.seed);
    let jobs = rows.iter().map(|row| row.job).collect();
    let id = desk::at(world, |desk| {
        let number = desk.number(first);
        let id = match installs {
            true => format_smolstr!("ZGCA{:012x}{:016x}", number, hash("task", number, seed)),
            false => format_smolstr!("{:016x}{number:016x}", hash("task", number, seed)),
        };
        desk.keep(id.clone(), Task { jobs, installs });
        id
    });
    let cmd_jobs = rows.iter().filter(|row| !row.missing).map(|row| CmdJob {
        instance_id: &world.at(row.phone).id,
        job_id: job_id(row.job, seed),
    });
    told(&Started {
        task_id: &id,
        cmd_jobs: cmd_jobs.collect(),
    })
}

/// The job that an id stands for on a phone: the phone's of a task, or a job's own.
pub(super) fn job_named(world: &World, id: &str, index: u32) -> Option<u64> {
    let surface::Desk::KooPhone(desk) = &world.desk else {
        return None;
    };
    let of = |job: &u64| world.job(*job).is_some_and(|job| job.phone == index);
    let own = || {
        let number = u64::from_str_radix(id.get(16..)?, 16).ok()?;
        (job_id(number, world.spec.seed) == id).then_some(number)
    };
    match desk.task(id) {
        Some(task) => task.jobs.iter().copied().find(of),
        None => own(),
    }
}

fn job_id(job: u64, seed: u64) -> String {
    let mut id = String::with_capacity(32);
    for part in [hash("job", job, seed), job] {
        let digits = (0..16).rev().map(|place| (part >> (4 * place)) & 15);
        id.extend(digits.map(|digit| char::from(DIGITS[usize::try_from(digit).unwrap_or(0)])));
    }
    id
}

/// A job that has failed before it began.
fn fails(world: &mut World, index: u32, work: &Arc<Work>) -> u64 {
    let id = world.first_job + u64::try_from(world.jobs.len()).unwrap_or(u64::MAX);
    world.jobs.push_back(Job {
        phone: index,
        work: Arc::clone(work),
        created: world.now,
        ended: Some(world.now),
        fate: Fate::Fails,
        state: State::Failed,
        text: Some("another task is running on the instance".into()),
        ran: None,
    });
    world.tell_accepted(id, index, work);
    world.tell(|_| Fact::Ended {
        job: id,
        end: End::Failed,
        effect: false,
    });
    id
}

/// `async-command`
pub(super) fn command(world: &mut World, body: &[u8]) -> Result<Told, Refusal> {
    let form: Command = form::parse(body)?;
    form.check()?;
    let phones = form::phones(world, &form.instance_ids)?;
    let script = Script::new(&form.command, world.offers());
    start(world, &phones, Work::Shell(script), false)
}

/// `sync-command`
pub(super) fn sync_command(world: &mut World, body: &[u8]) -> Result<Told, Refusal> {
    let form: Command = form::parse(body)?;
    form.check()?;
    if form.instance_ids.len() > MOST_AT_ONCE {
        return refuse(1000, format!("instance_ids: 1 to {MOST_AT_ONCE}"));
    }
    let phones = form::phones(world, &form.instance_ids)?;
    let work = Work::Shell(Script::new(&form.command, world.offers()));
    let mut ends = Vec::with_capacity(phones.len());
    for index in phones {
        let free = world.at(index).ready() && world.clash(index).is_none();
        let ran = free.then(|| work.carry_out(world.at_mut(index)));
        ends.push((index, ran.and_then(Result::ok).flatten()));
    }
    let cmd_results: Vec<ResultRow<'_>> = ends
        .iter()
        .map(|(index, ran)| ResultRow {
            instance_id: &world.at(*index).id,
            status: if ran.is_some() { 2 } else { -1 },
            error_code: if ran.is_some() { "0" } else { "CPS0009" },
            error_msg: if ran.is_some() {
                ""
            } else {
                "the phone does not answer"
            },
            execute_msg: ran.as_ref().map(|ran| cut(&ran.all)).unwrap_or_default(),
        })
        .collect();
    told(&Results { cmd_results })
}

/// `app/install`
pub(super) fn install(world: &mut World, body: &[u8]) -> Result<Told, Refusal> {
    let form: Install = form::parse(body)?;
    form.check()?;
    let phones = form::phones(world, &form.instance_id_list)?;
    let app = app_at(world, &form.install_package_url, &form.object_name);
    start(world, &phones, Work::Install(app), true)
}

/// The app behind a url: one of the catalogue's, else what the file's name says (`PACKAGE-VERSION-CODE.apk`), else version 1.0.0.
fn app_at(world: &World, url: &str, package: &SmolStr) -> Arc<App> {
    let offer = world.offers.iter().find(|offer| offer.url == url);
    if let Some(offer) = offer {
        return Arc::clone(&offer.app);
    }
    let name = url.rsplit('/').next().unwrap_or_default();
    let mut parts = name.trim_end_matches(".apk").split('-').skip(1);
    let version = parts.next().unwrap_or("1.0.0");
    let code = parts.next().and_then(|code| code.parse().ok());
    let digits: String = version.chars().filter(char::is_ascii_digit).collect();
    let code = code.or_else(|| digits.parse().ok()).unwrap_or(1);
    Arc::new(App::new(package, package, version, code))
}

/// `reboot`: no task can be asked about.
pub(super) fn reboot(world: &mut World, body: &[u8]) -> Result<Told, Refusal> {
    let Phones { instance_ids } = form::parse(body)?;
    let phones = form::phones(world, &instance_ids)?;
    for index in &phones {
        if !world.at(*index).ready() || world.clash(*index).is_some() {
            return refuse(5005, "not all instances are running");
        }
    }
    world.submit(&phones, &Arc::new(Work::Restart));
    Ok(Told::default())
}

/// `tasks/{task_id}`
pub(super) fn detail(world: &mut World, id: &str) -> Result<Told, Refusal> {
    let found = desk::at(world, |desk| {
        let task = desk.task(id)?;
        Some((task.jobs.clone(), task.installs))
    });
    let Some((ids, installs)) = found else {
        return refuse(1323, format!("the task does not exist: {id}"));
    };
    let jobs: Vec<JobRow> = ids
        .iter()
        .filter_map(|id| Some(row(world, *id, world.job(*id)?, installs)))
        .collect();
    told(&Jobs { jobs })
}

fn row(world: &World, id: u64, job: &Job, installs: bool) -> JobRow {
    let text = job.text.as_deref().unwrap_or_default();
    let status = match (job.state, installs) {
        (State::Parked, true) => 0,
        (State::Parked, false) | (State::Running | State::Cut | State::Hung, _) => 1,
        (State::Succeeded, _) => 2,
        (State::Failed | State::TimedOut, true) => 3,
        (State::Failed | State::TimedOut, false) => -1,
    };
    let failed = matches!(job.state, State::Failed | State::TimedOut);
    JobRow {
        job_id: job_id(id, world.spec.seed),
        status,
        error_code: if failed { "CPS0009" } else { "0" },
        error_msg: if failed {
            text.to_owned()
        } else {
            String::new()
        },
        execute_msg: if failed { String::new() } else { cut(text) },
    }
}

/// The beginning of an output, as far as the vendor keeps it.
pub(super) fn cut(text: &str) -> String {
    let mut end = text.len().min(OUTPUT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_jobs_are_two_numbers_in_hex() {
        for job in [0, 1, 0x1234_abcd, u64::MAX] {
            let id = format!("{:016x}{job:016x}", hash("job", job, 7));
            assert_eq!(job_id(job, 7), id);
        }
    }
}
