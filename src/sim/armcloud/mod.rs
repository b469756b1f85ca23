//! ArmCloud's surface and those of its sisters: paths, signatures, envelopes and error codes as their manuals describe them.
//!
//! Invariants: a request is checked in the vendor's order (path, signature, form, phones) and a refused one changes nothing; all that is written here comes
//! from the manual, never from our adapter. Not here: what work does (`job`), network faults (`super::receive`).

mod callback;
mod form;
mod lists;
mod read;
mod signature;
mod sister;
mod task;
mod wire;
mod write;

use super::rate::Standing;
use super::surface::{Class, Surface, respond};
use super::world::World;
use super::{ACCESS_KEY, SECRET_KEY};
use crate::model::stamp::Timestamp;
use bytes::Bytes;
use serde::Serialize;

pub(super) use callback::callback;
pub(super) use task::task_type;

/// Where the manuals disagree or builds differ, what this one does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Statuses, task ids and times come as text.
    pub numbers_as_text: bool,
    /// Calls for one phone answer an array, as calls for many do.
    pub one_phone_array: bool,
    /// `gpsInjectInfo` answers tasks in place of `true`.
    pub gps_task: bool,
    /// What a phone with an open job answers to another.
    pub busy: Busy,
    /// A batch with a phone that does not run is refused (110031); otherwise its task waits.
    pub refuse_unready: bool,
    /// Answers to submits lack `taskStatus`, as in the manual of 2024.
    pub no_task_status: bool,
    /// `task/list` is there, as in the manual of 2024.
    pub task_list: bool,
    /// The sisters: `queryPadIdChangeRecords` is there.
    pub code_changes: bool,
    /// Property lists are read in the other spelling (`imei`, `phonenum`, `SimOperatorName`).
    pub other_names: bool,
    /// `updateSIM` insists on the five cell fields.
    pub cell_required: bool,
    /// The output of commands stands in `errorMsg`.
    pub output_in_error: bool,
    /// Tasks that ended well carry an `errorMsg`.
    pub message_on_success: bool,
    /// `listInstalledApp` leaves system apps out.
    pub hide_system_apps: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            numbers_as_text: false,
            one_phone_array: false,
            gps_task: false,
            busy: Busy::Exists,
            refuse_unready: false,
            no_task_status: false,
            task_list: true,
            code_changes: true,
            other_names: false,
            cell_required: false,
            output_in_error: false,
            message_on_success: false,
            hide_system_apps: false,
        }
    }
}

/// What a phone with an open job answers to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// A row with `taskStatus` −1 and no task id.
    Exists,
    /// A row with `taskStatus` −1 and the id of the open job.
    ExistsWithId,
    /// The batch is refused with 220025.
    Refuse,
}

/// A call that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    code: u32,
    msg: String,
}

/// Refuses with this code.
fn refuse<T>(code: u32, msg: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal {
        code,
        msg: msg.into(),
    })
}

/// Does a call; the body of its answer.
type Handler = fn(&mut World, &[u8]) -> Result<Bytes, Refusal>;

/// A path, what its calls are counted as, and who answers them.
type Route = (&'static str, Class, Handler);

/// Every path of ArmCloud's own surface.
static ROUTES: [Route; 31] = [
    ("/openapi/open/pad/infos", Class::Read, read::infos),
    ("/openapi/open/pad/infos/new", Class::Read, read::infos_new),
    ("/openapi/open/pad/padDetails", Class::Read, read::details),
    ("/openapi/open/group/infos", Class::Read, read::groups),
    (
        "/openapi/open/pad/padProperties",
        Class::Read,
        read::properties_of_one,
    ),
    (
        "/openapi/open/pad/batchPadProperties",
        Class::Read,
        read::properties_of_many,
    ),
    (
        "/openapi/open/pad/listInstalledApp",
        Class::Read,
        read::installed_apps,
    ),
    (
        "/openapi/open/image/queryImageList",
        Class::Read,
        read::images,
    ),
    ("/file-center/open/app/list", Class::Read, read::app_list),
    (
        "/file-center/open/app/detail",
        Class::Read,
        read::app_detail,
    ),
    (
        "/task-center/open/task/padTaskDetail",
        Class::Poll,
        task::details,
    ),
    ("/task-center/open/task/list", Class::Poll, task::list),
    (
        "/openapi/open/pad/updateTimeZone",
        Class::Mutation,
        write::time_zone,
    ),
    (
        "/openapi/open/pad/updateLanguage",
        Class::Mutation,
        write::language,
    ),
    (
        "/openapi/open/pad/gpsInjectInfo",
        Class::Mutation,
        write::gps,
    ),
    ("/openapi/open/pad/updateSIM", Class::Mutation, write::sim),
    (
        "/openapi/open/pad/replacePadAndroidPropByCountry",
        Class::Mutation,
        write::sim_by_country,
    ),
    (
        "/openapi/open/pad/updatePadProperties",
        Class::Mutation,
        write::properties,
    ),
    (
        "/openapi/open/pad/updatePadAndroidProp",
        Class::Mutation,
        write::android_properties,
    ),
    (
        "/openapi/open/network/proxy/set",
        Class::Mutation,
        write::proxy,
    ),
    ("/openapi/open/pad/setSpeed", Class::Mutation, write::speed),
    (
        "/openapi/open/pad/openOnlineAdb",
        Class::Mutation,
        write::adb,
    ),
    (
        "/openapi/open/pad/asyncCmd",
        Class::Mutation,
        write::command,
    ),
    ("/openapi/open/pad/restart", Class::Mutation, write::restart),
    ("/openapi/open/pad/reset", Class::Mutation, write::reset),
    (
        "/openapi/open/pad/upgradeImage",
        Class::Mutation,
        write::upgrade,
    ),
    (
        "/openapi/open/pad/installApp",
        Class::Mutation,
        write::install,
    ),
    (
        "/openapi/open/pad/v3/uploadFile",
        Class::Mutation,
        write::push,
    ),
    (
        "/openapi/open/pad/uninstallApp",
        Class::Mutation,
        write::uninstall,
    ),
    ("/openapi/open/pad/startApp", Class::Mutation, write::start),
    ("/openapi/open/pad/stopApp", Class::Mutation, write::stop),
];

fn route(path: &str) -> Option<&'static Route> {
    let all = match sister::Sister::of(path) {
        Some(sister) => sister.routes(),
        None => &ROUTES,
    };
    all.iter().find(|(known, ..)| *known == path)
}

/// The surface, for the registry of surfaces.
pub(super) static SURFACE: Surface = Surface {
    phone_prefix: "AC3201",
    credentials: &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
    other_credentials: &[],
    call_name: |request| route(request.uri().path()).map_or("(unknown)", |(known, ..)| known),
    class: |request| route(request.uri().path()).map(|(_, class, _)| *class),
    job_named: |_, id, _| id.parse().ok(),
    answer,
    throttled: |now, standing, request| throttled(now, standing, request.uri().path()),
    dress: |answer, standing, request| with_standing(answer, standing, request.uri().path()),
};

/// Answers a request that has arrived.
fn answer(world: &mut World, request: &http::Request<Bytes>) -> http::Response<Bytes> {
    let path = request.uri().path();
    let Some((_, _, handler)) = route(path) else {
        return not_found(world.now, path);
    };
    let dialect = &world.spec.dialect;
    if path.ends_with("/task/list") && !dialect.task_list
        || path.ends_with(sister::CODE_CHANGES) && !dialect.code_changes
    {
        return not_found(world.now, path);
    }
    let sister = sister::Sister::of(path);
    if sister.is_some() && sister::is_older(request) {
        if let Err(refusal) = sister::check_older(request, world.now) {
            world.report.bad_signatures += 1;
            return json(401, refused(world.now, &refusal));
        }
    } else if let Err(refusal) = signature::check(request, world.now, world.spec.check_clock) {
        world.report.bad_signatures += 1;
        let refusal = match sister {
            Some(_) => sister::in_words_of_its_own(refusal),
            None => refusal,
        };
        return json(200, refused(world.now, &refusal));
    }
    let result = match *request.method() == http::Method::POST {
        true => handler(world, request.body()),
        false => refuse(100_012, "request method not supported"),
    };
    match result {
        Ok(body) => json(200, body),
        Err(refusal) => {
            let refusal = match sister {
                Some(_) => sister::in_words_of_its_own(refusal),
                None => refusal,
            };
            *world.report.refused.entry(refusal.code).or_default() += 1;
            json(200, refused(world.now, &refusal))
        }
    }
}

/// The envelope around every answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a, T> {
    msg: &'a str,
    code: u32,
    ts: i64,
    data: T,
    trace_id: &'a str,
}

fn trace(now: Timestamp, code: u32) -> String {
    let trace = crate::time::delay::hash("trace", u64::from(code), now.0.unsigned_abs());
    format!("{trace:016x}")
}

fn body<T: Serialize>(now: Timestamp, code: u32, msg: &str, data: T) -> Bytes {
    let trace = trace(now, code);
    let envelope = Envelope {
        msg,
        code,
        ts: now.0,
        data,
        trace_id: &trace,
    };
    serde_json::to_vec(&envelope)
        .map(Bytes::from)
        .unwrap_or_default()
}

/// A successful answer with this data.
fn success<T: Serialize>(world: &World, data: T) -> Result<Bytes, Refusal> {
    Ok(body(world.now, 200, "success", data))
}

/// The same with data that is JSON already.
fn success_written(world: &World, data: &str) -> Bytes {
    let (ts, trace) = (world.now.0, trace(world.now, 200));
    let parts = [
        "{\"msg\":\"success\",\"code\":200,\"ts\":",
        &ts.to_string(),
        ",\"data\":",
        data,
        ",\"traceId\":\"",
        &trace,
        "\"}",
    ];
    Bytes::from(parts.concat())
}

fn refused(now: Timestamp, refusal: &Refusal) -> Bytes {
    body(now, refusal.code, &refusal.msg, ())
}

fn json(status: u16, body: Bytes) -> http::Response<Bytes> {
    respond(status, "application/json;charset=UTF-8", body)
}

/// The answer to one call too many.
fn throttled(now: Timestamp, standing: Standing, path: &str) -> http::Response<Bytes> {
    if sister::Sister::of(path).is_some() {
        return json(200, refused(now, &sister::too_often()));
    }
    let refusal = Refusal {
        code: 429,
        msg: "Too many requests. Please try again later..".to_owned(),
    };
    let standing = Standing {
        remaining: 0,
        ..standing
    };
    with_standing(json(429, refused(now, &refusal)), standing, path)
}

/// Adds the rate limit headers that every answer of ArmCloud carries; the sisters' manuals know none.
fn with_standing(
    mut answer: http::Response<Bytes>,
    standing: Standing,
    path: &str,
) -> http::Response<Bytes> {
    if sister::Sister::of(path).is_some() {
        return answer;
    }
    let headers = answer.headers_mut();
    headers.insert("x-ratelimit-limit", standing.limit.into());
    headers.insert("x-ratelimit-remaining", standing.remaining.into());
    headers.insert("x-ratelimit-reset", standing.reset.into());
    headers.insert("x-ratelimit-type", http::HeaderValue::from_static("qps"));
    answer
}

fn not_found(now: Timestamp, path: &str) -> http::Response<Bytes> {
    #[derive(Serialize)]
    struct NotFound<'a> {
        timestamp: i64,
        status: u16,
        error: &'a str,
        path: &'a str,
    }
    let body = NotFound {
        timestamp: now.0,
        status: 404,
        error: "Not Found",
        path,
    };
    json(
        404,
        serde_json::to_vec(&body)
            .map(Bytes::from)
            .unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests;
