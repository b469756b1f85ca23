//! One HTTP answer, judged: a payload, or an error with its kind and whether the vendor can have done something.
//!
//! Invariants: errors come with statuses of 400 and above, and one that comes with 200 is an error all the same; who is told when to come back is
//! throttled. Not here: the table of codes (`errors`), what a payload means (`convert`, `jobs`).

use super::errors;
use super::wire::{Answer, Refusal};
use crate::model::stamp::Timestamp;
use crate::provider::asked::{Asked, header};
use crate::provider::drift;
use crate::provider::{Accepted, CallError, ErrorKind};
use crate::transport::Response;
use http::HeaderMap;
use smol_str::SmolStr;

/// Characters of a code that are kept.
const CODE: usize = 80;
/// The longest time the vendor may send us away for.
const LONGEST_WAIT_MS: i64 = 3_600_000;
/// Codes that some answers carry when all went well.
const GOOD: [&str; 4] = ["", "200", "OK", "Success"];

/// The payload of an answer that came at this time, or what went wrong.
pub(super) fn judge<T: Answer>(
    asked: &Asked<'_>,
    response: &Response,
    at: Timestamp,
) -> Result<T, CallError> {
    if !response.status().is_success() {
        return Err(bad_status(asked, response, at));
    }
    let answer: T = drift::json(response.body()).map_err(|problem| {
        let problem = match drift::json::<Refusal>(response.body()) {
            Ok(_) => format!("the answer is not as the manual says ({problem})"),
            Err(_) => "the answer is no JSON of this API".to_owned(),
        };
        asked.malformed(response, &problem)
    })?;
    let (code, words) = answer.refusal();
    match code.filter(|code| !GOOD.iter().any(|good| code.eq_ignore_ascii_case(good))) {
        Some(code) => Err(coded(asked, (code, words), response, at)),
        None => Ok(answer),
    }
}

fn coded(
    asked: &Asked<'_>,
    (code, words): (&str, Option<&SmolStr>),
    response: &Response,
    at: Timestamp,
) -> CallError {
    let retry_at = retry_at(response.headers(), at);
    let row = errors::known(code);
    let (kind, accepted) = match row {
        Some(row) => (row.kind, row.accepted),
        // As the official SDK reads it.
        None if retry_at.is_some() => (ErrorKind::Throttled, Accepted::No),
        None if response.status().is_success() => (ErrorKind::Refused, Accepted::Maybe),
        None => errors::by_status(response.status()),
    };
    let meaning = row.map_or("an error without words", |row| row.meaning);
    let words = words
        .map(SmolStr::as_str)
        .filter(|words| !words.trim().is_empty())
        .unwrap_or(meaning);
    CallError {
        code: Some(asked.clean(code, CODE).into()),
        phones: asked.named_phones(words),
        retry_at: retry_at.filter(|_| kind == ErrorKind::Throttled),
        ..asked.error(kind, accepted, words)
    }
}

fn bad_status(asked: &Asked<'_>, response: &Response, at: Timestamp) -> CallError {
    let status = response.status();
    let body: Refusal = drift::json(response.body()).unwrap_or_default();
    if let Some(code) = body.code.filter(|code| !code.trim().is_empty()) {
        return coded(asked, (&code, body.message.as_ref()), response, at);
    }
    if !(status.is_client_error() || status.is_server_error()) {
        let problem = format!("unexpected HTTP status {}", status.as_u16());
        return asked.malformed(response, &problem);
    }
    let retry_at = retry_at(response.headers(), at);
    let (kind, accepted) = match retry_at {
        Some(_) => (ErrorKind::Throttled, Accepted::No),
        None => errors::by_status(status),
    };
    let words = format!("HTTP status {}", status.as_u16());
    CallError {
        code: Some(status.as_str().into()),
        retry_at: retry_at.filter(|_| kind == ErrorKind::Throttled),
        ..asked.error(kind, accepted, &words)
    }
}

/// When the vendor says to come back: `x-acs-retry-after`, in milliseconds from now.
fn retry_at(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let wait: i64 = header(headers, "x-acs-retry-after")?.parse().ok()?;
    Some(Timestamp(
        now.0.saturating_add(wait.clamp(0, LONGEST_WAIT_MS)),
    ))
}
