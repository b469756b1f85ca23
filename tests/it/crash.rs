//! An `apply` that dies at any moment and is run again ends as the unbroken run does, and costly work is never done twice.

use crate::rig::{Rig, quiet, virtual_time, yes};
use phonefleet::daemon::{Ending, Session};
use phonefleet::sim::Spec;
use phonefleet::sim::faults::Faults;
use phonefleet::time::delay::hash;
use std::collections::BTreeMap;
use std::time::Duration;

const DESIRED: &str = "    timezone: Europe/Berlin\n    language: de-DE\n    proxy: { mode: proxy, protocol: socks5, host: proxy.example.net, port: 1080 }\n    properties: { persist.sys.fleet.ring: \"3\", ro.product.model: Fleet One }\n    image: { id: img-26060812345, wipeData: false }\n    apps:\n      com.example.maps: { app: maps }\n      com.bad.game: absent\n";

/// What was asked for, as it stands on each phone.
fn standing(rig: &Rig) -> BTreeMap<String, String> {
    let phones = rig.sim.phones().into_iter();
    phones
        .map(|id| (id.clone(), rig.sim.phone(&id).unwrap()))
        .map(|(id, phone)| (id, asked(&phone)))
        .collect()
}

fn asked(phone: &phonefleet::sim::phone::Phone) -> String {
    let apps: Vec<String> = phone
        .apps
        .iter()
        .filter(|app| {
            app.package.starts_with("com.example.maps") || app.package.starts_with("com.bad")
        })
        .map(|app| format!("{} {}", app.package, app.version_name))
        .collect();
    format!(
        "{} {} {} {:?} {:?}",
        phone.timezone, phone.language, phone.image.id, phone.proxy, apps
    )
}

fn rig(seed: u64, faults: &str) -> Rig {
    let rig = Rig::new(Spec {
        phones: 24,
        seed,
        faults: Faults::parse(faults).unwrap(),
        ..Spec::default()
    });
    rig.account("{ batchSize: 10 }");
    rig.apps();
    rig.group(DESIRED, "  allow: [restart]\n");
    rig
}

/// Applies until it ends or `dies` has passed.
async fn apply_until(session: &mut Session, dies: Duration) -> Option<Ending> {
    let work = async {
        session.preview(quiet()).await.unwrap();
        let plan = session.plan_now();
        session
            .apply(yes(&plan), Some(Duration::from_secs(24 * 3600)), quiet())
            .await
            .unwrap()
    };
    tokio::select! {
        biased;
        ending = work => Some(ending),
        () = tokio::time::sleep(dies) => None,
    }
}

#[test]
fn killed_at_fifty_moments_it_ends_as_the_unbroken_run() {
    let whole = virtual_time(async {
        let rig = rig(5, "");
        let mut session = rig.session(true).await;
        let ending = apply_until(&mut session, Duration::from_secs(24 * 3600)).await;
        assert_eq!(
            ending,
            Some(Ending::Converged),
            "{:?}",
            session.progress_now()
        );
        standing(&rig)
    });
    let (mut parked, mut whole_runs) = (0, 0);
    for moment in 0..50_u64 {
        virtual_time(async {
            let rig = rig(5, "");
            // Deaths are spread over the whole run, most of them while requests are under way.
            let dies = Duration::from_millis(
                hash("death", moment, 1) % 120_000 / if moment % 2 == 0 { 1 } else { 20 },
            );
            let mut session = rig.session(true).await;
            let first = apply_until(&mut session, dies).await;
            drop(session);
            let mut session = rig.session(true).await;
            let ending = apply_until(&mut session, Duration::from_secs(24 * 3600)).await;
            let report = rig.sim.report();
            assert_eq!(
                (report.costly_repeated, report.double_jobs, report.throttled),
                (0, 0, 0),
                "moment {moment} ({dies:?}): {report:?}"
            );
            let progress = session.progress_now();
            match ending {
                Some(Ending::Converged) => {
                    whole_runs += 1;
                    assert_eq!(
                        standing(&rig),
                        whole,
                        "moment {moment} ({dies:?}, {first:?})"
                    );
                }
                Some(Ending::Partly) => {
                    let listed: Vec<String> = progress
                        .needing
                        .iter()
                        .map(|(phone, ..)| phone.phone.to_string())
                        .collect();
                    parked += listed.len();
                    for (phone, state) in standing(&rig) {
                        assert!(
                            state == whole[&phone] || listed.contains(&phone),
                            "moment {moment} ({dies:?}): {phone} is {state}, and nobody is told: {progress:?}"
                        );
                    }
                }
                other => panic!("moment {moment} ({dies:?}): {other:?}, {progress:?}"),
            }
        });
    }
    assert!(
        whole_runs >= 40,
        "most deaths leave nothing in doubt: {whole_runs} of 50 ended whole, {parked} phones were listed"
    );
}

#[test]
fn deaths_and_a_bad_network_together_double_nothing() {
    for seed in 0..12_u64 {
        virtual_time(async {
            let rig = rig(seed, "lost=0.05,5xx=0.02,fail=0.02,late=0.02");
            for death in 0..4 {
                let mut session = rig.session(true).await;
                let dies = Duration::from_millis(hash("death", seed * 10 + death, 2) % 90_000);
                if apply_until(&mut session, dies).await.is_some() {
                    break;
                }
            }
            let mut session = rig.session(true).await;
            let ending = apply_until(&mut session, Duration::from_secs(48 * 3600)).await;
            let report = rig.sim.report();
            let progress = session.progress_now();
            assert!(
                matches!(ending, Some(Ending::Converged | Ending::Partly)),
                "seed {seed}: {ending:?} {progress:?}"
            );
            assert_eq!(
                (
                    report.costly_repeated,
                    report.double_jobs,
                    report.bad_signatures
                ),
                (0, 0, 0),
                "seed {seed}: {report:?}"
            );
            if ending == Some(Ending::Partly) {
                assert!(
                    progress.operator > 0,
                    "seed {seed}: somebody is told what to look at: {progress:?}"
                );
            }
        });
    }
}
