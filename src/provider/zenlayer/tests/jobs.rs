//! Runs as jobs: polled, found again, told from others.

use super::super::script;
use super::*;
use crate::model::id::JobId;
use crate::model::value::{AppWish, VersionWish};
use crate::provider::{Found, JobState, LostSubmit, Provider};

/// A run with one instance.
fn run(id: &str, instance: &Json) -> Json {
    json!({
        "invocationId": id, "commandName": "phonefleet-write-1", "createTime": "2026-01-15 08:00:00",
        "invocationStatus": "Running", "invocationInstances": [instance],
    })
}

async fn state_of(instance: &Json, whole: &str) -> JobState {
    let mut row = run("r-1", instance);
    row["invocationStatus"] = json!(whole);
    let rig = Rig::answering(&[json!({ "dataSet": [row], "totalCount": 0 })]);
    let reports = rig.provider.poll(&[job("r-1", "i-1")]).await.unwrap();
    reports[0].state.clone()
}

#[tokio::test]
async fn the_manuals_sample_is_read_as_it_is() {
    let body =
        include_str!("../../../../tests/fixtures/zenlayer/describe-command-invocations.json");
    let rig = Rig::with(vec![response(200, body)]);
    let reports = rig
        .provider
        .poll(&[
            job("<invocationId>", "<instanceId>"),
            job("<invocationId>", "i-2"),
        ])
        .await
        .unwrap();
    assert_eq!(reports.len(), 1);
    assert_eq!(
        reports[0].state,
        JobState::Succeeded(Some("hello world".to_owned()))
    );
    assert_eq!(reports[0].job, JobId::new("<invocationId>/<instanceId>"));
    assert_eq!(
        rig.sent()[0].1,
        json!({ "invocationIds": ["<invocationId>"], "pageSize": 10000, "pageNum": 1 })
    );
}

#[tokio::test]
async fn success_needs_the_word_and_the_exit_status() {
    let told = |status: &str, exit: Json| json!({ "instanceId": "i-1", "taskStatus": status, "exitCode": exit, "output": "x" });
    let good = JobState::Succeeded(Some("x".to_owned()));
    for (status, exit) in [
        ("Success", json!(0)),
        ("SUCCESS", Json::Null),
        ("success", json!("0")),
    ] {
        assert_eq!(state_of(&told(status, exit), "Running").await, good);
    }
    for (status, exit, whole) in [
        ("Success", json!(1), "Success"),
        ("Failed", json!(0), "Running"),
        ("Timeout", Json::Null, "PartialFailed"),
        ("Cancelled", Json::Null, "Running"),
        ("Vanished", Json::Null, "Failed"),
    ] {
        let state = state_of(&told(status, exit), whole).await;
        assert!(matches!(state, JobState::Failed(_)), "{status}: {state:?}");
    }
    for (status, whole) in [
        ("Pending", "Pending"),
        ("Running", "Running"),
        ("Dispatching", "Failed"),
        ("Created", "Running"),
        ("Created", "Unheard of"),
    ] {
        let state = state_of(&told(status, Json::Null), whole).await;
        assert_eq!(state, JobState::Open, "{status} {whole}");
    }
}

#[tokio::test]
async fn a_row_without_a_word_of_its_own_shares_the_whole_runs() {
    let row = json!({ "instanceId": "i-1", "taskStatus": null, "exitCode": 0 });
    assert_eq!(
        state_of(&row, "Success").await,
        JobState::Succeeded(Some(String::new()))
    );
    assert_eq!(state_of(&row, "Running").await, JobState::Open);
}

#[tokio::test]
async fn what_was_done_on_an_instance_stays_done_when_it_is_gone() {
    let gone = json!({ "instanceId": "i-1", "instanceExist": false, "taskStatus": "Success" });
    assert_eq!(
        state_of(&gone, "Success").await,
        JobState::Succeeded(Some(String::new()))
    );
    let gone = json!({ "instanceId": "i-1", "instanceExist": false, "taskStatus": "Running" });
    assert_eq!(state_of(&gone, "Running").await, JobState::Open);
}

#[tokio::test]
async fn failures_tell_what_was_said() {
    let row = json!({
        "instanceId": "i-1", "taskStatus": "Failed", "exitCode": 127, "errorCode": "E1",
        "output": "out", "outputError": "sh: nothing:\n not found",
    });
    assert_eq!(
        state_of(&row, "PartialFailed").await,
        JobState::Failed("Failed, exit status 127, E1: sh: nothing: not found".to_owned())
    );
}

#[tokio::test]
async fn jobs_that_the_answer_does_not_mention_have_no_report() {
    let page = json!({ "dataSet": [run("r-2", &json!({ "instanceId": "i-9", "taskStatus": "Success" })), {}, null] });
    let rig = Rig::answering(&[page]);
    let reports = rig.provider.poll(&[job("r-1", "i-1")]).await.unwrap();
    assert_eq!(reports, []);
}

#[tokio::test]
async fn of_more_runs_than_one_question_names_all_have_their_turn() {
    let empty = json!({ "dataSet": [] });
    let rig = Rig::answering(&[empty.clone(), empty.clone(), empty]);
    let jobs: Vec<JobRef> = (0..250)
        .map(|number| job(&format!("r-{number:03}"), "i-1"))
        .collect();
    let mut asked = std::collections::BTreeSet::new();
    for _ in 0..3 {
        rig.provider.poll(&jobs).await.unwrap();
    }
    for (_, body) in rig.sent() {
        let ids = body["invocationIds"].as_array().unwrap().clone();
        assert_eq!(ids.len(), 100);
        asked.extend(ids.iter().map(|id| id.as_str().unwrap().to_owned()));
    }
    assert_eq!(asked.len(), 250);
}

/// The name of a command that writes what an order does.
fn name_of(order: &Order) -> String {
    script::name(&script::writes(&order.writes), "anything").to_string()
}

/// A run of [`found`]'s command on `i-1` and `i-2`.
fn write(id: &str, created: &str) -> Json {
    let mut row = run(id, &json!({ "instanceId": "i-1" }));
    row["commandName"] = json!(name_of(&order(&[], "Asia/Tokyo")));
    row["createTime"] = json!(created);
    row["invocationInstances"] = json!([{ "instanceId": "i-1" }, { "instanceId": "i-2" }]);
    row
}

async fn found(rig: &Rig, rows: Json) -> Vec<String> {
    rig.then(vec![good(&json!({ "dataSet": rows }))]);
    let lost = LostSubmit {
        mark: 7,
        call: call::SETTINGS.into(),
        phones: phones(&["i-1", "i-2", "i-3"]),
        writes: order(&[], "Asia/Tokyo").writes,
        sent_at: NOW,
    };
    match rig.provider.find(&lost).await.unwrap() {
        Found::Jobs(jobs) => jobs.into_iter().map(|(_, job)| job.to_string()).collect(),
        Found::CannotLook | Found::NotYet => panic!("it can look"),
    }
}

#[tokio::test]
async fn a_lost_submit_is_found_by_phones_content_and_time() {
    let rig = Rig::answering(&[]);
    rig.wait(10);
    learn_zone(&rig, "2026-01-15 08:00:11").await;
    let mut read = write("r-9", "2026-01-15 08:00:05");
    read["commandName"] = json!("phonefleet-read-1");
    let mut theirs = write("r-8", "2026-01-15 08:00:04");
    theirs["commandName"] = json!("somebody's");
    let mut other = write("r-7", "2026-01-15 08:00:03");
    other["commandName"] = json!(name_of(&order(&[], "Asia/Seoul")));
    let old = write("r-1", "2026-01-15 07:58:00");
    let ours = write("r-2", "2026-01-15 08:00:01");
    assert_eq!(
        found(&rig, json!([read, theirs, other, ours, old])).await,
        ["r-2/i-1", "r-2/i-2"]
    );
    assert_eq!(
        rig.sent()[0].1,
        json!({ "instanceIds": ["i-1", "i-2", "i-3"], "pageSize": 50, "pageNum": 1 })
    );
    assert_eq!(
        found(&rig, json!([read, other, old])).await,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn of_a_submit_that_arrived_twice_the_first_run_is_taken() {
    let rig = Rig::answering(&[]);
    rig.wait(60);
    learn_zone(&rig, "2026-01-15 08:01:01").await;
    let first = write("r-3", "2026-01-15 08:00:01");
    let copy = write("r-2", "2026-01-15 08:00:46");
    for rows in [json!([first, copy]), json!([copy, first])] {
        assert_eq!(found(&rig, rows).await, ["r-3/i-1", "r-3/i-2"]);
    }
}

#[tokio::test]
async fn a_lost_install_is_told_from_that_of_another_app() {
    let rig = Rig::answering(&[]);
    rig.wait(10);
    learn_zone(&rig, "2026-01-15 08:00:11").await;
    let install = |package: &str| {
        let wish = Wish::Set(Value::App(AppWish::Present {
            app: None,
            version: VersionWish::Any,
        }));
        let attribute = format!("app/{package}").parse().unwrap();
        Order {
            writes: [(attribute, wish)].into(),
            ..order(&["i-1", "i-2"], "")
        }
    };
    let maps = install("com.example.maps");
    let mut ours = write("r-1", "2026-01-15 08:00:01");
    ours["commandName"] = json!(name_of(&maps));
    // A proxy's copy of the install before it, which came late.
    let mut copy = write("r-2", "2026-01-15 08:00:02");
    copy["commandName"] = json!(name_of(&install("com.example.chat")));
    rig.then(vec![good(&json!({ "dataSet": [copy, ours] }))]);
    let lost = LostSubmit {
        call: call::INSTALL.into(),
        phones: maps.phones,
        writes: maps.writes,
        sent_at: NOW,
        mark: 0,
    };
    let found = rig.provider.find(&lost).await.unwrap();
    let job = |phone: &str| (PhoneId::new(phone), job("r-1", phone).job);
    assert_eq!(found, Found::Jobs(vec![job("i-1"), job("i-2")]));
}

/// An answered submit whose run is told later, made at this time, teaches the zone.
async fn learn_zone(rig: &Rig, created: &str) {
    rig.then(vec![
        good(&json!({ "dataSet": [] })),
        good(&json!({ "commandId": "c-5" })),
        good(&json!({ "invocationId": "r-5" })),
        good(&json!({ "dataSet": [write("r-5", created)] })),
    ]);
    rig.provider
        .submit(&order(&["i-9"], "Asia/Kolkata"))
        .await
        .unwrap();
    rig.provider.poll(&[job("r-5", "i-9")]).await.unwrap();
    rig.sent();
}

#[tokio::test]
async fn nothing_is_searched_for_before_the_zone_of_times_is_known() {
    let rig = Rig::answering(&[]);
    rig.wait(10);
    let lost = LostSubmit {
        mark: 7,
        call: call::SETTINGS.into(),
        phones: phones(&["i-1"]),
        writes: order(&[], "Asia/Tokyo").writes,
        sent_at: NOW,
    };
    assert_eq!(rig.provider.find(&lost).await, Ok(Found::NotYet));
    assert!(rig.sent().is_empty());
    learn_zone(&rig, "2026-01-15 16:00:11").await;
    for (time, number) in [
        ("2026-01-15 16:00:02", 2),
        ("2026-01-15 15:45:02", 0),
        ("2026-01-15 08:00:02", 0),
        ("2026-01-15 13:30:02", 0),
    ] {
        let jobs = found(&rig, json!([write("r-2", time)])).await;
        assert_eq!(jobs.len(), number, "{time}");
    }
}

#[tokio::test]
async fn what_this_process_lost_is_looked_for_by_its_command() {
    let rig = Rig::answering(&[]);
    learn_zone(&rig, "2026-01-15 08:00:01").await;
    rig.then(vec![
        good(&json!({ "dataSet": [] })),
        good(&json!({ "commandId": "c-1" })),
        lost(),
    ]);
    rig.provider
        .submit(&order(&["i-1"], "Asia/Tokyo"))
        .await
        .unwrap_err();
    rig.sent();
    rig.wait(31);
    found(&rig, json!([])).await;
    assert_eq!(rig.sent()[0].1["commandIds"], json!(["c-1"]));
}

#[tokio::test]
async fn of_many_phones_a_part_is_asked_for() {
    let rig = Rig::answering(&[]);
    learn_zone(&rig, "2026-01-15 08:00:01").await;
    rig.then(vec![good(&json!({ "dataSet": [] }))]);
    let ids: Vec<String> = (0..150).map(|number| format!("i-{number}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let lost = LostSubmit {
        mark: 7,
        call: call::SETTINGS.into(),
        phones: phones(&ids),
        writes: order(&[], "Asia/Tokyo").writes,
        sent_at: NOW,
    };
    rig.provider.find(&lost).await.unwrap();
    let asked = rig.sent()[0].1["instanceIds"].as_array().unwrap().len();
    assert_eq!(asked, 100);
}
