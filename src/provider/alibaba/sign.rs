//! ACS3-HMAC-SHA256: what is signed of a request, and the nonce that no two requests share.
//!
//! Invariants: the query is sent as it is signed; every header that is given is signed; a nonce is never made twice in one process.
//! Not here: the primitives (`transport::sign`), which headers there are (`mod`).
//! Source: the vendor's manual "Request syntax and signature method V3", checked against the project's vectors.

use crate::model::stamp::Timestamp;
use crate::transport::sign::{hex, hmac_sha256, percent_encoded, sha256_hex};
use secrecy::{ExposeSecret, SecretString};
use std::sync::atomic::{AtomicU64, Ordering};

/// The scheme's name, in signatures and headers.
const ALGORITHM: &str = "ACS3-HMAC-SHA256";
/// Hex digits of a nonce.
const NONCE: usize = 32;

/// Parameters as they are written in a URL or a form: sorted by name, encoded, `k=v` joined by `&`.
pub(super) fn encoded(parameters: &[(String, String)]) -> String {
    let mut sorted: Vec<&(String, String)> = parameters.iter().collect();
    sorted.sort_unstable();
    let pairs: Vec<String> = sorted
        .into_iter()
        .map(|(name, value)| format!("{}={}", percent_encoded(name), percent_encoded(value)))
        .collect();
    pairs.join("&")
}

/// A request, as far as it is signed. The path is always `/`, the method always POST.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signable<'a> {
    /// The query as it is sent (see [`encoded`]).
    pub(super) query: &'a str,
    /// Headers by their lower-case names, in any order, with the digest of the body among them.
    pub(super) headers: &'a [(&'a str, String)],
    /// Lower hex SHA-256 of the body: the value of `x-acs-content-sha256`.
    pub(super) body_digest: &'a str,
}

impl Signable<'_> {
    fn sorted(&self) -> Vec<(&str, &str)> {
        let mut headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (*name, value.trim()))
            .collect();
        headers.sort_unstable();
        headers
    }

    /// Names of the signed headers, sorted, joined by `;`.
    fn signed_headers(&self) -> String {
        let names: Vec<&str> = self.sorted().into_iter().map(|(name, _)| name).collect();
        names.join(";")
    }

    fn canonical_headers(&self) -> String {
        let lines = self.sorted().into_iter();
        lines
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect()
    }

    fn canonical_request(&self) -> String {
        format!(
            "POST\n/\n{}\n{}\n{}\n{}",
            self.query,
            self.canonical_headers(),
            self.signed_headers(),
            self.body_digest
        )
    }

    fn string_to_sign(&self) -> String {
        format!(
            "{ALGORITHM}\n{}",
            sha256_hex(self.canonical_request().as_bytes())
        )
    }

    /// Value of the `authorization` header.
    pub(super) fn authorization(&self, key_id: &str, secret: &SecretString) -> String {
        let signature = hex(&hmac_sha256(
            secret.expose_secret().as_bytes(),
            self.string_to_sign().as_bytes(),
        ));
        format!(
            "{ALGORITHM} Credential={key_id},SignedHeaders={},Signature={signature}",
            self.signed_headers()
        )
    }
}

/// A text that no other request of this access key has: a digest of time, process and a count that goes on as long as the process lives. It protects from
/// replays and is no secret, so no randomness is spent on it; were two machines ever to make the same, the vendor refuses the second request and
/// the next attempt has another.
pub(super) fn nonce(now: Timestamp) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let text = format!("{} {} {count}", now.0, std::process::id());
    let mut nonce = sha256_hex(text.as_bytes());
    nonce.truncate(NONCE);
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::{BTreeMap, BTreeSet};

    #[derive(Deserialize)]
    struct Vectors {
        vectors: Vec<Vector>,
    }

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        scheme: String,
        access_key_id: String,
        access_key_secret: String,
        method: String,
        canonical_uri: String,
        query: BTreeMap<String, String>,
        headers_signed_input: BTreeMap<String, String>,
        body: String,
        hashed_request_payload: String,
        canonical_query_string: String,
        canonical_headers: String,
        signed_headers: String,
        canonical_request: String,
        string_to_sign: String,
        authorization: String,
    }

    #[test]
    fn every_vector_is_met_with_every_intermediate_value() {
        let text = include_str!("../../../tests/fixtures/alibaba/vectors.json");
        let vectors: Vectors = serde_json::from_str(text).unwrap();
        assert_eq!(vectors.vectors.len(), 7);
        for v in vectors.vectors {
            let name = &v.name;
            assert_eq!(
                (&*v.scheme, &*v.method, &*v.canonical_uri),
                (ALGORITHM, "POST", "/"),
                "{name}"
            );
            let query = encoded(&v.query.into_iter().collect::<Vec<_>>());
            let digest = sha256_hex(v.body.as_bytes());
            let headers: Vec<(&str, String)> = v
                .headers_signed_input
                .iter()
                .rev()
                .map(|(name, value)| (name.as_str(), value.clone()))
                .collect();
            let signable = Signable {
                query: &query,
                headers: &headers,
                body_digest: &digest,
            };
            assert_eq!(digest, v.hashed_request_payload, "{name}");
            assert_eq!(query, v.canonical_query_string, "{name}");
            assert_eq!(signable.canonical_headers(), v.canonical_headers, "{name}");
            assert_eq!(signable.signed_headers(), v.signed_headers, "{name}");
            assert_eq!(signable.canonical_request(), v.canonical_request, "{name}");
            assert_eq!(signable.string_to_sign(), v.string_to_sign, "{name}");
            assert_eq!(
                signable.authorization(&v.access_key_id, &v.access_key_secret.into()),
                v.authorization,
                "{name}"
            );
        }
    }

    #[test]
    fn no_two_nonces_are_equal() {
        let nonces: BTreeSet<String> = (0..1000).map(|_| nonce(Timestamp(7))).collect();
        assert_eq!(nonces.len(), 1000);
        assert!(nonces.iter().all(|nonce| nonce.len() == NONCE));
    }
}
