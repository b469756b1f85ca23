//! The shell driver's scripts, on simulated phones: what it writes arrives, and what it reads is so.

use super::*;
use crate::model::attribute::Attribute;
use crate::model::fleet::AppSource;
use crate::model::id::Package;
use crate::model::observed::Observed;
use crate::model::value::{
    AppWish, Bypass, Location, Proxy, ProxyEndpoint, ProxyMode, ProxyProtocol, Value, VersionWish,
    Wish,
};
use crate::provider::AppToInstall;
use crate::provider::shell::{Bounds, Charset, decode, read_script, write_script};

const ANY: Bounds = Bounds {
    bytes: 4096,
    charset: Charset::Any,
    joins: true,
};

const PLAIN: Bounds = Bounds {
    bytes: 1024,
    charset: Charset::Plain,
    joins: false,
};

fn attribute(text: &str) -> Attribute {
    text.parse().unwrap()
}

fn set(text: &str) -> Wish {
    Wish::Set(Value::Text(text.into()))
}

fn http_proxy() -> Wish {
    Wish::Set(Value::Proxy(Box::new(Proxy::Via(ProxyEndpoint {
        mode: ProxyMode::Proxy,
        protocol: ProxyProtocol::Http,
        host: "10.0.0.1".into(),
        port: 8080,
        username: None,
        password: None,
        bypass: Bypass::default(),
    }))))
}

fn write(phone: &mut Phone, name: &str, wish: &Wish, bounds: &Bounds) -> String {
    let script = write_script(&[(attribute(name), wish.clone())], None, bounds).unwrap();
    assert!(Script::new(&script, &[]).mutates, "{script}");
    on(phone, &script)
}

fn read(phone: &mut Phone, name: &str, bounds: &Bounds) -> Option<Observed> {
    let asked = [attribute(name)];
    let script = read_script(&asked, bounds).unwrap();
    assert!(!Script::new(&script, &[]).mutates, "{script}");
    let told = decode(&asked, bounds, &on(phone, &script));
    told.values.into_iter().map(|(_, value)| value).next()
}

fn text(text: &str) -> Option<Observed> {
    Some(Observed::Text(text.into()))
}

#[test]
fn every_value_is_written_and_read_back() {
    for bounds in [ANY, PLAIN] {
        let mut phone = phone();
        for (name, wish, told) in [
            ("timezone", set("Asia/Tokyo"), text("Asia/Tokyo")),
            ("language", set("fr-FR"), text("fr-FR")),
            ("property/persist.x", set("a.b"), text("a.b")),
            ("property/debug.x", set("-1"), text("-1")),
            ("setting/global/x", set("a:b"), text("a:b")),
            ("setting/global/x", Wish::Reset, Some(Observed::Missing)),
            ("proxy", http_proxy(), text("10.0.0.1:8080")),
            ("proxy", Wish::Reset, Some(Observed::Missing)),
            (
                "running/com.android.settings",
                Wish::Set(Value::Flag(true)),
                Some(Observed::Flag(true)),
            ),
            (
                "running/com.android.settings",
                Wish::Set(Value::Flag(false)),
                Some(Observed::Flag(false)),
            ),
        ] {
            assert_ne!(read(&mut phone, name, &bounds), told, "{name}");
            write(&mut phone, name, &wish, &bounds);
            assert_eq!(read(&mut phone, name, &bounds), told, "{name}");
        }
        assert_eq!(
            (&*phone.timezone, &*phone.language),
            ("Asia/Tokyo", "fr-FR")
        );
        let by_hand = if bounds.joins { "0" } else { "1" };
        assert_eq!(phone.setting("global/auto_time_zone").unwrap(), by_hand);
    }
}

#[test]
fn apps_come_by_url_are_listed_and_go() {
    let mut phone = phone();
    let asked = [
        attribute("timezone"),
        attribute("app/com.example.maps"),
        attribute("app/com.example.none"),
    ];
    let apps = |phone: &mut Phone| {
        let script = read_script(&asked, &ANY).unwrap();
        decode(&asked, &ANY, &on(phone, &script)).apps.unwrap()
    };
    let of = |phone: &mut Phone, package: &str| {
        let app = apps(phone)
            .into_iter()
            .find(|app| app.package.as_str() == package)?;
        Some((app.version_name, app.version_code, app.system))
    };
    let app = AppToInstall {
        package: Package::new("com.example.maps"),
        source: AppSource::Url {
            url: "https://apps.example/com.example.maps-1.4.2.apk".into(),
            md5: Some("0123456789abcdef0123456789abcdef".into()),
            size_mb: None,
            version: None,
            version_code: None,
        },
    };
    let present = Wish::Set(Value::App(AppWish::Present {
        app: None,
        version: VersionWish::Any,
    }));
    let script = write_script(&[(asked[1].clone(), present)], Some(&app), &ANY).unwrap();
    let moves = Script::new(&script, &[]);
    assert!(moves.moves_apps && !moves.restarts);
    assert_eq!(of(&mut phone, "com.example.maps").unwrap().1, Some(130));
    assert!(on(&mut phone, &script).contains("Success"));
    assert_eq!(
        of(&mut phone, "com.example.maps"),
        Some((Some("1.4.2".into()), Some(142), Some(false)))
    );
    assert_eq!(phone.files, []);
    assert_eq!(
        of(&mut phone, "com.android.settings").unwrap().2,
        Some(true)
    );
    assert_eq!(apps(&mut phone).len(), phone.apps.len());

    let absent = Wish::Set(Value::App(AppWish::Absent));
    assert_eq!(
        write(&mut phone, "app/com.bad.game", &absent, &PLAIN),
        "Success\n"
    );
    assert_eq!(of(&mut phone, "com.bad.game"), None);
}

#[test]
fn positions_arrive_and_go() {
    let mut phone = phone();
    let wish = Wish::Set(Value::Location(Box::new(Location {
        latitude: "1.3521".into(),
        longitude: "-103.8198".into(),
        altitude: None,
        speed: None,
        bearing: None,
        horizontal_accuracy: Some("5".into()),
    })));
    assert_eq!(write(&mut phone, "location", &wish, &ANY), "");
    let there = phone.location.clone().unwrap();
    assert_eq!((there.latitude, there.longitude), (1.3521, -103.8198));
    assert_eq!(there.horizontal_accuracy, Some(5.0));
    write(&mut phone, "location", &Wish::Reset, &ANY);
    assert_eq!(phone.location, None);
}

#[test]
fn nasty_values_change_nothing_else() {
    let before = phone();
    for value in ["$(reboot)", "'; reboot; '", "a | reboot", "`reboot`", "> x"] {
        let mut phone = phone();
        write(&mut phone, "setting/system/x", &set(value), &ANY);
        assert_eq!(phone.setting("system/x").unwrap(), value);
        phone.settings.remove("system/x");
        assert_eq!((phone.boots, &phone.settings), (1, &before.settings));
    }
}

#[test]
fn a_script_on_a_phone_without_a_shell_tells_nothing() {
    let asked = [attribute("timezone"), attribute("app/com.example.maps")];
    let script = read_script(&asked, &ANY)
        .unwrap()
        .replace("pm ", "pmx ")
        .replace("getprop", "getpropx");
    let told = decode(&asked, &ANY, &on(&mut phone(), &script));
    assert_eq!((told.values, told.apps), (vec![], None));
}
