//! Every example can be planned against a vendor: its manifests as they stand, but for the endpoint.

use crate::process::{Desk, Vendor, stderr, stdout};
use phonefleet::sim::Spec;
use std::fs;
use std::path::Path;

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
