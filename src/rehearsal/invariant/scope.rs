//! I7: no unmanaged phone or attribute is ever touched; an empty or short list is not "all gone".
//!
//! Invariants: what is managed is what the newest fleet's claims say of the phone, asked anew for every order. Not here: costs (`costly`).

use super::{Check, Invariant};
use crate::model::attribute::Attribute;
use crate::model::desired::{AppPolicy, Desired};
use crate::model::fleet::{Claim, PhoneFacts};
use crate::model::id::PhoneKey;
use crate::model::operation::Intent;
use crate::rehearsal::monitor::{Happening, View};
use std::sync::Arc;

/// I7.
pub(super) struct Scope;

impl Check for Scope {
    fn invariant(&self) -> Invariant {
        Invariant::Scope
    }

    fn see(&mut self, happening: &Happening<'_>, view: &View, find: &mut dyn FnMut(String)) {
        match happening {
            Happening::Ordered { account, order, .. } => {
                for phone in order.phones.iter() {
                    let key = PhoneKey {
                        account: (*account).clone(),
                        phone: phone.clone(),
                    };
                    let Some(desired) = desired(&key, view) else {
                        find(format!(
                            "{key}: {} on a phone that nobody manages",
                            order.call
                        ));
                        continue;
                    };
                    for (attribute, _) in order.writes.iter() {
                        if !managed(&desired, attribute) {
                            find(format!(
                                "{key}: {} writes {attribute}, which nobody manages",
                                order.call
                            ));
                        }
                    }
                }
            }
            Happening::Absent(phone, true) => {
                find(format!("{phone} counts as gone, but the account has it"));
            }
            Happening::Touched(phone) => {
                find(format!("{phone} is not as it was, and nobody manages it"));
            }
            _ => {}
        }
    }
}

/// What the newest fleet desires of a phone.
pub(in crate::rehearsal) fn desired(key: &PhoneKey, view: &View) -> Option<Arc<Desired>> {
    let fleet = view.fleet.as_ref()?;
    let facts = PhoneFacts {
        key: key.clone(),
        former: view.former(key),
        provider_group: None,
    };
    match fleet.claims.claim(&facts, view.now) {
        Claim::Claimed(desired) => Some(desired),
        Claim::Unclaimed | Claim::Twice(_) | Claim::Broken(..) => None,
    }
}

fn managed(desired: &Desired, attribute: &Attribute) -> bool {
    desired.attributes.contains_key(attribute)
        || match (desired.app_policy, attribute) {
            (AppPolicy::Exclusive, Attribute::App(package)) => {
                !desired.ignored_apps.contains(package)
            }
            (AppPolicy::Exclusive | AppPolicy::Additive, _) => false,
        }
}

/// Whether the provider's documented table says that carrying this out costs something.
pub(super) fn costs(intent: &Intent, view: &View) -> bool {
    let documented = view
        .account_of(&intent.identity)
        .map(|(_, account)| account.capabilities);
    documented.is_some_and(|capabilities| {
        intent.writes.is_empty()
            || intent
                .writes
                .iter()
                .any(|(attribute, wish)| !capabilities.costs(attribute, wish).is_live())
    })
}
