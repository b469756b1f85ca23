//! What is known of a phone that got another code.
//!
//! Invariants: it is the program's durable record that tells; until then a new code is another phone. Not here: the world's codes (`sim`).

use super::View;
use crate::model::id::{PhoneId, PhoneKey, VendorIdentity};
use crate::model::operation::Intent;
use std::sync::Arc;

impl View {
    /// Codes that a phone had, as the program has noted.
    pub(in crate::rehearsal) fn former(&self, key: &PhoneKey) -> Vec<PhoneKey> {
        let Some(account) = self.accounts.get(&key.account) else {
            return Vec::new();
        };
        let former = self.durable.former(&account.identity, &key.phone).iter();
        let key = |phone: &PhoneId| PhoneKey {
            account: key.account.clone(),
            phone: phone.clone(),
        };
        former.map(|old| key(&old.phone)).collect()
    }

    /// Keys of a phone that got another code.
    pub(in crate::rehearsal) fn renamed(
        &self,
        identity: &VendorIdentity,
        from: &PhoneId,
        to: &PhoneId,
    ) -> Option<(PhoneKey, PhoneKey)> {
        let (account, _) = self.account_of(identity)?;
        let key = |phone: &PhoneId| PhoneKey {
            account: account.clone(),
            phone: phone.clone(),
        };
        Some((key(from), key(to)))
    }

    /// What is known of a phone is known of it under its new code from now on.
    pub(super) fn rename(&mut self, identity: &VendorIdentity, from: &PhoneId, to: &PhoneId) {
        let Some((old, new)) = self.renamed(identity, from, to) else {
            return;
        };
        if old == new {
            return;
        }
        for intent in self.intents.values_mut() {
            if intent.identity == *identity && intent.phones.contains(from) {
                let phones = intent.phones.iter();
                let phones = phones.map(|phone| if phone == from { to } else { phone });
                let phones = phones.cloned().collect();
                *intent = Arc::new(Intent {
                    phones,
                    ..Intent::clone(intent)
                });
            }
        }
        let on_phone = self.jobs.values_mut().filter(|job| job.phone == old);
        on_phone.for_each(|job| job.phone = new.clone());
        if let Some(numbers) = self.jobs_of.remove(&old) {
            let all = self.jobs_of.entry(new.clone()).or_default();
            all.extend(numbers);
            all.sort_unstable();
        }
        for times in [&mut self.ended, &mut self.changed] {
            if let Some(at) = times.remove(&old) {
                let mine = times.entry(new.clone()).or_default();
                *mine = at.max(*mine);
            }
        }
        if let Some(reads) = self.reads.remove(&old) {
            let mine = self.reads.entry(new.clone()).or_default();
            for (mine, theirs) in mine.iter_mut().zip(reads) {
                *mine = theirs.max(*mine);
            }
        }
        for phones in [&mut self.misled, &mut self.excused] {
            if phones.remove(&old) {
                phones.insert(new.clone());
            }
        }
    }
}
