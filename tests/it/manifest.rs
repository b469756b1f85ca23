//! Manifests as an operator meets them: the examples load, and every mistake is reported with its place.

use phonefleet::manifest::{Bundle, load, read_paths};
use phonefleet::model::fleet::{Claim, Fleet, PhoneFacts};
use phonefleet::model::id::{PhoneKey, ProviderGroup};
use phonefleet::model::stamp::Timestamp;
use phonefleet::provider::registry::capabilities;
use std::path::Path;

/// 2026-11-21T00:00Z.
const NOW: Timestamp = Timestamp(1_795_219_200_000);

fn example(name: &str) -> Bundle {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name);
    read_paths(&[folder]).unwrap()
}

fn loaded(name: &str) -> Fleet {
    match load(&example(name), &capabilities, NOW) {
        Ok(fleet) => fleet,
        Err(findings) => panic!("{}", phonefleet::manifest::report::render(&findings, false)),
    }
}

fn facts(account: &str, phone: &str, group: &str) -> PhoneFacts {
    PhoneFacts {
        key: PhoneKey {
            account: account.into(),
            phone: phone.into(),
        },
        provider_group: Some(ProviderGroup::new(group)),
    }
}

fn desired(fleet: &Fleet, facts: &PhoneFacts) -> Vec<String> {
    match fleet.claims.claim(facts, NOW) {
        Claim::Claimed(desired) => desired
            .attributes
            .iter()
            .map(|(attribute, wanted)| {
                format!(
                    "{attribute} = {} @ {}",
                    serde_json::to_string(&wanted.wish).unwrap(),
                    wanted.origin.line
                )
            })
            .collect(),
        other @ (Claim::Unclaimed | Claim::Twice(_) | Claim::Broken(..)) => panic!("{other:?}"),
    }
}

#[test]
fn quickstart_loads() {
    let fleet = loaded("quickstart");
    assert_eq!(fleet.groups.len(), 2);
    assert_eq!(
        desired(&fleet, &facts("demo", "AC32010000001", "1")).len(),
        6
    );
}

#[test]
fn all_examples_load() {
    for name in ["quickstart", "qa-lab", "armcloud"] {
        loaded(name);
    }
}
