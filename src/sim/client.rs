//! A client for tests: signs by hand, as the manual says, and calls the handler.
//!
//! Invariants: shares nothing with the program's own signing. Not here: the program's adapter.

use super::{Handled, Outcome, Simulator};
use crate::model::stamp::Timestamp;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Where the tests' worlds begin.
pub(super) const START: Timestamp = Timestamp(1_795_000_000_000);

/// Seconds after the beginning.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp(START.0 + seconds * 1000)
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// A request signed for these keys at a moment.
pub(super) fn signed(
    keys: (&str, &str),
    path: &str,
    body: &str,
    now: Timestamp,
) -> http::Request<Bytes> {
    let hex = |bytes: &[u8]| base16ct::lower::encode_string(bytes);
    let date = jiff::Timestamp::from_millisecond(now.0).unwrap();
    let date = date.strftime("%Y%m%dT%H%M%SZ").to_string();
    let (day, host, kind) = (&date[..8], "openapi.armcloud.net", "application/json");
    let headers = "content-type;host;x-content-sha256;x-date";
    let canonical = format!(
        "host:{host}\nx-date:{date}\ncontent-type:{kind}\nsignedHeaders:{headers}\nx-content-sha256:{}",
        hex(&Sha256::digest(body))
    );
    let text = format!(
        "HMAC-SHA256\n{date}\n{day}/armcloud-paas/request\n{}",
        hex(&Sha256::digest(canonical))
    );
    let key = hmac(
        &hmac(&hmac(keys.1.as_bytes(), day), "armcloud-paas"),
        "request",
    );
    let signature = hex(&hmac(&key, &text));
    http::Request::post(format!("http://127.0.0.1:9{path}"))
        .header("x-date", &date)
        .header("x-host", host)
        .header("content-type", kind)
        .header(
            "authorization",
            format!(
                "HMAC-SHA256 Credential={}/{day}/armcloud-paas/request, SignedHeaders={headers}, Signature={signature}",
                keys.0
            ),
        )
        .body(Bytes::from(body.to_owned()))
        .unwrap()
}

impl Simulator {
    /// A signed request that arrives at a moment.
    pub(super) fn request(&self, path: &str, body: &str, now: Timestamp) -> Handled {
        let keys = self.credentials();
        let request = signed((&keys.access_key, &keys.secret_key), path, body, now);
        self.handle(&request, now)
    }

    /// The JSON of a signed call's answer.
    pub(super) fn ask(&self, path: &str, body: &Value, now: Timestamp) -> Value {
        match self.request(path, &body.to_string(), now).outcome {
            Outcome::Answer(answer) => serde_json::from_slice(answer.body()).unwrap(),
            Outcome::Refused | Outcome::Lost | Outcome::Endless => panic!("no answer"),
        }
    }

    /// The data of a call that succeeds.
    pub(super) fn data(&self, path: &str, body: &Value, now: Timestamp) -> Value {
        let mut answer = self.ask(path, body, now);
        assert_eq!(answer["code"], 200, "{path}: {answer}");
        answer["data"].take()
    }

    /// The code of a call's answer.
    pub(super) fn code(&self, path: &str, body: &Value, now: Timestamp) -> u64 {
        self.ask(path, body, now)["code"].as_u64().unwrap()
    }
}
