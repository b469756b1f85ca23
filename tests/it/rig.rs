//! A fleet to try things on: a simulated vendor, manifests in a temporary folder, and sessions over both, in virtual or real time.
//!
//! Invariants: nothing of ours is replaced but the way requests travel and the clock. Not here: assertions.

use phonefleet::controller::progress::Progress;
use phonefleet::daemon::{DaemonError, Ending, Options, ProgressSink, Session};
use phonefleet::journal::JournalError;
use phonefleet::model::settings::Settings;
use phonefleet::model::stamp::Timestamp;
use phonefleet::plan::phone::Approval;
use phonefleet::plan::preview::Plan;
use phonefleet::sim::{Simulator, Spec};
use phonefleet::time::clock::{Clock, TokioClock};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// 2027-01-15T08:00:00Z.
pub(crate) const BEGINNING: Timestamp = Timestamp(1_800_000_000_000);

/// A simulated vendor and a folder of manifests.
pub(crate) struct Rig {
    pub(crate) sim: Simulator,
    pub(crate) clock: TokioClock,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) settings: Settings,
}

impl Rig {
    /// A rig in the time of the runtime it is made in.
    pub(crate) fn new(spec: Spec) -> Self {
        let clock = TokioClock::starting_at(BEGINNING);
        let rig = Self {
            sim: Simulator::new(spec, clock.now()),
            clock,
            folder: tempfile::tempdir().unwrap(),
            settings: Settings::default(),
        };
        for (name, key) in rig.sim.keys() {
            rig.write(&format!("secret/{name}"), key);
        }
        rig
    }

    /// Writes a file below the rig's folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The folder of manifests.
    pub(crate) fn fleet(&self) -> PathBuf {
        self.folder.path().join("fleet")
    }

    /// The state folder.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Writes the Account with these limits (YAML flow mapping or nothing) and endpoint.
    pub(crate) fn account(&self, limits: &str) {
        let limits = if limits.is_empty() {
            String::new()
        } else {
            format!("  limits: {limits}\n")
        };
        self.account_at("armcloud", &limits);
    }

    /// Writes the Account at this provider with these further lines of its spec (indented by two).
    pub(crate) fn account_at(&self, provider: &str, more: &str) {
        let folder = self.folder.path().display();
        let credentials: String = self
            .sim
            .keys()
            .iter()
            .map(|(name, _)| format!("    {name}: {{ file: {folder}/secret/{name} }}\n"))
            .collect();
        self.write(
            "fleet/account.yaml",
            &format!(
                "apiVersion: phonefleet/v1alpha1\nkind: Account\nmetadata: {{ name: lab }}\nspec:\n  provider: {provider}\n  endpoint: http://127.0.0.1:1\n  credentials:\n{credentials}{more}"
            ),
        );
    }

    /// Writes a Group named `all` with this `desired` (indented by four) and these further lines of its spec (indented by two).
    pub(crate) fn group(&self, desired: &str, more: &str) {
        self.write(
            "fleet/group.yaml",
            &format!(
                "apiVersion: phonefleet/v1alpha1\nkind: Group\nmetadata: {{ name: all }}\nspec:\n  phones: {{ accounts: [lab] }}\n{more}  desired:\n{desired}"
            ),
        );
    }

    /// Writes the App manifests `maps` (catalogue id 501) and `chat` (502).
    pub(crate) fn apps(&self) {
        self.write(
            "fleet/apps.yaml",
            "apiVersion: phonefleet/v1alpha1\nkind: App\nmetadata: { name: maps }\nspec:\n  package: com.example.maps\n  version: { exact: 1.4.2 }\n  sources: [{ account: lab, appId: \"501\" }]\n---\napiVersion: phonefleet/v1alpha1\nkind: App\nmetadata: { name: chat }\nspec:\n  package: com.example.chat\n  sources: [{ account: lab, appId: \"502\" }]\n",
        );
    }

    /// The fleet the targets are measured with: time zone, language, proxy, one property, two apps in, one out.
    pub(crate) fn standard(&self, limits: &str) {
        self.account(limits);
        self.apps();
        self.group(STANDARD, "");
    }

    /// Options of a session over the simulator, in-process; `durable`: with a state folder.
    pub(crate) fn options(&self, durable: bool) -> Options {
        let clock: Arc<dyn Clock> = Arc::new(self.clock);
        Options {
            manifests: vec![self.fleet()],
            state_dir: Some(self.state()),
            settings: self.settings.clone(),
            select: Vec::new(),
            transport: Some(Arc::new(self.sim.transport(Arc::clone(&clock)))),
            allow_plain_http: false,
            command: "apply",
            clock: Some(clock),
            in_memory: !durable,
        }
    }

    /// A session over the simulator.
    pub(crate) async fn session(&self, durable: bool) -> Session {
        open(&self.options(durable), durable).await
    }

    /// Plans and applies everything that the plan shows.
    pub(crate) async fn apply(&self, session: &mut Session) -> (Plan, Ending) {
        let plan = session.preview(quiet()).await.unwrap();
        let ending = session
            .apply(yes(&plan), Some(Duration::from_secs(6 * 3600)), quiet())
            .await
            .unwrap();
        (plan, ending)
    }

    /// Applies without asking for costly work.
    pub(crate) async fn apply_all(&self, session: &mut Session, timeout: Duration) -> Ending {
        session.preview(quiet()).await.unwrap();
        let plan = session.plan_now();
        session
            .apply(yes(&plan), Some(timeout), quiet())
            .await
            .unwrap()
    }
}

/// See [`Rig::standard`].
pub(crate) const STANDARD: &str = "    timezone: Europe/Berlin\n    language: de-DE\n    proxy: { mode: proxy, protocol: socks5, host: proxy.example.net, port: 1080 }\n    properties: { persist.sys.fleet.ring: \"3\" }\n    apps:\n      com.example.maps: { app: maps }\n      com.example.chat: { app: chat }\n      com.bad.game: absent\n";

/// Nobody watches.
pub(crate) fn quiet() -> ProgressSink {
    Arc::new(|_: &Progress| {})
}

/// Runs a future in virtual time: the clock moves when everybody waits.
pub(crate) fn virtual_time<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

/// A yes to everything the plan shows.
pub(crate) fn yes(plan: &Plan) -> Approval {
    Approval {
        costly: plan.costly(),
        phones: None,
    }
}

/// Opens a session. A process that another test starts shares every open file of this one until it has become another program, locks among them: a folder
/// that was just let go can be locked for some milliseconds more.
pub(crate) async fn open(options: &Options, lock: bool) -> Session {
    for _ in 0..400 {
        match Session::open(options.clone(), lock).await {
            Err(DaemonError::Journal(JournalError::Locked { .. })) => pause(),
            opened => return opened.unwrap(),
        }
    }
    panic!("the state folder stays locked");
}

#[expect(
    clippy::disallowed_methods,
    reason = "real time: other tests' processes do not live in the virtual one"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}
