//! V4: derived HMAC-SHA-256 for the service `armcloud-paas`; and V2, the sisters' older scheme.
//!
//! Invariants: exactly the bytes that are sent are signed; in V4 neither method nor path are part of it (the vendor's scheme does not protect them).
//! Not here: the primitives (`transport::sign`). Source: the vendor's manuals, checked against the project's vectors.

use crate::transport::sign::{derive_key, hex, hmac_sha256, sha256_hex};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

/// The service in the scope.
const SERVICE: &str = "armcloud-paas";

/// Which headers are signed, in the vendor's order.
const SIGNED_HEADERS: &str = "content-type;host;x-content-sha256;x-date";

/// How requests of an account are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// Derived HMAC-SHA-256.
    V4(CredentialForm),
    /// A digest over secret key, time, path and body.
    V2(Bodies),
}

/// Which bodies V2 signs. Public clients disagree about file and command calls: two leave the body out there, one does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bodies {
    /// All but those of file and command calls.
    Most,
    /// All.
    All,
}

/// Value of `X-Sign`: lower hex digest of secret key, unix time in seconds, path and payload, one after the other.
pub(super) fn v2(secret_key: &SecretString, timestamp: &str, path: &str, payload: &[u8]) -> String {
    let text = [
        secret_key.expose_secret().as_bytes(),
        timestamp.as_bytes(),
        path.as_bytes(),
        payload,
    ];
    // Holds the key: erased when it is dropped.
    let text: SecretSlice<u8> = text.concat().into();
    sha256_hex(text.expose_secret())
}

/// What stands after `Credential=`. Both forms are in use and the vendor takes either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum CredentialForm {
    /// `AK/date/armcloud-paas/request`, as the manual says.
    #[default]
    Scope,
    /// The bare access key, as some public clients send it.
    Bare,
}

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signable<'a> {
    /// Value of `x-host`; need not equal the HTTP host.
    pub(super) host: &'a str,
    /// Value of `x-date`, `YYYYMMDDTHHMMSSZ`.
    pub(super) date: &'a str,
    /// Value of `content-type`.
    pub(super) content_type: &'a str,
    /// Body (POST), or query string without `?` (GET).
    pub(super) payload: &'a [u8],
}

impl Signable<'_> {
    /// First eight characters of the date.
    fn day(&self) -> &str {
        self.date.get(..8).unwrap_or(self.date)
    }

    fn scope(&self) -> String {
        format!("{}/{SERVICE}/request", self.day())
    }

    /// Lower hex digest of the payload: the value of `x-content-sha256`.
    pub(super) fn payload_digest(&self) -> String {
        sha256_hex(self.payload)
    }

    fn canonical(&self, payload_digest: &str) -> String {
        format!(
            "host:{}\nx-date:{}\ncontent-type:{}\nsignedHeaders:{SIGNED_HEADERS}\nx-content-sha256:{payload_digest}",
            self.host, self.date, self.content_type
        )
    }

    fn string_to_sign(&self, payload_digest: &str) -> String {
        format!(
            "HMAC-SHA256\n{}\n{}\n{}",
            self.date,
            self.scope(),
            sha256_hex(self.canonical(payload_digest).as_bytes())
        )
    }

    /// Lower hex signature under the secret key.
    pub(super) fn signature(&self, secret_key: &SecretString, payload_digest: &str) -> String {
        let key = derive_key(
            secret_key.expose_secret().as_bytes(),
            &[self.day().as_bytes(), SERVICE.as_bytes(), b"request"],
        );
        hex(&hmac_sha256(
            &key,
            self.string_to_sign(payload_digest).as_bytes(),
        ))
    }

    /// Value of the `authorization` header.
    pub(super) fn authorization(
        &self,
        access_key: &str,
        secret_key: &SecretString,
        form: CredentialForm,
        payload_digest: &str,
    ) -> String {
        let scope = match form {
            CredentialForm::Scope => format!("/{}", self.scope()),
            CredentialForm::Bare => String::new(),
        };
        let signature = self.signature(secret_key, payload_digest);
        format!(
            "HMAC-SHA256 Credential={access_key}{scope}, SignedHeaders={SIGNED_HEADERS}, Signature={signature}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Vectors {
        access_key: String,
        secret_key: String,
        signed_headers: String,
        service: String,
        v4_hmac_derived: Vec<Vector>,
        v2_vmos_sha256: Vec<OlderVector>,
    }

    #[derive(Deserialize)]
    struct OlderVector {
        name: String,
        path: String,
        payload: String,
        payload_in_signature: bool,
        x_timestamp: String,
        headers: std::collections::BTreeMap<String, String>,
    }

    fn vectors() -> Vectors {
        serde_json::from_str(include_str!(
            "../../../tests/fixtures/armcloud/vectors.json"
        ))
        .unwrap()
    }

    #[test]
    fn every_vector_of_the_older_scheme_is_met() {
        let vectors = vectors();
        let secret = SecretString::from(vectors.secret_key);
        assert_eq!(vectors.v2_vmos_sha256.len(), 5);
        for v in &vectors.v2_vmos_sha256 {
            let payload = if v.payload_in_signature {
                v.payload.as_bytes()
            } else {
                b""
            };
            let sign = v2(&secret, &v.x_timestamp, &v.path, payload);
            assert_eq!(sign, v.headers["X-Sign"], "{}", v.name);
            assert_eq!(vectors.access_key, v.headers["X-Access-Key"], "{}", v.name);
        }
    }

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        host: String,
        content_type: String,
        x_date: String,
        payload: String,
        x_content_sha256: String,
        canonical_request: String,
        string_to_sign: String,
        k_signing_hex: String,
        signature: String,
        authorization_plain: String,
        authorization_with_scope: String,
    }

    #[test]
    fn every_vector_is_met_with_every_intermediate_value() {
        let vectors = vectors();
        assert_eq!(vectors.service, SERVICE);
        assert_eq!(vectors.signed_headers, SIGNED_HEADERS);
        assert_eq!(vectors.v4_hmac_derived.len(), 7);
        let secret = SecretString::from(vectors.secret_key.clone());
        for v in &vectors.v4_hmac_derived {
            let name = &v.name;
            let signable = Signable {
                host: &v.host,
                date: &v.x_date,
                content_type: &v.content_type,
                payload: v.payload.as_bytes(),
            };
            let digest = signable.payload_digest();
            assert_eq!(digest, v.x_content_sha256, "{name}");
            assert_eq!(signable.canonical(&digest), v.canonical_request, "{name}");
            assert_eq!(signable.string_to_sign(&digest), v.string_to_sign, "{name}");
            let key = derive_key(
                vectors.secret_key.as_bytes(),
                &[signable.day().as_bytes(), SERVICE.as_bytes(), b"request"],
            );
            assert_eq!(hex(&key), v.k_signing_hex, "{name}");
            assert_eq!(signable.signature(&secret, &digest), v.signature, "{name}");
            for (form, expected) in [
                (CredentialForm::Bare, &v.authorization_plain),
                (CredentialForm::Scope, &v.authorization_with_scope),
            ] {
                assert_eq!(
                    &signable.authorization(&vectors.access_key, &secret, form, &digest),
                    expected,
                    "{name}"
                );
            }
        }
    }
}
