//! Alibaba Cloud Phone's surface: actions, signatures, envelopes and error codes as its manual and its official SDK have them.
//!
//! Invariants: a request is checked in the vendor's order (action, signature, parameters, phones) and a refused one changes nothing; all that is written here
//! comes from the vendor's pages, never from our adapter. Not here: what work does (`job`), network faults (`super::receive`).

mod form;
mod read;
mod signature;
mod task;
#[cfg(test)]
mod tests;
mod write;

use super::rate::Standing;
use super::surface::{Class, Desk, Surface, respond};
use super::world::World;
use super::{ACCESS_KEY, SECRET_KEY};
use crate::model::stamp::Timestamp;
use crate::time::delay::hash;
use bytes::Bytes;
use form::Form;
use serde::Serialize;
use std::collections::BTreeMap;

/// The security token that the surface takes from a temporary identity.
pub const SECURITY_TOKEN: &str = "simulated-security-token+/==";
/// Where all phones stand.
const REGION: &str = "cn-shanghai";
/// Longest target that the front takes.
const LONGEST_TARGET: usize = 8_192;

/// What only this surface keeps.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// Nonces that were used, and when.
    nonces: BTreeMap<String, Timestamp>,
    /// Calls that started tasks, by their first job.
    batches: BTreeMap<u64, Batch>,
    /// Apps that came by url, by their id.
    imports: BTreeMap<u64, Import>,
}

/// A call that started tasks.
#[derive(Clone, Debug)]
struct Batch {
    /// Number of tasks; their jobs follow each other.
    count: u64,
    /// The request that started them.
    request_id: String,
}

/// A file that was taken into the catalogue.
#[derive(Clone, Debug)]
struct Import {
    /// Its digest.
    md5: String,
    /// When it can be installed.
    ready: Timestamp,
}

/// A call that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    status: u16,
    code: &'static str,
    message: String,
}

/// Refuses with this status and code.
fn refuse<T>(status: u16, code: &'static str, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal {
        status,
        code,
        message: message.into(),
    })
}

/// Does a call; the body of its answer.
type Handler = fn(&mut World, &Form) -> Result<Bytes, Refusal>;

/// Every action of the surface, what its calls are counted as, and who answers them.
static ROUTES: [(&str, Class, Handler); 22] = [
    ("DescribeRegions", Class::Read, read::regions),
    ("DescribeAndroidInstances", Class::Read, read::instances),
    ("DescribeAndroidInstanceGroups", Class::Read, read::groups),
    ("DescribeApps", Class::Read, read::apps),
    ("DescribeImageList", Class::Read, read::images),
    ("ListInstanceAdbAttributes", Class::Read, read::adb),
    ("GetInstanceProperties", Class::Read, read::properties),
    ("DescribeTasks", Class::Poll, task::tasks),
    ("DescribeInvocations", Class::Poll, task::invocations),
    ("RunCommand", Class::Mutation, write::command),
    ("RunSyncCommand", Class::Mutation, write::command_now),
    ("InstallApp", Class::Mutation, write::install),
    ("UninstallApp", Class::Mutation, write::uninstall),
    ("OperateApp", Class::Mutation, write::operate),
    ("SendFile", Class::Mutation, write::send_file),
    ("UpdateInstanceImage", Class::Mutation, write::update_image),
    ("ModifyAndroidInstance", Class::Mutation, write::modify),
    ("StartInstanceAdb", Class::Mutation, write::start_adb),
    ("StopInstanceAdb", Class::Mutation, write::stop_adb),
    (
        "RebootAndroidInstancesInGroup",
        Class::Mutation,
        write::reboot,
    ),
    (
        "ResetAndroidInstancesInGroup",
        Class::Mutation,
        write::reset,
    ),
    ("CreateApp", Class::Mutation, write::create_app),
];

fn route(request: &http::Request<Bytes>) -> Option<&'static (&'static str, Class, Handler)> {
    let action = request.headers().get("x-acs-action")?.to_str().ok()?;
    ROUTES.iter().find(|(name, ..)| *name == action)
}

/// The surface, for the registry of surfaces.
pub(super) static SURFACE: Surface = Surface {
    phone_prefix: "acp-25nt4kk9w",
    credentials: &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
    other_credentials: &[&[
        ("accessKey", ACCESS_KEY),
        ("secretKey", SECRET_KEY),
        ("securityToken", SECURITY_TOKEN),
    ]],
    call_name: |request| route(request).map_or("(unknown)", |(name, ..)| name),
    class: |request| route(request).map(|(_, class, _)| *class),
    job_named: task::job_named,
    answer,
    throttled,
    dress: |answer, _, _| answer,
};

/// Answers a request that has arrived.
fn answer(world: &mut World, request: &http::Request<Bytes>) -> http::Response<Bytes> {
    let answer = match checked(world, request) {
        Ok(body) => respond(200, JSON, body),
        Err(refusal) => {
            *world
                .report
                .refused
                .entry(refusal.status.into())
                .or_default() += 1;
            refused(&refusal, &request_id(world))
        }
    };
    dated(answer, world.now)
}

fn checked(world: &mut World, request: &http::Request<Bytes>) -> Result<Bytes, Refusal> {
    let target = request.uri().path_and_query();
    if target.is_some_and(|target| target.as_str().len() > LONGEST_TARGET) {
        return refuse(414, "RequestUriTooLarge", "the request line is too long");
    }
    let Some((_, _, handler)) = route(request) else {
        return refuse(
            404,
            "InvalidApi.NotFound",
            "Specified api is not found, please check your url and method.",
        );
    };
    if request.uri().path() != "/" || request.method() != http::Method::POST {
        return refuse(
            404,
            "InvalidApi.NotFound",
            "Specified api is not found, please check your url and method.",
        );
    }
    if let Err(refusal) = signature::check(world, request) {
        world.report.bad_signatures += 1;
        return Err(refusal);
    }
    handler(world, &Form::of(request)?)
}

/// Looks into the surface's books, or writes them.
fn with_books<R>(world: &mut World, look: impl FnOnce(&mut Books) -> R) -> R {
    let desk = std::mem::take(&mut world.desk);
    let mut books = if let Desk::Alibaba(books) = desk {
        books
    } else {
        Box::default()
    };
    let found = look(&mut books);
    world.desk = Desk::Alibaba(books);
    found
}

/// How many tasks the call started whose first job this is.
fn batch_size(world: &World, first: u64) -> Option<u64> {
    let Desk::Alibaba(books) = &world.desk else {
        return None;
    };
    Some(books.batches.get(&first)?.count)
}

const JSON: &str = "application/json;charset=utf-8";

/// The envelope around every answer.
#[derive(Serialize)]
struct Envelope<'a, T> {
    #[serde(rename = "RequestId")]
    request_id: &'a str,
    #[serde(flatten)]
    payload: T,
}

/// The id of the request that is being answered.
fn request_id(world: &World) -> String {
    let half = |salt| hash("request", world.call.wrapping_add(salt), world.spec.seed);
    let (high, low) = (half(0), half(0x5eed));
    format!(
        "{:08X}-{:04X}-5{:03X}-8{:03X}-{:012X}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

/// A successful answer with this payload.
fn success<T: Serialize>(world: &World, payload: T) -> Result<Bytes, Refusal> {
    let envelope = Envelope {
        request_id: &request_id(world),
        payload,
    };
    Ok(serde_json::to_vec(&envelope)
        .map(Bytes::from)
        .unwrap_or_default())
}

/// A successful answer that says nothing but its id.
fn accepted(world: &World) -> Result<Bytes, Refusal> {
    #[derive(Serialize)]
    struct Nothing {}
    success(world, Nothing {})
}

fn refused(refusal: &Refusal, request_id: &str) -> http::Response<Bytes> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Words<'a> {
        host_id: &'a str,
        code: &'a str,
        message: &'a str,
        recommend: &'a str,
    }
    let envelope = Envelope {
        request_id,
        payload: Words {
            host_id: "eds-aic.cn-shanghai.aliyuncs.com",
            code: refusal.code,
            message: &refusal.message,
            recommend: "https://api.aliyun.com/troubleshoot",
        },
    };
    let body = serde_json::to_vec(&envelope).map(Bytes::from);
    respond(refusal.status, JSON, body.unwrap_or_default())
}

/// Every answer tells the time.
fn dated(mut answer: http::Response<Bytes>, now: Timestamp) -> http::Response<Bytes> {
    let text = jiff::Timestamp::from_millisecond(now.0)
        .unwrap_or_default()
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string();
    if let Ok(value) = http::HeaderValue::from_str(&text) {
        answer.headers_mut().insert(http::header::DATE, value);
    }
    answer
}

/// The answer to one call too many: a 400, with the time to wait in milliseconds.
fn throttled(
    now: Timestamp,
    standing: Standing,
    _request: &http::Request<Bytes>,
) -> http::Response<Bytes> {
    let refusal = Refusal {
        status: 400,
        code: "Throttling.User",
        message: "Request was denied due to user flow control.".to_owned(),
    };
    let wait = (standing.reset * 1000 - now.0).max(500);
    let mut answer = refused(&refusal, "00000000-0000-5000-8000-000000000000");
    answer
        .headers_mut()
        .insert("x-acs-retry-after", wait.into());
    dated(answer, now)
}
