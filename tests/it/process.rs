//! The real binary as a process, and a simulated vendor that it reaches over loopback HTTP.
//!
//! Invariants: every test has its own folder and environment; the vendor lives in this process, so that a test can look at its phones. Not here: assertions
//! about phones.

use phonefleet::sim::{ACCESS_KEY, SECRET_KEY, Simulator, Spec, front};
use phonefleet::time::clock::{Clock, TokioClock};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A simulated vendor that listens on loopback until it is dropped.
pub(crate) struct Vendor {
    pub(crate) sim: Simulator,
    pub(crate) address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Vendor {
    /// Begins to listen.
    pub(crate) fn listening(spec: Spec) -> Self {
        let (told, ready) = std::sync::mpsc::channel();
        let (stop, mut stopped) = watch::channel(false);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let clock: Arc<dyn Clock> = Arc::new(TokioClock::system());
                let sim = Simulator::new(spec, clock.now());
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                told.send((sim.clone(), listener.local_addr().unwrap()))
                    .unwrap();
                let asked = async move {
                    drop(stopped.wait_for(|stop| *stop).await);
                };
                front::serve(sim, listener, clock, asked).await.unwrap();
            });
        });
        let (sim, address) = ready.recv().unwrap();
        Self {
            sim,
            address,
            stop,
            thread: Some(thread),
        }
    }

    /// Its endpoint.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Listens no longer; the world stays.
    pub(crate) fn close(mut self) -> Simulator {
        self.end();
        self.sim.clone()
    }

    fn end(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        self.end();
    }
}

/// A folder with manifests, secrets and state, for the binary.
pub(crate) struct Desk {
    pub(crate) folder: tempfile::TempDir,
}

impl Desk {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// One whose Account `lab` has this endpoint, and whose Group `all` wishes this (lines indented by two below `spec`).
    pub(crate) fn with_fleet(endpoint: &str, rest: &str) -> Self {
        let desk = Self::new();
        desk.account(endpoint, ACCESS_KEY, SECRET_KEY);
        desk.write(
            "fleet/group.yaml",
            &format!(
                "apiVersion: phonefleet/v1alpha1\nkind: Group\nmetadata: {{ name: all }}\nspec:\n  phones: {{ accounts: [lab] }}\n{rest}"
            ),
        );
        desk
    }

    /// Writes the Account with its keys in files.
    pub(crate) fn account(&self, endpoint: &str, access: &str, secret: &str) {
        self.write("secret/access", access);
        self.write("secret/key", secret);
        let folder = self.folder.path().display();
        self.write(
            "fleet/account.yaml",
            &format!(
                "apiVersion: phonefleet/v1alpha1\nkind: Account\nmetadata: {{ name: lab }}\nspec:\n  provider: armcloud\n  endpoint: {endpoint}\n  credentials:\n    accessKey: {{ file: {folder}/secret/access }}\n    secretKey: {{ file: {folder}/secret/key }}\n  limits: {{ pollInterval: 200ms }}\n"
            ),
        );
    }

    /// Writes a file below the folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A path below the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The binary with these arguments on this folder's manifests and state.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = phonefleet(self.folder.path());
        command
            .args(args)
            .arg("--state-dir")
            .arg(self.path("state"));
        if !matches!(args.first(), Some(&"resolve" | &"status")) {
            command.arg("-f").arg(self.path("fleet"));
        }
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }
}

/// The binary, with an environment that holds nothing of the caller's.
pub(crate) fn phonefleet(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_phonefleet"));
    command
        .env_clear()
        .env("HOME", folder)
        .current_dir(folder)
        .stdin(Stdio::null());
    command
}

/// What it wrote to stdout.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What it wrote to stderr.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// It ended with this code.
#[track_caller]
pub(crate) fn ends_with(output: &Output, code: i32) {
    assert_eq!(
        output.status.code(),
        Some(code),
        "stdout:\n{}\nstderr:\n{}",
        stdout(output),
        stderr(output)
    );
}

/// A number from the environment, for runs of another size.
pub(crate) fn wanted(name: &str, default: u32) -> u32 {
    let text = std::env::var_os(name).and_then(|text| text.into_string().ok());
    text.map_or(default, |text| text.parse().unwrap())
}
