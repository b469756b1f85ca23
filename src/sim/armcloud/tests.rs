//! ArmCloud's surface against what its manuals say.

mod contract;
mod sisters;

use super::*;
use crate::sim::client::{START, at, signed};
use crate::sim::faults::Faults;
use crate::sim::phone::Stay;
use crate::sim::{ACCESS_KEY, Outcome, SECRET_KEY, Simulator, Spec};
use serde_json::{Value, json};
use std::time::Duration;

const ONE: &str = "AC32010000001";
const TWO: &str = "AC32010000002";

fn pad(name: &str) -> String {
    format!("/openapi/open/pad/{name}")
}

fn sim() -> Simulator {
    in_dialect(Dialect::default())
}

fn in_dialect(dialect: Dialect) -> Simulator {
    Simulator::new(
        Spec {
            phones: 25,
            dialect,
            ..Spec::default()
        },
        START,
    )
}

/// Submits, lets the job end, and returns its detail row.
fn done(sim: &Simulator, path: &str, body: &Value) -> Value {
    let data = sim.data(path, body, sim.change(|world| world.now()));
    let row = if data.is_array() {
        data[0].clone()
    } else {
        data
    };
    let later = sim
        .change(|world| world.now())
        .after(Duration::from_secs(120));
    sim.data(
        "/task-center/open/task/padTaskDetail",
        &json!({ "taskIds": [row["taskId"]] }),
        later,
    )[0]
    .clone()
}

fn code_of(request: &http::Request<Bytes>, spec: Spec) -> u64 {
    let sim = Simulator::new(spec, START);
    let Outcome::Answer(answer) = sim.handle(request, START).outcome else {
        panic!("an answer")
    };
    let answer: Value = serde_json::from_slice(answer.body()).unwrap();
    let code = answer["code"].as_u64().unwrap();
    assert_eq!(sim.report().bad_signatures, u64::from(code != 200));
    code
}

#[test]
fn signatures_are_checked() {
    let body = r#"{"page":1,"rows":1}"#;
    let good = || signed((ACCESS_KEY, SECRET_KEY), &pad("infos"), body, START);
    assert_eq!(code_of(&good(), Spec::default()), 200);
    let wrong_secret = signed((ACCESS_KEY, "guess"), &pad("infos"), body, START);
    assert_eq!(code_of(&wrong_secret, Spec::default()), 100_005);
    let wrong_key = signed(("somebody", SECRET_KEY), &pad("infos"), body, START);
    assert_eq!(code_of(&wrong_key, Spec::default()), 100_004);
    let changed = |name: &'static str, value: &str| {
        let mut request = good();
        request.headers_mut().insert(name, value.parse().unwrap());
        code_of(&request, Spec::default())
    };
    assert_eq!(
        changed("content-type", "application/json;charset=UTF-8"),
        100_005
    );
    assert_eq!(changed("x-host", "elsewhere"), 100_005);
    assert_eq!(changed("x-date", "20200101T000000Z"), 100_005);
    assert_eq!(changed("x-content-sha256", "00"), 100_005);
    assert_eq!(changed("authorization", "Bearer x"), 100_004);
    let mut unsigned = good();
    unsigned.headers_mut().remove("authorization");
    assert_eq!(code_of(&unsigned, Spec::default()), 100_003);
    let mut tampered = good();
    *tampered.body_mut() = Bytes::from_static(br#"{"page":1,"rows":2}"#);
    assert_eq!(code_of(&tampered, Spec::default()), 100_005);
}

#[test]
fn both_forms_of_credential_are_taken() {
    let mut request = signed(
        (ACCESS_KEY, SECRET_KEY),
        &pad("infos"),
        r#"{"page":1,"rows":1}"#,
        START,
    );
    let full = request.headers()["authorization"]
        .to_str()
        .unwrap()
        .to_owned();
    let scope = full
        .split('/')
        .skip(1)
        .take(2)
        .collect::<Vec<_>>()
        .join("/");
    let day = &request.headers()["x-date"].to_str().unwrap()[..8];
    assert_eq!(scope, format!("{day}/armcloud-paas"));
    let bare = full.replace(&format!("/{day}/armcloud-paas/request"), "");
    assert_ne!(bare, full);
    request
        .headers_mut()
        .insert("authorization", bare.parse().unwrap());
    assert_eq!(code_of(&request, Spec::default()), 200);
    let foreign = full.replace("armcloud-paas/request", "other/request");
    request
        .headers_mut()
        .insert("authorization", foreign.parse().unwrap());
    assert_eq!(code_of(&request, Spec::default()), 100_005);
}

#[test]
fn an_old_signature_is_refused_where_clocks_are_checked() {
    let old = signed(
        (ACCESS_KEY, SECRET_KEY),
        &pad("infos"),
        r#"{"page":1,"rows":1}"#,
        at(-400),
    );
    assert_eq!(code_of(&old, Spec::default()), 200);
    assert_eq!(
        code_of(
            &old,
            Spec {
                check_clock: true,
                ..Spec::default()
            }
        ),
        2033
    );
}

#[test]
fn phones_are_listed_in_pages() {
    let sim = sim();
    let page = sim.data(&pad("infos"), &json!({ "page": 3, "rows": 10 }), at(0));
    assert_eq!(
        (&page["total"], &page["size"], &page["totalPage"]),
        (&json!(25), &json!(5), &json!(3))
    );
    let row = &page["pageData"][4];
    assert_eq!(row["padCode"], "AC32010000025");
    assert_eq!(
        (&row["padStatus"], &row["groupId"], &row["apps"]),
        (&json!(10), &json!(1), &Value::Null)
    );
    let of_group = sim.data(
        &pad("infos"),
        &json!({ "page": 1, "rows": 100, "groupIds": [2] }),
        at(0),
    );
    assert_eq!(of_group["total"], 6);
    let named = sim.data(
        &pad("padDetails"),
        &json!({ "page": 1, "rows": 10, "padCodes": [TWO, "none"] }),
        at(0),
    );
    assert_eq!(
        (&named["total"], &named["pageData"][0]["online"]),
        (&json!(1), &json!(1))
    );
    let groups = sim.data("/openapi/open/group/infos", &json!({}), at(0));
    assert_eq!(
        groups[0],
        json!({ "groupId": 1, "groupName": "Group 1", "padCount": 7 })
    );
    for wrong in [
        json!({ "page": 1 }),
        json!({ "page": 0, "rows": 1 }),
        json!({ "page": 1, "rows": 1001 }),
    ] {
        assert_eq!(sim.code(&pad("infos"), &wrong, at(0)), 100_000, "{wrong}");
    }
}

#[test]
fn a_cursor_passes_over_every_phone_once() {
    let sim = sim();
    sim.change(|world| world.remove("AC32010000010"));
    for filter in [json!({}), json!({ "groupIds": [1, 3] })] {
        let (mut seen, mut last) = (Vec::new(), Value::Null);
        loop {
            let mut body = filter.clone();
            body["rows"] = json!(4);
            body["lastId"] = last;
            let page = sim.data(&pad("infos/new"), &body, at(0));
            let rows = page["pageData"].as_array().unwrap();
            seen.extend(
                rows.iter()
                    .map(|row| row["padCode"].as_str().unwrap().to_owned()),
            );
            last = page["lastId"].clone();
            if page["hasNext"] == false {
                break;
            }
        }
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(
            (seen.len(), count),
            if filter == json!({}) {
                (24, 24)
            } else {
                (13, 13)
            }
        );
    }
}

#[test]
fn pages_can_be_short_empty_or_doubled() {
    for (fault, distinct, rows) in [
        ("short-page=1", 5, 5),
        ("empty-page=1", 0, 0),
        ("doubled-page=1", 5, 10),
    ] {
        let faults = Faults::parse(fault).unwrap();
        let sim = Simulator::new(
            Spec {
                faults,
                ..Spec::default()
            },
            START,
        );
        let page = sim.data(&pad("infos"), &json!({ "page": 1, "rows": 10 }), at(0));
        let mut codes: Vec<String> = page["pageData"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["padCode"].to_string())
            .collect();
        assert_eq!(codes.len(), rows, "{fault}");
        codes.sort();
        codes.dedup();
        assert_eq!(
            (codes.len(), &page["total"]),
            (distinct, &json!(100)),
            "{fault}"
        );
    }
}

#[test]
fn batches_are_refused_as_a_whole() {
    let sim = sim();
    let zone = |codes: Value| {
        sim.code(
            &pad("updateTimeZone"),
            &json!({ "padCodes": codes, "timeZone": "UTC" }),
            at(0),
        )
    };
    assert_eq!(zone(json!([ONE, ONE])), 110_027);
    assert_eq!(zone(json!([ONE, "none"])), 110_028);
    assert_eq!(zone(json!([])), 100_000);
    assert_eq!(zone(json!(vec!["x"; 201])), 100_000);
    assert_eq!(zone(json!("x")), 100_013);
    assert_eq!(
        sim.code(&pad("updateTimeZone"), &json!({ "padCodes": [ONE] }), at(0)),
        100_000
    );
    assert_eq!(sim.report().jobs_of("updateTimeZone").submitted, 0);
    assert_eq!(sim.report().refused[&110_028], 1);
    sim.change(|world| world.set_status(TWO, 14));
    assert_eq!(zone(json!([ONE, TWO])), 110_031);
    assert_eq!(zone(json!([ONE])), 200);
}

#[test]
fn unknown_paths_and_methods_are_refused() {
    let sim = sim();
    let Outcome::Answer(answer) = sim
        .request("/openapi/open/pad/cancelTask", "{}", at(0))
        .outcome
    else {
        panic!("an answer")
    };
    assert_eq!(answer.status(), 404);
    let mut get = signed((ACCESS_KEY, SECRET_KEY), &pad("infos"), "", START);
    *get.method_mut() = http::Method::GET;
    let Outcome::Answer(answer) = sim.handle(&get, START).outcome else {
        panic!("an answer")
    };
    assert!(
        answer
            .body()
            .starts_with(br#"{"msg":"request method not supported","code":100012"#)
    );
    let old = in_dialect(Dialect {
        task_list: false,
        ..Dialect::default()
    });
    let body = json!({ "type": 1010, "page": 1, "rows": 1 }).to_string();
    let Outcome::Answer(answer) = old
        .request("/task-center/open/task/list", &body, at(0))
        .outcome
    else {
        panic!("an answer")
    };
    assert_eq!(answer.status(), 404);
}

fn value<'a>(row: &'a Value, list: &str, name: &str) -> &'a str {
    let list = row[format!("{list}PropertiesList")].as_array().unwrap();
    let found = list.iter().find(|row| row["propertiesName"] == name);
    found.map_or("", |row| row["propertiesValue"].as_str().unwrap())
}

#[test]
fn settings_are_read_back_where_the_manual_says() {
    let sim = sim();
    let read = || {
        sim.data(
            &pad("padProperties"),
            &json!({ "padCode": ONE }),
            sim.change(|world| world.now()),
        )
    };
    done(
        &sim,
        &pad("updateLanguage"),
        &json!({ "padCodes": [ONE], "language": "en", "country": "SG" }),
    );
    assert_eq!(value(&read(), "setting", "language"), "en-SG");
    done(
        &sim,
        &pad("updateSIM"),
        &json!({ "padCodes": [ONE], "imei": "490154203237518", "mcc": "525", "mnc": "01",
                 "operatorLongname": "Singtel", "operatorShortnam": "ST", "phonenum": "+6581234567" }),
    );
    let row = read();
    assert_eq!(value(&row, "modem", "IMEI"), "490154203237518");
    assert_eq!(value(&row, "modem", "MCCMNC"), "525,01");
    assert_eq!(value(&row, "modem", "OpName"), "Singtel");
    assert_eq!(value(&row, "modem", "PhoneNum"), "+6581234567");
    let other = in_dialect(Dialect {
        other_names: true,
        ..Dialect::default()
    });
    let row = other.data(&pad("padProperties"), &json!({ "padCode": ONE }), at(0));
    assert_eq!(value(&row, "modem", "imei").len(), 15);
}

#[test]
fn live_properties_go_with_a_restart_and_persistent_ones_come_with_it() {
    let sim = sim();
    let read = || {
        sim.data(
            &pad("batchPadProperties"),
            &json!({ "padCodes": [ONE] }),
            sim.change(|world| world.now()),
        )
    };
    let property =
        |name: &str, value: &str| json!([{ "propertiesName": name, "propertiesValue": value }]);
    done(
        &sim,
        &pad("updatePadProperties"),
        &json!({ "padCodes": [ONE],
                 "systemPropertiesList": property("ro.build.tags", "dev-keys"),
                 "systemPersistPropertiesList": property("ro.product.brand", "Acme"),
                 "oaidPropertiesList": property("OAID", "42"),
                 "settingPropertiesList": property("systemvolume", "3") }),
    );
    let row = &read()[0];
    assert_eq!(value(row, "system", "ro.build.tags"), "dev-keys");
    assert_eq!(value(row, "system", "ro.product.brand"), "Xiaomi");
    assert_eq!(
        (
            value(row, "oaid", "OAID"),
            value(row, "setting", "systemvolume")
        ),
        ("42", "3")
    );
    done(&sim, &pad("restart"), &json!({ "padCodes": [ONE] }));
    let row = &read()[0];
    assert_eq!(value(row, "system", "ro.build.tags"), "release-keys");
    assert_eq!(value(row, "system", "ro.product.brand"), "Acme");
    assert_eq!(
        (
            value(row, "oaid", "OAID"),
            value(row, "setting", "systemvolume")
        ),
        ("42", "3")
    );
}

#[test]
fn real_devices_accept_live_properties_and_ignore_them() {
    let sim = Simulator::new(
        Spec {
            phones: 1,
            real_devices: 1.0,
            ..Spec::default()
        },
        START,
    );
    let list = json!([{ "propertiesName": "OAID", "propertiesValue": "42" }]);
    let row = done(
        &sim,
        &pad("updatePadProperties"),
        &json!({ "padCodes": [ONE], "oaidPropertiesList": list }),
    );
    assert_eq!(row["taskStatus"], 3);
    assert_ne!(sim.phone(ONE).unwrap().property("oaid/OAID").unwrap(), "42");
}

#[test]
fn android_properties_take_a_restart() {
    let sim = sim();
    let body = |restart: bool| json!({ "padCode": ONE, "props": { "ro.product.model": "Pixel 8" }, "restart": restart });
    let data = sim.data(&pad("updatePadAndroidProp"), &body(false), at(0));
    assert_eq!(
        (&data["padCode"], &data["taskStatus"]),
        (&json!(ONE), &json!(1))
    );
    sim.change_at(at(60), |_| ());
    assert_eq!(
        sim.phone(ONE)
            .unwrap()
            .property("ro.product.model")
            .unwrap(),
        "Mi 10 Pro"
    );
    done(&sim, &pad("updatePadAndroidProp"), &body(true));
    let phone = sim.phone(ONE).unwrap();
    assert_eq!(
        (
            phone.property("ro.product.model").unwrap().as_str(),
            phone.boots
        ),
        ("Pixel 8", 2)
    );
    assert_eq!(sim.report().restarts, 1);
    let array = in_dialect(Dialect {
        one_phone_array: true,
        ..Dialect::default()
    });
    assert_eq!(
        array.data(&pad("updatePadAndroidProp"), &body(false), at(0))[0]["padCode"],
        ONE
    );
}

#[test]
fn a_sim_by_country_draws_a_new_identity_each_time() {
    let sim = sim();
    let body = json!({ "padCode": ONE, "countryCode": "DE" });
    let imei = || sim.phone(ONE).unwrap().property("modem/IMEI").unwrap();
    let before = imei();
    done(&sim, &pad("replacePadAndroidPropByCountry"), &body);
    let once = imei();
    done(&sim, &pad("replacePadAndroidPropByCountry"), &body);
    assert!(before != once && once != imei());
    assert_eq!(
        sim.phone(ONE).unwrap().property("modem/MCCMNC").unwrap(),
        "262,01"
    );
    let report = sim.report();
    assert_eq!(
        (
            report.new_identities,
            report.costly_repeated,
            report.costly[ONE].new_identities
        ),
        (2, 1, 2)
    );
    assert_eq!(
        sim.code(
            &pad("replacePadAndroidPropByCountry"),
            &json!({ "padCode": ONE, "countryCode": "XX" }),
            at(900)
        ),
        500
    );
}

#[test]
fn what_cannot_be_read_is_set_all_the_same() {
    let sim = sim();
    let proxy = json!({ "padCodes": [ONE], "enable": true, "ip": "proxy.example", "port": 1080, "account": "qa",
        "password": "p", "proxyType": "proxy", "proxyName": "socks5", "bypassDomainList": ["a.example"] });
    done(&sim, "/openapi/open/network/proxy/set", &proxy);
    done(
        &sim,
        &pad("setSpeed"),
        &json!({ "padCodes": [ONE], "upBandwidth": 10, "downBandwidth": 0.0 }),
    );
    let now = sim.change(|world| world.now());
    let gps = json!({ "padCodes": [ONE], "longitude": 103.8198, "latitude": 1.3521 });
    assert_eq!(sim.data(&pad("gpsInjectInfo"), &gps, now), true);
    let phone = sim.phone(ONE).unwrap();
    let proxy = phone.proxy.unwrap();
    assert_eq!(
        (proxy.host.as_str(), proxy.port, proxy.bypass_domains.len()),
        ("proxy.example", 1080, 1)
    );
    assert_eq!(phone.bandwidth.unwrap().up, 10.0);
    assert_eq!(phone.location.unwrap().latitude, 1.3521);
    done(
        &sim,
        "/openapi/open/network/proxy/set",
        &json!({ "padCodes": [ONE], "enable": false }),
    );
    assert_eq!(sim.phone(ONE).unwrap().proxy, None);
    let tasks = in_dialect(Dialect {
        gps_task: true,
        ..Dialect::default()
    });
    assert_eq!(
        tasks.data(&pad("gpsInjectInfo"), &gps, at(0))[0]["taskStatus"],
        1
    );
    let half = json!({ "padCodes": [ONE], "enable": true });
    assert_eq!(
        sim.code("/openapi/open/network/proxy/set", &half, at(600)),
        100_000
    );
}

#[test]
fn adb_is_switched_at_once() {
    let sim = sim();
    let rows = sim.data(
        &pad("openOnlineAdb"),
        &json!({ "padCodes": [ONE], "openStatus": 1 }),
        at(0),
    );
    assert_eq!(rows[0]["taskStatus"], 3);
    let page = sim.data(&pad("infos"), &json!({ "page": 1, "rows": 2 }), at(0));
    assert_eq!(page["pageData"][0]["adbOpenStatus"], "1");
    assert_eq!(page["pageData"][1]["adbOpenStatus"], "0");
    sim.change(|world| world.disconnect(TWO, Duration::from_secs(60)));
    let rows = sim.data(
        &pad("openOnlineAdb"),
        &json!({ "padCodes": [TWO], "openStatus": 1 }),
        at(0),
    );
    assert_eq!(rows[0]["taskStatus"], -5);
}

fn app<'a>(rows: &'a Value, package: &str) -> &'a Value {
    let apps = rows[0]["apps"].as_array().unwrap();
    apps.iter()
        .find(|app| app["packageName"] == package)
        .unwrap_or(&Value::Null)
}

#[test]
fn apps_come_and_go() {
    let sim = sim();
    let list = |now| sim.data(&pad("listInstalledApp"), &json!({ "padCodes": [ONE] }), now);
    assert_eq!(app(&list(at(0)), "com.example.maps")["versionCode"], "130");
    let install = json!({ "apps": [{ "appId": 501, "appName": "Maps", "pkgName": "com.example.maps", "padCodes": [ONE] }] });
    sim.data(&pad("installApp"), &install, at(0));
    assert_eq!(app(&list(at(1)), "com.example.maps")["appState"], 1);
    let maps = list(at(20));
    assert_eq!(
        (
            &app(&maps, "com.example.maps")["versionName"],
            &app(&maps, "com.example.maps")["appState"]
        ),
        (&json!("1.4.2"), &json!(0))
    );
    let back = json!({ "apps": [{ "appId": 401, "padCodes": [ONE] }] });
    assert_eq!(done(&sim, &pad("installApp"), &back)["taskStatus"], -1);
    let remove = |package: &str| {
        done(
            &sim,
            &pad("uninstallApp"),
            &json!({ "apps": [{ "pkgName": package, "padCodes": [ONE] }] }),
        )
    };
    assert_eq!(remove("com.bad.game")["taskStatus"], 3);
    assert_eq!(remove("com.bad.game")["taskStatus"], 3);
    assert_eq!(remove("com.android.settings")["taskStatus"], -1);
    let now = sim.change(|world| world.now());
    assert_eq!(app(&list(now), "com.bad.game"), &Value::Null);
    let unknown = json!({ "apps": [{ "appId": 999, "padCodes": [ONE] }] });
    assert_eq!(sim.code(&pad("installApp"), &unknown, now), 140_005);
}

#[test]
fn apps_come_from_urls_and_are_started() {
    let sim = sim();
    let push = |url: &str| json!({ "padCodes": [TWO], "url": url, "autoInstall": 1, "packageName": "com.example.notes" });
    sim.data(
        &pad("v3/uploadFile"),
        &push("https://files.example/notes-2.3.4-57.apk"),
        at(0),
    );
    let rows = sim.data(
        &pad("listInstalledApp"),
        &json!({ "padCodes": [TWO] }),
        at(1),
    );
    assert_eq!(app(&rows, "com.example.notes")["appState"], 2);
    sim.change_at(at(30), |_| ());
    let notes = sim.phone(TWO).unwrap();
    let notes = notes.app("com.example.notes").unwrap();
    assert_eq!(
        (notes.version_name.as_str(), notes.version_code),
        ("2.3.4", 57)
    );
    done(
        &sim,
        &pad("startApp"),
        &json!({ "padCodes": [TWO], "pkgName": "com.example.notes" }),
    );
    assert_eq!(sim.phone(TWO).unwrap().running, ["com.example.notes"]);
    done(
        &sim,
        &pad("stopApp"),
        &json!({ "padCodes": [TWO], "pkgName": "com.example.notes" }),
    );
    assert!(sim.phone(TWO).unwrap().running.is_empty());
    let nameless = json!({ "padCodes": [TWO], "url": "https://x.example/a.apk", "autoInstall": 1 });
    assert_eq!(sim.code(&pad("v3/uploadFile"), &nameless, at(900)), 100_000);
}

#[test]
fn catalogues_are_listed() {
    let sim = sim();
    let apps = sim.data(
        "/file-center/open/app/list",
        &json!({ "page": 1, "rows": 10, "packageName": "com.example.maps" }),
        at(0),
    );
    assert_eq!(
        (
            &apps["total"],
            &apps["pageData"][1]["appId"],
            &apps["pageData"][1]["versionNo"]
        ),
        (&json!(2), &json!(501), &json!(142))
    );
    let one = sim.data(
        "/file-center/open/app/detail",
        &json!({ "appId": "501" }),
        at(0),
    );
    assert_eq!(one["packageName"], "com.example.maps");
    let images = sim.data(
        "/openapi/open/image/queryImageList",
        &json!({ "page": 1, "rows": 2 }),
        at(0),
    );
    assert_eq!(
        (
            &images["total"],
            &images["records"][1]["imageId"],
            &images["pages"]
        ),
        (&json!(3), &json!("img-25111133267"), &json!(2))
    );
}

#[test]
fn an_upgrade_wipes_only_when_told() {
    let sim = sim();
    sim.change(|world| {
        world
            .phone_mut(ONE)
            .unwrap()
            .set_property("oaid/OAID", "42", Stay::Kept);
    });
    let body =
        |wipe: bool| json!({ "padCodes": [ONE], "imageId": "img-26060812345", "wipeData": wipe });
    sim.data(&pad("upgradeImage"), &body(false), at(0));
    assert_eq!(sim.phone(ONE).unwrap().status, 13);
    sim.change_at(at(60), |_| ());
    let phone = sim.phone(ONE).unwrap();
    assert_eq!(
        (phone.image.version.as_str(), phone.status),
        ("20260608_1", 10)
    );
    assert!(phone.app("com.bad.game").is_some());
    done(&sim, &pad("upgradeImage"), &body(true));
    let phone = sim.phone(ONE).unwrap();
    assert!(phone.app("com.bad.game").is_none());
    assert_ne!(phone.property("oaid/OAID").unwrap(), "42");
    let report = sim.report();
    assert_eq!(
        (report.wipes, report.restarts, report.costly_repeated),
        (1, 2, 0)
    );
    assert_eq!(
        sim.code(
            &pad("upgradeImage"),
            &json!({ "padCodes": [ONE], "imageId": "img-26060812345" }),
            at(900)
        ),
        100_000
    );
    assert_eq!(
        sim.code(
            &pad("upgradeImage"),
            &json!({ "padCodes": [ONE], "imageId": "none", "wipeData": false }),
            at(900)
        ),
        110_041
    );
}

#[test]
fn commands_run_as_jobs_and_their_output_moves() {
    let body =
        json!({ "padCodes": [ONE], "scriptContent": "echo M; getprop persist.sys.timezone" });
    let row = done(&sim(), &pad("asyncCmd"), &body);
    assert_eq!(
        (&row["taskResult"], &row["errorMsg"]),
        (&json!("M\nAsia/Shanghai\n"), &Value::Null)
    );
    let moved = in_dialect(Dialect {
        output_in_error: true,
        ..Dialect::default()
    });
    let row = done(&moved, &pad("asyncCmd"), &body);
    assert_eq!(
        (&row["taskResult"], &row["errorMsg"]),
        (&Value::Null, &json!("M\nAsia/Shanghai\n"))
    );
    let chatty = in_dialect(Dialect {
        message_on_success: true,
        ..Dialect::default()
    });
    assert_eq!(
        done(&chatty, &pad("asyncCmd"), &body)["errorMsg"],
        "ADB call succeeded"
    );
}

#[test]
fn tasks_are_listed_by_type_with_the_newest_first() {
    let sim = sim();
    sim.data(
        &pad("updateTimeZone"),
        &json!({ "padCodes": [ONE, TWO], "timeZone": "UTC" }),
        at(0),
    );
    sim.data(
        &pad("restart"),
        &json!({ "padCodes": ["AC32010000003"] }),
        at(1),
    );
    sim.data(
        &pad("updateLanguage"),
        &json!({ "padCodes": ["AC32010000004"], "language": "de" }),
        at(2),
    );
    let list = sim.data(
        "/task-center/open/task/list",
        &json!({ "type": 1010, "page": 1, "rows": 10 }),
        at(3),
    );
    assert_eq!(list["total"], 2);
    assert_eq!(list["pageData"][0]["createTimestamp"], at(2).0);
    let sub = &list["pageData"][1]["subTasks"];
    assert_eq!(
        (&sub[0]["padCode"], &sub[1]["padCode"], &sub[1]["taskId"]),
        (&json!(ONE), &json!(TWO), &json!(1_000_002))
    );
}

#[test]
fn builds_differ_in_types_and_in_what_busy_means() {
    let text = in_dialect(Dialect {
        numbers_as_text: true,
        ..Dialect::default()
    });
    let page = text.data(&pad("infos"), &json!({ "page": 1, "rows": 1 }), at(0));
    assert_eq!(page["pageData"][0]["padStatus"], "10");
    let zone = json!({ "padCodes": [ONE], "timeZone": "UTC" });
    let busy = |busy: Busy| {
        let sim = in_dialect(Dialect {
            busy,
            ..Dialect::default()
        });
        sim.data(&pad("updateTimeZone"), &zone, at(0));
        let answer = sim.ask(&pad("updateTimeZone"), &zone, at(0));
        assert_eq!(sim.report().double_jobs, 1);
        (answer["code"].clone(), answer["data"][0]["taskId"].clone())
    };
    assert_eq!(busy(Busy::Exists), (json!(200), Value::Null));
    assert_eq!(busy(Busy::ExistsWithId), (json!(200), json!(1_000_001)));
    assert_eq!(busy(Busy::Refuse).0, 220_025);
    let old = in_dialect(Dialect {
        no_task_status: true,
        ..Dialect::default()
    });
    assert_eq!(
        old.data(&pad("updateTimeZone"), &zone, at(0))[0].get("taskStatus"),
        None
    );
    let strict = in_dialect(Dialect {
        cell_required: true,
        ..Dialect::default()
    });
    assert_eq!(
        strict.code(
            &pad("updateSIM"),
            &json!({ "padCodes": [ONE], "imei": "490154203237518" }),
            at(0)
        ),
        100_000
    );
}

#[test]
fn rows_can_be_missing_from_an_answer() {
    let faults = Faults::parse("missing-row=0.5").unwrap();
    let sim = Simulator::new(
        Spec {
            faults,
            ..Spec::default()
        },
        START,
    );
    let rows = sim.data(
        &pad("updateTimeZone"),
        &json!({ "padCodes": sim.phones(), "timeZone": "UTC" }),
        at(0),
    );
    assert!((20..80).contains(&rows.as_array().unwrap().len()));
    assert_eq!(sim.report().jobs_of("updateTimeZone").submitted, 100);
}

proptest::proptest! {
    #[test]
    fn no_body_breaks_it(path in 0..ROUTES.len(), body in "[\\[\\]{}\":,a-zA-Z0-9. ]{0,60}") {
        let sim = sim();
        let answer = sim.ask(ROUTES[path].0, &Value::String(body.clone()), at(0));
        proptest::prop_assert!(answer["code"].is_u64());
        sim.request(ROUTES[path].0, &body, at(1));
    }
}
