//! Which callbacks come, what they say, and what becomes of them on their way.

use super::*;
use crate::sim::client::{START, at};
use crate::sim::faults::Faults;
use crate::sim::{Simulator, Spec};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PHONE: &str = "AC32010000001";
const RESTART: &str = "/openapi/open/pad/restart";
const COMMAND: &str = "/openapi/open/pad/asyncCmd";
const INSTALL: &str = "/openapi/open/pad/installApp";
const ZONE: &str = "/openapi/open/pad/updateTimeZone";
const DETAIL: &str = "/task-center/open/task/padTaskDetail";

fn world(spec: Spec, faults: &str) -> Simulator {
    let sim = Simulator::new(
        Spec {
            phones: 20,
            faults: Faults::parse(faults).unwrap(),
            ..spec
        },
        START,
    );
    sim.change(|world| world.register_callbacks(true));
    sim
}

fn fetched(sim: &Simulator, now: Timestamp) -> Vec<(Callback, Value)> {
    let parsed = |callback: Callback| {
        let body = serde_json::from_slice(&callback.body).unwrap();
        (callback, body)
    };
    let all = sim.change_at(now, World::callbacks);
    all.into_iter().map(parsed).collect()
}

/// Callbacks of jobs: what they say.
fn of_jobs(sim: &Simulator, now: Timestamp) -> Vec<Value> {
    let mut all: Vec<Value> = fetched(sim, now)
        .into_iter()
        .map(|(_, body)| body)
        .collect();
    all.retain(|body| body.get("taskId").is_some());
    all
}

fn fields(body: &Value) -> BTreeSet<&str> {
    body.as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn restart(sim: &Simulator, phone: u32, now: Timestamp) -> u64 {
    let phone = format!("AC3201{phone:07}");
    let rows = sim.data(RESTART, &json!({ "padCodes": [phone] }), now);
    rows[0]["taskId"].as_u64().unwrap()
}

/// Many restarts, one on each phone.
fn restarts(sim: &Simulator) -> Vec<u64> {
    (1..=20).map(|phone| restart(sim, phone, at(0))).collect()
}

const TASK: [&str; 7] = [
    "endTime",
    "padCode",
    "taskBusinessType",
    "taskContent",
    "taskId",
    "taskResult",
    "taskStatus",
];

#[test]
fn a_restart_tells_its_end_and_the_phone_s_statuses() {
    let sim = world(Spec::default(), "");
    let id = restart(&sim, 1, at(0));
    let told = fetched(&sim, at(100));
    let (jobs, phones): (Vec<_>, Vec<_>) = told
        .iter()
        .map(|(_, body)| body)
        .partition(|body| body.get("taskId").is_some());
    assert_eq!(jobs.len(), 1);
    assert_eq!(fields(jobs[0]), TASK.into());
    assert_eq!(
        (
            &jobs[0]["taskId"],
            &jobs[0]["taskStatus"],
            &jobs[0]["taskBusinessType"],
            &jobs[0]["taskResult"],
        ),
        (&json!(id), &json!(3), &json!(1000), &json!("Success"))
    );
    let statuses: Vec<_> = phones
        .iter()
        .map(|body| body["padStatus"].clone())
        .collect();
    assert_eq!(statuses, [11, 10]);
    let known = json!({ "taskBusinessType": 999, "padCode": PHONE, "padStatus": 10, "padConnectStatus": 1 });
    assert_eq!(*phones[1], known);
    assert!(told.iter().all(|(callback, _)| callback.fault.is_none()));
    assert_eq!(fetched(&sim, at(200)), [], "each comes once");
}

#[test]
fn a_phone_that_is_cut_off_tells_it_and_nothing_twice() {
    let sim = world(Spec::default(), "");
    sim.change_at(at(1), |world| {
        world.disconnect(PHONE, Duration::from_secs(30));
    });
    sim.change_at(at(2), |world| world.set_status(PHONE, 10));
    let told: Vec<_> = fetched(&sim, at(60))
        .iter()
        .map(|(_, body)| body["padConnectStatus"].clone())
        .collect();
    assert_eq!(told, [0, 1]);
}

#[test]
fn nothing_is_told_unless_it_is_registered_or_has_a_callback() {
    let silent = Simulator::new(Spec::default(), START);
    restart(&silent, 1, at(0));
    assert_eq!(fetched(&silent, at(100)), []);
    let sim = world(Spec::default(), "");
    sim.data(
        ZONE,
        &json!({ "padCodes": [PHONE], "timeZone": "Asia/Tokyo" }),
        at(0),
    );
    assert_eq!(fetched(&sim, at(100)), [], "time zones have none");
    sim.change(|world| world.register_callbacks(false));
    restart(&sim, 2, at(100));
    assert_eq!(fetched(&sim, at(300)), []);
    assert_eq!(sim.report().callbacks, 0);
    for kind in ProviderKind::ALL {
        let sim = world(Spec::of(kind), "");
        let phone = sim.phones()[0].clone();
        sim.change_at(at(1), |world| world.set_status(&phone, 14));
        assert_eq!(
            !fetched(&sim, at(9)).is_empty(),
            are_sent_by(kind),
            "{kind}"
        );
    }
}

#[test]
fn a_scenario_registers() {
    let sim = Simulator::new(
        Spec {
            scenario: crate::sim::scenario::parse(
                r#"[{"at":"1m","callbacks":true},{"at":"2m","callbacks":false}]"#,
            )
            .unwrap(),
            ..Spec::default()
        },
        START,
    );
    for (second, status) in [(30, 14), (90, 10), (150, 14)] {
        sim.change_at(at(second), |world| world.set_status(PHONE, status));
    }
    let told: Vec<_> = fetched(&sim, at(300))
        .iter()
        .map(|(_, body)| body["padStatus"].clone())
        .collect();
    assert_eq!(told, [10]);
}

/// The two manuals do not agree: ArmCloud's has the type of a command and rows for an install, VMOS Cloud's samples have neither.
#[test]
fn commands_and_installs_come_in_two_shapes() {
    let command = json!({ "padCodes": [PHONE], "scriptContent": "nosuch -x" });
    let install = json!({ "apps": [{ "appId": 501, "padCodes": ["AC32010000002"] }] });
    let sim = world(Spec::default(), "");
    sim.data(COMMAND, &command, at(0));
    sim.data(INSTALL, &install, at(0));
    let told = of_jobs(&sim, at(100));
    let [command_told, install_told] = &told[..] else {
        panic!("{told:?}")
    };
    let with_command: BTreeSet<_> = TASK.into_iter().chain(["cmd", "cmdResult"]).collect();
    assert_eq!(fields(command_told), with_command);
    assert_eq!(
        (&command_told["taskStatus"], &command_told["cmd"]),
        (&json!(3), &json!("nosuch -x")),
        "a command that fails ends well"
    );
    assert!(
        command_told["cmdResult"]
            .as_str()
            .unwrap()
            .contains("not found")
    );
    assert_eq!(
        fields(install_told),
        ["apps", "endTime", "padCode", "taskBusinessType", "taskId"].into()
    );
    assert_eq!(
        install_told["apps"],
        json!([{
            "appId": 501, "appName": "Maps", "pkgName": "com.example.maps", "padCode": "AC32010000002",
            "result": true, "failMsg": null, "versionCode": 142, "versionName": "1.4.2",
        }])
    );
    let sister = Simulator::new(Spec::of(ProviderKind::VmosCloud), START);
    let shape = |work: Work| {
        let body = sister.change(|world| {
            world.write(&Notice {
                phone: PHONE,
                at: START,
                news: News::Job {
                    id: 7,
                    work: &work,
                    state: State::Succeeded,
                    text: None,
                },
            })
        });
        serde_json::from_slice::<Value>(&body.unwrap()).unwrap()
    };
    let command = shape(Work::Shell(crate::sim::shell::Script::new("id", &[])));
    assert!(command.get("taskBusinessType").is_none() && command["cmd"] == "id");
    let app = sister.change(|world| Arc::clone(&world.offers()[0].app));
    assert_eq!(fields(&shape(Work::Install(app))), TASK.into());
}

#[test]
fn other_types_have_the_fields_of_their_tables() {
    let sim = world(Spec::default(), "");
    let shape = |work: Work| {
        let body = sim.change(|world| {
            let news = News::Job {
                id: 7,
                work: &work,
                state: State::Failed,
                text: Some("no room"),
            };
            let (phone, at) = (PHONE, START);
            world.write(&Notice { phone, at, news })
        });
        serde_json::from_slice::<Value>(&body.unwrap()).unwrap()
    };
    let app = shape(Work::Stop("com.example.maps".into()));
    assert_eq!(
        app,
        json!({ "taskBusinessType": 1005, "padCode": PHONE, "taskId": 7, "taskStatus": -1, "packageName": "com.example.maps" })
    );
    let gone = shape(Work::Uninstall("com.example.maps".into()));
    assert_eq!(
        (&gone["apps"]["pkgName"], &gone["apps"]["result"]),
        (&json!("com.example.maps"), &json!(false)),
        "an object, not a row"
    );
    let file = shape(Work::Push(None));
    assert_eq!(
        (
            &file["result"],
            &file["errorCode"],
            &file["taskBusinessType"]
        ),
        (&json!(false), &json!("no room"), &json!(1009))
    );
}

#[test]
fn a_job_whose_end_is_not_shown_yet_is_told_of() {
    let sim = world(Spec::default(), "lag=1,lag-by=10m");
    let id = restart(&sim, 1, at(0));
    assert_eq!(of_jobs(&sim, at(100))[0]["taskStatus"], 3);
    let shown = sim.data(DETAIL, &json!({ "taskIds": [id] }), at(100));
    assert_eq!(shown[0]["taskStatus"], 2);
}

#[test]
fn jobs_that_fail_or_wait_in_vain_say_so_and_hung_ones_say_nothing() {
    let failing = world(Spec::default(), "fail=1");
    restart(&failing, 1, at(0));
    let told = of_jobs(&failing, at(100));
    assert_eq!(
        (&told[0]["taskStatus"], &told[0]["taskResult"]),
        (&json!(-1), &json!("restart failed"))
    );
    let hanging = world(Spec::default(), "hang=1");
    restart(&hanging, 1, at(0));
    assert_eq!(of_jobs(&hanging, at(3_600)), [] as [Value; 0]);
    let waiting = world(Spec::default(), "");
    waiting.change_at(at(0), |world| {
        world.disconnect(PHONE, Duration::from_secs(7_200));
    });
    restart(&waiting, 1, at(1));
    assert_eq!(of_jobs(&waiting, at(3_600))[0]["taskStatus"], -4);
}

#[test]
fn what_is_lost_never_comes() {
    let sim = world(Spec::default(), "callback-lost=1");
    restarts(&sim);
    assert_eq!(fetched(&sim, at(3_600)), []);
    let report = sim.report();
    assert_eq!(report.callbacks, report.faults["callback-lost"]);
    assert!(report.callbacks >= 60);
}

#[test]
fn what_is_doubled_comes_five_times() {
    let sim = world(Spec::default(), "callback-doubled=1");
    restart(&sim, 1, at(0));
    let told = of_jobs(&sim, at(3_600));
    assert_eq!(told.len(), 5);
    assert!(told.iter().all(|body| *body == told[0]));
    let mut faults = world(Spec::default(), "callback-doubled=1").change_at(at(0), |world| {
        world.set_status(PHONE, 14);
        world.advance(at(3_600));
        world.callbacks()
    });
    faults.retain(|callback| callback.fault.is_none());
    assert_eq!(faults.len(), 1, "four of the five are copies");
}

#[test]
fn what_is_late_comes_minutes_later_and_after_what_was_sent_later() {
    let sim = world(Spec::default(), "callback-late=0.5,callback-late-by=4m");
    for round in 0..5 {
        for phone in 1..=20 {
            restart(&sim, phone, at(i64::from(round) * 60));
        }
    }
    let told = fetched(&sim, at(3_600));
    let late: Vec<_> = told
        .iter()
        .filter(|(callback, _)| callback.fault == Some(Kind::CallbackLate))
        .collect();
    assert!(late.len() > 50, "{}", late.len());
    for (callback, body) in &late {
        let Some(ended) = body["endTime"].as_i64() else {
            continue;
        };
        let by = callback.at.since(Timestamp(ended)).as_secs();
        assert!((120..=361).contains(&by), "{by}");
    }
    let ends: Vec<i64> = told
        .iter()
        .filter_map(|(_, body)| body["endTime"].as_i64())
        .collect();
    assert!(!ends.is_sorted());
    assert!(told.iter().map(|(callback, _)| callback.at).is_sorted());
}

#[test]
fn what_is_forged_is_of_a_job_that_did_not_end_well_or_of_none() {
    let sim = world(Spec::default(), "callback-forged=1,fail=1");
    let ids = restarts(&sim);
    let told = fetched(&sim, at(300));
    let forged: Vec<_> = told
        .iter()
        .filter(|(callback, _)| callback.fault == Some(Kind::CallbackForged))
        .collect();
    let (ours, unknown): (Vec<_>, Vec<_>) = forged
        .iter()
        .map(|(_, body)| (body["taskId"].as_u64().unwrap(), body))
        .partition(|(id, _)| ids.contains(id));
    assert!(
        ours.len() > 4 && unknown.len() > 4,
        "{} {}",
        ours.len(),
        unknown.len()
    );
    assert!(ours.iter().all(|(_, body)| body["taskStatus"] == 3));
    for (id, _) in &ours {
        let shown = sim.data(DETAIL, &json!({ "taskIds": [id] }), at(300));
        assert_eq!(shown[0]["taskStatus"], -1, "no forged success is true");
    }
    let last = ids.last().unwrap();
    assert!(unknown.iter().all(|(id, _)| id > last));
}

#[test]
fn what_is_foreign_is_of_no_job_of_ours_on_phones_of_ours_and_of_others() {
    let sim = world(Spec::default(), "callback-foreign=1");
    let ids = restarts(&sim);
    let told = fetched(&sim, at(300));
    let foreign: Vec<_> = told
        .iter()
        .filter(|(callback, _)| callback.fault == Some(Kind::CallbackForeign))
        .map(|(_, body)| body)
        .collect();
    let first = ids[0];
    assert!(
        foreign
            .iter()
            .all(|body| body["taskId"].as_u64().unwrap() < first)
    );
    let ours = sim.phones();
    let (here, elsewhere): (Vec<_>, Vec<_>) = foreign
        .iter()
        .map(|body| body["padCode"].as_str().unwrap().to_owned())
        .partition(|phone| ours.contains(phone));
    assert!(!here.is_empty() && !elsewhere.is_empty());
    let statuses: BTreeSet<_> = foreign
        .iter()
        .map(|body| body["taskStatus"].as_i64())
        .collect();
    assert_eq!(statuses, [Some(-1), Some(3)].into());
}

#[test]
fn one_seed_gives_the_same_callbacks_and_they_change_nothing_else() {
    let all = "callback-lost=0.2,callback-doubled=0.2,callback-late=0.3,callback-forged=0.3,callback-foreign=0.3";
    let vendor = "fail=0.2,hang=0.1,lag=0.2,offline=0.2,abnormal=0.2,lost=0";
    let course = |faults: &str, seed| {
        let spec = Spec {
            seed,
            ..Spec::default()
        };
        let sim = world(spec, faults);
        restarts(&sim);
        let told = fetched(&sim, at(3_600));
        let mut report = sim.report();
        report
            .faults
            .retain(|kind, _| !kind.starts_with("callback"));
        let phones: Vec<_> = sim.phones().iter().map(|id| sim.phone(id)).collect();
        (told, format!("{phones:?} {report:?}"))
    };
    let both = format!("{vendor},{all}");
    assert_eq!(course(&both, 4), course(&both, 4));
    assert_ne!(course(&both, 4).0, course(&both, 5).0);
    assert_eq!(course(&both, 4).1, course(vendor, 4).1);
}

#[test]
fn what_nobody_fetches_gives_way_to_what_is_newer() {
    let sim = world(Spec::default(), "");
    let flips = i64::try_from(MOST).unwrap() + 100;
    for second in 0..flips {
        let status = if second % 2 == 0 { 14 } else { 10 };
        sim.change_at(at(second), |world| world.set_status(PHONE, status));
    }
    assert_eq!(sim.report().callbacks_given_up, 100);
    let told = fetched(&sim, at(flips + 10));
    assert_eq!(told.len(), MOST);
    assert!(told[0].0.at >= at(100));
}
