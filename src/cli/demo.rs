//! `demo`: the whole way on simulated phones: plan, converge, repair drift, a wipe that waits for permission, and one profile at every provider.
//!
//! Invariants: only the real code paths run, over real HTTP to this machine; exit 0 means that every step ended as it was announced; without `--keep`
//! nothing stays behind. Not here: the fleets it uses (`examples/quickstart`, `examples/four-providers`).

mod everywhere;

use super::error::{CliError, Exit};
use super::options::duration;
use super::output::{Mark, Output, counted, mark, span};
use super::progress::Meter;
use super::sim::bind;
use super::status;
use super::stop::Stop;
use crate::controller::progress::Progress;
use crate::daemon::{Ending, Options, Session};
use crate::model::condition::{Cause, Reason};
use crate::model::settings::Settings;
use crate::plan::preview::Plan;
use crate::plan::render;
use crate::sim::scenario::Drift;
use crate::sim::{Simulator, Spec, front};
use crate::time::clock::{Clock, TokioClock};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinSet;

/// Arguments.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// How many phones
    #[arg(long, default_value_t = 300)]
    phones: u32,
    /// Decides everything that looks like chance
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leave the simulator running and the folder in place, for playing
    #[arg(long)]
    keep: bool,
    /// Then converge one profile on phones at all six providers, a minute more
    #[arg(long)]
    everywhere: bool,
    /// Give a step up after this long
    #[arg(long, default_value = "50s", value_parser = duration)]
    timeout: Duration,
}

/// The fleet of the demo, as it stands in the repository.
const FLEET: &str = include_str!("../../examples/quickstart/fleet.yaml");

/// Its name in the folder.
const FLEET_FILE: &str = "fleet.yaml";

/// An image that the simulated phones do not have.
const OTHER_IMAGE: &str = "img-25111133267";

/// Phones that change behind our back.
const DRIFTING: usize = 5;

/// Runs the demo.
///
/// # Errors
/// A step did not end as announced, or something could not be set up.
pub async fn run(args: Args, output: &Output) -> Result<Exit, CliError> {
    let stop = Stop::watch(output)?;
    let folder = tempfile::Builder::new()
        .prefix("phonefleet-demo-")
        .tempdir()
        .map_err(|problem| {
            CliError::new(Exit::Before, "cannot make a folder for the demo").because(&problem)
        })?;
    let mut servers = JoinSet::new();
    let stage = Stage::build(&args, folder.path(), output, &mut servers).await?;
    let began = stage.clock.now();
    let told = tokio::select! {
        told = Box::pin(stage.tell()) => told,
        () = stop.asked() => return Ok(Exit::Interrupted),
    };
    told?;
    output.say(&format!(
        "\n{} everything went as announced, in {}",
        mark(Mark::Good),
        span(stage.clock.now().since(began))
    ));
    stage.farewell(&args, folder, &stop).await;
    drop(servers);
    Ok(Exit::Done)
}

/// The simulated vendor, the folder of manifests, and what sessions are opened with.
struct Stage {
    output: Output,
    clock: Arc<dyn Clock>,
    simulator: Simulator,
    fleet: PathBuf,
    state: PathBuf,
    timeout: Duration,
    /// A vendor of each kind, for the last act, with manifests and state of its own.
    vendors: Vec<Simulator>,
    everywhere: PathBuf,
    everywhere_state: PathBuf,
}

impl Stage {
    async fn build(
        args: &Args,
        folder: &Path,
        output: &Output,
        servers: &mut JoinSet<std::io::Result<()>>,
    ) -> Result<Self, CliError> {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::system());
        let spec = Spec {
            phones: args.phones,
            seed: args.seed,
            job_time: Duration::from_millis(500),
            latency: Duration::from_millis(5),
            provider_groups: 2,
            ..Spec::default()
        };
        let simulator = Simulator::new(spec, clock.now());
        let (listener, address) = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        servers.spawn(front::serve(
            simulator.clone(),
            listener,
            Arc::clone(&clock),
            std::future::pending(),
        ));
        let everywhere = folder.join("everywhere");
        let stage = Self {
            vendors: match args.everywhere {
                true => everywhere::set_up(&everywhere, args.seed, &clock, servers).await?,
                false => Vec::new(),
            },
            output: output.clone(),
            clock,
            simulator,
            fleet: folder.join("fleet"),
            state: folder.join("state"),
            timeout: args.timeout,
            everywhere,
            everywhere_state: folder.join("everywhere-state"),
        };
        stage.write_fleet(address)?;
        Ok(stage)
    }

    fn write_fleet(&self, address: SocketAddr) -> Result<(), CliError> {
        let keys = self.simulator.credentials();
        write(&self.fleet.join("keys/access"), &keys.access_key)?;
        write(&self.fleet.join("keys/secret"), &keys.secret_key)?;
        let text = with_line(FLEET, "endpoint:", &format!("http://{address}"));
        let text = with_line(&text, "accessKey:", "{ file: keys/access }");
        let text = with_line(&text, "secretKey:", "{ file: keys/secret }");
        write(&self.fleet.join(FLEET_FILE), &text)
    }

    fn options(&self) -> Options {
        options(&self.fleet, &self.state)
    }

    async fn tell(&self) -> Result<(), CliError> {
        self.converge().await?;
        let drifted = self.drift();
        self.repair(&drifted).await?;
        self.brake().await?;
        self.rest().await?;
        if self.vendors.is_empty() {
            return Ok(());
        }
        everywhere::act(self, &self.vendors).await
    }

    /// The first plan, and its way to a converged fleet.
    async fn converge(&self) -> Result<(), CliError> {
        let phones = self.simulator.phones().len();
        self.output.headline(&format!(
            "1. {} at a simulated vendor, and a folder of manifests: what would be done?",
            counted(number(phones), "phone")
        ));
        let (plan, progress) = self.apply(&self.fleet, &self.state, self.timeout).await?;
        expect(plan.has_work(), "the first plan has work to do")?;
        self.done(&progress);
        Ok(())
    }

    /// Changes phones behind our back.
    fn drift(&self) -> Vec<String> {
        let drifted: Vec<String> = self.simulator.phones().into_iter().take(DRIFTING).collect();
        let drift = Drift {
            timezone: Some("America/New_York".into()),
            ..Drift::default()
        };
        self.simulator.change_at(self.clock.now(), |world| {
            for phone in &drifted {
                world.drift(phone, &drift);
            }
        });
        drifted
    }

    /// The drift is found and repaired.
    async fn repair(&self, drifted: &[String]) -> Result<(), CliError> {
        self.output.headline(&format!(
            "2. somebody sets the time zone of {} by hand: the next pass finds and repairs it",
            counted(number(drifted.len()), "phone")
        ));
        let (plan, progress) = self.apply(&self.fleet, &self.state, self.timeout).await?;
        let changing: Vec<String> = plan
            .changing_phones()
            .into_iter()
            .map(|key| key.phone.to_string())
            .collect();
        expect(
            changing == drifted,
            "the plan names the drifted phones and no other",
        )?;
        expect(
            plan.changes()
                .all(|change| change.cause == Cause::Corrective),
            "every change of it is corrective",
        )?;
        for phone in drifted {
            let zone = self.simulator.phone(phone).map(|phone| phone.timezone);
            expect(
                zone.is_some_and(|zone| zone != "America/New_York"),
                "the drifted phones are as wished again",
            )?;
        }
        self.done(&progress);
        Ok(())
    }

    /// A commit that would wipe phones waits for permission.
    async fn brake(&self) -> Result<(), CliError> {
        self.output.headline(
            "3. a commit asks for another image, which erases the phones, and the group does not allow `wipe`",
        );
        let name = self.fleet.join(FLEET_FILE);
        let text = read(&name)?;
        write(&name, &with_wipe(&text))?;
        let mut session = Session::open(self.options(), true).await?;
        let meter = Meter::new(&self.output);
        let plan = session.preview(meter.sink()).await;
        meter.finish();
        let plan = plan?;
        self.show(&plan)?;
        expect(
            plan.has_changes() && !plan.has_work(),
            "the wipe is a change, and nothing starts by itself",
        )?;
        expect(
            plan.waits_only_for(Reason::CostNotAllowed),
            "it waits as CostNotAllowed",
        )?;
        drop(session);
        expect(self.simulator.report().wipes == 0, "no phone was wiped")?;
        write(&name, &text)?;
        self.output.say(&format!(
            "{} no phone was wiped; the commit is taken back",
            mark(Mark::Good)
        ));
        Ok(())
    }

    /// A plan of a converged fleet is empty.
    async fn rest(&self) -> Result<(), CliError> {
        self.output.headline("4. once more: nothing is left to do");
        let mut session = Session::open(self.options(), true).await?;
        let meter = Meter::new(&self.output);
        let plan = session.preview(meter.sink()).await;
        meter.finish();
        let plan = plan?;
        self.show(&plan)?;
        expect(!plan.has_changes() && !plan.has_work(), "the plan is empty")?;
        drop(session);
        status::show(&self.state, 5, &self.output)?;
        let report = self.simulator.report();
        self.output.say(&format!(
            "the vendor's side counted {}: {} reads, {} changes, {} polls; {} refused for pace, {} bad signatures, {} doubled jobs, {} restarts, {} wipes",
            counted(report.calls, "call"),
            report.reads,
            report.mutations,
            report.polls,
            report.throttled,
            report.bad_signatures,
            report.double_jobs,
            report.restarts,
            report.wipes
        ));
        expect(
            report.throttled + report.bad_signatures + report.double_jobs + report.wipes == 0,
            "the vendor had nothing to complain of",
        )
    }
}

impl Stage {
    /// Plans, shows the plan, carries it out, and expects a converged fleet.
    async fn apply(
        &self,
        fleet: &Path,
        state: &Path,
        timeout: Duration,
    ) -> Result<(Plan, Progress), CliError> {
        let mut session = Session::open(options(fleet, state), true).await?;
        let meter = Meter::new(&self.output);
        let plan = session.preview(meter.sink()).await;
        meter.finish();
        let plan = plan?;
        self.show(&plan)?;
        let ending = session
            .apply(plan.approval(), Some(timeout), meter.sink())
            .await;
        meter.finish();
        let ending = ending?;
        expect(ending == Ending::Converged, "the fleet converges")?;
        Ok((plan, meter.last()))
    }

    fn show(&self, plan: &Plan) -> Result<(), CliError> {
        self.output.data(&render::text(plan))
    }

    fn done(&self, progress: &Progress) {
        self.output.say(&format!(
            "{} converged: {} in sync, with {}, {} and {}",
            mark(Mark::Good),
            counted(progress.in_sync, "phone"),
            counted(progress.reads, "read"),
            counted(progress.writes, "write"),
            counted(progress.polls, "poll")
        ));
    }

    /// What to type next; with `--keep`, waits until it is stopped.
    async fn farewell(&self, args: &Args, folder: TempDir, stop: &Stop) {
        if !args.keep {
            self.output.say("\nnext:");
            self.output.say(
                "  phonefleet demo --keep       leaves the simulator and the manifests for playing",
            );
            self.output
                .say("  phonefleet providers         what can be wished, and what it costs");
            self.output.say("  phonefleet doctor -f FOLDER  tests your own account (README: a first real fleet)");
            return;
        }
        let folder = folder.keep();
        let flags = format!(
            "-f {} --state-dir {}",
            self.fleet.display(),
            self.state.display()
        );
        self.output.say(&format!(
            "\nthe simulator runs on, and {} stays. In another terminal:",
            folder.display()
        ));
        self.output.say(&format!("  phonefleet get phones {flags}"));
        self.output.say(&format!(
            "  $EDITOR {}",
            self.fleet.join(FLEET_FILE).display()
        ));
        self.output.say(&format!("  phonefleet plan {flags}"));
        self.output.say(&format!("  phonefleet apply {flags}"));
        self.output.say(&format!(
            "  phonefleet run {flags}        # then edit, and watch"
        ));
        self.output.say(&format!(
            "  phonefleet plan -f {} --state-dir {}        # every provider",
            self.everywhere.display(),
            self.everywhere_state.display()
        ));
        self.output.say("Ctrl-C ends the simulator.");
        stop.asked().await;
    }
}

fn options(fleet: &Path, state: &Path) -> Options {
    Options {
        manifests: vec![fleet.to_owned()],
        state_dir: Some(state.to_owned()),
        settings: Settings::default(),
        select: Vec::new(),
        transport: None,
        allow_plain_http: false,
        command: "demo",
        clock: None,
        in_memory: false,
    }
}

/// The same text with the value of this key (the first line that begins with it) replaced.
fn with_line(text: &str, key: &str, value: &str) -> String {
    let mut done = false;
    let lines = text.lines().map(|line| {
        let bare = line.trim_start();
        if done || !bare.starts_with(key) {
            return line.to_owned();
        }
        done = true;
        let indent = &line[..line.len() - bare.len()];
        format!("{indent}{key} {value}")
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// The same manifests, with a wish for another image in the last group.
fn with_wipe(text: &str) -> String {
    let place = "\n  desired:\n";
    match text.rsplit_once(place) {
        Some((before, after)) => {
            format!("{before}{place}    image: {{ id: {OTHER_IMAGE}, wipeData: true }}\n{after}")
        }
        None => text.to_owned(),
    }
}

fn expect(held: bool, what: &str) -> Result<(), CliError> {
    if held {
        return Ok(());
    }
    Err(CliError::new(
        Exit::Before,
        format!("the demo did not go as announced: it should hold that {what}"),
    )
    .hint("this is a defect of phonefleet, or a machine too busy for the demo's time; please report it with the output above"))
}

fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn read(file: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(file).map_err(|problem| failed("read", file, &problem))
}

fn write(file: &Path, text: &str) -> Result<(), CliError> {
    file.parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(file, text))
        .map_err(|problem| failed("write", file, &problem))
}

fn failed(what: &str, file: &Path, problem: &std::io::Error) -> CliError {
    CliError::new(Exit::Before, format!("cannot {what} {}", file.display())).because(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_replaced_and_keeps_its_place() {
        let text = "spec:\n  endpoint: http://127.0.0.1:1\n  other: 1\n";
        assert_eq!(
            with_line(text, "endpoint:", "http://127.0.0.1:2"),
            "spec:\n  endpoint: http://127.0.0.1:2\n  other: 1\n"
        );
    }
}
