//! Answers: the manual's sample, failures with status 200, codes within data, statuses without codes.

use super::{KEYS, Rig, account, phones, response};
use crate::model::attribute::Attribute;
use crate::model::stamp::Timestamp;
use crate::model::value::{Value, Wish};
use crate::provider::{
    Accepted, CallError, ErrorKind, Found, JobRef, JobState, LostSubmit, Order, Provider,
    RowOutcome, Submission,
};
use crate::transport::{Response, TransportError};
use std::sync::Arc;
use std::time::Duration;

const SAMPLE: &str = include_str!("../../../../tests/fixtures/koophone/async-command.json");

fn order() -> Order {
    Order {
        mark: 7,
        call: "async-command",
        phones: phones(&["a44uhlf7", "efjy72gs"]),
        writes: Arc::from([(
            Attribute::Timezone,
            Wish::Set(Value::Text("Asia/Tokyo".into())),
        )]),
        app: None,
        image: None,
    }
}

async fn submitted(body: &str) -> Submission {
    Rig::answering(&[body])
        .provider
        .submit(&order())
        .await
        .unwrap()
}

async fn refused(answer: Result<Response, TransportError>) -> CallError {
    let rig = Rig::with(&account(KEYS, &[]), vec![answer]);
    rig.provider.submit(&order()).await.unwrap_err()
}

fn jobs(submission: &Submission) -> Vec<(&str, &str)> {
    submission
        .rows
        .iter()
        .map(|(phone, outcome)| match outcome {
            RowOutcome::Job(job) => (phone.as_str(), job.as_str()),
            RowOutcome::Done | RowOutcome::Exists(_) | RowOutcome::Refused(_) => {
                panic!("{outcome:?}")
            }
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_manuals_sample_is_read_as_it_is() {
    assert_eq!(
        jobs(&submitted(SAMPLE).await),
        [
            (
                "a44uhlf7",
                "6837531fd3f54550927b930180a706bf/1564567b8bab40f34711234cb80d0123"
            ),
            (
                "efjy72gs",
                "6837531fd3f54550927b930180a706bf/1564567b8bab40f34711234cb80d0456"
            ),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn phones_without_a_row_stay_without_one() {
    let told = submitted(
        r#"{"error_code":0,"data":{"task_id":"t","cmd_jobs":[
            {"instance_id":"efjy72gs","job_id":"1"},{"instance_id":"efjy72gs","job_id":"2"},
            {"instance_id":"stranger","job_id":"3"},{"instance_id":"a44uhlf7","job_id":""},{"job_id":"4"}]}}"#,
    )
    .await;
    assert_eq!(jobs(&told), [("efjy72gs", "t/1")]);
    for nothing in [
        r#"{"error_code":"0","data":{"cmd_jobs":[{"instance_id":"a44uhlf7","job_id":"1"}]}}"#,
        r#"{"error_code":"0","data":{"task_id":"../escape","cmd_jobs":[{"instance_id":"a44uhlf7","job_id":"1"}]}}"#,
        r#"{"error_code":"0","data":{"task_id":"t"}}"#,
    ] {
        assert_eq!(submitted(nothing).await.rows, [], "{nothing}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_with_status_200_is_a_failure() {
    let cases = [
        (
            r#"{"error_code":"KOOPHONE.API.1001","error_msg":"no right on a44uhlf7"}"#,
            ErrorKind::Refused,
            Accepted::No,
        ),
        (
            r#"{"error_code":"KooPhone.API.2006","error_msg":""}"#,
            ErrorKind::NotReady,
            Accepted::No,
        ),
        (
            r#"{"error_code":"KP.API.9999","data":null}"#,
            ErrorKind::Transient,
            Accepted::Maybe,
        ),
        (
            r#"{"error_code":4001,"data":"odd"}"#,
            ErrorKind::NotFound,
            Accepted::No,
        ),
        (
            r#"{"error_code":"0","error_msg":"ok","data":{"error_code":"common.00001000","error_msg":"bad"}}"#,
            ErrorKind::Refused,
            Accepted::No,
        ),
        (
            r#"{"data":{"error_code":"KOOPHONE.API.1012","error_msg":"bad"}}"#,
            ErrorKind::Refused,
            Accepted::No,
        ),
        (
            r#"{"error_code":"KOOPHONE.API.8888","error_msg":"new"}"#,
            ErrorKind::Transient,
            Accepted::Maybe,
        ),
    ];
    for (body, kind, accepted) in cases {
        let error = refused(Ok(response(200, &[], body))).await;
        assert_eq!((error.kind, error.accepted), (kind, accepted), "{body}");
        assert!(!error.message.is_empty() && error.code.is_some(), "{body}");
    }
    let error = refused(Ok(response(200, &[], cases[0].0))).await;
    assert_eq!(error.phones, phones(&["a44uhlf7"]).to_vec());
    let silent = refused(Ok(response(200, &[], cases[1].0))).await;
    assert_eq!(silent.message, "the phone is being backed up");
}

/// Status, body, and what is made of them.
type Case<'a> = (u16, &'a str, ErrorKind, Accepted);

async fn all_are(cases: &[Case<'_>]) {
    for (status, body, kind, accepted) in cases {
        let error = refused(Ok(response(*status, &[], body))).await;
        assert_eq!(
            (error.kind, error.accepted),
            (*kind, *accepted),
            "{status} {body}: {error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_code_counts_before_the_status() {
    let cases = [
        (
            400,
            r#"{"error_code":"KOOPHONE.API.1000","error_msg":"bad"}"#,
            ErrorKind::Refused,
            Accepted::No,
        ),
        (
            500,
            r#"{"error_code":"KOOPHONE.API.9999","error_msg":"bad"}"#,
            ErrorKind::Transient,
            Accepted::Maybe,
        ),
        (
            500,
            r#"{"error_code":"KOOPHONE.API.2004","error_msg":"frozen"}"#,
            ErrorKind::NotReady,
            Accepted::No,
        ),
        (
            401,
            r#"{"error_code":"APIGW.0301","error_msg":"token"}"#,
            ErrorKind::Unauthorised,
            Accepted::No,
        ),
        (
            429,
            r#"{"error_code":"APIGW.0308","error_msg":"limit"}"#,
            ErrorKind::Throttled,
            Accepted::No,
        ),
        (
            502,
            r#"{"error_code":"APIGW.0201","error_msg":"backend"}"#,
            ErrorKind::Transient,
            Accepted::Maybe,
        ),
        (
            413,
            r#"{"error_code":"APIGW.0201","error_msg":"large"}"#,
            ErrorKind::Refused,
            Accepted::No,
        ),
        (
            500,
            r#"{"error_code":"0","error_msg":"ok"}"#,
            ErrorKind::Transient,
            Accepted::Maybe,
        ),
    ];
    all_are(&cases).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_code_the_status_counts() {
    let cases = [
        (502, "<html>", ErrorKind::Transient, Accepted::Maybe),
        (429, "<html>", ErrorKind::Throttled, Accepted::No),
        (403, "", ErrorKind::Unauthorised, Accepted::No),
        (408, "", ErrorKind::Transient, Accepted::Maybe),
        (404, "{}", ErrorKind::Refused, Accepted::No),
        (302, "", ErrorKind::Malformed, Accepted::Maybe),
        (
            200,
            "<html>Welcome</html>",
            ErrorKind::Malformed,
            Accepted::Maybe,
        ),
        (200, "{}", ErrorKind::Malformed, Accepted::Maybe),
        (200, "[]", ErrorKind::Malformed, Accepted::Maybe),
        (
            200,
            r#"{"error_code":"0","error_msg":"ok"}"#,
            ErrorKind::Malformed,
            Accepted::Maybe,
        ),
        (
            200,
            r#"{"error_code":"0","data":7}"#,
            ErrorKind::Malformed,
            Accepted::Maybe,
        ),
    ];
    all_are(&cases).await;
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_comes_back_when_it_is_told_to() {
    let body = r#"{"error_code":"APIGW.0308","error_msg":"limit"}"#;
    let error = refused(Ok(response(429, &[("retry-after", "7")], body))).await;
    assert_eq!(error.retry_at, Some(Timestamp(super::NOW + 7_000)));
    let error = refused(Ok(response(429, &[], "<html>"))).await;
    assert_eq!(error.retry_at, None);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_may_have_been_accepted_and_cannot_be_looked_up() {
    let late = TransportError::Timeout(Duration::from_secs(30));
    assert_eq!(refused(Err(late)).await.accepted, Accepted::Maybe);
    let nowhere = TransportError::Connect {
        endpoint: "https://koophone.myhuaweicloud.com".into(),
        source: "no route".into(),
    };
    assert_eq!(refused(Err(nowhere)).await.accepted, Accepted::No);
    let rig = Rig::answering(&[]);
    let lost = LostSubmit {
        mark: 7,
        call: "async-command".into(),
        phones: phones(&["a44uhlf7"]),
        writes: [].into(),
        sent_at: Timestamp(super::NOW),
    };
    assert_eq!(rig.provider.find(&lost).await.unwrap(), Found::CannotLook);
    assert!(rig.sent().is_empty());
}

fn job(id: &str, phone: &str, call: &str) -> JobRef {
    JobRef {
        job: id.into(),
        phone: phone.into(),
        call: call.into(),
    }
}

#[tokio::test(start_paused = true)]
async fn jobs_are_told_by_their_ids_alone() {
    let body = r#"{"error_code":"0","error_msg":"success","data":{"jobs":[
        {"job_id":"1","status":2,"error_code":"0","error_msg":"","execute_msg":"Asia/Tokyo\n"},
        {"job_id":"2","status":"1"},
        {"job_id":"3","status":-1,"error_code":"CPS0005","error_msg":""},
        {"job_id":"4","status":3},
        {"job_id":"9","status":2}]}}"#;
    let rig = Rig::answering(&[body]);
    let call = "async-command";
    let asked = [
        job("t/1", "a", call),
        job("t/2", "b", call),
        job("t/3", "c", call),
        job("t/4", "d", call),
        job("t/5", "e", call),
    ];
    let told = rig.provider.poll(&asked).await.unwrap();
    let states: Vec<(&str, &JobState)> = told
        .iter()
        .map(|report| (report.phone.as_str(), &report.state))
        .collect();
    assert_eq!(
        states,
        [
            ("a", &JobState::Succeeded(Some("Asia/Tokyo\n".into()))),
            ("b", &JobState::Open),
            (
                "c",
                &JobState::Failed("failed: no such phone (CPS0005)".into())
            ),
            // Not in the table of commands.
            ("d", &JobState::Open),
        ]
    );
    assert_eq!(rig.sent(), ["GET /v1/instances/tasks/t"]);
}

#[tokio::test(start_paused = true)]
async fn installs_have_a_table_of_their_own() {
    let body = r#"{"error_code":"0","data":{"jobs":[{"job_id":"0","status":0},{"job_id":"1","status":1},
        {"job_id":"2","status":2},{"job_id":"3","status":3,"error_msg":"no space"},{"job_id":"4","status":-1},{"job_id":"5","status":77}]}}"#;
    let rig = Rig::answering(&[body]);
    let asked: Vec<JobRef> = (0..6)
        .map(|n| job(&format!("ZGCA1/{n}"), "a", "app/install"))
        .collect();
    let told = rig.provider.poll(&asked).await.unwrap();
    let states: Vec<JobState> = told.into_iter().map(|report| report.state).collect();
    assert_eq!(
        states,
        [
            JobState::Open,
            JobState::Open,
            JobState::Succeeded(None),
            JobState::Failed("failed: no space".into()),
            JobState::Failed("failed".into()),
            JobState::Open,
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_poll_is_about_one_task() {
    let rig = Rig::answering(&[]);
    for jobs in [
        vec![],
        vec![
            job("a/1", "x", "async-command"),
            job("b/1", "y", "async-command"),
        ],
        vec![job("none", "x", "async-command")],
        vec![job("../1", "x", "async-command")],
    ] {
        let error = rig.provider.poll(&jobs).await.unwrap_err();
        assert!(error.message.contains("bug"), "{error}");
    }
    assert!(rig.sent().is_empty());
}
