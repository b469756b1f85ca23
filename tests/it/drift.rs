//! `run` over hours and days: what changes behind our back is repaired, and what cannot be repaired is left alone.
//!
//! Invariants: in virtual time over the simulated vendor; what the daemon says is read where `phonefleet status` reads it. Not here: costs (`brakes`).

use crate::rig::{Rig, virtual_time};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use phonefleet::controller::progress::Progress;
use phonefleet::daemon::{Ending, Session};
use phonefleet::journal::{sqlite, state};
use phonefleet::model::attribute::Attribute;
use phonefleet::model::condition::Reason;
use phonefleet::model::record::Ledger;
use phonefleet::sim::Spec;
use phonefleet::sim::faults::Faults;
use phonefleet::sim::scenario::Drift;
use phonefleet::time::delay::hash;
use phonefleet::transport::{Request, Response, Transport, TransportError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// Routine reading comes after this long at the latest, and what it finds is repaired within two minutes.
const REPAIRED: Duration = Duration::from_secs(360 + 120);

fn rig(spec: Spec) -> Rig {
    let rig = Rig::new(spec);
    rig.account("");
    rig
}

fn few(phones: u32) -> Spec {
    Spec {
        phones,
        seed: 31,
        ..Spec::default()
    }
}

/// A vendor that tells nothing of any phone's properties.
struct Silent(Arc<dyn Transport>);

impl Transport for Silent {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let silent = request.http.uri().path().ends_with("batchPadProperties");
        Box::pin(async move {
            let response = self.0.send(request).await?;
            if !silent {
                return Ok(response);
            }
            let (mut parts, _) = response.into_parts();
            parts.headers.remove(http::header::CONTENT_LENGTH);
            let body = br#"{"code":200,"msg":"success","ts":1800000000000,"data":[]}"#;
            Ok(Response::from_parts(parts, Bytes::from_static(body)))
        })
    }
}

#[test]
fn what_a_restart_would_lose_does_not_wait_for_ever_to_hear_of_one() {
    virtual_time(async {
        let rig = rig(few(3));
        rig.group(
            "    proxy: { mode: proxy, protocol: socks5, host: proxy.example.net, port: 1080 }\n    properties: { ro.product.model: Fleet One }\n",
            "  allow: [restart]\n",
        );
        let mut options = rig.options(true);
        options.transport = options
            .transport
            .map(|transport| Arc::new(Silent(transport)) as Arc<dyn Transport>);
        let mut session = crate::rig::open(&options, true).await;
        let ending = rig.apply_all(&mut session, MINUTE * 10).await;
        assert_eq!(ending, Ending::TimedOut);
        for phone in rig.sim.phones() {
            assert!(rig.sim.phone(&phone).unwrap().proxy.is_some(), "{phone}");
        }
    });
}

/// A session that reconciles for ever.
async fn daemon(rig: &Rig) -> Session {
    let mut options = rig.options(true);
    options.command = "run";
    crate::rig::open(&options, true).await
}

/// Runs while the script lasts, then asks to stop.
async fn run_while<R>(rig: &Rig, script: impl Future<Output = R>) -> R {
    let mut session = daemon(rig).await;
    let (stop, stopped) = watch::channel(false);
    let script = async {
        let result = script.await;
        stop.send_replace(true);
        result
    };
    let (ending, result) = tokio::join!(session.run(stopped), script);
    assert_eq!(ending.unwrap(), Ending::Interrupted);
    result
}

/// What `phonefleet status` would show.
fn status(rig: &Rig) -> Progress {
    let bytes = state::load_status(&rig.state()).unwrap().unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn waiting(rig: &Rig, reason: Reason) -> u64 {
    let status = status(rig);
    status.reasons.get(&reason).copied().unwrap_or_default()
}

fn ledger(rig: &Rig) -> Ledger {
    sqlite::read(&rig.state()).unwrap().unwrap()
}

/// How often each phone's attribute was corrected, as the journal remembers.
fn corrections(rig: &Rig, attribute: &Attribute) -> Vec<usize> {
    let ledger = ledger(rig);
    let histories = ledger.phones.values().flat_map(|phones| phones.values());
    histories
        .filter_map(|history| history.trouble.corrections.get(attribute))
        .map(Vec::len)
        .collect()
}

fn zone_of(rig: &Rig, phone: &str) -> String {
    rig.sim.phone(phone).unwrap().timezone.to_string()
}

#[track_caller]
fn all_in(rig: &Rig, zone: &str) {
    for phone in rig.sim.phones() {
        assert_eq!(zone_of(rig, &phone), zone, "{phone}");
    }
}

fn tokyo() -> Drift {
    Drift {
        timezone: Some("Asia/Tokyo".into()),
        ..Drift::default()
    }
}

#[test]
fn what_changes_behind_our_back_is_repaired_within_a_reading_interval() {
    virtual_time(async {
        let rig = rig(few(100));
        rig.apps();
        rig.group(crate::rig::STANDARD, "");
        run_while(&rig, async {
            sleep(10 * MINUTE).await;
            let converged = status(&rig);
            assert_eq!((converged.in_sync, converged.phones), (100, 100));
            let before = rig.sim.report();
            let phones = rig.sim.phones();
            rig.sim.change(|world| {
                world.drift(&phones[3], &tokyo());
                world.drift(&phones[40], &tokyo());
                let language = Drift {
                    language: Some("en-US".into()),
                    ..Drift::default()
                };
                world.drift(&phones[41], &language);
                let ring = Drift {
                    properties: [("persist.sys.fleet.ring".into(), "9".into())].into(),
                    ..Drift::default()
                };
                world.drift(&phones[42], &ring);
                world
                    .phone_mut(&phones[99])
                    .unwrap()
                    .uninstall("com.example.chat");
            });
            sleep(REPAIRED).await;
            all_in(&rig, "Europe/Berlin");
            assert_eq!(rig.sim.phone(&phones[41]).unwrap().language, "de-DE");
            assert!(
                rig.sim
                    .phone(&phones[99])
                    .unwrap()
                    .app("com.example.chat")
                    .is_some()
            );
            let after = rig.sim.report();
            let made = |name| after.jobs_of(name).submitted - before.jobs_of(name).submitted;
            assert_eq!(
                (
                    made("updateTimeZone"),
                    made("updateLanguage"),
                    made("updatePadProperties"),
                    made("installApp")
                ),
                (2, 1, 1, 1),
                "what drifted and nothing else: {after:?}"
            );
            assert_eq!(
                after.mutations - before.mutations,
                4,
                "two phones, one call"
            );
            sleep(MINUTE).await;
            assert_eq!(status(&rig).in_sync, 100);
        })
        .await;
        assert_eq!(corrections(&rig, &Attribute::Timezone), [1, 1], "repairs");
        assert_eq!(corrections(&rig, &Attribute::Language), [1]);
    });
}

#[test]
fn a_value_that_is_changed_back_over_and_over_is_left_to_a_person() {
    virtual_time(async {
        let rig = rig(few(10));
        rig.group("    timezone: Europe/Berlin\n", "");
        let contested = rig.sim.phones()[4].clone();
        run_while(&rig, async {
            sleep(10 * MINUTE).await;
            all_in(&rig, "Europe/Berlin");
            let first = rig.sim.report().jobs_of("updateTimeZone").submitted;
            let mut told = 0;
            for minute in 0..4 * 60 {
                rig.sim.change(|world| world.drift(&contested, &tokyo()));
                sleep(MINUTE).await;
                if waiting(&rig, Reason::Contested) == 1 {
                    told += 1;
                }
                let made = rig.sim.report().jobs_of("updateTimeZone").submitted - first;
                let hours = minute / 60 + 1;
                assert!(
                    made <= 5 * hours,
                    "minute {minute}: {made} corrections, five an hour at most"
                );
            }
            assert!(told >= 60, "told in {told} minutes of 240");
            let made = rig.sim.report().jobs_of("updateTimeZone").submitted - first;
            assert!(made >= 5, "it was repaired first: {made}");
            // Nobody changes it any more: it is repaired once, and stays.
            sleep(2 * HOUR).await;
            all_in(&rig, "Europe/Berlin");
            assert_eq!(status(&rig).in_sync, 10);
        })
        .await;
    });
}

#[test]
fn success_without_effect_is_tried_three_times_and_told() {
    virtual_time(async {
        let rig = rig(Spec {
            real_devices: 1.0,
            ..few(4)
        });
        rig.group(
            "    timezone: Europe/Berlin\n    properties: { persist.sys.fleet.ring: \"3\" }\n",
            "",
        );
        run_while(&rig, async {
            sleep(2 * HOUR).await;
            let ends = rig.sim.report().jobs_of("updatePadProperties");
            assert_eq!(ends.submitted, 4 * 3, "three times a phone: {ends:?}");
            assert_eq!(waiting(&rig, Reason::NoEffect), 4);
            all_in(&rig, "Europe/Berlin");
            let before = rig.sim.report().mutations;
            sleep(24 * HOUR).await;
            assert_eq!(rig.sim.report().mutations, before, "nothing more is tried");
            assert_eq!(waiting(&rig, Reason::NoEffect), 4);
        })
        .await;
        // Nor by a daemon that starts anew.
        let before = rig.sim.report().mutations;
        run_while(&rig, sleep(HOUR)).await;
        assert_eq!(rig.sim.report().mutations, before);
        // Another wish is another try.
        rig.group(
            "    timezone: Europe/Berlin\n    properties: { persist.sys.fleet.ring: \"4\" }\n",
            "",
        );
        run_while(&rig, sleep(2 * HOUR)).await;
        assert_eq!(
            rig.sim.report().jobs_of("updatePadProperties").submitted,
            4 * 6
        );
    });
}

#[test]
fn a_phone_that_fails_for_ever_is_quarantined_and_holds_up_nobody() {
    virtual_time(async {
        let rig = rig(few(60));
        rig.apps();
        rig.group(
            "    timezone: Europe/Berlin\n    apps: { com.example.maps: { app: maps } }\n",
            "",
        );
        // A newer version that the vendor does not replace by an older one: every install of ours fails on this phone.
        let sick = rig.sim.phones()[33].clone();
        let newer = phonefleet::sim::phone::App::new("com.example.maps", "Maps", "9.0.0", 900);
        rig.sim.change(|world| {
            world.phone_mut(&sick).unwrap().install(&Arc::new(newer));
        });
        run_while(&rig, async {
            sleep(5 * MINUTE).await;
            let five = status(&rig);
            assert_eq!(five.in_sync, 59, "the others are not held up: {five:?}");
            let healthy = rig.sim.report().jobs_of("installApp");
            sleep(HOUR).await;
            assert_eq!(waiting(&rig, Reason::Quarantined), 1, "{:?}", status(&rig));
            let hour = rig.sim.report().jobs_of("installApp");
            assert!(hour.failed >= 6, "{hour:?}");
            // From then on at most once an hour.
            let pause = hour.failed;
            sleep(24 * HOUR).await;
            let day = rig.sim.report().jobs_of("installApp");
            assert!(
                (20..=30).contains(&(day.failed - pause)),
                "{healthy:?} {hour:?} {day:?}"
            );
            assert_eq!(status(&rig).in_sync, 59);
            // Others go on meanwhile.
            let other = rig.sim.phones()[34].clone();
            rig.sim.change(|world| world.drift(&other, &tokyo()));
            sleep(REPAIRED).await;
            assert_eq!(zone_of(&rig, &other), "Europe/Berlin");
            // And the phone is found again when it is well.
            rig.sim.change(|world| {
                world
                    .phone_mut(&sick)
                    .unwrap()
                    .uninstall("com.example.maps")
            });
            sleep(2 * HOUR).await;
            assert_eq!(status(&rig).in_sync, 60, "{:?}", status(&rig));
        })
        .await;
    });
}

#[test]
fn an_edit_while_running_is_carried_out() {
    virtual_time(async {
        let rig = rig(few(30));
        rig.group("    timezone: Europe/Berlin\n", "");
        run_while(&rig, async {
            sleep(10 * MINUTE).await;
            all_in(&rig, "Europe/Berlin");
            let revision = status(&rig).revision;
            rig.group("    timezone: Europe/Paris\n    language: fr-FR\n", "");
            sleep(3 * MINUTE).await;
            all_in(&rig, "Europe/Paris");
            for phone in rig.sim.phones() {
                assert_eq!(rig.sim.phone(&phone).unwrap().language, "fr-FR");
            }
            let status = status(&rig);
            assert_ne!(status.revision, revision);
            assert_eq!(status.in_sync, 30);
        })
        .await;
        assert!(
            corrections(&rig, &Attribute::Timezone).is_empty(),
            "an edit is no repair"
        );
    });
}

#[test]
fn bad_manifests_change_nothing_and_the_last_good_ones_stay() {
    virtual_time(async {
        let rig = rig(few(30));
        rig.group("    timezone: Europe/Berlin\n", "");
        let drifted = rig.sim.phones()[7].clone();
        let bad = [
            "    timezone: Mars/Base\n",
            "    timezone:\n",
            "    timezone: Europe/Paris\n    nonsense: 1\n",
        ];
        run_while(&rig, async {
            sleep(10 * MINUTE).await;
            all_in(&rig, "Europe/Berlin");
            let before = rig.sim.report().mutations;
            for text in bad {
                rig.group(text, "");
                sleep(30 * MINUTE).await;
                assert_eq!(rig.sim.report().mutations, before, "{text}");
            }
            rig.sim.change(|world| world.drift(&drifted, &tokyo()));
            sleep(REPAIRED).await;
            all_in(&rig, "Europe/Berlin");
        })
        .await;
        // A daemon that starts with bad manifests goes on with the last good ones.
        for _ in 0..2 {
            run_while(&rig, async {
                sleep(5 * MINUTE).await;
                rig.sim.change(|world| world.drift(&drifted, &tokyo()));
                sleep(REPAIRED + 5 * MINUTE).await;
                all_in(&rig, "Europe/Berlin");
            })
            .await;
        }
        // Nothing but `run` does.
        assert!(Session::open(rig.options(true), true).await.is_err());
        // Good ones are taken as soon as they are there.
        run_while(&rig, async {
            sleep(5 * MINUTE).await;
            rig.group("    timezone: Europe/Paris\n", "");
            sleep(3 * MINUTE).await;
            all_in(&rig, "Europe/Paris");
        })
        .await;
    });
}

#[test]
fn a_stop_at_any_moment_leaves_the_journal_whole_and_sends_nothing_more() {
    for moment in 0..16_u64 {
        virtual_time(async {
            let rig = rig(Spec {
                faults: Faults::parse("lost=0.03,fail=0.02").unwrap(),
                ..few(40)
            });
            rig.apps();
            rig.group(
                &format!(
                    "{}    image: {{ id: img-26060812345, wipeData: false }}\n",
                    crate::rig::STANDARD
                ),
                "  allow: [restart]\n",
            );
            let stop = Duration::from_millis(hash("stop", moment, 1) % 150_000);
            run_while(&rig, sleep(stop)).await;
            let report = rig.sim.report();
            sleep(HOUR).await;
            assert_eq!(
                rig.sim.report().calls,
                report.calls,
                "moment {moment} ({stop:?}): nothing is sent after the stop"
            );
            let ledger = ledger(&rig);
            let open: usize = ledger
                .phones
                .values()
                .flat_map(|phones| phones.values())
                .map(|history| history.open.len())
                .sum();
            run_while(&rig, sleep(3 * HOUR)).await;
            let report = rig.sim.report();
            assert_eq!(
                (report.double_jobs, report.costly_repeated, report.throttled),
                (0, 0, 0),
                "moment {moment} ({stop:?}, {open} open): {report:?}"
            );
            let status = status(&rig);
            assert_eq!(
                status.in_sync + status.operator,
                40,
                "moment {moment} ({stop:?}, {open} open): {status:?}"
            );
        });
    }
}

#[test]
fn what_a_wipe_loses_is_asserted_again_even_if_nobody_saw_the_wipe() {
    virtual_time(async {
        let rig = rig(few(4));
        let live = "    timezone: Europe/Berlin\n    proxy: { mode: proxy, protocol: socks5, host: proxy.example.net, port: 1080 }\n";
        rig.group(live, "");
        run_while(&rig, sleep(5 * MINUTE)).await;
        let proxied = |rig: &Rig| {
            let phones = rig.sim.phones().into_iter();
            phones
                .filter(|phone| rig.sim.phone(phone).unwrap().proxy.is_some())
                .count()
        };
        assert_eq!(proxied(&rig), 4);
        let image = "    image: { id: img-26060812345, wipeData: true }\n";
        rig.group(&format!("{live}{image}"), "  allow: [restart, wipe]\n");
        // The daemon dies when the wipe has just been accepted and nobody has told it so.
        let mut session = daemon(&rig).await;
        let (stop, stopped) = watch::channel(false);
        let submits = || rig.sim.report().calls_to("upgradeImage");
        let death = async {
            loop {
                sleep(Duration::from_millis(1)).await;
                if submits() > 0 {
                    break;
                }
            }
        };
        tokio::select! {
            biased;
            () = death => {}
            ending = session.run(stopped) => panic!("{ending:?}"),
        }
        drop((session, stop));
        sleep(HOUR).await;
        run_while(&rig, sleep(3 * HOUR)).await;
        assert_eq!(submits(), 1, "four phones, one call");
        assert_eq!(rig.sim.report().wipes, 4);
        all_in(&rig, "Europe/Berlin");
        assert_eq!(proxied(&rig), 4, "{:?}", status(&rig));
        assert_eq!(status(&rig).in_sync, 4);
    });
}
