//! What restarts, wipes and new identities do to a phone.

use super::*;
use crate::sim::{Simulator, Spec};

fn phone() -> Phone {
    Simulator::new(
        Spec {
            phones: 1,
            ..Spec::default()
        },
        Timestamp(0),
    )
    .phone("AC32010000001")
    .unwrap()
}

#[test]
fn a_restart_loses_live_properties_and_brings_waiting_ones() {
    let mut phone = phone();
    phone.set_property("debug.x", "1", Stay::Live);
    phone.set_property("ro.product.model", "Pixel 8", Stay::AfterRestart);
    let boot = phone.boot_id();
    assert_eq!(phone.property("debug.x").unwrap(), "1");
    assert_ne!(phone.property("ro.product.model").unwrap(), "Pixel 8");
    phone.reboot();
    assert_eq!(phone.property("debug.x"), None);
    assert_eq!(phone.property("ro.product.model").unwrap(), "Pixel 8");
    assert_ne!(phone.boot_id(), boot);
}

#[test]
fn a_wipe_leaves_system_apps_only() {
    let mut phone = phone();
    phone.install(&Arc::new(App::new("com.example.chat", "Chat", "1", 1)));
    phone.timezone = "Europe/Berlin".into();
    phone.settings.set("global/x", "1");
    phone.wipe(false);
    assert!(phone.apps.iter().all(|app| app.system));
    assert_eq!(phone.timezone, DEFAULT_TIMEZONE);
    assert_eq!(phone.setting("global/x"), None);
}

#[test]
fn identities_are_well_formed_and_new_ones_differ() {
    let mut phone = phone();
    let valid = |number: &str| luhn(&number[..number.len() - 1]) == number;
    let imei = phone.property("modem/IMEI").unwrap();
    assert_eq!(imei.len(), 15);
    assert!(valid(&imei) && valid(&phone.property("modem/ICCID").unwrap()));
    phone.set_property("modem/IMEI", "490154203237518", Stay::Kept);
    phone.new_identity("US");
    assert_ne!(phone.property("modem/IMEI").unwrap(), "490154203237518");
    assert_ne!(phone.property("modem/IMEI").unwrap(), imei);
    assert_eq!(phone.property("modem/MCCMNC").unwrap(), "310,260");
    assert_eq!(phone.property("modem/IMSI").unwrap().len(), 15);
}

#[test]
fn system_apps_cannot_be_removed() {
    let mut phone = phone();
    assert!(!phone.uninstall("com.android.settings"));
    assert!(phone.app("com.android.settings").is_some());
}
