//! One call at a vendor, as far as all vendors are alike: what was asked, so that an answer can be told as an error with its kind and its words, and rows
//! matched to the phones they are about.
//!
//! Invariants: a read is never "maybe accepted"; messages are cleaned, short, and hold no secret; a row nobody asked for is ignored and counted. Not here:
//! a vendor's codes and envelopes (each adapter's `answer` and `errors`).

use super::refusal::{MESSAGE, cleaned, refused};
use super::{Accepted, CallError, ErrorKind};
use crate::model::id::PhoneId;
use crate::transport::{Effect, Response, TransportError};
use http::HeaderMap;
use rustc_hash::FxHashSet;
use secrecy::{ExposeSecret, SecretString};
use std::cell::Cell;

/// Characters of a body that is no JSON that are shown.
const GLIMPSE: usize = 80;

/// What the judgement of an answer needs to know of the request.
#[derive(Clone, Copy)]
pub(in crate::provider) struct Asked<'a> {
    /// Whether it changes anything.
    pub(in crate::provider) effect: Effect,
    /// Its phones: those that the vendor's words name are at fault.
    pub(in crate::provider) phones: &'a [PhoneId],
    /// Texts that must not be shown.
    pub(in crate::provider) secrets: &'a [&'a SecretString],
    /// The payload holds one of them: nothing of a malformed answer is shown.
    pub(in crate::provider) payload_is_secret: bool,
}

impl Asked<'_> {
    /// An error of this kind; `accepted` counts for what can change something.
    pub(in crate::provider) fn error(
        &self,
        kind: ErrorKind,
        accepted: Accepted,
        message: &str,
    ) -> CallError {
        CallError {
            kind,
            accepted: match self.effect {
                Effect::Read => Accepted::No,
                Effect::Mutation => accepted,
            },
            code: None,
            message: self.clean(message, MESSAGE),
            retry_at: None,
            phones: Vec::new(),
        }
    }

    /// The text on one line, without control characters and secrets, at most `most` characters.
    pub(in crate::provider) fn clean(&self, text: &str, most: usize) -> String {
        let mut text = text.to_owned();
        for secret in self.secrets {
            let secret = secret.expose_secret();
            if !secret.is_empty() && text.contains(secret) {
                text = text.replace(secret, "***");
            }
        }
        cleaned(&text, most)
    }

    /// The phones of the request that these words name.
    pub(in crate::provider) fn named_phones(&self, words: &str) -> Vec<PhoneId> {
        self.phones
            .iter()
            .filter(|phone| names(words, phone.as_str()))
            .cloned()
            .collect()
    }

    /// No complete answer.
    pub(in crate::provider) fn broken(&self, error: &TransportError) -> CallError {
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

    /// The answer is not what the manual describes.
    pub(in crate::provider) fn malformed(&self, response: &Response, problem: &str) -> CallError {
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
pub(in crate::provider) fn without_payload(what: &str) -> CallError {
    CallError {
        kind: ErrorKind::Malformed,
        ..refused(format!("the answer has no {what}"))
    }
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

/// A header's text.
pub(in crate::provider) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// The phones of a request; counts rows nobody asked for, and logs once how many there were.
pub(in crate::provider) struct AskedFor<'a> {
    phones: &'a [PhoneId],
    known: FxHashSet<&'a str>,
    call: &'a str,
    strangers: Cell<u64>,
}

impl<'a> AskedFor<'a> {
    /// These phones, by this call.
    pub(in crate::provider) fn new(phones: &'a [PhoneId], call: &'a str) -> Self {
        Self {
            phones,
            known: phones.iter().map(PhoneId::as_str).collect(),
            call,
            strangers: Cell::new(0),
        }
    }

    /// The row's phone, if it was asked for. A row without a phone is that of the only phone asked for.
    pub(in crate::provider) fn phone(&self, code: Option<&str>) -> Option<PhoneId> {
        let code = code.map(str::trim).filter(|code| !code.is_empty());
        match (code, self.phones) {
            (Some(code), _) if self.known.contains(code) => Some(PhoneId::new(code)),
            (None, [only]) => Some(only.clone()),
            (Some(_) | None, _) => {
                self.strangers.set(self.strangers.get() + 1);
                None
            }
        }
    }
}

impl Drop for AskedFor<'_> {
    fn drop(&mut self) {
        let rows = self.strangers.get();
        if rows > 0 {
            tracing::warn!(
                call = self.call,
                rows,
                "The answer has rows for phones nobody asked for; they are ignored."
            );
        }
    }
}
