//! Alibaba Cloud Phone: what only it has, from manifests to a converged fleet, over its simulated surface in virtual time.

use crate::rig::{Rig, quiet, virtual_time};
use phonefleet::daemon::Ending;
use phonefleet::model::capability::Reads;
use phonefleet::model::fleet::ProviderKind;
use phonefleet::sim::Spec;
use phonefleet::sim::alibaba::SECURITY_TOKEN;
use phonefleet::sim::faults::Faults;
use phonefleet::sim::report::Report;
use std::collections::BTreeSet;
use std::time::Duration;

const EVERYTHING: &str = "    timezone: Europe/Berlin\n    language: de-DE\n    proxy: { mode: proxy, protocol: http, host: proxy.example.net, port: 3128 }\n    bandwidth: { upMbps: 4, downMbps: 20 }\n    adb: true\n    properties: { persist.sys.fleet.ring: \"3\" }\n    settings: { global/zen_mode: \"1\" }\n    apps:\n      com.example.chat: { app: chat, running: true }\n      com.example.notes: { app: notes }\n      com.bad.game: absent\n";

fn rig(phones: u32, seed: u64, faults: &str) -> Rig {
    let rig = Rig::new(Spec {
        phones,
        seed,
        faults: Faults::parse(faults).unwrap(),
        ..Spec::of(ProviderKind::Alibaba)
    });
    rig.account_at("alibaba", "");
    rig.write(
        "fleet/apps.yaml",
        "apiVersion: phonefleet/v1alpha1\nkind: App\nmetadata: { name: chat }\nspec:\n  package: com.example.chat\n  version: { exact: 2.0.1 }\n  sources: [{ account: lab, appId: \"502\" }]\n---\napiVersion: phonefleet/v1alpha1\nkind: App\nmetadata: { name: notes }\nspec:\n  package: com.example.notes\n  versionCode: { exact: 57 }\n  sources: [{ url: \"https://files.example/notes-2.3.4-57.apk\" }]\n",
    );
    rig
}

fn is_clean(report: &Report, what: &str) {
    let bad = (
        report.throttled,
        report.bad_signatures,
        report.double_jobs,
        report.costly_repeated,
    );
    assert_eq!(bad, (0, 0, 0, 0), "{what}: {report:?}");
}

fn has_everything(rig: &Rig, what: &str) {
    for id in rig.sim.phones() {
        let phone = rig.sim.phone(&id).unwrap();
        let found = (&*phone.timezone, &*phone.language, phone.adb);
        assert_eq!(found, ("Europe/Berlin", "de-DE", true), "{what}: {id}");
        let limits = phone.bandwidth.as_deref().unwrap();
        assert_eq!((limits.up, limits.down), (4.0, 20.0), "{what}: {id}");
        for (setting, value) in [
            ("global/http_proxy", "proxy.example.net:3128"),
            ("global/zen_mode", "1"),
        ] {
            assert_eq!(phone.setting(setting).unwrap(), value, "{what}: {id}");
        }
        assert_eq!(phone.property("persist.sys.fleet.ring").unwrap(), "3");
        assert_eq!(phone.app("com.example.notes").unwrap().version_code, 57);
        assert_eq!(phone.app("com.example.chat").unwrap().version_code, 201);
        assert!(phone.running.iter().any(|name| name == "com.example.chat"));
        assert!(phone.app("com.bad.game").is_none(), "{what}: {id}");
    }
}

async fn converges(rig: &Rig, what: &str) -> Report {
    let mut session = rig.session(true).await;
    let (plan, ending) = rig.apply(&mut session).await;
    let report = rig.sim.report();
    let why = session.progress_now();
    assert!(plan.has_changes(), "{what}");
    assert_eq!(
        ending,
        Ending::Converged,
        "{what}: {:?} {report:?}",
        why.needing
    );
    is_clean(&report, what);
    drop(session);
    let mut again = rig.session(true).await;
    let plan = again.preview(quiet()).await.unwrap();
    assert!(plan.is_empty(), "{what}: a second plan is empty: {plan:?}");
    report
}

#[test]
fn everything_it_has_converges_on_a_hundred_phones() {
    virtual_time(async {
        let rig = rig(100, 3, "");
        rig.group(EVERYTHING, "  allow: [restart]\n");
        let report = converges(&rig, "no faults").await;
        has_everything(&rig, "no faults");
        assert!(report.refused.is_empty(), "{report:?}");
        assert_eq!(report.wipes, 0, "{report:?}");
    });
}

#[test]
fn a_bad_network_changes_nothing_about_the_end() {
    virtual_time(async {
        for seed in [31, 32] {
            let what = format!("seed {seed}");
            let rig = rig(100, seed, "lost=0.05,5xx=0.02,fail=0.02");
            rig.group(EVERYTHING, "  allow: [restart]\n");
            converges(&rig, &what).await;
            has_everything(&rig, &what);
        }
    });
}

#[test]
fn apps_that_the_manifest_describes_in_full_come_and_go_through_the_catalogue() {
    const DESCRIBED: &str = "apiVersion: phonefleet/v1alpha1\nkind: App\nmetadata: { name: notes }\nspec:\n  package: com.example.notes\n  version: { exact: 2.3.4 }\n  sources: [{ url: \"https://files.example/notes-2.3.4-57.apk\", md5: 32e1f345f209a7dc1cc704913ea436d3, sizeMb: 3, versionCode: 57 }]\n---\napiVersion: phonefleet/v1alpha1\nkind: App\nmetadata: { name: maps }\nspec:\n  package: com.example.maps\n  sources: [{ account: lab, appId: \"401\" }]\n";
    virtual_time(async {
        for faults in ["", "lost=0.05,5xx=0.03,fail=0.02"] {
            let rig = rig(120, 8, faults);
            rig.write("fleet/apps.yaml", DESCRIBED);
            rig.group(
                "    apps:\n      com.example.notes: { app: notes, running: true }\n      com.example.maps: absent\n",
                "",
            );
            rig.sim.change(|world| {
                let old = world.offers()[0].app.clone();
                for id in world.phone_ids() {
                    world.phone_mut(&id).unwrap().install(&old);
                }
            });
            let report = converges(&rig, faults).await;
            for id in rig.sim.phones() {
                let phone = rig.sim.phone(&id).unwrap();
                assert_eq!(phone.app("com.example.notes").unwrap().version_code, 57);
                assert!(phone.app("com.example.maps").is_none(), "{faults}: {id}");
            }
            let calls = |name: &str| report.calls_by_path.get(name).copied().unwrap_or(0);
            assert_eq!(calls("SendFile"), 0, "{faults}: {report:?}");
            if faults.is_empty() {
                let made = ["CreateApp", "InstallApp", "UninstallApp"].map(calls);
                assert_eq!(made, [1, 3, 3], "{report:?}");
                // The list of apps for the plan, then a look for the file before it was there, one while it was taken in, and one after.
                assert_eq!(calls("DescribeApps"), 4, "{report:?}");
            }
        }
    });
}

#[test]
fn a_preview_without_commands_reads_properties_natively() {
    virtual_time(async {
        let rig = rig(30, 9, "");
        rig.group(EVERYTHING, "  allow: [restart]\n");
        let mut session = rig.session(false).await;
        session.limit_reads(Reads::Api);
        let plan = session.preview(quiet()).await.unwrap();
        let report = rig.sim.report();
        let calls = |name: &str| report.calls_by_path.get(name).copied().unwrap_or(0);
        assert_eq!(
            (calls("RunCommand"), calls("GetInstanceProperties")),
            (0, 30)
        );
        assert!(report.jobs.is_empty(), "{report:?}");
        let shown: BTreeSet<String> = plan
            .steps
            .iter()
            .flat_map(|step| &step.changes)
            .map(|change| change.attribute.to_string())
            .collect();
        for told in ["timezone", "language", "property/persist.sys.fleet.ring"] {
            assert!(shown.contains(told), "{told}: {shown:?}");
        }
        // What no property tells stays unread, and is no change.
        for untold in ["proxy", "setting/global/zen_mode", "app/com.example.chat"] {
            assert!(!shown.contains(untold), "{untold}: {shown:?}");
        }
    });
}

#[test]
fn an_image_is_named_by_its_version_and_phones_in_use_wait() {
    virtual_time(async {
        let rig = rig(10, 4, "lost=0.1");
        rig.group(
            "    image: { version: \"20251111_2\", wipeData: false }\n",
            "  allow: [restart]\n",
        );
        let used = rig.sim.phones()[3].clone();
        rig.sim
            .change(|world| world.phone_mut(&used).unwrap().streaming = true);
        let mut session = rig.session(true).await;
        rig.apply_all(&mut session, Duration::from_secs(3600)).await;
        let report = rig.sim.report();
        is_clean(&report, "image");
        assert_eq!((report.restarts, report.wipes), (9, 0), "{report:?}");
        for id in rig.sim.phones() {
            let image = rig.sim.phone(&id).unwrap().image.version.clone();
            assert_eq!(image == "20251111_2", id != used, "{id}");
        }
    });
}

#[test]
fn a_temporary_identity_manages_a_fleet() {
    virtual_time(async {
        let rig = rig(20, 6, "");
        rig.write("secret/securityToken", SECURITY_TOKEN);
        let folder = rig.folder.path().display();
        let credentials = ["accessKey", "secretKey", "securityToken"]
            .map(|name| format!("    {name}: {{ file: {folder}/secret/{name} }}\n"))
            .concat();
        rig.write(
            "fleet/account.yaml",
            &format!(
                "apiVersion: phonefleet/v1alpha1\nkind: Account\nmetadata: {{ name: lab }}\nspec:\n  provider: alibaba\n  endpoint: http://127.0.0.1:1\n  credentials:\n{credentials}"
            ),
        );
        rig.group("    timezone: Asia/Tokyo\n", "");
        converges(&rig, "temporary").await;
    });
}

#[test]
fn jobs_that_hang_repeat_no_restart_that_happened() {
    virtual_time(async {
        let image = "    image: { version: \"20260608_1\", wipeData: false }\n";
        let mut hung = 0;
        for seed in 41..45 {
            let what = format!("seed {seed}");
            let rig = rig(60, seed, "hang=0.03");
            rig.group(&format!("{EVERYTHING}{image}"), "  allow: [restart]\n");
            // What the first plan could not read, because a command that reads hung, is not approved by it.
            let mut endings = Vec::new();
            while endings.last() != Some(&Ending::Converged) && endings.len() < 4 {
                let mut session = rig.session(true).await;
                let most = Duration::from_secs(4 * 3600);
                endings.push(rig.apply_all(&mut session, most).await);
            }
            assert_eq!(endings.last(), Some(&Ending::Converged), "{what}");
            let report = rig.sim.report();
            is_clean(&report, &what);
            has_everything(&rig, &what);
            hung += report.jobs.values().map(|ends| ends.hung).sum::<u64>();
        }
        assert!(hung > 20, "{hung}");
    });
}
