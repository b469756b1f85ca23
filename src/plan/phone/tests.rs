//! Tests of planning one phone. Invariants: each test is one rule. Not here: fleets (`preview`).

use super::*;
use crate::model::observed::{AppState, Listed, Observed, RunState, Seen};
use crate::model::operation::{Phase, PhaseEvent};
use crate::model::record::Record;
use crate::model::value::{AppWish, Image, ImageTarget, Proxy, SimField, Value};
use crate::plan::fixture::{NOW, Prints, Scene, installed, package, short, text, wants_maps};
use insta::assert_snapshot;
use std::time::Duration;

const ZONE: &str = "Europe/Berlin";

fn direct() -> Wish {
    Wish::Set(Value::Proxy(Box::new(Proxy::Direct)))
}

fn absent() -> Wish {
    Wish::Set(Value::App(AppWish::Absent))
}

fn wiping_image() -> Wish {
    Wish::Set(Value::Image(Image {
        target: ImageTarget::Id("img-2".into()),
        wipe_data: true,
    }))
}

fn old_image() -> Observed {
    Observed::Image {
        id: Some("img-1".into()),
        version: None,
    }
}

/// A phone that differs in everything a live change can mend, and in a costly property.
fn much() -> Scene {
    Scene::new()
        .differs("timezone", "Asia/Shanghai", ZONE)
        .differs("language", "zh-CN", "de-DE")
        .differs("property/persist.a", "0", "1")
        .differs("property/persist.b", "0", "1")
        .differs("property/persist.c", "0", "1")
        .differs("property/ro.product.model", "X", "Y")
        .differs("property/ro.product.brand", "X", "Y")
        .wish("proxy", direct())
        .wish("app/com.example.maps", wants_maps())
        .wish("app/com.bad.game", absent())
        .wish("running/com.example.maps", Wish::Set(Value::Flag(true)))
        .shows("running/com.example.maps", Observed::Flag(false))
        .apps(vec![installed("com.bad.game", "1")])
        .allows(&[Cost::Restart])
}

#[test]
fn a_phone_that_agrees_needs_nothing() {
    let zone = text(ZONE);
    let plan = Scene::new()
        .wish("timezone", zone.clone())
        .shows("timezone", Observed::Text(ZONE.into()))
        .plan();
    assert!(plan.is_converged());
    assert_eq!(plan.in_sync, [(Attribute::Timezone, digest(&zone))]);
    assert_eq!(plan.again_at, None);
}

#[test]
fn stages_come_in_order_and_share_calls() {
    assert_snapshot!(short(&much().plan()), @r"
    change property/ro.product.brand Intended restart
    change property/ro.product.model Intended restart
    change property/persist.a Intended live
    change property/persist.b Intended live
    change property/persist.c Intended live
    change timezone Intended live
    change language Intended live
    change proxy Intended live
    change app/com.bad.game Intended live
    change app/com.example.maps Intended live
    change running/com.example.maps Intended live
    step androidProperties property/ro.product.brand property/ro.product.model
    step liveProperties property/persist.a property/persist.b
    step liveProperties property/persist.c
    step writeTimezone timezone
    step writeLanguage language
    step writeProxy proxy
    step removeApp app/com.bad.game
    step installApp app/com.example.maps
    step startApp running/com.example.maps
    ");
}

#[test]
fn the_first_step_may_start_and_it_alone() {
    let plan = much().plan();
    assert_eq!(plan.next(), plan.chain.first());
    assert_eq!(plan.upcoming(), None);
}

#[test]
fn nothing_is_decided_without_a_listing() {
    let mut scene = much();
    scene.sight.read_at[0] = Some(NOW.before(Duration::from_secs(61)));
    let plan = scene.plan();
    assert_eq!(plan.unread, [ReadKind::Listing]);
    assert_eq!(plan.next(), None);
}

#[test]
fn what_was_not_asked_for_is_unread() {
    let plan = Scene::new().wish("timezone", text(ZONE)).plan();
    assert_eq!(plan.unread, [ReadKind::Properties]);
    assert!(plan.changes.is_empty());
}

#[test]
fn an_old_value_is_unread_even_if_its_kind_was_read_since() {
    let mut scene = Scene::new().differs("timezone", "UTC", ZONE);
    scene.sight.values.insert(
        Attribute::Timezone,
        Seen {
            value: Observed::Text("UTC".into()),
            at: NOW.before(Duration::from_secs(601)),
        },
    );
    assert_eq!(scene.plan().unread, [ReadKind::Properties]);
}

#[test]
fn causes_tell_commits_from_drift() {
    let cause = |scene: Scene| scene.plan().changes[0].cause;
    let scene = || Scene::new().differs("timezone", "UTC", ZONE);
    assert_eq!(cause(scene()), Cause::Intended);
    assert_eq!(
        cause(scene().converged("timezone", &text("Asia/Tokyo"))),
        Cause::Intended
    );
    assert_eq!(
        cause(scene().converged("timezone", &text(ZONE))),
        Cause::Corrective
    );
    let mut stranger = scene();
    stranger.history = None;
    assert_eq!(cause(stranger), Cause::NewMember);
    let mut moved = scene();
    moved.history_mut().group = Some("other".into());
    assert_eq!(cause(moved), Cause::NewMember);
}

#[test]
fn what_changes_when_an_override_ends_says_so() {
    let mut scene = Scene::new()
        .differs("timezone", "Asia/Tokyo", ZONE)
        .differs("language", "ja-JP", "de-DE");
    scene.expired.insert(Attribute::Timezone);
    let converged = &mut scene.history.as_mut().unwrap().converged;
    converged.insert(Attribute::Timezone, digest(&text("Asia/Tokyo")));
    let causes = |scene: &Scene| -> Vec<Cause> {
        let changes = scene.plan().changes;
        changes.iter().map(|change| change.cause).collect()
    };
    assert_eq!(causes(&scene), [Cause::OverrideExpired, Cause::Intended]);
    // Once it has converged, the next difference is drift.
    let converged = &mut scene.history.as_mut().unwrap().converged;
    converged.insert(Attribute::Timezone, digest(&text(ZONE)));
    assert_eq!(causes(&scene), [Cause::Corrective, Cause::Intended]);
}

#[test]
fn write_only_values_are_compared_by_fingerprint() {
    let wish = direct();
    let print = |generation| {
        use crate::model::desired::Fingerprints;
        Prints(Some(generation))
            .fingerprint(&Attribute::Proxy, &wish)
            .unwrap()
    };
    let mut scene = Scene::new().wish("proxy", direct());
    assert_eq!(scene.plan().changes[0].cause, Cause::Intended);
    scene
        .history_mut()
        .asserted
        .insert(Attribute::Proxy, print(1));
    assert!(scene.plan().is_converged());
    let mut scene = scene.converged("proxy", &direct());
    scene.prints = Prints(Some(2));
    assert_eq!(scene.plan().changes[0].cause, Cause::SecretRotated);
    scene.prints = Prints(None);
    let plan = scene.plan();
    assert_eq!(plan.waiting[0].reason, Reason::Guard);
    assert!(plan.chain.is_empty());
    scene.remembers = false;
    let plan = scene.plan();
    assert_eq!(plan.unknown, [Attribute::Proxy]);
    assert!(plan.changes.is_empty());
}

#[test]
fn a_reset_agrees_with_nothing_there() {
    let scene = Scene::new()
        .wish("property/persist.a", Wish::Reset)
        .shows("property/persist.a", Observed::Missing);
    assert!(scene.plan().is_converged());
    let plan = scene
        .shows("property/persist.a", Observed::Text("1".into()))
        .plan();
    assert_eq!(plan.waiting[0].reason, Reason::Unsupported);
    let plan = Scene::new().wish("proxy", Wish::Reset).plan();
    assert_eq!(plan.chain[0].payload.call, "writeProxy");
}

#[test]
fn adb_that_is_off_and_a_language_with_a_region_agree() {
    let plan = Scene::new()
        .wish("adb", Wish::Reset)
        .shows("adb", Observed::Flag(false))
        .wish("language", text("zh"))
        .shows("language", Observed::Text("zh-CN".into()))
        .plan();
    assert!(plan.is_converged(), "{plan:?}");
    assert_eq!(plan.in_sync.len(), 2);
}

#[test]
fn costs_need_an_allowance() {
    let mut scene = much();
    scene.allowed = Costs::NONE;
    let plan = scene.plan();
    assert_eq!(plan.changes.len(), 11);
    let waiting: Vec<_> = plan.waiting.iter().map(|w| w.reason).collect();
    assert_eq!(waiting, [Reason::CostNotAllowed; 2]);
    // What costs nothing goes on.
    assert_eq!(plan.next().unwrap().payload.call, "liveProperties");
}

#[test]
fn drift_never_wipes_even_where_wiping_is_allowed() {
    let scene = Scene::new()
        .wish("image", wiping_image())
        .shows("image", old_image())
        .allows(&Cost::ALL);
    assert_eq!(scene.plan().chain.len(), 1);
    let plan = scene.converged("image", &wiping_image()).plan();
    assert_eq!(plan.changes[0].cause, Cause::Corrective);
    assert_eq!(plan.waiting[0].reason, Reason::CostNotAllowed);
    assert!(plan.chain.is_empty());
}

#[test]
fn a_wipe_names_what_follows() {
    let plan = Scene::new()
        .wish("image", wiping_image())
        .shows("image", old_image())
        .wish("timezone", text(ZONE))
        .shows("timezone", Observed::Text(ZONE.into()))
        .allows(&Cost::ALL)
        .plan();
    assert_eq!(plan.afterwards, [Attribute::Timezone]);
}

#[test]
fn a_yes_covers_what_was_shown() {
    let mut scene = Scene::new()
        .differs("property/ro.product.model", "X", "Y")
        .allows(&[Cost::Restart]);
    scene.approval = Some(Approval::default());
    assert_eq!(scene.plan().waiting[0].reason, Reason::NotApproved);
    let key = (
        scene.key.clone(),
        "property/ro.product.model".parse().unwrap(),
    );
    let approval = scene.approval.as_mut().unwrap();
    let restart = Costs::of(&[Cost::Restart]);
    approval
        .costly
        .insert(key.clone(), (digest(&text("Y")), restart));
    assert!(scene.plan().next().is_some());
    let approval = scene.approval.as_mut().unwrap();
    approval.costly.insert(key, (digest(&text("Z")), restart));
    assert_eq!(scene.plan().waiting[0].reason, Reason::NotApproved);
}

#[test]
fn phones_beyond_the_approved_ones_wait_as_a_whole() {
    let mut scene = much();
    scene.approval = Some(Approval {
        phones: Some(std::collections::BTreeSet::new()),
        ..Approval::default()
    });
    let plan = scene.plan();
    assert!(plan.held().any(|w| w.reason == Reason::NotApproved));
    assert_eq!((plan.next(), plan.upcoming()), (None, None));
}

#[test]
fn phones_in_use_keep_their_sessions() {
    let mut scene = Scene::new()
        .differs("property/ro.product.model", "X", "Y")
        .differs("timezone", "UTC", ZONE)
        .allows(&[Cost::Restart]);
    scene.sight.listed.as_mut().unwrap().in_use = Some(true);
    let plan = scene.plan();
    assert_eq!(plan.waiting[0].reason, Reason::InUse);
    assert_eq!(plan.next().unwrap().payload.call, "writeTimezone");
    // It does not wait for ever.
    scene.sight.in_use_since = Some(NOW.before(Duration::from_secs(4 * 3600 + 1)));
    assert!(scene.plan().waiting.is_empty());
    assert!(!scene.plan().next().unwrap().costs.is_live());
    scene.sight.in_use_since = Some(NOW.before(Duration::from_secs(60)));
    // An old answer has to be asked for again.
    scene.sight.read_at[1] = Some(NOW.before(Duration::from_secs(61)));
    let plan = scene.plan();
    assert_eq!(plan.unread, [ReadKind::Usage]);
    assert_eq!(plan.next(), None);
}

#[test]
fn run_states_hold_the_phone() {
    let held = |state| {
        let mut scene = much();
        scene.sight.listed = Some(Listed {
            state,
            in_use: None,
            provider_group: None,
        });
        let plan = scene.plan();
        assert_eq!((plan.next(), plan.upcoming()), (None, None));
        plan.waiting[0].reason
    };
    assert_eq!(held(RunState::Restarting), Reason::Restarting);
    assert_eq!(held(RunState::Changing), Reason::Restarting);
    assert_eq!(held(RunState::NotReady), Reason::NotReady);
    assert_eq!(held(RunState::Unknown), Reason::NotReady);
    assert_eq!(held(RunState::Unreachable), Reason::Unreachable);
    assert_eq!(held(RunState::Abnormal), Reason::Abnormal);
    assert_eq!(held(RunState::Off), Reason::PoweredOff);
    assert_eq!(held(RunState::Gone), Reason::Absent);
}

#[test]
fn an_absent_phone_is_said_and_nothing_else() {
    let mut scene = much();
    scene.sight.absent = true;
    let plan = scene.plan();
    assert_eq!(plan.waiting[0].reason, Reason::Absent);
    assert!(plan.changes.is_empty() && plan.unread.is_empty());
}

#[test]
fn our_own_job_holds_the_phone_and_says_what_follows() {
    let scene = much().open("timezone", text(ZONE), Phase::Submitted("j1".into()));
    let plan = scene.plan();
    assert_eq!(plan.next(), None);
    assert_eq!(plan.upcoming(), plan.chain.first());
    assert_eq!(
        plan.waits_for(&Attribute::Timezone).unwrap().reason,
        Reason::Polling
    );
    assert!(
        plan.chain
            .iter()
            .all(|step| step.payload.call != "writeTimezone")
    );
}

#[test]
fn a_superseded_job_is_followed_by_the_new_wish() {
    let plan = Scene::new()
        .differs("timezone", "UTC", ZONE)
        .open(
            "timezone",
            text("Asia/Tokyo"),
            Phase::Submitted("j1".into()),
        )
        .plan();
    assert_eq!(plan.next(), None);
    assert_eq!(plan.upcoming().unwrap().payload.call, "writeTimezone");
}

#[test]
fn an_unknown_outcome_settles_and_is_not_waited_for() {
    let plan = much()
        .open("timezone", text(ZONE), Phase::Unknown(NOW))
        .plan();
    assert_eq!((plan.next(), plan.upcoming()), (None, None));
    assert!(plan.held().any(|w| w.reason == Reason::Settling));
}

#[test]
fn parked_work_blocks_its_attributes_only() {
    let plan = much()
        .open("property/ro.product.model", text("Y"), Phase::Parked)
        .plan();
    let model = "property/ro.product.model".parse().unwrap();
    let waiting = plan.waits_for(&model).unwrap();
    assert_eq!(waiting.reason, Reason::UnknownOutcome);
    assert_eq!(waiting.operation, Some(OperationId(1)));
    assert!(plan.next().is_some());
}

#[test]
fn one_read_back_closes_a_chain() {
    let done = NOW.before(Duration::from_secs(2));
    let mut scene = Scene::new()
        .differs("timezone", "UTC", ZONE)
        .differs("language", "zh-CN", "de-DE")
        .open("timezone", text(ZONE), Phase::Succeeded(done));
    scene.sight.floor[2] = done;
    let plan = scene.plan();
    // The language may still be decided on, since only the time zone was written.
    assert_eq!(plan.unread, []);
    assert_eq!(plan.next().unwrap().payload.call, "writeLanguage");
    let plan = scene
        .shows("language", Observed::Text("de-DE".into()))
        .plan();
    assert_eq!(plan.unread, [ReadKind::Properties]);
    assert!(plan.chain.is_empty() && plan.changes.is_empty());
}

#[test]
fn what_is_assumed_is_not_spoken_of() {
    let mut scene = Scene::new()
        .differs("timezone", "UTC", ZONE)
        .differs("language", "zh-CN", "de-DE");
    scene.assumed.insert(Attribute::Timezone);
    let plan = scene.plan();
    assert_eq!(plan.changes.len(), 1);
    assert_eq!(plan.next().unwrap().payload.call, "writeLanguage");
    assert!(plan.unread.is_empty() && plan.in_sync.is_empty());
}

#[test]
fn a_floor_raised_by_anything_else_stands() {
    let done = NOW.before(Duration::from_secs(5));
    let mut scene = Scene::new()
        .differs("timezone", "UTC", ZONE)
        .differs("language", "zh-CN", "de-DE")
        .open("timezone", text(ZONE), Phase::Succeeded(done));
    scene.sight.floor[2] = done.after(Duration::from_secs(2));
    let plan = scene.plan();
    assert_eq!(plan.unread, [ReadKind::Properties]);
    assert!(plan.changes.is_empty());
}

#[test]
fn a_restart_that_ended_well_does_not_hide_what_failed_before_it() {
    let failed = NOW.before(Duration::from_secs(5));
    let done = NOW.before(Duration::from_secs(2));
    let mut scene = Scene::new()
        .differs("timezone", "UTC", ZONE)
        .differs("language", "zh-CN", "de-DE")
        .open("timezone", text(ZONE), Phase::Succeeded(done));
    scene.sight.overwritten(done);
    assert!(!scene.plan().unread.contains(&ReadKind::Properties));
    scene.sight.raise_floor(ReadKind::Properties, failed);
    assert!(scene.plan().unread.contains(&ReadKind::Properties));
}

#[test]
fn what_a_restart_would_lose_waits_until_it_is_known_whether_one_comes() {
    let scene = Scene::new()
        .differs("property/persist.fleet.ring", "1", "2")
        .wish("property/ro.product.model", text("Fleet One"));
    let plan = scene.plan();
    assert_eq!(plan.unread, [ReadKind::Properties]);
    assert!(!plan.chain.is_empty() && plan.next().is_none());
    let plan = scene
        .shows(
            "property/ro.product.model",
            Observed::Text("Fleet One".into()),
        )
        .plan();
    assert_eq!(plan.next().unwrap().payload.call, "liveProperties");
}

#[test]
fn success_that_does_not_show_yet_settles() {
    let done = NOW.before(Duration::from_secs(20));
    let plan = Scene::new()
        .differs("timezone", "UTC", ZONE)
        .open("timezone", text(ZONE), Phase::Succeeded(done))
        .plan();
    assert_eq!(plan.waiting[0].reason, Reason::Settling);
    assert_eq!(
        plan.waiting[0].until,
        Some(done.after(Duration::from_secs(30)))
    );
    assert_eq!(plan.again_at, plan.waiting[0].until);
}

#[test]
fn a_live_job_that_ended_well_shows_that_the_phone_runs() {
    let done = NOW.before(Duration::from_secs(2));
    let mut scene = much().open("timezone", text(ZONE), Phase::Succeeded(done));
    scene.sight.read_at[0] = Some(NOW.before(Duration::from_secs(90)));
    assert!(!scene.plan().unread.contains(&ReadKind::Listing));
}

#[test]
fn failures_rest_ever_longer() {
    let until = |failures| {
        let mut scene = much();
        let trouble = &mut scene.history_mut().trouble;
        trouble.failures = failures;
        trouble.last_failure = Some(NOW);
        let plan = scene.plan();
        assert_eq!((plan.next(), plan.upcoming()), (None, None));
        let held = plan.held().next().unwrap();
        (held.reason, held.until.unwrap().since(NOW).as_secs())
    };
    assert_eq!(until(1), (Reason::BackOff, 2));
    assert_eq!(until(2), (Reason::BackOff, 4));
    assert_eq!(until(5), (Reason::BackOff, 32));
    assert_eq!(until(6), (Reason::Quarantined, 60));
    assert_eq!(until(7), (Reason::Quarantined, 120));
    assert_eq!(until(60), (Reason::Quarantined, 3600));
}

#[test]
fn a_rest_ends() {
    let mut scene = much();
    let trouble = &mut scene.history_mut().trouble;
    trouble.failures = 1;
    trouble.last_failure = Some(NOW.before(Duration::from_secs(2)));
    assert!(scene.plan().next().is_some());
}

#[test]
fn success_without_effect_is_capped() {
    let reason = |attribute: &str, count| {
        let mut scene = Scene::new()
            .differs(attribute, "X", "Y")
            .allows(&[Cost::Restart]);
        let digest = digest(&text("Y"));
        let attribute: Attribute = attribute.parse().unwrap();
        scene
            .history_mut()
            .trouble
            .no_effect
            .insert(attribute.clone(), (digest, count));
        scene.plan().waits_for(&attribute).map(|w| w.reason)
    };
    assert_eq!(reason("timezone", 2), None);
    assert_eq!(reason("timezone", 3), Some(Reason::NoEffect));
    assert_eq!(
        reason("property/ro.product.model", 1),
        Some(Reason::NoEffect)
    );
}

#[test]
fn a_value_that_keeps_coming_back_is_contested_until_the_oldest_correction_is_forgotten() {
    let mut scene = Scene::new()
        .differs("timezone", "UTC", ZONE)
        .converged("timezone", &text(ZONE));
    let times: Vec<_> = (1..=5)
        .rev()
        .map(|n| NOW.before(Duration::from_secs(60 * n)))
        .collect();
    scene
        .history_mut()
        .trouble
        .corrections
        .insert(Attribute::Timezone, times.clone());
    let plan = scene.plan();
    assert_eq!(plan.waiting[0].reason, Reason::Contested);
    scene.now = plan.again_at.unwrap();
    for at in &mut scene.sight.read_at {
        *at = Some(scene.now);
    }
    let mut scene = scene.shows("timezone", Observed::Text("UTC".into()));
    assert!(scene.plan().next().is_some());
    // A commit is not held by what happened to the old wish.
    scene.now = NOW;
    scene.history_mut().converged.clear();
    assert!(scene.plan().next().is_some());
}

#[test]
fn modes_stop_short() {
    let mut scene = much();
    scene.group.mode = Mode::Warn;
    let plan = scene.plan();
    assert_eq!(plan.changes.len(), 11);
    assert!(plan.chain.is_empty());
    assert!(plan.waiting.iter().all(|w| w.reason == Reason::Paused));
    scene.group.mode = Mode::Observe;
    let plan = scene.plan();
    assert!(plan.changes.is_empty() && plan.waiting.is_empty());
}

#[test]
fn gates_hold_only_where_something_is_to_do() {
    let mut scene = Scene::new();
    scene.gate = Some(Reason::VendorDown);
    assert!(scene.plan().is_converged());
    let mut scene = much();
    scene.gate = Some(Reason::Expectation);
    let plan = scene.plan();
    assert_eq!(plan.held().next().unwrap().reason, Reason::Expectation);
    assert_eq!(plan.next(), None);
    assert!(!plan.chain.is_empty());
}

#[test]
fn apps_without_a_source_or_catalogue_entry_are_unsupported() {
    let scene = || Scene::new().wish("app/com.example.maps", wants_maps());
    assert_eq!(scene().plan().next().unwrap().payload.call, "installApp");
    let refused = |scene: Scene| {
        let plan = scene.plan();
        assert_eq!(plan.waiting[0].reason, Reason::Unsupported);
        plan.waiting[0].detail.clone()
    };
    let mut elsewhere = scene();
    elsewhere.key.account = "sg".into();
    assert_eq!(refused(elsewhere), "App maps has no source for account sg");
    let mut missing = scene();
    missing.catalogue.apps = Some(BTreeMap::new());
    assert_eq!(
        refused(missing),
        "the catalogue of account hk has no app 501"
    );
    let entry = |package: &str, version: &str| {
        Some(BTreeMap::from([(
            "501".into(),
            CatalogueApp {
                app_id: "501".into(),
                package: Some(package.into()),
                version_name: Some(version.into()),
                version_code: None,
            },
        )]))
    };
    let mut other = scene();
    other.catalogue.apps = entry("com.other", "1.4.2");
    assert_eq!(refused(other), "app 501 of the catalogue is com.other");
    let mut old = scene();
    old.catalogue.apps = entry("com.example.maps", "1.4.1");
    assert_eq!(refused(old), "app 501 of the catalogue is version 1.4.1");
    let mut right = scene();
    right.catalogue.apps = entry("com.example.maps", "1.4.2");
    assert!(right.plan().next().is_some());
}

#[test]
fn apps_being_installed_are_neither_missing_nor_there() {
    let mut app = installed("com.example.maps", "1.4.2");
    app.state = AppState::InProgress;
    let plan = Scene::new()
        .wish("app/com.example.maps", wants_maps())
        .wish("running/com.example.maps", Wish::Set(Value::Flag(true)))
        .shows("running/com.example.maps", Observed::Flag(false))
        .apps(vec![app])
        .plan();
    assert_eq!(plan.chain, []);
    assert!(plan.waiting.iter().all(|w| w.reason == Reason::NotReady));
    assert_eq!(plan.waiting.len(), 2);
}

#[test]
fn an_exclusive_policy_removes_strangers_but_no_system_app() {
    let mut system = installed("com.android.systemui", "1");
    system.system = Some(true);
    let mut untold = installed("com.untold", "1");
    untold.system = None;
    let mut scene = Scene::new().apps(vec![
        installed("com.stray", "1"),
        installed("com.spared", "1"),
        system,
        untold,
    ]);
    scene.desired.app_policy = crate::model::desired::AppPolicy::Exclusive;
    scene.desired.ignored_apps = vec![package("com.spared")];
    let plan = scene.plan();
    assert_snapshot!(short(&plan), @r"
    change app/com.stray Intended appData
    waits app/com.stray CostNotAllowed: costs appData; group qa allows no costs now
    ");
    assert!(scene.allows(&[Cost::AppData]).plan().next().is_some());
}

#[test]
fn a_stray_that_comes_under_an_exclusive_policy_is_drift_and_waits_for_a_person() {
    let mut scene = Scene::new().allows(&[Cost::AppData]);
    scene.desired.app_policy = crate::model::desired::AppPolicy::Exclusive;
    let mut scene = scene.apps(vec![installed("com.stray", "1")]);
    assert_eq!(scene.plan().in_sync, []);
    scene = scene.apps(vec![]);
    let agreed = scene.plan().in_sync;
    assert_eq!(agreed, [(diff::policy_attribute(), digest(&absent()))]);

    let converged = &mut scene.history.as_mut().unwrap().converged;
    converged.extend(agreed);
    converged.insert("app/com.dropped".parse().unwrap(), digest(&wants_maps()));
    let scene = scene.apps(vec![
        installed("com.dropped", "1"),
        installed("com.stray", "1"),
    ]);
    assert_snapshot!(short(&scene.plan()), @r"
    change app/com.dropped Intended appData
    change app/com.stray Corrective appData
    step removeApp app/com.dropped
    waits app/com.stray CostNotAllowed: repairing drift would cost appData: a person must decide
    ");
}

#[test]
fn an_exclusive_policy_is_not_judged_on_an_old_reading() {
    let mut scene = Scene::new().apps(vec![]);
    scene.desired.app_policy = crate::model::desired::AppPolicy::Exclusive;
    scene.sight.floor[ReadKind::Apps.slot().unwrap()] = NOW;
    let plan = scene.plan();
    assert_eq!(plan.in_sync, []);
    assert_eq!(plan.unread, [ReadKind::Apps]);
}

#[test]
fn sim_fields_of_the_cell_are_written_once() {
    let wish = |tac: &str| {
        Wish::Set(Value::Sim(BTreeMap::from([
            (SimField::Imei, "490154203237518".into()),
            (SimField::CellTac, tac.into()),
        ])))
    };
    let told = Observed::Sim(BTreeMap::from([(SimField::Imei, "490154203237518".into())]));
    let scene = || {
        Scene::new()
            .wish("sim", wish("1"))
            .shows("sim", told.clone())
    };
    assert_eq!(scene().plan().chain.len(), 1);
    assert!(scene().converged("sim", &wish("1")).plan().is_converged());
    assert_eq!(scene().converged("sim", &wish("2")).plan().chain.len(), 1);
    let done = NOW.before(Duration::from_secs(20));
    let plan = scene()
        .open("sim", wish("1"), Phase::Succeeded(done))
        .plan();
    assert_eq!(plan.in_sync.len(), 1);
    let mut forgetful = scene();
    forgetful.remembers = false;
    assert!(forgetful.plan().is_converged());
}

#[test]
fn an_image_version_is_found_in_the_catalogue() {
    let wish = Wish::Set(Value::Image(Image {
        target: ImageTarget::Version("v2".into()),
        wipe_data: false,
    }));
    let mut scene = Scene::new()
        .wish("image", wish)
        .shows("image", old_image())
        .allows(&[Cost::Restart]);
    assert_eq!(scene.plan().unread, [ReadKind::ImageCatalogue]);
    let image = |id: &str, version: &str| CatalogueImage {
        id: id.into(),
        version: Some(version.into()),
    };
    scene.catalogue.images = Some(vec![image("img-1", "v1"), image("img-2", "v2")]);
    assert_eq!(
        scene.plan().chain[0].payload.image.as_deref(),
        Some("img-2")
    );
    scene.catalogue.images = Some(vec![image("img-1", "v2")]);
    assert!(scene.plan().is_converged());
    scene.catalogue.images = Some(vec![image("img-1", "v1")]);
    assert_eq!(scene.plan().waiting[0].reason, Reason::Unsupported);
}

#[test]
fn what_cannot_be_written_is_unsupported() {
    let wish = Wish::Set(Value::Bandwidth(crate::model::value::Bandwidth {
        up_mbps: 1,
        down_mbps: 1,
    }));
    let plan = Scene::new()
        .wish("bandwidth", wish.clone())
        .shows("bandwidth", Observed::Missing)
        .plan();
    assert_eq!(plan.waiting[0].detail, "armcloud cannot write bandwidth");
    // A listing that does not tell it leaves it unknown, instead of being made again and again.
    let plan = Scene::new().wish("bandwidth", wish).plan();
    assert_eq!(plan.unknown, [Attribute::Bandwidth]);
    assert!(plan.is_converged());
}

#[test]
fn digests_are_stable() {
    assert_eq!(digest(&text(ZONE)), WishDigest(6_299_124_164_323_417_984));
    assert_ne!(digest(&text(ZONE)), digest(&Wish::Reset));
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn attribute() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "timezone",
            "language",
            "property/persist.a",
            "property/persist.b",
            "property/ro.product.model",
            "property/ro.product.brand",
            "sim-country",
        ])
    }

    fn scene() -> impl Strategy<Value = Scene> {
        let wishes = prop::collection::btree_map(
            attribute(),
            (0..3u8, prop::option::of(0..3u8), any::<bool>()),
            0..7,
        );
        let phase = prop::sample::select(vec![
            Phase::Intended,
            Phase::Submitted("j".into()),
            Phase::Following("j".into()),
            Phase::Unknown(NOW),
            Phase::Succeeded(NOW.before(Duration::from_secs(5))),
            Phase::Parked,
        ]);
        let open = prop::option::of((attribute(), 0..3u8, phase));
        (wishes, open, any::<bool>(), any::<bool>()).prop_map(|(wishes, open, allow, fresh)| {
            let mut scene = Scene::new();
            for (attribute, (wish, shown, before)) in wishes {
                let wish = text(&wish.to_string());
                if before {
                    scene = scene.converged(attribute, &wish);
                }
                scene = scene.wish(attribute, wish);
                if let Some(shown) = shown {
                    scene = scene.shows(attribute, Observed::Text(shown.to_string().into()));
                }
            }
            if let Some((attribute, wish, phase)) = open {
                scene = scene.open(attribute, text(&wish.to_string()), phase);
            }
            if allow {
                scene = scene.allows(&Cost::ALL);
            }
            if !fresh {
                scene.sight.read_at[0] = None;
            }
            scene
        })
    }

    proptest! {
        #[test]
        fn every_change_is_in_the_chain_or_waits(scene in scene()) {
            let plan = scene.plan();
            for change in &plan.changes {
                let steps = plan.chain.iter().filter(|step| {
                    step.payload.writes.iter().any(|(attribute, _)| *attribute == change.attribute)
                });
                let waits = plan.waiting.iter()
                    .filter(|waiting| waiting.attribute.as_ref() == Some(&change.attribute));
                prop_assert_eq!(steps.count() + waits.count(), 1, "{}", short(&plan));
            }
            let written: usize = plan.chain.iter().map(|step| step.payload.writes.len()).sum();
            let waiting = plan.waiting.iter().filter(|waiting| waiting.attribute.is_some()).count();
            prop_assert_eq!(written + waiting, plan.changes.len());
        }

        #[test]
        fn what_costs_is_allowed_and_never_follows_from_drift(scene in scene()) {
            let plan = scene.plan();
            for step in &plan.chain {
                prop_assert!(scene.allowed.covers(step.costs));
                prop_assert!(step.cause.is_intended() || !step.costs.beyond_restart());
            }
        }

        #[test]
        fn stages_never_go_back(scene in scene()) {
            let plan = scene.plan();
            prop_assert!(plan.chain.is_sorted_by_key(|step| step.stage));
        }

        #[test]
        fn nothing_starts_beside_a_job_of_ours(scene in scene()) {
            let holds = scene.open.iter().any(|operation| operation.phases[0].holds_phone());
            prop_assert!(!holds || scene.plan().next().is_none());
        }

        #[test]
        fn a_phone_that_shows_what_is_wished_needs_nothing(scene in scene()) {
            let mut scene = scene;
            scene.open.clear();
            scene.sight = Scene::new().sight;
            for (attribute, wanted) in scene.desired.attributes.clone() {
                if let Wish::Set(Value::Text(value)) = wanted.wish {
                    scene = scene.shows(&attribute.to_string(), Observed::Text(value));
                }
            }
            prop_assert!(scene.plan().is_converged());
            prop_assert_eq!(scene.plan().in_sync.len(), scene.desired.attributes.len());
        }
    }
}

/// A scene in which this costly write of ours was read back at that time.
fn after_costly(mut scene: Scene, attribute: &str, wish: &Wish, at: Timestamp) -> Scene {
    let mut ledger = crate::model::record::Ledger::default();
    let attribute: Attribute = attribute.parse().unwrap();
    let phone = scene.key.phone.clone();
    let intent = crate::model::operation::Intent {
        operation: OperationId(1),
        identity: "vendor".into(),
        call: "androidProperties".into(),
        phones: Arc::from([phone.clone()]),
        writes: Arc::from([(attribute, wish.clone())]),
        costs: Costs::of(&[Cost::Restart]),
        cause: Cause::Intended,
        revision: "r1".into(),
        at,
    };
    let identity = intent.identity.clone();
    ledger.apply(&Record::Intended(intent)).unwrap();
    for event in [PhaseEvent::Done, PhaseEvent::Verified] {
        let moved = Record::Moved {
            operation: OperationId(1),
            moves: vec![(phone.clone(), event)],
            at,
        };
        ledger.apply(&moved).unwrap();
    }
    scene.history_mut().past = ledger.history(&identity, &phone).unwrap().past.clone();
    scene
}

#[test]
fn what_was_written_at_a_cost_is_not_written_again_on_the_word_of_a_reading_made_right_after() {
    let lag = Settings::default().read_lag;
    let scene = |wrote: Timestamp| {
        let scene = Scene::new()
            .differs("property/ro.product.model", "X", "Y")
            .allows(&[Cost::Restart]);
        after_costly(scene, "property/ro.product.model", &text("Y"), wrote)
    };
    // The reading is a few seconds old.
    let plan = scene(NOW.before(Duration::from_secs(10))).plan();
    assert!(plan.chain.is_empty());
    assert_eq!(plan.unread, []);
    let [waiting] = &*plan.waiting else {
        panic!("{plan:?}")
    };
    let until = NOW.before(Duration::from_secs(10)).after(lag);
    assert_eq!(waiting.reason, Reason::Settling);
    assert_eq!((waiting.until, plan.again_at), (Some(until), Some(until)));
    // The lag is over, the reading is from before its end.
    let plan = scene(NOW.before(lag)).plan();
    assert!(plan.chain.is_empty());
    assert_eq!(plan.unread, [ReadKind::Properties]);
    // A reading from after it tells the truth.
    let plan = scene(NOW.before(lag * 2)).plan();
    assert_eq!(plan.chain.len(), 1);
    // Another wish is another matter.
    let mut other = scene(NOW.before(Duration::from_secs(10)));
    other = other.wish("property/ro.product.model", text("Z"));
    assert_eq!(other.plan().chain.len(), 1);
}
