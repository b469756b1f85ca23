//! One HTTP answer, judged: a payload, or an error with its kind and whether the vendor can have done something.
//!
//! Invariants: a read is never "maybe accepted"; messages are cleaned, short, and hold no secret; only code 200 is success, whatever the HTTP status
//! says. Not here: the table of codes (`errors`), what a payload means (`convert`).

use super::errors;
use super::wire::{Envelope, Scalar};
use crate::model::stamp::Timestamp;
pub(super) use crate::provider::asked::{Asked, header, without_payload};
use crate::provider::drift;
pub(super) use crate::provider::refusal::{cleaned, our_bug, refused};
use crate::provider::{Accepted, CallError, ErrorKind};
use crate::transport::Response;
use http::{HeaderMap, StatusCode};
use serde::de::{DeserializeOwned, IgnoredAny};

/// The payload, or what went wrong.
pub(super) fn judge<T: DeserializeOwned>(
    asked: &Asked<'_>,
    response: &Response,
) -> Result<Envelope<T>, CallError> {
    let status = response.status();
    if !status.is_success() {
        return Err(bad_status(asked, response));
    }
    match drift::json::<Envelope<T>>(response.body()) {
        Ok(envelope) => match &envelope.code {
            Some(code) if code.as_str() == "200" => Ok(envelope),
            Some(code) => {
                let words = envelope.msg.as_deref().unwrap_or_default();
                Err(coded(asked, code, words, response.headers()))
            }
            None => Err(asked.malformed(response, "the answer has no code")),
        },
        // The payload of an error is whatever it is; the head alone tells.
        Err(problem) => match head(response) {
            Some((code, words)) if code.as_str() != "200" => {
                Err(coded(asked, &code, &words, response.headers()))
            }
            Some(_) => Err(asked.malformed(
                response,
                &format!("the answer is not as the manual says ({problem})"),
            )),
            None => Err(asked.malformed(response, "the answer is no JSON of this API")),
        },
    }
}

fn coded(asked: &Asked<'_>, code: &Scalar, words: &str, headers: &HeaderMap) -> CallError {
    let row = errors::judge(code.as_str(), words);
    let words = if words.trim().is_empty() {
        row.meaning
    } else {
        words
    };
    CallError {
        code: Some(asked.clean(code.as_str(), 40).into()),
        phones: asked.named_phones(words),
        retry_at: (row.kind == ErrorKind::Throttled)
            .then(|| retry_at(headers))
            .flatten(),
        ..asked.error(row.kind, row.accepted, words)
    }
}

fn bad_status(asked: &Asked<'_>, response: &Response) -> CallError {
    let status = response.status();
    let head = head(response);
    let words = match &head {
        Some((_, words)) if !words.trim().is_empty() => words.clone(),
        Some(_) | None => format!("HTTP status {}", status.as_u16()),
    };
    let (kind, accepted) = match status {
        StatusCode::TOO_MANY_REQUESTS => (ErrorKind::Throttled, Accepted::No),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (ErrorKind::Unauthorised, Accepted::No),
        StatusCode::NOT_FOUND => (ErrorKind::Refused, Accepted::No),
        StatusCode::REQUEST_TIMEOUT => (ErrorKind::Transient, Accepted::Maybe),
        _ if status.is_server_error() => (ErrorKind::Transient, Accepted::Maybe),
        _ if status.is_client_error() => match &head {
            Some((code, words)) => {
                let row = errors::judge(code.as_str(), words);
                (row.kind, row.accepted)
            }
            None => (ErrorKind::Refused, Accepted::No),
        },
        _ => {
            let problem = format!("unexpected HTTP status {}", status.as_u16());
            return asked.malformed(response, &problem);
        }
    };
    CallError {
        code: Some(
            head.filter(|_| status != StatusCode::NOT_FOUND)
                .map_or_else(
                    || status.as_str().into(),
                    |(code, _)| asked.clean(code.as_str(), 40).into(),
                ),
        ),
        phones: asked.named_phones(&words),
        retry_at: (kind == ErrorKind::Throttled)
            .then(|| retry_at(response.headers()))
            .flatten(),
        ..asked.error(kind, accepted, &words)
    }
}

/// Code and words of an answer whose payload is not read.
fn head(response: &Response) -> Option<(Scalar, String)> {
    let envelope: Envelope<IgnoredAny> = drift::json(response.body()).ok()?;
    let words = envelope.msg.map(Into::into).unwrap_or_default();
    envelope.code.map(|code| (code, words))
}

/// When the vendor says to come back: `X-RateLimit-Reset`, in unix seconds.
fn retry_at(headers: &HeaderMap) -> Option<Timestamp> {
    let seconds: i64 = header(headers, "x-ratelimit-reset")?.parse().ok()?;
    // Seconds by the manual; a value too large for that is in milliseconds.
    Some(Timestamp(if seconds > 100_000_000_000 {
        seconds
    } else {
        seconds.saturating_mul(1000)
    }))
}
