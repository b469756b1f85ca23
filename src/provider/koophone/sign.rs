//! SDK-HMAC-SHA256, the signature of Huawei Cloud's gateways.
//!
//! Invariants: exactly what is sent is signed: method, path, query, the headers named, body; the secret key signs directly, without derivation.
//! Not here: the primitives (`transport::sign`), tokens (`token`). Source: the official SDK's signer, checked against the project's vectors.

use crate::transport::sign::{hex, hmac_sha256, sha256_hex};
use secrecy::{ExposeSecret, SecretString};

/// The scheme's name.
const SCHEME: &str = "SDK-HMAC-SHA256";
/// The header that replaces the digest of the body.
const CONTENT_DIGEST: &str = "x-sdk-content-sha256";

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signable<'a> {
    /// `GET`.
    pub(super) method: &'a str,
    /// Path as it is sent.
    pub(super) path: &'a str,
    /// Names and values of the query, not encoded.
    pub(super) query: &'a [(&'a str, &'a str)],
    /// All headers that are sent, among them `host` and `x-sdk-date`.
    pub(super) headers: &'a [(&'a str, &'a str)],
    /// Body.
    pub(super) body: &'a [u8],
}

impl Signable<'_> {
    /// Names in lower case with trimmed values, sorted, without those that have a `_`.
    fn signed(&self) -> Vec<(String, &str)> {
        let mut headers: Vec<(String, &str)> = self
            .headers
            .iter()
            .filter(|(name, _)| !name.contains('_'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
            .collect();
        headers.sort_unstable();
        headers
    }

    fn value(&self, wanted: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        Some(found.1)
    }

    fn signed_names(&self) -> String {
        let names: Vec<String> = self.signed().into_iter().map(|(name, _)| name).collect();
        names.join(";")
    }

    fn canonical(&self) -> String {
        let mut lines = vec![
            self.method.to_owned(),
            canonical_path(self.path),
            query(self.query),
        ];
        let headers = self.signed();
        lines.extend(
            headers
                .iter()
                .map(|(name, value)| format!("{name}:{value}")),
        );
        lines.push(String::new());
        lines.push(self.signed_names());
        lines.push(
            self.value(CONTENT_DIGEST)
                .map_or_else(|| sha256_hex(self.body), str::to_owned),
        );
        lines.join("\n")
    }

    fn string_to_sign(&self) -> String {
        format!(
            "{SCHEME}\n{}\n{}",
            self.value("x-sdk-date").unwrap_or_default(),
            sha256_hex(self.canonical().as_bytes())
        )
    }

    /// Value of the `authorization` header.
    pub(super) fn authorization(&self, access_key: &str, secret_key: &SecretString) -> String {
        let signature = hmac_sha256(
            secret_key.expose_secret().as_bytes(),
            self.string_to_sign().as_bytes(),
        );
        format!(
            "{SCHEME} Access={access_key}, SignedHeaders={}, Signature={}",
            self.signed_names(),
            hex(&signature)
        )
    }
}

/// The path with every segment encoded once, whatever it was before, and a slash at its end.
fn canonical_path(path: &str) -> String {
    let mut canonical = String::with_capacity(path.len() + 1);
    for byte in decoded(path) {
        match byte {
            b'/' => canonical.push('/'),
            other => push(&mut canonical, other),
        }
    }
    if !canonical.ends_with('/') {
        canonical.push('/');
    }
    canonical
}

fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().iter();
    let mut out = Vec::with_capacity(text.len());
    while let Some(&byte) = bytes.next() {
        let rest = bytes.as_slice();
        let escape = (byte == b'%')
            .then(|| rest.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(escaped) = escape {
            out.push(escaped);
            bytes.nth(1);
        } else {
            out.push(byte);
        }
    }
    out
}

/// The query as it is signed and sent: encoded, sorted, without `?`.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let mut parts: Vec<(String, String)> = pairs
        .iter()
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    parts.sort_unstable();
    let parts: Vec<String> = parts
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    parts.join("&")
}

/// The text with everything escaped but letters, digits and `-._~` (RFC 3986).
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.bytes().for_each(|byte| push(&mut out, byte));
    out
}

fn push(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        out.push(char::from(byte));
    } else {
        out.push('%');
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn text(value: &Value) -> String {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    }

    #[test]
    fn every_vector_of_the_official_signer_is_reproduced() {
        let file = include_str!("../../../tests/fixtures/koophone/vectors.json");
        let file: Value = serde_json::from_str(file).unwrap();
        let vectors = file["vectors"].as_array().unwrap();
        assert_eq!(vectors.len(), 7);
        for vector in vectors {
            let name = &vector["name"];
            let pairs: Vec<(String, String)> = vector["query"]
                .as_array()
                .unwrap()
                .iter()
                .map(|pair| (text(&pair[0]), text(&pair[1])))
                .collect();
            let headers: Vec<(&str, String)> = vector["headers"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| (name.as_str(), text(value)))
                .collect();
            let pairs: Vec<(&str, &str)> = pairs
                .iter()
                .map(|(a, b)| (a.as_str(), b.as_str()))
                .collect();
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(a, b)| (*a, b.as_str())).collect();
            let body = text(&vector["body"]);
            let signable = Signable {
                method: vector["method"].as_str().unwrap(),
                path: vector["path"].as_str().unwrap(),
                query: &pairs,
                headers: &headers,
                body: body.as_bytes(),
            };
            assert_eq!(signable.canonical(), vector["canonical_request"], "{name}");
            assert_eq!(
                signable.string_to_sign(),
                vector["string_to_sign"],
                "{name}"
            );
            assert_eq!(signable.signed_names(), vector["signed_headers"], "{name}");
            let secret = SecretString::from(text(&vector["sk"]));
            assert_eq!(
                signable.authorization(vector["ak"].as_str().unwrap(), &secret),
                vector["authorization"],
                "{name}"
            );
            if !pairs.is_empty() {
                let uri = text(&vector["wire_uri"]);
                assert_eq!(query(&pairs), uri.split_once('?').unwrap().1, "{name}");
            }
        }
    }

    #[test]
    fn headers_with_an_underscore_are_left_out() {
        let signable = Signable {
            method: "GET",
            path: "/",
            query: &[],
            headers: &[("Host", "h"), ("X_Odd", "1"), ("X-Sdk-Date", " d ")],
            body: b"",
        };
        assert_eq!(signable.signed_names(), "host;x-sdk-date");
        assert!(signable.canonical().contains("\nx-sdk-date:d\n"));
    }

    proptest! {
        #[test]
        fn a_path_is_canonical_however_it_was_written(segments in proptest::collection::vec("[a-z %+é/]{0,6}", 0..4)) {
            let plain = format!("/{}", segments.iter().map(|s| s.replace(['/', '%'], "-")).collect::<Vec<_>>().join("/"));
            let written = plain.split('/').map(encoded).collect::<Vec<_>>().join("/");
            prop_assert_eq!(canonical_path(&plain), canonical_path(&written));
            prop_assert!(canonical_path(&plain).ends_with('/'));
        }

        #[test]
        fn any_path_is_survived(path in ".{0,40}") {
            prop_assert!(canonical_path(&path).is_ascii());
        }
    }
}
