//! One HTTP answer, judged: a payload, or an error with its kind and whether the vendor can have done something.
//!
//! Invariants: a read is never "maybe accepted"; messages are cleaned, short, and hold no secret; only code 200 is success, whatever the HTTP status
//! says. Not here: the table of codes (`errors`), what a payload means (`convert`).

use super::errors;
use super::wire::{Envelope, Scalar};
use crate::model::id::PhoneId;
use crate::model::stamp::Timestamp;
use crate::provider::{Accepted, CallError, ErrorKind};
use crate::transport::{Effect, Response, TransportError};
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::{DeserializeOwned, IgnoredAny};

/// Characters of a vendor's words that are kept.
const MESSAGE: usize = 300;
/// Characters of a body that is no JSON that are shown.
const GLIMPSE: usize = 80;

/// What the judgement needs to know of the request.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// Whether it changes anything.
    pub(super) effect: Effect,
    /// Its phones: those that the vendor's words name are at fault.
    pub(super) phones: &'a [PhoneId],
    /// Texts that must not be shown.
    pub(super) secrets: &'a [&'a SecretString],
    /// The payload holds one of them: nothing of a malformed answer is shown.
    pub(super) payload_is_secret: bool,
}

impl Asked<'_> {
    fn accepted(&self, accepted: Accepted) -> Accepted {
        match self.effect {
            Effect::Read => Accepted::No,
            Effect::Mutation => accepted,
        }
    }

    fn error(&self, kind: ErrorKind, accepted: Accepted, message: &str) -> CallError {
        CallError {
            kind,
            accepted: self.accepted(accepted),
            code: None,
            message: self.clean(message, MESSAGE),
            retry_at: None,
            phones: Vec::new(),
        }
    }

    /// The text on one line, without control characters and secrets, at most `most` characters.
    pub(super) fn clean(&self, text: &str, most: usize) -> String {
        let mut text = text.to_owned();
        for secret in self.secrets {
            let secret = secret.expose_secret();
            if !secret.is_empty() && text.contains(secret) {
                text = text.replace(secret, "***");
            }
        }
        cleaned(&text, most)
    }

    fn named_phones(&self, words: &str) -> Vec<PhoneId> {
        self.phones
            .iter()
            .filter(|phone| names(words, phone.as_str()))
            .cloned()
            .collect()
    }

    /// No complete answer.
    pub(super) fn broken(&self, error: &TransportError) -> CallError {
        let accepted = if error.may_have_left() {
            Accepted::Maybe
        } else {
            Accepted::No
        };
        let mut words = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            let text = cause.to_string();
            if !words.contains(&text) {
                words = format!("{words}: {text}");
            }
            source = cause.source();
        }
        self.error(ErrorKind::Transient, accepted, &words)
    }

    /// The payload, or what went wrong.
    pub(super) fn judge<T: DeserializeOwned>(
        &self,
        response: &Response,
    ) -> Result<Envelope<T>, CallError> {
        let status = response.status();
        if !status.is_success() {
            return Err(self.bad_status(response));
        }
        match serde_json::from_slice::<Envelope<T>>(response.body()) {
            Ok(envelope) => match &envelope.code {
                Some(code) if code.as_str() == "200" => Ok(envelope),
                Some(code) => {
                    let words = envelope.msg.as_deref().unwrap_or_default();
                    Err(self.coded(code, words, response.headers()))
                }
                None => Err(self.malformed(response, "the answer has no code")),
            },
            // The payload of an error is whatever it is; the head alone tells.
            Err(problem) => match head(response) {
                Some((code, words)) if code.as_str() != "200" => {
                    Err(self.coded(&code, &words, response.headers()))
                }
                Some(_) => Err(self.malformed(
                    response,
                    &format!("the answer is not as the manual says ({problem})"),
                )),
                None => Err(self.malformed(response, "the answer is no JSON of this API")),
            },
        }
    }

    fn coded(&self, code: &Scalar, words: &str, headers: &HeaderMap) -> CallError {
        let row = errors::judge(code.as_str(), words);
        let words = if words.trim().is_empty() {
            row.meaning
        } else {
            words
        };
        CallError {
            code: Some(self.clean(code.as_str(), 40).into()),
            phones: self.named_phones(words),
            retry_at: (row.kind == ErrorKind::Throttled)
                .then(|| retry_at(headers))
                .flatten(),
            ..self.error(row.kind, row.accepted, words)
        }
    }

    fn bad_status(&self, response: &Response) -> CallError {
        let status = response.status();
        let head = head(response);
        let words = match &head {
            Some((_, words)) if !words.trim().is_empty() => words.clone(),
            Some(_) | None => format!("HTTP status {}", status.as_u16()),
        };
        let (kind, accepted) = match status {
            StatusCode::TOO_MANY_REQUESTS => (ErrorKind::Throttled, Accepted::No),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                (ErrorKind::Unauthorised, Accepted::No)
            }
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
                return self.malformed(response, &problem);
            }
        };
        CallError {
            code: Some(
                head.filter(|_| status != StatusCode::NOT_FOUND)
                    .map_or_else(
                        || status.as_str().into(),
                        |(code, _)| self.clean(code.as_str(), 40).into(),
                    ),
            ),
            phones: self.named_phones(&words),
            retry_at: (kind == ErrorKind::Throttled)
                .then(|| retry_at(response.headers()))
                .flatten(),
            ..self.error(kind, accepted, &words)
        }
    }

    fn malformed(&self, response: &Response, problem: &str) -> CallError {
        let body = String::from_utf8_lossy(response.body());
        // Cleaned before it is cut, so that no part of a secret is left over. An escaped echo of a secret payload would not be recognised.
        let words = if self.payload_is_secret {
            problem.to_owned()
        } else {
            let glimpse = cleaned(&self.clean(&body, usize::MAX), GLIMPSE);
            format!("{problem}; it begins {glimpse:?}")
        };
        self.error(ErrorKind::Malformed, Accepted::Maybe, &words)
    }
}

/// A well-formed answer without the payload it should have.
pub(super) fn without_payload(what: &str) -> CallError {
    CallError {
        kind: ErrorKind::Malformed,
        ..refused(format!("the answer has no {what}"))
    }
}

/// Our own mistake, found before anything was sent.
pub(super) fn our_bug(message: impl std::fmt::Display) -> CallError {
    refused(format!("this is a bug of phonefleet: {message}"))
}

/// Something that cannot be sent, found before anything was sent.
pub(super) fn refused(message: impl std::fmt::Display) -> CallError {
    CallError {
        kind: ErrorKind::Refused,
        accepted: Accepted::No,
        code: None,
        message: cleaned(&message.to_string(), MESSAGE),
        retry_at: None,
        phones: Vec::new(),
    }
}

/// One line without control or direction characters, at most `most` characters.
pub(super) fn cleaned(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut count = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        let gap = usize::from(!line.is_empty());
        for c in std::iter::repeat_n(' ', gap).chain(word.chars()) {
            if matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            {
                continue;
            }
            if count == most {
                return line;
            }
            line.push(c);
            count += 1;
        }
    }
    line
}

/// Whether `words` name this phone: its code, not as a part of a longer one.
fn names(words: &str, phone: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric();
    words.match_indices(phone).any(|(start, _)| {
        !words[..start].chars().next_back().is_some_and(inside)
            && !words[start + phone.len()..]
                .chars()
                .next()
                .is_some_and(inside)
    })
}

/// Code and words of an answer whose payload is not read.
fn head(response: &Response) -> Option<(Scalar, String)> {
    let envelope: Envelope<IgnoredAny> = serde_json::from_slice(response.body()).ok()?;
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

/// A header's text.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}
