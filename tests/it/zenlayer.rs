//! Zenlayer: from manifests to a converged fleet, over its simulated surface in virtual time; stored commands are shared, and gone afterwards.

use crate::rig::{Rig, quiet, virtual_time};
use phonefleet::daemon::Ending;
use phonefleet::model::fleet::ProviderKind;
use phonefleet::sim::Spec;
use phonefleet::sim::faults::Faults;
use phonefleet::sim::report::Report;
use phonefleet::sim::world::World;
use phonefleet::sim::zenlayer::{Dialect, Guest};
use std::time::Duration;

/// Time zone, language, HTTP proxy, properties, an app in, an app out.
const PROFILE: &str = "    timezone: Europe/Berlin\n    language: de-DE\n    proxy: { mode: proxy, protocol: http, host: proxy.example.net, port: 3128 }\n    properties: { persist.sys.fleet.ring: \"3\" }\n    settings: { global/stay_on_while_plugged_in: \"3\" }\n    apps:\n      com.example.chat: { app: chat }\n      com.bad.game: absent\n";
const FAULTS: &str = "lost=0.05,5xx=0.02,fail=0.02";

fn rig(phones: u32, seed: u64, faults: &str) -> Rig {
    let rig = Rig::new(Spec {
        phones,
        seed,
        faults: Faults::parse(faults).unwrap(),
        check_clock: true,
        ..Spec::of(ProviderKind::Zenlayer)
    });
    rig.account_at("zenlayer", "");
    rig.write(
        "fleet/apps.yaml",
        "apiVersion: phonefleet/v1alpha1\nkind: App\nmetadata: { name: chat }\nspec:\n  package: com.example.chat\n  version: { exact: 2.0.1 }\n  sources: [{ url: \"https://apps.example/com.example.chat-2.0.1.apk\" }]\n",
    );
    rig.group(PROFILE, "  allow: [restart]\n");
    rig
}

fn is_clean(report: &Report, what: &str) {
    let bad = (
        report.throttled,
        report.bad_signatures,
        report.double_jobs,
        report.wipes,
    );
    assert_eq!(bad, (0, 0, 0, 0), "{what}: {report:?}");
}

fn is_as_wished(rig: &Rig, what: &str) {
    are_as_wished(rig, rig.sim.phones().into_iter(), what);
}

fn are_as_wished(rig: &Rig, phones: impl Iterator<Item = String>, what: &str) {
    for id in phones {
        let phone = rig.sim.phone(&id).unwrap();
        let found = (&*phone.timezone, &*phone.language);
        assert_eq!(found, ("Europe/Berlin", "de-DE"), "{what}: {id}");
        let proxy = phone.setting("global/http_proxy").unwrap();
        assert_eq!(proxy, "proxy.example.net:3128", "{what}: {id}");
        let ring = phone.property("persist.sys.fleet.ring").unwrap();
        assert_eq!(ring, "3", "{what}: {id}");
        let chat = phone.app("com.example.chat").unwrap();
        assert_eq!(chat.version_name, "2.0.1", "{what}: {id}");
        assert!(phone.app("com.bad.game").is_none(), "{what}: {id}");
    }
}

async fn converges(rig: &Rig, what: &str) -> Report {
    let mut session = rig.session(true).await;
    let (plan, ending) = rig.apply(&mut session).await;
    let report = rig.sim.report();
    assert!(plan.has_changes(), "{what}");
    let why = session.progress_now().needing;
    assert_eq!(ending, Ending::Converged, "{what}: {why:?} {report:?}");
    is_clean(&report, what);
    is_as_wished(rig, what);
    drop(session);
    let mut again = rig.session(true).await;
    let plan = again.preview(quiet()).await.unwrap();
    assert!(plan.is_empty(), "{what}: a second plan is empty: {plan:?}");
    report
}

#[test]
fn a_hundred_phones_converge_over_a_bad_network() {
    virtual_time(async {
        for seed in [31, 32, 33] {
            let rig = rig(100, seed, FAULTS);
            converges(&rig, &format!("seed {seed}")).await;
        }
    });
}

/// Whatever the network, the vendor and the phones do: nothing is doubled, and every phone is as wished or waits for a person with a reason.
#[test]
fn with_everything_going_wrong_no_phone_is_left_without_a_reason() {
    virtual_time(async {
        for seed in [51, 52] {
            let faults = "lost=0.02,late=0.01,5xx=0.02,html=0.01,throttle=0.02,refused=0.02,slow=0.05,fail=0.02,hang=0.01,no-effect=0.02,offline=0.02,missing-row=0.01,stale=0.02,short-page=0.05,empty-page=0.02,doubled-page=0.05";
            let rig = rig(100, seed, faults);
            let mut session = rig.session(true).await;
            let (_, ending) = rig.apply(&mut session).await;
            let what = format!("seed {seed}");
            let report = rig.sim.report();
            is_clean(&report, &what);
            assert_eq!(report.costly_repeated, 0, "{what}");
            let needing = session.progress_now().needing;
            assert!(needing.len() < 10, "{what}: {needing:?}");
            assert_eq!(needing.is_empty(), ending == Ending::Converged, "{what}");
            let waits = |id: &String| needing.iter().any(|(key, ..)| key.phone.as_str() == id);
            let rest = rig.sim.phones().into_iter().filter(|id| !waits(id));
            are_as_wished(&rig, rest, &what);
        }
    });
}

#[test]
fn phones_inside_their_instances_converge_as_well() {
    virtual_time(async {
        let setups = [
            (
                Guest::Container("phone".into()),
                "docker exec phone sh -c",
                -420,
            ),
            (
                Guest::Bridge("127.0.0.1:5555".into()),
                "adb -s 127.0.0.1:5555 shell",
                480,
            ),
        ];
        for (guest, prefix, zone) in setups {
            let rig = rig(30, 41, FAULTS);
            rig.sim.change(|world| {
                *world.zenlayer() = Dialect {
                    guest,
                    zone,
                    no_exit_code: true,
                    rows_at_most: Some(7),
                    no_totals: false,
                    ..Dialect::default()
                };
            });
            rig.account_at(
                "zenlayer",
                &format!("  options: {{ commandPrefix: \"{prefix}\" }}\n"),
            );
            converges(&rig, prefix).await;
        }
    });
}

#[test]
fn a_thousand_phones_share_one_stored_command_a_script_and_unused_ones_are_gone() {
    virtual_time(async {
        let rig = rig(1000, 7, "");
        let mut session = rig.session(true).await;
        let (_, ending) = rig.apply(&mut session).await;
        let report = rig.sim.report();
        assert_eq!(ending, Ending::Converged, "{report:?}");
        is_clean(&report, "1000 phones");
        is_as_wished(&rig, "1000 phones");
        // Scripts: one that reads; settings, language, app in, app out. Each is looked up and stored once.
        let scripts = 5;
        assert_eq!(rig.sim.change(World::commands_ever_stored), scripts);
        assert_eq!(report.calls_to("CreateCommand"), scripts);
        // And what others may have left is looked for once.
        assert_eq!(report.calls_to("DescribeCommands"), scripts + 1);
        // Each phone is read before and after, and written to four times at most: nothing is done twice.
        let jobs = report.jobs.values().map(|ends| ends.submitted);
        assert_eq!(jobs.sum::<u64>(), 2 * 1000 + 3 * 1000 + 100);
        let left = rig.sim.change(World::stored_commands);
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(left[0].starts_with("phonefleet-read-"), "{left:?}");
        drop(session);

        // Days later another script reads: the old one is nobody's any more.
        tokio::time::sleep(Duration::from_secs(2 * 86_400)).await;
        rig.group("    timezone: Europe/Paris\n", "");
        let mut session = rig.session(true).await;
        let (_, ending) = rig.apply(&mut session).await;
        assert_eq!(ending, Ending::Converged);
        let after = rig.sim.change(World::stored_commands);
        assert_eq!(after.len(), 1, "{after:?}");
        assert_ne!(after, left);
    });
}

#[test]
fn stored_commands_that_vanish_are_made_anew() {
    virtual_time(async {
        let rig = rig(20, 5, "");
        rig.group("    timezone: Europe/Berlin\n", "");
        let mut session = rig.session(true).await;
        session.preview(quiet()).await.unwrap();
        rig.sim.change(World::lose_stored_commands);
        let (_, ending) = rig.apply(&mut session).await;
        assert_eq!(ending, Ending::Converged);
        is_clean(&rig.sim.report(), "vanished");
    });
}

#[test]
fn phones_without_an_agent_wait_for_a_person_and_hold_nobody_up() {
    virtual_time(async {
        let rig = rig(20, 5, "");
        rig.group("    timezone: Europe/Berlin\n", "");
        let lame = "i-zec0000004";
        rig.sim.change(|world| {
            world.zenlayer().without_agent.insert(lame.into());
        });
        let mut session = rig.session(true).await;
        let (_, ending) = rig.apply(&mut session).await;
        assert_eq!(ending, Ending::Partly);
        for id in rig.sim.phones() {
            let wished = rig.sim.phone(&id).unwrap().timezone == "Europe/Berlin";
            assert_eq!(wished, id != lame, "{id}");
        }
        let report = rig.sim.report();
        assert_eq!(report.refused.len(), 0, "nothing is sent there: {report:?}");
    });
}

#[test]
fn what_cannot_be_done_is_refused_before_anything_is_sent() {
    virtual_time(async {
        let long = "x".repeat(900);
        let cases = [
            (
                "    proxy: { mode: proxy, protocol: socks5, host: a.example, port: 1 }\n".to_owned(),
                "protocol: http works",
            ),
            (
                "    proxy: { mode: proxy, protocol: http, host: a.example, port: 1, username: u, password: { env: PW } }\n".to_owned(),
                "no user name and password",
            ),
            (
                "    location: { latitude: 1.5, longitude: 2, altitude: 30 }\n".to_owned(),
                "no altitude",
            ),
            (
                "    sim: { imei: \"490154203237518\" }\n".to_owned(),
                "`sim`",
            ),
            (
                "    image: { id: img-1, wipeData: true }\n".to_owned(),
                "`image`",
            ),
            (
                format!("    settings: {{ secure/long: {long} }}\n"),
                "characters long",
            ),
        ];
        for (desired, words) in cases {
            let rig = rig(1, 1, "");
            rig.group(&desired, "");
            let Err(error) = phonefleet::daemon::Session::open(rig.options(false), false).await
            else {
                panic!("{desired} is taken")
            };
            let text = format!("{error} {error:?}");
            assert!(text.contains(words), "{words}: {text}");
            assert!(text.contains("zenlayer"), "{text}");
            assert_eq!(rig.sim.report().calls, 0);
        }
    });
}

/// Eight phones, converged and left alone for twenty minutes; then this goes wrong with every listing, until `over` says that it is enough. Nobody is absent.
async fn listings_go_wrong(fault: &str, over: impl Future<Output = ()>, rig: &Rig) {
    let mut options = rig.options(true);
    options.command = "run";
    let mut session = crate::rig::open(&options, true).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let script = async {
        tokio::time::sleep(Duration::from_secs(20 * 60)).await;
        let faults = Faults::parse(fault).unwrap();
        rig.sim.change(|world| world.set_faults(faults));
        over.await;
        stop.send_replace(true);
    };
    let (ending, ()) = tokio::join!(session.run(stopped), script);
    assert_eq!(ending.unwrap(), Ending::Interrupted);
    let progress = session.progress_now();
    assert_eq!((progress.phones, progress.in_sync), (8, 8), "{progress:?}");
}

/// This vendor tells no total. A page that tells some phones twice, and so leaves others out, makes nobody absent, not even beside a short one.
#[test]
fn a_listing_that_tells_a_phone_twice_makes_nobody_absent() {
    virtual_time(async {
        let rig = rig(8, 3, "");
        let half_an_hour = async { tokio::time::sleep(Duration::from_secs(30 * 60)).await };
        listings_go_wrong("doubled-page=1", half_an_hour, &rig).await;
        let calls = rig.sim.report();
        assert!(calls.calls_to("DescribeInstances") > 8, "{calls:?}");
    });
}

/// This vendor tells no total but 0: an empty page that tells one of none is no proof that there is nothing, not three times in a row either.
#[test]
fn empty_listings_make_nobody_absent() {
    virtual_time(async {
        let rig = rig(8, 3, "");
        let three = async {
            let listings = || rig.sim.report().calls_to("DescribeInstances");
            let before = listings();
            while listings() < before + 3 {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        listings_go_wrong("empty-page=1", three, &rig).await;
    });
}
