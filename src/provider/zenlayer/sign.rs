//! ZC2-HMAC-SHA256, and the personal access token in its place.
//!
//! Invariants: exactly the bytes that are sent are signed, with the content type as it is sent, byte for byte; action, version and path are no part of it
//! (the vendor's scheme does not protect them). Not here: the primitives (`transport::sign`). Source: the vendor's page on signing and its SDK, checked against
//! the project's vectors.

use crate::transport::sign::{hex, hmac_sha256, sha256_hex};
use secrecy::{ExposeSecret, SecretString};

/// Name of the scheme, in headers and in what is signed.
pub(super) const METHOD: &str = "ZC2-HMAC-SHA256";
/// Which headers are signed.
const SIGNED_HEADERS: &str = "content-type;host";

/// How requests of an account prove who sends them.
pub(super) enum Proof {
    /// Signed with the access key's password.
    Key {
        /// The access key's id.
        id: SecretString,
        /// Its password.
        password: SecretString,
    },
    /// A personal access token, sent as it is.
    Token(SecretString),
}

impl Proof {
    /// The texts that must not be shown.
    pub(super) fn secrets(&self) -> Vec<&SecretString> {
        match self {
            Self::Key { id, password } => vec![password, id],
            Self::Token(token) => vec![token],
        }
    }
}

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signable<'a> {
    /// The `Host` header as it is sent.
    pub(super) host: &'a str,
    /// The `Content-Type` header as it is sent.
    pub(super) content_type: &'a str,
    /// Unix time in seconds, the text of `x-zc-timestamp`.
    pub(super) timestamp: &'a str,
    /// The body.
    pub(super) payload: &'a [u8],
}

impl Signable<'_> {
    /// The path is always `/` here, whatever the real one is, and the query empty.
    fn canonical_request(&self) -> String {
        format!(
            "POST\n/\n\ncontent-type:{}\nhost:{}\n\n{SIGNED_HEADERS}\n{}",
            self.content_type,
            self.host,
            sha256_hex(self.payload)
        )
    }

    fn string_to_sign(&self) -> String {
        format!(
            "{METHOD}\n{}\n{}",
            self.timestamp,
            sha256_hex(self.canonical_request().as_bytes())
        )
    }

    /// Value of `Authorization`.
    pub(super) fn authorization(&self, id: &str, password: &SecretString) -> String {
        let signature = hex(&hmac_sha256(
            password.expose_secret().as_bytes(),
            self.string_to_sign().as_bytes(),
        ));
        format!("{METHOD} Credential={id}, SignedHeaders={SIGNED_HEADERS}, Signature={signature}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Vectors {
        vectors: Vec<Vector>,
    }

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        access_key_id: String,
        access_key_password: String,
        content_type: String,
        host: String,
        timestamp: i64,
        body: String,
        canonical_request: String,
        string_to_sign: String,
        authorization: String,
    }

    #[test]
    fn every_vector_is_reproduced() {
        let text = include_str!("../../../tests/fixtures/zenlayer/vectors.json");
        let Vectors { vectors } = serde_json::from_str(text).unwrap();
        assert!(vectors.len() >= 8);
        for vector in vectors {
            let timestamp = vector.timestamp.to_string();
            let signable = Signable {
                host: &vector.host,
                content_type: &vector.content_type,
                timestamp: &timestamp,
                payload: vector.body.as_bytes(),
            };
            let name = &vector.name;
            assert_eq!(
                signable.canonical_request(),
                vector.canonical_request,
                "{name}"
            );
            assert_eq!(signable.string_to_sign(), vector.string_to_sign, "{name}");
            let password = SecretString::from(vector.access_key_password);
            assert_eq!(
                signable.authorization(&vector.access_key_id, &password),
                vector.authorization,
                "{name}"
            );
        }
    }

    #[test]
    fn the_content_type_counts_byte_for_byte() {
        let signed = |content_type| {
            let signable = Signable {
                host: "console.zenlayer.com",
                content_type,
                timestamp: "1768464000",
                payload: b"{}",
            };
            signable.authorization("id", &SecretString::from("password"))
        };
        assert_ne!(
            signed("application/json"),
            signed("application/json; charset=utf-8")
        );
    }
}
