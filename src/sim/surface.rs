//! The simulator's registry: which surface answers for which provider, one line a vendor.
//!
//! Invariants: every provider kind is answered; a surface is pure functions over the world, the request and the time. Not here: the surfaces (a room each),
//! the network's faults (`super::receive`).

use super::rate::Standing;
use super::world::World;
use super::{alibaba, armcloud, koophone, zenlayer};
use crate::model::fleet::ProviderKind;
use crate::model::stamp::Timestamp;
use bytes::Bytes;

type Request = http::Request<Bytes>;
type Response = http::Response<Bytes>;

/// What a call is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// It only reads.
    Read,
    /// It asks about jobs.
    Poll,
    /// It can change phones, or what is stored for them.
    Mutation,
}

/// One vendor's side of the network.
pub(super) struct Surface {
    /// What codes of its phones begin with.
    pub(super) phone_prefix: &'static str,
    /// Keys that it accepts, by the names they have in an Account.
    pub(super) credentials: Keys,
    /// Other ways to sign in that it accepts, each whole.
    pub(super) other_credentials: &'static [Keys],
    /// The name a call is counted under, as the vendor writes it; unknown ones together.
    pub(super) call_name: fn(&Request) -> &'static str,
    /// What a call is counted as; `None`: unknown, or another service's, whose limits are its own.
    pub(super) class: fn(&Request) -> Option<Class>,
    /// The number of the job that one of the vendor's ids (of a job, or of what one call started) stands for on a phone.
    pub(super) job_named: fn(&World, &str, u32) -> Option<u64>,
    /// Answers a request that has arrived, and does what it asks.
    pub(super) answer: fn(&mut World, &Request) -> Response,
    /// The answer to one call too many.
    pub(super) throttled: fn(Timestamp, Standing, &Request) -> Response,
    /// Puts on an answer what every answer of the vendor carries.
    pub(super) dress: fn(Response, Standing, &Request) -> Response,
}

/// Credentials by the names they have in an Account.
pub(super) type Keys = &'static [(&'static str, &'static str)];

/// Where a vendor's surface keeps what only it knows. A world has one vendor, so one desk.
#[derive(Debug, Default)]
pub(super) enum Desk {
    /// Nothing yet, or nothing ever.
    #[default]
    Empty,
    /// KooPhone's tasks and tokens.
    KooPhone(Box<koophone::Desk>),
    /// Alibaba's nonces and batches of tasks.
    Alibaba(Box<alibaba::Books>),
    /// Zenlayer's stored commands.
    Zenlayer(Box<zenlayer::Store>),
}

/// The surface of a provider.
pub(super) fn of(kind: ProviderKind) -> &'static Surface {
    match kind {
        ProviderKind::ArmCloud | ProviderKind::VmosCloud | ProviderKind::VsPhone => {
            &armcloud::SURFACE
        }
        ProviderKind::Alibaba => &alibaba::SURFACE,
        ProviderKind::KooPhone => &koophone::SURFACE,
        ProviderKind::Zenlayer => &zenlayer::SURFACE,
    }
}

/// An answer of this status, content type and body.
pub(super) fn respond(status: u16, kind: &'static str, body: Bytes) -> Response {
    let mut response = http::Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static(kind),
    );
    response
}

/// A page that some proxy puts in the answer's place.
pub(super) fn html(status: u16, title: &str) -> Response {
    let page = format!(
        "<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    );
    respond(status, "text/html", Bytes::from(page))
}
