//! What goes wrong at moments of its own: deaths, stops, edits, and what other people do to phones.
//!
//! Invariants: which moment, which phone and what follows from the seed. Not here: what goes wrong with requests (`network`) and jobs (`sim`).

use super::scenario::{BEGINNING, Deed, Scenario};
use crate::model::id::AccountName;
use crate::model::stamp::Timestamp;
use crate::sim::Simulator;
use crate::sim::scenario::Drift;
use smol_str::{SmolStr, format_smolstr};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Stands in the new code of a phone that came back with one, between the old code and a number.
pub(super) const AGAIN: &str = "N-";

/// Something that happens at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disturbance {
    /// The process dies.
    Crash,
    /// The process is asked to end.
    Stop,
    /// The manifests are changed.
    Edit,
    /// The manifests are changed to something wrong.
    BadEdit,
    /// Something happens to a phone.
    World(u64, Deed),
}

/// Everything that happens at moments of its own, in order.
pub(super) fn timeline(scenario: &Scenario) -> VecDeque<(Timestamp, Disturbance)> {
    let around = scenario.profile.around;
    let mut all: Vec<(Timestamp, Disturbance)> = Vec::new();
    let deeds = [
        (around.drift, Deed::Drift),
        (around.cut, Deed::Cut),
        (around.vanish, Deed::Vanish),
        (around.other, Deed::Other),
        (around.fall, Deed::Fall),
    ];
    for (rate, deed) in deeds {
        let moments = scenario.moments(deed.as_str(), rate).into_iter();
        all.extend(moments.map(|(number, at)| (at, Disturbance::World(number, deed))));
    }
    let others = [
        ("crash", around.crash, Disturbance::Crash),
        ("stop", around.stop, Disturbance::Stop),
        ("bad-edit", around.bad_edit, Disturbance::BadEdit),
        (
            "edit",
            f64::from(scenario.editions) / scenario.hours.max(1e-9),
            Disturbance::Edit,
        ),
    ];
    for (purpose, rate, disturbance) in others {
        let moments = scenario.moments(purpose, rate).into_iter();
        all.extend(moments.map(|(_, at)| (at, disturbance)));
    }
    let edits = scenario.edits.iter();
    all.extend(edits.map(|after| (BEGINNING.after(*after), Disturbance::Edit)));
    all.sort_by_key(|(at, _)| *at);
    all.into()
}

/// Lets it happen; codes of phones that are, or will be, missing.
pub(super) fn happen(
    scenario: &Scenario,
    worlds: &BTreeMap<AccountName, Simulator>,
    (number, deed): (u64, Deed),
    now: Timestamp,
) -> Vec<String> {
    let draw = |purpose: &str, below: usize| {
        let below = u64::try_from(below).unwrap_or(u64::MAX);
        usize::try_from(scenario.draw(purpose, number, below)).unwrap_or(0)
    };
    let Some(world) = worlds
        .values()
        .nth(draw(&format!("{} account", deed.as_str()), worlds.len()))
    else {
        return Vec::new();
    };
    let phones = world.phones();
    let Some(id) = phones.get(draw(&format!("{} phone", deed.as_str()), phones.len())) else {
        return Vec::new();
    };
    let span = Duration::from_secs(30 + scenario.draw("span", number, 600));
    let half = scenario.draw("half", number, 2) == 0;
    world.change_at(now, |world| match deed {
        Deed::Drift => {
            let drift = Drift {
                timezone: half.then(|| SmolStr::new_static("Africa/Cairo")),
                language: (!half).then(|| SmolStr::new_static("pt-BR")),
                ..Drift::default()
            };
            world.drift(id, &drift);
            Vec::new()
        }
        Deed::Cut => {
            world.disconnect(id, span);
            Vec::new()
        }
        Deed::Vanish => {
            let code = half.then(|| format_smolstr!("{id}{AGAIN}{number}"));
            let missing = code
                .iter()
                .map(ToString::to_string)
                .chain([id.clone()])
                .collect();
            world.vanish(id, span, code);
            missing
        }
        Deed::Other => {
            world.occupy(id, span.min(Duration::from_secs(120)));
            Vec::new()
        }
        Deed::Fall => {
            world.fall(id, span.min(Duration::from_secs(180)));
            Vec::new()
        }
    })
}
