//! Tests of assembling a plan. Invariants: each name states a rule. Not here: how it reads (`render`).

use super::*;
use crate::model::capability::Cost;
use crate::model::observed::{Listed, RunState};
use crate::model::operation::Phase;
use crate::plan::fixture::{Around, NOW, Scene, fleet_plan, text};

fn zone(number: usize) -> Scene {
    Scene::new()
        .named(number)
        .differs("timezone", "Asia/Shanghai", "Europe/Berlin")
}

fn model(number: usize) -> Scene {
    Scene::new()
        .named(number)
        .differs("property/ro.product.model", "X", "Y")
}

fn in_state(mut scene: Scene, state: RunState) -> Scene {
    scene.sight.listed = Some(Listed {
        state,
        in_use: Some(false),
        provider_group: None,
    });
    scene
}

#[test]
fn a_converged_fleet_has_an_empty_plan() {
    let scenes: Vec<Scene> = (0..5).map(|number| Scene::new().named(number)).collect();
    let plan = fleet_plan(&scenes, &Around::default());
    assert!(plan.is_empty() && !plan.has_changes() && !plan.has_work());
    assert_eq!((plan.summary.phones, plan.summary.in_sync), (5, 5));
    assert_eq!(plan.forecast.calls(), 0);
}

#[test]
fn equal_payloads_are_one_step_in_as_few_calls_as_the_limit_allows() {
    let scenes: Vec<Scene> = (0..250).map(zone).collect();
    let plan = fleet_plan(&scenes, &Around::default());
    assert_eq!(plan.steps.len(), 1);
    assert_eq!(plan.steps[0].batches, 3);
    assert_eq!(plan.steps[0].changes.len(), 1);
    assert_eq!(plan.summary.to_change, 250);
    // 3 writes, 3 polls twice, 3 reads of properties.
    assert_eq!(plan.forecast.calls(), 12);
    assert_eq!(plan.changing_phones().len(), 250);
}

#[test]
fn one_payload_from_different_values_is_one_step_with_two_changes() {
    let mut scenes: Vec<Scene> = (0..2).map(zone).collect();
    scenes.push(
        Scene::new()
            .named(2)
            .differs("timezone", "UTC", "Europe/Berlin"),
    );
    for (scene, line) in scenes.iter_mut().zip([10, 10, 10]) {
        assert_eq!(
            scene.desired.attributes[&Attribute::Timezone].origin.line,
            line
        );
    }
    let plan = fleet_plan(&scenes, &Around::default());
    assert_eq!(plan.steps.len(), 1);
    assert_eq!(plan.steps[0].changes.len(), 2);
    assert_eq!(plan.steps[0].phones.len(), 3);
}

#[test]
fn costs_that_are_not_allowed_wait_and_are_no_work() {
    let plan = fleet_plan(&[model(1), model(2)], &Around::default());
    assert!(plan.has_changes() && !plan.has_work());
    assert!(plan.waits_only_for(Reason::CostNotAllowed));
    assert!(!plan.waits_only_for(Reason::InUse));
    assert!(plan.costly().is_empty());
    assert_eq!((plan.summary.waiting, plan.summary.to_change), (2, 0));
    assert_eq!(plan.waiting.len(), 1);
    assert_eq!(plan.waiting[0].changes[0].phones.len(), 2);
}

#[test]
fn a_yes_covers_costs_that_follow_now_or_when_the_session_ends() {
    let restart = &[Cost::Restart];
    let mut busy = model(2).allows(restart);
    busy.sight.listed.as_mut().unwrap().in_use = Some(true);
    let booting = in_state(model(3).allows(restart), RunState::Restarting);
    let off = in_state(model(4).allows(restart), RunState::Off);
    let plan = fleet_plan(
        &[model(1).allows(restart), busy, booting, off, model(5)],
        &Around::default(),
    );
    let covered: Vec<String> = plan
        .costly()
        .keys()
        .map(|(phone, _)| phone.to_string())
        .collect();
    assert_eq!(covered, ["hk/AC0001", "hk/AC0002", "hk/AC0003"]);
    assert_eq!(plan.changing_phones().len(), 3);
    assert_eq!(plan.summary.with_cost, 1);
    assert_eq!(plan.approval().costly, plan.costly());
}

#[test]
fn work_that_only_waits_for_the_vendor_still_asks_for_a_yes() {
    let plan = fleet_plan(
        &[in_state(zone(1), RunState::Restarting)],
        &Around::default(),
    );
    assert!(plan.steps.is_empty() && plan.has_work());
    assert_eq!(plan.waiting[0].reason, Reason::Restarting);
    assert_eq!(plan.waiting[0].changes.len(), 1);
}

#[test]
fn a_job_of_ours_keeps_what_follows_among_the_steps() {
    let busy = zone(1).open("language", text("de-DE"), Phase::Submitted("j".into()));
    let plan = fleet_plan(&[busy], &Around::default());
    assert_eq!(plan.steps.len(), 1);
    assert_eq!(plan.waiting[0].reason, Reason::Polling);
    assert!(plan.waiting[0].changes.is_empty());
}

#[test]
fn what_waits_for_a_person_stands_first() {
    let plan = fleet_plan(
        &[
            in_state(zone(1), RunState::Restarting),
            model(2),
            zone(3).open("timezone", text("x"), Phase::Submitted("j".into())),
        ],
        &Around::default(),
    );
    let actors: Vec<Actor> = plan.waiting.iter().map(WaitingGroup::actor).collect();
    assert_eq!(actors, [Actor::Operator, Actor::Vendor, Actor::Time]);
}

#[test]
fn phones_outside_and_closed_accounts_are_said() {
    let outside = |number: usize, reason, detail: &str| {
        let key = Scene::new().named(number).key;
        (key, reason, detail.to_owned())
    };
    let around = Around {
        outside: vec![
            outside(7, Reason::Absent, "the account does not list it"),
            outside(8, Reason::ClaimedTwice, "qa and lab claim it"),
        ],
        gate: Some(Reason::CredentialsRejected),
        unclaimed: 3,
        ..Around::default()
    };
    let plan = fleet_plan(&[], &around);
    let reasons: Vec<Reason> = plan.waiting.iter().map(|group| group.reason).collect();
    assert_eq!(
        reasons,
        [
            Reason::Absent,
            Reason::ClaimedTwice,
            Reason::CredentialsRejected
        ]
    );
    assert!(!plan.is_empty() && !plan.has_changes());
    assert_eq!((plan.summary.phones, plan.summary.unclaimed), (2, 3));
}

#[test]
fn what_is_released_is_said_and_is_no_change() {
    let around = Around {
        released: vec![Attribute::Language],
        ..Around::default()
    };
    let scenes = [Scene::new().named(1), Scene::new().named(2)];
    let plan = fleet_plan(&scenes, &around);
    assert_eq!(plan.released[0].phones.len(), 2);
    assert!(plan.is_empty() && !plan.has_changes());
}

#[test]
fn phones_that_were_not_read_are_not_in_sync() {
    let scene = Scene::new().wish("timezone", text("UTC"));
    let plan = fleet_plan(&[scene], &Around::default());
    assert_eq!((plan.summary.unread, plan.summary.in_sync), (1, 0));
    assert!(!plan.is_empty());
}

#[test]
fn time_is_the_longest_chain_or_the_pace_of_calls() {
    let one = fleet_plan(&[zone(1)], &Around::default());
    assert_eq!(one.forecast.time, Duration::from_secs(10));
    let many: Vec<Scene> = (0..300)
        .map(|number| {
            Scene::new()
                .named(number)
                .differs("timezone", "UTC", &format!("zone/{number}"))
        })
        .collect();
    let many = fleet_plan(&many, &Around::default());
    assert_eq!(many.forecast.writes, 300);
    assert_eq!(many.forecast.time, Duration::from_millis(30_900));
}

#[test]
fn a_wipe_says_what_follows_it() {
    use crate::model::observed::Observed;
    use crate::model::value::{Image, ImageTarget, Value};
    let image = Wish::Set(Value::Image(Image {
        target: ImageTarget::Id("img-2".into()),
        wipe_data: true,
    }));
    let scene = Scene::new()
        .wish("image", image)
        .shows(
            "image",
            Observed::Image {
                id: Some("img-1".into()),
                version: None,
            },
        )
        .wish("timezone", text("UTC"))
        .shows("timezone", Observed::Text("UTC".into()));
    let plan = fleet_plan(&[scene], &Around::default());
    let change = &plan.waiting[0].changes[0];
    assert!(change.afterwards.contains(&Attribute::Timezone));
    assert_eq!(plan.at, NOW);
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn scene() -> impl Strategy<Value = Scene> {
        let states = prop::sample::select(vec![
            RunState::Running,
            RunState::Running,
            RunState::Restarting,
            RunState::Off,
        ]);
        (0..40usize, 0..3u8, 0..3u8, 0..2u8, any::<bool>(), states).prop_map(
            |(number, from, to, model, allow, state)| {
                let mut scene = Scene::new()
                    .named(number)
                    .differs("timezone", &from.to_string(), &to.to_string())
                    .differs("property/ro.product.model", "0", &model.to_string());
                if allow {
                    scene = scene.allows(&[Cost::Restart]);
                }
                in_state(scene, state)
            },
        )
    }

    proptest! {
        #[test]
        fn every_change_is_in_one_step_or_waits(scenes in prop::collection::vec(scene(), 0..30)) {
            let mut scenes = scenes;
            scenes.sort_by(|a, b| a.key.cmp(&b.key));
            scenes.dedup_by(|a, b| a.key == b.key);
            let plan = fleet_plan(&scenes, &Around::default());
            let mut seen = BTreeSet::new();
            for change in plan.changes() {
                prop_assert!(change.phones.is_sorted());
                for phone in &change.phones {
                    prop_assert!(seen.insert((phone.clone(), change.attribute.clone())));
                }
            }
            let expected: usize = scenes.iter().map(|scene| scene.plan().changes.len()).sum();
            prop_assert_eq!(seen.len(), expected);
            prop_assert_eq!(plan.summary.changes, expected as u64);
            let writes: u64 = plan.steps.iter().map(|step| step.batches).sum();
            prop_assert_eq!(plan.forecast.writes, writes);
        }

        #[test]
        fn the_order_of_phones_given_does_not_matter(scenes in prop::collection::vec(scene(), 0..12)) {
            let mut scenes = scenes;
            scenes.sort_by(|a, b| a.key.cmp(&b.key));
            scenes.dedup_by(|a, b| a.key == b.key);
            let first = fleet_plan(&scenes, &Around::default());
            scenes.reverse();
            prop_assert_eq!(fleet_plan(&scenes, &Around::default()), first);
        }
    }
}
