//! The sister deployments, VMOS Cloud and VSPhone: from manifests to a converged fleet, over their simulated surfaces in virtual time.

use crate::rig::{Rig, open, quiet, virtual_time};
use phonefleet::daemon::{Ending, Session};
use phonefleet::model::id::PhoneKey;
use phonefleet::plan::preview::Plan;
use phonefleet::plan::render;
use phonefleet::sim::Spec;
use phonefleet::sim::armcloud::Dialect;
use phonefleet::sim::faults::Faults;
use phonefleet::sim::report::Report;
use std::time::Duration;

/// Providers and what all their paths begin with.
const SISTERS: [(&str, &str); 2] = [
    ("vmoscloud", "/vcpcloud/api/padApi/"),
    ("vsphone", "/vsphone/api/padApi/"),
];
const STANDARD: &str = "    timezone: Europe/Berlin\n    language: de-DE\n    proxy: { mode: proxy, protocol: socks5, host: proxy.example.net, port: 1080 }\n    properties: { persist.sys.fleet.ring: \"3\" }\n    apps:\n      com.example.notes: { app: notes }\n      com.bad.game: absent\n";

fn rig(provider: &str, phones: u32, seed: u64, faults: &str) -> Rig {
    let rig = Rig::new(spec(phones, seed, faults));
    furnish(&rig, provider);
    rig
}

fn spec(phones: u32, seed: u64, faults: &str) -> Spec {
    Spec {
        phones,
        seed,
        faults: Faults::parse(faults).unwrap(),
        ..Spec::default()
    }
}

fn furnish(rig: &Rig, provider: &str) {
    rig.account_at(provider, "");
    rig.write(
        "fleet/apps.yaml",
        "apiVersion: phonefleet/v1alpha1\nkind: App\nmetadata: { name: notes }\nspec:\n  package: com.example.notes\n  version: { exact: 2.3.4 }\n  sources: [{ url: \"https://files.example/notes-2.3.4-57.apk\" }]\n",
    );
}

/// Nothing went where it should not, nothing was done twice.
fn is_clean(report: &Report, prefix: &str, what: &str) {
    let elsewhere = report
        .calls_by_path
        .keys()
        .find(|path| !path.starts_with(prefix));
    assert_eq!(elsewhere, None, "{what}");
    let bad = (
        report.throttled,
        report.bad_signatures,
        report.double_jobs,
        report.costly_repeated,
    );
    assert_eq!(bad, (0, 0, 0, 0), "{what}: {report:?}");
}

fn is_standard(rig: &Rig, what: &str) {
    for id in rig.sim.phones() {
        let phone = rig.sim.phone(&id).unwrap();
        let found = (&*phone.timezone, &*phone.language);
        assert_eq!(found, ("Europe/Berlin", "de-DE"), "{what}: {id}");
        let proxy = phone.proxy.clone().unwrap();
        assert_eq!((&*proxy.host, proxy.port), ("proxy.example.net", 1080));
        assert_eq!(phone.property("persist.sys.fleet.ring").unwrap(), "3");
        let notes = phone.app("com.example.notes").unwrap();
        assert_eq!(notes.version_name, "2.3.4", "{what}: {id}");
        assert!(phone.app("com.bad.game").is_none(), "{what}: {id}");
    }
}

async fn converges(rig: &Rig, prefix: &str, what: &str) {
    let mut session = rig.session(true).await;
    let (plan, ending) = rig.apply(&mut session).await;
    let report = rig.sim.report();
    assert!(plan.has_changes(), "{what}");
    assert_eq!(ending, Ending::Converged, "{what}: {report:?}");
    is_clean(&report, prefix, what);
    is_standard(rig, what);
    drop(session);
    let mut again = rig.session(true).await;
    let plan = again.preview(quiet()).await.unwrap();
    assert!(plan.is_empty(), "{what}: a second plan is empty: {plan:?}");
}

#[test]
fn a_hundred_phones_converge_at_each_sister() {
    virtual_time(async {
        for (provider, prefix) in SISTERS {
            let rig = rig(provider, 100, 5, "");
            rig.group(STANDARD, "");
            converges(&rig, prefix, provider).await;
            let report = rig.sim.report();
            assert_eq!(report.refused.len(), 0, "{report:?}");
        }
    });
}

#[test]
fn a_thousand_phones_converge_with_hardly_more_calls_than_needed() {
    virtual_time(async {
        for (provider, prefix) in SISTERS {
            let rig = rig(provider, 1000, 7, "");
            rig.group(STANDARD, "");
            let mut session = rig.session(true).await;
            let (_, ending) = rig.apply(&mut session).await;
            let report = rig.sim.report();
            assert_eq!(ending, Ending::Converged, "{provider}: {report:?}");
            is_clean(&report, prefix, provider);
            // Reads: a listing, 5 of properties and 10 of apps, before and after (the listing once); writes: 6 payloads for 100 phones each.
            let (reads, writes) = (1 + 2 * (5 + 10), 6 * 10);
            let made = report.reads + report.mutations;
            assert!(
                made * 100 <= (reads + writes) * 105,
                "{made} calls, {} needed: {report:?}",
                reads + writes
            );
            let pace = (report.max_calls_per_second, report.max_calls_per_minute);
            assert!(pace.0 <= 20 && pace.1 <= 600, "{report:?}");
        }
    });
}

#[test]
fn a_hundred_phones_converge_over_a_bad_network() {
    virtual_time(async {
        for (provider, prefix) in SISTERS {
            for seed in [21, 22, 23] {
                let rig = rig(provider, 100, seed, "lost=0.05,5xx=0.02,fail=0.02");
                rig.group(STANDARD, "");
                converges(&rig, prefix, &format!("{provider}, seed {seed}")).await;
            }
        }
    });
}

#[test]
fn the_older_signature_serves_as_well() {
    virtual_time(async {
        for way in ["v2", "v2-all-bodies"] {
            for (provider, prefix) in SISTERS {
                let rig = rig(
                    provider,
                    20,
                    9,
                    "lost=0.05,5xx=0.02,fail=0.02,throttle=0.05",
                );
                rig.account_at(provider, &format!("  options: {{ signature: {way} }}\n"));
                rig.group(STANDARD, "");
                converges(&rig, prefix, &format!("{provider}, {way}")).await;
            }
        }
    });
}

#[test]
fn a_country_draws_one_new_identity_where_that_is_allowed() {
    virtual_time(async {
        for (provider, prefix) in SISTERS {
            let rig = rig(provider, 10, 4, "lost=0.2");
            let desired = "    sim: { country: DE }\n";
            rig.group(desired, "");
            let mut session = rig.session(true).await;
            let (_, ending) = rig.apply(&mut session).await;
            assert_eq!(ending, Ending::Partly, "{provider}");
            assert_eq!(rig.sim.report().new_identities, 0, "{provider}");
            drop(session);
            rig.group(desired, "  allow: [restart, newIdentity]\n");
            let mut session = rig.session(true).await;
            rig.apply_all(&mut session, Duration::from_secs(7200)).await;
            let report = rig.sim.report();
            is_clean(&report, prefix, provider);
            assert!(report.new_identities > 0, "{provider}: {report:?}");
            for (phone, costs) in &report.costly {
                assert_eq!(costs.new_identities, 1, "{provider} {phone}: {report:?}");
            }
        }
    });
}

#[test]
fn an_image_is_named_by_its_version() {
    virtual_time(async {
        for (provider, prefix) in SISTERS {
            let rig = rig(provider, 5, 4, "");
            rig.group(
                "    image: { version: \"20260608_1\", wipeData: false }\n",
                "  allow: [restart]\n",
            );
            let mut session = rig.session(true).await;
            let ending = rig.apply_all(&mut session, Duration::from_secs(7200)).await;
            let report = rig.sim.report();
            assert_eq!(ending, Ending::Converged, "{provider}: {report:?}");
            is_clean(&report, prefix, provider);
            assert_eq!((report.restarts, report.wipes), (5, 0), "{report:?}");
            let phone = rig.sim.phone(&rig.sim.phones()[0]).unwrap();
            assert_eq!(phone.image.id, "img-26060812345");
        }
    });
}

#[test]
fn what_a_sister_lacks_is_refused_before_anything_is_sent() {
    virtual_time(async {
        for (provider, _) in SISTERS {
            for (desired, words) in [
                ("    sim: { imei: \"490154203237518\" }\n", "`sim`"),
                ("    bandwidth: { upMbps: 1, downMbps: 1 }\n", "`bandwidth`"),
                (
                    "    apps: { com.example.maps: { app: maps } }\n",
                    "com.example.maps",
                ),
            ] {
                let rig = rig(provider, 1, 1, "");
                rig.apps();
                rig.group(desired, "");
                let Err(error) = Session::open(rig.options(false), false).await else {
                    panic!("{provider} takes {desired}")
                };
                let mut text = format!("{error:?}");
                text.push_str(&error.to_string());
                assert!(text.contains(words), "{text}");
                assert!(text.contains(provider), "{text}");
                assert_eq!(rig.sim.report().calls, 0);
            }
        }
    });
}

#[test]
fn a_group_can_skip_what_a_provider_lacks() {
    virtual_time(async {
        let desired = format!(
            "{STANDARD}    bandwidth: {{ upMbps: 5, downMbps: 5 }}\n    settings: {{ global/fleet_ring: \"3\" }}\n"
        );
        let rig = rig("vsphone", 20, 3, "");
        rig.group(&desired, "");
        let refused = Session::open(rig.options(true), true).await;
        let problem = refused.err().map(|error| error.to_string());
        assert!(problem.is_some(), "bandwidth is no attribute there");
        rig.group(&desired, "  unsupported: skip\n");
        let plan = rig.session(false).await.preview(quiet()).await.unwrap();
        let [skipped] = &plan.skipped[..] else {
            panic!("{:?}", plan.skipped)
        };
        let told = (skipped.attribute.to_string(), skipped.phones);
        assert_eq!(told, ("bandwidth".to_owned(), 20));
        for text in [render::text(&plan), render::markdown(&plan)] {
            let line = "bandwidth at account lab, for 20 phones of all";
            assert!(text.contains(line), "{text}");
        }
        let json = serde_json::to_value(render::json(&plan)).unwrap();
        assert_eq!(json["skipped"][0]["attribute"], "bandwidth");
        converges(&rig, "/vsphone/", "skip").await;
        for id in rig.sim.phones() {
            let phone = rig.sim.phone(&id).unwrap();
            assert_eq!(phone.bandwidth, None);
            assert_eq!(
                phone.settings.get("global/fleet_ring"),
                Some(&"3".into()),
                "{id}"
            );
        }
    });
}

/// How often the vendor was asked which codes it changed.
fn asked(report: &Report, prefix: &str) -> u64 {
    let path = format!("{prefix}queryPadIdChangeRecords");
    let calls = report.calls_by_path.get(path.as_str());
    calls.copied().unwrap_or_default()
}

/// A group of the phones with these codes.
fn group_of(rig: &Rig, codes: &str) {
    rig.write(
        "fleet/group.yaml",
        &format!(
            "apiVersion: phonefleet/v1alpha1\nkind: Group\nmetadata: {{ name: all }}\nspec:\n  phones: {{ accounts: [lab], ids: [{codes}] }}\n  desired:\n{STANDARD}"
        ),
    );
}

/// Applies what there is to do, and gives the plan and what was counted since.
async fn applied(rig: &Rig, what: &str) -> (Plan, Report, Report) {
    let before = rig.sim.report();
    let mut session = rig.session(true).await;
    let (plan, ending) = rig.apply(&mut session).await;
    let after = rig.sim.report();
    assert_eq!(ending, Ending::Converged, "{what}: {after:?}");
    (plan, before, after)
}

/// Which codes became which, and whether the manifests name the old ones.
fn renamed(plan: &Plan) -> Vec<(String, String, bool)> {
    let codes = plan.renamed.iter().map(|one| {
        let (from, to) = (one.from.phone.to_string(), one.to.phone.to_string());
        (from, to, one.named)
    });
    codes.collect()
}

#[test]
fn a_code_that_the_vendor_changes_is_followed() {
    virtual_time(async {
        for (provider, prefix) in SISTERS {
            let rig = rig(provider, 10, 6, "");
            rig.group(STANDARD, "");
            converges(&rig, prefix, provider).await;
            assert_eq!(asked(&rig.sim.report(), prefix), 0, "{provider}");
            let old = rig.sim.phones()[3].clone();
            rig.sim.change(|world| world.recode(&old, "VPRENAMED1"));
            let (plan, before, after) = applied(&rig, provider).await;
            let told = [(old.clone(), "VPRENAMED1".to_owned(), false)];
            assert_eq!(renamed(&plan), told, "{provider}");
            assert!(plan.is_empty(), "{provider}: {plan:?}");
            assert_eq!(after.mutations, before.mutations, "{provider}: {after:?}");
            assert_eq!(after.restarts, before.restarts, "{provider}: {after:?}");
            assert_eq!(asked(&after, prefix), 1, "{provider}: {after:?}");
            is_clean(&after, prefix, provider);
            // It is known from now on, and nobody is missed any more.
            let (plan, _, after) = applied(&rig, provider).await;
            assert_eq!((renamed(&plan), asked(&after, prefix)), (vec![], 1));
        }
    });
}

#[test]
fn a_phone_that_is_named_by_its_old_code_stays_managed() {
    virtual_time(async {
        for (provider, prefix) in SISTERS {
            let rig = rig(provider, 10, 6, "");
            let [first, second] = [0, 1].map(|place| rig.sim.phones()[place].clone());
            group_of(&rig, &format!("{first}, {second}"));
            applied(&rig, provider).await;
            // Twice while nobody looks.
            rig.sim.change(|world| {
                world.recode(&first, "VPBETWEEN");
                world.recode("VPBETWEEN", "VPRENAMED1");
            });
            let (plan, before, after) = applied(&rig, provider).await;
            let told = [(first.clone(), "VPRENAMED1".to_owned(), true)];
            assert_eq!(renamed(&plan), told, "{provider}");
            assert_eq!(after.mutations, before.mutations, "{provider}: {after:?}");
            for text in [render::text(&plan), render::markdown(&plan)] {
                let words: Vec<&str> = text.split_whitespace().collect();
                let text = words.join(" ");
                assert!(text.contains("still name the old code"), "{text}");
            }
            let json = serde_json::to_value(render::json(&plan)).unwrap();
            assert_eq!(json["renamed"][0]["to"], "lab/VPRENAMED1");
            // What drifts is mended under the new code, and a third one is followed too.
            rig.sim.change(|world| {
                world.recode("VPRENAMED1", "VPRENAMED2");
                world.phone_mut("VPRENAMED2").unwrap().timezone = "Asia/Tokyo".into();
            });
            let (plan, before, after) = applied(&rig, provider).await;
            assert_eq!(
                after.mutations,
                before.mutations + 1,
                "{provider}: {after:?}"
            );
            let phone = rig.sim.phone("VPRENAMED2").unwrap();
            assert_eq!(phone.timezone, "Europe/Berlin", "{provider}");
            // Both keys name it, and what is remembered was remembered of it.
            let session = open(&rig.options(true), false).await;
            let key = |code: &str| PhoneKey {
                account: "lab".into(),
                phone: code.into(),
            };
            let now = key("VPRENAMED2");
            assert_eq!(session.current(&key(&first)), now, "{provider}");
            let former = session.former(&now).into_iter().map(|(old, _)| old);
            let former: Vec<PhoneKey> = former.collect();
            assert_eq!(former, [key("VPRENAMED1"), key(&first)], "{provider}");
            let told = renamed(&plan);
            let last = (first.clone(), "VPRENAMED2".to_owned(), true);
            assert!(told.contains(&last), "{provider}: {told:?}");
            // The manifest catches up.
            group_of(&rig, &format!("VPRENAMED2, {second}"));
            let (plan, before, after) = applied(&rig, provider).await;
            assert_eq!((renamed(&plan), plan.is_empty()), (vec![], true));
            assert_eq!(after.mutations, before.mutations, "{provider}: {after:?}");
            is_clean(&after, prefix, provider);
        }
    });
}

#[test]
fn a_phone_that_is_left_alone_stays_so_under_another_code() {
    virtual_time(async {
        for (provider, _) in SISTERS {
            let rig = rig(provider, 10, 6, "");
            let alone = rig.sim.phones()[4].clone();
            rig.write(
                "fleet/group.yaml",
                &format!(
                    "apiVersion: phonefleet/v1alpha1\nkind: Group\nmetadata: {{ name: all }}\nspec:\n  phones: {{ accounts: [lab], exclude: [{alone}] }}\n  desired:\n{STANDARD}"
                ),
            );
            applied(&rig, provider).await;
            rig.sim.change(|world| world.recode(&alone, "VPALONE"));
            let (plan, before, after) = applied(&rig, provider).await;
            assert_eq!(renamed(&plan), [(alone, "VPALONE".to_owned(), true)]);
            assert_eq!(after.mutations, before.mutations, "{provider}: {after:?}");
            let phone = rig.sim.phone("VPALONE").unwrap();
            assert_ne!(phone.timezone, "Europe/Berlin", "{provider}");
        }
    });
}

/// A vendor whose build does not tell: a new code is a new phone, and what the journal knows stays with the old one.
#[test]
fn a_code_of_which_the_vendor_does_not_tell_is_another_phone() {
    virtual_time(async {
        for (provider, prefix) in SISTERS {
            let rig = Rig::new(Spec {
                dialect: Dialect {
                    code_changes: false,
                    ..Dialect::default()
                },
                ..spec(10, 6, "")
            });
            furnish(&rig, provider);
            rig.group(STANDARD, "");
            converges(&rig, prefix, provider).await;
            let old = rig.sim.phones()[3].clone();
            rig.sim.change(|world| world.recode(&old, "VPRENAMED1"));
            // The new phone gets what cannot be read of it; nothing is done twice, nothing restarts.
            let (plan, before, after) = applied(&rig, provider).await;
            assert_eq!(renamed(&plan), [], "{provider}");
            is_clean(&after, prefix, provider);
            is_standard(&rig, provider);
            assert_eq!(
                after.mutations,
                before.mutations + 1,
                "{provider}: {after:?}"
            );
            assert_eq!(after.restarts, before.restarts, "{provider}");
            assert_eq!(asked(&after, prefix), 1, "{provider}: {after:?}");
            // Where phones are named one by one, the old one is missed and the new one is nobody's.
            let back = rig.sim.phones()[0].clone();
            group_of(&rig, &back);
            rig.sim.change(|world| {
                world.recode(&back, "VPRENAMED2");
                world.phone_mut("VPRENAMED2").unwrap().timezone = "Asia/Tokyo".into();
            });
            let mut session = rig.session(true).await;
            let ending = rig.apply_all(&mut session, Duration::from_secs(3600)).await;
            let last = rig.sim.report();
            assert_ne!(ending, Ending::Converged, "{provider}: {back} is gone");
            assert_eq!(last.mutations, after.mutations, "{provider}: {last:?}");
            let phone = rig.sim.phone("VPRENAMED2").unwrap();
            assert_eq!(phone.timezone, "Asia/Tokyo", "{provider}");
            assert!(asked(&last, prefix) <= 2, "{provider}: {last:?}");
        }
    });
}

/// A process ends in the middle of work, all phones get other codes, and the next one goes on.
#[test]
fn work_that_is_open_when_codes_change_goes_on_under_the_new_ones() {
    virtual_time(async {
        for (provider, prefix) in SISTERS {
            for seconds in [1, 3, 10, 20, 40] {
                let what = format!("{provider}, after {seconds} s");
                let rig = rig(provider, 12, seconds, "");
                rig.group(
                    &format!(
                        "{STANDARD}    image: {{ version: \"20260608_1\", wipeData: false }}\n"
                    ),
                    "  allow: [restart]\n",
                );
                let mut session = rig.session(true).await;
                let ending = rig
                    .apply_all(&mut session, Duration::from_secs(seconds))
                    .await;
                assert_eq!(ending, Ending::TimedOut, "{what}");
                drop(session);
                let phones = rig.sim.phones();
                rig.sim.change(|world| {
                    for id in &phones {
                        world.recode(id, &format!("{id}R"));
                    }
                });
                let mut session = rig.session(true).await;
                let ending = rig.apply_all(&mut session, Duration::from_secs(7200)).await;
                let report = rig.sim.report();
                assert_eq!(ending, Ending::Converged, "{what}: {report:?}");
                is_clean(&report, prefix, &what);
                is_standard(&rig, &what);
                assert_eq!(
                    (report.restarts, report.wipes),
                    (12, 0),
                    "{what}: {report:?}"
                );
                assert_eq!(asked(&report, prefix), 1, "{what}: {report:?}");
                let told = renamed(&session.plan_now());
                assert_eq!(told.len(), phones.len(), "{what}: {told:?}");
            }
        }
    });
}

#[test]
fn codes_that_change_while_work_goes_on_double_nothing_costly() {
    virtual_time(async {
        for (provider, prefix) in SISTERS {
            let scenario = r#"[{"at":"12s","fraction":0.2,"recode":true}]"#;
            let rig = Rig::new(Spec {
                scenario: phonefleet::sim::scenario::parse(scenario).unwrap(),
                ..spec(30, 8, "")
            });
            furnish(&rig, provider);
            rig.group(
                &format!("{STANDARD}    image: {{ version: \"20260608_1\", wipeData: false }}\n"),
                "  allow: [restart]\n",
            );
            let mut session = rig.session(true).await;
            let ending = rig.apply_all(&mut session, Duration::from_secs(7200)).await;
            let report = rig.sim.report();
            assert!(rig.sim.phones().iter().any(|id| id.ends_with('R')));
            let bad = (report.costly_repeated, report.wipes, report.new_identities);
            assert_eq!(bad, (0, 0, 0), "{provider}: {report:?}");
            assert_eq!(ending, Ending::Converged, "{provider}: {report:?}");
            assert_eq!(report.restarts, 30, "{provider}: {report:?}");
            is_clean(&report, prefix, provider);
            is_standard(&rig, provider);
        }
    });
}
