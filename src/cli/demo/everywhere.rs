//! The demo's last act: one profile on phones at every provider.
//!
//! Invariants: the manifests are those of `examples/four-providers`, but for where vendors answer and where keys are found. Not here: the acts before (`super`).

use super::{Stage, counted, expect, mark, number, write};
use crate::cli::error::CliError;
use crate::cli::output::Mark;
use crate::cli::sim::bind;
use crate::model::fleet::ProviderKind;
use crate::sim::{Simulator, Spec, front};
use crate::time::clock::Clock;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const ACCOUNTS: &str = include_str!("../../../examples/four-providers/accounts.yaml");
const FLEET: &str = include_str!("../../../examples/four-providers/fleet.yaml");

/// Phones at each provider.
const PHONES: u32 = 10;
/// How much longer this act may take than the others: one vendor takes a command at a time, another tells apps phone by phone.
const LONGER: u32 = 3;

/// Where the example's accounts find their vendors, in the order of the simulator's ports.
const PORTS: [(u16, ProviderKind); 6] = [
    (7788, ProviderKind::ArmCloud),
    (7789, ProviderKind::VmosCloud),
    (7790, ProviderKind::VsPhone),
    (7791, ProviderKind::Alibaba),
    (7792, ProviderKind::KooPhone),
    (7793, ProviderKind::Zenlayer),
];

/// Serves a simulated vendor of each kind and writes the example's manifests into this folder, with their addresses and keys.
pub(super) async fn set_up(
    fleet: &Path,
    seed: u64,
    clock: &Arc<dyn Clock>,
    servers: &mut JoinSet<std::io::Result<()>>,
) -> Result<Vec<Simulator>, CliError> {
    let mut accounts = ACCOUNTS.to_owned();
    let mut vendors = Vec::new();
    for (port, kind) in PORTS {
        let spec = Spec {
            phones: PHONES,
            seed,
            job_time: Duration::from_millis(100),
            latency: Duration::from_millis(5),
            ..Spec::of(kind)
        };
        let simulator = Simulator::new(spec, clock.now());
        let (listener, address) = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        servers.spawn(front::serve(
            simulator.clone(),
            listener,
            Arc::clone(clock),
            std::future::pending(),
        ));
        let url = format!("http://127.0.0.1:{port}");
        accounts = accounts.replace(&url, &format!("http://{address}"));
        for (name, key) in simulator.keys() {
            let variable = format!("{{ env: SIM_{kind}_{name} }}").to_uppercase();
            let variable = variable.replace("{ ENV:", "{ env:");
            let file = format!("keys/{kind}-{name}");
            accounts = accounts.replace(&variable, &format!("{{ file: {file} }}"));
            write(&fleet.join(file), key)?;
        }
        vendors.push(simulator);
    }
    write(&fleet.join("accounts.yaml"), &accounts)?;
    write(&fleet.join("fleet.yaml"), FLEET)?;
    Ok(vendors)
}

/// All of them converge, and nobody had anything to complain of.
pub(super) async fn act(stage: &Stage, vendors: &[Simulator]) -> Result<(), CliError> {
    let phones: usize = vendors.iter().map(|vendor| vendor.phones().len()).sum();
    stage.output.headline(&format!(
        "5. one profile for {} at {} providers, each with its own API: time zone, language, proxy, a property, an app in, an app out",
        counted(number(phones), "phone"),
        vendors.len()
    ));
    let (plan, progress) = stage
        .apply(
            &stage.everywhere,
            &stage.everywhere_state,
            stage.timeout * LONGER,
        )
        .await?;
    expect(plan.has_work(), "the plan has work at every provider")?;
    for vendor in vendors {
        for id in vendor.phones() {
            let there = vendor.phone(&id).is_some_and(|phone| {
                phone.timezone == "Europe/Berlin"
                    && phone.language == "de-DE"
                    && phone.app("com.example.chat").is_some()
                    && phone.app("com.bad.game").is_none()
            });
            expect(there, "every phone is as the profile wishes")?;
        }
        let report = vendor.report();
        expect(
            report.throttled + report.bad_signatures + report.double_jobs + report.wipes == 0,
            "no vendor had anything to complain of",
        )?;
    }
    stage.done(&progress);
    stage.output.say(&format!(
        "{} `phonefleet providers` shows what each can do, and how",
        mark(Mark::Good)
    ));
    Ok(())
}
