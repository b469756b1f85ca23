//! A scenario's manifests, as an operator would write them.
//!
//! Invariants: the same seed and edition give the same text; secrets stand in it as references only; every fourth phone is excluded. Not here: reading it
//! (`manifest`).

use super::scenario::{AccountPlan, Scenario};
use crate::manifest::{Bundle, SourceFile};
use std::path::PathBuf;

/// The proxy's password: must never be seen anywhere but in requests.
pub(super) const PROXY_PASSWORD: &str = "canary-of-the-proxy-7f3a91";

const ZONES: [&str; 5] = [
    "Europe/Berlin",
    "Asia/Tokyo",
    "America/New_York",
    "Asia/Singapore",
    "Europe/London",
];
const LANGUAGES: [&str; 4] = ["de-DE", "ja-JP", "en-US", "fr-FR"];
const IMAGES: [&str; 2] = ["img-25030796215", "img-26060812345"];
const MODELS: [&str; 2] = ["Mi 10 Pro", "Fleet One"];

/// The environment variable that holds a credential of an account.
pub(super) fn variable(account: &str, credential: &str) -> String {
    format!(
        "{}_{}",
        account.to_ascii_uppercase(),
        credential.to_ascii_uppercase()
    )
}

/// The host an account's requests go to.
pub(super) fn host(account: &str) -> String {
    format!("{account}.vendor.example")
}

/// The manifests of one edition; `spoiled`: with a mistake. `excluded` are the phones of each account that nobody manages.
pub(super) fn bundle(
    scenario: &Scenario,
    edition: u64,
    excluded: &[Vec<String>],
    spoiled: bool,
) -> Bundle {
    let mut text = String::new();
    for (plan, excluded) in scenario.accounts.iter().zip(excluded) {
        account(&mut text, plan);
        group(&mut text, scenario, plan, edition, excluded);
    }
    if spoiled {
        text.push_str("    timezone: Nowhere/At all\n");
    }
    let file = SourceFile {
        path: PathBuf::from("fleet.yaml"),
        bytes: text.into_bytes().into(),
    };
    Bundle {
        files: vec![file],
        ..Bundle::default()
    }
}

fn account(text: &mut String, plan: &AccountPlan) {
    let name = plan.name;
    let part = format!(
        "apiVersion: phonefleet/v1alpha1\nkind: Account\nmetadata: {{ name: {name} }}\nspec:\n  provider: {provider}\n  endpoint: https://{host}\n  credentials:\n    accessKey: {{ env: {access} }}\n    secretKey: {{ env: {secret} }}\n  limits: {{ requestsPerSecond: 20, requestsPerMinute: 600, batchSize: 50 }}\n---\n",
        provider = plan.provider,
        host = host(name),
        access = variable(name, "accessKey"),
        secret = variable(name, "secretKey"),
    );
    text.push_str(&part);
    for (app, package, version, id) in [
        (
            "maps",
            "com.example.maps",
            "\n  version: { exact: 1.4.2 }",
            501,
        ),
        ("chat", "com.example.chat", "", 502),
    ] {
        let part = format!(
            "apiVersion: phonefleet/v1alpha1\nkind: App\nmetadata: {{ name: {app}-{name} }}\nspec:\n  package: {package}{version}\n  sources: [{{ account: {name}, appId: \"{id}\" }}]\n---\n"
        );
        text.push_str(&part);
    }
}

fn group(
    text: &mut String,
    scenario: &Scenario,
    plan: &AccountPlan,
    edition: u64,
    excluded: &[String],
) {
    let name = plan.name;
    let pick = |purpose: &str, from: &[&'static str]| {
        let count = u64::try_from(from.len()).unwrap_or(1);
        let first = scenario.draw(purpose, 0, count);
        let place = usize::try_from((first + edition) % count).unwrap_or(0);
        from[place]
    };
    let maps = if (edition + scenario.draw("maps", 0, 2)).is_multiple_of(2) {
        format!("{{ app: maps-{name} }}")
    } else {
        "absent".to_owned()
    };
    let exclude = match excluded {
        [] => String::new(),
        some => format!("    exclude: [{}]\n", some.join(", ")),
    };
    let mut part = format!(
        "apiVersion: phonefleet/v1alpha1\nkind: Group\nmetadata: {{ name: all-{name} }}\nspec:\n  phones:\n    accounts: [{name}]\n{exclude}  allow: [restart]\n  desired:\n    timezone: {zone}\n    language: {language}\n    proxy: {{ mode: proxy, protocol: socks5, host: proxy-{edition}.example.net, port: 1080, username: qa, password: {{ env: PROXY_PASSWORD }} }}\n    properties: {{ persist.sys.fleet.ring: \"{edition}\", ro.product.model: {model} }}\n    image: {{ id: {image}, wipeData: false }}\n    apps:\n      com.example.maps: {maps}\n      com.example.chat: {{ app: chat-{name} }}\n      com.bad.game: absent\n",
        zone = pick("zone", &ZONES),
        language = pick("language", &LANGUAGES),
        model = pick("model", &MODELS),
        image = pick("image", &IMAGES),
    );
    if scenario.accounts.last() != Some(plan) {
        part.push_str("---\n");
    }
    text.push_str(&part);
}
