//! The sisters' surfaces: what is there, what is not, how they are signed; and the program's adapter against them.

use super::contract::{Bench, observed, text};
use super::*;
use crate::model::fleet::ProviderKind;
use crate::model::id::PhoneId;
use crate::model::observed::ReadKind;
use crate::model::value::{AppWish, Proxy, Value as Wished, VersionWish, Wish};
use crate::provider::registry::capabilities;
use crate::provider::{Found, LostSubmit, ReadRequest};
use crate::sim::armcloud::sister::older_sign;

const SISTERS: [(ProviderKind, &str); 2] = [
    (ProviderKind::VmosCloud, "/vcpcloud/api/padApi/"),
    (ProviderKind::VsPhone, "/vsphone/api/padApi/"),
];
/// Options of accounts: each way to sign.
const WAYS: [&[(&str, &str)]; 4] = [
    &[],
    &[("credentialForm", "bare")],
    &[("signature", "v2")],
    &[("signature", "v2-all-bodies")],
];

#[test]
fn every_call_of_a_table_is_on_its_surface() {
    for (kind, prefix) in SISTERS {
        for call in capabilities(kind).unwrap().calls {
            let path = format!("{prefix}{}", call.name);
            assert!(route(&path).is_some(), "{path}");
        }
        for missing in [
            "padDetails",
            "setSpeed",
            "task/list",
            "replacePadAndroidPropByCountry",
        ] {
            let path = format!("{prefix}{missing}");
            assert!(route(&path).is_none(), "{path}");
            assert_eq!(sim().ask(&path, &json!({}), START)["status"], 404, "{path}");
        }
    }
    for call in capabilities(ProviderKind::ArmCloud).unwrap().calls {
        let found = ROUTES
            .iter()
            .any(|(path, ..)| path.ends_with(&format!("/{}", call.name)));
        assert!(found, "{}", call.name);
    }
}

#[tokio::test(start_paused = true)]
async fn every_read_of_a_table_is_answered() {
    for (kind, _) in SISTERS {
        for way in WAYS {
            let bench = Bench::at(kind, Dialect::default(), way);
            for read in capabilities(kind).unwrap().reads {
                let request = ReadRequest {
                    kind: read.kind,
                    phones: [PhoneId::new(ONE)].into(),
                    attributes: ["timezone".parse().unwrap()].into(),
                    cursor: None,
                };
                if read.job {
                    bench.provider.start_read(&request).await.unwrap();
                    continue;
                }
                let told = bench.provider.read(&request).await.unwrap();
                assert!(told.next.is_none(), "{kind} {:?}", read.kind);
                let told = match read.kind == ReadKind::ImageCatalogue {
                    true => told.images.len(),
                    false => told.rows.len(),
                };
                assert!(told > 0, "{kind} {:?}", read.kind);
            }
            assert_eq!(bench.provider.probe().await.unwrap().phones, Some(25));
            let report = bench.sim.report();
            assert_eq!(
                (report.bad_signatures, report.refused.len()),
                (0, 0),
                "{report:?}"
            );
        }
    }
}

#[test]
fn changed_codes_are_told_for_three_days_or_for_one() {
    const DAY: i64 = 24 * 3_600 * 1_000;
    for (_, prefix) in SISTERS {
        let path = format!("{prefix}queryPadIdChangeRecords");
        let sim = sim();
        let told = |body: &Value, at: Timestamp| {
            let answer = sim.ask(&path, body, at);
            assert_eq!(answer["code"], 200, "{answer}");
            let rows = answer["data"].as_array().unwrap().clone();
            let codes = rows.iter().map(|row| {
                let code = |name: &str| row[name].as_str().unwrap().to_owned();
                format!("{}>{}", code("oldPadCode"), code("newPadCode"))
            });
            codes.collect::<Vec<_>>()
        };
        assert_eq!(told(&json!({}), START), Vec::<String>::new());
        sim.change_at(START, |world| {
            world.recode(ONE, "VPONE");
            world.recode("VPONE", "VPTWO");
        });
        let both = ["VPONE>VPTWO".to_owned(), format!("{ONE}>VPONE")];
        assert_eq!(told(&json!({}), START), both);
        let later = Timestamp(START.0 + 2 * DAY);
        assert_eq!(told(&json!({}), later), both);
        let on = crate::sim::recode::day(START);
        let date = |day: i64| {
            let days = jiff::Span::new().days(day);
            let date = jiff::civil::date(1970, 1, 1).checked_add(days).unwrap();
            json!({ "queryDate": date.to_string() })
        };
        assert_eq!(told(&date(on), later), both);
        assert_eq!(told(&date(on + 1), later), Vec::<String>::new());
        assert_eq!(sim.ask(&path, &date(on + 3), later)["code"], 100_000);
        let gone = Timestamp(START.0 + 3 * DAY);
        assert_eq!(told(&json!({}), gone), Vec::<String>::new());
        let silent = in_dialect(Dialect {
            code_changes: false,
            ..Dialect::default()
        });
        assert_eq!(silent.ask(&path, &json!({}), START)["status"], 404);
    }
    let own = "/openapi/open/pad/queryPadIdChangeRecords";
    assert_eq!(sim().ask(own, &json!({}), START)["status"], 404);
}

#[tokio::test(start_paused = true)]
async fn images_are_asked_for_a_phone_that_was_listed() {
    let bench = Bench::at(ProviderKind::VmosCloud, Dialect::default(), &[]);
    let request = ReadRequest {
        kind: ReadKind::ImageCatalogue,
        phones: [].into(),
        attributes: [].into(),
        cursor: None,
    };
    let error = bench.provider.read(&request).await.unwrap_err();
    assert_eq!(error.kind, crate::provider::ErrorKind::Transient);
    assert_eq!(bench.sim.report().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn wishes_take_effect_and_are_read_back() {
    use ReadKind::{Properties, Shell};
    for (kind, prefix) in SISTERS {
        for way in WAYS {
            let bench = Bench::at(kind, Dialect::default(), way);
            for (attribute, value, read) in [
                ("timezone", "Asia/Singapore", Properties),
                ("language", "en-SG", Properties),
                ("property/ro.product.model", "Pixel 8", Properties),
                ("property/persist.sys.fleet.ring", "3", Properties),
                ("property/modem/IMEI", "490154203237518", Properties),
                ("setting/global/zen_mode", "1", Shell),
            ] {
                bench.write(attribute, text(value)).await;
                assert_eq!(
                    bench.read(read, attribute).await,
                    observed(value),
                    "{attribute}"
                );
            }
            let app = |wish| Wish::Set(Wished::App(wish));
            let present = AppWish::Present {
                app: None,
                version: VersionWish::Any,
            };
            let phone = bench.write("app/com.example.notes", app(present)).await;
            assert_eq!(phone.app("com.example.notes").unwrap().version_code, 57);
            let phone = bench.write("app/com.bad.game", app(AppWish::Absent)).await;
            assert!(phone.app("com.bad.game").is_none());
            let on = Wish::Set(Wished::Flag(true));
            assert!(bench.write("adb", on.clone()).await.adb);
            let phone = bench.write("running/com.example.notes", on).await;
            assert_eq!(phone.running, ["com.example.notes"]);
            let direct = Wish::Set(Wished::Proxy(Box::new(Proxy::Direct)));
            assert_eq!(bench.write("proxy", direct).await.proxy, None);
            let before = bench.sim.phone(ONE).unwrap().property("modem/ICCID");
            let phone = bench.write("sim-country", text("DE")).await;
            assert_eq!(phone.country, "DE");
            assert_ne!(phone.property("modem/ICCID"), before);
            let report = bench.sim.report();
            assert_eq!(
                (report.new_identities, report.calls_to("updateSIM")),
                (1, 1)
            );
            assert_eq!(
                (report.bad_signatures, report.refused.len()),
                (0, 0),
                "{report:?}"
            );
            let elsewhere = report
                .calls_by_path
                .keys()
                .find(|path| !path.starts_with(prefix));
            assert_eq!(elsewhere, None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_submit_cannot_be_looked_up() {
    let bench = Bench::at(ProviderKind::VsPhone, Dialect::default(), &[]);
    let lost = LostSubmit {
        mark: 7,
        call: "updatePadProperties".into(),
        phones: [PhoneId::new(ONE)].into(),
        writes: [].into(),
        sent_at: START,
    };
    assert_eq!(bench.provider.find(&lost).await, Ok(Found::CannotLook));
    assert_eq!(bench.sim.report().calls, 0);
}

/// Status and code of the answer to a request with the older signature.
fn older(path: &str, time: &str, signed_body: &str, key: &str) -> (u16, u64) {
    let body = r#"{"page":1,"rows":1,"padCodes":["AC32010000001"],"scriptContent":"id"}"#;
    let payload = if signed_body == "all" {
        body
    } else {
        signed_body
    };
    let sign = older_sign(SECRET_KEY, time, path, payload.as_bytes());
    let request = http::Request::post(format!("http://127.0.0.1:9{path}"))
        .header("x-access-key", key)
        .header("x-timestamp", time)
        .header("x-sign", sign)
        .body(Bytes::from(body))
        .unwrap();
    let sim = sim();
    let Outcome::Answer(answer) = sim.handle(&request, START).outcome else {
        panic!("an answer")
    };
    let status = answer.status().as_u16();
    assert_eq!(sim.report().bad_signatures, u64::from(status == 401));
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    (status, body["code"].as_u64().unwrap())
}

#[test]
fn older_signatures_are_checked() {
    let now = "1795000000";
    for (_, prefix) in SISTERS {
        let infos = format!("{prefix}infos");
        assert_eq!(older(&infos, now, "all", ACCESS_KEY), (200, 200));
        assert_eq!(older(&infos, "1794999701", "all", ACCESS_KEY), (200, 200));
        assert_eq!(older(&infos, "1794999699", "all", ACCESS_KEY), (401, 2033));
        assert_eq!(
            older(&infos, "1795000000000", "all", ACCESS_KEY),
            (401, 2033)
        );
        assert_eq!(older(&infos, now, "", ACCESS_KEY), (401, 2019));
        assert_eq!(older(&infos, now, "all", "someone"), (401, 2031));
        let command = format!("{prefix}asyncCmd");
        for body in ["", "all"] {
            assert_eq!(older(&command, now, body, ACCESS_KEY), (200, 200));
        }
        assert_eq!(older(&command, now, "{}", ACCESS_KEY), (401, 2019));
    }
}

#[test]
fn published_vectors_of_the_older_signature_are_reproduced() {
    let path = "/vcpcloud/api/padApi/padInfo";
    let body = br#"{"padCode":"AC32010601132"}"#;
    assert_eq!(
        older_sign("skfleettestsecret0000001", "1747555200", path, body),
        "b537bf409aaccf45453d104d39015c7df0014963fa27fe30ca512b94136578b8"
    );
}

#[test]
fn refusals_carry_the_sisters_codes() {
    let sim = sim();
    let path = "/vcpcloud/api/padApi/updateTimeZone";
    let body = json!({ "padCodes": ["none"], "timeZone": "UTC" });
    assert_eq!(sim.code(path, &body, START), 2020);
    let mut request = signed((ACCESS_KEY, "wrong"), path, &body.to_string(), START);
    assert_eq!(code_of(&request, Spec::default()), 2019);
    request.headers_mut().remove("authorization");
    assert_eq!(code_of(&request, Spec::default()), 2032);
    let spec = Spec {
        rate_per_second: 0,
        ..Spec::default()
    };
    let sim = Simulator::new(spec, START);
    assert_eq!(sim.code(path, &body, START), 110_014);
    assert_eq!(sim.report().throttled, 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_sister_refuses_keeps_its_kind_and_code() {
    use crate::provider::{Accepted, ErrorKind, Order};
    let order = |phone: &str| Order {
        mark: 7,
        call: "updateTimeZone",
        phones: [PhoneId::new(phone)].into(),
        writes: [("timezone".parse().unwrap(), text("UTC"))].into(),
        app: None,
        image: None,
    };
    for way in ["v4", "v2"] {
        let bench = Bench::at(
            ProviderKind::VmosCloud,
            Dialect::default(),
            &[("signature", way)],
        );
        let error = bench.provider.submit(&order("none")).await.unwrap_err();
        let told = (error.kind, error.accepted, error.code.as_deref());
        assert_eq!(told, (ErrorKind::NotFound, Accepted::No, Some("2020")));
        bench
            .sim
            .change_at(at(600), |world| world.spec.check_clock = true);
        let error = bench.provider.submit(&order(ONE)).await.unwrap_err();
        let told = (error.kind, error.accepted, error.code.as_deref());
        assert_eq!(told, (ErrorKind::Unauthorised, Accepted::No, Some("2033")));
        bench
            .sim
            .change(|world| world.rate = crate::sim::rate::Rate::new(0, 0));
        let error = bench.provider.submit(&order(ONE)).await.unwrap_err();
        let told = (error.kind, error.accepted, error.code.as_deref());
        assert_eq!(told, (ErrorKind::Throttled, Accepted::No, Some("110014")));
    }
}
