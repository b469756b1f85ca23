//! The simulator over HTTP: axum over the same handler.
//!
//! Invariants: a lost or refused request ends in a dropped connection, without a byte of an answer; the world has acted before an answer is delayed.
//! Not here: what answers say (`armcloud`).

use super::{Handled, Outcome, Simulator};
use crate::time::clock::Clock;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::serve::{IncomingStream, Listener};
use bytes::Bytes;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// Largest request that is read.
const LARGEST: usize = 4 << 20;
/// How long connections may finish what they do after the stop.
const GRACE: Duration = Duration::from_millis(500);

/// Serves until `stop`.
///
/// # Errors
/// The listener fails.
pub async fn serve(
    simulator: Simulator,
    listener: TcpListener,
    clock: Arc<dyn Clock>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let app = Router::new().fallback(move |request: Request| {
        let (simulator, clock) = (simulator.clone(), Arc::clone(&clock));
        async move { respond(&simulator, clock.as_ref(), request).await }
    });
    let stopped = Arc::new(tokio::sync::Notify::new());
    let told = Arc::clone(&stopped);
    let server = axum::serve(
        Front { listener, address },
        app.into_make_service_with_connect_info::<Cut>(),
    )
    .with_graceful_shutdown(async move {
        stop.await;
        told.notify_one();
    });
    tokio::select! {
        result = server => result,
        () = async { stopped.notified().await; tokio::time::sleep(GRACE).await } => Ok(()),
    }
}

async fn respond(
    simulator: &Simulator,
    clock: &dyn Clock,
    request: Request,
) -> axum::response::Response {
    let cut = request.extensions().get::<ConnectInfo<Cut>>().cloned();
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else {
        return status(413);
    };
    let Handled { delay, outcome } =
        simulator.handle(&http::Request::from_parts(parts, body), clock.now());
    tokio::time::sleep(delay).await;
    match outcome {
        Outcome::Answer(answer) => answer.map(Body::from),
        Outcome::Endless => axum::response::Response::new(endless()),
        Outcome::Refused | Outcome::Lost => {
            if let Some(ConnectInfo(cut)) = cut {
                cut.0.store(true, Ordering::Release);
            }
            status(500)
        }
    }
}

/// An answer that never ends: spaces, before any JSON.
fn endless() -> Body {
    static SPACES: [u8; 64 * 1024] = [b' '; 64 * 1024];
    let chunk = Bytes::from_static(&SPACES);
    Body::from_stream(futures_util::stream::repeat_with(move || {
        Ok::<_, std::convert::Infallible>(chunk.clone())
    }))
}

fn status(code: u16) -> axum::response::Response {
    let mut answer = axum::response::Response::new(Body::empty());
    *answer.status_mut() = http::StatusCode::from_u16(code).unwrap_or_default();
    answer
}

/// Set when a connection is to be dropped.
#[derive(Clone, Debug, Default)]
struct Cut(Arc<AtomicBool>);

impl Connected<IncomingStream<'_, Front>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Front>) -> Self {
        stream.io().cut.clone()
    }
}

/// Accepts connections that can be dropped from within.
struct Front {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listener for Front {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    let cut = Cut::default();
                    // Answers are small; waiting for more to send would only delay them.
                    stream.set_nodelay(true).unwrap_or_default();
                    return (Line { stream, cut }, address);
                }
                // Out of file handles, most likely: they come back.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// One connection.
struct Line {
    stream: TcpStream,
    cut: Cut,
}

impl Line {
    fn check(&self) -> io::Result<()> {
        match self.cut.0.load(Ordering::Acquire) {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
