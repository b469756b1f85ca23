//! The vendor's own Python SDK drives the simulated Alibaba Cloud Phone: it lists phones, installs an app, runs commands and follows their tasks to the end.

use crate::conformance;
use crate::process::Vendor;
use phonefleet::model::fleet::ProviderKind;
use phonefleet::sim::alibaba::SECURITY_TOKEN;
use phonefleet::sim::{ACCESS_KEY, SECRET_KEY, Spec};
use std::time::Duration;

#[test]
fn the_official_sdk_works_at_the_simulated_vendor() {
    let vendor = Vendor::listening(Spec {
        phones: 45,
        job_time: Duration::from_millis(50),
        latency: Duration::from_millis(1),
        ..Spec::of(ProviderKind::Alibaba)
    });
    let address = vendor.address.to_string();
    let arguments = [&*address, ACCESS_KEY, SECRET_KEY, SECURITY_TOKEN];
    let Some(printed) = conformance::run("alibaba.py", &arguments) else {
        return;
    };
    let seen: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(
        (&seen["phones"], &seen["temporary"]),
        (&45.into(), &45.into())
    );
    assert_eq!(seen["zone"], "Asia/Shanghai\n");
    assert_eq!(seen["unknown"], "InvalidInstanceId.NotFound");
    assert_eq!(seen["wrong"], "SignatureDoesNotMatch");
    let ids = vendor.sim.phones();
    for (place, id) in ids.iter().take(3).enumerate() {
        assert_eq!(seen["worked on"][place], id.as_str());
        let phone = vendor.sim.phone(id).unwrap();
        let ring = phone.property("persist.sys.fleet.ring");
        assert_eq!(ring.as_deref(), Some("3 中文"), "{id}");
        assert_eq!(phone.app("com.example.chat").is_some(), place > 0, "{id}");
        assert!(phone.adb, "{id}");
    }
    let report = vendor.sim.report();
    assert_eq!(report.bad_signatures, 1, "{report:?}");
    assert_eq!((report.double_jobs, report.throttled), (0, 0), "{report:?}");
    assert_eq!(report.calls_to("InstallApp"), 1, "{report:?}");
}
