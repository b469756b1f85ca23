//! Tests of the room as a whole, with a small capability table of their own.

use super::schema::schema;
use super::{Bundle, Finding, LoadOptions, SourceFile, load, load_with};
use crate::model::attribute::Attribute;
use crate::model::capability::{
    Capabilities, Capability, Cost, Costs, CredentialForm, Limits, Pattern, ReadMethod, Refuses,
    Stage, Write,
};
use crate::model::desired::{AppPolicy, Desired, Mode};
use crate::model::fleet::{Claim, Fleet, PhoneFacts, ProviderKind};
use crate::model::id::{AccountName, PhoneKey, ProviderGroup};
use crate::model::observed::ReadKind;
use crate::model::stamp::Timestamp;
use crate::model::value::{AppWish, SecretRef, Value, VersionWish, Wish};
use std::sync::Arc;
use std::time::Duration;

const ROW: Capability = Capability {
    pattern: Pattern::Timezone,
    read: ReadMethod::By(ReadKind::Properties),
    write: Write::Call("write"),
    reset: None,
    costs: Costs::NONE,
    stage: Stage::Live,
    effective_after_restart: false,
    lost_by_restart: false,
    lost_by_wipe: true,
    note: "",
};

const ROWS: &[Capability] = &[
    ROW,
    Capability {
        pattern: Pattern::Language,
        ..ROW
    },
    Capability {
        pattern: Pattern::Location,
        reset: Some("reset"),
        ..ROW
    },
    Capability {
        pattern: Pattern::Proxy,
        reset: Some("reset"),
        ..ROW
    },
    Capability {
        pattern: Pattern::Sim,
        ..ROW
    },
    Capability {
        pattern: Pattern::SimCountry,
        costs: Costs::of(&[Cost::Restart]),
        ..ROW
    },
    Capability {
        pattern: Pattern::Image,
        costs: Costs::of(&[Cost::Restart]),
        ..ROW
    },
    Capability {
        pattern: Pattern::Adb,
        write: Write::Switch {
            on: "adbOn",
            off: "adbOff",
            known: None,
        },
        ..ROW
    },
    Capability {
        pattern: Pattern::Bandwidth,
        write: Write::No,
        ..ROW
    },
    Capability {
        pattern: Pattern::Property("persist."),
        ..ROW
    },
    Capability {
        pattern: Pattern::Property("modem/"),
        ..ROW
    },
    Capability {
        pattern: Pattern::Setting("global/"),
        reset: Some("reset"),
        ..ROW
    },
    Capability {
        pattern: Pattern::App,
        write: Write::App {
            catalogue: Some("install"),
            url: None,
            described: None,
            remove: Some("remove"),
            remove_known: None,
        },
        ..ROW
    },
    Capability {
        pattern: Pattern::Running,
        write: Write::Switch {
            on: "start",
            off: "stop",
            known: None,
        },
        ..ROW
    },
];

static TABLE: Capabilities = Capabilities {
    provider: ProviderKind::ArmCloud,
    attributes: ROWS,
    calls: &[],
    reads: &[],
    quiet: None,
    limits: Limits {
        requests_per_second: 10,
        requests_per_minute: 100,
        open_jobs: 100,
        poll_batch: 100,
        poll_one_submit: false,
        poll_interval: Duration::from_secs(5),
        in_flight: 4,
    },
    default_endpoint: "https://api.example.com",
    credentials: &[CredentialForm {
        required: &["accessKey", "secretKey"],
        optional: &[],
    }],
    options: &["signedHost"],
    refuses: Refuses::NOTHING,
    blind: false,
    names_orders: false,
    leaves_late: false,
    tidies: false,
    renames: false,
};

fn table(kind: ProviderKind) -> Option<&'static Capabilities> {
    (kind == ProviderKind::ArmCloud).then_some(&TABLE)
}

/// 2026-11-21T00:00Z.
const NOW: Timestamp = Timestamp(1_795_219_200_000);

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile {
        path: path.into(),
        bytes: Arc::from(text.as_bytes()),
    }
}

/// A bundle of one manifest and perhaps the table `phones.csv`. `---` and apiVersion are put before each `kind`.
fn bundle(text: &str, csv: Option<&str>) -> Bundle {
    let text = text.replace("kind:", "---\napiVersion: phonefleet/v1alpha1\nkind:");
    Bundle {
        files: vec![file("fleet.yaml", &text)],
        tables: csv.map(|csv| file("phones.csv", csv)).into_iter().collect(),
        missing: Vec::new(),
    }
}

const ACCOUNT: &str = "
kind: Account
metadata: { name: hk }
spec:
  provider: armcloud
  credentials: { accessKey: { env: AK }, secretKey: { env: SK } }
kind: App
metadata: { name: maps }
spec: { package: com.example.maps, version: { exact: 1.4.2 }, sources: [{ account: hk, appId: 501 }] }
kind: Inventory
metadata: { name: lab }
spec: { csv: phones.csv, id: id, account: account, name: alias, labels: [country, team] }
kind: Profile
metadata: { name: sg }
spec: { desired: { timezone: Asia/Singapore, language: en-SG } }
";

const CSV: &str = "id,account,alias,country,team,host,port,imei
P1,hk,one,sg,lab,p1.example.net,1080,490154203237518
P2,hk,two,sg,lab,p2.example.net,1081,356938035643809
P3,hk,three,de,sales,p3.example.net,1082,490154203237518
";

fn found(text: &str) -> Vec<Finding> {
    let text = format!("{ACCOUNT}{text}");
    match load(&bundle(&text, Some(CSV)), &table, NOW) {
        Ok(_) => Vec::new(),
        Err(findings) => findings,
    }
}

fn codes(text: &str) -> Vec<(&'static str, String)> {
    found(text)
        .into_iter()
        .map(|finding| (finding.code, finding.message))
        .collect()
}

fn fleet(text: &str) -> Fleet {
    let text = format!("{ACCOUNT}{text}");
    match load(&bundle(&text, Some(CSV)), &table, NOW) {
        Ok(fleet) => fleet,
        Err(findings) => panic!("{}", super::report::render(&findings, false)),
    }
}

fn group(spec: &str) -> String {
    format!("kind: Group\nmetadata: {{ name: g }}\nspec:\n{spec}")
}

fn facts(id: &str, provider_group: Option<&str>) -> PhoneFacts {
    PhoneFacts {
        key: PhoneKey {
            account: AccountName::new("hk"),
            phone: id.into(),
        },
        former: Vec::new(),
        provider_group: provider_group.map(ProviderGroup::new),
    }
}

fn claim_at(fleet: &Fleet, id: &str, now: Timestamp) -> Arc<Desired> {
    match fleet.claims.claim(&facts(id, Some("1")), now) {
        Claim::Claimed(desired) => desired,
        other @ (Claim::Unclaimed | Claim::Twice(_) | Claim::Broken(..)) => panic!("{other:?}"),
    }
}

fn claim(fleet: &Fleet, id: &str) -> Arc<Desired> {
    claim_at(fleet, id, NOW)
}

fn wish(desired: &Desired, attribute: &str) -> Option<String> {
    let attribute: Attribute = attribute.parse().unwrap();
    desired
        .attributes
        .get(&attribute)
        .map(|wanted| serde_json::to_string(&wanted.wish).unwrap())
}

fn text(desired: &Desired, attribute: &str) -> Option<String> {
    let attribute: Attribute = attribute.parse().unwrap();
    match &desired.attributes.get(&attribute)?.wish {
        Wish::Set(Value::Text(text)) => Some(text.to_string()),
        other @ (Wish::Set(_) | Wish::Reset) => Some(format!("{other:?}")),
    }
}

#[test]
fn the_nearest_layer_wins() {
    let fleet = fleet(&format!(
        "kind: Profile\nmetadata: {{ name: base }}\nspec: {{ desired: {{ timezone: UTC, language: en-US, adb: true, properties: {{ persist.a: 1, persist.b: 1 }} }} }}\n{}",
        group(
            "  phones: { accounts: [hk], ids: [P1, P9] }
  profiles: [base, sg]
  desired: { language: de-DE, properties: { persist.b: 2 } }
  overrides:
    - { phones: [P9], desired: { properties: { persist.b: '3' } }, reset: [location], ignore: [adb], reason: test, until: 2027-01-31T18:00+08:00 }
"
        )
    ));
    let near = claim(&fleet, "P1");
    assert_eq!(text(&near, "timezone").unwrap(), "Asia/Singapore");
    assert_eq!(text(&near, "language").unwrap(), "de-DE");
    assert_eq!(text(&near, "property/persist.a").unwrap(), "1");
    assert_eq!(text(&near, "property/persist.b").unwrap(), "2");
    assert_eq!(wish(&near, "adb").unwrap(), r#"{"set":{"flag":true}}"#);
    let over = claim(&fleet, "P9");
    assert_eq!(text(&over, "property/persist.b").unwrap(), "3");
    assert_eq!(wish(&over, "location").unwrap(), r#""reset""#);
    assert_eq!(wish(&over, "adb"), None);
    let until = Timestamp(1_801_389_600_000);
    assert_eq!(fleet.expiries, [until]);
    assert_eq!(
        text(&claim_at(&fleet, "P9", until), "property/persist.b").unwrap(),
        "2"
    );
    assert_eq!(near.attributes[&Attribute::Language].origin.line, 36);
    assert_eq!(fleet.named.len(), 2);
    assert_eq!(
        fleet.claims.claim(&facts("P5", None), NOW),
        Claim::Unclaimed
    );
}

#[test]
fn equal_desired_states_are_shared() {
    let fleet = fleet(&group("  phones: { accounts: [hk] }\n  profiles: [sg]\n"));
    assert!(Arc::ptr_eq(&claim(&fleet, "P1"), &claim(&fleet, "P77")));
}

#[test]
fn an_ignored_attribute_is_not_managed_whatever_a_profile_says() {
    let profile = "kind: Profile
metadata: { name: extra }
spec:
  desired:
    settings: { global/a: 1 }
    sim: { imei: '490154203237518', mcc: 525 }
    apps: { com.lent.one: absent }
";
    let group = group(
        "  phones: { accounts: [hk] }
  profiles: [sg, extra]
  desired: { appPolicy: exclusive }
  ignore: [language, app/com.lent.one, sim.imei, settings]
",
    );
    let fleet = fleet(&format!("{profile}{group}"));
    let desired = claim(&fleet, "P1");
    assert_eq!(wish(&desired, "language"), None);
    assert_eq!(wish(&desired, "setting/global/a"), None);
    assert_eq!(
        wish(&desired, "sim").unwrap(),
        r#"{"set":{"sim":{"mcc":"525"}}}"#
    );
    assert_eq!(desired.ignored_apps, ["com.lent.one".into()]);
    assert_eq!(desired.app_policy, AppPolicy::Exclusive);
}

#[test]
fn sim_merges_by_field_and_apps_by_key() {
    let profile = "kind: Profile\nmetadata: { name: p }\nspec: { desired: { sim: { country: sg, mcc: '525', mnc: '01', cell: { tac: 0012 } }, apps: { com.example.maps: { app: maps, running: true }, com.b.b: { app: maps2, running: true } } } }\nkind: App\nmetadata: { name: maps2 }\nspec: { package: com.b.b, versionCode: { atLeast: 7 }, sources: [{ account: hk, appId: '7' }] }\n";
    let fleet = fleet(&format!(
        "{profile}{}",
        group(
            "  phones: { accounts: [hk] }\n  profiles: [p]\n  desired: { sim: { mnc: '03' }, apps: { com.b.b: { app: maps2 }, com.c.c: present } }\n"
        )
    ));
    let desired = claim(&fleet, "P1");
    assert_eq!(
        wish(&desired, "sim").unwrap(),
        r#"{"set":{"sim":{"mcc":"525","mnc":"03","cellTac":"12"}}}"#
    );
    assert_eq!(text(&desired, "sim-country").unwrap(), "SG");
    assert_eq!(
        wish(&desired, "running/com.example.maps").unwrap(),
        r#"{"set":{"flag":true}}"#
    );
    assert_eq!(wish(&desired, "running/com.b.b"), None);
    let maps = &desired.attributes[&"app/com.example.maps".parse::<Attribute>().unwrap()].wish;
    let wanted = AppWish::Present {
        app: Some("maps".into()),
        version: VersionWish::NameExact("1.4.2".into()),
    };
    assert_eq!(*maps, Wish::Set(Value::App(wanted)));
    assert_eq!(
        wish(&desired, "app/com.c.c").unwrap(),
        r#"{"set":{"app":{"present":{"version":"any"}}}}"#
    );
}

#[test]
fn variables_are_filled_in_per_phone() {
    let fleet = fleet(&group(
        "  phones: { select: { team: lab } }
  profiles: [$(labels.country)]
  desired:
    proxy: { protocol: socks5, host: $(vars.host), port: $(vars.port), username: qa-$(phone.id), password: { csv: secrets.csv, key: $(phone.id), column: pw } }
    sim: { imei: $(vars.imei), mcc: 525 }
    properties: { persist.x: '$$(literal) $(vars.port)' }
",
    ));
    let one = claim(&fleet, "P1");
    assert_eq!(
        wish(&one, "proxy").unwrap(),
        r#"{"set":{"proxy":{"via":{"mode":"proxy","protocol":"socks5","host":"p1.example.net","port":1080,"username":"qa-P1","password":{"csv":{"file":"secrets.csv","key":"P1","column":"pw"}},"bypass":{"packages":[],"ips":[],"domains":[]}}}}}"#
    );
    assert_eq!(
        wish(&one, "sim").unwrap(),
        r#"{"set":{"sim":{"imei":"490154203237518","mcc":"525"}}}"#
    );
    assert_eq!(text(&one, "property/persist.x").unwrap(), "$(literal) 1080");
    assert_eq!(text(&one, "timezone").unwrap(), "Asia/Singapore");
    assert!(
        wish(&claim(&fleet, "P2"), "proxy")
            .unwrap()
            .contains("1081")
    );
    assert_eq!(
        fleet.claims.claim(&facts("P3", None), NOW),
        Claim::Unclaimed
    );
    assert_eq!(
        fleet.inventory[&facts("P1", None).key].alias.as_deref(),
        Some("one")
    );
    assert_eq!(fleet.inventory[&facts("P1", None).key].labels.len(), 2);
    assert_eq!(fleet.named.len(), 2);
}

#[test]
fn what_is_only_known_at_the_provider_is_judged_there() {
    let text = format!(
        "{}{}",
        group(
            "  phones: { providerGroups: ['1'] }\n  desired: { properties: { persist.host: $(vars.host) } }\n"
        ),
        "kind: Group\nmetadata: { name: h }\nspec: { phones: { accounts: [hk], idPatterns: ['P[12]'], exclude: [P2] }, mode: observe }\n"
    );
    let fleet = fleet(&text);
    let claim = |id, group| fleet.claims.claim(&facts(id, group), NOW);
    assert_eq!(
        claim("P1", Some("1")),
        Claim::Twice(vec!["g".into(), "h".into()])
    );
    assert!(matches!(claim("P1", Some("2")), Claim::Claimed(_)));
    assert!(matches!(claim("P2", Some("1")), Claim::Claimed(_)));
    assert_eq!(claim("P2", None), Claim::Unclaimed);
    let Claim::Broken(group, why) = claim("P9", Some("1")) else {
        panic!("broken")
    };
    assert_eq!(group.as_str(), "g");
    assert_eq!(
        why,
        "fleet.yaml:30: variable $(vars.host): the phone stands in no Inventory"
    );
    assert_eq!(fleet.groups[&"h".into()].mode, Mode::Observe);
}

#[test]
fn accounts_are_read_without_secrets() {
    let fleet = fleet(&group("  phones: { accounts: [hk] }\n"));
    let account = &fleet.accounts[&AccountName::new("hk")];
    assert_eq!(account.endpoint, "https://api.example.com");
    assert_eq!(
        account.credentials["accessKey"],
        SecretRef::Env("AK".into())
    );
    assert_eq!(account.identity.as_str().len(), 16);
    assert_eq!(account.origin.line, 5);
}

/// What is said of a group's spec, with the rest in order.
fn said(spec: &str) -> Vec<(&'static str, String)> {
    codes(&group(&format!("  phones: {{ accounts: [hk] }}\n{spec}")))
}

fn one(spec: &str) -> (&'static str, String) {
    let mut all = said(spec);
    assert_eq!(all.len(), 1, "{spec}: {all:?}");
    all.remove(0)
}

/// A group's spec with one mistake, its code, and a part of its message.
const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "  desired: { timezone: Asia/Singapur }",
        "bad-timezone",
        "timezone: \"Asia/Singapur\" is no IANA time zone",
    ),
    (
        "  desired: { language: english }",
        "bad-language",
        "language",
    ),
    (
        "  desired: { sim: { imei: '490154203237519' } }",
        "bad-imei",
        "check digit",
    ),
    (
        "  desired: { sim: { iccid: '8944500102198304827' } }",
        "bad-iccid",
        "check digit",
    ),
    ("  desired: { sim: { country: UK } }", "bad-country", "UK"),
    (
        "  desired: { sim: { phone: 1 } }",
        "unknown-key",
        "`sim` has no key `phone`",
    ),
    (
        "  desired: { timezone: }",
        "blank-value",
        "`timezone` has no value",
    ),
    (
        "  desired: { timezone: ~ }",
        "blank-value",
        "`timezone` has no value",
    ),
    (
        "  desired: { properties: { persist.a: null } }",
        "blank-value",
        "`persist.a` has no value",
    ),
    ("  desired:", "blank-value", "`desired` has no value"),
    (
        "  desired: { timzone: UTC }",
        "unknown-key",
        "`desired` has no key `timzone`",
    ),
    (
        "  desired: { timezone: [UTC] }",
        "wrong-type",
        "`timezone` must be a text, not a list",
    ),
    (
        "  desired: { adb: 'yes' }",
        "wrong-type",
        "`adb` must be true or false, not a text",
    ),
    (
        "  desired: { location: { latitude: 91, longitude: 0 } }",
        "bad-value",
        "is not between -90 and 90",
    ),
    (
        "  desired: { location: { latitude: 9 } }",
        "missing-field",
        "`longitude` is missing in `location`",
    ),
    (
        "  desired: { image: { id: a } }",
        "missing-field",
        "`wipeData` is missing",
    ),
    (
        "  desired: { image: { id: a, version: b, wipeData: true } }",
        "bad-value",
        "one of `id` and `version`",
    ),
    (
        "  desired: { image: img-1 }",
        "wrong-type",
        "`image` must be a mapping, not a text",
    ),
    (
        "  desired: { proxy: { protocol: http, host: a.b, port: 70000 } }",
        "out-of-range",
        "`port` must be between 1 and 65535",
    ),
    (
        "  desired: { proxy: { protocol: http, host: 'http://a.b', port: 1 } }",
        "bad-value",
        "host",
    ),
    (
        "  desired: { proxy: { protocol: socks, host: a.b, port: 1 } }",
        "bad-value",
        "`protocol` cannot be \"socks\"",
    ),
    (
        "  desired: { proxy: { protocol: http, host: a.b, port: 1, username: u, password: hunter2 } }",
        "plain-secret",
        "must be a reference",
    ),
    (
        "  desired: { proxy: none }",
        "bad-value",
        "`proxy` must be `direct` or a mapping",
    ),
    (
        "  desired: { apps: { maps: present } }",
        "bad-name",
        "no Android package",
    ),
    (
        "  desired: { apps: { com.a.b: maps } }",
        "bad-value",
        "`present`, `absent` or a mapping",
    ),
    (
        "  desired: { apps: { com.a.b: { app: maps } } }",
        "wrong-package",
        "App `maps` is com.example.maps, not com.a.b",
    ),
    (
        "  desired: { apps: { com.a.b: { app: mapz } } }",
        "unknown-app",
        "there is no App `mapz`",
    ),
    (
        "  desired: { apps: { com.a.b: { version: 1.2 } } }",
        "wrong-type",
        "`version` must be a mapping, not a number",
    ),
    (
        "  desired: { apps: { com.a.b: {} } }",
        "bad-value",
        "nothing is said of app com.a.b",
    ),
    (
        "  desired: { settings: { http_proxy: x } }",
        "bad-name",
        "is no name of a setting",
    ),
    (
        "  desired: { properties: { 'a b': x } }",
        "bad-name",
        "is no name of a property",
    ),
    (
        "  desired: { timezone: $(var.x) }",
        "bad-variable",
        "`$(var.x)` is no variable",
    ),
    (
        "  desired: { timezone: $(vars.x }",
        "bad-variable",
        "no closing",
    ),
    (
        "  profiles: [sq]",
        "unknown-profile",
        "there is no Profile `sq`",
    ),
    ("  profiles: sg", "wrong-type", "`profiles` must be a list"),
    (
        "  mode: enforced",
        "bad-value",
        "`mode` cannot be \"enforced\"",
    ),
    (
        "  allow: [reboot]",
        "bad-value",
        "`allow` cannot be \"reboot\"",
    ),
    (
        "  allow: [{ cost: wipe, until: 2027-01-31 }]",
        "bad-value",
        "must be a moment with its offset",
    ),
    (
        "  reset: [timezon]",
        "unknown-attribute",
        "no attribute is called `timezon`",
    ),
    (
        "  reset: [apps]",
        "bad-value",
        "`apps` cannot be reset as a whole",
    ),
    (
        "  overrides: [{ phones: [P1], desired: { timezone: UTC } }]",
        "missing-field",
        "`reason` is missing",
    ),
    (
        "  overrides: [{ phones: [P1], reason: x }]",
        "bad-value",
        "the override changes nothing",
    ),
    (
        "  overrides: [{ phones: [xx/P1], reason: x, reset: [proxy] }]",
        "unknown-account",
        "there is no Account `xx`",
    ),
    (
        "  desired: { timezone: UTC }\n  ignore: [timezone]",
        "said-twice",
        "`timezone` is said twice in one layer; first in line 30",
    ),
    (
        "  desired: { sim: { mcc: 525 } }\n  reset: [sim]",
        "said-twice",
        "`sim` is said twice",
    ),
    (
        "  desired: { timezone: UTC, properties: { persist.sys.timezone: UTC } }",
        "said-twice",
        "are the same thing",
    ),
    (
        "  profiles: [sg]\n  desired: { properties: { persist.sys.locale: de-DE } }",
        "said-twice",
        "(fleet.yaml:23) are the same thing",
    ),
    (
        "  desired: { sim: { imei: '490154203237518' }, properties: { modem/imei: '490154203237518' } }",
        "said-twice",
        "are the same thing",
    ),
    (
        "  desired: { bandwidth: { upMbps: 1, downMbps: 1 } }",
        "unsupported",
        "armcloud (account hk) cannot change `bandwidth`",
    ),
    (
        "  desired: { properties: { ro.product.model: x } }",
        "unsupported",
        "armcloud (account hk) has no `property/ro.product.model`",
    ),
    (
        "  reset: [timezone]",
        "unsupported",
        "armcloud (account hk) cannot reset `timezone`",
    ),
];

#[test]
fn a_group_that_skips_what_is_unsupported_makes_no_findings_of_it() {
    for (spec, code, _) in MISTAKES {
        if *code == "unsupported" {
            let spec = format!("  unsupported: skip\n{spec}");
            assert_eq!(said(&spec), [], "{spec}");
        }
    }
    assert_eq!(one("  unsupported: later").0, "bad-value");
}

#[test]
fn mistakes_in_values_have_their_codes() {
    for (spec, code, part) in MISTAKES {
        let (found, message) = one(spec);
        assert_eq!(found, *code, "{spec}: {message}");
        assert!(message.contains(part), "{spec}: {message}");
    }
}

#[test]
fn all_mistakes_are_reported_together_in_order() {
    let found = found(&group(
        "  phones: { accounts: [kh], expct: { min: 1 } }
  desired: { timezone: Asia/Singapur, timezone: UTC, langage: de }
  mode: maybe
",
    ));
    let places: Vec<_> = found
        .iter()
        .map(|finding| (finding.line, finding.column, finding.code))
        .collect();
    assert_eq!(
        places,
        [
            (29, 24, "unknown-account"),
            (29, 29, "unknown-key"),
            (30, 24, "bad-timezone"),
            (30, 39, "duplicate-key"),
            (30, 54, "unknown-key"),
            (31, 9, "bad-value"),
        ]
    );
    assert_eq!(found[0].hint.as_deref(), Some("did you mean `hk`?"));
    assert_eq!(found[1].hint.as_deref(), Some("did you mean `expect`?"));
    assert_eq!(
        found[2].hint.as_deref(),
        Some("did you mean \"Asia/Singapore\"?")
    );
    assert_eq!(
        found[3].source_line.as_deref(),
        Some("  desired: { timezone: Asia/Singapur, timezone: UTC, langage: de }")
    );
}

#[test]
fn phones_that_are_certain_are_checked_at_load() {
    let twice = format!(
        "{}kind: Group\nmetadata: {{ name: h }}\nspec: {{ phones: {{ accounts: [hk], ids: [P1] }} }}\n",
        group("  phones: { select: { team: [lab, sales] } }\n")
    );
    let all = codes(&twice);
    assert_eq!(
        all,
        [(
            "claimed-twice",
            "phone hk/P1 is claimed by groups g (fleet.yaml:29) and h".to_owned()
        )]
    );
    let all = codes(&group(
        "  phones: { select: { team: lab } }\n  desired: { timezone: $(vars.zone), sim: { imei: $(vars.host) } }\n",
    ));
    assert_eq!(
        all,
        [
            ("unknown-variable", "`$(vars.zone)` has no value: phones.csv has no column \"zone\" (phone hk/P1, phones.csv row 2; and 1 more phone)".to_owned()),
            ("bad-imei", "sim.imei: \"p1.example.net\" is no IMEI: not all digits (phone hk/P1, phones.csv row 2 column \"host\")".to_owned()),
            ("bad-imei", "sim.imei: \"p2.example.net\" is no IMEI: not all digits (phone hk/P2, phones.csv row 3 column \"host\")".to_owned()),
        ]
    );
    let all = codes(&group("  phones: { select: { team: lab, contry: sg } }\n"));
    assert_eq!(all[0].0, "unknown-label");
    let all = codes(&group(
        "  phones: { select: { team: sales } }\n  profiles: [$(labels.country)]\n",
    ));
    assert_eq!(
        all,
        [(
            "unknown-profile",
            "there is no Profile `de` (phone hk/P3, phones.csv row 4 column \"country\")"
                .to_owned()
        )]
    );
    let all = codes(&group(
        "  phones: { accounts: [hk], ids: [P9] }\n  desired: { timezone: $(vars.zone) }\n",
    ));
    assert_eq!(
        all[0].1,
        "`$(vars.zone)` has no value: the phone stands in no Inventory (phone hk/P9)"
    );
    let all = codes(&group(
        "  phones: { accounts: [hk], ids: [P1] }\n  overrides: [{ phones: [P2], reason: x, reset: [proxy] }]\n",
    ));
    assert_eq!(
        all,
        [(
            "unclaimed-override",
            "group g does not select phone hk/P2".to_owned()
        )]
    );
    let all = codes(&group(
        "  phones: { accounts: [hk], ids: [P1] }\n  overrides: [{ phones: [P1], reason: x, reset: [proxy] }, { phones: [P1], reason: y, desired: { proxy: direct } }]\n",
    ));
    assert_eq!(
        all[0].1,
        "two overrides say `proxy` of phone hk/P1; first in fleet.yaml:30"
    );
    let all = codes(&group("  phones: { ids: [P1, P1], accounts: [hk] }\n"));
    assert_eq!(
        all,
        [("duplicate-phone", "phone hk/P1 is named twice".to_owned())]
    );
    let all = codes(&group("  phones: {}\n"));
    assert_eq!(all, [("bad-value", "`phones` has no condition".to_owned())]);
}

fn csv_codes(csv: &str) -> Vec<(u32, u32, &'static str, String)> {
    match load(&bundle(ACCOUNT, Some(csv)), &table, NOW) {
        Ok(_) => Vec::new(),
        Err(findings) => findings
            .into_iter()
            .map(|it| (it.line, it.column, it.code, it.message))
            .collect(),
    }
}

#[test]
fn csv_files_of_all_dialects_are_read() {
    let semicolons = format!("\u{feff}{}", CSV.replace(',', ";").replace('\n', "\r\n"));
    let text = format!(
        "{ACCOUNT}{}",
        group(
            "  phones: { select: { team: lab } }\n  desired: { properties: { persist.h: $(vars.host) } }\n"
        )
    );
    for csv in [
        CSV.to_owned(),
        semicolons,
        CSV.replace(',', "\t"),
        CSV.replace("one", "\"one, \"\"two\"\"\""),
    ] {
        let fleet = match load(&bundle(&text, Some(&csv)), &table, NOW) {
            Ok(fleet) => fleet,
            Err(findings) => panic!("{csv}: {findings:?}"),
        };
        assert_eq!(fleet.inventory.len(), 3);
        assert_eq!(
            super::tests::text(&claim(&fleet, "P2"), "property/persist.h").unwrap(),
            "p2.example.net"
        );
    }
}

#[test]
fn csv_mistakes_name_row_and_column() {
    let head = "id,account,alias,country,team,host\n";
    let at = |rows: &str| csv_codes(&format!("{head}{rows}"));
    assert_eq!(
        at("P1,hk,a,sg,lab,\n"),
        [(
            2,
            16,
            "empty-cell",
            "row 2 has an empty cell in column \"host\"".to_owned()
        )]
    );
    assert_eq!(
        at("P1,hk,a,sg,lab,x\nP2,hk,b,sg,lab,8.68E+14\n"),
        [(
            3,
            16,
            "spreadsheet-damage",
            "row 3, column \"host\": \"8.68E+14\": a spreadsheet has rounded a long number"
                .to_owned()
        )]
    );
    assert_eq!(
        at("P1,hk,a,sg,lab,x\nP1,hk,b,sg,lab,x\n"),
        [(
            3,
            1,
            "duplicate-phone",
            "phone hk/P1 stands twice; first in phones.csv row 2".to_owned()
        )]
    );
    assert_eq!(at("P1,hk,a,sg,lab\n")[0].2, "row-length");
    assert_eq!(
        at("P1,kh,a,sg,lab,x\n"),
        [(
            2,
            4,
            "unknown-account",
            "there is no Account `kh`".to_owned()
        )]
    );
    assert_eq!(
        csv_codes("ID,account,alias,country,team\n")[0].2,
        "unknown-column"
    );
    assert_eq!(
        csv_codes("id,account,alias,country,team,team\n")[0].2,
        "duplicate-column"
    );
    let many = "P,,,,,\n".repeat(60);
    let found = at(&many);
    assert_eq!(found[0].2, "more-findings");
    assert!(found.len() < 60, "{}", found.len());
    let missing = load(&bundle(ACCOUNT, None), &table, NOW).unwrap_err();
    assert_eq!(missing[0].code, "missing-file");
}

#[test]
fn accounts_and_apps_have_their_mistakes() {
    let account = |spec: &str| {
        let text = format!("kind: Account\nmetadata: {{ name: hk }}\nspec: {{ {spec} }}\n");
        match load(&bundle(&text, None), &table, NOW) {
            Ok(_) => Vec::new(),
            Err(found) => found.iter().map(|it| it.code).collect::<Vec<_>>(),
        }
    };
    let keys = "credentials: { accessKey: { env: AK }, secretKey: { env: SK } }";
    assert_eq!(
        account(&format!("provider: armcloud, {keys}")),
        Vec::<&str>::new()
    );
    assert_eq!(
        account(&format!("provider: armclod, {keys}")),
        ["bad-value"]
    );
    assert_eq!(
        account(&format!("provider: zenlayer, {keys}")),
        ["unsupported-provider"]
    );
    assert_eq!(
        account("provider: armcloud, credentials: { accessKey: { env: AK } }"),
        ["missing-credential"]
    );
    assert_eq!(
        account(
            "provider: armcloud, credentials: { accessKey: { env: AK }, secretKey: { env: SK }, token: { env: T } }"
        ),
        ["unknown-credential"]
    );
    assert_eq!(
        account("provider: armcloud, credentials: { accessKey: AKIA, secretKey: { env: SK } }"),
        ["plain-secret"]
    );
    assert_eq!(
        account(
            "provider: armcloud, credentials: { accessKey: { env: AK, file: x }, secretKey: { env: SK } }"
        ),
        ["bad-value"]
    );
    assert_eq!(
        account(&format!(
            "provider: armcloud, {keys}, options: {{ signedHots: x }}"
        )),
        ["unknown-option"]
    );
    for (endpoint, good) in [
        ("https://api.example.com/", true),
        ("http://127.0.0.1:7788", true),
        ("http://[::1]:7788", true),
        ("http://localhost:7788", true),
        ("http://api.example.com", false),
        ("ftp://api.example.com", false),
        ("api.example.com", false),
        ("https://user:pw@api.example.com", false),
        ("https://api.example.com/?a=b", false),
    ] {
        let found = account(&format!(
            "provider: armcloud, {keys}, endpoint: '{endpoint}'"
        ));
        assert_eq!(found.is_empty(), good, "{endpoint}: {found:?}");
    }
    assert_eq!(
        account(&format!(
            "provider: armcloud, {keys}, limits: {{ requestsPerSecond: 0, pollInterval: 5 }}"
        )),
        ["out-of-range", "bad-value"]
    );
}

#[test]
fn one_key_is_one_account() {
    let keys = "credentials: { accessKey: { env: AK }, secretKey: { env: SK } }";
    let two = format!(
        "kind: Account\nmetadata: {{ name: a }}\nspec: {{ provider: armcloud, {keys} }}\n{}",
        "kind: Account\nmetadata: { name: b }\nspec: { provider: armcloud, endpoint: 'https://api.example.com/', credentials: { accessKey: { env: AK }, secretKey: { env: OTHER } } }\n"
    );
    let found = load(&bundle(&two, None), &table, NOW).unwrap_err();
    assert_eq!(found[0].code, "same-account");
}

#[test]
fn urls_of_apps_point_to_the_world() {
    let app = |url: &str, options: &LoadOptions| {
        let text = format!(
            "kind: App\nmetadata: {{ name: a }}\nspec: {{ package: com.a.b, sources: [{{ url: '{url}' }}] }}\n"
        );
        load_with(&bundle(&text, None), &table, NOW, options).is_ok()
    };
    let strict = LoadOptions::default();
    let private = LoadOptions {
        allow_private_urls: true,
        ..strict
    };
    assert!(app("https://x.example.com/a.apk", &strict));
    for url in [
        "http://127.0.0.1/a",
        "http://localhost/a",
        "http://169.254.169.254/a",
        "http://[::1]/",
        "http://[fe80::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://0.0.0.0/",
    ] {
        assert!(!app(url, &strict), "{url}");
        assert!(app(url, &private), "{url}");
    }
    assert!(!app("file:///etc/passwd", &private));
    let found = codes(&group(
        "  phones: { accounts: [hk] }\n  desired: { apps: { com.a.b: { app: a } } }\nkind: App\nmetadata: { name: a }\nspec: { package: com.a.b, sources: [{ url: 'https://x.example.com/a.apk' }] }\n",
    ));
    assert_eq!(
        found,
        [(
            "unsupported",
            "armcloud (account hk) cannot install apps from a url".to_owned()
        )]
    );
}

#[test]
fn a_torn_file_does_not_make_others_wrong() {
    let mut bundle = bundle(
        &group("  phones: { accounts: [hk] }\n  profiles: [base]\n"),
        None,
    );
    bundle.files.push(file("base.yaml", "a: [1,\nb: 2\n"));
    let found = load(&bundle, &table, NOW).unwrap_err();
    assert_eq!(
        found.iter().map(|it| it.code).collect::<Vec<_>>(),
        ["syntax"]
    );
}

#[test]
fn heads_are_checked() {
    let found = |text: &str| {
        let bundle = Bundle {
            files: vec![file("x.yaml", text)],
            ..Bundle::default()
        };
        match load(&bundle, &table, NOW) {
            Ok(_) => Vec::new(),
            Err(found) => found.into_iter().map(|it| it.code).collect::<Vec<_>>(),
        }
    };
    assert_eq!(
        found("apiVersion: phonefleet/v1\nkind: Profile\nmetadata: {name: a}\nspec: {}\n"),
        ["unknown-api-version"]
    );
    assert_eq!(
        found("kind: Profile\nmetadata: {name: a}\nspec: {}\n"),
        ["missing-field"]
    );
    assert_eq!(
        found("apiVersion: phonefleet/v1alpha1\nkind: Profil\nmetadata: {name: a}\nspec: {}\n"),
        ["bad-value"]
    );
    assert_eq!(
        found("apiVersion: phonefleet/v1alpha1\nkind: Profile\nmetadata: {name: A_b}\nspec: {}\n"),
        ["bad-name"]
    );
    assert_eq!(
        found("apiVersion: phonefleet/v1alpha1\nkind: Profile\nmetadata: {name: a}\nspec:\n"),
        ["blank-value"]
    );
    assert_eq!(found("- 1\n"), ["wrong-type"]);
    assert_eq!(
        found(
            "apiVersion: phonefleet/v1alpha1\nkind: Profile\nmetadata: {name: a}\nspec: {}\n---\napiVersion: phonefleet/v1alpha1\nkind: Profile\nmetadata: {name: a}\nspec: {}\n"
        ),
        ["duplicate-name"]
    );
    let large = Bundle {
        files: vec![SourceFile {
            path: "big.yaml".into(),
            bytes: vec![b'#'; 17 * 1024 * 1024].into(),
        }],
        ..Bundle::default()
    };
    assert_eq!(
        load(&large, &table, NOW).unwrap_err()[0].code,
        "file-too-large"
    );
    let latin = Bundle {
        files: vec![SourceFile {
            path: "l.yaml".into(),
            bytes: vec![b'a', b'\n', 0xe4].into(),
        }],
        ..Bundle::default()
    };
    let found = &load(&latin, &table, NOW).unwrap_err()[0];
    assert_eq!((found.code, found.line), ("not-utf8", 2));
}

#[test]
fn the_revision_follows_from_contents() {
    let one = bundle(ACCOUNT, Some(CSV));
    let same = bundle(ACCOUNT, Some(CSV));
    let other = bundle(ACCOUNT, Some(&CSV.replace("1080", "1090")));
    assert_eq!(one.revision(), same.revision());
    assert_ne!(one.revision(), other.revision());
    assert_eq!(one.revision().as_str().len(), 12);
}

/// Group specs whose shape is wrong: loading refuses them, and so must the schema.
const WRONG_SHAPES: &[&str] = &[
    "{}",
    "{ phones: { accounts: [hk] }, mod: enforce }",
    "{ phones: { accounts: [hk] }, mode: enforced }",
    "{ phones: { accounts: hk } }",
    "{ phones: { accounts: [] } }",
    "{ phones: {} }",
    "{ phones: { accounts: [hk], expect: {} } }",
    "{ phones: { accounts: [hk], expect: { min: '1' } } }",
    "{ phones: { accounts: [hk] }, profiles: sg }",
    "{ phones: { accounts: [hk] }, desired: }",
    "{ phones: { accounts: [hk] }, desired: { timezone: } }",
    "{ phones: { accounts: [hk] }, desired: { timezone: '' } }",
    "{ phones: { accounts: [hk] }, desired: { timezone: [UTC] } }",
    "{ phones: { accounts: [hk] }, desired: { timzone: UTC } }",
    "{ phones: { accounts: [hk] }, desired: { adb: 'true' } }",
    "{ phones: { accounts: [hk] }, desired: { adb: 1 } }",
    "{ phones: { accounts: [hk] }, desired: { image: { id: a } } }",
    "{ phones: { accounts: [hk] }, desired: { image: { wipeData: true } } }",
    "{ phones: { accounts: [hk] }, desired: { image: { id: a, version: b, wipeData: true } } }",
    "{ phones: { accounts: [hk] }, desired: { image: a } }",
    "{ phones: { accounts: [hk] }, desired: { location: { latitude: 1 } } }",
    "{ phones: { accounts: [hk] }, desired: { location: { latitude: north, longitude: 1 } } }",
    "{ phones: { accounts: [hk] }, desired: { proxy: none } }",
    "{ phones: { accounts: [hk] }, desired: { proxy: { host: a, port: 1 } } }",
    "{ phones: { accounts: [hk] }, desired: { proxy: { protocol: http, host: a, port: '1' } } }",
    "{ phones: { accounts: [hk] }, desired: { proxy: { protocol: http, host: a, port: 0 } } }",
    "{ phones: { accounts: [hk] }, desired: { proxy: { protocol: http, host: a, port: 1, username: u, password: p } } }",
    "{ phones: { accounts: [hk] }, desired: { proxy: { protocol: http, host: a, port: 1, password: { env: P } } } }",
    "{ phones: { accounts: [hk] }, desired: { sim: { cell: { lac: 1 } } } }",
    "{ phones: { accounts: [hk] }, desired: { sim: { imei: [1] } } }",
    "{ phones: { accounts: [hk] }, desired: { settings: { http_proxy: 1 } } }",
    "{ phones: { accounts: [hk] }, desired: { settings: { global/a: ~ } } }",
    "{ phones: { accounts: [hk] }, desired: { properties: [a] } }",
    "{ phones: { accounts: [hk] }, desired: { apps: { maps: present } } }",
    "{ phones: { accounts: [hk] }, desired: { apps: { com.a.b: here } } }",
    "{ phones: { accounts: [hk] }, desired: { apps: { com.a.b: {} } } }",
    "{ phones: { accounts: [hk] }, desired: { apps: { com.a.b: { version: 1 } } } }",
    "{ phones: { accounts: [hk] }, desired: { apps: { com.a.b: { version: { exact: 1 }, versionCode: { exact: 1 } } } } }",
    "{ phones: { accounts: [hk] }, desired: { apps: { com.a.b: { version: { exact: 1, atLeast: 1 } } } } }",
    "{ phones: { accounts: [hk] }, desired: { appPolicy: all } }",
    "{ phones: { accounts: [hk] }, desired: { bandwidth: { upMbps: 1 } } }",
    "{ phones: { accounts: [hk] }, reset: proxy }",
    "{ phones: { accounts: [hk] }, ignore: [~] }",
    "{ phones: { accounts: [hk] }, overrides: [{ phones: [P1], desired: { timezone: UTC } }] }",
    "{ phones: { accounts: [hk] }, overrides: [{ phones: [P1], reason: x }] }",
    "{ phones: { accounts: [hk] }, overrides: [{ phones: [P1], reason: x, reset: [proxy], until: 2027-01-31T18:00 }] }",
    "{ phones: { accounts: [hk] }, allow: [reboot] }",
    "{ phones: { accounts: [hk] }, allow: [{ until: 2027-01-31T18:00Z }] }",
    "{ phones: { accounts: [hk] }, allow: [{ cost: wipe, maxPhones: 0 }] }",
];

/// Group specs that loading takes, and so must the schema.
const RIGHT_SHAPES: &[&str] = &[
    "{ phones: { accounts: [hk] } }",
    "{ phones: { select: { team: lab, country: [sg, de] } }, mode: warn }",
    "{ phones: { accounts: [hk], ids: [P1] }, desired: { timezone: UTC, adb: false, location: { latitude: '1.5', longitude: -3 } } }",
    "{ phones: { select: { team: lab } }, desired: { proxy: { protocol: http, host: $(vars.host), port: $(vars.port) } } }",
    "{ phones: { accounts: [hk] }, desired: { proxy: direct, appPolicy: exclusive, properties: { persist.a: '', persist.b: true } } }",
    "{ phones: { accounts: [hk] }, desired: { image: { version: 20250307_4, wipeData: false }, sim: { mcc: 525, imei: 490154203237518 } } }",
    "{ phones: { accounts: [hk] }, desired: { apps: { com.a.b: { version: { atLeast: 1.2 }, running: false } } } }",
    "{ phones: { accounts: [hk] }, overrides: [{ phones: [P1], reason: x, reset: [proxy], until: 2027-01-31T18:00+08:00 }], allow: [restart, { cost: wipe, maxPhones: 3 }] }",
];

#[test]
fn the_schema_and_the_loader_agree_on_shapes() {
    let validator = jsonschema::draft7::new(&schema()).unwrap();
    let judge = |spec: &str| {
        let text = format!("kind: Group\nmetadata: {{ name: g }}\nspec: {spec}\n");
        let loads = found(&text);
        let document =
            super::schema::document_json(&format!("apiVersion: phonefleet/v1alpha1\n{text}"));
        (loads, validator.is_valid(&document))
    };
    for spec in WRONG_SHAPES {
        let (findings, valid) = judge(spec);
        assert!(!findings.is_empty(), "loads: {spec}");
        assert!(!valid, "the schema takes: {spec}");
    }
    for spec in RIGHT_SHAPES {
        let (findings, valid) = judge(spec);
        assert!(findings.is_empty(), "{spec}: {findings:?}");
        assert!(valid, "the schema refuses: {spec}");
    }
}

#[test]
fn a_large_inventory_is_one_pass() {
    let mut csv = String::from("id,account,alias,country,team,host,port,imei\n");
    for number in 0..20_000 {
        let row = [
            &format!("P{number},hk,a{number},sg,lab,p{number}"),
            ".example.net,1080,490154203237518\n",
        ];
        csv.push_str(&row.concat());
    }
    let text = group(
        "  phones: { select: { team: lab } }\n  profiles: [$(labels.country)]\n  desired: { proxy: { protocol: socks5, host: $(vars.host), port: $(vars.port) } }\n",
    );
    let fleet = load(
        &bundle(&format!("{ACCOUNT}{text}"), Some(&csv)),
        &table,
        NOW,
    )
    .unwrap();
    assert_eq!(fleet.named.len(), 20_000);
    assert!(
        wish(&claim(&fleet, "P19999"), "proxy")
            .unwrap()
            .contains("p19999.example.net")
    );
}

proptest::proptest! {
    #[test]
    fn no_text_makes_loading_panic(at in 0usize..2000, drop in 0usize..12, insert in "[-:{}\\[\\]*&<>!|'\"$()\n \ta-z0-9]{0,6}") {
        let text = format!("{ACCOUNT}{}", group("  phones: { accounts: [hk], select: { team: lab } }\n  profiles: [sg]\n  desired: { timezone: $(vars.host), sim: { cell: { tac: 1 } }, apps: { com.a.b: absent } }\n"));
        let at = at.min(text.len());
        let end = (at + drop).min(text.len());
        let text = format!("{}{insert}{}", &text[..at], &text[end..]);
        if let Err(findings) = load(&bundle(&text, Some(CSV)), &table, NOW) {
            proptest::prop_assert!(!findings.is_empty());
            proptest::prop_assert!(!super::report::render(&findings, false).is_empty());
        }
    }
}
