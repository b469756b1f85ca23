//! Zenlayer's surface: `zos` (stored commands and their runs) and `zec` (instances), as the vendor's reference and its SDK describe them.
//!
//! Invariants: a request is checked in the vendor's order (path, signature, action, parameters, instances) and a refused one changes nothing; all that is written
//! here comes from the vendor's pages, never from our adapter. Not here: what scripts do (`shell`), how jobs run (`course`), network faults (`super::receive`).

mod form;
mod proof;
mod store;
mod wire;
mod zec;
mod zos;

use super::rate::Standing;
use super::surface::{Class, Surface, respond};
use super::world::World;
use super::{ACCESS_KEY, SECRET_KEY};
use crate::model::stamp::Timestamp;
use crate::time::delay::hash;
use bytes::Bytes;
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::BTreeSet;

pub(super) use store::Store;

/// A personal access token that opens nothing but the simulator.
pub const TOKEN: &str = "simulated-token-opens-nothing";

/// What the vendor's pages leave open, and how this one is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// What times are ahead of UTC, in minutes; no answer tells.
    pub zone: i64,
    /// `totalCount` is 0, whatever there is, as in the manual's sample.
    pub no_totals: bool,
    /// Pages have no more rows than this, whatever was asked for.
    pub rows_at_most: Option<usize>,
    /// A run that ended well tells no exit status.
    pub no_exit_code: bool,
    /// Where the phone is within its instance.
    pub guest: Guest,
    /// Instances without a guest agent.
    pub without_agent: BTreeSet<SmolStr>,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            zone: 0,
            no_totals: true,
            rows_at_most: None,
            no_exit_code: false,
            guest: Guest::Itself,
            without_agent: BTreeSet::new(),
        }
    }
}

/// Where the phone is within its instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guest {
    /// The instance is the phone.
    Itself,
    /// In a container of this name, on Linux: reached with `docker exec NAME sh -c SCRIPT`.
    Container(SmolStr),
    /// Behind the debug bridge, under this serial number, on Linux: reached with `adb -s SERIAL shell SCRIPT`.
    Bridge(SmolStr),
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
type Handler = fn(&mut World, &[u8]) -> Result<Bytes, Refusal>;

/// One call of one of the services.
struct Route {
    /// Service and action, as calls are counted.
    name: &'static str,
    class: Class,
    handler: Handler,
}

const fn route(name: &'static str, class: Class, handler: Handler) -> Route {
    Route {
        name,
        class,
        handler,
    }
}

/// Every call of the surface.
static ROUTES: [Route; 8] = [
    route("zec/DescribeInstances", Class::Read, zec::instances),
    route("zec/DescribeInstancesStatus", Class::Read, zec::statuses),
    route("zos/DescribeCommands", Class::Read, zos::commands),
    route("zos/CreateCommand", Class::Mutation, zos::create),
    route("zos/ModifyCommand", Class::Mutation, zos::modify),
    route("zos/DeleteCommand", Class::Mutation, zos::delete),
    route("zos/InvokeCommand", Class::Mutation, zos::invoke),
    route("zos/DescribeCommandInvocations", Class::Poll, zos::runs),
];

/// What all paths begin with; the service follows.
const BASE: &str = "/api/v2/";

fn header<'a>(request: &'a http::Request<Bytes>, name: &str) -> &'a str {
    let value = request.headers().get(name);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// The call of a request: its path names the service, a header the action.
fn find(request: &http::Request<Bytes>) -> Option<&'static Route> {
    let service = request.uri().path().strip_prefix(BASE)?;
    let action = header(request, "x-zc-action");
    ROUTES
        .iter()
        .find(|route| route.name.split_once('/') == Some((service, action)))
}

/// The surface, for the registry of surfaces.
pub(super) static SURFACE: Surface = Surface {
    phone_prefix: "i-zec",
    credentials: &[("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
    other_credentials: &[&[("token", TOKEN)]],
    call_name: |request| find(request).map_or("(unknown)", |route| route.name),
    class: |request| find(request).map(|route| route.class),
    job_named: store::job_named,
    answer,
    throttled: |now, standing, _| throttled(now, standing),
    dress: |answer, _, _| answer,
};

/// The version a service is called in.
fn version(service: &str) -> Option<&'static str> {
    match service {
        "zos" => Some("2025-10-10"),
        "zec" => Some("2025-09-01"),
        _ => None,
    }
}

/// Answers a request that has arrived.
fn answer(world: &mut World, request: &http::Request<Bytes>) -> http::Response<Bytes> {
    let path = request.uri().path();
    let service = path.strip_prefix(BASE).unwrap_or_default();
    let Some(version) = version(service).filter(|_| request.method() == http::Method::POST) else {
        return respond(404, "text/html", Bytes::from_static(b"<h1>Not Found</h1>"));
    };
    if let Err(refusal) = proof::check(request, world.now, world.spec.check_clock) {
        world.report.bad_signatures += 1;
        return refused(world, &refusal);
    }
    let named = (
        header(request, "x-zc-service"),
        header(request, "x-zc-version"),
    );
    let result = match find(request) {
        Some(route) if named == (service, version) => (route.handler)(world, request.body()),
        Some(_) => refuse(
            400,
            "INVALID_PARAMETER_VALUE",
            format!("x-zc-service is {service} here, x-zc-version {version}"),
        ),
        None => refuse(
            403,
            "AUTHFAILURE_UNAUTHORIZED_OPERATION",
            "no such action, or no right to it",
        ),
    };
    match result {
        Ok(body) => respond(200, JSON, body),
        Err(refusal) => {
            let status = u32::from(refusal.status);
            *world.report.refused.entry(status).or_default() += 1;
            refused(world, &refusal)
        }
    }
}

const JSON: &str = "application/json";

/// The envelope of a successful answer. There is no second request id inside, as in the manual's sample.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a, T> {
    request_id: &'a str,
    response: T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    request_id: &'a str,
    code: &'a str,
    message: &'a str,
}

fn request_id(now: Timestamp, number: u64) -> String {
    let id = hash("request", number, now.0.unsigned_abs());
    format!("T{:08X}-{:04X}-{number:012X}", id >> 32, id & 0xffff)
}

fn written<T: Serialize>(value: &T) -> Bytes {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .unwrap_or_default()
}

/// A successful answer with this payload.
fn success<T: Serialize>(world: &World, response: T) -> Result<Bytes, Refusal> {
    let request_id = &request_id(world.now, world.call);
    Ok(written(&Envelope {
        request_id,
        response,
    }))
}

fn refused(world: &World, refusal: &Refusal) -> http::Response<Bytes> {
    let body = Failure {
        request_id: &request_id(world.now, world.call),
        code: refusal.code,
        message: &refusal.message,
    };
    respond(refusal.status, JSON, written(&body))
}

/// The answer to one call too many.
fn throttled(now: Timestamp, standing: Standing) -> http::Response<Bytes> {
    let body = Failure {
        request_id: &request_id(now, 0),
        code: "REQUEST_LIMIT_EXCEEDED",
        message: &format!("more than {} requests", standing.limit),
    };
    respond(429, JSON, written(&body))
}

impl World {
    /// How this vendor is set up, to be changed.
    pub fn zenlayer(&mut self) -> &mut Dialect {
        &mut store::of(self).dialect
    }

    /// Names of the stored commands, sorted.
    pub fn stored_commands(&mut self) -> Vec<SmolStr> {
        let mut names: Vec<SmolStr> = store::of(self)
            .commands
            .values()
            .map(|command| command.name.clone())
            .collect();
        names.sort_unstable();
        names
    }

    /// How many commands were ever stored.
    pub fn commands_ever_stored(&mut self) -> u64 {
        store::of(self).last_command
    }

    /// Somebody deletes every stored command behind the client's back.
    pub fn lose_stored_commands(&mut self) {
        store::of(self).commands.clear();
    }
}

#[cfg(test)]
mod tests;
