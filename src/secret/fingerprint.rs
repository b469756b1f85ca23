//! Keyed fingerprints of values that cannot be read back.
//!
//! Invariants: equal wishes with equal secrets have equal fingerprints under one key; another attribute, wish, secret or key gives another one; without
//! the key a fingerprint tells nothing. Not here: where the key is kept (`journal::state`), when a fingerprint counts (`plan`, `controller`).

use super::{SecretError, Secrets};
use crate::model::attribute::Attribute;
use crate::model::desired::Fingerprints;
use crate::model::id::Fingerprint;
use crate::model::value::Wish;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Fingerprints that are remembered at most, some 200 bytes each; a larger fleet of phones that all differ computes some of them twice.
const MOST_KNOWN: usize = 1 << 20;

/// Makes fingerprints under one key, and remembers them, so that a fleet of equal wishes costs one.
pub struct Fingerprinter {
    keyed: Hmac<Sha256>,
    secrets: Arc<dyn Secrets>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    count: usize,
    prints: BTreeMap<Attribute, BTreeMap<Wish, Option<Fingerprint>>>,
}

impl std::fmt::Debug for Fingerprinter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fingerprinter").finish_non_exhaustive()
    }
}

impl Fingerprinter {
    /// Fingerprints under this key, with secrets resolved by `secrets`.
    pub fn new(key: &[u8; 32], secrets: Arc<dyn Secrets>) -> Self {
        // HMAC pads a short key with zeros to the hash's block; done here, no length can be refused.
        let mut block = zeroize::Zeroizing::new([0; 64]);
        block[..key.len()].copy_from_slice(key);
        Self {
            keyed: Hmac::new(&(*block).into()),
            secrets,
            known: Mutex::default(),
        }
    }

    /// Forgets fingerprints and secrets, so that rotated secrets show.
    pub fn refresh(&self) {
        self.secrets.refresh();
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Known::default();
    }

    fn make(&self, attribute: &Attribute, wish: &Wish) -> Option<Fingerprint> {
        let mut mac = self.keyed.clone();
        part(&mut mac, attribute.to_string().as_bytes());
        part(&mut mac, &serde_json::to_vec(wish).ok()?);
        if let Some(reference) = wish.secret() {
            let secret = self.secrets.resolve(reference).ok()?;
            part(&mut mac, secret.expose_secret().as_bytes());
        }
        let digest = mac.finalize().into_bytes();
        Some(Fingerprint(
            base16ct::lower::encode_string(&digest[..16]).into(),
        ))
    }
}

/// Length first, so that no two lists of parts give one text.
fn part(mac: &mut Hmac<Sha256>, bytes: &[u8]) {
    mac.update(&(bytes.len() as u64).to_le_bytes());
    mac.update(bytes);
}

impl Fingerprints for Fingerprinter {
    fn fingerprint(&self, attribute: &Attribute, wish: &Wish) -> Option<Fingerprint> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(print) = known.prints.get(attribute).and_then(|of| of.get(wish)) {
            return print.clone();
        }
        let print = self.make(attribute, wish);
        if known.count >= MOST_KNOWN {
            *known = Known::default();
        }
        known.count += 1;
        known
            .prints
            .entry(attribute.clone())
            .or_default()
            .insert(wish.clone(), print.clone());
        print
    }
}

/// A new key.
///
/// # Errors
/// The system gives no random bytes.
#[expect(clippy::disallowed_methods, reason = "the one home of new keys")]
pub fn new_key() -> Result<[u8; 32], SecretError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| SecretError {
        reference: "fingerprint key".to_owned(),
        problem: format!("the system gives no random bytes ({error})"),
    })?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::value::{
        Bypass, Proxy, ProxyEndpoint, ProxyMode, ProxyProtocol, SecretRef, Value,
    };
    use secrecy::SecretString;
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A safe with one text for all references, which counts its openings.
    #[derive(Default)]
    struct Safe {
        text: Mutex<Option<&'static str>>,
        opened: AtomicU32,
    }

    impl Safe {
        fn put(&self, text: &'static str) {
            *self.text.lock().unwrap() = Some(text);
        }
    }

    impl Secrets for Safe {
        fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
            self.opened.fetch_add(1, Ordering::Relaxed);
            let text = self.text.lock().unwrap().ok_or_else(|| SecretError {
                reference: format!("{reference:?}"),
                problem: "is not set".to_owned(),
            })?;
            Ok(SecretString::from(text))
        }
    }

    fn proxy(host: &str) -> Wish {
        Wish::Set(Value::Proxy(Box::new(Proxy::Via(ProxyEndpoint {
            mode: ProxyMode::Proxy,
            protocol: ProxyProtocol::Socks5,
            host: host.into(),
            port: 1080,
            username: None,
            password: Some(SecretRef::Env("P".into())),
            bypass: Bypass::default(),
        }))))
    }

    #[test]
    fn everything_that_counts_changes_the_fingerprint() {
        let safe = Arc::new(Safe::default());
        safe.put("one");
        let one = Fingerprinter::new(&[1; 32], safe.clone());
        let two = Fingerprinter::new(&[2; 32], safe.clone());
        let mut seen = BTreeSet::new();
        for prints in [&one, &two] {
            for wish in [
                proxy("a"),
                proxy("b"),
                Wish::Reset,
                Wish::Set(Value::Text("x".into())),
            ] {
                for attribute in [Attribute::Proxy, Attribute::Location] {
                    seen.insert(prints.fingerprint(&attribute, &wish).unwrap());
                }
            }
        }
        safe.put("two");
        one.refresh();
        seen.insert(one.fingerprint(&Attribute::Proxy, &proxy("a")).unwrap());
        assert_eq!(seen.len(), 17);
        for print in &seen {
            assert_eq!(print.0.len(), 32);
        }
    }

    #[test]
    fn the_same_inputs_give_the_same_fingerprint_in_every_process() {
        let print = Fingerprinter::new(&[7; 32], Arc::new(Safe::default()))
            .fingerprint(&Attribute::Location, &Wish::Reset)
            .unwrap();
        // HMAC-SHA-256 under 32 bytes of 7 of: length and "location", length and "\"reset\"".
        assert_eq!(print.0, "615e42662b685d4b0b1efbd32176290c");
    }

    #[test]
    fn a_fleet_of_equal_wishes_opens_the_safe_once() {
        let safe = Arc::new(Safe::default());
        safe.put("one");
        let prints = Fingerprinter::new(&[1; 32], safe.clone());
        let first = prints.fingerprint(&Attribute::Proxy, &proxy("a"));
        for _ in 0..1000 {
            assert_eq!(prints.fingerprint(&Attribute::Proxy, &proxy("a")), first);
        }
        assert_eq!(safe.opened.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_missing_secret_gives_none_until_it_is_there() {
        let safe = Arc::new(Safe::default());
        let prints = Fingerprinter::new(&[1; 32], safe.clone());
        assert_eq!(prints.fingerprint(&Attribute::Proxy, &proxy("a")), None);
        safe.put("one");
        prints.refresh();
        assert!(prints.fingerprint(&Attribute::Proxy, &proxy("a")).is_some());
    }

    #[test]
    fn new_keys_differ() {
        assert_ne!(new_key().unwrap(), new_key().unwrap());
    }
}
