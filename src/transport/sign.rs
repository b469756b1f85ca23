//! Signing primitives that several vendors share: digests, chains of HMAC, and the dates that go into them.
//!
//! Invariants: pure; keys and messages are bytes, never logged; hex is lower case. Not here: any vendor's scheme (`provider/<vendor>/sign`).

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// Length of a SHA-256 digest in bytes.
const DIGEST: usize = 32;

/// Lower hex of the bytes.
pub fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// Lower hex of the SHA-256 digest of `data`.
pub fn sha256_hex(data: &[u8]) -> String {
    hex(&Sha256::digest(data))
}

/// HMAC-SHA-256 of `message` under `key`. A key of any length is valid.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; DIGEST] {
    // A key longer than a block is hashed first, as RFC 2104 says; `new_from_slice` does the same and cannot fail for HMAC.
    let mut block = [0_u8; 64];
    if key.len() > block.len() {
        block[..DIGEST].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// A chain of HMACs: the key of each step is the raw digest of the one before, beginning with `secret`.
pub fn derive_key(secret: &[u8], steps: &[&[u8]]) -> Vec<u8> {
    steps.iter().fold(secret.to_vec(), |key, step| {
        hmac_sha256(&key, step).to_vec()
    })
}

/// `YYYYMMDDTHHMMSSZ` in UTC, of a moment in milliseconds since 1970. A moment outside the years 0 to 9999 is written as 1970.
pub fn compact_utc(unix_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(unix_ms)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string()
}

/// `YYYY-MM-DDTHH:MM:SSZ` in UTC, of a moment in milliseconds since 1970. A moment outside the years 0 to 9999 is written as 1970.
pub fn iso_utc(unix_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(unix_ms)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

/// The text with everything but letters, digits and `-._~` written as `%XX` (RFC 3986, unreserved characters), byte by byte.
pub fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + text.len() / 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.extend([byte >> 4, byte & 15].map(|half| {
                char::from_digit(half.into(), 16)
                    .unwrap_or_default()
                    .to_ascii_uppercase()
            }));
        }
    }
    encoded
}

/// The moment a `Date` header tells (RFC 9110, IMF-fixdate), in milliseconds since 1970.
pub fn http_date(text: &str) -> Option<i64> {
    let zoned = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn digests_are_those_of_the_standards() {
        assert_eq!(
            sha256_hex(b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        // RFC 4231, test cases 2 and 6 (a key longer than one block).
        assert_eq!(
            hex(&hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(&hmac_sha256(
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First"
            )),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn a_chain_of_no_steps_is_the_secret_itself() {
        assert_eq!(derive_key(b"secret", &[]), b"secret");
        assert_eq!(
            derive_key(b"secret", &[b"a", b"b"]),
            hmac_sha256(&hmac_sha256(b"secret", b"a"), b"b")
        );
    }

    #[test]
    fn dates_are_compact_and_utc() {
        assert_eq!(compact_utc(1_709_285_820_999), "20240301T093700Z");
        assert_eq!(compact_utc(i64::MAX), "19700101T000000Z");
    }

    #[test]
    fn long_dates_are_those_of_iso_8601() {
        assert_eq!(iso_utc(1_709_285_820_999), "2024-03-01T09:37:00Z");
        assert_eq!(iso_utc(i64::MAX), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(percent_encoded("aZ09-._~"), "aZ09-._~");
        assert_eq!(
            percent_encoded(" *+/=%&中\n"),
            "%20%2A%2B%2F%3D%25%26%E4%B8%AD%0A"
        );
    }

    #[test]
    fn date_headers_are_read() {
        assert_eq!(
            http_date("Fri, 01 Mar 2024 09:37:00 GMT"),
            Some(1_709_285_820_000)
        );
        assert_eq!(http_date("yesterday"), None);
    }

    proptest! {
        #[test]
        fn compact_dates_always_have_sixteen_bytes(ms in -60_000_000_000_000_i64..250_000_000_000_000) {
            let text = compact_utc(ms);
            prop_assert_eq!(text.len(), 16);
            prop_assert!(text.ends_with('Z'));
        }
    }
}
