//! Every example can be planned against a vendor: its manifests as they stand, but for the endpoint.

use crate::process::{Desk, Vendor, ends_with, stderr, stdout};
use phonefleet::model::fleet::ProviderKind;
use phonefleet::sim::Spec;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Plans a copy of an example against a simulated vendor with so many phones; gives the plan as JSON.
fn plan(example: &str, phones: u32) -> serde_json::Value {
    let vendor = Vendor::listening(Spec {
        phones,
        ..Spec::default()
    });
    let desk = Desk::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(example);
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let text = text
            .replace("https://openapi-hk.armcloud.net", &vendor.url())
            .replace("http://127.0.0.1:7788", &vendor.url());
        desk.write(
            &format!("fleet/{}", path.file_name().unwrap().to_string_lossy()),
            &text,
        );
    }
    let keys = vendor.sim.credentials();
    desk.write("credentials/armcloud-secret", &keys.secret_key);
    let mut command = desk.command(&["plan", "--output", "json"]);
    for who in ["PHONEFLEET_DEMO", "PHONEFLEET_LAB", "ARMCLOUD"] {
        command.env(format!("{who}_ACCESS_KEY"), &keys.access_key);
        command.env(format!("{who}_SECRET_KEY"), &keys.secret_key);
    }
    for secret in ["QA_PROXY_PASSWORD", "PROXY_PASSWORD"] {
        command.env(secret, "not-a-real-password");
    }
    let output = command
        .env("CREDENTIALS_DIRECTORY", desk.path("credentials"))
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{example}: {}",
        stderr(&output)
    );
    // Commands that read phones (`getprop`) are all that a plan may start; it counts them in its header.
    let report = vendor.sim.report();
    assert_eq!(
        report.mutations,
        report.calls_to("asyncCmd"),
        "{example}: {report:?}"
    );
    serde_json::from_str(&stdout(&output)).unwrap()
}

/// Phones with at least one change.
fn phones_to_change(plan: &serde_json::Value) -> usize {
    let changes = plan["changes"].as_array().unwrap().iter();
    let mut phones: Vec<&str> = changes
        .map(|change| change["phone"].as_str().unwrap())
        .collect();
    phones.sort_unstable();
    phones.dedup();
    phones.len()
}

#[test]
fn the_quick_start_is_planned() {
    assert_eq!(
        phones_to_change(&plan("quickstart", 40)),
        20,
        "groups 1 and 2 of four"
    );
}

#[test]
fn the_lab_of_1200_phones_is_planned() {
    assert_eq!(
        phones_to_change(&plan("qa-lab", 1200)),
        1199,
        "one is lent out and has what it is wished"
    );
}

#[test]
fn every_attribute_of_armcloud_is_planned() {
    assert!(phones_to_change(&plan("armcloud", 40)) > 0);
}

/// Where the accounts of `four-providers` find their vendors, in the order of the simulator's ports.
const PORTS: [(&str, ProviderKind); 6] = [
    ("7788", ProviderKind::ArmCloud),
    ("7789", ProviderKind::VmosCloud),
    ("7790", ProviderKind::VsPhone),
    ("7791", ProviderKind::Alibaba),
    ("7792", ProviderKind::KooPhone),
    ("7793", ProviderKind::Zenlayer),
];

/// The demo carries the same plan out.
#[test]
fn one_profile_is_planned_for_phones_at_every_provider() {
    let desk = Desk::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/four-providers");
    let mut accounts = fs::read_to_string(folder.join("accounts.yaml")).unwrap();
    let fleet = fs::read_to_string(folder.join("fleet.yaml")).unwrap();
    desk.write("fleet/fleet.yaml", &fleet);
    let mut environment = Vec::new();
    let vendors = PORTS.map(|(port, kind)| {
        let vendor = Vendor::listening(Spec {
            phones: 3,
            job_time: Duration::from_millis(100),
            latency: Duration::from_millis(1),
            ..Spec::of(kind)
        });
        accounts = accounts.replace(&format!("http://127.0.0.1:{port}"), &vendor.url());
        for (name, key) in vendor.sim.keys() {
            let name = format!("SIM_{kind}_{name}").to_uppercase();
            environment.push((name, *key));
        }
        vendor
    });
    desk.write("fleet/accounts.yaml", &accounts);
    let output = desk
        .command(&["plan", "--output", "json"])
        .envs(environment)
        .output()
        .unwrap();
    ends_with(&output, 0);
    let plan: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(phones_to_change(&plan), 18, "three at each of six");
    let limited = plan["changes"].as_array().unwrap().iter();
    let limited = limited.filter(|change| change["attribute"] == "bandwidth");
    let accounts: BTreeSet<&str> = limited
        .map(|change| change["phone"].as_str().unwrap().split('/').next().unwrap())
        .collect();
    assert_eq!(
        accounts,
        BTreeSet::from(["ali"]),
        "the others lack it, or cannot tell it"
    );
    for vendor in vendors {
        for id in vendor.sim.phones() {
            let phone = vendor.sim.phone(&id).unwrap();
            assert_eq!(
                (&*phone.timezone, phone.boots),
                ("Asia/Shanghai", 1),
                "{id}"
            );
        }
    }
}
