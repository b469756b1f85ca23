//! Scripts as they are sent, and what output tells; then through a real shell (`real`).

mod real;

use super::*;
use crate::model::id::{AppName, Package};
use crate::model::observed::AppState;
use crate::model::value::{
    AppWish, Bypass, Location, Proxy, ProxyEndpoint, ProxyMode, ProxyProtocol, SecretRef, Value,
    VersionWish,
};
use proptest::prelude::*;
use smol_str::SmolStr;

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

fn put(name: &str, value: &str, bounds: &Bounds) -> Result<String, CallError> {
    write_script(&[(attribute(name), set(value))], None, bounds)
}

fn refused_with(name: &str, wish: &Wish, bounds: &Bounds) -> String {
    refuses(&attribute(name), wish, None, bounds).unwrap_or_default()
}

fn http(host: &str) -> ProxyEndpoint {
    ProxyEndpoint {
        mode: ProxyMode::Proxy,
        protocol: ProxyProtocol::Http,
        host: host.into(),
        port: 3128,
        username: None,
        password: None,
        bypass: Bypass::default(),
    }
}

fn via(endpoint: ProxyEndpoint) -> Wish {
    Wish::Set(Value::Proxy(Box::new(Proxy::Via(endpoint))))
}

fn present() -> Wish {
    Wish::Set(Value::App(AppWish::Present {
        app: Some(AppName::new("maps")),
        version: VersionWish::Any,
    }))
}

fn from_url(url: &str, md5: Option<&str>) -> AppToInstall {
    AppToInstall {
        package: Package::new("com.example.maps"),
        source: AppSource::Url {
            url: url.into(),
            md5: md5.map(SmolStr::from),
            size_mb: None,
            version: None,
            version_code: None,
        },
    }
}

fn attributes() -> Vec<Attribute> {
    vec![
        Attribute::Property("ro.sys.cloud.android_id".into()),
        Attribute::Setting("global/it's".into()),
        Attribute::Running(Package::new("com.example.maps")),
    ]
}

#[test]
fn one_script_reads_all_with_a_marker_each() {
    insta::assert_snapshot!(read_script(&attributes(), &ANY).unwrap(), @r"echo =phonefleet=0; getprop 'ro.sys.cloud.android_id'; echo =phonefleet=1; settings get global 'it'\''s'; echo =phonefleet=2; pidof 'com.example.maps'; echo =phonefleet=3");
}

#[test]
fn an_app_makes_the_script_list_all_packages() {
    let asked = [attribute("timezone"), attribute("app/com.example.maps")];
    insta::assert_snapshot!(read_script(&asked, &ANY).unwrap(), @"echo =phonefleet=0; getprop persist.sys.timezone; echo =phonefleet=1; dumpsys package 'com.example.maps' | grep -m 1 versionName=; echo =phonefleet=2; pm list packages --show-versioncode -3 || echo failed; echo =phonefleet=3; pm list packages --show-versioncode -s || echo failed; echo =phonefleet=4");
}

#[test]
fn settings_are_put_and_deleted_in_one_script() {
    let writes = [
        (attribute("setting/global/a"), set("x; rm -rf '/'")),
        (attribute("setting/secure/b"), Wish::Reset),
    ];
    insta::assert_snapshot!(write_script(&writes, None, &ANY).unwrap(), @r"settings put global 'a' 'x; rm -rf '\''/'\'''; settings delete secure 'b'");
}

#[test]
fn a_new_language_restarts_the_framework_after_all_else() {
    let writes = [
        (attribute("language"), set("fr-FR")),
        (attribute("property/persist.a"), set("-1")),
    ];
    insta::assert_snapshot!(write_script(&writes, None, &ANY).unwrap(), @"setprop persist.sys.locale 'fr-FR'; setprop -- 'persist.a' '-1'; setprop ctl.restart zygote");
}

#[test]
fn every_attribute_has_its_command() {
    let location = Wish::Set(Value::Location(Box::new(Location {
        latitude: "1.3521".into(),
        longitude: "-103.8".into(),
        altitude: None,
        speed: None,
        bearing: None,
        horizontal_accuracy: Some("5".into()),
    })));
    let direct = Wish::Set(Value::Proxy(Box::new(Proxy::Direct)));
    let flag = |on| Wish::Set(Value::Flag(on));
    let absent = Wish::Set(Value::App(AppWish::Absent));
    let writes = [
        ("timezone", set("Asia/Tokyo")),
        ("proxy", via(http("proxy.example"))),
        ("proxy", direct),
        ("running/com.example.maps", flag(true)),
        ("running/com.example.maps", flag(false)),
        ("app/com.bad.game", absent),
        ("location", location),
        ("location", Wish::Reset),
    ];
    let lines: Vec<String> = writes
        .into_iter()
        .map(|(name, wish)| write_script(&[(attribute(name), wish)], None, &ANY).unwrap())
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    settings put global auto_time_zone 0; cmd alarm set-timezone 'Asia/Tokyo' || setprop persist.sys.timezone 'Asia/Tokyo'
    settings put global http_proxy 'proxy.example:3128'
    settings put global http_proxy ':0'
    monkey -p 'com.example.maps' -c android.intent.category.LAUNCHER 1
    am force-stop 'com.example.maps'
    pm uninstall 'com.bad.game'
    appops set com.android.shell android:mock_location allow; cmd location providers add-test-provider gps; cmd location providers set-test-provider-enabled gps true; cmd location providers set-test-provider-location gps --location '1.3521,-103.8' --accuracy '5'
    cmd location providers remove-test-provider gps
    ");
}

#[test]
fn an_app_is_fetched_checked_installed_and_its_file_removed() {
    let app = from_url(
        "https://apps.example/a.apk?sig=a&b='c'",
        Some("0123456789abcdef0123456789abcdef"),
    );
    let writes = [(attribute("app/com.example.maps"), present())];
    insta::assert_snapshot!(write_script(&writes, Some(&app), &ANY).unwrap(), @r"curl -fsSLg -o /data/local/tmp/phonefleet-a149ea1449f86fe5.apk 'https://apps.example/a.apk?sig=a&b='\''c'\''' && echo '0123456789abcdef0123456789abcdef  /data/local/tmp/phonefleet-a149ea1449f86fe5.apk' | md5sum -c && pm install -r -d -g --user 0 /data/local/tmp/phonefleet-a149ea1449f86fe5.apk; rm -f /data/local/tmp/phonefleet-a149ea1449f86fe5.apk");
}

#[test]
fn one_plain_command_at_a_time() {
    let say =
        |name: &str, wish: Wish| write_script(&[(attribute(name), wish)], None, &PLAIN).unwrap();
    let lines = [
        say("timezone", set("Asia/Tokyo")),
        say("language", set("ja-JP")),
        say("proxy", via(http("10.0.0.1"))),
        say("proxy", Wish::Reset),
        say("property/persist.sys.x", set("-1")),
        say("setting/global/x", set("1")),
        say("setting/global/x", Wish::Reset),
        say("app/com.bad.game", Wish::Set(Value::App(AppWish::Absent))),
        say("running/com.a.b", Wish::Set(Value::Flag(true))),
    ];
    insta::assert_snapshot!(lines.join("\n"), @"
    cmd alarm set-timezone Asia/Tokyo
    am update-config --locale ja-JP
    settings put global http_proxy 10.0.0.1:3128
    settings put global http_proxy :0
    setprop -- persist.sys.x -1
    settings put global x 1
    settings delete global x
    pm uninstall com.bad.game
    monkey -p com.a.b -c android.intent.category.LAUNCHER 1
    ");
    let read = |name: &str| read_script(&[attribute(name)], &PLAIN);
    assert_eq!(read("property/a.b").unwrap(), "getprop a.b");
    assert_eq!(read("proxy").unwrap(), "settings get global http_proxy");
    assert!(read("app/com.example.maps").is_err());
    assert!(read_script(&[attribute("timezone"), attribute("language")], &PLAIN).is_err());
    let two = [
        (attribute("timezone"), set("Asia/Tokyo")),
        (attribute("language"), set("ja-JP")),
    ];
    assert!(write_script(&two, None, &PLAIN).is_err());
}

#[test]
fn what_cannot_be_said_is_refused_before_it_is_sent() {
    assert!(put("setting/global/a", "two\nlines", &ANY).is_err());
    assert!(put("setting/elsewhere/a", "x", &ANY).is_err());
    assert!(put("setting/global/a", &"x".repeat(5000), &ANY).is_err());
    assert!(read_script(&[Attribute::Bandwidth], &ANY).is_err());
}

#[test]
fn plain_commands_refuse_with_what_would_work() {
    let reasons = [
        refused_with("timezone", &set("Etc/GMT+8"), &PLAIN),
        refused_with("property/persist.a", &set("two words"), &PLAIN),
        refused_with("setting/global/a", &set("a?b=c&d"), &PLAIN),
        refused_with("setting/global/a", &set(&"x".repeat(2048)), &PLAIN),
    ];
    insta::assert_snapshot!(reasons.join("\n"), @r#"
    the time zone "Etc/GMT+8" has '+', and the vendor's commands take letters, digits and _ . / : - only: Pacific/Pitcairn has the same time
    the value "two words" has a space, which would split it in two, and the vendor's commands take letters, digits and _ . / : - only
    the value "a?b=c&d" has '?', and the vendor's commands take letters, digits and _ . / : - only
    the command would be 2070 bytes long, and the vendor takes 1024
    "#);
}

#[test]
fn proxies_that_the_phone_itself_cannot_have_are_refused_with_what_would_work() {
    let with = |change: fn(&mut ProxyEndpoint)| {
        let mut endpoint = http("proxy.example");
        change(&mut endpoint);
        refused_with("proxy", &via(endpoint), &ANY)
    };
    let reasons = [
        with(|it| it.mode = ProxyMode::Vpn),
        with(|it| it.protocol = ProxyProtocol::Socks5),
        with(|it| it.password = Some(SecretRef::Env("P".into()))),
        with(|it| it.bypass.domains = vec!["a.example".into()]),
        with(|it| it.host = "::1".into()),
    ];
    insta::assert_snapshot!(reasons.join("\n"), @"
    the phone's own proxy is no VPN: an HTTP proxy works (mode: proxy, protocol: http)
    the phone's own proxy speaks HTTP only, not socks5: protocol: http works
    the phone's own proxy has no user name and password: a proxy works that lets the phones' addresses in without
    the phone's own proxy has no list of what goes round it: leave bypass out
    the phone's own proxy takes no IPv6 address: a host name works
    ");
    assert_eq!(with(|_| ()), "");
}

#[test]
fn what_could_not_be_read_back_is_refused() {
    let reasons = [
        refused_with("setting/global/a", &set("null"), &ANY),
        refused_with("property/persist.a", &set(""), &ANY),
        refused_with("property/persist.a", &set(" x"), &ANY),
        refused_with("setting/global/a", &set("Error: x"), &ANY),
        refused_with("setting/global/a", &set("--user"), &ANY),
        refused_with("property/persist.a", &set(&"x".repeat(92)), &ANY),
        refused_with("property/modem/IMEI", &set("1"), &ANY),
        refused_with("property/ro.a", &set("1"), &ANY),
    ];
    insta::assert_snapshot!(reasons.join("\n"), @r#"
    the value "null" reads back as if there were none
    the value "" reads back as if there were none
    the value " x" reads back without the white space around it
    the value "Error: x" reads back as if it were an error message
    the value "--user" would be taken for an option
    the value has 92 bytes, and Android takes 91 of a property
    no Android property can be called "modem/IMEI": its name has letters, digits and . - @ : _ only
    setprop does not write ro.a: ro. properties stand in the image
    "#);
}

#[test]
fn a_value_that_leaves_no_room_for_others_is_refused() {
    let shares = Shares {
        writes: 8,
        reads: 24,
    };
    let reason = |name: &str, value: &str| {
        refuses_sharing(&attribute(name), &set(value), None, &ANY, shares)
    };
    assert_eq!(reason("setting/global/a", &"x".repeat(400)), None);
    let reasons = [
        reason("setting/global/a", &"x".repeat(600)).unwrap(),
        reason(&format!("setting/global/{}", "k".repeat(200)), "1").unwrap(),
    ];
    insta::assert_snapshot!(reasons.join("\n"), @r"
    its command is 628 bytes long, and each of the 8 that may share a script has 512
    its command is 246 bytes long, and each of the 24 that may share a script has 160
    ");
}

#[test]
fn an_app_without_a_source_is_not_refused_and_one_from_a_catalogue_is() {
    let maps = attribute("app/com.example.maps");
    assert_eq!(refuses(&maps, &present(), None, &ANY), None);
    let catalogue = AppSource::Catalogue {
        account: "a".into(),
        app_id: "1".into(),
    };
    assert!(refuses(&maps, &present(), Some(&catalogue), &ANY).is_some());
    let url = from_url("https://a.example/a.apk", None).source;
    assert_eq!(refuses(&maps, &present(), Some(&url), &ANY), None);
    assert!(refuses(&maps, &present(), Some(&url), &PLAIN).is_some());
    let odd = Attribute::App(Package::new("a;reboot"));
    assert!(refuses(&odd, &Wish::Set(Value::App(AppWish::Absent)), None, &ANY).is_some());
}

fn values(output: &str) -> Vec<(Attribute, Observed)> {
    decode(&attributes(), &ANY, output).values
}

#[test]
fn output_is_told_apart_by_its_markers() {
    let output = "=phonefleet=0\r\nabc123\r\n=phonefleet=1\r\nnull\r\n=phonefleet=2\r\n812 9\r\n=phonefleet=3\r\n";
    let values: Vec<_> = values(output).into_iter().map(|(_, value)| value).collect();
    assert_eq!(
        values,
        [
            Observed::Text("abc123".into()),
            Observed::Missing,
            Observed::Flag(true)
        ]
    );
}

#[test]
fn nothing_said_is_nothing_told() {
    for output in [
        "",
        "null",
        "Error: device offline",
        "=phonefleet=0\nabc",
        "abc\n=phonefleet=1",
        "=phonefleet=1\n=phonefleet=0\n",
        "=phonefleet=0\nx\n=phonefleet=0\ny\n=phonefleet=1\nSecurity exception: no\n=phonefleet=2\n/system/bin/sh: pidof: not found\n=phonefleet=3",
    ] {
        assert_eq!(values(output), [], "{output:?}");
    }
    // Cut off after the first answer: the first is told, the rest is not.
    let told = values("=phonefleet=0\n\n=phonefleet=1\n5");
    assert_eq!(told, [(attributes()[0].clone(), Observed::Missing)]);
}

#[test]
fn without_joins_the_output_is_the_value() {
    let told = |name: &str, output: &str| {
        let told = decode(&[attribute(name)], &PLAIN, output);
        told.values.into_iter().map(|(_, value)| value).next()
    };
    let text = |text: &str| Some(Observed::Text(text.into()));
    assert_eq!(told("timezone", "asia/tokyo\r\n"), text("Asia/Tokyo"));
    assert_eq!(told("language", "ja_JP"), text("ja-JP"));
    assert_eq!(told("proxy", ":0\n"), Some(Observed::Missing));
    assert_eq!(told("proxy", "null\n"), Some(Observed::Missing));
    assert_eq!(told("proxy", "10.0.0.1:8080\n"), text("10.0.0.1:8080"));
    assert_eq!(told("running/com.a.b", ""), Some(Observed::Flag(false)));
    assert_eq!(told("property/a.b", "sh: getprop: not found"), None);
    assert_eq!(told("property/a.b", "WARNING: linker: x\nb\n"), text("b"));
    let two = [attribute("timezone"), attribute("language")];
    assert_eq!(decode(&two, &PLAIN, "x"), Told::default());
}

const APPS: &str = "=phonefleet=0\n    versionName=1.4.2\n=phonefleet=1\nWARNING: linker: x\npackage:com.example.maps versionCode:142\npackage:com.bad.game versionCode:9\n=phonefleet=2\npackage:android versionCode:33\n=phonefleet=3\n";

fn apps(output: &str) -> Option<Vec<InstalledApp>> {
    decode(&[attribute("app/com.example.maps")], &ANY, output).apps
}

#[test]
fn a_complete_list_tells_all_apps() {
    let app = |package: &str, name: Option<&str>, code: u64, system: bool| InstalledApp {
        package: Package::new(package),
        version_name: name.map(SmolStr::from),
        version_code: Some(code),
        state: AppState::Installed,
        system: Some(system),
    };
    assert_eq!(
        apps(APPS).unwrap(),
        [
            app("android", None, 33, true),
            app("com.bad.game", None, 9, false),
            app("com.example.maps", Some("1.4.2"), 142, false),
        ]
    );
    let none = APPS.replace("    versionName=1.4.2\n", "");
    assert_eq!(apps(&none).unwrap()[2].version_name, None);
}

#[test]
fn a_list_that_is_cut_off_or_spoiled_makes_no_app_absent() {
    for at in 0..APPS.len() - 1 {
        assert_eq!(apps(&APPS[..at]), None, "cut at {at}");
    }
    for (from, to) in [
        ("package:com.bad.game", "Exception occurred"),
        ("package:com.bad.game", "package:com.bad;game"),
        ("package:android versionCode:33\n", ""),
        ("package:android versionCode:33", "failed"),
        ("package:com.bad.game versionCode:9", "failed"),
        ("package:com.bad.game", "=phonefleet=2"),
    ] {
        let output = APPS.replace(from, to);
        assert_ne!(output, APPS);
        assert_eq!(apps(&output), None, "{to:?} for {from:?}");
    }
}

/// Attributes and wishes of every kind that a shell writes, with texts of every kind.
fn any_write() -> impl Strategy<Value = (Attribute, Wish)> {
    let text = || {
        prop_oneof![
            "[a-zA-Z0-9_.:/-]{0,20}",
            "\\PC{0,20}",
            ".{0,20}",
            "[a-z'\"\\\\;&|$`<>(){}*?# \n-]{0,20}",
            "[a-z]{900,1100}",
        ]
    };
    let name = || prop_oneof!["(persist|ro|debug)[.][a-z._-]{1,12}", "\\PC{1,12}"];
    let flag = any::<bool>().prop_map(|on| Wish::Set(Value::Flag(on)));
    let proxy = (text(), any::<u16>()).prop_map(|(host, port)| {
        let mut endpoint = http(&host);
        endpoint.port = port;
        via(endpoint)
    });
    let setting = ("(global|secure|system|else)", text())
        .prop_map(|(space, key)| Attribute::Setting(format!("{space}/{key}").into()));
    let words = || prop_oneof![4 => text().prop_map(|text| set(&text)), 1 => Just(Wish::Reset)];
    let package = || prop_oneof!["[a-z]{1,5}[.][a-z]{1,5}", text()].prop_map(Package::new);
    prop_oneof![
        (
            name().prop_map(|name| Attribute::Property(name.into())),
            words()
        ),
        (setting, words()),
        (Just(Attribute::Timezone), words()),
        (Just(Attribute::Language), words()),
        (Just(Attribute::Proxy), proxy),
        (package().prop_map(Attribute::Running), flag),
        (
            package().prop_map(Attribute::App),
            Just(Wish::Set(Value::App(AppWish::Absent)))
        ),
    ]
}

proptest! {
    #[test]
    fn what_is_not_refused_is_made_and_read((attribute, wish) in any_write()) {
        for bounds in [ANY, PLAIN] {
            if refuses(&attribute, &wish, None, &bounds).is_none() {
                let script = write_script(&[(attribute.clone(), wish.clone())], None, &bounds);
                prop_assert!(script.is_ok(), "{attribute:?} {wish:?}: {script:?}");
                let by_list = matches!(attribute, Attribute::App(_)) && !bounds.joins;
                prop_assert!(by_list || read_script(std::slice::from_ref(&attribute), &bounds).is_ok());
            }
        }
    }

    #[test]
    fn what_shares_a_script_fits_into_it(writes in proptest::collection::vec(any_write(), 1..9), many in 0_usize..24) {
        let shares = Shares { writes: 8, reads: 24 };
        let fits = |(attribute, wish): &(Attribute, Wish)| refuses_sharing(attribute, wish, None, &ANY, shares).is_none();
        let writes: Vec<_> = writes.into_iter().filter(fits).collect();
        prop_assert!(write_script(&writes, None, &ANY).is_ok());
        let mut reads: Vec<_> = writes.into_iter().map(|(attribute, _)| attribute).collect();
        reads.extend(std::iter::repeat_n(attribute("app/com.example.an.app.of.some.length"), many));
        reads.truncate(24);
        prop_assert!(read_script(&reads, &ANY).is_ok());
    }

    #[test]
    fn what_is_not_made_is_refused((attribute, wish) in any_write()) {
        for bounds in [ANY, PLAIN] {
            if write_script(&[(attribute.clone(), wish.clone())], None, &bounds).is_err() {
                prop_assert!(refuses(&attribute, &wish, None, &bounds).is_some());
            }
        }
    }

    #[test]
    fn plain_scripts_are_plain((attribute, wish) in any_write()) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_./:- ".contains(c);
        if let Ok(script) = write_script(&[(attribute, wish)], None, &PLAIN) {
            prop_assert!(script.len() <= PLAIN.bytes && script.chars().all(plain), "{script}");
        }
    }

    #[test]
    fn any_output_is_survived(output in ".{0,200}", lines in proptest::collection::vec("(=phonefleet=[0-9]|package:[a-z.]{0,3}|[a-z]{0,3})", 0..12)) {
        let mut attributes = attributes();
        attributes.push(attribute("app/com.a.b"));
        prop_assert!(decode(&attributes, &ANY, &output).values.len() <= 3);
        prop_assert!(decode(&attributes, &ANY, &lines.join("\n")).values.len() <= 3);
        decode(&attributes[..1], &PLAIN, &output);
    }

    #[test]
    fn a_value_between_markers_comes_back(value in "[a-zA-Z0-9_.:/-]{1,60}") {
        prop_assume!(value != "null");
        let attributes = [attribute("setting/global/x")];
        let output = format!("=phonefleet=0\n{value}\n=phonefleet=1\n");
        prop_assert_eq!(decode(&attributes, &ANY, &output).values, vec![(attributes[0].clone(), Observed::Text(value.into()))]);
    }
}
