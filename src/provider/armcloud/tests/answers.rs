//! Errors of whole answers: HTTP statuses, codes, broken connections, bodies that are no JSON.

use super::{NOW, Rig, phones, response};
use crate::model::observed::ReadKind;
use crate::model::value::{Value, Wish};
use crate::provider::armcloud::answer::cleaned;
use crate::provider::armcloud::table::call;
use crate::provider::{Accepted, CallError, ErrorKind, Order, Provider, ReadRequest};
use crate::transport::{Response, TransportError};
use proptest::prelude::*;
use std::time::Duration;

fn order(codes: &[&str]) -> Order {
    Order {
        mark: 7,
        call: call::TIME_ZONE,
        phones: phones(codes),
        writes: [(
            "timezone".parse().unwrap(),
            Wish::Set(Value::Text("UTC".into())),
        )]
        .into(),
        app: None,
        image: None,
    }
}

async fn refused(answer: Result<Response, TransportError>) -> CallError {
    let rig = Rig::with(vec![answer]);
    let order = order(&["AC1", "AC10", "AC2"]);
    rig.provider.submit(&order).await.unwrap_err()
}

async fn answered(status: u16, body: &str) -> CallError {
    refused(Ok(response(status, &[], body))).await
}

fn verdict(error: &CallError) -> (ErrorKind, Accepted) {
    (error.kind, error.accepted)
}

#[tokio::test]
async fn statuses_decide_before_codes() {
    use Accepted::{Maybe, No};
    use ErrorKind::{Malformed, Refused, Throttled, Transient, Unauthorised};
    for (status, body, expected, code) in [
        (
            401,
            r#"{"code":2031,"msg":"unknown key"}"#,
            (Unauthorised, No),
            "2031",
        ),
        (403, "<html>", (Unauthorised, No), "403"),
        (404, r#"{"code":500,"msg":"x"}"#, (Refused, No), "404"),
        (
            400,
            r#"{"code":110031,"msg":"x"}"#,
            (ErrorKind::NotReady, No),
            "110031",
        ),
        (405, "", (Refused, No), "405"),
        (429, "", (Throttled, No), "429"),
        (500, r#"{"code":500,"msg":"x"}"#, (Transient, Maybe), "500"),
        (502, "<html>bad gateway", (Transient, Maybe), "502"),
        (503, "", (Transient, Maybe), "503"),
        (504, "", (Transient, Maybe), "504"),
    ] {
        let error = answered(status, body).await;
        assert_eq!(verdict(&error), expected, "{status}");
        assert_eq!(error.code.as_deref(), Some(code), "{status}");
    }
    let moved = answered(302, "").await;
    assert_eq!(verdict(&moved), (Malformed, Maybe));
}

#[tokio::test]
async fn a_code_and_its_words_name_the_phones_at_fault() {
    let error = answered(
        200,
        r#"{"msg":"instance AC10, AC2 does not exist","code":110028,"ts":1,"data":{"odd":[1]}}"#,
    )
    .await;
    assert_eq!(verdict(&error), (ErrorKind::NotFound, Accepted::No));
    let named: Vec<_> = error.phones.iter().map(ToString::to_string).collect();
    assert_eq!(named, ["AC10", "AC2"]);
    // Words are missing: the table's stand in.
    let error = answered(200, r#"{"msg":null,"code":"100011","data":null}"#).await;
    assert_eq!(error.message, "the same request is in progress");
    assert_eq!(verdict(&error), (ErrorKind::Busy, Accepted::No));
    let error = answered(200, r#"{"msg":"?","code":31337}"#).await;
    assert_eq!(verdict(&error), (ErrorKind::Transient, Accepted::Maybe));
    let error = answered(200, r#"{"msg":"System is busy","code":500}"#).await;
    assert_eq!(error.kind, ErrorKind::Transient);
}

#[tokio::test]
async fn throttling_says_when_to_come_back() {
    let body = r#"{"msg":"Too many requests. Please try again later..","code":429,"data":null}"#;
    let reset = NOW.after(Duration::from_secs(7));
    for (status, header) in [
        (429, (reset.0 / 1000).to_string()),
        (200, (reset.0 / 1000).to_string()),
        (429, reset.0.to_string()),
    ] {
        let headers = [
            ("X-RateLimit-Reset", header.as_str()),
            ("X-RateLimit-Type", "qps"),
        ];
        let error = refused(Ok(response(status, &headers, body))).await;
        assert_eq!(verdict(&error), (ErrorKind::Throttled, Accepted::No));
        assert_eq!(error.retry_at, Some(reset));
    }
    let error = answered(429, body).await;
    assert_eq!(error.retry_at, None);
}

#[tokio::test]
async fn what_is_no_answer_of_this_api_is_malformed_and_may_have_been_accepted() {
    for body in [
        "<html>\r\n<title>Sign in\u{1b}[31m</title>",
        "",
        "[]",
        "null",
        r#"{"data":[]}"#,
        r#"{"code":200,"data":[1,2]}"#,
        r#"{"code":200,"data":[{"taskId":1}"#,
        "\u{0}\u{0}",
    ] {
        let error = answered(200, body).await;
        assert_eq!(
            verdict(&error),
            (ErrorKind::Malformed, Accepted::Maybe),
            "{body:?}"
        );
        assert!(!error.message.chars().any(char::is_control));
    }
    let html = answered(200, &format!("<html>{}", "x".repeat(1000))).await;
    assert!(html.message.contains("<html>xxx"), "{}", html.message);
    assert!(html.message.len() < 200, "{}", html.message);
}

#[tokio::test]
async fn a_broken_connection_may_have_been_accepted_only_if_the_request_can_have_left() {
    let why = || -> Box<dyn std::error::Error + Send + Sync> { "connection refused".into() };
    let connect = TransportError::Connect {
        endpoint: "https://x".to_owned(),
        source: why(),
    };
    let error = refused(Err(connect)).await;
    assert_eq!(verdict(&error), (ErrorKind::Transient, Accepted::No));
    assert_eq!(
        error.message,
        "cannot connect to https://x: connection refused"
    );
    for lost in [
        TransportError::Timeout(Duration::from_secs(30)),
        TransportError::Broken(why()),
        TransportError::TooLarge(5),
    ] {
        let error = refused(Err(lost)).await;
        assert_eq!(verdict(&error), (ErrorKind::Transient, Accepted::Maybe));
    }
}

#[tokio::test]
async fn a_read_changes_nothing_whatever_came_of_it() {
    let listing = ReadRequest {
        kind: ReadKind::Listing,
        phones: phones(&[]),
        attributes: [].into(),
        cursor: None,
    };
    for answer in [
        Ok(response(502, &[], "")),
        Ok(response(200, &[], "<html>")),
        Ok(response(200, &[], r#"{"code":31337}"#)),
        Err(TransportError::Timeout(Duration::from_secs(1))),
    ] {
        let rig = Rig::with(vec![answer]);
        let error = rig.provider.read(&listing).await.unwrap_err();
        assert_eq!(error.accepted, Accepted::No);
    }
}

#[test]
fn words_are_cleaned() {
    assert_eq!(cleaned("  a\r\n\tb\u{7}c \u{202e}d ", 300), "a b c d");
    assert_eq!(cleaned("葫芦侠葫芦侠", 3), "葫芦侠");
    assert_eq!(cleaned("", 3), "");
}

proptest! {
    #[test]
    fn cleaned_words_are_short_and_on_one_line(text in any::<String>(), most in 0_usize..400) {
        let line = cleaned(&text, most);
        prop_assert!(line.chars().count() <= most);
        prop_assert!(!line.chars().any(char::is_control));
    }

    #[test]
    fn any_body_is_survived(status in 100_u16..600, body in any::<Vec<u8>>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut answer = response(200, &[], "");
        *answer.status_mut() = http::StatusCode::from_u16(status).unwrap();
        *answer.body_mut() = body.into();
        let told = runtime.block_on(refused(Ok(answer)));
        prop_assert!(told.message.chars().count() <= 300);
    }
}
