//! A transport that can be shut for requests that change something.
//!
//! Invariants: once it is shut, no request that may change anything leaves, whoever is in the middle of several; reads go on. Not here: when a program stops
//! (`daemon`).

use super::{Effect, Request, Response, Transport, TransportError};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The transport behind it, and whether it is shut.
pub struct Gate {
    inner: Arc<dyn Transport>,
    shut: AtomicBool,
}

impl Gate {
    /// Open, before this transport.
    pub fn new(inner: Arc<dyn Transport>) -> Self {
        Self {
            inner,
            shut: AtomicBool::new(false),
        }
    }

    /// From now on only reads leave.
    pub fn shut(&self) {
        self.shut.store(true, Ordering::SeqCst);
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate")
            .field("shut", &self.shut)
            .finish_non_exhaustive()
    }
}

impl Transport for Gate {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        match request.effect {
            Effect::Mutation if self.shut.load(Ordering::SeqCst) => {
                Box::pin(async { Err(TransportError::Shut) })
            }
            Effect::Mutation | Effect::Read => self.inner.send(request),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::time::Duration;

    struct Open;

    impl Transport for Open {
        fn send(&self, _: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
            Box::pin(async { Ok(Response::default()) })
        }
    }

    fn request(effect: Effect) -> Request {
        Request {
            http: ::http::Request::new(Bytes::new()),
            effect,
            deadline: Duration::from_secs(1),
            max_body: 1,
        }
    }

    #[tokio::test]
    async fn what_changes_something_stays_here_once_it_is_shut() {
        let gate = Gate::new(Arc::new(Open));
        assert!(gate.send(request(Effect::Mutation)).await.is_ok());
        gate.shut();
        assert!(gate.send(request(Effect::Read)).await.is_ok());
        let error = gate.send(request(Effect::Mutation)).await.unwrap_err();
        assert!(!error.may_have_left(), "{error}");
    }
}
