//! A transport that calls the simulator directly: no sockets, and virtual time under a paused clock.
//!
//! Invariants: the request arrives at once and outlives the client's wait; deadlines and size limits hold as over HTTP. Not here: what answers say.

use super::{Outcome, Simulator};
use crate::time::clock::Clock;
use crate::transport::{Request, Response, Transport, TransportError};
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// See [`Simulator::transport`].
#[derive(Clone)]
pub struct InProcess {
    simulator: Simulator,
    clock: Arc<dyn Clock>,
}

impl InProcess {
    pub(super) fn new(simulator: Simulator, clock: Arc<dyn Clock>) -> Self {
        Self { simulator, clock }
    }
}

impl Transport for InProcess {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let Request {
            http,
            effect: _,
            deadline,
            max_body,
        } = request;
        Box::pin(async move {
            let handled = self.simulator.handle(&http, self.clock.now());
            tokio::time::sleep(handled.delay.min(deadline)).await;
            if handled.delay >= deadline {
                return match handled.outcome {
                    Outcome::Refused => Err(refused(&http)),
                    Outcome::Answer(_) | Outcome::Lost | Outcome::Endless => {
                        Err(TransportError::Timeout(deadline))
                    }
                };
            }
            match handled.outcome {
                Outcome::Answer(answer) if answer.body().len() > max_body => {
                    Err(TransportError::TooLarge(max_body))
                }
                Outcome::Answer(answer) => Ok(answer),
                Outcome::Refused => Err(refused(&http)),
                Outcome::Endless => Err(TransportError::TooLarge(max_body)),
                Outcome::Lost => Err(TransportError::Broken("connection reset by peer".into())),
            }
        })
    }
}

fn refused(request: &http::Request<bytes::Bytes>) -> TransportError {
    let uri = request.uri();
    let scheme = uri.scheme_str().unwrap_or("http");
    let authority = uri
        .authority()
        .map_or("simulator", http::uri::Authority::as_str);
    TransportError::Connect {
        endpoint: format!("{scheme}://{authority}"),
        source: "connection refused".into(),
    }
}
