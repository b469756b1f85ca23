//! KooPhone: what only it has, from manifests to a converged fleet, over its simulated surface: tokens that end, a map from jobs to phones that only the journal
//! keeps, and what its commands cannot say.

use crate::process::{Desk, Vendor, ends_with, stdout};
use crate::rig::{Rig, quiet, virtual_time};
use phonefleet::daemon::Ending;
use phonefleet::manifest::report::render;
use phonefleet::manifest::{Bundle, SourceFile, load};
use phonefleet::model::fleet::ProviderKind;
use phonefleet::model::observed::ReadKind;
use phonefleet::model::stamp::Timestamp;
use phonefleet::provider::registry::capabilities;
use phonefleet::sim::faults::Faults;
use phonefleet::sim::koophone::{DOMAIN, PASSWORD, PROJECT, USERNAME};
use phonefleet::sim::report::Report;
use phonefleet::sim::world::World;
use phonefleet::sim::{ACCESS_KEY, SECRET_KEY, Spec};
use std::time::Duration;

const EVERYTHING: &str = "    timezone: Europe/Berlin\n    language: de-DE\n    proxy: { mode: proxy, protocol: http, host: proxy.example.net, port: 3128 }\n    properties: { persist.sys.fleet.ring: \"3\" }\n    settings: { global/zen_mode: \"1\" }\n    apps:\n      com.example.chat: { app: chat, running: true }\n      com.bad.game: absent\n";

/// A rig that signs in with a password, or with keys.
fn rig(phones: u32, seed: u64, faults: &str, password: bool) -> Rig {
    let rig = Rig::new(Spec {
        phones,
        seed,
        faults: Faults::parse(faults).unwrap(),
        ..Spec::of(ProviderKind::KooPhone)
    });
    rig.account_at("koophone", "");
    if password {
        let folder = rig.folder.path().display();
        let mut account = String::from(
            "apiVersion: phonefleet/v1alpha1\nkind: Account\nmetadata: { name: lab }\nspec:\n  provider: koophone\n  endpoint: http://127.0.0.1:1\n  options: { iamEndpoint: \"http://127.0.0.1:1\" }\n  credentials:\n",
        );
        for (name, text) in LOGIN {
            rig.write(&format!("secret/{name}"), text);
            account.push_str(&reference(&folder.to_string(), name));
        }
        rig.write("fleet/account.yaml", &account);
    }
    rig.write("fleet/apps.yaml", CHAT);
    rig.group(EVERYTHING, "");
    rig
}

/// The line of a credential that stands in a file.
fn reference(folder: &str, name: &str) -> String {
    format!("    {name}: {{ file: {folder}/secret/{name} }}\n")
}

const LOGIN: [(&str, &str); 4] = [
    ("username", USERNAME),
    ("password", PASSWORD),
    ("domain", DOMAIN),
    ("project", PROJECT),
];

const CHAT: &str = "apiVersion: phonefleet/v1alpha1\nkind: App\nmetadata: { name: chat }\nspec:\n  package: com.example.chat\n  version: { exact: 2.0.1 }\n  sources: [{ url: \"https://apps.example/com.example.chat-2.0.1.apk\", sizeMb: 12 }]\n";

fn is_clean(report: &Report, what: &str) {
    let bad = (
        report.throttled,
        report.double_jobs,
        report.restarts,
        report.refused.len(),
    );
    assert_eq!(bad, (0, 0, 0, 0), "{what}: {report:?}");
}

fn has_everything(rig: &Rig, what: &str) {
    for id in rig.sim.phones() {
        let phone = rig.sim.phone(&id).unwrap();
        let found = (&*phone.timezone, &*phone.language);
        assert_eq!(found, ("Europe/Berlin", "de-DE"), "{what}: {id}");
        for (setting, value) in [
            ("global/http_proxy", "proxy.example.net:3128"),
            ("global/zen_mode", "1"),
        ] {
            assert_eq!(phone.setting(setting).unwrap(), value, "{what}: {id}");
        }
        assert_eq!(phone.property("persist.sys.fleet.ring").unwrap(), "3");
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
    has_everything(rig, what);
    drop(session);
    let mut again = rig.session(true).await;
    let plan = again.preview(quiet()).await.unwrap();
    assert!(plan.is_empty(), "{what}: a second plan is empty: {plan:?}");
    report
}

/// A command that hangs says nothing of its phone: a preview asks again. (One phone may still be left unread: docs/exactness.md, "Found and not mended yet".)
#[test]
fn a_preview_reads_phones_although_commands_hang() {
    virtual_time(async {
        for seed in [1, 2] {
            let rig = rig(30, seed, "", false);
            converges(&rig, "no faults").await;
            rig.sim
                .change(|world| world.set_faults(Faults::parse("hang=0.05").unwrap()));
            for round in 0..2 {
                let mut session = rig.session(true).await;
                let plan = session.preview(quiet()).await.unwrap();
                let what = format!("seed {seed}, preview {round}");
                let hung = rig.sim.report().faults;
                let unread = plan.header.unread.get(&ReadKind::Shell);
                assert!(hung["hang"] > 2, "{what}: {hung:?}");
                assert!(unread.is_none_or(|unread| *unread < 2), "{what}: {hung:?}");
            }
        }
    });
}

#[test]
fn a_command_that_arrives_late_meets_no_other_of_ours() {
    virtual_time(async {
        for seed in [1, 3, 4] {
            let rig = rig(100, seed, "late=0.03", false);
            converges(&rig, &format!("late, seed {seed}")).await;
        }
        for seed in [1, 2] {
            let rig = rig(100, seed, "stale=0.05", false);
            converges(&rig, &format!("stale, seed {seed}")).await;
        }
    });
}

#[test]
fn everything_it_has_converges_on_a_hundred_phones_over_a_bad_network() {
    virtual_time(async {
        for seed in [41, 42] {
            let what = format!("seed {seed}");
            let rig = rig(100, seed, "lost=0.05,5xx=0.02,fail=0.02", false);
            let report = converges(&rig, &what).await;
            assert_eq!(report.bad_signatures, 0, "{what}: {report:?}");
        }
    });
}

#[test]
fn tokens_that_end_and_are_revoked_are_replaced_while_a_fleet_converges() {
    virtual_time(async {
        let rig = rig(100, 43, "lost=0.05,5xx=0.02,fail=0.02", true);
        rig.sim
            .change(|world| world.set_token_life(Duration::from_secs(120)));
        let revoked = async {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_secs(50)).await;
                rig.sim.change(World::revoke_tokens);
            }
            std::future::pending::<()>().await;
        };
        let report = tokio::select! {
            report = converges(&rig, "tokens") => report,
            () = revoked => panic!("it waits for ever"),
        };
        let given = rig.sim.change(World::tokens_given);
        assert!(given > 3, "{given}: {report:?}");
        // Each revocation is found out by calls that were refused, did nothing, and were sent again.
        assert!((1..60).contains(&report.bad_signatures), "{report:?}");
    });
}

#[test]
fn a_wrong_password_stops_the_account_with_few_attempts() {
    virtual_time(async {
        let rig = rig(10, 44, "", true);
        rig.write("secret/password", "guess");
        let mut session = rig.session(true).await;
        let error = session.preview(quiet()).await.unwrap_err().to_string();
        let report = rig.sim.report();
        assert_eq!(report.calls, report.calls_to("auth/tokens"), "{report:?}");
        assert!(report.calls <= 3, "{error}: {report:?}");
    });
}

#[test]
fn the_map_from_jobs_to_phones_outlives_the_process() {
    virtual_time(async {
        let rig = rig(30, 45, "", false);
        let mut deaths = 0;
        for seconds in [15, 21, 27, 33, 39, 45] {
            let mut session = rig.session(true).await;
            let dies = tokio::time::sleep(Duration::from_secs(seconds));
            tokio::select! {
                biased;
                _ = rig.apply(&mut session) => {}
                () = dies => deaths += 1,
            }
        }
        assert!(deaths > 3, "{deaths}");
        let mut session = rig.session(true).await;
        session.preview(quiet()).await.unwrap();
        let ending = rig
            .apply_all(&mut session, Duration::from_secs(6 * 3600))
            .await;
        let report = rig.sim.report();
        assert_eq!(ending, Ending::Converged, "{report:?}");
        is_clean(&report, "deaths");
        has_everything(&rig, "deaths");
        // Nothing can be looked up: what was submitted was followed by what the journal knows.
        assert_eq!(report.jobs_of("installApp").submitted, 30, "{report:?}");
    });
}

#[test]
fn phones_in_use_wait_and_frozen_ones_are_left_alone() {
    virtual_time(async {
        let rig = rig(10, 46, "", false);
        rig.sim.change(|world| world.set_status("a0000004", 18));
        let mut session = rig.session(true).await;
        let ending = rig.apply_all(&mut session, Duration::from_secs(3600)).await;
        assert_eq!(ending, Ending::Partly);
        let off = rig.sim.phone("a0000004").unwrap();
        assert_eq!((&*off.timezone, off.apps.len()), ("Asia/Shanghai", 3));
        let other = rig.sim.phone("a0000005").unwrap();
        assert_eq!(&*other.timezone, "Europe/Berlin");
        is_clean(&rig.sim.report(), "off");
    });
}

const ACCOUNT: &str = "apiVersion: phonefleet/v1alpha1\nkind: Account\nmetadata: { name: kp }\nspec: { provider: koophone, credentials: { token: { env: T } } }\n---\n";

/// The findings of a manifest at KooPhone.
fn said(apps: &str, desired: &str) -> String {
    let text = format!(
        "{ACCOUNT}{apps}apiVersion: phonefleet/v1alpha1\nkind: Group\nmetadata: {{ name: all }}\nspec:\n  phones: {{ accounts: [kp] }}\n  desired:\n    {desired}\n"
    );
    let bundle = Bundle {
        files: vec![SourceFile {
            path: "fleet.yaml".into(),
            bytes: text.as_bytes().into(),
        }],
        ..Bundle::default()
    };
    match load(&bundle, &capabilities, Timestamp(1_795_219_200_000)) {
        Ok(_) => String::new(),
        Err(findings) => render(&findings, false),
    }
}

fn source(source: &str, version: &str) -> String {
    format!(
        "apiVersion: phonefleet/v1alpha1\nkind: App\nmetadata: {{ name: chat }}\nspec: {{ package: com.example.chat, {version} sources: [{{ {source} }}] }}\n---\n"
    )
}

#[test]
fn what_its_commands_cannot_say_is_refused_with_the_reason() {
    insta::assert_snapshot!(said("", "timezone: Etc/GMT+8"), @r#"
    error[unsupported]: koophone (account kp): the time zone "Etc/GMT+8" has '+', and the vendor's commands take letters, digits and _ . / : - only: Pacific/Pitcairn has the same time
      --> fleet.yaml:12:5
       |
    12 |     timezone: Etc/GMT+8
       |     ^^^^^^^^
    "#);
    let long = format!("settings: {{ global/x: {} }}", "x".repeat(2000));
    let signed = source(
        "url: \"https://b.example/a.apk?Signature=x\", sizeMb: 1",
        "",
    );
    let others = [
        said(
            "",
            "proxy: { mode: proxy, protocol: http, host: p.example, port: 3128, username: qa, password: { env: P } }",
        ),
        said(&signed, "apps: { com.example.chat: { app: chat } }"),
        said("", &long),
    ];
    // Without the source lines, of which one is very long.
    let heads: Vec<String> = others
        .iter()
        .map(|said| said.lines().take(2).collect::<Vec<_>>().join(""))
        .collect();
    insta::assert_snapshot!(heads.join("\n"), @r"
    error[unsupported]: koophone (account kp): the phone's own proxy has no user name and password: a proxy works that lets the phones' addresses in without  --> fleet.yaml:12:5
    error[unsupported]: koophone (account kp): it takes no url with '?' in it, so no signed one: put the file where its url has neither query nor escapes, such as a bucket that may be read publicly  --> fleet.yaml:17:13
    error[unsupported]: koophone (account kp): the command would be 2022 bytes long, and the vendor takes 1024  --> fleet.yaml:12:17
    ");
    for (what, desired) in [
        ("image", "image: { id: x, wipeData: false }"),
        ("adb", "adb: true"),
        ("location", "location: { latitude: 1, longitude: 2 }"),
        ("sim", "sim: { imsi: \"460074008004488\" }"),
        ("bandwidth", "bandwidth: { upMbps: 1, downMbps: 1 }"),
        (
            "property/ro.product.model",
            "properties: { ro.product.model: x }",
        ),
    ] {
        let said = said("", desired);
        assert!(
            said.contains("error[unsupported]: koophone (account kp)"),
            "{said}"
        );
        assert!(said.contains(&format!("`{what}`")), "{said}");
        assert!(said.contains("koophone can change"), "{said}");
    }
}

#[test]
fn what_its_apps_cannot_be_is_refused_with_the_reason() {
    let wish = "apps: { com.example.chat: { app: chat } }";
    let url = "url: \"https://b.example/a.apk\"";
    let no_size = said(&source(url, ""), wish);
    assert!(no_size.contains("add sizeMb"), "{no_size}");
    let sized = format!("{url}, sizeMb: 3");
    let code = said(&source(&sized, "versionCode: { exact: 7 },"), wish);
    assert!(
        code.contains("say version in place of versionCode"),
        "{code}"
    );
    let own = said(
        "",
        "apps: { com.example.chat: { versionCode: { atLeast: 7 } } }",
    );
    assert!(own.contains("say version in place of versionCode"), "{own}");
    let catalogue = said(&source("account: kp, appId: \"1\"", ""), wish);
    assert!(
        catalogue.contains("cannot install apps from its catalogue"),
        "{catalogue}"
    );
    assert_eq!(
        said(&source(&sized, "version: { atLeast: 1.2.3 },"), wish),
        ""
    );
}

#[test]
fn nothing_is_sent_of_what_is_refused() {
    virtual_time(async {
        let rig = rig(3, 47, "", false);
        rig.group("    timezone: Etc/GMT+8\n", "");
        let opened = phonefleet::daemon::Session::open(rig.options(true), true).await;
        assert!(opened.is_err());
        assert_eq!(rig.sim.report().calls, 0);
    });
}

/// Over real HTTP, signed with keys and with tokens, the host in the signature being that of the connection.
#[test]
fn the_binary_converges_phones_over_http() {
    for password in [false, true] {
        let vendor = Vendor::listening(Spec {
            phones: 3,
            job_time: Duration::from_millis(20),
            latency: Duration::from_millis(1),
            check_clock: true,
            ..Spec::of(ProviderKind::KooPhone)
        });
        let desk = Desk::with_fleet(&vendor.url(), "  desired: { timezone: Europe/Berlin }\n");
        let folder = desk.folder.path().display().to_string();
        let (mut credentials, mut options) = (String::new(), String::new());
        let keys = [("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)];
        let names = if password { &LOGIN[..] } else { &keys[..] };
        for (name, text) in names {
            desk.write(&format!("secret/{name}"), text);
            credentials.push_str(&reference(&folder, name));
        }
        if password {
            options = format!("  options: {{ iamEndpoint: \"{}\" }}\n", vendor.url());
        }
        desk.write(
            "fleet/account.yaml",
            &format!(
                "apiVersion: phonefleet/v1alpha1\nkind: Account\nmetadata: {{ name: lab }}\nspec:\n  provider: koophone\n  endpoint: {}\n{options}  limits: {{ pollInterval: 200ms }}\n  credentials:\n{credentials}",
                vendor.url()
            ),
        );
        let checked = desk.run(&["doctor"]);
        ends_with(&checked, 0);
        assert!(stdout(&checked).contains('3'), "{}", stdout(&checked));
        ends_with(&desk.run(&["apply", "--yes"]), 0);
        for id in vendor.sim.phones() {
            assert_eq!(&*vendor.sim.phone(&id).unwrap().timezone, "Europe/Berlin");
        }
        assert_eq!(vendor.sim.report().bad_signatures, 0);
    }
}
