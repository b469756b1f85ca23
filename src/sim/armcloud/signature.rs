//! Checks V4 signatures (HMAC-SHA256, service `armcloud-paas`), written from the manual alone.
//!
//! Invariants: both forms of `Credential` are taken; the signed host need not be the host that was called; what is signed is what was sent, byte by byte.
//! Not here: making signatures (`transport`).

use super::{Refusal, refuse};
use crate::model::stamp::Timestamp;
use crate::sim::{ACCESS_KEY, SECRET_KEY};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const SERVICE: &str = "armcloud-paas";
const SIGNED: &str = "content-type;host;x-content-sha256;x-date";
/// How far a signature's time may be from now, where that is checked.
const WINDOW_MS: i64 = 300_000;

/// Whether a request is signed as it should be.
pub(super) fn check(
    request: &http::Request<Bytes>,
    now: Timestamp,
    clock: bool,
) -> Result<(), Refusal> {
    let header = |name: &str| {
        let value = request.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let authorization = header("authorization");
    if authorization.is_empty() {
        return refuse(100_003, "Authorization is missing");
    }
    let Some(claim) = Claim::parse(authorization) else {
        return refuse(100_004, "invalid authorization");
    };
    let date = header("x-date");
    let day = date.get(..8).unwrap_or_default();
    let (key, scope) = claim
        .credential
        .split_once('/')
        .unwrap_or((claim.credential, ""));
    if key != ACCESS_KEY {
        return refuse(100_004, "invalid access key");
    }
    if !scope.is_empty() && scope != format!("{day}/{SERVICE}/request") {
        return refuse(100_005, "signature check failed: scope");
    }
    if claim.signed_headers != SIGNED {
        return refuse(100_005, "signature check failed: signed headers");
    }
    let moment = jiff::fmt::strtime::parse("%Y%m%dT%H%M%SZ", date)
        .and_then(|parsed| parsed.to_datetime())
        .and_then(|moment| moment.to_zoned(jiff::tz::TimeZone::UTC));
    let Ok(moment) = moment else {
        return refuse(100_005, "signature check failed: x-date");
    };
    if clock && (moment.timestamp().as_millisecond() - now.0).abs() > WINDOW_MS {
        return refuse(2033, "timestamp expired");
    }
    let hash = match request.method() == http::Method::GET {
        true => hex(Sha256::digest(request.uri().query().unwrap_or_default())),
        false => hex(Sha256::digest(request.body())),
    };
    let sent = header("x-content-sha256");
    if !sent.is_empty() && sent != hash {
        return refuse(100_005, "signature check failed: x-content-sha256");
    }
    let canonical = format!(
        "host:{}\nx-date:{date}\ncontent-type:{}\nsignedHeaders:{SIGNED}\nx-content-sha256:{hash}",
        header("x-host"),
        header("content-type"),
    );
    let expected = sign(SECRET_KEY, date, &canonical);
    match expected == claim.signature {
        true => Ok(()),
        false => refuse(100_005, "signature check failed"),
    }
}

/// The signature of a canonical request.
pub(super) fn sign(secret: &str, date: &str, canonical: &str) -> String {
    let day = date.get(..8).unwrap_or_default();
    let text = format!(
        "HMAC-SHA256\n{date}\n{day}/{SERVICE}/request\n{}",
        hex(Sha256::digest(canonical))
    );
    let key = mac(secret.as_bytes(), day);
    let key = mac(&mac(&key, SERVICE), "request");
    hex(mac(&key, &text))
}

fn mac(key: &[u8], text: &str) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

pub(super) fn hex(bytes: impl AsRef<[u8]>) -> String {
    base16ct::lower::encode_string(bytes.as_ref())
}

/// The parts of an `authorization` header.
struct Claim<'a> {
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let fields = header.strip_prefix("HMAC-SHA256 ")?;
        let field = |name: &str| {
            fields
                .split(',')
                .find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
        };
        Some(Self {
            credential: field("Credential")?,
            signed_headers: field("SignedHeaders")?,
            signature: field("Signature")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vectors_are_reproduced() {
        let canonical = "host:api.vmoscloud.com\nx-date:20240301T093700Z\ncontent-type:application/json;charset=UTF-8\n\
            signedHeaders:content-type;host;x-content-sha256;x-date\n\
            x-content-sha256:4fed469e5ad3785b24bf362a0befe9fc9554ad77abd7b60e85a4db76e097fa3d";
        assert_eq!(
            sign("skfleettestsecret0000001", "20240301T093700Z", canonical),
            "b496b1e2522f325e658da66dd637e9d2a8ecf9c57dc547bd1fb7290f389e3e65"
        );
    }
}
