//! One HTTP answer, judged: a payload, or an error with its kind and whether the vendor can have done something.
//!
//! Invariants: only an HTTP success with a `response` is one; messages are cleaned and hold no secret; an answer of some gate before the API (HTML, a challenge)
//! is never taken for one of the API. Not here: the table of codes (`errors`), what a payload means (`convert`).

use super::errors::{self, Row};
use super::wire::{Envelope, Nothing};
use crate::model::stamp::Timestamp;
use crate::provider::asked::{Asked, header};
use crate::provider::drift;
use crate::provider::{Accepted, CallError, ErrorKind};
use crate::transport::Response;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The payload, or what went wrong. `at`: when the answer came.
pub(super) fn judge<T: DeserializeOwned>(
    asked: &Asked<'_>,
    response: &Response,
    at: Timestamp,
) -> Result<T, CallError> {
    if !response.status().is_success() {
        return Err(bad_status(asked, response, at));
    }
    match drift::json::<Envelope<T>>(response.body()) {
        Ok(Envelope {
            response: Some(payload),
            ..
        }) => Ok(payload),
        Ok(Envelope { code: Some(_), .. }) => Err(bad_status(asked, response, at)),
        Ok(_) => Err(asked.malformed(response, "the answer has no response")),
        Err(problem) => match head(response) {
            Some(Envelope { code: Some(_), .. }) => Err(bad_status(asked, response, at)),
            Some(_) => Err(asked.malformed(
                response,
                &format!("the answer is not as the manual says ({problem})"),
            )),
            None => Err(asked.malformed(response, "the answer is no JSON of this API")),
        },
    }
}

/// The same for a call whose payload says nothing, and may be missing.
pub(super) fn judge_empty(
    asked: &Asked<'_>,
    response: &Response,
    at: Timestamp,
) -> Result<(), CallError> {
    match head(response) {
        Some(Envelope { code: None, .. }) if response.status().is_success() => Ok(()),
        Some(_) | None => judge::<Nothing>(asked, response, at).map(|Nothing {}| ()),
    }
}

/// Everything of an answer but its payload.
fn head(response: &Response) -> Option<Envelope<serde::de::IgnoredAny>> {
    drift::json(response.body()).ok()
}

fn bad_status(asked: &Asked<'_>, response: &Response, at: Timestamp) -> CallError {
    let (status, headers) = (response.status(), response.headers());
    let head = head(response);
    let code = head.as_ref().and_then(|head| head.code.clone());
    if code.is_none() && header(headers, "cf-mitigated") == Some("challenge") {
        // A gate before the API asks for a browser: nothing arrived, and it may let us through later.
        return CallError {
            code: Some("challenge".into()),
            ..asked.error(
                ErrorKind::Transient,
                Accepted::No,
                "the gate before the vendor's API asks for a browser: this address is not let through",
            )
        };
    }
    let Row {
        kind,
        accepted,
        meaning,
        ..
    } = match &code {
        Some(code) => errors::judge(code, status),
        None => errors::by_status(status),
    };
    let message = head.and_then(|head| head.message);
    let words = match message {
        Some(words) if !words.trim().is_empty() => words.to_string(),
        Some(_) | None if code.is_some() => meaning.to_owned(),
        Some(_) | None => format!("HTTP status {}", status.as_u16()),
    };
    CallError {
        code: Some(code.map_or_else(
            || status.as_str().into(),
            |code| asked.clean(&code, 60).into(),
        )),
        phones: asked.named_phones(&words),
        retry_at: (kind == ErrorKind::Throttled)
            .then(|| header(headers, "retry-after")?.parse().ok())
            .flatten()
            .map(|seconds| at.after(Duration::from_secs(seconds))),
        ..asked.error(kind, accepted, &words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::PhoneId;
    use crate::provider::zenlayer::wire::Invoked;
    use crate::transport::Effect;
    use bytes::Bytes;
    use secrecy::SecretString;

    const NOW: Timestamp = Timestamp(1_000);

    fn judged(
        status: u16,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Result<Invoked, CallError> {
        let phones = [PhoneId::new("i-1"), PhoneId::new("i-12")];
        let secret = SecretString::from("pa55word");
        let asked = Asked {
            effect: Effect::Mutation,
            phones: &phones,
            secrets: &[&secret],
            payload_is_secret: false,
        };
        let mut response = http::Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let response = response.body(Bytes::from(body.to_owned())).unwrap();
        judge(&asked, &response, NOW)
    }

    #[test]
    fn a_payload_needs_no_inner_request_id() {
        let body = r#"{"requestId":"T1","response":{"invocationId":"inv-1"}}"#;
        let invoked = judged(200, &[], body).unwrap();
        assert_eq!(invoked.invocation_id.as_deref(), Some("inv-1"));
    }

    #[test]
    fn errors_tell_kind_code_and_phones() {
        let body = r#"{"requestId":"T1","code":"INVALID_INSTANCE_NOT_RUNNING","message":"Instance i-12 is not running, pa55word"}"#;
        let error = judged(400, &[], body).unwrap_err();
        assert_eq!(
            (error.kind, error.accepted),
            (ErrorKind::NotReady, Accepted::No)
        );
        assert_eq!(error.code.as_deref(), Some("INVALID_INSTANCE_NOT_RUNNING"));
        assert_eq!(error.phones, [PhoneId::new("i-12")]);
        assert_eq!(error.message, "Instance i-12 is not running, ***");
    }

    #[test]
    fn an_error_inside_a_success_is_an_error() {
        let body = r#"{"requestId":"T1","code":"REQUEST_TIMED_OUT","message":""}"#;
        let error = judged(200, &[], body).unwrap_err();
        assert_eq!(
            (error.kind, error.accepted),
            (ErrorKind::Transient, Accepted::Maybe)
        );
        assert_eq!(error.message, "the request took too long");
    }

    #[test]
    fn throttling_says_when_to_come_back_if_it_does() {
        let body = r#"{"requestId":"T1","code":"REQUEST_LIMIT_EXCEEDED","message":"slow down"}"#;
        let error = judged(429, &[("retry-after", "7")], body).unwrap_err();
        assert_eq!(
            (error.kind, error.retry_at),
            (ErrorKind::Throttled, Some(Timestamp(8_000)))
        );
        assert_eq!(judged(429, &[], "").unwrap_err().kind, ErrorKind::Throttled);
        assert_eq!(judged(429, &[], "").unwrap_err().retry_at, None);
    }

    #[test]
    fn gates_before_the_api_are_told_from_it() {
        let challenge = judged(403, &[("cf-mitigated", "challenge")], "<html>").unwrap_err();
        assert_eq!(
            (challenge.kind, challenge.accepted),
            (ErrorKind::Transient, Accepted::No)
        );
        let blocked = judged(451, &[], r#"{"code":"REQUEST_BLOCKED","message":"no"}"#).unwrap_err();
        assert_eq!(blocked.kind, ErrorKind::Unauthorised);
        let page = judged(502, &[], "<html>Bad Gateway</html>").unwrap_err();
        assert_eq!(
            (page.kind, page.accepted),
            (ErrorKind::Transient, Accepted::Maybe)
        );
        let portal = judged(200, &[], "<html>Welcome</html>").unwrap_err();
        assert_eq!(
            (portal.kind, portal.accepted),
            (ErrorKind::Malformed, Accepted::Maybe)
        );
        assert_eq!(
            judged(200, &[], "{}").unwrap_err().kind,
            ErrorKind::Malformed
        );
    }

    #[test]
    fn an_empty_payload_may_be_missing() {
        let asked = Asked {
            effect: Effect::Mutation,
            phones: &[],
            secrets: &[],
            payload_is_secret: false,
        };
        let told = |body: &str| {
            let response = http::Response::new(Bytes::from(body.to_owned()));
            judge_empty(&asked, &response, NOW)
        };
        for good in [
            r#"{"requestId":"T1","response":{"requestId":"T1"}}"#,
            r#"{"requestId":"T1","response":{}}"#,
            r#"{"requestId":"T1","response":null}"#,
            r#"{"requestId":"T1"}"#,
        ] {
            assert_eq!(told(good), Ok(()), "{good}");
        }
        assert!(told("<html>").is_err());
        assert!(told(r#"{"requestId":"T1","code":"X"}"#).is_err());
    }
}
