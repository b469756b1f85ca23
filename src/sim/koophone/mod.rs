//! KooPhone's surface, and the part of the identity service (IAM) that gives tokens for it: paths, tokens and signatures, envelopes and error codes as the
//! manuals describe them.
//!
//! Invariants: a request is checked in the gateway's order (path, who asks, form, phones) and a refused one changes nothing; most refusals come with HTTP
//! status 200; all that is written here comes from the manuals, never from our adapter. Not here: what work does (`job`), network faults (`super::receive`).

mod desk;
mod form;
mod read;
mod signature;
mod task;
mod tokens;
mod wire;

use super::rate::Standing;
use super::surface::{Class, Surface, respond};
use super::world::World;
use super::{ACCESS_KEY, SECRET_KEY};
use crate::model::stamp::Timestamp;
use crate::time::delay::hash;
use bytes::Bytes;
use http::{HeaderValue, Method};
use serde::Serialize;

pub(super) use desk::Desk;
pub use tokens::{DOMAIN, PASSWORD, PROJECT, USERNAME};

/// The fake temporary keys' token, if one is sent beside them.
pub const SECURITY_TOKEN: &str = "simulated-security-token";

/// The surface, for the registry of surfaces.
pub(super) static SURFACE: Surface = Surface {
    phone_prefix: "a",
    credentials: &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
    other_credentials: &[
        &[
            ("accessKey", ACCESS_KEY),
            ("secretKey", SECRET_KEY),
            ("securityToken", SECURITY_TOKEN),
        ],
        // With `options: { iamEndpoint: … }`: tokens come from the surface's own address.
        &[
            ("username", USERNAME),
            ("password", PASSWORD),
            ("domain", DOMAIN),
            ("project", PROJECT),
        ],
    ],
    call_name: |request| Call::of(request).map_or("(unknown)", Call::name),
    class: |request| Call::of(request)?.class(),
    job_named: task::job_named,
    answer,
    throttled: |now, _, _| {
        gateway(
            now,
            429,
            "APIGW.0308",
            "The throttling threshold has been reached: policy user over ratelimit",
        )
    },
    dress: |answer, standing, _| dressed(answer, standing),
};

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Token,
    Listing,
    Status,
    Apps,
    Task,
    Command,
    SyncCommand,
    Install,
    Reboot,
}

impl Call {
    /// By method and path.
    fn of(request: &http::Request<Bytes>) -> Option<Self> {
        let path = request.uri().path();
        if path == "/v3/auth/tokens" {
            return (request.method() == Method::POST).then_some(Self::Token);
        }
        let rest = path.strip_prefix("/v1/instances/")?;
        let (read, post) = (
            request.method() == Method::GET,
            request.method() == Method::POST,
        );
        match rest {
            "batch-query" if read => Some(Self::Listing),
            "batch-query-status" if post => Some(Self::Status),
            "async-command" if post => Some(Self::Command),
            "sync-command" if post => Some(Self::SyncCommand),
            "app/install" if post => Some(Self::Install),
            "reboot" if post => Some(Self::Reboot),
            _ if read => match rest.split('/').collect::<Vec<_>>()[..] {
                ["tasks", id] if !id.is_empty() => Some(Self::Task),
                [id, "app-list"] if !id.is_empty() => Some(Self::Apps),
                _ => None,
            },
            _ => None,
        }
    }

    /// The name it is counted under.
    fn name(self) -> &'static str {
        match self {
            Self::Token => "v3/auth/tokens",
            Self::Listing => "batch-query",
            Self::Status => "batch-query-status",
            Self::Apps => "app-list",
            Self::Task => "tasks",
            Self::Command => "async-command",
            Self::SyncCommand => "sync-command",
            Self::Install => "app/install",
            Self::Reboot => "reboot",
        }
    }

    /// What it is counted as. Tokens are another service's, with limits of its own.
    fn class(self) -> Option<Class> {
        match self {
            Self::Token => None,
            Self::Listing | Self::Status | Self::Apps => Some(Class::Read),
            Self::Task => Some(Class::Poll),
            Self::Command | Self::SyncCommand | Self::Install | Self::Reboot => {
                Some(Class::Mutation)
            }
        }
    }
}

/// The data of a successful answer, as JSON; empty where it has none.
#[derive(Default)]
struct Told(Vec<u8>);

/// A call that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    status: u16,
    number: u32,
    msg: String,
}

/// Refuses with this code, and the HTTP status that the vendor's table gives it.
fn refuse<T>(number: u32, msg: impl Into<String>) -> Result<T, Refusal> {
    let status = match number {
        1000..=1002 | 1323 | 4001 => 400,
        9999 => 500,
        _ => 200,
    };
    Err(Refusal {
        status,
        number,
        msg: msg.into(),
    })
}

/// Answers a request that has arrived.
fn answer(world: &mut World, request: &http::Request<Bytes>) -> http::Response<Bytes> {
    let now = world.now;
    let Some(call) = Call::of(request) else {
        return gateway(
            now,
            404,
            "APIGW.0101",
            "The API does not exist or has not been published in the environment",
        );
    };
    if call == Call::Token {
        return tokens::answer(world, request.body());
    }
    if let Err(why) = authorised(world, request) {
        world.report.bad_signatures += 1;
        let words = format!("Incorrect IAM authentication information: {why}");
        return gateway(now, 401, "APIGW.0301", &words);
    }
    let inside = call == Call::Listing;
    match told(world, call, request) {
        Ok(Told(data)) => json(now, 200, success(inside, &data)),
        Err(refusal) => {
            *world.report.refused.entry(refusal.number).or_default() += 1;
            json(now, refusal.status, refused(inside, &refusal))
        }
    }
}

/// Whether a token that is valid or a right signature comes with a request.
fn authorised(world: &mut World, request: &http::Request<Bytes>) -> Result<(), &'static str> {
    if request.headers().contains_key("authorization") {
        return signature::check(request, world.now, world.spec.check_clock);
    }
    let token = request.headers().get("x-auth-token");
    match token.and_then(|token| token.to_str().ok()) {
        Some(token) => tokens::check(world, token),
        None => Err("authorization header missing"),
    }
}

/// Does a call; the data of its answer.
fn told(world: &mut World, call: Call, request: &http::Request<Bytes>) -> Result<Told, Refusal> {
    let query = form::query(request);
    let given = match call {
        Call::Listing => query.contains_key("x-request-id"),
        Call::Token
        | Call::Status
        | Call::Apps
        | Call::Task
        | Call::Command
        | Call::SyncCommand
        | Call::Install
        | Call::Reboot => request.headers().contains_key("x-request-id"),
    };
    if !given {
        return refuse(2, "x-request-id is missing");
    }
    let body = request.body();
    let path = request.uri().path();
    let part = |place| form::decoded(path.split('/').nth(place).unwrap_or_default());
    match call {
        Call::Token => refuse(9999, "not here"),
        Call::Listing => read::listing(world, &query),
        Call::Status => read::status(world, body),
        Call::Apps => read::apps(world, &part(3), &query),
        Call::Task => task::detail(world, &part(4)),
        Call::Command => task::command(world, body),
        Call::SyncCommand => task::sync_command(world, body),
        Call::Install => task::install(world, body),
        Call::Reboot => task::reboot(world, body),
    }
}

/// A successful answer; that of the listing has its code inside of the data.
fn success(inside: bool, data: &[u8]) -> Bytes {
    let head: &[u8] = match (inside, data.is_empty()) {
        (true, _) => b"{\"data\":",
        (false, true) => b"{\"error_code\":\"0\",\"error_msg\":\"success\"",
        (false, false) => b"{\"error_code\":\"0\",\"error_msg\":\"success\",\"data\":",
    };
    Bytes::from([head, data, b"}"].concat())
}

fn refused(inside: bool, refusal: &Refusal) -> Bytes {
    let error_code = &format!("KOOPHONE.API.{:04}", refusal.number);
    let data = wire::Refused {
        error_code,
        error_msg: &refusal.msg,
    };
    match inside {
        true => written(&wire::Inside { data }),
        false => written(&data),
    }
}

fn written<T: Serialize>(body: &T) -> Bytes {
    serde_json::to_vec(body)
        .map(Bytes::from)
        .unwrap_or_default()
}

/// An answer of the gateway's own.
fn gateway(now: Timestamp, status: u16, code: &str, words: &str) -> http::Response<Bytes> {
    let body = serde_json::json!({
        "error_code": code,
        "error_msg": words,
        "request_id": format!("{:016x}", hash("request", 0, now.0.unsigned_abs())),
    });
    json(now, status, written(&body))
}

/// An answer with the date it is made at.
fn json(now: Timestamp, status: u16, body: Bytes) -> http::Response<Bytes> {
    let mut response = respond(status, "application/json", body);
    let date = jiff::Timestamp::from_millisecond(now.0)
        .ok()
        .and_then(|now| {
            jiff::fmt::rfc2822::DateTimePrinter::new()
                .timestamp_to_rfc9110_string(&now)
                .ok()
        })
        .and_then(|date| HeaderValue::from_str(&date).ok());
    if let Some(date) = date {
        response.headers_mut().insert(http::header::DATE, date);
    }
    response
}

/// The gateway tells how many calls are left.
fn dressed(mut answer: http::Response<Bytes>, standing: Standing) -> http::Response<Bytes> {
    let words = format!(
        "remain:{},limit:{},time:1 second",
        standing.remaining, standing.limit
    );
    if let Ok(words) = HeaderValue::from_str(&words) {
        answer.headers_mut().insert("x-ratelimit-user", words);
    }
    answer
}

#[cfg(test)]
mod tests;
