//! One HTTP answer, judged: a payload, or an error with its kind and whether the vendor can have done something.
//!
//! Invariants: only code `0` is success, whatever the HTTP status says: many failures come with status 200; the code may stand inside of the data. Not here:
//! the table of codes (`errors`), what a payload means (`convert`, `jobs`), IAM's answers (`token`).

use super::errors::{self, Row};
use super::wire::{Envelope, Inner, Inside};
use crate::model::stamp::Timestamp;
use crate::provider::asked::{Asked, header, without_payload};
use crate::provider::drift::{self, Scalar};
use crate::provider::{Accepted, CallError, ErrorKind};
use crate::transport::Response;
use http::{HeaderMap, StatusCode};
use serde::de::{DeserializeOwned, IgnoredAny};
use std::time::Duration;

/// Longest pause that `Retry-After` is believed.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// The payload, or what went wrong.
pub(super) fn judge<T: DeserializeOwned>(
    asked: &Asked<'_>,
    response: &Response,
    now: Timestamp,
) -> Result<Option<T>, CallError> {
    let status = response.status();
    // One look at the whole where all is as it should be; else one for the code, which tells more than what is wrong with the rest.
    let whole = drift::json::<Envelope<Inside<T>>>(response.body()).ok();
    let told = match &whole {
        Some(whole) => Some(head_of(whole, || inner_of(whole.data.as_ref()))),
        None => head(response),
    };
    let (code, words) = match told {
        Some(head) => head,
        None if status.is_success() => {
            return Err(asked.malformed(response, "the answer is no JSON of this API"));
        }
        None => return Err(bare(asked, response, now)),
    };
    match code {
        Some(code) if code.as_str().trim() == "0" && status.is_success() => {}
        Some(code) if code.as_str().trim() == "0" => return Err(bare(asked, response, now)),
        Some(code) => return Err(coded(asked, (&code, &words), response, now)),
        None if status.is_success() => {}
        None => return Err(bare(asked, response, now)),
    }
    let envelope: Envelope<T> = match whole {
        Some(whole) => Envelope {
            error_code: whole.error_code,
            error_msg: whole.error_msg,
            data: whole.data.map(|inside| inside.payload),
        },
        None => drift::json(response.body()).map_err(|problem| {
            let problem = format!("the answer is not as the manual says ({problem})");
            asked.malformed(response, &problem)
        })?,
    };
    if envelope.error_code.is_none() && envelope.data.is_none() {
        return Err(asked.malformed(response, "the answer has neither code nor data"));
    }
    Ok(envelope.data)
}

/// A payload that must be there.
pub(super) fn payload<T>(data: Option<T>, what: &str, asked: &Asked<'_>) -> Result<T, CallError> {
    data.ok_or_else(|| CallError {
        accepted: asked
            .error(ErrorKind::Malformed, Accepted::Maybe, "")
            .accepted,
        ..without_payload(what)
    })
}

/// Code and words.
type Head = (Option<Scalar>, String);

/// Code and words of an answer whose payload is not read. `None`: no JSON object.
fn head(response: &Response) -> Option<Head> {
    let outer: Envelope<IgnoredAny> = drift::json(response.body()).ok()?;
    Some(head_of(&outer, || {
        let envelope: Envelope<Inner> = drift::json(response.body()).ok()?;
        inner_code(&envelope.data?)
    }))
}

/// Code and words, from the envelope or from inside of the data.
fn head_of<T>(outer: &Envelope<T>, inner: impl FnOnce() -> Option<(Scalar, String)>) -> Head {
    let said = || outer.error_msg.clone().map(Into::into).unwrap_or_default();
    let told = outer.error_code.as_ref();
    let Some(code) = told.filter(|code| !code.as_str().trim().is_empty()) else {
        return match inner() {
            Some((code, words)) => (Some(code), words),
            None => (None, said()),
        };
    };
    // A page can be refused inside of a well-formed envelope.
    let good = code.as_str().trim() == "0";
    let deeper = good.then(inner).flatten();
    match deeper.filter(|(code, _)| code.as_str().trim() != "0") {
        Some((code, words)) => (Some(code), words),
        None => (Some(code.clone()), said()),
    }
}

fn inner_of<T>(data: Option<&Inside<T>>) -> Option<(Scalar, String)> {
    inner_code(&data?.inner)
}

fn inner_code(inner: &Inner) -> Option<(Scalar, String)> {
    let code = inner.error_code.as_ref()?;
    let said = || inner.error_msg.clone().map(Into::into).unwrap_or_default();
    (!code.as_str().trim().is_empty()).then(|| (code.clone(), said()))
}

/// An answer with a code of the table.
fn coded(
    asked: &Asked<'_>,
    (code, words): (&Scalar, &str),
    response: &Response,
    now: Timestamp,
) -> CallError {
    let row = errors::judge(code.as_str(), response.status().as_u16());
    CallError {
        code: Some(asked.clean(code.as_str(), 40).into()),
        ..error(asked, &row, words, (response.headers(), now))
    }
}

fn error(
    asked: &Asked<'_>,
    row: &Row,
    words: &str,
    (headers, now): (&HeaderMap, Timestamp),
) -> CallError {
    let words = if words.trim().is_empty() {
        row.meaning
    } else {
        words
    };
    CallError {
        phones: asked.named_phones(words),
        retry_at: (row.kind == ErrorKind::Throttled)
            .then(|| retry_at(headers, now))
            .flatten(),
        ..asked.error(row.kind, row.accepted, words)
    }
}

/// An answer that only its HTTP status tells about.
fn bare(asked: &Asked<'_>, response: &Response, now: Timestamp) -> CallError {
    let status = response.status();
    let (kind, accepted) = match status {
        StatusCode::TOO_MANY_REQUESTS => (ErrorKind::Throttled, Accepted::No),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => (ErrorKind::Unauthorised, Accepted::No),
        StatusCode::REQUEST_TIMEOUT => (ErrorKind::Transient, Accepted::Maybe),
        _ if status.is_server_error() => (ErrorKind::Transient, Accepted::Maybe),
        _ if status.is_client_error() => (ErrorKind::Refused, Accepted::No),
        _ => {
            let problem = format!("unexpected HTTP status {}", status.as_u16());
            return asked.malformed(response, &problem);
        }
    };
    CallError {
        code: Some(status.as_str().into()),
        retry_at: (kind == ErrorKind::Throttled)
            .then(|| retry_at(response.headers(), now))
            .flatten(),
        ..asked.error(kind, accepted, &format!("HTTP status {}", status.as_u16()))
    }
}

/// When the gateway says to come back: `Retry-After`, in seconds.
fn retry_at(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let seconds: u64 = header(headers, "retry-after")?.parse().ok()?;
    Some(now.after(Duration::from_secs(seconds).min(LONGEST_PAUSE)))
}
