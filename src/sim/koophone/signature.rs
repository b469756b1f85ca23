//! Checks SDK-HMAC-SHA256 signatures, written from the scheme's description alone.
//!
//! Invariants: what is signed is what was sent: method, path with a slash at its end, query, the headers named, body; host and date must be among them.
//! Not here: making signatures (`transport`).

use super::SECURITY_TOKEN;
use super::form::{decoded, escaped};
use crate::model::stamp::Timestamp;
use crate::sim::{ACCESS_KEY, SECRET_KEY};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const SCHEME: &str = "SDK-HMAC-SHA256";
/// How far a signature's time may be from now, where that is checked.
const WINDOW_MS: i64 = 900_000;

/// Whether a request is signed as it should be.
pub(super) fn check(
    request: &http::Request<Bytes>,
    now: Timestamp,
    clock: bool,
) -> Result<(), &'static str> {
    let header = |name: &str| {
        let value = request.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .trim()
    };
    let Some(claim) = Claim::parse(header("authorization")) else {
        return Err("authorization header format incorrect");
    };
    if claim.access != ACCESS_KEY {
        return Err("verify ak fail: access key does not exist");
    }
    let token = header("x-security-token");
    if !token.is_empty() && token != SECURITY_TOKEN {
        return Err("invalid security token");
    }
    let names: Vec<&str> = claim.signed_headers.split(';').collect();
    if !names.contains(&"host") || !names.contains(&"x-sdk-date") || !names.is_sorted() {
        return Err("host and x-sdk-date must be signed");
    }
    let date = header("x-sdk-date");
    let moment = jiff::fmt::strtime::parse("%Y%m%dT%H%M%SZ", date)
        .and_then(|parsed| parsed.to_datetime())
        .and_then(|moment| moment.to_zoned(jiff::tz::TimeZone::UTC));
    let Ok(moment) = moment else {
        return Err("x-sdk-date is malformed");
    };
    if clock && (moment.timestamp().as_millisecond() - now.0).abs() > WINDOW_MS {
        return Err("signature expired");
    }
    let headers: String = names
        .iter()
        .map(|name| format!("{name}:{}\n", header(name)))
        .collect();
    let digest = match header("x-sdk-content-sha256") {
        "" => hex(Sha256::digest(request.body())),
        said => said.to_owned(),
    };
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{}\n{digest}",
        request.method(),
        path(request.uri().path()),
        query(request.uri().query().unwrap_or_default()),
        claim.signed_headers,
    );
    let text = format!("{SCHEME}\n{date}\n{}", hex(Sha256::digest(canonical)));
    match sign(SECRET_KEY, &text) == claim.signature {
        true => Ok(()),
        false => Err("verify aksk signature fail, signature is mismatched"),
    }
}

fn path(raw: &str) -> String {
    let mut whole: String = raw
        .split('/')
        .map(|segment| escaped(&decoded(segment)))
        .collect::<Vec<_>>()
        .join("/");
    if !whole.ends_with('/') {
        whole.push('/');
    }
    whole
}

fn query(raw: &str) -> String {
    let mut pairs: Vec<(String, String)> = raw
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (escaped(&decoded(name)), escaped(&decoded(value))))
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

fn sign(secret: &str, text: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(text.as_bytes());
    hex(mac.finalize().into_bytes())
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    base16ct::lower::encode_string(bytes.as_ref())
}

/// The parts of an `authorization` header.
struct Claim<'a> {
    access: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let fields = header.strip_prefix(SCHEME)?;
        let field = |name: &str| {
            fields
                .split(',')
                .find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
        };
        Some(Self {
            access: field("Access")?,
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
        // The official signer's, made for other keys: "task-query-GET-empty-body".
        let text = "SDK-HMAC-SHA256\n20260115T080000Z\nd166770c86b65fc9dca9b9dad10813c83872b02b42c37dbd20c037ce19fd08eb";
        assert_eq!(
            sign("hwFakeSecretKey0123456789abcdefghijklmnop", text),
            "66dd52363ba00ca301e4060bf323bbe99b2424a19a59156f6e42b45a7cd3ecbe"
        );
        assert_eq!(
            path("/v1/instances/tasks/a b%2Fc"),
            "/v1/instances/tasks/a%20b%2Fc/"
        );
        assert_eq!(
            query("page_no=1&page_size=50&instance_name=a%20b%2Fc~%2A%E4%B8%AD"),
            "instance_name=a%20b%2Fc~%2A%E4%B8%AD&page_no=1&page_size=50"
        );
    }
}
