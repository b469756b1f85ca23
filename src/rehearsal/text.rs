//! A scenario's manifests, as an operator would write them.
//!
//! Invariants: the same seed and edition give the same text; secrets stand in it as references only; every fourth phone is excluded. Not here: reading it
//! (`manifest`).

use super::scenario::{AccountPlan, Scenario};
use crate::manifest::{Bundle, SourceFile};
use crate::model::fleet::ProviderKind;
use crate::sim::{ACCESS_KEY, SECRET_KEY, koophone};
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
/// Images between which no vendor erases anything.
const SAME_ANDROID: [&str; 2] = ["img-25030796215", "img-25111133267"];
const MODELS: [&str; 2] = ["Mi 10 Pro", "Fleet One"];

/// Calls an account's manifest allows in any second.
pub(super) const PER_SECOND: u32 = 20;
/// Calls an account's manifest allows in any minute.
pub(super) const PER_MINUTE: u32 = 600;

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

/// The host that gives an account its tokens, where a vendor has one for that.
pub(super) fn login_host(account: &str) -> String {
    format!("login.{account}.vendor.example")
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
        if !text.is_empty() {
            text.push_str("---\n");
        }
        account(&mut text, scenario, plan);
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

fn account(text: &mut String, scenario: &Scenario, plan: &AccountPlan) {
    let name = plan.name;
    let credentials: String = access(scenario, plan)
        .into_iter()
        .map(|(credential, _)| {
            format!(
                "    {credential}: {{ env: {} }}\n",
                variable(name, credential)
            )
        })
        .collect();
    let options = match signs_in(scenario, plan) {
        SignsIn::ByKeys => String::new(),
        SignsIn::ByPassword => format!(
            "  options: {{ iamEndpoint: https://{} }}\n",
            login_host(name)
        ),
    };
    let part = format!(
        "apiVersion: phonefleet/v1alpha1\nkind: Account\nmetadata: {{ name: {name} }}\nspec:\n  provider: {provider}\n  endpoint: https://{host}\n  credentials:\n{credentials}{options}  limits: {{ requestsPerSecond: {PER_SECOND}, requestsPerMinute: {PER_MINUTE}, batchSize: 50 }}\n---\n",
        provider = plan.provider,
        host = host(name),
    );
    text.push_str(&part);
    for (app, package, version, id) in [
        ("maps", "com.example.maps", "1.4.2", 501),
        ("chat", "com.example.chat", "2.0.1", 502),
    ] {
        // Of one app any version will do at ArmCloud, so that both ways of wishing are met.
        let exact = app == "maps" || plan.provider != ProviderKind::ArmCloud;
        let wanted = if exact {
            format!("\n  version: {{ exact: {version} }}")
        } else {
            String::new()
        };
        let source = match plan.provider {
            // A file that is described in full comes by way of the vendor's catalogue.
            ProviderKind::Alibaba if app == "chat" && scenario.draw("described", 0, 2) == 0 => {
                format!(
                    "{{ url: \"https://apps.example/{package}-{version}.apk\", md5: 32e1f345f209a7dc1cc704913ea436d3, sizeMb: 12, versionCode: 201 }}"
                )
            }
            ProviderKind::ArmCloud | ProviderKind::Alibaba => {
                format!("{{ account: {name}, appId: \"{id}\" }}")
            }
            ProviderKind::VmosCloud
            | ProviderKind::VsPhone
            | ProviderKind::KooPhone
            | ProviderKind::Zenlayer => format!(
                "{{ url: \"https://apps.example/{package}-{version}.apk\", md5: 32e1f345f209a7dc1cc704913ea436d3, sizeMb: 12 }}"
            ),
        };
        let part = format!(
            "apiVersion: phonefleet/v1alpha1\nkind: App\nmetadata: {{ name: {app}-{name} }}\nspec:\n  package: {package}{wanted}\n  sources: [{source}]\n---\n"
        );
        text.push_str(&part);
    }
}

/// How an account proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SignsIn {
    /// Every request is signed.
    ByKeys,
    /// A password gives a token, which stands in every request.
    ByPassword,
}

fn signs_in(scenario: &Scenario, plan: &AccountPlan) -> SignsIn {
    match plan.provider {
        ProviderKind::KooPhone if scenario.draw("signs in", 0, 2) == 0 => SignsIn::ByPassword,
        ProviderKind::ArmCloud
        | ProviderKind::VmosCloud
        | ProviderKind::VsPhone
        | ProviderKind::Alibaba
        | ProviderKind::KooPhone
        | ProviderKind::Zenlayer => SignsIn::ByKeys,
    }
}

/// An account's credentials and what the simulated vendor takes for them.
pub(super) fn access(scenario: &Scenario, plan: &AccountPlan) -> Vec<(&'static str, &'static str)> {
    match signs_in(scenario, plan) {
        SignsIn::ByKeys => vec![("accessKey", ACCESS_KEY), ("secretKey", SECRET_KEY)],
        SignsIn::ByPassword => vec![
            ("username", koophone::USERNAME),
            ("password", koophone::PASSWORD),
            ("domain", koophone::DOMAIN),
            ("project", koophone::PROJECT),
        ],
    }
}

/// What nobody may see: secret keys and passwords of all accounts, and the proxy's.
pub(super) fn secrets(scenario: &Scenario) -> Vec<String> {
    let accounts = scenario.accounts.iter();
    let credentials = accounts.flat_map(|plan| access(scenario, plan));
    let mut secrets: Vec<String> = credentials
        .filter(|(credential, _)| matches!(*credential, "secretKey" | "password"))
        .map(|(_, secret)| secret.to_owned())
        .chain([PROXY_PASSWORD.to_owned()])
        .collect();
    secrets.sort_unstable();
    secrets.dedup();
    secrets
}

fn group(
    text: &mut String,
    scenario: &Scenario,
    plan: &AccountPlan,
    edition: u64,
    excluded: &[String],
) {
    let name = plan.name;
    let exclude = match excluded {
        [] => String::new(),
        some => format!("    exclude: [{}]\n", some.join(", ")),
    };
    let choice = Choice {
        scenario,
        plan,
        edition,
    };
    let part = format!(
        "apiVersion: phonefleet/v1alpha1\nkind: Group\nmetadata: {{ name: all-{name} }}\nspec:\n  phones:\n    accounts: [{name}]\n{exclude}  allow: [restart]\n  desired:\n{common}{own}    apps:\n      com.example.maps: {maps}\n      com.example.chat: {{ app: chat-{name} }}\n      com.bad.game: absent\n",
        common = choice.common(),
        own = choice.own(),
        maps = if choice.even("maps") {
            format!("{{ app: maps-{name} }}")
        } else {
            "absent".to_owned()
        },
    );
    text.push_str(&part);
}

/// What an edition wishes.
struct Choice<'a> {
    scenario: &'a Scenario,
    plan: &'a AccountPlan,
    edition: u64,
}

impl Choice<'_> {
    fn pick<T: Copy>(&self, purpose: &str, from: &[T]) -> T {
        let count = u64::try_from(from.len()).unwrap_or(1);
        let first = self.scenario.draw(purpose, 0, count);
        let place = usize::try_from((first + self.edition) % count).unwrap_or(0);
        from[place]
    }

    /// In every second edition.
    fn even(&self, purpose: &str) -> bool {
        (self.edition + self.scenario.draw(purpose, 0, 2)).is_multiple_of(2)
    }

    /// What every vendor's phones can have.
    fn common(&self) -> String {
        let edition = self.edition;
        let proxy = match self.plan.provider {
            ProviderKind::ArmCloud | ProviderKind::VmosCloud | ProviderKind::VsPhone => format!(
                "{{ mode: proxy, protocol: socks5, host: proxy-{edition}.example.net, port: 1080, username: qa, password: {{ env: PROXY_PASSWORD }} }}"
            ),
            ProviderKind::Alibaba | ProviderKind::KooPhone | ProviderKind::Zenlayer => format!(
                "{{ mode: proxy, protocol: http, host: proxy-{edition}.example.net, port: 3128 }}"
            ),
        };
        format!(
            "    timezone: {zone}\n    language: {language}\n    proxy: {proxy}\n",
            zone = self.pick("zone", &ZONES),
            language = self.pick("language", &LANGUAGES),
        )
    }

    /// What this vendor's phones can have beside that.
    fn own(&self) -> String {
        let edition = self.edition;
        let ring = format!("persist.sys.fleet.ring: \"{edition}\"");
        match self.plan.provider {
            ProviderKind::ArmCloud => format!(
                "    properties: {{ {ring}, ro.product.model: {} }}\n    image: {{ id: {}, wipeData: false }}\n",
                self.pick("model", &MODELS),
                self.pick("image", &IMAGES),
            ),
            ProviderKind::VmosCloud | ProviderKind::VsPhone => format!(
                "    properties: {{ {ring}, ro.product.model: {} }}\n    image: {{ id: {}, wipeData: false }}\n    settings: {{ global/fleet_ring: \"{edition}\" }}\n    adb: {}\n",
                self.pick("model", &MODELS),
                self.pick("image", &IMAGES),
                self.even("adb"),
            ),
            ProviderKind::Alibaba => format!(
                "    properties: {{ {ring} }}\n    image: {{ id: {}, wipeData: false }}\n    settings: {{ global/fleet_ring: \"{edition}\" }}\n    adb: {}\n    bandwidth: {{ upMbps: {mbps}, downMbps: {mbps} }}\n",
                self.pick("image", &SAME_ANDROID),
                self.even("adb"),
                mbps = 4 + edition % 3,
            ),
            ProviderKind::KooPhone => format!(
                "    properties: {{ {ring} }}\n    settings: {{ global/fleet_ring: \"{edition}\" }}\n"
            ),
            ProviderKind::Zenlayer => format!(
                "    properties: {{ {ring} }}\n    settings: {{ global/fleet_ring: \"{edition}\" }}\n    location: {{ latitude: {}, longitude: 13.4 }}\n",
                52 + edition % 3,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;
    use crate::provider::registry;
    use crate::rehearsal::scenario::{BEGINNING, cast};

    #[test]
    fn every_edition_of_every_vendor_is_valid_and_a_spoiled_one_is_not() {
        for seed in 0..40 {
            let scenario = Scenario {
                seed,
                accounts: cast(seed, &ProviderKind::ALL, 24),
                ..Scenario::default()
            };
            let excluded: Vec<Vec<String>> = scenario
                .accounts
                .iter()
                .map(|plan| vec![format!("{}0004", plan.name)])
                .collect();
            let load = |edition, spoiled| {
                let bundle = bundle(&scenario, edition, &excluded, spoiled);
                manifest::load(&bundle, &registry::capabilities, BEGINNING)
            };
            for edition in 0..6 {
                let fleet = load(edition, false);
                let fleet = fleet.unwrap_or_else(|findings| panic!("{scenario}: {findings:?}"));
                assert_eq!(fleet.accounts.len(), scenario.accounts.len(), "{scenario}");
            }
            assert!(load(0, true).is_err(), "{scenario}");
        }
    }
}
