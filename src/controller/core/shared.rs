//! What phones share: what follows from a desired state alone, and equal lists of apps.
//!
//! Invariants: what is kept of a desired state is dropped with the fleet it came from (secrets may be new then); memory follows what is shared, not the
//! number of phones. Not here: the phones (`member`).

use crate::model::capability::Capabilities;
use crate::model::desired::{Desired, Fingerprints};
use crate::model::observed::InstalledApp;
use crate::plan::diff::Prepared;
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// A desired state with at least this many owners is worth keeping ready: the fleet, the phone that is planned and its copy, and one phone more.
const OWNERS: usize = 4;

/// Unused lists of apps are dropped when this many more are kept than were in use last time.
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

/// Lists of installed apps: equal ones are one.
#[derive(Default)]
pub(super) struct AppLists {
    lists: FxHashSet<Arc<[InstalledApp]>>,
    in_use: usize,
}

impl AppLists {
    /// Puts the one kept list in the place of an equal one.
    pub(super) fn share(&mut self, list: &mut Arc<[InstalledApp]>) {
        if let Some(kept) = self.lists.get(list) {
            *list = Arc::clone(kept);
            return;
        }
        if self.lists.len() >= self.in_use + self.in_use / 2 + SPARE {
            self.lists.retain(|list| Arc::strong_count(list) > 1);
            self.in_use = self.lists.len();
        }
        self.lists.insert(Arc::clone(list));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::observed::AppState;

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
        let mut lists = AppLists::default();
        let (mut first, mut second) = (list("com.a"), list("com.a"));
        lists.share(&mut first);
        lists.share(&mut second);
        assert!(Arc::ptr_eq(&first, &second));
        for number in 0..10 * SPARE {
            lists.share(&mut list(&format!("com.b{number}")));
        }
        assert!(lists.lists.len() <= 2 * SPARE, "{}", lists.lists.len());
        let mut third = list("com.a");
        lists.share(&mut third);
        assert!(Arc::ptr_eq(&first, &third));
    }
}
