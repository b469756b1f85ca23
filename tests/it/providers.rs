//! Every provider of the mission: one profile converges at each simulated deployment, under the same faults and with the same guarantees.

use crate::least::{Least, Need};
use crate::rig::{BEGINNING, Rig, quiet, virtual_time};
use phonefleet::daemon::Ending;
use phonefleet::model::attribute::Attribute;
use phonefleet::model::fleet::{AppSource, ProviderKind};
use phonefleet::model::id::Package;
use phonefleet::model::value::{
    AppWish, Bypass, Proxy, ProxyEndpoint, ProxyMode, ProxyProtocol, Value, VersionWish, Wish,
};
use phonefleet::provider::registry;
use phonefleet::sim::faults::Faults;
use phonefleet::sim::phone::Phone;
use phonefleet::sim::report::Report;
use phonefleet::sim::{Simulator, Spec};

/// One profile for all: time zone, language, HTTP proxy, one persistent property, one app in, one app out.
const PROFILE: &str = "    timezone: Europe/Berlin\n    language: de-DE\n    proxy: { mode: proxy, protocol: http, host: proxy.example.net, port: 3128 }\n    properties: { persist.sys.fleet.ring: \"3\" }\n    apps:\n      com.example.chat: { app: chat }\n      com.bad.game: absent\n";

const URL: &str = "https://apps.example/com.example.chat-2.0.1.apk";

/// Where the app comes from: each provider's own way.
fn source(kind: ProviderKind) -> &'static str {
    match kind {
        ProviderKind::ArmCloud | ProviderKind::Alibaba => "{ account: lab, appId: \"502\" }",
        ProviderKind::VmosCloud
        | ProviderKind::VsPhone
        | ProviderKind::KooPhone
        | ProviderKind::Zenlayer => {
            "{ url: \"https://apps.example/com.example.chat-2.0.1.apk\", md5: 32e1f345f209a7dc1cc704913ea436d3, sizeMb: 12 }"
        }
    }
}

fn rig(kind: ProviderKind, phones: u32, seed: u64, faults: &str) -> Rig {
    let rig = Rig::new(Spec {
        phones,
        seed,
        faults: Faults::parse(faults).unwrap(),
        ..Spec::of(kind)
    });
    rig.account_at(kind.as_str(), "");
    let source = source(kind);
    rig.write(
        "fleet/apps.yaml",
        &format!(
            "apiVersion: phonefleet/v1alpha1\nkind: App\nmetadata: {{ name: chat }}\nspec:\n  package: com.example.chat\n  version: {{ exact: 2.0.1 }}\n  sources: [{source}]\n"
        ),
    );
    rig.group(PROFILE, "  allow: [restart]\n");
    rig
}

/// Nothing was done twice, refused for pace or signed wrongly; no cost that was not allowed.
fn is_clean(report: &Report, what: &str) {
    let bad = (
        report.throttled,
        report.bad_signatures,
        report.double_jobs,
        report.costly_repeated,
        report.wipes,
        report.new_identities,
    );
    assert_eq!(bad, (0, 0, 0, 0, 0, 0), "{what}: {report:?}");
}

fn proxy_of(phone: &Phone) -> Option<String> {
    let native = phone
        .proxy
        .as_ref()
        .map(|proxy| format!("{}:{}", proxy.host, proxy.port));
    let setting = phone.settings.get("global/http_proxy");
    native.or_else(|| setting.map(ToString::to_string))
}

fn is_as_wished(rig: &Rig, what: &str) {
    for id in rig.sim.phones() {
        let phone = rig.sim.phone(&id).unwrap();
        let found = (&*phone.timezone, &*phone.language);
        assert_eq!(found, ("Europe/Berlin", "de-DE"), "{what}: {id}");
        assert_eq!(
            proxy_of(&phone).as_deref(),
            Some("proxy.example.net:3128"),
            "{what}: {id}"
        );
        assert_eq!(
            phone.property("persist.sys.fleet.ring").unwrap(),
            "3",
            "{what}: {id}"
        );
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
    let why = session.progress_now();
    assert_eq!(
        ending,
        Ending::Converged,
        "{what}: {:?} {report:?}",
        why.needing
    );
    is_clean(&report, what);
    is_as_wished(rig, what);
    drop(session);
    let mut again = rig.session(true).await;
    let plan = again.preview(quiet()).await.unwrap();
    assert!(plan.is_empty(), "{what}: a second plan is empty: {plan:?}");
    report
}

/// What the profile wishes, and how many phones lack it.
fn needs(rig: &Rig, kind: ProviderKind) -> Vec<Need> {
    let ids = rig.sim.phones();
    let all = ids.len() as u64;
    let bad = |id: &&String| rig.sim.phone(id).unwrap().app("com.bad.game").is_some();
    let removals = ids.iter().filter(bad).count() as u64;
    let need = |attribute: Attribute, value: Value, phones| Need {
        attribute,
        wish: Wish::Set(value),
        source: None,
        phones,
    };
    let source = match kind {
        ProviderKind::ArmCloud | ProviderKind::Alibaba => AppSource::Catalogue {
            account: "lab".into(),
            app_id: "502".into(),
        },
        ProviderKind::VmosCloud
        | ProviderKind::VsPhone
        | ProviderKind::KooPhone
        | ProviderKind::Zenlayer => AppSource::Url {
            url: URL.into(),
            md5: None,
            size_mb: Some(12),
            version: Some("2.0.1".into()),
            version_code: None,
        },
    };
    let proxy = Proxy::Via(ProxyEndpoint {
        mode: ProxyMode::Proxy,
        protocol: ProxyProtocol::Http,
        host: "proxy.example.net".into(),
        port: 3128,
        username: None,
        password: None,
        bypass: Bypass::default(),
    });
    let chat = AppWish::Present {
        app: Some("chat".into()),
        version: VersionWish::Any,
    };
    vec![
        need(
            Attribute::Timezone,
            Value::Text("Europe/Berlin".into()),
            all,
        ),
        need(Attribute::Language, Value::Text("de-DE".into()), all),
        need(Attribute::Proxy, Value::Proxy(Box::new(proxy)), all),
        need(
            Attribute::Property("persist.sys.fleet.ring".into()),
            Value::Text("3".into()),
            all,
        ),
        Need {
            source: Some(source),
            ..need(
                Attribute::App(Package::new("com.example.chat")),
                Value::App(chat),
                all,
            )
        },
        need(
            Attribute::App(Package::new("com.bad.game")),
            Value::App(AppWish::Absent),
            removals,
        ),
    ]
}

#[test]
fn one_profile_converges_on_a_hundred_phones_at_every_deployment() {
    virtual_time(async {
        for kind in deployments() {
            let rig = rig(kind, 100, 5, "");
            let report = converges(&rig, kind.as_str()).await;
            assert_eq!(report.refused.len(), 0, "{kind}: {report:?}");
        }
    });
}

#[test]
fn converging_takes_hardly_more_calls_than_needed_at_every_deployment() {
    virtual_time(async {
        let mut over = Vec::new();
        for kind in deployments() {
            let rig = rig(kind, 1000, 7, "");
            let least = Least::of(
                registry::capabilities(kind).unwrap(),
                1000,
                &needs(&rig, kind),
            );
            let mut session = rig.session(true).await;
            let (_, ending) = rig.apply(&mut session).await;
            let report = rig.sim.report();
            assert_eq!(ending, Ending::Converged, "{kind}: {report:?}");
            is_clean(&report, kind.as_str());
            let made = report.reads + report.mutations;
            if made * 100 > least.calls() * 105 {
                over.push(format!(
                    "{kind}: {made} calls, needed {least:?} = {}: {:?}",
                    least.calls(),
                    report.calls_by_path
                ));
            }
        }
        assert!(over.is_empty(), "{over:#?}");
    });
}

#[test]
fn a_bad_network_changes_nothing_about_the_end_at_any_deployment() {
    virtual_time(async {
        for kind in deployments() {
            // With 29, 36 and 45 three commands or lists of KooPhone are lost in a row, about the same phones or one after the other.
            let seeds: &[u64] = match kind {
                ProviderKind::KooPhone => &[21, 22, 23, 29, 36, 45],
                ProviderKind::ArmCloud
                | ProviderKind::VmosCloud
                | ProviderKind::VsPhone
                | ProviderKind::Alibaba
                | ProviderKind::Zenlayer => &[21, 22, 23],
            };
            for &seed in seeds {
                let rig = rig(kind, 100, seed, "lost=0.05,5xx=0.02,fail=0.02");
                converges(&rig, &format!("{kind}, seed {seed}")).await;
            }
        }
    });
}

#[test]
fn every_way_to_sign_in_that_a_surface_prints_is_one_that_an_account_may_have() {
    for kind in deployments() {
        let sim = Simulator::new(Spec::of(kind), BEGINNING);
        let forms = registry::capabilities(kind).unwrap().credentials;
        for keys in std::iter::once(&sim.keys()).chain(sim.other_keys()) {
            let names: Vec<&str> = keys.iter().map(|(name, _)| *name).collect();
            let known = forms.iter().any(|form| form.fits(&names));
            assert!(known, "{kind}: {names:?}");
        }
    }
}

/// Every deployment with an adapter.
fn deployments() -> impl Iterator<Item = ProviderKind> {
    ProviderKind::ALL
        .into_iter()
        .filter(|kind| registry::capabilities(*kind).is_some())
}
