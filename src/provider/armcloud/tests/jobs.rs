//! Work on phones: what submit answers, polls, the list of tasks and the probe say.

use super::{NOW, Rig, phones, response};
use crate::model::id::{JobId, PhoneId};
use crate::model::stamp::Timestamp;
use crate::model::value::{Location, Value, Wish};
use crate::provider::armcloud::table::call;
use crate::provider::{
    ErrorKind, Found, JobRef, JobState, LostSubmit, Order, Provider, RowOutcome, Submission,
};
use std::time::Duration;

fn order(name: &'static str, codes: &[&str]) -> Order {
    let wish = |attribute: &str, value| (attribute.parse().unwrap(), Wish::Set(value));
    let write = match name {
        call::LOCATION => wish(
            "location",
            Value::Location(Box::new(Location {
                latitude: "1".into(),
                longitude: "2".into(),
                altitude: None,
                speed: None,
                bearing: None,
                horizontal_accuracy: None,
            })),
        ),
        call::ADB => wish("adb", Value::Flag(true)),
        call::IMAGE => wish(
            "image",
            Value::Image(crate::model::value::Image {
                target: crate::model::value::ImageTarget::Id("img-1".into()),
                wipe_data: false,
            }),
        ),
        _ => wish("timezone", Value::Text("UTC".into())),
    };
    Order {
        mark: 7,
        call: name,
        phones: phones(codes),
        writes: [write].into(),
        app: None,
        image: None,
    }
}

async fn submit(name: &'static str, codes: &[&str], data: &str) -> Submission {
    let body = format!(r#"{{"code":200,"msg":"success","ts":1717570663080,"data":{data}}}"#);
    let rig = Rig::answering(&[&body]);
    rig.provider.submit(&order(name, codes)).await.unwrap()
}

fn job(id: &str) -> RowOutcome {
    RowOutcome::Job(JobId::new(id))
}

fn rows(submission: &Submission) -> Vec<(&str, &RowOutcome)> {
    submission
        .rows
        .iter()
        .map(|(phone, outcome)| (phone.as_str(), outcome))
        .collect()
}

#[tokio::test]
async fn rows_become_jobs_and_strangers_are_ignored() {
    let data = r#"[{"taskId":24,"padCode":"A","vmStatus":1},{"taskId":"25","padCode":"B","vmStatus":0,"taskStatus":1},
        {"taskId":26,"padCode":"Z"},{"taskId":27,"padCode":"A"},{"taskId":null,"padCode":"C"}]"#;
    let told = submit(call::TIME_ZONE, &["A", "B", "C"], data).await;
    // C has no task: nobody knows.
    assert_eq!(rows(&told), [("A", &job("24")), ("B", &job("25"))]);
}

#[tokio::test]
async fn one_object_is_one_row_with_or_without_its_phone() {
    for data in [
        r#"{"taskId":11,"padCode":"A"}"#,
        r#"{"taskId":11}"#,
        r#"[{"taskId":11}]"#,
    ] {
        let told = submit(call::TIME_ZONE, &["A"], data).await;
        assert_eq!(rows(&told), [("A", &job("11"))], "{data}");
    }
    // With two phones a row without a phone says nothing of either.
    let told = submit(call::TIME_ZONE, &["A", "B"], r#"{"taskId":11}"#).await;
    assert_eq!(rows(&told), []);
}

#[tokio::test]
async fn the_same_task_may_exist_with_and_without_its_id() {
    let data = r#"[{"taskId":9,"padCode":"A","taskStatus":-1},{"taskId":null,"padCode":"B","taskStatus":"-1"},{"taskId":0,"padCode":"C","taskStatus":-1}]"#;
    let told = submit(call::TIME_ZONE, &["A", "B", "C"], data).await;
    assert_eq!(
        rows(&told),
        [
            ("A", &RowOutcome::Exists(Some(JobId::new("9")))),
            ("B", &RowOutcome::Exists(None)),
            ("C", &RowOutcome::Exists(None)),
        ]
    );
}

#[tokio::test]
async fn only_the_location_is_done_by_a_bare_true() {
    let told = submit(call::LOCATION, &["A", "B"], "true").await;
    assert_eq!(
        rows(&told),
        [("A", &RowOutcome::Done), ("B", &RowOutcome::Done)]
    );
    let told = submit(call::LOCATION, &["A"], "false").await;
    assert!(matches!(told.rows[0].1, RowOutcome::Refused(_)));
    let told = submit(call::LOCATION, &["A"], r#"[{"taskId":5,"padCode":"A"}]"#).await;
    assert_eq!(rows(&told), [("A", &job("5"))]);
    for data in ["true", "null", "[]", r#""ok""#, "3"] {
        let told = submit(call::TIME_ZONE, &["A"], data).await;
        assert_eq!(rows(&told), [], "{data}");
    }
}

#[tokio::test]
async fn the_adb_switch_answers_its_final_status() {
    let data = r#"[{"taskId":1,"padCode":"A","taskStatus":3},{"padCode":"B","taskStatus":-5,"errorMsg":"pad abnormal"},
        {"taskId":3,"padCode":"C","taskStatus":2},{"taskId":4,"padCode":"D","taskStatus":-1}]"#;
    let told = submit(call::ADB, &["A", "B", "C", "D"], data).await;
    let told = rows(&told);
    assert_eq!(told[0], ("A", &RowOutcome::Done));
    assert_eq!(told[2], ("C", &job("3")));
    for row in [told[1], told[3]] {
        assert!(matches!(row.1, RowOutcome::Refused(error) if error.kind == ErrorKind::Transient));
    }
}

#[tokio::test]
async fn an_image_is_refused_row_by_row() {
    let data = r#"[{"taskId":63,"padCode":"A","errorMsg":null},{"taskId":null,"padCode":"B","errorMsg":"instance is\u0007 busy"},
        {"taskId":64,"padCode":"C","errorMsg":"ADB call succeeded"}]"#;
    let told = submit(call::IMAGE, &["A", "B", "C"], data).await;
    let told = rows(&told);
    assert_eq!(told[0], ("A", &job("63")));
    assert!(matches!(told[1].1, RowOutcome::Refused(error) if error.message == "instance is busy"));
    // With a task, the task decides.
    assert_eq!(told[2], ("C", &job("64")));
}

#[tokio::test]
async fn partial_failure_as_two_lists_is_understood() {
    for (list, code, words) in [
        ("failList", r#""errCode":110031"#, r#""errMsg":"not ready""#),
        (
            "failedList",
            r#""errorCode":"PAD_NOT_RUNNING""#,
            r#""errorMsg":"x""#,
        ),
    ] {
        let data = format!(
            r#"{{"successList":[{{"padCode":"A","taskId":1}}],"{list}":[{{"padCode":"B",{code},{words}}}]}}"#
        );
        let told = submit(call::TIME_ZONE, &["A", "B"], &data).await;
        let told = rows(&told);
        assert_eq!(told[0], ("A", &job("1")));
        assert!(
            matches!(told[1].1, RowOutcome::Refused(error) if error.kind == ErrorKind::NotReady)
        );
    }
}

fn job_ref(id: &str, phone: &str, name: &str) -> JobRef {
    JobRef {
        job: JobId::new(id),
        phone: PhoneId::new(phone),
        call: name.into(),
    }
}

async fn poll(jobs: &[JobRef], data: &str) -> Vec<(String, String, JobState)> {
    let body = format!(r#"{{"code":200,"data":{data}}}"#);
    let reports = Rig::answering(&[&body]).provider.poll(jobs).await.unwrap();
    reports
        .into_iter()
        .map(|r| (r.job.to_string(), r.phone.to_string(), r.state))
        .collect()
}

#[tokio::test]
async fn only_the_status_decides() {
    let state_of = async |fields: &str| {
        let data = format!(r#"[{{"taskId":1,"padCode":"A",{fields}}}]"#);
        poll(&[job_ref("1", "A", call::TIME_ZONE)], &data)
            .await
            .remove(0)
            .2
    };
    let failed = |words: &str| JobState::Failed(words.to_owned());
    let done = |words: &str| JobState::Succeeded(Some(words.to_owned()));
    for open in ["1", "2", "9", "0", "4", "null", r#""running""#, "-17"] {
        assert_eq!(
            state_of(&format!(r#""taskStatus":{open},"endTime":null"#)).await,
            JobState::Open,
            "{open}"
        );
    }
    let success = r#""taskStatus":3,"taskResult":null,"errorMsg":"ADB call succeeded","endTime":1713429401000"#;
    assert_eq!(state_of(success).await, done("ADB call succeeded"));
    assert_eq!(
        state_of(
            r#""taskStatus":"3","taskResult":"Success","errorMsg":"","endTime":"1756021166163""#
        )
        .await,
        done("Success")
    );
    assert_eq!(
        state_of(r#""taskStatus":3"#).await,
        JobState::Succeeded(None)
    );
    assert_eq!(
        state_of("\"taskStatus\":-1,\"errorMsg\":\"no\\nspace\"").await,
        failed("failed: no space")
    );
    assert_eq!(
        state_of(r#""taskStatus":-2"#).await,
        failed("partly failed")
    );
    assert_eq!(state_of(r#""taskStatus":-3"#).await, failed("cancelled"));
    assert_eq!(
        state_of("\"taskStatus\":-4,\"errorMsg\":\"  \"").await,
        failed("timeout")
    );
    assert_eq!(
        state_of("\"taskStatus\":-5,\"taskResult\":\"adb\"").await,
        failed("abnormal: adb")
    );
}

#[tokio::test]
async fn the_output_of_a_command_is_found_where_it_moved() {
    let data = r#"[{"taskId":1,"padCode":"A","taskStatus":3,"taskResult":"Success","errorMsg":"=phonefleet=0\nx\n=phonefleet=1"},
        {"taskId":2,"padCode":"B","taskStatus":3,"taskResult":"=phonefleet=0\ny\n=phonefleet=1","errorMsg":"ADB call succeeded"}]"#;
    let jobs = [
        job_ref("1", "A", call::COMMAND),
        job_ref("2", "B", call::COMMAND),
    ];
    let told = poll(&jobs, data).await;
    for (report, letter) in told.iter().zip(["x", "y"]) {
        assert_eq!(
            report.2,
            JobState::Succeeded(Some(format!("=phonefleet=0\n{letter}\n=phonefleet=1")))
        );
    }
}

#[tokio::test]
async fn reports_are_only_for_jobs_that_were_asked_about() {
    let jobs = [
        job_ref("7", "A", call::TIME_ZONE),
        job_ref("7", "B", call::TIME_ZONE),
        job_ref("8", "C", call::PROXY),
        job_ref("9", "D", call::PROXY),
        job_ref("10", "E", call::TIME_ZONE),
    ];
    let data = r#"[{"taskId":7,"padCode":"B","taskStatus":3},{"taskId":"7","padCode":"A","taskStatus":2},{"taskId":8,"padCode":"C","taskStatus":-1,"errorMsg":"password x"},
        {"taskId":9,"padCode":"D","taskStatus":3,"taskResult":"password x"},{"taskId":10,"padCode":"X","taskStatus":3},{"taskId":99,"taskStatus":3},{"taskStatus":3}]"#;
    let told = poll(&jobs, data).await;
    let seen: Vec<_> = told
        .iter()
        .map(|(job, phone, state)| (job.as_str(), phone.as_str(), state))
        .collect();
    assert_eq!(
        seen,
        [
            ("7", "B", &JobState::Succeeded(None)),
            ("7", "A", &JobState::Open),
            // Words about a proxy may repeat its password.
            ("8", "C", &JobState::Failed("failed".to_owned())),
            ("9", "D", &JobState::Succeeded(None)),
        ]
    );
}

#[tokio::test]
async fn polls_name_each_task_once_and_fit_the_limit() {
    let rig = Rig::answering(&[r#"{"code":200,"data":null}"#]);
    let jobs = [
        job_ref("7", "A", call::TIME_ZONE),
        job_ref("7", "B", call::TIME_ZONE),
        job_ref("TASK-1", "C", call::TIME_ZONE),
    ];
    assert_eq!(rig.provider.poll(&jobs).await.unwrap(), []);
    assert_eq!(
        rig.sent(),
        [(
            "/task-center/open/task/padTaskDetail".to_owned(),
            r#"{"taskIds":[7,"TASK-1"]}"#.to_owned()
        )]
    );
    let many: Vec<JobRef> = (0..101)
        .map(|n| job_ref(&n.to_string(), "A", call::TIME_ZONE))
        .collect();
    assert!(rig.provider.poll(&many).await.is_err());
    assert!(rig.provider.poll(&[]).await.is_err());
}

fn lost(name: &str, codes: &[&str]) -> LostSubmit {
    LostSubmit {
        mark: 7,
        call: name.into(),
        phones: phones(codes),
        writes: [].into(),
        sent_at: NOW,
    }
}

fn batch(created: i64, id: u32, phone: &str) -> String {
    format!(
        r#"{{"taskBatchId":"b","taskBatchStatus":2,"type":1002,"createTimestamp":{created},"subTasks":[{{"taskId":{id},"padCode":"{phone}","taskStatus":2}}]}}"#
    )
}

async fn find(ts: i64, page: &str, batches: &[String]) -> Found {
    let body = format!(
        r#"{{"code":200,"ts":{ts},"data":{{{page}"pageData":[{}]}}}}"#,
        batches.join(",")
    );
    let rig = Rig::answering(&[&body]);
    let found = rig.provider.find(&lost(call::COMMAND, &["A", "B"])).await;
    assert_eq!(
        rig.sent()[0],
        (
            "/task-center/open/task/list".to_owned(),
            r#"{"type":1002,"page":1,"rows":100}"#.to_owned()
        )
    );
    found.unwrap()
}

#[tokio::test]
async fn lost_work_is_found_by_type_phone_and_time() {
    let at = |seconds: i64| NOW.0 + seconds * 1000;
    let found_a = |id: &str| Found::Jobs(vec![(PhoneId::new("A"), JobId::new(id))]);
    // The first task after the submit counts; older ones and other phones' do not.
    let batches = [
        batch(at(40), 3, "A"),
        batch(at(2), 2, "A"),
        batch(at(3), 9, "Z"),
        batch(at(-60), 1, "B"),
    ];
    assert_eq!(find(NOW.0, "", &batches).await, found_a("2"));
    // The vendor's clock is an hour ahead: what looks recent is old.
    assert_eq!(find(at(3600), "", &batches).await, Found::Jobs(Vec::new()));
    let ahead = [batch(at(3602), 4, "A")];
    assert_eq!(find(at(3600), "", &ahead).await, found_a("4"));
}

#[tokio::test]
async fn a_page_that_does_not_reach_back_proves_nothing() {
    let at = |seconds: i64| NOW.0 + seconds * 1000;
    let recent = [batch(at(1), 1, "A"), batch(at(2), 2, "Z")];
    assert_eq!(
        find(NOW.0, r#""totalPage":31,"#, &recent).await,
        Found::Jobs(Vec::new())
    );
    // All phones found: no need to look further.
    let both = [batch(at(1), 1, "A"), batch(at(2), 2, "B")];
    assert!(
        matches!(find(NOW.0, r#""totalPage":31,"#, &both).await, Found::Jobs(jobs) if jobs.len() == 2)
    );
    // A time we cannot read.
    let untimed = r#"{"createTimestamp":"2024-03-01 17:37:00","subTasks":[]}"#.to_owned();
    assert_eq!(find(NOW.0, "", &[untimed]).await, Found::CannotLook);
}

#[tokio::test]
async fn a_build_without_the_list_is_asked_once() {
    let rig = Rig::with(vec![Ok(response(404, &[], "not found"))]);
    let command = lost(call::COMMAND, &["A"]);
    for _ in 0..2 {
        assert_eq!(
            rig.provider.find(&command).await.unwrap(),
            Found::CannotLook
        );
    }
    assert_eq!(rig.sent().len(), 1);
    // No type number is documented: nothing is sent at all.
    let rig = Rig::answering(&[]);
    for name in [call::TIME_ZONE, call::SIM_BY_COUNTRY, call::INSTALL] {
        let found = rig.provider.find(&lost(name, &["A"])).await.unwrap();
        assert_eq!(found, Found::CannotLook);
    }
}

#[tokio::test]
async fn the_probe_tells_clock_count_and_pace() {
    let headers = [
        ("X-RateLimit-Limit", "200"),
        ("X-RateLimit-Remaining", "199"),
        ("Date", "Fri, 01 Mar 2024 09:36:30 GMT"),
    ];
    let data =
        r#""data":{"total":1200,"totalPage":1200,"pageData":[{"padCode":"A","padStatus":10}]}"#;
    let ahead = NOW.after(Duration::from_secs(90)).0;
    let rig = Rig::with(vec![
        Ok(response(
            200,
            &headers,
            &format!(r#"{{"code":200,"ts":{ahead},{data}}}"#),
        )),
        Ok(response(
            200,
            &headers[2..],
            &format!(r#"{{"code":200,{data}}}"#),
        )),
    ]);
    let probe = rig.provider.probe().await.unwrap();
    assert_eq!(probe.clock_offset, Some(90_000));
    assert_eq!(probe.phones, Some(1200));
    assert_eq!(probe.rate, Some((200, 199)));
    let probe = rig.provider.probe().await.unwrap();
    assert_eq!((probe.clock_offset, probe.rate), (Some(-30_000), None));
    assert_eq!(rig.sent()[0].1, r#"{"page":1,"rows":1}"#);
    assert_eq!(NOW.since(Timestamp(0)).as_secs(), 1_709_285_820);
}
