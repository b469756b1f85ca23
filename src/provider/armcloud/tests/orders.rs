//! Golden bodies of every call that changes phones, signatures, and what is refused before it is sent.

use super::{NOW, PASSWORD, Rig, account, outfit, phones, response};
use crate::model::attribute::Attribute;
use crate::model::capability::Refuses;
use crate::model::fleet::AppSource;
use crate::model::id::{AccountName, Package};
use crate::model::value::{
    AppWish, Bandwidth, Bypass, Image, ImageTarget, Location, Proxy, ProxyEndpoint, ProxyMode,
    ProxyProtocol, SecretRef, SimField, Value, Wish,
};
use crate::provider::armcloud::ArmCloud;
use crate::provider::armcloud::table::{CAPABILITIES, call};
use crate::provider::{Accepted, AppToInstall, ErrorKind, Order, Provider};
use std::collections::BTreeMap;

fn order(name: &'static str, codes: &[&str], writes: Vec<(&str, Wish)>) -> Order {
    Order {
        mark: 7,
        call: name,
        phones: phones(codes),
        writes: writes
            .into_iter()
            .map(|(attribute, wish)| (attribute.parse().unwrap(), wish))
            .collect(),
        app: None,
        image: None,
    }
}

fn text(text: &str) -> Wish {
    Wish::Set(Value::Text(text.into()))
}

/// Path and body of the one request an order becomes.
async fn sent(order: &Order) -> String {
    let rig = Rig::answering(&[r#"{"code":200,"data":[]}"#]);
    rig.provider.submit(order).await.unwrap();
    let (path, body) = rig.sent().remove(0);
    format!("{path} {body}")
}

fn proxy(password: Option<&str>, bypass: Bypass) -> Wish {
    Wish::Set(Value::Proxy(Box::new(Proxy::Via(ProxyEndpoint {
        mode: ProxyMode::Vpn,
        protocol: ProxyProtocol::Http,
        host: "proxy.example".into(),
        port: 1080,
        username: password.map(|_| "qa".into()),
        password: password.map(|name| SecretRef::Env(name.into())),
        bypass,
    }))))
}

#[tokio::test]
async fn settings_of_a_phone() {
    let two = &["AC1", "AC2"];
    insta::assert_snapshot!(sent(&order(call::TIME_ZONE, two, vec![("timezone", text("Asia/Tokyo"))])).await,
        @r#"/openapi/open/pad/updateTimeZone {"padCodes":["AC1","AC2"],"timeZone":"Asia/Tokyo"}"#);
    insta::assert_snapshot!(sent(&order(call::LANGUAGE, two, vec![("language", text("zh-CN"))])).await,
        @r#"/openapi/open/pad/updateLanguage {"padCodes":["AC1","AC2"],"language":"zh","country":"CN"}"#);
    insta::assert_snapshot!(sent(&order(call::LANGUAGE, two, vec![("language", text("zh"))])).await,
        @r#"/openapi/open/pad/updateLanguage {"padCodes":["AC1","AC2"],"language":"zh"}"#);
    insta::assert_snapshot!(sent(&order(call::SPEED, two, vec![("bandwidth", Wish::Set(Value::Bandwidth(Bandwidth { up_mbps: 2, down_mbps: 10 })))])).await,
        @r#"/openapi/open/pad/setSpeed {"padCodes":["AC1","AC2"],"upBandwidth":2,"downBandwidth":10}"#);
    insta::assert_snapshot!(sent(&order(call::SPEED, two, vec![("bandwidth", Wish::Reset)])).await,
        @r#"/openapi/open/pad/setSpeed {"padCodes":["AC1","AC2"],"upBandwidth":0,"downBandwidth":0}"#);
    insta::assert_snapshot!(sent(&order(call::ADB, two, vec![("adb", Wish::Set(Value::Flag(true)))])).await,
        @r#"/openapi/open/pad/openOnlineAdb {"padCodes":["AC1","AC2"],"openStatus":1}"#);
    insta::assert_snapshot!(sent(&order(call::ADB, two, vec![("adb", Wish::Reset)])).await,
        @r#"/openapi/open/pad/openOnlineAdb {"padCodes":["AC1","AC2"],"openStatus":0}"#);
}

#[tokio::test]
async fn location_is_sent_as_numbers() {
    let mut location = Location {
        latitude: "-39.909187".into(),
        longitude: "116.3974551".into(),
        altitude: None,
        speed: None,
        bearing: None,
        horizontal_accuracy: None,
    };
    let wish = |location: &Location| {
        vec![(
            "location",
            Wish::Set(Value::Location(Box::new(location.clone()))),
        )]
    };
    insta::assert_snapshot!(sent(&order(call::LOCATION, &["AC1"], wish(&location))).await,
        @r#"/openapi/open/pad/gpsInjectInfo {"padCodes":["AC1"],"longitude":116.3974551,"latitude":-39.909187}"#);
    location.altitude = Some("12.5".into());
    location.speed = Some("1".into());
    location.bearing = Some("90".into());
    location.horizontal_accuracy = Some("3".into());
    insta::assert_snapshot!(sent(&order(call::LOCATION, &["AC1"], wish(&location))).await,
        @r#"/openapi/open/pad/gpsInjectInfo {"padCodes":["AC1"],"longitude":116.3974551,"latitude":-39.909187,"altitude":12.5,"speed":1.0,"bearing":90.0,"horizontalAccuracyMeters":3.0}"#);
}

#[tokio::test]
async fn sim_fields_go_by_the_vendors_names() {
    let fields = [
        (SimField::Imei, "868034031518269"),
        (SimField::Iccid, "89860002191807255576"),
        (SimField::Imsi, "460074008004488"),
        (SimField::PhoneNumber, "861234566"),
        (SimField::Mcc, "502"),
        (SimField::Mnc, "146"),
        (SimField::Carrier, "CHINA MOBILE"),
        (SimField::CellType, "9"),
        (SimField::CellTac, "871420"),
        (SimField::CellId, "870091003"),
        (SimField::CellNarfcn, "99240"),
        (SimField::CellPhysicalId, "6C"),
    ];
    let sim = fields.map(|(field, text)| (field, text.into()));
    insta::assert_snapshot!(sent(&order(call::SIM, &["AC1"], vec![("sim", Wish::Set(Value::Sim(BTreeMap::from(sim))))])).await,
        @r#"/openapi/open/pad/updateSIM {"padCodes":["AC1"],"imei":"868034031518269","operatorShortnam":"CHINA MOBILE","operatorLongname":"CHINA MOBILE","iccid":"89860002191807255576","imsi":"460074008004488","phonenum":"861234566","mcc":"502","mnc":"146","type":"9","tac":"871420","cellid":"870091003","narfcn":"99240","physicalcellid":"6C"}"#);
    insta::assert_snapshot!(sent(&order(call::SIM_BY_COUNTRY, &["AC1"], vec![("sim-country", text("SG"))])).await,
        @r#"/openapi/open/pad/replacePadAndroidPropByCountry {"padCode":"AC1","countryCode":"SG"}"#);
}

#[tokio::test]
async fn proxies_carry_the_resolved_password_and_only_what_was_said() {
    let bypass = Bypass {
        packages: vec!["com.example.maps".into()],
        ips: vec!["10.0.0.0/8".into()],
        domains: vec!["example.com".into()],
    };
    insta::assert_snapshot!(sent(&order(call::PROXY, &["AC1"], vec![("proxy", proxy(Some("PW"), bypass))])).await,
        @r#"/openapi/open/network/proxy/set {"padCodes":["AC1"],"enable":true,"ip":"proxy.example","port":1080,"account":"qa","password":"hunter2;\"quoted\"","proxyType":"vpn","proxyName":"http-relay","bypassPackageList":["com.example.maps"],"bypassIpList":["10.0.0.0/8"],"bypassDomainList":["example.com"]}"#);
    insta::assert_snapshot!(sent(&order(call::PROXY, &["AC1"], vec![("proxy", proxy(None, Bypass::default()))])).await,
        @r#"/openapi/open/network/proxy/set {"padCodes":["AC1"],"enable":true,"ip":"proxy.example","port":1080,"proxyType":"vpn","proxyName":"http-relay"}"#);
    for wish in [
        Wish::Set(Value::Proxy(Box::new(Proxy::Direct))),
        Wish::Reset,
    ] {
        assert_eq!(
            sent(&order(call::PROXY, &["AC1"], vec![("proxy", wish)])).await,
            r#"/openapi/open/network/proxy/set {"padCodes":["AC1"],"enable":false}"#
        );
    }
}

#[tokio::test]
async fn properties_go_where_their_names_say() {
    let writes = vec![
        ("property/debug.x", text("1")),
        ("property/modem/IMEI", text("412327621057784")),
        ("property/oaid/OAID", text("001")),
        ("property/persist.y", text("2")),
        ("property/setting/bt/mac", text("00:11")),
    ];
    insta::assert_snapshot!(sent(&order(call::PROPERTIES, &["AC1"], writes)).await,
        @r#"/openapi/open/pad/updatePadProperties {"padCodes":["AC1"],"modemPropertiesList":[{"propertiesName":"IMEI","propertiesValue":"412327621057784"}],"systemPropertiesList":[{"propertiesName":"debug.x","propertiesValue":"1"},{"propertiesName":"persist.y","propertiesValue":"2"}],"systemPersistPropertiesList":[{"propertiesName":"persist.y","propertiesValue":"2"}],"settingPropertiesList":[{"propertiesName":"bt/mac","propertiesValue":"00:11"}],"oaidPropertiesList":[{"propertiesName":"OAID","propertiesValue":"001"}]}"#);
    let writes = vec![
        ("property/ro.product.brand", text("OnePlus")),
        ("property/ro.product.model", text("OP52D1L1")),
    ];
    insta::assert_snapshot!(sent(&order(call::ANDROID_PROPERTIES, &["AC1"], writes)).await,
        @r#"/openapi/open/pad/updatePadAndroidProp {"padCode":"AC1","props":{"ro.product.brand":"OnePlus","ro.product.model":"OP52D1L1"},"restart":true}"#);
    let writes = vec![
        ("setting/global/adb_enabled", text("1")),
        ("setting/system/x", Wish::Reset),
    ];
    insta::assert_snapshot!(sent(&order(call::COMMAND, &["AC1"], writes)).await,
        @r#"/openapi/open/pad/asyncCmd {"padCodes":["AC1"],"scriptContent":"settings put global 'adb_enabled' '1'; settings delete system 'x'"}"#);
}

#[tokio::test]
async fn images_by_id_or_by_the_id_of_their_version() {
    let image = |target, wipe_data| {
        vec![(
            "image",
            Wish::Set(Value::Image(Image { target, wipe_data })),
        )]
    };
    let by_id = order(
        call::IMAGE,
        &["AC1"],
        image(ImageTarget::Id("img-1".into()), true),
    );
    insta::assert_snapshot!(sent(&by_id).await,
        @r#"/openapi/open/pad/upgradeImage {"padCodes":["AC1"],"imageId":"img-1","wipeData":true}"#);
    let mut by_version = order(
        call::IMAGE,
        &["AC1"],
        image(ImageTarget::Version("20250307_4".into()), false),
    );
    let error = Rig::answering(&[]).provider.submit(&by_version).await;
    assert_eq!(error.unwrap_err().accepted, Accepted::No);
    by_version.image = Some("img-25030796215".into());
    insta::assert_snapshot!(sent(&by_version).await,
        @r#"/openapi/open/pad/upgradeImage {"padCodes":["AC1"],"imageId":"img-25030796215","wipeData":false}"#);
}

#[tokio::test]
async fn apps_come_from_the_catalogue_or_a_url_go_start_and_stop() {
    let package = Package::new("com.example.maps");
    let app = Attribute::App(package.clone()).to_string();
    let running = Attribute::Running(package.clone()).to_string();
    let present = || {
        Wish::Set(Value::App(AppWish::Present {
            app: None,
            version: crate::model::value::VersionWish::Any,
        }))
    };
    let with = |name, source| Order {
        mark: 7,
        app: Some(AppToInstall {
            package: package.clone(),
            source,
        }),
        ..order(name, &["AC1", "AC2"], vec![(&app, present())])
    };
    let catalogue = |app_id: &str| AppSource::Catalogue {
        account: AccountName::new("hk"),
        app_id: app_id.into(),
    };
    insta::assert_snapshot!(sent(&with(call::INSTALL, catalogue("124"))).await,
        @r#"/openapi/open/pad/installApp {"apps":[{"appId":124,"pkgName":"com.example.maps","padCodes":["AC1","AC2"]}]}"#);
    insta::assert_snapshot!(sent(&with(call::INSTALL, catalogue("dwadawdf"))).await,
        @r#"/openapi/open/pad/installApp {"apps":[{"appId":"dwadawdf","pkgName":"com.example.maps","padCodes":["AC1","AC2"]}]}"#);
    let url = AppSource::Url {
        url: "https://files.example/maps.apk".into(),
        md5: Some("32e1f345f209a7dc1cc704913ea436d3".into()),
        size_mb: None,
        version: None,
        version_code: None,
    };
    insta::assert_snapshot!(sent(&with(call::INSTALL_URL, url)).await,
        @r#"/openapi/open/pad/v3/uploadFile {"padCodes":["AC1","AC2"],"url":"https://files.example/maps.apk","md5":"32e1f345f209a7dc1cc704913ea436d3","autoInstall":1,"packageName":"com.example.maps"}"#);
    let gone = Wish::Set(Value::App(AppWish::Absent));
    insta::assert_snapshot!(sent(&order(call::UNINSTALL, &["AC1"], vec![(&app, gone)])).await,
        @r#"/openapi/open/pad/uninstallApp {"apps":[{"pkgName":"com.example.maps","padCodes":["AC1"]}]}"#);
    for (name, on) in [(call::START, true), (call::STOP, false)] {
        let wish = Wish::Set(Value::Flag(on));
        let body = sent(&order(name, &["AC1"], vec![(&running, wish)])).await;
        assert_eq!(
            body,
            format!(
                r#"/openapi/open/pad/{name} {{"padCodes":["AC1"],"pkgName":"com.example.maps"}}"#
            )
        );
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_anything_is_sent() {
    let many: Vec<String> = (0..101).map(|n| format!("AC{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let misfits = [
        order(call::TIME_ZONE, &many, vec![("timezone", text("UTC"))]),
        order(call::TIME_ZONE, &[], vec![("timezone", text("UTC"))]),
        order(call::TIME_ZONE, &["AC1"], vec![]),
        order("reset", &["AC1"], vec![]),
        order(
            call::SIM_BY_COUNTRY,
            &["AC1", "AC2"],
            vec![("sim-country", text("SG"))],
        ),
        order(
            call::INSTALL,
            &["AC1"],
            vec![("app/com.example.maps", text("x"))],
        ),
        order(
            call::START,
            &["AC1"],
            vec![("running/com.example.maps", Wish::Set(Value::Flag(false)))],
        ),
        order(
            call::LANGUAGE,
            &["AC1"],
            vec![("language", text("zh-Hant-TW"))],
        ),
        order(
            call::PROXY,
            &["AC1"],
            vec![("proxy", proxy(Some("NOWHERE"), Bypass::default()))],
        ),
    ];
    for order in misfits {
        let rig = Rig::answering(&[]);
        let error = rig.provider.submit(&order).await.unwrap_err();
        assert_eq!(
            (error.kind, error.accepted),
            (ErrorKind::Refused, Accepted::No)
        );
        assert_eq!(rig.sent(), []);
    }
}

#[tokio::test]
async fn requests_are_signed_with_the_bytes_that_are_sent() {
    for (options, host, credential) in [
        (
            vec![],
            "openapi-hk.armcloud.net",
            "/20240301/armcloud-paas/request",
        ),
        (
            vec![
                ("signedHost", "openapi.armcloud.net"),
                ("credentialForm", "bare"),
            ],
            "openapi.armcloud.net",
            "",
        ),
    ] {
        let rig = Rig::answering(&[r#"{"code":200,"data":[]}"#]);
        let provider = ArmCloud::open(&account(&options), outfit(rig.script.clone())).unwrap();
        let order = order(call::TIME_ZONE, &["AC1"], vec![("timezone", text("UTC"))]);
        provider.submit(&order).await.unwrap();
        let sent = rig.script.sent.lock().unwrap();
        let request = &sent[0].http;
        let header = |name: &str| request.headers()[name].to_str().unwrap();
        assert_eq!(request.uri().host(), Some("openapi-hk.armcloud.net"));
        assert_eq!(header("content-type"), "application/json;charset=UTF-8");
        assert_eq!(header("x-date"), "20240301T093700Z");
        assert_eq!(header("x-host"), host);
        let digest = crate::transport::sign::sha256_hex(request.body());
        assert_eq!(header("x-content-sha256"), digest);
        let authorization = header("authorization");
        assert!(authorization.starts_with(&format!(
            "HMAC-SHA256 Credential=AKFLEETTEST000000000000000000001{credential}, SignedHeaders=content-type;host;x-content-sha256;x-date, Signature="
        )));
        assert!(request.headers()["authorization"].is_sensitive());
        assert_eq!(sent[0].deadline.as_secs(), 30);
    }
    assert_eq!(NOW.to_string(), "2024-03-01T09:37:00Z");
}

#[tokio::test]
async fn no_secret_reaches_a_message() {
    let order = order(
        call::PROXY,
        &["AC1"],
        vec![("proxy", proxy(Some("PW"), Bypass::default()))],
    );
    let echo = serde_json::to_string(PASSWORD).unwrap();
    let key = "skfleettestsecret0000001";
    for answer in [
        response(200, &[], &format!(r#"{{"code":100000,"msg":{echo}}}"#)),
        response(
            200,
            &[],
            &format!(r#"{{"code":200,"data":[{{"padCode":"AC1","errorMsg":{echo}}}]}}"#),
        ),
        response(200, &[], &format!("<html>{echo} {key}")),
        response(500, &[], &format!(r#"{{"code":1,"msg":"{key}"}}"#)),
        response(302, &[], &format!("{PASSWORD} {key}")),
    ] {
        let rig = Rig::with(vec![Ok(answer)]);
        let told = format!("{:?}", rig.provider.submit(&order).await);
        assert!(!told.contains("hunter2") && !told.contains(key), "{told}");
    }
}

#[test]
fn what_no_call_can_carry_is_refused_at_plan_time() {
    let reason = |name: &str, value: &str| {
        let Refuses(refuses) = CAPABILITIES.refuses;
        let wish = Wish::Set(Value::Text(value.into()));
        refuses(&name.parse().unwrap(), &wish, None)
    };
    assert_eq!(
        reason("language", "zh-Hant-TW").unwrap(),
        "a language and a country are all that is taken, and zh-Hant-TW is more: zh-TW works"
    );
    assert_eq!(reason("language", "es-419"), None);
    assert_eq!(reason("setting/global/x", "a b'c"), None);
    assert!(reason("setting/global/x", "two\nlines").is_some());
    assert!(reason("setting/elsewhere/x", "1").is_some());
    assert!(reason("setting/global/x", &"x".repeat(5000)).is_some());
}
