//! Tests of rendering: golden plans, and what no plan may show. Invariants: goldens are read by a person before they change. Not here: what is in a plan.

use super::*;
use crate::model::capability::Cost;
use crate::model::condition::Reason;
use crate::model::observed::{Listed, RunState};
use crate::model::value::{
    AppWish, Bypass, Image, ImageTarget, Proxy, ProxyEndpoint, ProxyMode, ProxyProtocol, SecretRef,
    Value,
};
use crate::plan::fixture::{Around, Scene, fleet_plan, installed, text as wish, wants_maps};
use insta::assert_snapshot;

const PLAIN: Style = Style {
    color: false,
    limit: 40,
};

fn proxy(host: &str) -> Wish {
    Wish::Set(Value::Proxy(Box::new(Proxy::Via(ProxyEndpoint {
        mode: ProxyMode::Proxy,
        protocol: ProxyProtocol::Socks5,
        host: host.into(),
        port: 1080,
        username: Some("qa".into()),
        password: Some(SecretRef::Env("PROXY_PASSWORD".into())),
        bypass: Bypass::default(),
    }))))
}

fn wipe() -> Wish {
    Wish::Set(Value::Image(Image {
        target: ImageTarget::Id("img-25030796215".into()),
        wipe_data: true,
    }))
}

fn old_image() -> Observed {
    Observed::Image {
        id: Some("img-24110112001".into()),
        version: None,
    }
}

/// A bit of everything.
fn fleet() -> Vec<Scene> {
    let mut scenes = Vec::new();
    for number in 0..12 {
        scenes.push(
            Scene::new()
                .named(number)
                .differs("timezone", "Asia/Shanghai", "Europe/Berlin")
                .wish("proxy", proxy(&format!("p{number}.proxy.test")))
                .wish("app/com.example.maps", wants_maps()),
        );
    }
    for number in 12..15 {
        scenes.push(
            Scene::new()
                .named(number)
                .wish("image", wipe())
                .shows("image", old_image())
                .wish("timezone", wish("Europe/Berlin"))
                .shows("timezone", Observed::Text("Europe/Berlin".into()))
                .wish("app/com.bad.game", Wish::Set(Value::App(AppWish::Absent)))
                .apps(vec![installed("com.bad.game", "3.1")]),
        );
    }
    scenes.push(
        Scene::new()
            .named(15)
            .differs("property/ro.product.model", "X", "Pixel 9")
            .allows(&[Cost::Restart]),
    );
    scenes.push(
        Scene::new()
            .named(16)
            .differs("language", "zh-CN", "de-DE")
            .converged("language", &wish("de-DE")),
    );
    let mut off = Scene::new()
        .named(17)
        .differs("timezone", "UTC", "Europe/Berlin");
    off.sight.listed = Some(Listed {
        state: RunState::Off,
        in_use: None,
        provider_group: None,
    });
    scenes.push(off);
    scenes.push(Scene::new().named(18).wish("timezone", wish("UTC")));
    scenes.extend((19..25).map(|number| Scene::new().named(number)));
    scenes
}

fn around() -> Around {
    Around {
        outside: vec![(
            Scene::new().named(99).key,
            Reason::ClaimedTwice,
            "claimed by qa and lab".to_owned(),
        )],
        unclaimed: 2,
        ..Around::default()
    }
}

#[test]
fn a_plan_reads_like_this() {
    let plan = fleet_plan(&fleet(), &around());
    assert_snapshot!(text_with(&plan, PLAIN), @r"
    34 calls, 0 commands on phones, oldest reading 40 s; nothing was changed
    26 phones: 6 in sync, 17 to change, 5 waiting, 1 not read (2 more in no group)

    Changes
      ! hk/AC0015: property/ro.product.model X → Pixel 9
          costs restart, fleet.yaml:10
      ~ 12 phones: timezone Asia/Shanghai → Europe/Berlin  fleet.yaml:10
      ~ hk/AC0016: language zh-CN → de-DE  drift, fleet.yaml:10
      ~ 12 phones: proxy, 12 different changes  fleet.yaml:11
      - 3 phones: app/com.bad.game 3.1 → removed  fleet.yaml:12
      + 12 phones: app/com.example.maps → 1.4.2 (App maps)  fleet.yaml:12

    Waiting
      CostNotAllowed: waits for you
        next: add the cost to `allow` of the group, with `until` and `maxPhones`, or
          take the change back
        3 phones: costs restart+wipe; group qa allows no costs now (hk/AC0012,
          hk/AC0013, hk/AC0014)
          ! 3 phones: image img-24110112001 → img-25030796215
              costs restart+wipe, fleet.yaml:10
              to be done again afterwards: timezone
      PoweredOff: waits for you
        next: switch it on in the vendor's console, or exclude it from the group
        hk/AC0017: the phone is switched off
          ~ hk/AC0017: timezone UTC → Europe/Berlin  fleet.yaml:10
      ClaimedTwice: waits for you
        next: exclude the phone from all groups but one
        hk/AC0099: claimed by qa and lab

    Forecast
      17 writes, 6 polls and 2 reads to check, about 65 s

    Plan: 17 to change, 5 waiting, 0 released, 1 with cost, 1 not read; 25 calls, about 65 s.
    ");
}

#[test]
fn nothing_to_do_reads_like_this() {
    let plan = fleet_plan(&[Scene::new().named(1)], &Around::default());
    assert_snapshot!(text_with(&plan, PLAIN), @r"
    34 calls, 0 commands on phones, oldest reading 40 s; nothing was changed
    1 phone: 1 in sync

    Plan: nothing to do.
    ");
}

#[test]
fn a_comment_reads_like_this() {
    let plan = fleet_plan(&fleet(), &around());
    assert_snapshot!(markdown(&plan), @r"
    ### phonefleet

    **Plan: 17 to change, 5 waiting, 0 released, 1 with cost, 1 not read; 25 calls, about 65 s.**

    26 phones: 6 in sync, 17 to change, 5 waiting, 1 not read (2 more in no group). 34 calls, 0 commands on phones, oldest reading 40 s; nothing was changed.

    #### Changes

    | | phones | change | why | where |
    |---|--:|---|---|---|
    | `!` | hk/AC0015 | `property/ro.product.model X → Pixel 9` | **costs restart** | `fleet.yaml:10` |
    | `~` | 12 phones | `timezone Asia/Shanghai → Europe/Berlin` |  | `fleet.yaml:10` |
    | `~` | hk/AC0016 | `language zh-CN → de-DE` | drift | `fleet.yaml:10` |
    | `~` | 12 phones | `proxy, 12 different changes` |  | `fleet.yaml:11` |
    | `-` | 3 phones | `app/com.bad.game 3.1 → removed` |  | `fleet.yaml:12` |
    | `+` | 12 phones | `app/com.example.maps → 1.4.2 (App maps)` |  | `fleet.yaml:12` |

    Forecast: 17 writes, 6 polls and 2 reads to check, about 65 s.

    #### Waiting

    | reason | for | phones | what | next |
    |---|---|--:|---|---|
    | `CostNotAllowed` | you | 3 | `image`: costs restart+wipe; group qa allows no costs now | add the cost to `allow` of the group, with `until` and `maxPhones`, or take the change back |
    | `PoweredOff` | you | 1 | the phone is switched off | switch it on in the vendor's console, or exclude it from the group |
    | `ClaimedTwice` | you | 1 | claimed by qa and lab | exclude the phone from all groups but one |

    What waits and costs something:

    | | phones | change | why | where |
    |---|--:|---|---|---|
    | `!` | 3 phones | `image img-24110112001 → img-25030796215`<br>to be done again afterwards: `timezone` | **costs restart+wipe** | `fleet.yaml:10` |
    ");
}

#[test]
fn released_attributes_read_like_this() {
    let around = Around {
        released: vec!["language".parse().unwrap(), "location".parse().unwrap()],
        ..Around::default()
    };
    let plan = fleet_plan(&[Scene::new().named(1), Scene::new().named(2)], &around);
    assert_snapshot!(text_with(&plan, PLAIN), @r"
    34 calls, 0 commands on phones, oldest reading 40 s; nothing was changed
    2 phones: 2 in sync

    Released: no longer managed, stays as it is on the phones
      2 phones of qa: language
      2 phones of qa: location

    Plan: nothing to do, 2 released.
    ");
}

#[test]
fn lines_that_cost_nothing_are_cut_and_costly_ones_are_not() {
    let mut scenes = Vec::new();
    for number in 0..5 {
        let attribute = format!("property/persist.{number}");
        scenes.push(Scene::new().named(number).differs(&attribute, "0", "1"));
        scenes.push(
            Scene::new()
                .named(10 + number)
                .differs("property/ro.product.model", "X", &number.to_string())
                .allows(&[Cost::Restart]),
        );
    }
    let style = Style { limit: 2, ..PLAIN };
    let text = text_with(&fleet_plan(&scenes, &Around::default()), style);
    assert_eq!(text.matches("costs restart").count(), 5);
    assert_eq!(text.matches("persist.").count(), 2);
    assert!(text.contains("… and 3 more (3 changes)"), "{text}");
}

#[test]
fn long_values_show_where_they_differ() {
    let long = "release-keys/".repeat(12);
    let plan = fleet_plan(
        &[Scene::new().differs(
            "property/persist.a",
            &format!("{long}old{long}"),
            &format!("{long}new{long}"),
        )],
        &Around::default(),
    );
    assert_snapshot!(text_with(&plan, PLAIN).lines().nth(4).unwrap(), @"  ~ hk/AC1: property/persist.a release-keys…elease-keys/oldrelease-keys…elease-keys/ → release-keys…elease-keys/newrelease-keys…elease-keys/");
}

#[test]
fn observed_text_cannot_break_out() {
    let nasty = "a\u{1b}[31m\n| `x` |\nPlan: nothing to do.";
    let plan = fleet_plan(
        &[Scene::new().differs("property/persist.a", nasty, "1")],
        &Around::default(),
    );
    let text = text_with(&plan, PLAIN);
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("Plan: "))
            .count(),
        1
    );
    assert!(!text.contains('\u{1b}'));
    let row = markdown(&plan);
    let row = row.lines().find(|line| line.contains("persist.a")).unwrap();
    assert_eq!(row.matches('|').count(), 6, "{row}");
}

#[test]
fn a_vendors_words_cannot_break_out_either() {
    let mut scene = Scene::new().differs("timezone", "UTC", "Europe/Berlin");
    let trouble = &mut scene.history_mut().trouble;
    trouble.failures = 9;
    trouble.last_failure = Some(crate::plan::fixture::NOW);
    trouble.last_message = Some("x\u{1b}[2J\nPlan: nothing to do.\n@everyone <b>".into());
    let plan = fleet_plan(&[scene], &Around::default());
    let text = text_with(&plan, PLAIN);
    assert!(!text.contains('\u{1b}'));
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("Plan: "))
            .count(),
        1
    );
    let markdown = markdown(&plan);
    assert!(!markdown.contains("@everyone") && !markdown.contains("<b>"));
}

#[test]
fn colours_change_nothing_but_colours() {
    let plan = fleet_plan(&fleet(), &around());
    let plain = anstream::adapter::strip_str(&text(&plan)).to_string();
    assert_eq!(plain, text_with(&plan, PLAIN));
    assert_ne!(text(&plan), plain);
}

#[test]
fn secrets_are_named_and_never_shown() {
    let plan = fleet_plan(
        &[Scene::new().wish("proxy", proxy("h"))],
        &Around::default(),
    );
    let text = text_with(&plan, PLAIN);
    assert!(
        text.contains("socks5://qa@h:1080, password env:PROXY_PASSWORD"),
        "{text}"
    );
}

#[test]
fn the_json_fits_its_schema_and_counts_every_change() {
    let plan = fleet_plan(&fleet(), &around());
    let document = serde_json::to_value(json(&plan)).unwrap();
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let problems: Vec<String> = validator
        .iter_errors(&document)
        .map(|problem| format!("{}: {problem}", problem.instance_path()))
        .collect();
    assert_eq!(problems, [""; 0]);
    let changes = document["changes"].as_array().unwrap();
    assert_eq!(changes.len() as u64, plan.summary.changes);
    assert_eq!(document["version"], 1);
    let image = changes
        .iter()
        .find(|change| change["attribute"] == "image")
        .unwrap();
    assert_snapshot!(serde_json::to_string_pretty(image).unwrap(), @r#"
    {
      "afterwards": [
        "timezone"
      ],
      "attribute": "image",
      "cause": "intended",
      "costs": [
        "restart",
        "wipe"
      ],
      "from": {
        "image": {
          "id": "img-24110112001",
          "version": null
        }
      },
      "origin": {
        "column": 7,
        "file": "fleet.yaml",
        "line": 10
      },
      "phone": "hk/AC0012",
      "stage": "image",
      "text": "image img-24110112001 → img-25030796215",
      "to": {
        "set": {
          "image": {
            "target": {
              "id": "img-25030796215"
            },
            "wipeData": true
          }
        }
      },
      "waiting": {
        "actor": "operator",
        "detail": "costs restart+wipe; group qa allows no costs now",
        "reason": "CostNotAllowed"
      }
    }
    "#);
    // The schema refuses what is no plan.
    let mut broken = document.clone();
    broken["changes"][0]["cause"] = "because".into();
    assert!(!validator.is_valid(&broken));
    broken.as_object_mut().unwrap().remove("version");
    assert!(!validator.is_valid(&broken));
}

#[test]
fn the_stored_schema_is_fresh() {
    let stored = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/plan.schema.json");
    let stored = std::fs::read_to_string(stored).unwrap_or_default();
    let fresh = serde_json::to_string_pretty(&schema()).unwrap();
    assert!(
        stored.trim() == fresh.trim(),
        "schemas/plan.schema.json is stale: `phonefleet schema plan > schemas/plan.schema.json`"
    );
}

#[test]
#[ignore = "writes schemas/plan.schema.json"]
fn write_the_schema() {
    let stored = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/plan.schema.json");
    let fresh = serde_json::to_string_pretty(&schema()).unwrap();
    std::fs::write(stored, fresh + "\n").unwrap();
}
