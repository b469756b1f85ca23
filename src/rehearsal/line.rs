//! One process's way onto the network: how it waits for answers, and what it sees of requests that get none.
//!
//! Invariants: who is dead waits for ever; no answer is handed out after a request's deadline. Not here: what happens on the way (`network`).

use super::network::{Life, Network, Passage, Slot, lock};
use super::seam::Receiver;
use crate::model::stamp::Timestamp;
use crate::sim::{Handled, Outcome};
use crate::transport::{Response, Transport, TransportError};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

/// One process's way onto the network.
pub(super) struct Line {
    network: Network,
    life: Arc<Life>,
}

impl Line {
    /// The way of a process with this life; what takes its callbacks, if anything does.
    pub(super) fn new(network: &Network, life: &Arc<Life>, receiver: Option<Receiver>) -> Self {
        network.starts_anew(life, receiver);
        Self {
            network: network.clone(),
            life: Arc::clone(life),
        }
    }
}

impl Transport for Line {
    fn send(
        &self,
        request: crate::transport::Request,
    ) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            if self.life.is_dead() {
                return std::future::pending().await;
            }
            let deadline = request.deadline;
            match self.network.leave(&request, &self.life) {
                Passage::Dead => std::future::pending().await,
                Passage::Refused => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    Err(refused(&request))
                }
                Passage::Lost => {
                    tokio::time::sleep(deadline).await;
                    Err(TransportError::Timeout(deadline))
                }
                Passage::Sent(sent) => {
                    let answer = self.wait(&request, &sent.slot, sent.arrives).await;
                    self.network.answered(&sent);
                    if sent.fatal {
                        self.network.count("crash on an answer");
                        self.life.die();
                        return std::future::pending().await;
                    }
                    answer
                }
            }
        })
    }
}

impl Line {
    async fn wait(
        &self,
        request: &crate::transport::Request,
        slot: &Slot,
        arrives: Timestamp,
    ) -> Result<Response, TransportError> {
        let deadline = request.deadline;
        let way = arrives.since(self.network.now());
        if way >= deadline {
            tokio::time::sleep(deadline).await;
            return Err(TransportError::Timeout(deadline));
        }
        if !way.is_zero() {
            tokio::time::sleep(way).await;
            self.network.pump();
        }
        let Some(Handled { delay, outcome }) = lock(slot).take() else {
            return Err(TransportError::Broken("nothing came back".into()));
        };
        tokio::time::sleep(delay.min(deadline - way)).await;
        if delay >= deadline - way {
            return match outcome {
                Outcome::Refused => Err(refused(request)),
                Outcome::Answer(_) | Outcome::Lost | Outcome::Endless => {
                    Err(TransportError::Timeout(deadline))
                }
            };
        }
        match outcome {
            Outcome::Answer(answer) if answer.body().len() > request.max_body => {
                Err(TransportError::TooLarge(request.max_body))
            }
            Outcome::Answer(answer) => Ok(answer),
            Outcome::Refused => Err(refused(request)),
            Outcome::Endless => Err(TransportError::TooLarge(request.max_body)),
            Outcome::Lost => Err(TransportError::Broken("connection reset by peer".into())),
        }
    }
}

fn refused(request: &crate::transport::Request) -> TransportError {
    TransportError::Connect {
        endpoint: request.http.uri().host().unwrap_or_default().to_owned(),
        source: "connection refused".into(),
    }
}
