//! The core of the vendor's own Python SDK drives the simulated KooPhone with its signer: it lists phones, installs an app, runs commands and follows their tasks
//! to the end. There is no generated Python SDK of this service.

use crate::conformance;
use crate::process::Vendor;
use phonefleet::model::fleet::ProviderKind;
use phonefleet::sim::koophone::{DOMAIN, PASSWORD, PROJECT, USERNAME};
use phonefleet::sim::{ACCESS_KEY, SECRET_KEY, Spec};
use std::time::Duration;

#[test]
fn the_official_signer_works_at_the_simulated_vendor() {
    let vendor = Vendor::listening(Spec {
        phones: 45,
        job_time: Duration::from_millis(50),
        latency: Duration::from_millis(1),
        check_clock: true,
        ..Spec::of(ProviderKind::KooPhone)
    });
    let address = vendor.address.to_string();
    let keys = [&*address, ACCESS_KEY, SECRET_KEY];
    let login = [USERNAME, PASSWORD, DOMAIN, PROJECT];
    let Some(printed) = conformance::run("koophone.py", &[&keys[..], &login].concat()) else {
        return;
    };
    let seen: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(seen["phones"], 45);
    assert_eq!(seen["with a token"], 45);
    assert_eq!(seen["ring"], serde_json::json!(["3\n", "3\n", "3\n"]));
    assert_eq!(seen["apps"], serde_json::json!([null, "2.0.1", "2.0.1"]));
    assert_eq!(seen["unknown"], "KOOPHONE.API.4001");
    assert_eq!(seen["characters"], "KOOPHONE.API.1000");
    assert_eq!(seen["not running"], "KOOPHONE.API.5005");
    assert_eq!(seen["wrong"], "APIGW.0301");
    let ids = vendor.sim.phones();
    for (place, id) in ids.iter().take(3).enumerate() {
        assert_eq!(seen["worked on"][place], id.as_str());
        let phone = vendor.sim.phone(id).unwrap();
        let ring = phone.property("persist.sys.fleet.ring");
        assert_eq!(ring.as_deref(), Some("3"), "{id}");
        assert_eq!(phone.app("com.example.chat").is_some(), place > 0, "{id}");
    }
    let report = vendor.sim.report();
    assert_eq!(report.bad_signatures, 1, "{report:?}");
    assert_eq!((report.double_jobs, report.throttled), (0, 0), "{report:?}");
    assert_eq!(report.calls_to("app/install"), 1, "{report:?}");
}
