//! Writes: every call that starts work on phones.
//!
//! Invariants: a request is checked completely before anything starts; one call is one batch of tasks. Not here: what the work does (`job`).

use super::form::{Form, Place, invalid};
use super::task::{Invocations, batch_id, invocation, task_id};
use super::{Batch, Import, Refusal, accepted, refuse, request_id, success, with_books};
use crate::sim::job::Work;
use crate::sim::phone::{ABNORMAL, App, Bandwidth, RUNNING};
use crate::sim::shell::Script;
use crate::sim::world::World;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::Serialize;
use smol_str::SmolStr;
use std::sync::Arc;
use std::time::Duration;

/// Most phones in most calls.
const PHONES: usize = 100;
/// Most phones of a command.
const COMMAND_PHONES: usize = 50;

/// A batch of tasks that was started: its id, and phone and task of each row that the answer shows.
struct Started {
    batch: SmolStr,
    rows: Vec<(SmolStr, SmolStr)>,
}

/// Starts work on phones: for each piece its phones, one batch in all.
fn start(world: &mut World, pieces: Vec<(Vec<u32>, Work)>) -> Result<Started, Refusal> {
    for (phones, work) in &pieces {
        let repairs = matches!(work, Work::Restart | Work::Reset);
        for index in phones {
            let phone = world.at(*index);
            let waits = matches!(phone.status, RUNNING | 11..=13 | 15..=17 | 19 | 20);
            if !(waits || (repairs && phone.status == ABNORMAL)) {
                return refuse(
                    400,
                    "IncorrectInstanceStatus",
                    format!(
                        "The status of instance {} does not support this operation.",
                        phone.id
                    ),
                );
            }
        }
    }
    for (phones, _) in &pieces {
        for index in phones {
            if world.clash(*index).is_some() {
                return refuse(
                    400,
                    "OperationConflict",
                    format!(
                        "Another task of instance {} is in progress.",
                        world.at(*index).id
                    ),
                );
            }
        }
    }
    let mut started = Vec::new();
    for (phones, work) in pieces {
        started.extend(world.submit(&phones, &Arc::new(work)));
    }
    let first = started.iter().map(|row| row.job).min().unwrap_or_default();
    let batch = Batch {
        count: u64::try_from(started.len()).unwrap_or(u64::MAX),
        request_id: request_id(world),
    };
    with_books(world, |books| books.batches.insert(first, batch));
    Ok(Started {
        batch: batch_id(first),
        rows: started
            .into_iter()
            .filter(|row| !row.missing)
            .map(|row| (world.at(row.phone).id.clone(), task_id(row.job)))
            .collect(),
    })
}

/// The script of a command, decoded as the request says.
fn script(world: &World, form: &Form) -> Result<Script, Refusal> {
    let content = form.need(Place::Query, "CommandContent")?;
    let encoding = form.text(Place::Query, "ContentEncoding");
    if !encoding.is_some_and(|encoding| encoding.eq_ignore_ascii_case("Base64")) {
        return Ok(Script::new(content, world.offers()));
    }
    let decoded = BASE64_STANDARD.decode(content).ok();
    match decoded.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(script) => Ok(Script::new(&script, world.offers())),
        None => invalid("CommandContent"),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CommandRow {
    instance_id: SmolStr,
    invoke_id: SmolStr,
    child_task_id: SmolStr,
}

/// `RunCommand`
pub(super) fn command(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Command {
        task_id: SmolStr,
        invoke_id: SmolStr,
        run_command_infos: Vec<CommandRow>,
    }
    let script = script(world, form)?;
    if form
        .number(Place::Query, "Timeout")?
        .is_some_and(|seconds| seconds < 1)
    {
        return invalid("Timeout");
    }
    let phones = form.phones(world, "InstanceIds", COMMAND_PHONES)?;
    let Started { batch, rows } = start(world, vec![(phones, Work::Shell(script))])?;
    let first = rows.first().map(|(_, task)| task.clone());
    let run_command_infos = rows
        .into_iter()
        .map(|(instance_id, task)| CommandRow {
            instance_id,
            invoke_id: task.clone(),
            child_task_id: task,
        })
        .collect();
    success(
        world,
        Command {
            task_id: batch,
            invoke_id: first.unwrap_or_default(),
            run_command_infos,
        },
    )
}

/// `RunSyncCommand`: the answer has the output.
pub(super) fn command_now(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    let script = script(world, form)?;
    let wait = form.number(Place::Query, "WaitTime")?;
    if wait.is_some_and(|wait| !(500..=3000).contains(&wait)) {
        return invalid("WaitTime");
    }
    let phones = form.phones(world, "InstanceIds", COMMAND_PHONES)?;
    let work = Arc::new(Work::Shell(script));
    let jobs: Vec<u64> = phones
        .into_iter()
        .map(|index| world.at_once(index, &work).0)
        .collect();
    let rows = jobs
        .into_iter()
        .filter_map(|job| invocation(world, job))
        .collect();
    success(world, Invocations::of(rows))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AppRow {
    app_id: SmolStr,
    instance_id: SmolStr,
    child_task_id: SmolStr,
}

/// The one app of a call, and the phones.
fn app_on(world: &mut World, form: &Form) -> Result<(SmolStr, Arc<App>, Vec<u32>), Refusal> {
    let ids = form.list(Place::Query, "AppIdList");
    let [id] = ids[..] else {
        if ids.is_empty() {
            form.need(Place::Query, "AppIdList")?;
        }
        // The vendor takes more; a world has one open task a phone.
        return invalid("AppIdList");
    };
    let offer = world.offers.iter().find(|offer| offer.id.to_string() == id);
    let Some(offer) = offer else {
        return refuse(
            400,
            "InvalidAppId.NotFound",
            format!("The specified app {id} does not exist."),
        );
    };
    let (number, app) = (offer.id, Arc::clone(&offer.app));
    let phones = form.phones(world, "InstanceIdList", PHONES)?;
    let ready = with_books(world, |books| {
        books.imports.get(&number).map(|import| import.ready)
    });
    if ready.is_some_and(|ready| world.now < ready) {
        return refuse(
            400,
            "InvalidAppStatus",
            format!("The status of app {id} does not support this operation."),
        );
    }
    Ok((id.into(), app, phones))
}

fn app_rows(app_id: &SmolStr, rows: Vec<(SmolStr, SmolStr)>) -> Vec<AppRow> {
    rows.into_iter()
        .map(|(instance_id, child_task_id)| AppRow {
            app_id: app_id.clone(),
            instance_id,
            child_task_id,
        })
        .collect()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Apps {
    task_id: SmolStr,
    child_task_info: Vec<AppRow>,
}

/// `InstallApp`
pub(super) fn install(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    let (id, app, phones) = app_on(world, form)?;
    let Started { batch, rows } = start(world, vec![(phones, Work::Install(app))])?;
    let child_task_info = app_rows(&id, rows);
    success(
        world,
        Apps {
            task_id: batch,
            child_task_info,
        },
    )
}

/// `UninstallApp`
pub(super) fn uninstall(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    let (id, app, phones) = app_on(world, form)?;
    let work = Work::Uninstall(app.package.clone());
    let Started { batch, rows } = start(world, vec![(phones, work)])?;
    let child_task_info = app_rows(&id, rows);
    success(
        world,
        Apps {
            task_id: batch,
            child_task_info,
        },
    )
}

/// `OperateApp`: the answer has the batch alone.
pub(super) fn operate(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Operated {
        task_id: SmolStr,
    }
    let id = form.need(Place::Query, "AppId")?;
    let offer = world.offers.iter().find(|offer| offer.id.to_string() == id);
    let Some(package) = offer.map(|offer| offer.app.package.clone()) else {
        return refuse(
            400,
            "InvalidAppId.NotFound",
            format!("The specified app {id} does not exist."),
        );
    };
    let work = match form.need(Place::Query, "OperateType")? {
        "start" | "restart" => Work::Start(package),
        "stop" => Work::Stop(package),
        _ => return invalid("OperateType"),
    };
    let phones = form.phones(world, "InstanceIdList", PHONES)?;
    let Started { batch, .. } = start(world, vec![(phones, work)])?;
    success(world, Operated { task_id: batch })
}

/// `SendFile`: a file from a url; with `AutoInstall` an app.
pub(super) fn send_file(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Row {
        android_instance_id: SmolStr,
        task_id: SmolStr,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Sent {
        task_id: SmolStr,
        data: Vec<Row>,
    }
    let url = form.need(Place::Query, "UploadUrl")?;
    let path = form.need(Place::Query, "SourceFilePath")?;
    match form.need(Place::Query, "UploadType")? {
        "DOWNLOAD_URL" if path.ends_with('/') => return invalid("SourceFilePath"),
        "DOWNLOAD_URL" => {}
        "OSS" | "OSS_BRIDGED" => {
            form.need(Place::Query, "UploadEndpoint")?;
        }
        _ => return invalid("UploadType"),
    }
    let app = match form.flag(Place::Query, "AutoInstall")? {
        true => Some(app_at(world, url)),
        false => None,
    };
    let phones = form.phones(world, "AndroidInstanceIdList", PHONES)?;
    let Started { batch, rows } = start(world, vec![(phones, Work::Push(app))])?;
    let data = rows
        .into_iter()
        .map(|(android_instance_id, task_id)| Row {
            android_instance_id,
            task_id,
        })
        .collect();
    success(
        world,
        Sent {
            task_id: batch,
            data,
        },
    )
}

/// The app behind a url: one of the catalogue's, else what the file's name says (`NAME-VERSION-CODE.apk` is version VERSION of `com.example.NAME`).
fn app_at(world: &World, url: &str) -> Arc<App> {
    if let Some(offer) = world.offers.iter().find(|offer| offer.url == url) {
        return Arc::clone(&offer.app);
    }
    let file = url.rsplit('/').next().unwrap_or_default();
    let file = file.split(['?', '#']).next().unwrap_or_default();
    let mut parts = file.trim_end_matches(".apk").split('-');
    let name = parts.next().unwrap_or_default();
    let version = parts.next().unwrap_or("1.0.0");
    let digits: String = version.chars().filter(char::is_ascii_digit).collect();
    let code = parts.next().and_then(|code| code.parse().ok());
    let code = code.or_else(|| digits.parse().ok()).unwrap_or(1);
    let package = match name.contains('.') {
        true => name.to_owned(),
        false => format!("com.example.{name}"),
    };
    Arc::new(App::new(&package, name, version, code))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ChildTask {
    instance_id: SmolStr,
    task_id: SmolStr,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tasks {
    parent_task_id: SmolStr,
    child_tasks: Vec<ChildTask>,
}

impl From<Started> for Tasks {
    fn from(Started { batch, rows }: Started) -> Self {
        Self {
            parent_task_id: batch,
            child_tasks: rows
                .into_iter()
                .map(|(instance_id, task_id)| ChildTask {
                    instance_id,
                    task_id,
                })
                .collect(),
        }
    }
}

/// `UpdateInstanceImage`: crossing a version of Android erases the phone, whatever `Reset` says.
pub(super) fn update_image(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Updated {
        task_id: SmolStr,
        tasks: Tasks,
    }
    let id = form.need(Place::Query, "ImageId")?;
    let Some(image) = world.images.iter().find(|image| image.id == id).cloned() else {
        return refuse(
            400,
            "InvalidImageId.NotFound",
            format!("The specified image {id} does not exist."),
        );
    };
    let reset = form.flag(Place::Query, "Reset")?;
    let phones = form.phones(world, "InstanceIdList", PHONES)?;
    let (wiped, kept): (Vec<u32>, Vec<u32>) = phones
        .into_iter()
        .partition(|index| reset || world.at(*index).image.android != image.android);
    let piece = |wipe| Work::Upgrade {
        image: Arc::clone(&image),
        wipe,
    };
    let pieces = [(wiped, piece(true)), (kept, piece(false))];
    let pieces = pieces.into_iter().filter(|(phones, _)| !phones.is_empty());
    let tasks = Tasks::from(start(world, pieces.collect())?);
    success(
        world,
        Updated {
            task_id: tasks.parent_task_id.clone(),
            tasks,
        },
    )
}

/// `RebootAndroidInstancesInGroup`
pub(super) fn reboot(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    on_all(world, form, Work::Restart)
}

/// `ResetAndroidInstancesInGroup`
pub(super) fn reset(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    on_all(world, form, Work::Reset)
}

fn on_all(world: &mut World, form: &Form, work: Work) -> Result<Bytes, Refusal> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Restarted {
        tasks: Tasks,
    }
    let phones = form.phones(world, "AndroidInstanceIds", PHONES)?;
    let tasks = Tasks::from(start(world, vec![(phones, work)])?);
    success(world, Restarted { tasks })
}

/// `ModifyAndroidInstance`: limits; there is no task.
pub(super) fn modify(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    let limit = |name: &str| match form.number(Place::Query, name)? {
        Some(megabits @ 0..=10_000) => {
            Ok(Some(f64::from(u16::try_from(megabits).unwrap_or(u16::MAX))))
        }
        Some(_) => invalid(name),
        None => Ok(None),
    };
    let (up, down) = (limit("UpBandwidthLimit")?, limit("DownBandwidthLimit")?);
    let phones = match form.text(Place::Query, "AndroidInstanceId") {
        Some(id) => match world.find(id) {
            Some(index) => vec![index],
            None => return invalid("AndroidInstanceId"),
        },
        None => form.phones(world, "InstanceIds", PHONES)?,
    };
    if up.is_none() && down.is_none() {
        return accepted(world);
    }
    for index in phones {
        let old = world.at(index).bandwidth.as_deref().copied();
        let old = old.unwrap_or(Bandwidth { up: 0.0, down: 0.0 });
        let limits = Bandwidth {
            up: up.unwrap_or(old.up),
            down: down.unwrap_or(old.down),
        };
        world.at_once(index, &Arc::new(Work::Bandwidth(limits)));
    }
    accepted(world)
}

/// `StartInstanceAdb`
pub(super) fn start_adb(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    adb(world, form, true)
}

/// `StopInstanceAdb`
pub(super) fn stop_adb(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    adb(world, form, false)
}

fn adb(world: &mut World, form: &Form, on: bool) -> Result<Bytes, Refusal> {
    let phones = form.phones(world, "InstanceIds", PHONES)?;
    let work = Arc::new(Work::Adb(on));
    for index in phones {
        world.at_once(index, &work);
    }
    accepted(world)
}

/// How long the vendor takes to take a file in.
const IMPORT: Duration = Duration::from_secs(8);

/// `CreateApp`: all six fields, as JSON in one parameter. The file can be installed after a while.
pub(super) fn create_app(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Custom {
        apk_size: String,
        download_url: String,
        md5: String,
        package_name: String,
        version: String,
        version_code: String,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Created {
        app_id: u64,
    }
    let name = form.need(Place::Query, "AppName")?;
    let text = form.need(Place::Query, "CustomAppInfo")?;
    let Ok(custom) = serde_json::from_str::<Custom>(text) else {
        return invalid("CustomAppInfo");
    };
    let Ok(code) = custom.version_code.parse() else {
        return invalid("CustomAppInfo.VersionCode");
    };
    if custom.apk_size.parse::<f64>().is_err() || custom.md5.is_empty() {
        return invalid("CustomAppInfo");
    }
    let app = App::new(&custom.package_name, name, &custom.version, code);
    let app_id = world.offers.iter().map(|offer| offer.id).max().unwrap_or(0) + 1;
    world.offer(app_id, app);
    if let Some(offer) = world.offers.last_mut() {
        offer.url = custom.download_url.into();
    }
    let import = Import {
        md5: custom.md5,
        ready: world.now.after(IMPORT),
    };
    with_books(world, |books| books.imports.insert(app_id, import));
    success(world, Created { app_id })
}
