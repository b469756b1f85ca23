//! Tokens: fetched once for all who wait, kept, renewed early, and once after the vendor refused one; and the other ways to sign in.

use super::{KEYS, PASSWORD, Rig, TOKEN, account, response};
use crate::model::observed::ReadKind;
use crate::provider::{Accepted, ErrorKind, Provider, ReadRequest};
use crate::transport::{Response, TransportError};
use std::sync::Arc;
use std::time::Duration;

const PAGE: &str = r#"{"data":{"result":[],"page_no":1,"page_size":100,"total_count":0}}"#;
const UNKNOWN: &str = r#"{"error_code":"APIGW.0301","error_msg":"Incorrect IAM authentication information: token expires","request_id":"1"}"#;

fn listing() -> ReadRequest {
    ReadRequest {
        kind: ReadKind::Listing,
        phones: Arc::from([]),
        attributes: Arc::from([]),
        cursor: None,
    }
}

/// A token that lives so many minutes, by a clock an hour ahead of ours.
fn token(text: &str, minutes: i64) -> Result<Response, TransportError> {
    let at = |ms: i64| jiff::Timestamp::from_millisecond(ms).unwrap().to_string();
    let issued = super::NOW + 3_600_000;
    let body = format!(
        r#"{{"token":{{"issued_at":"{}","expires_at":"{}","methods":["password"],"catalog":[]}}}}"#,
        at(issued),
        at(issued + minutes * 60_000)
    );
    Ok(response(201, &[("X-Subject-Token", text)], &body))
}

fn page() -> Result<Response, TransportError> {
    Ok(response(200, &[], PAGE))
}

fn unknown() -> Result<Response, TransportError> {
    Ok(response(401, &[], UNKNOWN))
}

/// Of each request: the token it carried, or that it asked IAM for one.
fn tokens(rig: &Rig) -> Vec<String> {
    rig.requests()
        .iter()
        .map(|request| match request.headers().get("x-auth-token") {
            Some(token) => {
                assert!(token.is_sensitive());
                token.to_str().unwrap().to_owned()
            }
            None => format!("{} {}", request.method(), request.uri()),
        })
        .collect()
}

const IAM: &str = "POST https://iam.cn-south-1.myhuaweicloud.com/v3/auth/tokens";

#[tokio::test(start_paused = true)]
async fn a_token_is_fetched_once_and_renewed_half_an_hour_before_its_end() {
    let rig = Rig::with(
        &account(PASSWORD, &[]),
        vec![
            token("one", 24 * 60),
            page(),
            page(),
            token("two", 24 * 60),
            page(),
        ],
    );
    rig.provider.read(&listing()).await.unwrap();
    rig.after(24 * 60 - 31);
    rig.provider.read(&listing()).await.unwrap();
    rig.after(2);
    rig.provider.read(&listing()).await.unwrap();
    assert_eq!(tokens(&rig), [IAM, "one", "one", IAM, "two"]);
    let asked = &rig.requests()[0];
    insta::assert_snapshot!(
        std::str::from_utf8(asked.body()).unwrap(),
        @r#"{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"fleet-user","password":"hunter2\"quoted\"","domain":{"name":"fleet-domain"}}}},"scope":{"project":{"name":"cn-south-1"}}}}"#
    );
}

#[tokio::test(start_paused = true)]
async fn a_short_lived_token_is_used_for_most_of_its_life() {
    let rig = Rig::with(
        &account(PASSWORD, &[("region", "ap-southeast-3")]),
        vec![token("one", 20), page(), page(), token("two", 20), page()],
    );
    for minutes in [14, 2, 0] {
        rig.provider.read(&listing()).await.unwrap();
        rig.after(minutes);
    }
    let iam = "POST https://iam.ap-southeast-3.myhuaweicloud.com/v3/auth/tokens";
    assert_eq!(tokens(&rig), [iam, "one", "one", iam, "two"]);
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_a_token_share_it() {
    let mut answers = vec![token("one", 24 * 60)];
    answers.extend((0..8).map(|_| page()));
    let rig = Rig::with(
        &account(PASSWORD, &[("iamEndpoint", "https://iam.example/")]),
        answers,
    );
    let request = listing();
    let reads = (0..8).map(|_| rig.provider.read(&request));
    for told in futures_util::future::join_all(reads).await {
        told.unwrap();
    }
    let mut seen = tokens(&rig);
    assert_eq!(seen.remove(0), "POST https://iam.example/v3/auth/tokens");
    assert_eq!(seen, ["one"; 8]);
}

#[tokio::test(start_paused = true)]
async fn a_token_refused_before_its_time_is_replaced_once_and_the_call_goes_on() {
    let rig = Rig::with(
        &account(PASSWORD, &[]),
        vec![
            token("one", 24 * 60),
            page(),
            unknown(),
            unknown(),
            token("two", 24 * 60),
            page(),
            page(),
        ],
    );
    rig.provider.read(&listing()).await.unwrap();
    let request = listing();
    let both = [rig.provider.read(&request), rig.provider.read(&request)];
    for told in futures_util::future::join_all(both).await {
        told.unwrap();
    }
    assert_eq!(tokens(&rig), [IAM, "one", "one", "one", IAM, "two", "two"]);
}

#[tokio::test(start_paused = true)]
async fn a_new_token_that_is_refused_is_not_replaced_again() {
    let rig = Rig::with(
        &account(PASSWORD, &[]),
        vec![token("one", 24 * 60), unknown()],
    );
    let error = rig.provider.read(&listing()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.accepted),
        (ErrorKind::Unauthorised, Accepted::No)
    );
    assert_eq!(error.code.as_deref(), Some("APIGW.0301"));
    assert_eq!(tokens(&rig), [IAM, "one"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_password_is_said_once_to_all_who_wait_and_never_shown() {
    let refusal = r#"{"error":{"code":401,"message":"The password hunter2\"quoted\" of fleet-user is wrong.","title":"Unauthorized"}}"#;
    let rig = Rig::with(
        &account(PASSWORD, &[]),
        vec![Ok(response(401, &[], refusal))],
    );
    let request = listing();
    let reads = (0..8).map(|_| rig.provider.read(&request));
    for told in futures_util::future::join_all(reads).await {
        let error = told.unwrap_err();
        assert_eq!(
            (error.kind, error.accepted),
            (ErrorKind::Unauthorised, Accepted::No)
        );
        assert_eq!(
            error.message,
            "token from IAM: The password *** of *** is wrong."
        );
    }
    assert_eq!(tokens(&rig), [IAM]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_still_good_is_used_while_iam_does_not_answer() {
    let down = || Ok(response(503, &[], "down"));
    let rig = Rig::with(
        &account(PASSWORD, &[]),
        vec![
            token("one", 24 * 60),
            page(),
            down(),
            page(),
            page(),
            down(),
            page(),
            down(),
        ],
    );
    rig.provider.read(&listing()).await.unwrap();
    rig.after(24 * 60 - 10);
    // Two calls within a minute, and one later: one attempt for each minute.
    rig.provider.read(&listing()).await.unwrap();
    rig.provider.read(&listing()).await.unwrap();
    rig.after(5);
    rig.provider.read(&listing()).await.unwrap();
    rig.after(6);
    let error = rig.provider.read(&listing()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.accepted),
        (ErrorKind::Transient, Accepted::No)
    );
    assert_eq!(error.message, "token from IAM: HTTP status 503");
    assert_eq!(
        tokens(&rig),
        [IAM, "one", IAM, "one", "one", IAM, "one", IAM]
    );
}

#[tokio::test(start_paused = true)]
async fn what_iam_may_answer_instead_of_a_token() {
    let cases = [
        (
            400,
            r#"{"error_code":"IAM.0011","error_msg":"bad scope"}"#,
            ErrorKind::Unauthorised,
            "bad scope",
        ),
        (403, "", ErrorKind::Unauthorised, "HTTP status 403"),
        (404, "{}", ErrorKind::Unauthorised, "HTTP status 404"),
        (429, "{}", ErrorKind::Throttled, "HTTP status 429"),
        (500, "<html>", ErrorKind::Transient, "HTTP status 500"),
        (302, "", ErrorKind::Malformed, "HTTP status 302"),
        (
            201,
            r#"{"token":{}}"#,
            ErrorKind::Malformed,
            "the answer has no X-Subject-Token",
        ),
    ];
    for (status, body, kind, words) in cases {
        let rig = Rig::with(
            &account(PASSWORD, &[]),
            vec![Ok(response(status, &[], body))],
        );
        let error = rig.provider.read(&listing()).await.unwrap_err();
        assert_eq!(
            (error.kind, error.accepted),
            (kind, Accepted::No),
            "{status}"
        );
        assert_eq!(error.message, format!("token from IAM: {words}"));
    }
    // Nothing is said of its life: a day.
    let bare = || Ok(response(201, &[("x-subject-token", "one")], "<html>"));
    let rig = Rig::with(
        &account(PASSWORD, &[]),
        vec![bare(), page(), page(), bare(), page()],
    );
    for minutes in [23 * 60, 60, 0] {
        rig.provider.read(&listing()).await.unwrap();
        rig.after(minutes);
    }
    assert_eq!(tokens(&rig), [IAM, "one", "one", IAM, "one"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_to_iam_changes_nothing() {
    let broken = TransportError::Timeout(Duration::from_secs(30));
    let rig = Rig::with(
        &account(PASSWORD, &[]),
        vec![Err(broken), token("one", 60), page()],
    );
    let error = rig.provider.read(&listing()).await.unwrap_err();
    assert_eq!(
        (error.kind, error.accepted),
        (ErrorKind::Transient, Accepted::No)
    );
    rig.provider.read(&listing()).await.unwrap();
    assert_eq!(tokens(&rig), [IAM, IAM, "one"]);
}

#[tokio::test(start_paused = true)]
async fn a_ready_token_is_sent_as_it_is_and_never_replaced() {
    let rig = Rig::with(&account(TOKEN, &[]), vec![page(), unknown()]);
    rig.provider.read(&listing()).await.unwrap();
    let error = rig.provider.read(&listing()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorised);
    assert_eq!(tokens(&rig), ["MIIready", "MIIready"]);
}

#[tokio::test(start_paused = true)]
async fn keys_sign_everything_that_is_sent() {
    let with = [KEYS, &["securityToken"]].concat();
    let rig = Rig::with(&account(&with, &[("projectId", "0605767a")]), vec![page()]);
    rig.provider.read(&listing()).await.unwrap();
    let request = &rig.requests()[0];
    let header = |name: &str| request.headers()[name].to_str().unwrap();
    assert_eq!(header("host"), "koophone.myhuaweicloud.com");
    assert_eq!(header("x-sdk-date"), "20260115T080000Z");
    assert_eq!(header("x-project-id"), "0605767a");
    assert_eq!(header("x-security-token"), "FakeSecurityToken==");
    assert!(request.headers()["authorization"].is_sensitive());
    assert!(request.headers()["x-security-token"].is_sensitive());
    assert!(header("authorization").starts_with(
        "SDK-HMAC-SHA256 Access=HWFAKEACCESSKEY00001, SignedHeaders=content-type;host;x-project-id;x-request-id;x-sdk-date;x-security-token, Signature="
    ));
    assert!(!request.headers().contains_key("x-auth-token"));
}

#[tokio::test(start_paused = true)]
async fn every_request_has_an_id_of_its_own() {
    let rig = Rig::with(&account(TOKEN, &[]), vec![page(), page()]);
    rig.provider.read(&listing()).await.unwrap();
    rig.provider.read(&listing()).await.unwrap();
    let ids: Vec<String> = rig
        .requests()
        .iter()
        .map(|request| {
            let id = request.headers()["x-request-id"].to_str().unwrap();
            assert!(
                request
                    .uri()
                    .query()
                    .unwrap()
                    .contains(&format!("x-request-id={id}"))
            );
            assert_eq!(id.len(), 32);
            id.to_owned()
        })
        .collect();
    assert_ne!(ids[0], ids[1]);
}
