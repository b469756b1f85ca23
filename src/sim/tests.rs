//! The world through its handler: jobs, faults, limits, scenarios, both transports.

use super::client::{START, at, signed};
use super::faults::Faults;
use super::phone::{ABNORMAL, RESTARTING, RUNNING};
use super::scenario::Span;
use super::*;
use crate::time::clock::TokioClock;
use crate::transport::{Effect, Request, Transport, TransportError};
use serde_json::{Value, json};

const INFOS: &str = "/openapi/open/pad/infos";
const ZONE: &str = "/openapi/open/pad/updateTimeZone";
const DETAIL: &str = "/task-center/open/task/padTaskDetail";
const RESTART: &str = "/openapi/open/pad/restart";
const PHONE: &str = "AC32010000001";

fn world(spec: Spec) -> Simulator {
    Simulator::new(spec, START)
}

fn with(faults: &str) -> Simulator {
    let faults = Faults::parse(faults).unwrap();
    world(Spec {
        phones: 20,
        faults,
        ..Spec::default()
    })
}

fn zone(to: &str) -> Value {
    json!({ "padCodes": [PHONE], "timeZone": to })
}

fn send(path: &str, body: &Value, deadline: Duration) -> Request {
    Request {
        http: signed((ACCESS_KEY, SECRET_KEY), path, &body.to_string(), START),
        effect: Effect::Mutation,
        deadline,
        max_body: 1 << 20,
    }
}

#[test]
fn a_time_zone_takes_effect_when_its_job_ends() {
    let sim = world(Spec::default());
    let rows = sim.data(ZONE, &zone("Asia/Tokyo"), at(0));
    assert_eq!(
        (&rows[0]["taskStatus"], &rows[0]["vmStatus"]),
        (&json!(1), &json!(1))
    );
    let id = rows[0]["taskId"].as_u64().unwrap();
    let task = |now| sim.data(DETAIL, &json!({ "taskIds": [id] }), now)[0].clone();
    let early = task(at(1));
    assert_eq!(
        (&early["taskStatus"], &early["endTime"]),
        (&json!(2), &Value::Null)
    );
    assert_eq!(sim.phone(PHONE).unwrap().timezone, "Asia/Shanghai");
    let late = task(at(3));
    assert_eq!(late["taskStatus"], 3);
    assert!(late["endTime"].as_i64().unwrap() < at(3).0);
    assert_eq!(sim.phone(PHONE).unwrap().timezone, "Asia/Tokyo");
    let report = sim.report();
    assert_eq!(
        (report.mutations, report.polls, report.double_jobs),
        (1, 2, 0)
    );
    assert_eq!(report.jobs_of("updateTimeZone").succeeded, 1);
}

#[test]
fn a_second_job_on_a_phone_is_refused_and_counted() {
    let sim = world(Spec::default());
    sim.data(ZONE, &zone("Asia/Tokyo"), at(0));
    let again = sim.data(ZONE, &zone("Europe/Berlin"), at(1));
    assert_eq!(
        (&again[0]["taskStatus"], &again[0]["taskId"]),
        (&json!(-1), &Value::Null)
    );
    assert_eq!(sim.report().double_jobs, 1);
    sim.change_at(at(10), |_| ());
    assert_eq!(sim.phone(PHONE).unwrap().timezone, "Asia/Tokyo");
}

#[test]
fn another_clients_job_is_no_double_job_of_ours() {
    let sim = world(Spec::default());
    sim.change(|world| world.occupy(PHONE, Duration::from_secs(30)));
    assert_eq!(
        sim.data(ZONE, &zone("Asia/Tokyo"), at(1))[0]["taskStatus"],
        -1
    );
    assert_eq!(
        (sim.report().double_jobs, sim.report().foreign_clashes),
        (0, 1)
    );
    assert_eq!(
        sim.data(ZONE, &zone("Asia/Tokyo"), at(31))[0]["taskStatus"],
        1
    );
}

#[test]
fn a_restart_passes_through_11() {
    let sim = world(Spec::default());
    sim.data(RESTART, &json!({ "padCodes": [PHONE] }), at(0));
    assert_eq!(sim.phone(PHONE).unwrap().status, RESTARTING);
    sim.change_at(at(60), |_| ());
    let phone = sim.phone(PHONE).unwrap();
    assert_eq!((phone.status, phone.boots), (RUNNING, 2));
    let report = sim.report();
    assert_eq!(
        (
            report.restarts,
            report.costly[PHONE].restarts,
            report.costly_repeated
        ),
        (1, 1, 0)
    );
    sim.data(RESTART, &json!({ "padCodes": [PHONE] }), at(70));
    assert_eq!(sim.report().costly_repeated, 1);
}

#[test]
fn a_restart_can_end_abnormal_and_recovers() {
    let sim = with("abnormal=1");
    sim.data(RESTART, &json!({ "padCodes": [PHONE] }), at(0));
    sim.change_at(at(60), |_| ());
    assert_eq!(sim.phone(PHONE).unwrap().status, ABNORMAL);
    sim.change_at(at(300), |world| world.set_faults(Faults::default()));
    assert_eq!(sim.phone(PHONE).unwrap().status, RUNNING);
}

#[test]
fn lost_answers_take_effect() {
    let sim = with("lost=1");
    let handled = sim.request(ZONE, &zone("Asia/Tokyo").to_string(), at(0));
    assert!(matches!(handled.outcome, Outcome::Lost));
    sim.change_at(at(10), |_| ());
    assert_eq!(sim.phone(PHONE).unwrap().timezone, "Asia/Tokyo");
    assert_eq!(sim.report().lost_answers, 1);
}

#[test]
fn refused_connections_change_nothing() {
    let sim = with("refused=1");
    let handled = sim.request(ZONE, &zone("Asia/Tokyo").to_string(), at(0));
    assert!(matches!(handled.outcome, Outcome::Refused));
    sim.change_at(at(10), |_| ());
    assert_eq!(sim.phone(PHONE).unwrap().timezone, "Asia/Shanghai");
    assert_eq!((sim.report().calls, sim.report().faults["refused"]), (0, 1));
}

#[test]
fn late_requests_take_effect_late() {
    let sim = with("late=1,late-by=40s");
    sim.request(ZONE, &zone("Asia/Tokyo").to_string(), at(0));
    sim.change_at(at(39), |_| ());
    assert_eq!(sim.report().jobs_of("updateTimeZone").submitted, 0);
    sim.change_at(at(45), |_| ());
    assert_eq!(sim.phone(PHONE).unwrap().timezone, "Asia/Tokyo");
}

#[test]
fn server_errors_come_before_or_after_the_effect() {
    for (fault, effect) in [
        ("5xx-before=1", "Asia/Shanghai"),
        ("5xx-after=1", "Asia/Tokyo"),
    ] {
        let sim = with(fault);
        let Outcome::Answer(answer) = sim
            .request(ZONE, &zone("Asia/Tokyo").to_string(), at(0))
            .outcome
        else {
            panic!("an answer");
        };
        assert!(answer.status().is_server_error());
        sim.change_at(at(10), |_| ());
        assert_eq!(sim.phone(PHONE).unwrap().timezone, effect, "{fault}");
    }
}

#[test]
fn jobs_fail_hang_and_lie() {
    let task = |sim: &Simulator, now| {
        sim.data(ZONE, &zone("Asia/Tokyo"), at(0));
        sim.data(DETAIL, &json!({ "taskIds": ["1000001"] }), now)[0]["taskStatus"].clone()
    };
    let failing = with("fail=1");
    assert_eq!(task(&failing, at(10)), -1);
    assert_eq!(failing.phone(PHONE).unwrap().timezone, "Asia/Shanghai");
    let lying = with("no-effect=1");
    assert_eq!(task(&lying, at(10)), 3);
    assert_eq!(lying.phone(PHONE).unwrap().timezone, "Asia/Shanghai");
    let hanging = with("hang=1,hang-for=100s");
    assert_eq!(task(&hanging, at(3600)), 2);
    hanging.change(|world| world.set_faults(Faults::default()));
    assert_eq!(
        hanging.data(ZONE, &zone("Asia/Tokyo"), at(3601))[0]["taskStatus"],
        1
    );
    let report = hanging.report();
    assert_eq!(
        (report.jobs_of("updateTimeZone").hung, report.double_jobs),
        (1, 0)
    );
}

#[test]
fn a_job_waits_for_a_phone_that_is_offline() {
    let sim = world(Spec::default());
    sim.change(|world| world.disconnect(PHONE, Duration::from_secs(60)));
    let rows = sim.data(ZONE, &zone("Asia/Tokyo"), at(1));
    assert_eq!(
        (&rows[0]["vmStatus"], &rows[0]["taskStatus"]),
        (&json!(0), &json!(1))
    );
    let task = |now| {
        sim.data(DETAIL, &json!({ "taskIds": [rows[0]["taskId"]] }), now)[0]["taskStatus"].clone()
    };
    assert_eq!(task(at(50)), 9);
    assert_eq!(task(at(70)), 3);
    sim.change(|world| world.disconnect(PHONE, Duration::from_secs(3600)));
    sim.data(ZONE, &zone("Asia/Seoul"), at(71));
    sim.change_at(at(4000), |_| ());
    assert_eq!(sim.report().jobs_of("updateTimeZone").timed_out, 1);
    assert_eq!(sim.phone(PHONE).unwrap().timezone, "Asia/Tokyo");
}

#[test]
fn a_phone_that_goes_offline_during_a_job_ends_it_later() {
    let sim = world(Spec::default());
    sim.data(ZONE, &zone("Asia/Tokyo"), at(0));
    sim.change(|world| world.disconnect(PHONE, Duration::from_secs(60)));
    sim.change_at(at(30), |_| ());
    assert_eq!(sim.phone(PHONE).unwrap().timezone, "Asia/Shanghai");
    sim.change_at(at(61), |_| ());
    assert_eq!(sim.phone(PHONE).unwrap().timezone, "Asia/Tokyo");
}

#[test]
fn stale_reads_show_the_past() {
    let sim = with("stale=1,stale-by=20s");
    let read = |now| {
        let rows = sim.data(
            "/openapi/open/pad/batchPadProperties",
            &json!({ "padCodes": [PHONE] }),
            now,
        );
        let list = rows[0]["settingPropertiesList"].as_array().unwrap().clone();
        let row = list
            .iter()
            .find(|row| row["propertiesName"] == "timezone")
            .unwrap();
        row["propertiesValue"].as_str().unwrap().to_owned()
    };
    sim.data(ZONE, &zone("Asia/Tokyo"), at(0));
    assert_eq!(read(at(10)), "Asia/Shanghai");
    assert_eq!(sim.phone(PHONE).unwrap().timezone, "Asia/Tokyo");
    assert_eq!(read(at(30)), "Asia/Tokyo");
}

#[test]
fn the_same_calls_meet_the_same_faults() {
    let run = || {
        let sim = with("lost=0.2,5xx=0.1,fail=0.3,refused=0.1,html=0.05,late=0.05");
        let outcomes: Vec<String> = (0..200)
            .map(|n| {
                match sim
                    .request(ZONE, &zone("Asia/Tokyo").to_string(), at(n * 10))
                    .outcome
                {
                    Outcome::Answer(answer) => format!("{:?}", answer.body()),
                    Outcome::Refused => "refused".to_owned(),
                    Outcome::Lost => "lost".to_owned(),
                    Outcome::Endless => "endless".to_owned(),
                }
            })
            .collect();
        (outcomes, sim.report())
    };
    let first = run();
    assert_eq!(first, run());
    assert!(first.1.faults.len() >= 5, "{:?}", first.1.faults);
}

#[test]
fn a_scenario_happens() {
    let scenario = scenario::parse(
        r#"[{"at":"10s","phone":"AC32010000001","set":{"timezone":"Asia/Tokyo","settings":{"global/zen":"2"}},"uninstall":"com.bad.game"},
            {"at":"20s","fraction":0.5,"status":14},
            {"at":"30s","faults":{"html":1}},
            {"at":"40s","phone":"AC32010000002","remove":true}]"#,
    )
    .unwrap();
    let sim = world(Spec {
        scenario,
        ..Spec::default()
    });
    assert!(sim.phone(PHONE).unwrap().app("com.bad.game").is_some());
    sim.change_at(at(25), |_| ());
    let phone = sim.phone(PHONE).unwrap();
    assert_eq!(
        (
            phone.timezone.as_str(),
            phone.setting("global/zen").unwrap().as_str()
        ),
        ("Asia/Tokyo", "2")
    );
    assert!(phone.app("com.bad.game").is_none());
    let abnormal = sim
        .phones()
        .iter()
        .filter(|id| sim.phone(id).unwrap().status == ABNORMAL)
        .count();
    assert!((30..70).contains(&abnormal), "{abnormal}");
    let Outcome::Answer(answer) = sim.request(INFOS, "{}", at(41)).outcome else {
        panic!("an answer")
    };
    assert!(answer.body().starts_with(b"<!DOCTYPE html>"));
    assert_eq!(sim.phones().len(), 99);
}

#[test]
fn limits_hold_and_are_told() {
    let sim = world(Spec {
        rate_per_second: 3,
        ..Spec::default()
    });
    let body = json!({ "page": 1, "rows": 1 }).to_string();
    for _ in 0..3 {
        let Outcome::Answer(answer) = sim.request(INFOS, &body, at(0)).outcome else {
            panic!("an answer")
        };
        assert_eq!(
            (
                answer.status().as_u16(),
                &answer.headers()["x-ratelimit-limit"]
            ),
            (200, &http::HeaderValue::from(3))
        );
    }
    let Outcome::Answer(answer) = sim.request(INFOS, &body, at(0)).outcome else {
        panic!("an answer")
    };
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["x-ratelimit-remaining"], "0");
    assert_eq!(answer.headers()["x-ratelimit-type"], "qps");
    let report = sim.report();
    assert_eq!((report.throttled, report.max_calls_per_second), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn the_transport_keeps_virtual_time_and_deadlines() {
    let clock = Arc::new(TokioClock::starting_at(START));
    let sim = world(Spec {
        latency: Duration::from_secs(2),
        ..Spec::default()
    });
    let transport = sim.transport(clock.clone());
    let answer = transport
        .send(send(ZONE, &zone("Asia/Tokyo"), Duration::from_secs(30)))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert!(clock.now().since(START) >= Duration::from_millis(1500));
    let short = transport
        .send(send(INFOS, &json!({}), Duration::from_secs(1)))
        .await;
    assert!(matches!(short, Err(TransportError::Timeout(_))));
    let large = Request {
        max_body: 10,
        ..send(
            INFOS,
            &json!({ "page": 1, "rows": 9 }),
            Duration::from_secs(30),
        )
    };
    assert!(matches!(
        transport.send(large).await,
        Err(TransportError::TooLarge(10))
    ));
}

#[tokio::test(start_paused = true)]
async fn the_transport_tells_what_can_have_left() {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(START));
    let call = |faults: &str| {
        let transport = with(faults).transport(Arc::clone(&clock));
        async move {
            transport
                .send(send(ZONE, &zone("Asia/Tokyo"), Duration::from_secs(30)))
                .await
                .unwrap_err()
        }
    };
    assert!(!call("refused=1").await.may_have_left());
    assert!(call("lost=1").await.may_have_left());
    assert!(matches!(call("late=1").await, TransportError::Timeout(_)));
}

#[tokio::test]
async fn the_same_handler_answers_over_http() {
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::system());
    let sim = Simulator::new(
        Spec {
            latency: Duration::ZERO,
            ..Spec::default()
        },
        clock.now(),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = front::serve(sim.clone(), listener, Arc::clone(&clock), async {
        stopped.await.unwrap_or_default();
    });
    let client = async {
        let http = reqwest::Client::new();
        let post = |path: &str, body: Value| {
            let request = signed(
                (ACCESS_KEY, SECRET_KEY),
                path,
                &body.to_string(),
                clock.now(),
            );
            let (parts, body) = request.into_parts();
            http.post(format!("{base}{path}"))
                .headers(parts.headers)
                .body(body)
                .send()
        };
        let answer = post(INFOS, json!({ "page": 1, "rows": 10 })).await.unwrap();
        assert_eq!(answer.headers()["x-ratelimit-limit"], "200");
        let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert_eq!(body["data"]["total"], 100);
        sim.change(|world| {
            world.set_faults(Faults {
                lost: 1.0,
                ..Faults::default()
            });
        });
        let mut lost = 0;
        while lost < 1 {
            // Every other loss is silent; those are given up.
            let call =
                tokio::time::timeout(Duration::from_millis(300), post(ZONE, zone("Asia/Tokyo")))
                    .await;
            lost += u32::from(call.is_ok_and(|result| result.is_err()));
        }
        sim.change(|world| world.set_faults(Faults::default()));
        assert_eq!(post("/nowhere", json!({})).await.unwrap().status(), 404);
        assert!(sim.report().lost_answers >= 1);
        assert_eq!(sim.report().jobs_of("updateTimeZone").submitted, 1);
        stop.send(()).unwrap();
    };
    let (result, ()) = tokio::join!(server, client);
    result.unwrap();
}

#[test]
fn spans_default_as_the_faults_say() {
    assert_eq!(Faults::default().late_by, Span(Duration::from_secs(45)));
    assert!(
        Faults::default().late_by.0 > Duration::from_secs(30),
        "later than a request's deadline"
    );
}

#[test]
fn phones_stay_lean() {
    assert!(
        size_of::<phone::Phone>() <= 400,
        "{}",
        size_of::<phone::Phone>()
    );
}

#[test]
fn one_phone_is_converged_by_hand() {
    let sim = world(Spec::default());
    let pad = |name: &str| format!("/openapi/open/pad/{name}");
    let mut now = 0;
    let mut work = |path: &str, body: Value| {
        let rows = sim.data(path, &body, at(now));
        loop {
            now += 2;
            let task = sim.data(DETAIL, &json!({ "taskIds": [rows[0]["taskId"]] }), at(now));
            match task[0]["taskStatus"].as_i64() {
                Some(3) => break,
                Some(1 | 2 | 9) => {}
                other => panic!("{path}: {other:?}"),
            }
        }
        now
    };
    work(ZONE, zone("Asia/Singapore"));
    work(
        &pad("updateLanguage"),
        json!({ "padCodes": [PHONE], "language": "en", "country": "SG" }),
    );
    work(
        &pad("installApp"),
        json!({ "apps": [{ "appId": 501, "padCodes": [PHONE] }] }),
    );
    work(
        &pad("uninstallApp"),
        json!({ "apps": [{ "pkgName": "com.bad.game", "padCodes": [PHONE] }] }),
    );
    let end = work(
        &pad("asyncCmd"),
        json!({ "padCodes": [PHONE], "scriptContent": "settings put global zen '1'" }),
    );
    let read = sim.data(
        &pad("batchPadProperties"),
        &json!({ "padCodes": [PHONE] }),
        at(end),
    );
    assert!(read.to_string().contains("Asia/Singapore") && read.to_string().contains("en-SG"));
    let apps = sim
        .data(
            &pad("listInstalledApp"),
            &json!({ "padCodes": [PHONE] }),
            at(end),
        )
        .to_string();
    assert!(apps.contains("1.4.2") && !apps.contains("com.bad.game"));
    let report = sim.report();
    assert_eq!(
        (report.mutations, report.reads, report.bad_signatures),
        (5, 2, 0)
    );
    assert_eq!(
        (report.double_jobs, report.throttled, report.refused.len()),
        (0, 0, 0)
    );
}
