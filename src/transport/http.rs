//! Real HTTP: one pooled client for all accounts.
//!
//! Invariants: one request leaves at most once (no redirects, no repetition); bodies are cut off at their limit while they arrive; at most
//! [`SOCKETS`] requests are under way, which keeps the process under 64 sockets; plain http only to this machine unless allowed.
//! Not here: what a request means, when it may be sent.

use super::{Request, Response, Transport, TransportError};
use bytes::BytesMut;
use futures_util::future::BoxFuture;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Requests under way at once, over all endpoints.
pub const SOCKETS: usize = 32;

/// How the client behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// Plain http to machines other than this one is allowed.
    pub allow_plain_http: bool,
    /// `HTTPS_PROXY` and its relatives are honoured; otherwise they are ignored.
    pub proxy_from_environment: bool,
    /// Name resolution, connection and TLS handshake may take this long.
    pub connect_timeout: Duration,
    /// Idle connections that are kept for one endpoint.
    pub max_idle_per_host: usize,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            allow_plain_http: false,
            proxy_from_environment: false,
            connect_timeout: Duration::from_secs(10),
            max_idle_per_host: SOCKETS,
        }
    }
}

/// The client cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the HTTP client")]
pub struct HttpSetupError(#[source] reqwest::Error);

/// Real HTTP over a pool of HTTP/1.1 connections.
#[derive(Debug)]
pub struct HttpTransport {
    client: reqwest::Client,
    sockets: Semaphore,
    allow_plain_http: bool,
}

impl HttpTransport {
    /// Builds the client; sends nothing.
    ///
    /// # Errors
    /// The TLS roots of this machine cannot be loaded.
    pub fn new(options: &HttpOptions) -> Result<Self, HttpSetupError> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("phonefleet/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .gzip(true)
            .tcp_nodelay(true)
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(options.max_idle_per_host);
        if !options.proxy_from_environment {
            builder = builder.no_proxy();
        }
        Ok(Self {
            client: builder.build().map_err(HttpSetupError)?,
            sockets: Semaphore::new(SOCKETS),
            allow_plain_http: options.allow_plain_http,
        })
    }

    async fn send_now(&self, request: Request) -> Result<Response, TransportError> {
        let endpoint = endpoint_of(request.http.uri());
        self.check_scheme(request.http.uri(), &endpoint)?;
        let outgoing =
            reqwest::Request::try_from(request.http).map_err(|source| TransportError::Connect {
                endpoint: endpoint.clone(),
                source: Box::new(source.without_url()),
            })?;
        let deadline = request.deadline;
        let max_body = request.max_body;
        // One deadline for waiting and sending; while no permit was given nothing has left.
        let started = AtomicBool::new(false);
        let exchange = async {
            let _permit = self.sockets.acquire().await;
            started.store(true, Ordering::Relaxed);
            self.exchange(outgoing, max_body).await
        };
        match tokio::time::timeout(deadline, exchange).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(failure)) => Err(failure.into_transport(endpoint, deadline)),
            Err(_) if started.load(Ordering::Relaxed) => Err(TransportError::Timeout(deadline)),
            Err(_) => Err(TransportError::Connect {
                endpoint,
                source: "all connections were in use until the deadline".into(),
            }),
        }
    }

    async fn exchange(
        &self,
        outgoing: reqwest::Request,
        max_body: usize,
    ) -> Result<Response, Failure> {
        let mut answer = self
            .client
            .execute(outgoing)
            .await
            .map_err(Failure::Client)?;
        if answer
            .content_length()
            .is_some_and(|length| length > u64::try_from(max_body).unwrap_or(u64::MAX))
        {
            return Err(Failure::TooLarge(max_body));
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(Failure::Body)? {
            if body.len() + chunk.len() > max_body {
                return Err(Failure::TooLarge(max_body));
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::new(body.freeze());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }

    fn check_scheme(&self, uri: &http::Uri, endpoint: &str) -> Result<(), TransportError> {
        let allowed = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => self.allow_plain_http || is_loopback(uri.host().unwrap_or_default()),
            Some(_) | None => false,
        };
        if allowed {
            return Ok(());
        }
        Err(TransportError::Connect {
            endpoint: endpoint.to_owned(),
            source: "only https is allowed (plain http to this machine alone)".into(),
        })
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(self.send_now(request))
    }
}

/// What went wrong, before it is known under which endpoint and deadline.
enum Failure {
    Client(reqwest::Error),
    Body(reqwest::Error),
    TooLarge(usize),
}

impl Failure {
    fn into_transport(self, endpoint: String, deadline: Duration) -> TransportError {
        match self {
            // Before the status line: only errors of building, resolving, connecting and TLS prove that nothing left.
            Self::Client(source) if source.is_connect() || source.is_builder() => {
                TransportError::Connect {
                    endpoint,
                    source: Box::new(source.without_url()),
                }
            }
            Self::Client(source) | Self::Body(source) if source.is_timeout() => {
                TransportError::Timeout(deadline)
            }
            Self::Client(source) | Self::Body(source) => {
                TransportError::Broken(Box::new(source.without_url()))
            }
            Self::TooLarge(limit) => TransportError::TooLarge(limit),
        }
    }
}

/// Scheme, host and port: what may be shown of a URL.
fn endpoint_of(uri: &http::Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("?");
    let host = uri.host().unwrap_or("?");
    match uri.port_u16() {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

/// Whether the host is this machine by its name or address alone.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Effect;
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinSet;

    /// Reads one request head and body; gives its text.
    async fn take_request(socket: &mut TcpStream) -> String {
        let mut seen = Vec::new();
        let mut chunk = [0_u8; 1024];
        loop {
            let n = socket.read(&mut chunk).await.unwrap();
            seen.extend_from_slice(&chunk[..n]);
            let text = String::from_utf8_lossy(&seen).into_owned();
            if n == 0 {
                return text;
            }
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head
                    .lines()
                    .find_map(|line| {
                        let (name, value) = line.split_once(':')?;
                        name.eq_ignore_ascii_case("content-length")
                            .then(|| value.trim().parse::<usize>().unwrap())
                    })
                    .unwrap_or(0);
                if body.len() >= length {
                    return text;
                }
            }
        }
    }

    /// Answers every connection with these bytes, then closes it; gives the requests it saw.
    struct Vendor {
        url: String,
        served: JoinSet<Vec<String>>,
    }

    impl Vendor {
        async fn answering(answer: &'static [u8], connections: usize, linger: Duration) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/path", listener.local_addr().unwrap());
            let mut served = JoinSet::new();
            served.spawn(async move {
                let mut seen = Vec::new();
                for _ in 0..connections {
                    let (mut socket, _) = listener.accept().await.unwrap();
                    seen.push(take_request(&mut socket).await);
                    let _ignored = socket.write_all(answer).await;
                    let _ignored = socket.flush().await;
                    tokio::time::sleep(linger).await;
                }
                seen
            });
            Self { url, served }
        }

        async fn seen(mut self) -> Vec<String> {
            self.served.join_next().await.unwrap().unwrap()
        }
    }

    fn request(url: &str) -> Request {
        Request {
            http: http::Request::post(url)
                .body(Bytes::from_static(b"{\"a\":1}"))
                .unwrap(),
            effect: Effect::Mutation,
            deadline: Duration::from_secs(5),
            max_body: 1024,
        }
    }

    fn transport() -> HttpTransport {
        HttpTransport::new(&HttpOptions::default()).unwrap()
    }

    #[tokio::test]
    async fn a_request_goes_out_as_it_is_and_the_answer_comes_back_whole() {
        let vendor = Vendor::answering(
            b"HTTP/1.1 200 OK\r\nx-kind: test\r\ncontent-length: 2\r\n\r\n{}",
            1,
            Duration::ZERO,
        )
        .await;
        let answer = transport().send(request(&vendor.url)).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["x-kind"], "test");
        assert_eq!(&answer.body()[..], b"{}");
        let seen = vendor.seen().await;
        assert!(
            seen[0].starts_with("POST /path HTTP/1.1\r\n"),
            "{}",
            seen[0]
        );
        assert!(seen[0].contains(concat!(
            "user-agent: phonefleet/",
            env!("CARGO_PKG_VERSION")
        )));
        assert!(seen[0].ends_with("{\"a\":1}"));
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let vendor = Vendor::answering(
            b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n",
            1,
            Duration::ZERO,
        )
        .await;
        let answer = transport().send(request(&vendor.url)).await.unwrap();
        assert_eq!(answer.status(), 302);
        assert_eq!(vendor.seen().await.len(), 1);
    }

    #[tokio::test]
    async fn an_answer_over_the_limit_is_cut_off_with_and_without_a_length() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n"[..],
            concat!(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
                "300\r\n"
            )
            .as_bytes(),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/", listener.local_addr().unwrap());
            let mut server = JoinSet::new();
            server.spawn(async move {
                let (mut socket, _) = listener.accept().await.unwrap();
                take_request(&mut socket).await;
                let _ignored = socket.write_all(answer).await;
                let block = [b'x'; 0x300];
                for _ in 0..4 {
                    let _ignored = socket.write_all(&block).await;
                    let _ignored = socket.write_all(b"\r\n300\r\n").await;
                }
                tokio::time::sleep(Duration::from_secs(5)).await;
            });
            let error = transport().send(request(&url)).await.unwrap_err();
            assert!(matches!(error, TransportError::TooLarge(1024)), "{error:?}");
            assert!(error.may_have_left());
        }
    }

    #[tokio::test]
    async fn silence_ends_at_the_deadline_and_may_have_left() {
        let vendor = Vendor::answering(
            b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{",
            1,
            Duration::from_secs(10),
        )
        .await;
        let mut slow = request(&vendor.url);
        slow.deadline = Duration::from_millis(200);
        let error = transport().send(slow).await.unwrap_err();
        assert!(matches!(error, TransportError::Timeout(_)), "{error:?}");
        assert!(error.may_have_left());
    }

    #[tokio::test]
    async fn a_connection_closed_in_the_middle_may_have_left_and_is_not_repeated() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{\"a\""[..],
            b"HTTP/1.1 200",
            b"",
        ] {
            let vendor = Vendor::answering(answer, 1, Duration::ZERO).await;
            let error = transport().send(request(&vendor.url)).await.unwrap_err();
            assert!(matches!(error, TransportError::Broken(_)), "{error:?}");
            assert!(error.may_have_left());
            assert_eq!(vendor.seen().await.len(), 1);
        }
    }

    #[tokio::test]
    async fn a_refused_connection_and_an_unknown_name_cannot_have_left() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        for url in [closed.as_str(), "https://no-such-host.invalid/x"] {
            let error = transport().send(request(url)).await.unwrap_err();
            assert!(
                matches!(error, TransportError::Connect { .. }),
                "{url}: {error:?}"
            );
            assert!(!error.may_have_left());
        }
    }

    #[tokio::test]
    async fn tls_that_fails_cannot_have_left() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        server.spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ignored = socket.write_all(b"this is no TLS server hello").await;
        });
        let error = transport().send(request(&url)).await.unwrap_err();
        assert!(matches!(error, TransportError::Connect { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn plain_http_is_for_this_machine_only() {
        let error = transport()
            .send(request("http://vendor.example/x"))
            .await
            .unwrap_err();
        assert!(!error.may_have_left());
        assert_eq!(error.to_string(), "cannot connect to http://vendor.example");
        assert!(is_loopback("localhost") && is_loopback("127.8.0.1") && is_loopback("[::1]"));
        assert!(!is_loopback("10.0.0.1") && !is_loopback("localhost.example"));
    }

    #[tokio::test]
    async fn no_more_requests_under_way_than_sockets_and_those_that_wait_in_vain_have_not_left() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut open = Vec::new();
            let patience = Duration::from_secs(1);
            while let Ok(Ok((socket, _))) = tokio::time::timeout(patience, listener.accept()).await
            {
                open.push(socket);
            }
            open.len()
        });
        let transport = std::sync::Arc::new(transport());
        let send = |deadline| {
            let (transport, mut request) = (transport.clone(), request(&url));
            request.deadline = deadline;
            async move { transport.send(request).await.unwrap_err() }
        };
        let mut first = JoinSet::new();
        for _ in 0..SOCKETS {
            first.spawn(send(Duration::from_secs(3)));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        for _ in 0..5 {
            let error = send(Duration::from_millis(20)).await;
            assert!(!error.may_have_left(), "{error:?}");
        }
        while let Some(error) = first.join_next().await {
            assert!(error.unwrap().may_have_left());
        }
        assert_eq!(server.join_next().await.unwrap().unwrap(), SOCKETS);
    }
}
