//! Orders: bodies byte by byte, and what is refused before it is sent.

use super::{KEYS, Rig, account, phones, response};
use crate::model::attribute::Attribute;
use crate::model::fleet::AppSource;
use crate::model::id::{AccountName, Package};
use crate::model::value::{
    AppWish, Bypass, Proxy, ProxyEndpoint, ProxyMode, ProxyProtocol, SecretRef, Value, VersionWish,
    Wish,
};
use crate::provider::koophone::refuses;
use crate::provider::{AppToInstall, Order, Provider};
use std::sync::Arc;

const STARTED: &str = r#"{"error_code":"0","data":{"task_id":"t","cmd_jobs":[]}}"#;

fn order(call: &'static str, attribute: &str, wish: Wish) -> Order {
    Order {
        mark: 7,
        call,
        phones: phones(&["a44uhlf7", "efjy72gs"]),
        writes: Arc::from([(attribute.parse().unwrap(), wish)]),
        app: None,
        image: None,
    }
}

fn text(text: &str) -> Wish {
    Wish::Set(Value::Text(text.into()))
}

fn present() -> Wish {
    Wish::Set(Value::App(AppWish::Present {
        app: None,
        version: VersionWish::Any,
    }))
}

async fn sent(order: &Order) -> String {
    let rig = Rig::answering(&[STARTED]);
    rig.provider.submit(order).await.unwrap();
    rig.sent().remove(0)
}

async fn command(attribute: &str, wish: Wish) -> String {
    let line = sent(&order("async-command", attribute, wish)).await;
    let body = line
        .strip_prefix("POST /v1/instances/async-command ")
        .unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body["instance_ids"],
        serde_json::json!(["a44uhlf7", "efjy72gs"])
    );
    body["command"].as_str().unwrap().to_owned()
}

fn http_proxy(password: Option<SecretRef>) -> Wish {
    Wish::Set(Value::Proxy(Box::new(Proxy::Via(ProxyEndpoint {
        mode: ProxyMode::Proxy,
        protocol: ProxyProtocol::Http,
        host: "10.0.0.1".into(),
        port: 8080,
        username: password.is_some().then(|| "qa".into()),
        password,
        bypass: Bypass::default(),
    }))))
}

#[tokio::test(start_paused = true)]
async fn everything_but_installing_is_one_plain_command() {
    let flag = |on| Wish::Set(Value::Flag(on));
    let cases = [
        (
            "timezone",
            text("Asia/Tokyo"),
            "cmd alarm set-timezone Asia/Tokyo",
        ),
        ("language", text("ja-JP"), "am update-config --locale ja-JP"),
        (
            "property/persist.sys.ring",
            text("3"),
            "setprop persist.sys.ring 3",
        ),
        (
            "setting/global/zen_mode",
            text("1"),
            "settings put global zen_mode 1",
        ),
        (
            "setting/global/zen_mode",
            Wish::Reset,
            "settings delete global zen_mode",
        ),
        (
            "proxy",
            http_proxy(None),
            "settings put global http_proxy 10.0.0.1:8080",
        ),
        ("proxy", Wish::Reset, "settings put global http_proxy :0"),
        (
            "app/com.bad.game",
            Wish::Set(Value::App(AppWish::Absent)),
            "pm uninstall com.bad.game",
        ),
        (
            "running/com.a.b",
            flag(true),
            "monkey -p com.a.b -c android.intent.category.LAUNCHER 1",
        ),
        ("running/com.a.b", flag(false), "am force-stop com.a.b"),
    ];
    for (attribute, wish, expected) in cases {
        assert_eq!(command(attribute, wish).await, expected);
    }
    insta::assert_snapshot!(
        sent(&order("async-command", "timezone", text("Asia/Tokyo"))).await,
        @r#"POST /v1/instances/async-command {"command":"cmd alarm set-timezone Asia/Tokyo","instance_ids":["a44uhlf7","efjy72gs"]}"#
    );
}

fn url(url: &str, size_mb: Option<u32>) -> AppSource {
    AppSource::Url {
        url: url.into(),
        md5: None,
        size_mb,
        version: None,
        version_code: None,
    }
}

fn install(source: AppSource) -> Order {
    Order {
        mark: 7,
        app: Some(AppToInstall {
            package: Package::new("com.example.maps"),
            source,
        }),
        ..order("app/install", "app/com.example.maps", present())
    }
}

#[tokio::test(start_paused = true)]
async fn apps_come_from_a_url() {
    let whole = AppSource::Url {
        url: "https://files.example/maps-1.4.2.apk".into(),
        md5: Some("32e1f345f209a7dc1cc704913ea436d3".into()),
        size_mb: Some(12),
        version: Some("1.4.2".into()),
        version_code: None,
    };
    insta::assert_snapshot!(
        sent(&install(whole.clone())).await,
        @r#"POST /v1/instances/app/install {"fast_install":"0","object_name":"com.example.maps","file_name":"maps-1.4.2.apk","object_version":"1.4.2","object_size":"12","biz_type":"apk","content_type":"1","content_md5":"32e1f345f209a7dc1cc704913ea436d3","install_package_url":"https://files.example/maps-1.4.2.apk","instance_id_list":["a44uhlf7","efjy72gs"]}"#
    );
    // Where nothing is said, the url's digest tells files apart.
    let bare = sent(&install(url("https://files.example/maps.apk", Some(1)))).await;
    let other = sent(&install(url("https://files.example/maps2.apk", Some(1)))).await;
    let field = |line: &str, name: &str| {
        let body: serde_json::Value = serde_json::from_str(
            line.split_once('{')
                .map(|(_, rest)| format!("{{{rest}"))
                .unwrap()
                .as_str(),
        )
        .unwrap();
        body[name].as_str().unwrap().to_owned()
    };
    for name in ["content_md5", "object_version"] {
        assert_eq!(field(&bare, name).len(), 32);
        assert_ne!(field(&bare, name), field(&other, name));
    }
    let rig = Rig::with(
        &account(KEYS, &[("contentType", "application/octet-stream")]),
        vec![Ok(response(200, &[], STARTED))],
    );
    rig.provider.submit(&install(whole)).await.unwrap();
    assert_eq!(
        field(&rig.sent()[0], "content_type"),
        "application/octet-stream"
    );
}

#[test]
fn what_a_command_cannot_say_is_refused_with_the_reason() {
    let reason = |attribute: &str, wish: &Wish| {
        refuses::wish(&attribute.parse().unwrap(), wish, None).unwrap_or_default()
    };
    let password = http_proxy(Some(SecretRef::Env("PROXY".into())));
    let cases = [
        ("timezone", text("Etc/GMT+8"), "'+'"),
        ("proxy", password, "password"),
        (
            "setting/global/url",
            text("https://a.example/x?sig=1"),
            "'?'",
        ),
        ("setting/global/x", text(&"x".repeat(2000)), "1024"),
        ("setting/global/x", text("two words"), "space"),
        ("property/persist.x", text("a,b"), "','"),
        ("property/persist.x", text("größe"), "'ö'"),
    ];
    for (attribute, wish, words) in cases {
        let reason = reason(attribute, &wish);
        assert!(reason.contains(words), "{attribute}: {reason:?}");
    }
    for (attribute, wish) in [
        ("timezone", text("Asia/Tokyo")),
        ("language", text("zh-Hant-TW")),
        ("proxy", http_proxy(None)),
        ("property/persist.x", text("a.b_c:d/e-f")),
        ("app/com.bad.game", Wish::Set(Value::App(AppWish::Absent))),
        ("running/com.a.b", Wish::Set(Value::Flag(true))),
    ] {
        assert_eq!(reason(attribute, &wish), "", "{attribute}");
    }
}

#[test]
fn what_the_install_call_cannot_take_is_refused_with_the_reason() {
    let attribute = Attribute::App(Package::new("com.example.maps"));
    let reason = |source: &AppSource| {
        refuses::wish(&attribute, &present(), Some(source)).unwrap_or_default()
    };
    let signed = "https://b.example/a.apk?AWSAccessKeyId=1&Expires=2&Signature=x%3D";
    assert!(reason(&url(signed, Some(1))).contains("signed"));
    assert!(reason(&url("https://b.example/a b.apk", Some(1))).contains("plain"));
    assert!(reason(&url("https://b.example/größe.apk", Some(1))).contains("plain"));
    let long = format!("https://b.example/{}.apk", "a".repeat(2000));
    assert!(reason(&url(&long, Some(1))).contains("2000"));
    assert!(reason(&url("https://b.example/a.apk", None)).contains("sizeMb"));
    assert_eq!(reason(&url("https://b.example/a.apk", Some(1))), "");
    let catalogue = AppSource::Catalogue {
        account: AccountName::new("lab"),
        app_id: "1".into(),
    };
    assert!(reason(&catalogue).contains("catalogue"));
    for version in [VersionWish::CodeExact(7), VersionWish::CodeAtLeast(7)] {
        let wish = Wish::Set(Value::App(AppWish::Present { app: None, version }));
        let reason = refuses::wish(&attribute, &wish, None).unwrap();
        assert!(reason.contains("versionCode"), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_of_what_is_refused() {
    let rig = Rig::answering(&[]);
    let many: Vec<String> = (0..101).map(|n| format!("p{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let orders = [
        order("async-command", "timezone", text("Etc/GMT+8")),
        order("reboot", "timezone", text("Asia/Tokyo")),
        order("app/install", "app/com.example.maps", present()),
        install(url("https://b.example/a.apk?x=1", Some(1))),
        Order {
            mark: 7,
            phones: phones(&many),
            ..order("async-command", "timezone", text("Asia/Tokyo"))
        },
        Order {
            mark: 7,
            phones: phones(&[]),
            ..order("async-command", "timezone", text("Asia/Tokyo"))
        },
    ];
    for order in orders {
        rig.provider.submit(&order).await.unwrap_err();
    }
    assert!(rig.sent().is_empty());
}
