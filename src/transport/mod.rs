//! One HTTP call, done well: the request as data, the trait that sends it, real HTTP, in-process, and signing primitives.
//!
//! Invariants: an error says whether the request can have left; bodies are bounded; redirects are not followed; nothing here says "phone".
//! Not here: budgets (`time`), repetition (`controller`: a read that failed is simply due again), meaning of answers (`provider`).

pub mod gate;
pub mod http;
pub mod sign;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::time::Duration;

/// Whether a request changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It only reads.
    Read,
    /// It may change something.
    Mutation,
}

/// One request, complete and signed.
#[derive(Debug)]
pub struct Request {
    /// Method, absolute URL, headers and body bytes exactly as they go out.
    pub http: ::http::Request<Bytes>,
    /// Whether it changes anything.
    pub effect: Effect,
    /// Deadline from the moment it is sent to the last byte of the answer.
    pub deadline: Duration,
    /// Largest answer that is read.
    pub max_body: usize,
}

/// One complete answer.
pub type Response = ::http::Response<Bytes>;

/// There is no complete answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The request cannot have left: name not resolved, connection or TLS refused, malformed URL.
    #[error("cannot connect to {endpoint}")]
    Connect {
        /// Scheme, host and port.
        endpoint: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The request did not leave, because the program stops.
    #[error("nothing that changes something leaves any more: the program stops")]
    Shut,
    /// The deadline passed after the request may have left.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The connection broke after the request may have left.
    #[error("the connection broke before the answer was complete")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is larger than allowed.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

impl TransportError {
    /// Whether the request can have reached the vendor.
    pub fn may_have_left(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Shut => false,
            Self::Timeout(_) | Self::Broken(_) | Self::TooLarge(_) => true,
        }
    }
}

/// Sends one request once.
pub trait Transport: Send + Sync {
    /// Sends the request and reads the whole answer.
    ///
    /// # Guarantees
    /// At most one request leaves; an error tells whether it can have left.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>>;
}
