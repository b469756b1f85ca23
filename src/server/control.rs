//! The control socket of a running daemon: one line of JSON in, one line of JSON out.
//!
//! Who may connect is decided by the file's rights (0600, in the state folder). One connection may ask several times.
//!
//! Invariants: only the holder of the state folder's lock binds, so that an older socket file is stale and is replaced; lines, connections and waiting times are
//! bounded; a verb is answered once. Not here: what a verb does (`daemon`).

use crate::controller::progress::Progress;
use crate::model::id::OperationId;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Name of the socket in the state folder.
pub const SOCKET: &str = "control.sock";

/// Bytes of a request, at most.
const MOST_REQUEST: u64 = 16 << 10;

/// Bytes of an answer, at most (a status with 1,000 phones is some 200 kB).
const MOST_REPLY: u64 = 16 << 20;

/// Connections at once; more wait.
const MOST_CONNECTIONS: usize = 16;

/// A connection that says nothing for this long is closed.
const IDLE: Duration = Duration::from_secs(30);

/// A path of a socket longer than this does not fit into an address.
const MOST_PATH: usize = 100;

/// What a daemon can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Verb {
    /// A person tells what became of a parked operation.
    Resolve {
        /// Which operation.
        operation: OperationId,
        /// Whether it happened.
        happened: bool,
    },
    /// How the work stands.
    Status,
    /// Drain and end.
    Stop,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reply {
    /// It is done (for `Stop`: begun).
    Done,
    /// How the work stands.
    Status(Box<Progress>),
    /// It was not done; why, for people.
    Refused(String),
}

/// A verb that waits for its answer. Dropping `reply` closes the connection without one.
#[derive(Debug)]
pub struct Request {
    /// What is asked.
    pub verb: Verb,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Reply>,
}

/// The control socket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens there.
    #[error("no daemon runs on the state folder {0}")]
    NoDaemon(String),
    /// The socket cannot be made or reached.
    #[error("cannot {step} {path}")]
    Socket {
        /// What was tried.
        step: &'static str,
        /// The socket.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The daemon closed the connection, or what it said is no answer.
    #[error("the daemon gave no answer that this version knows")]
    NoAnswer,
    /// The daemon did not answer in time.
    #[error("the daemon did not answer within {} s", .0.as_secs())]
    TimedOut(Duration),
}

/// A bound control socket; its file goes when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Binds the socket in this state folder, whose lock the caller holds. Call inside a tokio runtime.
    ///
    /// # Errors
    /// The folder cannot be written, or its file system has no sockets.
    pub fn bind(folder: &Path) -> Result<Self, ControlError> {
        let path = folder.join(SOCKET);
        let new = folder.join("control.sock.new");
        let bind = || -> io::Result<UnixListener> {
            match fs::remove_file(&new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let listener = UnixListener::bind(Address::of(&new)?.path())?;
            // Under its own name only when nobody else can connect any more.
            fs::set_permissions(&new, Permissions::from_mode(0o600))?;
            fs::rename(&new, &path)?;
            Ok(listener)
        };
        let listener = bind().map_err(|source| ControlError::Socket {
            step: "listen on",
            path: path.display().to_string(),
            source,
        })?;
        Ok(Self { listener, path })
    }

    /// Hands requests over until nobody takes them any more. Ends when `requests` is closed; dropping the future closes all connections.
    pub async fn serve(self, requests: mpsc::Sender<Request>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = requests.closed() => return,
                Some(ended) = connections.join_next(), if !connections.is_empty() => {
                    if let Err(error) = ended {
                        tracing::warn!(%error, "A control connection ended badly.");
                    }
                }
                accepted = self.listener.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(converse(stream, requests.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "A control connection could not be accepted.");
                        // Out of file handles, most likely: let some come back.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.path));
    }
}

/// Answers one connection line by line until it ends, is idle, or says something that is no request.
async fn converse(mut stream: UnixStream, requests: mpsc::Sender<Request>) {
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    while let Ok(Some(line)) = timeout(IDLE, line(&mut read, MOST_REQUEST)).await {
        let (reply, last) = match serde_json::from_slice(&line) {
            Ok(verb) => match hand_over(verb, &requests).await {
                Some(reply) => (reply, false),
                None => return,
            },
            Err(error) => (Reply::Refused(format!("no request: {error}")), true),
        };
        let Ok(mut json) = serde_json::to_vec(&reply) else {
            return;
        };
        json.push(b'\n');
        if !matches!(timeout(IDLE, write.write_all(&json)).await, Ok(Ok(()))) || last {
            return;
        }
    }
}

async fn hand_over(verb: Verb, requests: &mpsc::Sender<Request>) -> Option<Reply> {
    let (reply, answer) = oneshot::channel();
    requests.send(Request { verb, reply }).await.ok()?;
    answer.await.ok()
}

/// One whole line without its end; `None`: the stream ended, failed, or the line is too long.
async fn line(read: &mut (impl AsyncRead + AsyncBufReadExt + Unpin), most: u64) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    read.take(most).read_until(b'\n', &mut line).await.ok()?;
    (line.pop() == Some(b'\n')).then_some(line)
}

/// Asks the daemon that runs on this state folder.
///
/// # Errors
/// No daemon runs there, it cannot be reached, or it does not answer within `patience`.
pub async fn ask(folder: &Path, verb: &Verb, patience: Duration) -> Result<Reply, ControlError> {
    timeout(patience, converse_once(folder, verb))
        .await
        .map_err(|_| ControlError::TimedOut(patience))?
}

async fn converse_once(folder: &Path, verb: &Verb) -> Result<Reply, ControlError> {
    let path = folder.join(SOCKET);
    let failed = |source: io::Error| {
        let kind = source.kind();
        if kind == io::ErrorKind::NotFound || kind == io::ErrorKind::ConnectionRefused {
            return ControlError::NoDaemon(folder.display().to_string());
        }
        ControlError::Socket {
            step: "reach",
            path: path.display().to_string(),
            source,
        }
    };
    let address = Address::of(&path).map_err(failed)?;
    let mut stream = UnixStream::connect(address.path()).await.map_err(failed)?;
    let mut json = serde_json::to_vec(verb).map_err(|error| failed(error.into()))?;
    json.push(b'\n');
    stream.write_all(&json).await.map_err(failed)?;
    let answer = line(&mut BufReader::new(stream), MOST_REPLY).await;
    answer
        .and_then(|json| serde_json::from_slice(&json).ok())
        .ok_or(ControlError::NoAnswer)
}

/// A path that fits into a socket's address: long ones are reached through the open folder.
struct Address {
    path: PathBuf,
    _folder: Option<File>,
}

impl Address {
    fn of(path: &Path) -> io::Result<Self> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if path.as_os_str().len() <= MOST_PATH {
            return Ok(Self {
                path: path.to_owned(),
                _folder: None,
            });
        }
        let folder = File::open(folder)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
        Ok(Self {
            path,
            _folder: Some(folder),
        })
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    /// A daemon that answers as told; it ends when it is dropped.
    fn daemon(folder: &Path, answer: fn(Verb) -> Option<Reply>) -> JoinSet<()> {
        let socket = ControlSocket::bind(folder).unwrap();
        let (sender, mut requests) = mpsc::channel::<Request>(1);
        let mut tasks = JoinSet::new();
        tasks.spawn(socket.serve(sender));
        tasks.spawn(async move {
            while let Some(Request { verb, reply }) = requests.recv().await {
                if let Some(answer) = answer(verb) {
                    reply.send(answer).unwrap();
                }
            }
        });
        tasks
    }

    fn polite(verb: Verb) -> Option<Reply> {
        Some(match verb {
            Verb::Status => Reply::Status(Box::new(Progress {
                phones: 7,
                needing: vec![(
                    crate::model::id::PhoneKey {
                        account: "hk".into(),
                        phone: "AC1".into(),
                    },
                    crate::model::condition::Reason::Absent,
                    "since yesterday".to_owned(),
                )],
                outcomes: [(crate::model::operation::Outcome::Verified, 3)].into(),
                ..Progress::default()
            })),
            Verb::Resolve { happened: true, .. } => Reply::Done,
            Verb::Resolve { operation, .. } => Reply::Refused(format!("{operation} is not parked")),
            Verb::Stop => return None,
        })
    }

    #[tokio::test]
    async fn verbs_are_answered() {
        let folder = tempfile::tempdir().unwrap();
        let _daemon = daemon(folder.path(), polite);
        let state = folder.path();
        let ask = |verb| async move { ask(state, &verb, PATIENCE).await };
        let folder_mode = fs::metadata(folder.path().join(SOCKET)).unwrap();
        assert_eq!(folder_mode.permissions().mode() & 0o777, 0o600);
        assert_eq!(Some(ask(Verb::Status).await.unwrap()), polite(Verb::Status));
        let resolve = |happened| Verb::Resolve {
            operation: OperationId(17),
            happened,
        };
        assert_eq!(ask(resolve(true)).await.unwrap(), Reply::Done);
        assert_eq!(
            ask(resolve(false)).await.unwrap(),
            Reply::Refused("op-17 is not parked".to_owned())
        );
        assert!(matches!(ask(Verb::Stop).await, Err(ControlError::NoAnswer)));
    }

    #[tokio::test]
    async fn without_a_daemon_one_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let missing = ask(folder.path(), &Verb::Status, PATIENCE).await;
        assert!(matches!(missing, Err(ControlError::NoDaemon(_))));
        drop(std::os::unix::net::UnixListener::bind(folder.path().join(SOCKET)).unwrap());
        let stale = ask(folder.path(), &Verb::Status, PATIENCE).await;
        assert!(matches!(stale, Err(ControlError::NoDaemon(_))));
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_ours_goes_with_us() {
        let folder = tempfile::tempdir().unwrap();
        drop(std::os::unix::net::UnixListener::bind(folder.path().join(SOCKET)).unwrap());
        fs::write(folder.path().join("control.sock.new"), "left over").unwrap();
        let mut daemon = daemon(folder.path(), polite);
        ask(folder.path(), &Verb::Status, PATIENCE).await.unwrap();
        daemon.shutdown().await;
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_daemon_that_is_silent_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let _socket = ControlSocket::bind(folder.path()).unwrap();
        let answer = ask(folder.path(), &Verb::Status, Duration::from_millis(50)).await;
        assert!(matches!(answer, Err(ControlError::TimedOut(_))));
    }

    #[tokio::test]
    async fn nonsense_is_refused_and_endless_lines_are_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let _daemon = daemon(folder.path(), polite);
        for nonsense in [
            "hello\n",
            "{\"status\":{\"x\":1}}\n",
            "{\"resolve\":{\"operation\":1,\"happened\":true,\"x\":1}}\n",
            "\"explode\"\n",
        ] {
            let mut stream = UnixStream::connect(folder.path().join(SOCKET))
                .await
                .unwrap();
            stream.write_all(nonsense.as_bytes()).await.unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).await.unwrap();
            assert!(
                said.starts_with("{\"refused\":\"no request"),
                "{nonsense}{said}"
            );
        }
        let mut stream = UnixStream::connect(folder.path().join(SOCKET))
            .await
            .unwrap();
        let endless = vec![b'x'; 1 << 20];
        drop(stream.write_all(&endless).await);
        let mut said = Vec::new();
        drop(stream.read_to_end(&mut said).await);
        assert!(said.is_empty());
        ask(folder.path(), &Verb::Status, PATIENCE).await.unwrap();
    }

    #[tokio::test]
    async fn one_connection_may_ask_twice_and_many_may_ask_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let _daemon = daemon(folder.path(), polite);
        let mut stream = UnixStream::connect(folder.path().join(SOCKET))
            .await
            .unwrap();
        stream
            .write_all(b"{\"resolve\":{\"operation\":1,\"happened\":true}}\n{\"resolve\":{\"operation\":2,\"happened\":true}}\n")
            .await
            .unwrap();
        let mut said = [0; 14];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"\"done\"\n\"done\"\n");
        let mut askers = JoinSet::new();
        for _ in 0..3 * MOST_CONNECTIONS {
            let folder = folder.path().to_owned();
            askers.spawn(async move { ask(&folder, &Verb::Status, PATIENCE).await.is_ok() });
        }
        assert!(askers.join_all().await.into_iter().all(|answered| answered));
    }

    #[tokio::test]
    async fn a_folder_with_a_long_name_will_do() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("x".repeat(120));
        fs::create_dir(&deep).unwrap();
        let _daemon = daemon(&deep, polite);
        ask(&deep, &Verb::Status, PATIENCE).await.unwrap();
    }
}
