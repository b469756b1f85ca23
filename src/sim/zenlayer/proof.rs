//! Checks who sends a request: ZC2-HMAC-SHA256 or a personal access token, written from the vendor's page alone.
//!
//! Invariants: what is signed is what was sent, byte by byte, content type included; a signature's time may be five minutes from now. Not here: making
//! signatures.

use super::{Refusal, TOKEN, header, refuse};
use crate::model::stamp::Timestamp;
use crate::sim::{ACCESS_KEY, SECRET_KEY};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const METHOD: &str = "ZC2-HMAC-SHA256";
const SIGNED: &str = "content-type;host";
/// How far a signature's time may be from now, where that is checked.
const WINDOW_SECONDS: i64 = 300;

/// Whether a request proves who sends it.
pub(super) fn check(
    request: &http::Request<Bytes>,
    now: Timestamp,
    clock: bool,
) -> Result<(), Refusal> {
    let authorization = header(request, "authorization");
    if let Some(token) = authorization.strip_prefix("Bearer ") {
        return match token == TOKEN {
            true => Ok(()),
            false => refuse(401, "AUTHFAILURE_INVALID_AUTHORIZATION", "unknown token"),
        };
    }
    let Some((key, signed, signature)) = claim(authorization) else {
        return refuse(
            401,
            "AUTHFAILURE_INVALID_AUTHORIZATION",
            "Authorization is missing or malformed",
        );
    };
    let timestamp = header(request, "x-zc-timestamp");
    let seconds: Option<i64> = timestamp.parse().ok();
    if key != ACCESS_KEY || signed != SIGNED || header(request, "x-zc-signature-method") != METHOD {
        return refuse(
            401,
            "AUTHFAILURE_INVALID_AUTHORIZATION",
            "access key, signed headers or method",
        );
    }
    let Some(seconds) = seconds else {
        return refuse(401, "AUTHFAILURE_INVALID_AUTHORIZATION", "x-zc-timestamp");
    };
    if clock && (seconds - now.0.div_euclid(1000)).abs() > WINDOW_SECONDS {
        return refuse(
            401,
            "AUTHFAILURE_SIGNATURE_EXPIRED",
            "the timestamp is more than five minutes from now",
        );
    }
    let canonical = format!(
        "POST\n/\n\ncontent-type:{}\nhost:{}\n\n{SIGNED}\n{}",
        header(request, "content-type"),
        header(request, "host"),
        hex(&Sha256::digest(request.body()))
    );
    match sign(SECRET_KEY, timestamp, &canonical) == signature {
        true => Ok(()),
        false => refuse(
            401,
            "AUTHFAILURE_SIGNATURE_FAILURE",
            "the signature does not match",
        ),
    }
}

fn claim(header: &str) -> Option<(&str, &str, &str)> {
    let fields = header.strip_prefix(METHOD)?.strip_prefix(' ')?;
    let field = |name: &str| {
        fields
            .split(',')
            .find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
    };
    Some((
        field("Credential")?,
        field("SignedHeaders")?,
        field("Signature")?,
    ))
}

/// The signature of a canonical request.
fn sign(password: &str, timestamp: &str, canonical: &str) -> String {
    let text = format!("{METHOD}\n{timestamp}\n{}", hex(&Sha256::digest(canonical)));
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(password.as_bytes()) else {
        return String::new();
    };
    mac.update(text.as_bytes());
    hex(&mac.finalize().into_bytes())
}

fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_is_reproduced() {
        let canonical = "POST\n/\n\ncontent-type:application/json; charset=utf-8\nhost:console.zenlayer.com\n\ncontent-type;host\n\
            5f714687ba91c606d503467766151206392474accd137ffea6dce2420b67c29a";
        assert_eq!(
            sign("Gu5t9xGARNpq86cd98joQYCN3", "1673361177", canonical),
            "efb356c32e55c781e10dc676da59462c22596d82e91c57803666243379555b2f"
        );
    }
}
