//! `sim`: simulated vendors over HTTP, for trying things out and for tests.
//!
//! Invariants: prints one JSON line when it is ready, one with what it counted when it ends, and nothing else on stdout; serves until SIGINT or SIGTERM.
//! Not here: the vendors (`sim`).

use super::error::{CliError, Exit};
use super::options::duration;
use super::output::Output;
use super::stop::Stop;
use crate::model::fleet::ProviderKind;
use crate::sim::faults::Faults;
use crate::sim::{Simulator, Spec, front, scenario};
use crate::time::clock::{Clock, TokioClock};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Arguments.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Where to listen; port 0 takes a free one. Further providers get the ports after it
    #[arg(long, env = "PHONEFLEET_LISTEN", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Which vendor; may be given several times, each has phones of its own
    #[arg(long = "provider", value_name = "PROVIDER", default_value = "armcloud", value_parser = provider)]
    providers: Vec<ProviderKind>,
    /// How many phones at each provider
    #[arg(long, default_value_t = 100)]
    phones: u32,
    /// Decides everything that looks like chance
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What goes wrong: lost=0.05,5xx=0.02,fail=2%,late=0.01,late-by=40s,hang=0.01,no-effect=0.01,offline=0.01,stale=0.1,…
    #[arg(long, value_name = "NAME=RATE,…", default_value = "")]
    faults: String,
    /// What happens by itself: a JSON file with a list of events
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// How long settings take on a phone; apps take 4 times, images and restarts 20 times as long
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    job_time: Duration,
    /// From a request to its answer
    #[arg(long, value_name = "DURATION", default_value = "20ms", value_parser = duration)]
    latency: Duration,
    /// Calls let through in any second
    #[arg(long, value_name = "CALLS", default_value_t = 200)]
    rate_per_second: u32,
    /// Calls let through in any minute
    #[arg(long, value_name = "CALLS", default_value_t = 5_000)]
    rate_per_minute: u32,
    /// Refuse signatures that are more than five minutes old
    #[arg(long)]
    check_clock: bool,
}

/// Serves until it is stopped.
///
/// # Errors
/// Wrong faults or scenario; the address cannot be listened on.
pub async fn run(args: Args, output: &Output) -> Result<Exit, CliError> {
    let stop = Stop::watch(output)?;
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::system());
    let common = spec(&args)?;
    let mut worlds = BTreeMap::new();
    let mut listen = args.listen;
    for kind in args.providers {
        if worlds.contains_key(&kind) {
            return Err(CliError::usage(format!("--provider {kind} is given twice")));
        }
        let simulator = Simulator::new(
            Spec {
                provider: kind,
                phone_prefix: Spec::of(kind).phone_prefix,
                ..common.clone()
            },
            clock.now(),
        );
        let (listener, address) = bind(listen).await?;
        if listen.port() != 0 {
            listen.set_port(listen.port().wrapping_add(1));
        }
        worlds.insert(kind, (simulator, listener, address));
    }
    let surfaces: BTreeMap<_, _> = worlds
        .iter()
        .map(|(kind, (_, _, address))| (kind.as_str(), format!("http://{address}")))
        .collect();
    let keys: BTreeMap<_, BTreeMap<_, _>> = worlds
        .iter()
        .map(|(kind, (simulator, ..))| (kind.as_str(), simulator.keys().iter().copied().collect()))
        .collect();
    let other: BTreeMap<_, _> = worlds
        .iter()
        .filter_map(|(kind, (simulator, ..))| Some((kind.as_str(), other_ways(simulator)?)))
        .collect();
    output.json_line(&json!({
        "ready": true,
        "phones": common.phones,
        "seed": common.seed,
        "surfaces": surfaces,
        "credentials": keys,
        "otherCredentials": other,
    }))?;
    let mut fronts = JoinSet::new();
    let mut simulators = BTreeMap::new();
    for (kind, (simulator, listener, _)) in worlds {
        let mut receiver = stop.receiver();
        let asked = async move {
            // Closed means that the process ends anyway.
            drop(receiver.wait_for(|asked| *asked).await);
        };
        fronts.spawn(front::serve(
            simulator.clone(),
            listener,
            Arc::clone(&clock),
            asked,
        ));
        simulators.insert(kind, simulator);
    }
    while let Some(ended) = fronts.join_next().await {
        let ended = ended.map_err(std::io::Error::other).flatten();
        ended.map_err(|problem| {
            CliError::new(Exit::Before, "the simulator stopped").because(&problem)
        })?;
    }
    tell(&simulators, output)?;
    Ok(Exit::Done)
}

/// Credentials of every other way to sign in that a surface accepts; `None`: it accepts none.
fn other_ways(simulator: &Simulator) -> Option<Vec<BTreeMap<&'static str, &'static str>>> {
    let ways = simulator.other_keys().iter();
    let ways: Vec<_> = ways.map(|keys| keys.iter().copied().collect()).collect();
    (!ways.is_empty()).then_some(ways)
}

/// What was counted.
fn tell(simulators: &BTreeMap<ProviderKind, Simulator>, output: &Output) -> Result<(), CliError> {
    let mut reports: BTreeMap<_, _> = simulators
        .iter()
        .map(|(kind, simulator)| (kind.as_str(), simulator.report()))
        .collect();
    match reports.pop_first() {
        Some((_, only)) if reports.is_empty() => output.json_line(&json!({ "report": only })),
        Some((kind, first)) => {
            reports.insert(kind, first);
            output.json_line(&json!({ "reports": reports }))
        }
        None => Ok(()),
    }
}

pub(super) fn provider(text: &str) -> Result<ProviderKind, String> {
    let all = ProviderKind::ALL;
    all.into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|kind| kind.as_str()).collect();
            format!("is none of {}", names.join(", "))
        })
}

/// Listens, and tells where.
///
/// # Errors
/// The address is taken or not ours.
pub(crate) async fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), CliError> {
    let failed = |problem: std::io::Error| {
        CliError::new(Exit::Before, format!("cannot listen on {listen}"))
            .because(&problem)
            .hint("port 0 takes a free port: `--listen 127.0.0.1:0`")
    };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

fn spec(args: &Args) -> Result<Spec, CliError> {
    let faults = Faults::parse(&args.faults).map_err(|problem| {
        CliError::from_error(Exit::Usage, &problem)
            .hint("write `--faults lost=0.05,5xx=0.02`; rates are from 0 to 1")
    })?;
    let scenario = match &args.scenario {
        None => Vec::new(),
        Some(file) => {
            let named = |problem: &(dyn std::error::Error + 'static)| {
                CliError::usage(format!("cannot use the scenario {}", file.display()))
                    .because(problem)
            };
            let text = std::fs::read_to_string(file).map_err(|problem| named(&problem))?;
            scenario::parse(&text).map_err(|problem| named(&problem))?
        }
    };
    Ok(Spec {
        phones: args.phones,
        seed: args.seed,
        faults,
        scenario,
        job_time: args.job_time,
        latency: args.latency,
        rate_per_second: args.rate_per_second,
        rate_per_minute: args.rate_per_minute,
        check_clock: args.check_clock,
        ..Spec::default()
    })
}
