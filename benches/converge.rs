//! What converging costs: calls, time, CPU, memory. Prints one JSON object a line; every case runs in a process of its own.
//!
//! `cargo bench --bench converge` runs all cases, `-- --smallest` the smallest ones, `-- --case NAME` one: `virtual-1000`, `virtual-10000`, `virtual-100000`
//! (in-process, virtual time), `loopback-1000` (HTTP over loopback, real time), `observe-10000` (reading and planning without waiting, HTTP over loopback),
//! `edit` (a file saved while `run` runs until the first request, over 100 edits).
//!
//! Not here: assertions (`tests/it`).
#![expect(
    clippy::print_stdout,
    reason = "the output of a benchmark is what it prints"
)]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads real clocks")]

#[path = "../tests/it/rig.rs"]
#[expect(
    dead_code,
    clippy::unwrap_used,
    reason = "shared with the tests, which use all of it and may unwrap"
)]
mod rig;

use phonefleet::daemon::{Options, Session};
use phonefleet::model::capability::Capabilities;
use phonefleet::model::fleet::ProviderKind;
use phonefleet::model::observed::ReadKind;
use phonefleet::provider::registry;
use phonefleet::sim::{Spec, front};
use phonefleet::time::clock::Clock;
use rig::{BEGINNING, Rig, quiet, virtual_time};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CASES: [&str; 6] = [
    "virtual-1000",
    "virtual-10000",
    "virtual-100000",
    "loopback-1000",
    "observe-10000",
    "edit",
];
const SMALLEST: [&str; 2] = ["virtual-1000", "edit"];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--case") {
        let name = arguments.get(at + 1).map_or("", String::as_str);
        println!(
            "{}",
            case(
                name,
                arguments.iter().any(|argument| argument == "--smallest")
            )
        );
        return;
    }
    let smallest = arguments.iter().any(|argument| argument == "--smallest");
    let cases: &[&str] = if smallest { &SMALLEST } else { &CASES };
    let program = std::env::current_exe().expect("this program has a path");
    let mut failed = false;
    for name in cases {
        let mut command = Command::new(&program);
        command.args(["--case", name]);
        if smallest {
            command.arg("--smallest");
        }
        failed |= !command
            .status()
            .expect("this program can be started again")
            .success();
    }
    std::process::exit(i32::from(failed));
}

fn case(name: &str, smallest: bool) -> Value {
    let started = Instant::now();
    let mut result = match name {
        "virtual-1000" => virtual_time(converge(1_000)),
        "virtual-10000" => virtual_time(converge(10_000)),
        "virtual-100000" => virtual_time(converge(100_000)),
        "loopback-1000" => real_time(loopback(1_000)),
        "observe-10000" => real_time(observe(10_000)),
        "edit" => real_time(edits(if smallest { 20 } else { 100 })),
        other => panic!("no case is called {other:?}; there are {CASES:?}"),
    };
    let (cpu, peak) = usage();
    result["case"] = json!(name);
    result["wallSeconds"] = json!(started.elapsed().as_secs_f64());
    result["cpuSeconds"] = json!(cpu);
    result["peakMemoryMB"] = json!(peak);
    result
}

fn real_time<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// Converges a fleet in virtual time and compares with the least that page sizes and batch limits allow.
async fn converge(phones: u32) -> Value {
    let rig = Rig::new(Spec {
        phones,
        ..Spec::default()
    });
    rig.standard("");
    let removals = removals(&rig);
    let mut session = rig.session(false).await;
    let plan_started = rig.clock.now();
    let before = Instant::now();
    session.preview(quiet()).await.expect("a plan");
    let observed = (rig.clock.now().since(plan_started), before.elapsed());
    let plan = session.plan_now();
    let ending = session
        .apply(rig::yes(&plan), None, quiet())
        .await
        .expect("an ending");
    let took = rig.clock.now().since(BEGINNING);
    let report = rig.sim.report();
    let least = Least::of(table(), u64::from(phones), removals);
    let calls = report.reads + report.mutations;
    json!({
        "phones": phones,
        "ending": format!("{ending:?}"),
        "calls": calls,
        "minimalCalls": least.calls,
        "callsRatio": ratio(calls, least.calls),
        "polls": report.polls,
        "minimalPolls": least.polls,
        "throttled": report.throttled,
        "seconds": took.as_secs_f64(),
        "tMinSeconds": least.seconds,
        "timeRatio": took.as_secs_f64() / least.seconds,
        "observeSeconds": observed.0.as_secs_f64(),
        "observeWallSeconds": observed.1.as_secs_f64(),
    })
}

/// The least that page sizes, batch limits, the budget and the jobs allow for the standard fleet, computed from the capability table alone.
struct Least {
    calls: u64,
    polls: u64,
    seconds: f64,
}

impl Least {
    fn of(table: &Capabilities, phones: u64, removals: u64) -> Self {
        let read = |kind| phones.div_ceil(u64::from(table.read(kind).expect("a read").max_phones));
        let write =
            |name: &str| phones.div_ceil(u64::from(table.call(name).expect("a call").max_phones));
        // The listing, properties and apps before; properties and apps after; the catalogue once.
        let reads =
            read(ReadKind::Listing) + 2 * (read(ReadKind::Properties) + read(ReadKind::Apps)) + 1;
        let settings = [
            "updateTimeZone",
            "updateLanguage",
            "proxy/set",
            "updatePadProperties",
        ];
        let apps = ["installApp", "installApp"];
        let named = |name: &&str| {
            table
                .calls
                .iter()
                .find(|call| call.name.ends_with(*name))
                .map_or("", |call| call.name)
        };
        let writes: u64 = settings
            .iter()
            .chain(&apps)
            .map(|name| write(named(name)))
            .sum();
        let removal = table
            .call(named(&"uninstallApp"))
            .expect("a call")
            .max_phones;
        let writes = writes + removals.div_ceil(u64::from(removal));
        let jobs = phones * 6 + removals;
        let polls = jobs.div_ceil(u64::from(table.limits.poll_batch));
        let calls = reads + writes;
        let spec = Spec::default();
        let per_second = f64::from(table.limits.requests_per_second)
            .min(f64::from(table.limits.requests_per_minute) / 60.0);
        // The windows let a first burst through; what is beyond it comes at the pace of the longer window.
        let beyond = (calls + polls).saturating_sub(u64::from(table.limits.requests_per_minute));
        let budget = beyond as f64 / per_second;
        let connections =
            (calls + polls) as f64 * spec.latency.as_secs_f64() / f64::from(table.limits.in_flight);
        let round = table.limits.poll_interval.as_secs_f64();
        let rounds = |seconds: f64| (seconds / round).ceil() * round;
        let setting = spec.job_time.as_secs_f64() * 1.25;
        let chain = settings.len() as f64 * rounds(setting)
            + (apps.len() + 1) as f64 * rounds(setting * 4.0);
        Self {
            calls,
            polls,
            seconds: budget.max(connections).max(chain),
        }
    }
}

fn table() -> &'static Capabilities {
    registry::capabilities(ProviderKind::ArmCloud).expect("a table")
}

/// Phones from which the app has to go.
fn removals(rig: &Rig) -> u64 {
    let there = |id: &String| {
        rig.sim
            .phone(id)
            .is_some_and(|phone| phone.app("com.bad.game").is_some())
    };
    rig.sim.phones().iter().filter(|id| there(id)).count() as u64
}

fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b.max(1) as f64
}

/// A rig whose vendor is served over loopback HTTP.
async fn served(spec: Spec, limits: &str) -> (Rig, Options) {
    let rig = Rig::new(spec);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let clock: Arc<dyn Clock> = Arc::new(rig.clock);
    let listener = listener.into_std().expect("a listener");
    let sim = rig.sim.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let served = runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            front::serve(sim, listener, clock, std::future::pending::<()>()).await
        });
        served.expect("the simulator serves");
    });
    rig.standard(limits);
    let account = std::fs::read_to_string(rig.fleet().join("account.yaml")).expect("the account");
    rig.write(
        "fleet/account.yaml",
        &account.replace("http://127.0.0.1:1\n", &format!("http://{address}\n")),
    );
    let options = Options {
        transport: None,
        ..rig.options(false)
    };
    (rig, options)
}

async fn loopback(phones: u32) -> Value {
    let (rig, options) = served(
        Spec {
            phones,
            job_time: Duration::from_millis(200),
            latency: Duration::from_millis(2),
            ..Spec::default()
        },
        "",
    )
    .await;
    let removals = removals(&rig);
    let mut session = Session::open(options, false).await.expect("a session");
    session.preview(quiet()).await.expect("a plan");
    let plan = session.plan_now();
    let ending = session
        .apply(rig::yes(&plan), None, quiet())
        .await
        .expect("an ending");
    let report = rig.sim.report();
    let least = Least::of(table(), u64::from(phones), removals);
    let calls = report.reads + report.mutations;
    json!({
        "phones": phones, "ending": format!("{ending:?}"), "calls": calls, "minimalCalls": least.calls, "callsRatio": ratio(calls, least.calls),
        "polls": report.polls, "minimalPolls": least.polls, "throttled": report.throttled,
    })
}

async fn observe(phones: u32) -> Value {
    let (_rig, options) = served(
        Spec {
            phones,
            latency: Duration::ZERO,
            ..Spec::default()
        },
        "",
    )
    .await;
    let mut session = Session::open(options, false).await.expect("a session");
    let sockets_before = sockets();
    let before = Instant::now();
    session.preview(quiet()).await.expect("a plan");
    let took = before.elapsed();
    // Client and simulator share this process: each connection counts twice.
    json!({ "phones": phones, "observeAndPlanSeconds": took.as_secs_f64(), "sockets": (sockets() - sockets_before) / 2 })
}

fn sockets() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, |entries| {
        entries
            .filter_map(Result::ok)
            .filter(|entry| {
                std::fs::read_link(entry.path())
                    .is_ok_and(|target| target.to_string_lossy().starts_with("socket:"))
            })
            .count()
    })
}

/// From a saved file to the first request that changes a phone, while `run` runs.
async fn edits(count: u32) -> Value {
    let (rig, mut options) = served(
        Spec {
            phones: 5,
            job_time: Duration::from_millis(5),
            latency: Duration::ZERO,
            ..Spec::default()
        },
        "{ pollInterval: 100ms }",
    )
    .await;
    options.command = "run";
    options.in_memory = true;
    let zone = |round: u32| {
        if round.is_multiple_of(2) {
            "Europe/Paris"
        } else {
            "Europe/Rome"
        }
    };
    let manifest = |round: u32| format!("    timezone: {}\n", zone(round));
    rig.group(&manifest(0), "");
    std::fs::remove_file(rig.fleet().join("apps.yaml")).expect("the apps");
    let mut session = Session::open(options, false).await.expect("a session");
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let running = tokio::task::LocalSet::new();
    let mut latencies = running
        .run_until(async {
            let run = tokio::task::spawn_local(async move { session.run(stopped).await });
            settle(&rig, zone(0)).await;
            let mut latencies = Vec::new();
            for round in 1..=count {
                let before = rig.sim.report().mutations;
                rig.group(&manifest(round), "");
                // The file is saved now; how long the disk took for it is not ours.
                let saved = Instant::now();
                while rig.sim.report().mutations == before {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                latencies.push(saved.elapsed().as_secs_f64() * 1000.0);
                settle(&rig, zone(round)).await;
            }
            stop.send_replace(true);
            run.await.expect("run ends").expect("run ends well");
            latencies
        })
        .await;
    latencies.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        let rank = (latencies.len() * percent).div_ceil(100);
        latencies[rank.clamp(1, latencies.len()) - 1]
    };
    json!({ "edits": count, "firstRequestP50Ms": at(50), "firstRequestP99Ms": at(99) })
}

async fn settle(rig: &Rig, zone: &str) {
    let phones = rig.sim.phones();
    while !phones.iter().all(|phone| {
        rig.sim
            .phone(phone)
            .is_some_and(|phone| phone.timezone == zone)
    }) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Until the daemon has read the last value back: a change of mind while that is open waits for it.
    let calls = || rig.sim.report().calls;
    let mut before = None;
    while before != Some(calls()) {
        before = Some(calls());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// CPU seconds and peak resident megabytes of this process.
fn usage() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Vec<f64> = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    (
        ticks.iter().sum::<f64>() / 100.0,
        peak.unwrap_or_default() / 1024.0,
    )
}
