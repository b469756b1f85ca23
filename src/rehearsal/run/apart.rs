//! I14: the same run without and with failing phones; how long the healthy ones take.
//!
//! Invariants: both runs have the same seed, manifests and phones, and nothing else goes wrong. Not here: how much longer is too long (`invariant::ending`).

use super::Run;
use crate::model::id::{AccountName, PhoneKey};
use crate::rehearsal::invariant::{Violation, desired};
use crate::rehearsal::monitor::{Happening, Monitor};
use crate::rehearsal::profile::Profile;
use crate::rehearsal::scenario::{BEGINNING, Scenario};
use crate::rehearsal::seam::Seams;
use std::collections::BTreeSet;
use std::time::Duration;

/// Between two looks at the healthy phones.
const LOOK: Duration = Duration::from_secs(1);
/// No run takes longer.
const MOST: Duration = Duration::from_secs(3_600);
/// Of so many phones one fails.
const EVERY: usize = 5;

/// What failing phones do: every job on them fails, or they are not connected, so that every job waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failing {
    Jobs,
    Connection,
}

/// How long the healthy phones of a scenario take from the start of the process: without failing phones beside them, and with; and what does not hold.
pub fn apart(scenario: &Scenario) -> (Duration, Duration, Vec<Violation>) {
    let scenario = Scenario {
        profile: Profile::default(),
        editions: 0,
        mischief: Vec::new(),
        hours: MOST.as_secs_f64() / 3_600.0,
        ..scenario.clone()
    };
    let failing = match scenario.draw("how phones fail", 0, 2) {
        0 => Failing::Jobs,
        _ => Failing::Connection,
    };
    let [alone, beside] = [None, Some(failing)].map(|failing| healthy_after(&scenario, failing));
    let mut monitor = Monitor::new(scenario.settings.clone());
    monitor.happen(BEGINNING, &Happening::Isolation(alone, beside));
    (alone, beside, std::mem::take(&mut monitor.violations))
}

fn healthy_after(scenario: &Scenario, failing: Option<Failing>) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let Ok(runtime) = runtime else { return MOST };
    runtime.block_on(Box::pin(async {
        let mut run = Run::new(scenario, &Seams::default());
        let sick = run.sick();
        if let Some(failing) = failing {
            run.make_sick(&sick, failing);
        }
        run.healthy(&sick).await
    }))
}

impl Run {
    /// The phones that fail, or would.
    fn sick(&self) -> BTreeSet<PhoneKey> {
        let mut sick = BTreeSet::new();
        for (account, world) in &self.worlds {
            let phones = world.phones().into_iter().skip(2).step_by(EVERY);
            sick.extend(phones.map(|id| PhoneKey {
                account: account.clone(),
                phone: id.as_str().into(),
            }));
        }
        sick
    }

    fn make_sick(&self, phones: &BTreeSet<PhoneKey>, failing: Failing) {
        for key in phones {
            let Some(world) = self.worlds.get(&key.account) else {
                continue;
            };
            world.change(|world| match failing {
                Failing::Jobs => world.break_phone(key.phone.as_str()),
                Failing::Connection => world.disconnect(key.phone.as_str(), MOST * 2),
            });
        }
    }

    /// Lives until the other phones are as wished.
    async fn healthy(&mut self, sick: &BTreeSet<PhoneKey>) -> Duration {
        while self.now() < BEGINNING.after(MOST) && !self.hopeless {
            self.live(self.now().after(LOOK)).await;
            if self.is_done_but(sick) {
                break;
            }
        }
        self.now().since(BEGINNING)
    }

    fn is_done_but(&self, sick: &BTreeSet<PhoneKey>) -> bool {
        let monitor = self.network.monitor();
        let view = &monitor.view;
        let done = |account: &AccountName, id: &str| {
            let key = PhoneKey {
                account: account.clone(),
                phone: id.into(),
            };
            let Some(desired) = desired(&key, view).filter(|_| !sick.contains(&key)) else {
                return true;
            };
            let mut wanted = desired.attributes.iter();
            wanted
                .all(|(attribute, wanted)| view.holds(&key, attribute, &wanted.wish) != Some(false))
        };
        self.worlds
            .iter()
            .all(|(account, world)| world.phones().iter().all(|id| done(account, id)))
    }
}
