//! What phones share: what follows from a desired state alone, and equal lists of apps, equal payloads.
//!
//! Invariants: what is kept of a desired state is dropped with the fleet it came from (secrets may be new then); memory follows what is shared, not the
//! number of phones. Not here: the phones (`member`).

use super::AccountIx;
use crate::model::capability::Capabilities;
use crate::model::desired::{Desired, Fingerprints};
use crate::plan::diff::Prepared;
use crate::plan::skip;
use rustc_hash::{FxHashMap, FxHashSet};
use std::hash::Hash;
use std::sync::Arc;

/// A desired state with at least this many owners is worth keeping ready: the fleet, the phone that is planned and its copy, and one phone more.
const OWNERS: usize = 4;

/// Unused ones are dropped when this many more are kept than were in use last time.
const SPARE: usize = 256;

/// A desired state by its address, at a provider by its table's address. The entry owns the state, so that no other can come to stand there.
type Place = (usize, usize);

/// Desired states that several phones share, made ready.
#[derive(Default)]
pub(super) struct Ready(FxHashMap<Place, (Arc<Desired>, Prepared)>);

fn place(desired: &Arc<Desired>, capabilities: &'static Capabilities) -> Place {
    (
        Arc::as_ptr(desired).addr(),
        std::ptr::from_ref(capabilities).addr(),
    )
}

impl Ready {
    /// Forgets everything: the fleet or its secrets are new.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Makes a shared desired state ready, unless it is. (What one phone alone desires is made ready each time.)
    pub(super) fn keep(
        &mut self,
        desired: &Arc<Desired>,
        capabilities: &'static Capabilities,
        fingerprints: &dyn Fingerprints,
        remembers: bool,
    ) {
        if Arc::strong_count(desired) < OWNERS {
            return;
        }
        self.0
            .entry(place(desired, capabilities))
            .or_insert_with(|| {
                let prepared = Prepared::new(desired, capabilities, fingerprints, remembers);
                (Arc::clone(desired), prepared)
            });
    }

    /// What was made ready.
    pub(super) fn get(
        &self,
        desired: &Arc<Desired>,
        capabilities: &'static Capabilities,
    ) -> Option<&Prepared> {
        let (_, prepared) = self.0.get(&place(desired, capabilities))?;
        Some(prepared)
    }
}

/// Desired states as far as an account's provider can carry them out; the same one for all phones that share the whole.
#[derive(Default)]
pub(super) struct Possible(FxHashMap<(usize, AccountIx), (Arc<Desired>, Arc<Desired>)>);

impl Possible {
    /// Forgets everything: the fleet is new.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What is possible of this desired state.
    pub(super) fn of(
        &mut self,
        account: AccountIx,
        desired: Arc<Desired>,
        place: skip::Place<'_>,
    ) -> Arc<Desired> {
        let key = (Arc::as_ptr(&desired).addr(), account);
        if let Some((_, left)) = self.0.get(&key) {
            return Arc::clone(left);
        }
        let Some(left) = place.without_unsupported(&desired) else {
            return desired;
        };
        let left = Arc::new(left);
        // What nobody else holds is this phone's alone and comes anew each time.
        if Arc::strong_count(&desired) > 1 {
            self.0.insert(key, (desired, Arc::clone(&left)));
        }
        left
    }
}

/// Things of which equal ones are one: lists of installed apps, payloads.
pub(super) struct Pool<T: ?Sized> {
    kept: FxHashSet<Arc<T>>,
    in_use: usize,
}

impl<T: ?Sized> Default for Pool<T> {
    fn default() -> Self {
        Self {
            kept: FxHashSet::default(),
            in_use: 0,
        }
    }
}

impl<T: Eq + Hash + ?Sized> Pool<T> {
    /// Puts the one that is kept in the place of an equal one.
    pub(super) fn share(&mut self, one: &mut Arc<T>) {
        if let Some(kept) = self.kept.get(one) {
            *one = Arc::clone(kept);
            return;
        }
        if self.kept.len() >= self.in_use + self.in_use / 2 + SPARE {
            self.kept.retain(|one| Arc::strong_count(one) > 1);
            self.in_use = self.kept.len();
        }
        self.kept.insert(Arc::clone(one));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::observed::{AppState, InstalledApp};

    fn list(package: &str) -> Arc<[InstalledApp]> {
        Arc::from([InstalledApp {
            package: package.into(),
            version_name: None,
            version_code: Some(1),
            state: AppState::Installed,
            system: Some(false),
        }])
    }

    #[test]
    fn equal_lists_are_one_and_unused_ones_go() {
        let mut lists = Pool::default();
        let (mut first, mut second) = (list("com.a"), list("com.a"));
        lists.share(&mut first);
        lists.share(&mut second);
        assert!(Arc::ptr_eq(&first, &second));
        for number in 0..10 * SPARE {
            lists.share(&mut list(&format!("com.b{number}")));
        }
        assert!(lists.kept.len() <= 2 * SPARE, "{}", lists.kept.len());
        let mut third = list("com.a");
        lists.share(&mut third);
        assert!(Arc::ptr_eq(&first, &third));
    }
}
