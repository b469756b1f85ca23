//! `zos`: stored commands and their runs.
//!
//! Invariants: a run goes to all its instances or to none; only `taskStatus` and the exit status tell how it ended. Not here: what scripts do (`shell`).

use super::form::{
    Commands, Create, Delete, Invoke, MOST_IDS, MOST_INSTANCES, Modify, Runs, at_most, not_empty,
    parse,
};
use super::store::{self, Command, Run, Work as Place, command_id, number, run_id, time};
use super::{Dialect, Guest, Refusal, refuse, success, wire, zec};
use crate::sim::job::{Job, State, Work};
use crate::sim::shell::Script;
use crate::sim::world::World;
use bytes::Bytes;
use smol_str::{SmolStr, format_smolstr};
use std::sync::Arc;

/// Kinds of commands.
const KINDS: [&str; 3] = ["SHELL", "POWERSHELL", "BAT"];

fn no_such_command<T>(id: &str) -> Result<T, Refusal> {
    refuse(
        404,
        "INVALID_COMMAND_NOT_FOUND",
        format!("The specified command {id} is not found"),
    )
}

/// The number of a stored command.
fn stored(world: &mut World, id: &SmolStr) -> Result<u64, Refusal> {
    let store = store::of(world);
    match number(id, "cmd-").filter(|number| store.commands.contains_key(number)) {
        Some(number) => Ok(number),
        None => no_such_command(id),
    }
}

/// `DescribeCommands`: the newest first; the name is searched as a part.
pub(super) fn commands(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: Commands = parse(body)?;
    let (skip, rows) = form.page.bounds(1000)?;
    if let Some(ids) = &form.command_ids {
        at_most("commandIds", ids.len(), MOST_IDS)?;
    }
    let store = store::of(world);
    let wanted = |(id, command): &(&u64, &Command)| {
        let ids = form.command_ids.as_ref().filter(|ids| !ids.is_empty());
        let types = form.types.as_ref().filter(|types| !types.is_empty());
        let part = form.name.as_deref().unwrap_or_default().to_lowercase();
        ids.is_none_or(|ids| ids.contains(&command_id(**id)))
            && types.is_none_or(|types| types.contains(&command.kind))
            && command.name.to_lowercase().contains(&part)
    };
    let found: Vec<(u64, Command)> = store
        .commands
        .iter()
        .rev()
        .filter(wanted)
        .map(|(id, command)| (*id, command.clone()))
        .collect();
    let dialect = store.dialect.clone();
    let data_set: Vec<wire::Command<'_>> = found
        .iter()
        .skip(skip)
        .take(rows)
        .map(|(id, command)| wire::Command {
            command_id: command_id(*id),
            name: &command.name,
            description: &command.description,
            content: &command.content,
            kind: &command.kind,
            create_time: time(command.created, &dialect),
            latest_invocation_time: command.invoked.map(|at| time(at, &dialect)),
            tags: wire::Tags { tags: Vec::new() },
            resource_group: None,
        })
        .collect();
    success(
        world,
        wire::Page {
            data_set,
            total_count: if dialect.no_totals { 0 } else { found.len() },
        },
    )
}

fn fits(name: Option<&str>, content: Option<&str>, text: Option<&str>) -> Result<(), Refusal> {
    if let Some(name) = name {
        not_empty("name", name.len())?;
        at_most("name", name.chars().count(), 64)?;
    }
    if let Some(content) = content {
        not_empty("content", content.len())?;
        at_most("content", content.chars().count(), 4096)?;
    }
    at_most("description", text.unwrap_or_default().chars().count(), 255)
}

/// `CreateCommand`
pub(super) fn create(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: Create = parse(body)?;
    fits(
        Some(&form.name),
        Some(&form.content),
        form.description.as_deref(),
    )?;
    if !KINDS.contains(&form.kind.as_str()) {
        return refuse(
            400,
            "INVALID_PARAMETER_VALUE",
            format!("type is one of {}", KINDS.join(", ")),
        );
    }
    let now = world.now;
    let store = store::of(world);
    store.last_command += 1;
    let id = store.last_command;
    let command = Command {
        name: form.name,
        description: form.description.unwrap_or_default(),
        content: form.content,
        kind: form.kind,
        created: now,
        invoked: None,
    };
    store.commands.insert(id, command);
    success(
        world,
        wire::Created {
            command_id: command_id(id),
        },
    )
}

/// Refuses while a run of the command is under way.
fn is_idle(world: &mut World, command: u64) -> Result<(), Refusal> {
    let busy = store::runs(world).any(|run| run.command == command && !ended(world, run));
    match busy {
        false => Ok(()),
        true => refuse(
            400,
            "INVALID_COMMAND_INVOCATION_RUNNING_EXIST",
            "the command is being executed",
        ),
    }
}

/// `ModifyCommand`
pub(super) fn modify(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: Modify = parse(body)?;
    fits(
        form.name.as_deref(),
        form.content.as_deref(),
        form.description.as_deref(),
    )?;
    let id = stored(world, &form.command_id)?;
    is_idle(world, id)?;
    if let Some(command) = store::of(world).commands.get_mut(&id) {
        command.name = form.name.unwrap_or_else(|| command.name.clone());
        command.content = form.content.unwrap_or_else(|| command.content.clone());
        command.description = form
            .description
            .unwrap_or_else(|| command.description.clone());
    }
    success(world, wire::Nothing {})
}

/// `DeleteCommand`
pub(super) fn delete(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: Delete = parse(body)?;
    let id = stored(world, &form.command_id)?;
    is_idle(world, id)?;
    store::of(world).commands.remove(&id);
    success(world, wire::Nothing {})
}

/// `InvokeCommand`
pub(super) fn invoke(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: Invoke = parse(body)?;
    not_empty("instanceIds", form.instance_ids.len())?;
    at_most("instanceIds", form.instance_ids.len(), MOST_INSTANCES)?;
    match form.timeout.unwrap_or(30) {
        ..1 => return refuse(400, "INVALID_PARAMETER_LESS_MINIMUM", "timeout from 1"),
        1..=60 => {}
        61.. => return refuse(400, "INVALID_PARAMETER_EXCEED_MAXIMUM", "timeout to 60"),
    }
    let id = stored(world, &form.command_id)?;
    let phones = able(world, &form.instance_ids)?;
    let now = world.now;
    let store = store::of(world);
    store.forget(now);
    let guest = store.dialect.guest.clone();
    let Some(command) = store.commands.get_mut(&id) else {
        return no_such_command(&form.command_id);
    };
    command.invoked = Some(now);
    let command = command.clone();
    if command.kind != "SHELL" {
        return refuse(
            400,
            "INVALID_COMMAND_NOT_SUPPORT_OS",
            format!("{} does not run on Linux", command.kind),
        );
    }
    let instances = start(world, &phones, &guest, &command.content);
    let store = store::of(world);
    store.last_run += 1;
    let number = store.last_run;
    store.runs.push_back(Run {
        number,
        command: id,
        name: command.name,
        content: command.content,
        kind: command.kind,
        created: now,
        instances,
    });
    success(
        world,
        wire::Invoked {
            invocation_id: run_id(number),
        },
    )
}

/// The phones of these instances, if all of them can run commands.
fn able(world: &mut World, ids: &[SmolStr]) -> Result<Vec<u32>, Refusal> {
    let without_agent = store::of(world).dialect.without_agent.clone();
    let mut phones = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(index) = world.find(id) else {
            return refuse(
                404,
                "INVALID_INSTANCE_NOT_FOUND",
                format!("The specified instance {id} is not found"),
            );
        };
        if zec::status(world, world.at(index)) != "RUNNING" {
            return refuse(
                400,
                "INVALID_INSTANCE_NOT_RUNNING",
                format!("Instance {id} is not running"),
            );
        }
        if without_agent.contains(id) {
            return refuse(
                400,
                "INVALID_INSTANCE_QGA_REQUIRED",
                format!("Instance {id} needs QGA"),
            );
        }
        if !phones.contains(&index) {
            phones.push(index);
        }
    }
    Ok(phones)
}

/// How a content ends at once on the instance around the phone; `None`: it reaches the phone.
fn misses(guest: &Guest, content: &str) -> Option<SmolStr> {
    let entry = match guest {
        Guest::Itself => return None,
        Guest::Container(name) => format!("docker exec {name} "),
        Guest::Bridge(serial) => format!("adb -s {serial} shell "),
    };
    let first = content.split([' ', ';', '\n']).next().unwrap_or_default();
    (!content.starts_with(&entry)).then(|| format_smolstr!("sh: 1: {first}: not found"))
}

fn start(world: &mut World, phones: &[u32], guest: &Guest, content: &str) -> Vec<(u32, Place)> {
    if let Some(words) = misses(guest, content) {
        let failed = |index: &u32| (*index, Place::Failed(127, words.clone()));
        return phones.iter().map(failed).collect();
    }
    let script = Script::new(content, world.offers());
    let rows = world.submit(phones, &Arc::new(Work::Shell(script)));
    rows.into_iter()
        .map(|row| {
            let place = match (row.exists, row.missing) {
                (true, _) => Place::Failed(1, "guest agent is busy".into()),
                (false, true) => Place::Untold(row.job),
                (false, false) => Place::Job(row.job),
            };
            (row.phone, place)
        })
        .collect()
}

/// `DescribeCommandInvocations`: the newest first.
pub(super) fn runs(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: Runs = parse(body)?;
    let (skip, rows) = form.page.bounds(10_000)?;
    let lists = [
        ("commandIds", &form.command_ids),
        ("invocationIds", &form.invocation_ids),
        ("instanceIds", &form.instance_ids),
    ];
    for (what, ids) in lists {
        at_most(what, ids.as_ref().map_or(0, Vec::len), MOST_IDS)?;
    }
    let now = world.now;
    store::of(world).forget(now);
    let dialect = store::of(world).dialect.clone();
    let world = &*world;
    let one_of = |ids: &Option<Vec<SmolStr>>, id: &str| {
        ids.as_ref()
            .filter(|ids| !ids.is_empty())
            .is_none_or(|ids| ids.iter().any(|other| other == id))
    };
    let wanted = |run: &&Run| {
        one_of(&form.invocation_ids, &run_id(run.number))
            && one_of(&form.command_ids, &command_id(run.command))
            && one_of(&form.invocation_statuses, whole(world, run))
            && form
                .instance_ids
                .as_ref()
                .is_none_or(|ids| ids.is_empty() || names_one(world, run, ids))
    };
    let found: Vec<&Run> = store::runs(world).rev().filter(wanted).collect();
    let data_set: Vec<wire::Invocation<'_>> = found
        .iter()
        .skip(skip)
        .take(rows)
        .map(|run| invocation(world, run, &dialect))
        .collect();
    success(
        world,
        wire::Page {
            data_set,
            total_count: if dialect.no_totals { 0 } else { found.len() },
        },
    )
}

/// The instances that answers tell of.
fn told(run: &Run) -> impl Iterator<Item = &(u32, Place)> {
    let untold = |place: &Place| matches!(place, Place::Untold(_));
    run.instances
        .iter()
        .filter(move |(_, place)| !untold(place))
}

fn names_one(world: &World, run: &Run, ids: &[SmolStr]) -> bool {
    told(run).any(|(index, _)| ids.contains(&world.at(*index).id))
}

/// Where a run stands on one instance, in the vendor's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Pending,
    Running,
    Success,
    Failed,
}

impl Stand {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Success => "Success",
            Self::Failed => "Failed",
        }
    }
}

fn stand(world: &World, place: &Place) -> Stand {
    let job = match place {
        Place::Failed(..) => return Stand::Failed,
        Place::Job(id) | Place::Untold(id) => world.job(*id),
    };
    match job.map(|job| (job.state, exit_status(job))) {
        Some((State::Parked, _)) => Stand::Pending,
        Some((State::Running | State::Cut | State::Hung, _)) => Stand::Running,
        Some((State::Succeeded, 0)) | None => Stand::Success,
        Some((State::Succeeded | State::Failed | State::TimedOut, _)) => Stand::Failed,
    }
}

fn ended(world: &World, run: &Run) -> bool {
    run.instances
        .iter()
        .all(|(_, place)| matches!(stand(world, place), Stand::Success | Stand::Failed))
}

/// The status of a whole run.
fn whole(world: &World, run: &Run) -> &'static str {
    let stands: Vec<Stand> = run
        .instances
        .iter()
        .map(|(_, place)| stand(world, place))
        .collect();
    let all = |wanted: Stand| stands.iter().all(|stand| *stand == wanted);
    if stands.contains(&Stand::Running) {
        "Running"
    } else if stands.contains(&Stand::Pending) {
        if all(Stand::Pending) {
            "Pending"
        } else {
            "Running"
        }
    } else if all(Stand::Success) {
        "Success"
    } else if all(Stand::Failed) {
        "Failed"
    } else {
        "PartialFailed"
    }
}

/// The exit status of a job that ended.
fn exit_status(job: &Job) -> i64 {
    match (&job.ran, job.state) {
        (Some(ran), _) => ran.status.into(),
        (None, State::Succeeded) => 0,
        (None, _) => 1,
    }
}

fn invocation<'a>(world: &'a World, run: &'a Run, dialect: &Dialect) -> wire::Invocation<'a> {
    wire::Invocation {
        invocation_id: run_id(run.number),
        command_id: command_id(run.command),
        command_name: &run.name,
        command_type: &run.kind,
        content: &run.content,
        timeout: 0,
        create_time: time(run.created, dialect),
        invocation_status: whole(world, run),
        invocation_instances: told(run)
            .map(|(index, place)| on_instance(world, (*index, place), run, dialect))
            .collect(),
    }
}

fn on_instance<'a>(
    world: &'a World,
    (index, place): (u32, &'a Place),
    run: &Run,
    dialect: &Dialect,
) -> wire::InvocationInstance<'a> {
    let phone = world.at(index);
    let stand = stand(world, place);
    let job = match place {
        Place::Job(id) | Place::Untold(id) => world.job(*id),
        Place::Failed(..) => None,
    };
    let over = matches!(stand, Stand::Success | Stand::Failed);
    let (output, error, status, end) = match (place, job) {
        (Place::Failed(status, words), _) => {
            (None, Some(words.as_str()), *status, Some(run.created))
        }
        (Place::Job(_) | Place::Untold(_), Some(job)) => {
            let (output, error) = match (&job.ran, job.state) {
                (Some(ran), _) => (Some(ran.output.trim_end()), some(ran.error.trim_end())),
                (None, State::Succeeded) => (Some(""), None),
                (None, _) => (None, job.text.as_deref()),
            };
            (output, error, exit_status(job), job.ended)
        }
        (Place::Job(_) | Place::Untold(_), None) => (None, None, 0, Some(run.created)),
    };
    let quiet = stand == Stand::Success && dialect.no_exit_code;
    let timed_out = job.is_some_and(|job| job.state == State::TimedOut);
    wire::InvocationInstance {
        instance_id: &phone.id,
        instance_name: zec::name(phone),
        instance_exist: world.find(&phone.id).is_some(),
        task_status: stand.as_str(),
        exit_code: (over && !quiet && !timed_out).then_some(status),
        error_code: timed_out.then_some("AGENT_TIMEOUT"),
        output: output.filter(|_| over),
        output_error: error.filter(|_| over),
        exec_start_time: (stand != Stand::Pending).then(|| time(run.created, dialect)),
        exec_end_time: end.filter(|_| over).map(|at| time(at, dialect)),
    }
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
