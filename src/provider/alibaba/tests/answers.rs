//! Answers: errors by code and status, and answers that are not as they should be.

use super::{NOW, Rig, phones, response};
use crate::model::attribute::Attribute;
use crate::model::id::{JobId, PhoneId};
use crate::model::observed::ReadKind;
use crate::model::stamp::Timestamp;
use crate::model::value::{Value, Wish};
use crate::provider::alibaba::table::call;
use crate::provider::{
    Accepted, CallError, ErrorKind, JobRef, JobState, Order, Provider, ReadRequest, RowOutcome,
};
use crate::transport::{Response, TransportError};
use std::time::Duration;

fn timezone() -> Order {
    Order {
        mark: 7,
        call: call::COMMAND,
        phones: phones(&["acp-1", "acp-12"]),
        writes: [(
            Attribute::Timezone,
            Wish::Set(Value::Text("Asia/Tokyo".into())),
        )]
        .into(),
        app: None,
        image: None,
    }
}

fn listing() -> ReadRequest {
    ReadRequest {
        kind: ReadKind::Listing,
        phones: phones(&[]),
        attributes: [].into(),
        cursor: None,
    }
}

async fn refused(answer: Result<Response, TransportError>) -> CallError {
    let rig = Rig::with(vec![answer], &[]);
    rig.provider.submit(&timezone()).await.unwrap_err()
}

async fn unread(answer: Result<Response, TransportError>) -> CallError {
    let rig = Rig::with(vec![answer], &[]);
    rig.provider.read(&listing()).await.unwrap_err()
}

fn error(status: u16, code: &str) -> Result<Response, TransportError> {
    let body = format!(
        r#"{{"RequestId":"R8","HostId":"h","Code":"{code}","Message":"said acp-12, not acp-123 ","Recommend":"r"}}"#
    );
    Ok(response(status, &[], &body))
}

#[tokio::test]
async fn errors_are_of_the_kind_that_their_code_says() {
    use Accepted::{Maybe, No};
    use ErrorKind::{Busy, NotReady, Refused, Throttled, Transient, Unauthorised};
    for (status, code, kind, accepted) in [
        (400, "Throttling.User", Throttled, No),
        (429, "Throttling.Api", Throttled, No),
        (503, "ServiceUnavailable", Transient, Maybe),
        (500, "InternalError", Transient, Maybe),
        (400, "InvalidTimeStamp.Expired", Unauthorised, No),
        (400, "SignatureNonceUsed", Transient, Maybe),
        (403, "Forbidden.RAM", Unauthorised, No),
        (400, "InvalidParameter.X", Refused, No),
        (400, "OperationConflict", Busy, No),
        (400, "IncorrectInstanceStatus", NotReady, No),
        (400, "WhoKnows", Refused, No),
        (500, "WhoKnows", Transient, Maybe),
        (200, "WhoKnows", Refused, Maybe),
    ] {
        let told = refused(error(status, code)).await;
        assert_eq!((told.kind, told.accepted), (kind, accepted), "{code}");
        assert_eq!(told.code.as_deref(), Some(code));
        assert_eq!(told.message, "said acp-12, not acp-123");
        assert_eq!(told.phones, [PhoneId::from("acp-12")]);
        let told = unread(error(status, code)).await;
        assert_eq!((told.kind, told.accepted), (kind, No), "{code}");
    }
}

#[tokio::test]
async fn statuses_count_where_there_is_no_code() {
    for (status, kind) in [
        (429, ErrorKind::Throttled),
        (403, ErrorKind::Unauthorised),
        (404, ErrorKind::Refused),
        (502, ErrorKind::Transient),
        (302, ErrorKind::Malformed),
    ] {
        let told = refused(Ok(response(status, &[], "<html>Bad Gateway</html>"))).await;
        assert_eq!(told.kind, kind, "{status}");
    }
}

#[tokio::test]
async fn the_time_to_come_back_is_in_milliseconds() {
    let body = r#"{"Code":"Throttling.User","Message":"slow"}"#;
    for (wait, until) in [("1500", 1500), ("-5", 0), ("99999999999", 3_600_000)] {
        let told = refused(Ok(response(400, &[("x-acs-retry-after", wait)], body))).await;
        assert_eq!(told.retry_at, Some(Timestamp(NOW.0 + until)), "{wait}");
    }
    let told = refused(Ok(response(400, &[("x-acs-retry-after", "soon")], body))).await;
    assert_eq!((told.kind, told.retry_at), (ErrorKind::Throttled, None));
    // Who is told when to come back is throttled, whatever the code.
    let odd = r#"{"Code":"SomethingNew","Message":"slow"}"#;
    let told = refused(Ok(response(400, &[("x-acs-retry-after", "100")], odd))).await;
    assert_eq!(told.kind, ErrorKind::Throttled);
}

#[tokio::test]
async fn what_is_no_answer_is_malformed_or_broken() {
    for body in ["<html>Welcome</html>", "", "[]", "null", r#"{"Data":7}"#] {
        let told = unread(Ok(response(200, &[], body))).await;
        assert_eq!(told.kind, ErrorKind::Malformed, "{body}");
    }
    for body in ["{}", r#"{"TotalCount":3}"#, r#"{"InstanceModel":null}"#] {
        let told = unread(Ok(response(200, &[], body))).await;
        assert_eq!(told.kind, ErrorKind::Malformed, "{body}");
    }
    let lost = refused(Err(TransportError::Timeout(Duration::from_secs(30)))).await;
    assert_eq!(
        (lost.kind, lost.accepted),
        (ErrorKind::Transient, Accepted::Maybe)
    );
    let unsent = refused(Err(TransportError::Connect {
        endpoint: "https://x".to_owned(),
        source: "no route".into(),
    }))
    .await;
    assert_eq!(unsent.accepted, Accepted::No);
}

#[tokio::test]
async fn secrets_are_not_repeated() {
    let body = format!(
        r#"{{"Code":"SignatureDoesNotMatch","Message":"no: {} {}"}}"#,
        super::SECRET,
        super::ID
    );
    let told = refused(Ok(response(400, &[], &body))).await;
    assert_eq!(told.message, "no: *** ***");
}

#[tokio::test]
async fn a_token_that_is_over_is_read_again_for_the_next_request() {
    let over = r#"{"Code":"InvalidSecurityToken.Expired","Message":"over"}"#;
    let rig = Rig::with(
        vec![
            Ok(response(400, &[], over)),
            Ok(response(200, &[], r#"{"InstanceModel":[]}"#)),
        ],
        &[("securityToken", "STS")],
    );
    let told = rig.provider.read(&listing()).await.unwrap_err();
    assert_eq!(told.kind, ErrorKind::Unauthorised);
    rig.provider.read(&listing()).await.unwrap();
    let tokens: Vec<_> = rig
        .sent()
        .iter()
        .map(|request| request.headers()["x-acs-security-token"].clone())
        .collect();
    assert_eq!(tokens, [super::TOKEN, "NextToken"]);
}

#[tokio::test]
async fn phones_without_a_row_have_none() {
    let rig = Rig::answering(&[
        r#"{"TaskId":"t-0","RunCommandInfos":[{"InstanceId":"acp-12","InvokeId":"t-2"},{"InstanceId":"other","ChildTaskId":"t-3"},{"InstanceId":"acp-1"}]}"#,
        r#"{"TaskId":"t-0","RequestId":"R"}"#,
        r#"{"RequestId":"R"}"#,
    ]);
    let submit = async || rig.provider.submit(&timezone()).await.unwrap().rows;
    let job = |phone: &str, job: &str| (PhoneId::from(phone), RowOutcome::Job(JobId::new(job)));
    assert_eq!(submit().await, [job("acp-12", "t-2")]);
    assert_eq!(
        submit().await,
        [job("acp-1", "t-0/acp-1"), job("acp-12", "t-0/acp-12")]
    );
    assert_eq!(submit().await, []);
}

#[tokio::test]
async fn only_the_status_of_a_task_tells_its_end() {
    let row = |id: &str, status: &str| {
        format!(
            r#"{{"TaskId":"{id}","TaskStatus":"{status}","FinishTime":"2022-10-11T08:53:32Z","Result":"out","ErrorCode":"SendFileFailed","ErrorMsg":"connect error."}}"#
        )
    };
    let statuses = [
        "Waiting",
        "Processing",
        "SomethingNew",
        "Finished",
        "FINISHED",
        "Failed",
        "Skipped",
        "PartFinished",
    ];
    let rows: Vec<String> = statuses
        .iter()
        .enumerate()
        .map(|(place, status)| row(&format!("t-{place}"), status))
        .collect();
    let body = format!(r#"{{"Data":[{}],"TotalCount":8}}"#, rows.join(","));
    let jobs: Vec<JobRef> = (0..statuses.len())
        .map(|place| JobRef {
            job: JobId::new(format!("t-{place}")),
            phone: PhoneId::new(format!("acp-{place}")),
            call: "read".into(),
        })
        .collect();
    let rig = Rig::answering(&[&body]);
    let reports = rig.provider.poll(&jobs).await.unwrap();
    let states: Vec<JobState> = reports.into_iter().map(|report| report.state).collect();
    let failed = |what: &str| JobState::Failed(format!("{what}: SendFileFailed: connect error."));
    let output = Some("out".to_owned());
    assert_eq!(
        states,
        [
            JobState::Open,
            JobState::Open,
            JobState::Open,
            JobState::Succeeded(output.clone()),
            JobState::Succeeded(output),
            failed("failed"),
            failed("skipped"),
            failed("partly finished"),
        ]
    );
}

#[tokio::test]
async fn the_manuals_sample_is_a_task_that_still_runs() {
    let sample = include_str!("../../../../tests/fixtures/alibaba/describe-tasks.json");
    let rig = Rig::answering(&[sample]);
    let job = JobRef {
        job: JobId::new("t-bp67acfmxazb4p****"),
        phone: "acp-25nt4kk9whhok****".into(),
        call: "StartInstance".into(),
    };
    let reports = rig.provider.poll(std::slice::from_ref(&job)).await.unwrap();
    assert_eq!(reports.len(), 1);
    assert_eq!(
        (&reports[0].phone, &reports[0].state),
        (&job.phone, &JobState::Open)
    );
}
