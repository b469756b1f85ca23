//! Checks ACS3-HMAC-SHA256, written from the manual alone.
//!
//! Invariants: every `x-acs-*` header, host and content type must be signed; what is signed is what was sent; a time counts for 15 minutes and a nonce once.
//! Not here: making signatures (`transport`).

use super::{Refusal, SECURITY_TOKEN, refuse, with_books};
use crate::model::stamp::Timestamp;
use crate::sim::world::World;
use crate::sim::{ACCESS_KEY, SECRET_KEY};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;

const SCHEME: &str = "ACS3-HMAC-SHA256";
const VERSION: &str = "2023-09-30";
/// How far a request's time may be from now, and how long nonces are remembered.
const WINDOW: Duration = Duration::from_secs(900);

/// Whether a request is signed as it should be; its nonce is used then.
pub(super) fn check(world: &mut World, request: &http::Request<Bytes>) -> Result<(), Refusal> {
    let header = |name: &str| {
        let value = request.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let Some(claim) = Claim::parse(header("authorization")) else {
        return refuse(
            400,
            "IncompleteSignature",
            "Authorization is missing or malformed.",
        );
    };
    if claim.key != ACCESS_KEY {
        return refuse(
            404,
            "InvalidAccessKeyId.NotFound",
            "Specified access key is not found.",
        );
    }
    if header("x-acs-version") != VERSION {
        return refuse(
            400,
            "InvalidVersion",
            "Specified parameter Version is not valid.",
        );
    }
    let token = header("x-acs-security-token");
    if !token.is_empty() && (token != SECURITY_TOKEN || header("x-acs-accesskey-id") != claim.key) {
        return refuse(
            400,
            "InvalidSecurityToken.Malformed",
            "Specified SecurityToken is malformed.",
        );
    }
    unsigned(request, &claim)?;
    let digest = hex(Sha256::digest(request.body()));
    if header("x-acs-content-sha256") != digest {
        return refuse(
            400,
            "SignatureDoesNotMatch",
            "The content digest does not match.",
        );
    }
    let canonical = canonical(request, &claim, &digest);
    let text = format!("{SCHEME}\n{}", hex(Sha256::digest(&canonical)));
    if mac(SECRET_KEY.as_bytes(), &text) != claim.signature {
        return refuse(
            400,
            "SignatureDoesNotMatch",
            format!(
                "Specified signature does not match our calculation. server CanonicalRequest is: {canonical}"
            ),
        );
    }
    fresh(world, header("x-acs-date"), header("x-acs-signature-nonce"))
}

/// Refuses what the manual wants signed and is not.
fn unsigned(request: &http::Request<Bytes>, claim: &Claim<'_>) -> Result<(), Refusal> {
    let must = |name: &str| name.starts_with("x-acs-") || matches!(name, "host" | "content-type");
    let names = request.headers().keys().map(http::HeaderName::as_str);
    match names
        .filter(|name| must(name))
        .find(|name| !claim.signed.contains(name))
    {
        Some(name) => refuse(
            400,
            "IncompleteSignature",
            format!("The header {name} must be signed."),
        ),
        None if claim.signed.contains(&"host") => Ok(()),
        None => refuse(
            400,
            "IncompleteSignature",
            "The header host must be signed.",
        ),
    }
}

fn canonical(request: &http::Request<Bytes>, claim: &Claim<'_>, digest: &str) -> String {
    let query = request.uri().query().unwrap_or_default();
    let parameters: BTreeMap<String, String> = url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let query: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    let mut headers = String::new();
    for name in &claim.signed {
        let value = request
            .headers()
            .get(*name)
            .and_then(|value| value.to_str().ok());
        headers.extend([name, ":", value.unwrap_or_default().trim(), "\n"]);
    }
    format!(
        "{}\n{}\n{}\n{headers}\n{}\n{digest}",
        request.method(),
        request.uri().path(),
        query.join("&"),
        claim.signed.join(";"),
    )
}

fn fresh(world: &mut World, date: &str, nonce: &str) -> Result<(), Refusal> {
    let now = world.now;
    let sent = date
        .parse::<jiff::Timestamp>()
        .map(|moment| Timestamp(moment.as_millisecond()));
    let Ok(sent) = sent else {
        return refuse(
            400,
            "InvalidTimeStamp.Format",
            "Specified time stamp is not well formatted.",
        );
    };
    if now.since(sent).max(sent.since(now)) > WINDOW {
        return refuse(
            400,
            "InvalidTimeStamp.Expired",
            "Specified time stamp or date value is expired.",
        );
    }
    if nonce.is_empty() {
        return refuse(400, "MissingParameter", "SignatureNonce is mandatory.");
    }
    let before = with_books(world, |books| {
        books.nonces.retain(|_, at| now.since(*at) <= WINDOW * 2);
        books.nonces.insert(nonce.to_owned(), now)
    });
    match before {
        None => Ok(()),
        Some(_) => refuse(
            400,
            "SignatureNonceUsed",
            "Specified signature nonce was used already.",
        ),
    }
}

fn mac(key: &[u8], text: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return String::new();
    };
    mac.update(text.as_bytes());
    hex(mac.finalize().into_bytes())
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    base16ct::lower::encode_string(bytes.as_ref())
}

/// RFC 3986: everything but letters, digits and `-._~`.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.extend(["%", &format!("{byte:02X}")]),
        }
    }
    encoded
}

/// The parts of an `authorization` header.
struct Claim<'a> {
    key: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let fields = header.strip_prefix(SCHEME)?.strip_prefix(' ')?;
        let field = |name: &str| {
            fields
                .split(',')
                .find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
        };
        Some(Self {
            key: field("Credential")?,
            signed: field("SignedHeaders")?.split(';').collect(),
            signature: field("Signature")?,
        })
    }
}
