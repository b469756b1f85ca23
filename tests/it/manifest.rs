//! Manifests as an operator meets them: the examples load, and every mistake is reported with its place.

use phonefleet::manifest::report::{render, to_json};
use phonefleet::manifest::{Bundle, ReadError, SourceFile, load, read_paths};
use phonefleet::model::fleet::{Claim, Fleet, PhoneFacts};
use phonefleet::model::id::{PhoneKey, ProviderGroup};
use phonefleet::model::stamp::Timestamp;
use phonefleet::provider::registry::capabilities;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// 2026-11-21T00:00Z.
const NOW: Timestamp = Timestamp(1_795_219_200_000);

fn example(name: &str) -> Bundle {
    // Tests run in the package's folder.
    read_paths(&[Path::new("examples").join(name)]).unwrap()
}

fn loaded(name: &str) -> Fleet {
    match load(&example(name), &capabilities, NOW) {
        Ok(fleet) => fleet,
        Err(findings) => panic!("{}", render(&findings, false)),
    }
}

fn facts(account: &str, phone: &str, group: Option<&str>) -> PhoneFacts {
    PhoneFacts {
        key: PhoneKey {
            account: account.into(),
            phone: phone.into(),
        },
        former: Vec::new(),
        provider_group: group.map(ProviderGroup::new),
    }
}

/// One line an attribute: value and where it was said.
fn desired(fleet: &Fleet, facts: &PhoneFacts, now: Timestamp) -> String {
    match fleet.claims.claim(facts, now) {
        Claim::Claimed(desired) => {
            let mut lines = vec![format!("group {}", desired.group)];
            for (attribute, wanted) in &desired.attributes {
                let wish = serde_json::to_string(&wanted.wish).unwrap();
                let file = Path::new(&*wanted.origin.file).file_name().unwrap();
                let line = wanted.origin.line;
                lines.push(format!("{attribute} = {wish} ({}:{line})", file.display()));
            }
            lines.join("\n")
        }
        other @ (Claim::Unclaimed | Claim::Twice(_) | Claim::Broken(..)) => format!("{other:?}"),
    }
}

#[test]
fn quickstart_loads() {
    let fleet = loaded("quickstart");
    assert_eq!(
        fleet.accounts[&"demo".into()].endpoint,
        "http://127.0.0.1:7788"
    );
    assert_eq!(fleet.named, []);
    insta::assert_snapshot!(desired(&fleet, &facts("demo", "AC32010000001", Some("2")), NOW), @r##"
group berlin
property/persist.sys.quickstart.ring = {"set":{"text":"canary"}} (fleet.yaml:67)
timezone = {"set":{"text":"Europe/Berlin"}} (fleet.yaml:64)
language = {"set":{"text":"de-DE"}} (fleet.yaml:65)
proxy = {"set":{"proxy":{"via":{"mode":"proxy","protocol":"socks5","host":"proxy.example.net","port":1080,"bypass":{"packages":[],"ips":[],"domains":[]}}}}} (fleet.yaml:36)
app/com.bad.game = {"set":{"app":"absent"}} (fleet.yaml:41)
app/com.example.maps = {"set":{"app":{"present":{"app":"maps","version":{"nameAtLeast":"1.4.2"}}}}} (fleet.yaml:40)
"##);
    insta::assert_snapshot!(desired(&fleet, &facts("demo", "AC32010000001", Some("3")), NOW), @"Unclaimed");
}

#[test]
fn the_lab_gives_every_phone_its_own_proxy_and_its_country() {
    let fleet = loaded("qa-lab");
    assert_eq!(fleet.inventory.len(), 1200);
    assert_eq!(fleet.named.len(), 1199);
    insta::assert_snapshot!(desired(&fleet, &facts("lab", "AC32010000003", None), NOW), @r##"
group qa
property/persist.sys.lab.ring = {"set":{"text":"canary"}} (fleet.yaml:55)
timezone = {"set":{"text":"Asia/Tokyo"}} (fleet.yaml:58)
proxy = {"set":{"proxy":{"via":{"mode":"proxy","protocol":"socks5","host":"sg1.proxy.example.net","port":20002,"username":"qa-AC32010000003","password":{"env":"QA_PROXY_PASSWORD"},"bypass":{"packages":[],"ips":[],"domains":[]}}}}} (fleet.yaml:47)
app/com.bad.game = {"set":{"app":"absent"}} (profiles.yaml:9)
app/com.example.maps = {"set":{"app":{"present":{"app":"maps","version":{"nameExact":"1.4.2"}}}}} (profiles.yaml:8)
"##);
    let later = fleet.expiries[0];
    insta::assert_snapshot!(desired(&fleet, &facts("lab", "AC32010000003", None), later), @r##"
group qa
property/persist.sys.lab.ring = {"set":{"text":"canary"}} (fleet.yaml:55)
timezone = {"set":{"text":"Asia/Singapore"}} (profiles.yaml:15)
language = {"set":{"text":"en-SG"}} (profiles.yaml:15)
proxy = {"set":{"proxy":{"via":{"mode":"proxy","protocol":"socks5","host":"sg1.proxy.example.net","port":20002,"username":"qa-AC32010000003","password":{"env":"QA_PROXY_PASSWORD"},"bypass":{"packages":[],"ips":[],"domains":[]}}}}} (fleet.yaml:47)
app/com.bad.game = {"set":{"app":"absent"}} (profiles.yaml:9)
app/com.example.maps = {"set":{"app":{"present":{"app":"maps","version":{"nameExact":"1.4.2"}}}}} (profiles.yaml:8)
"##);
    insta::assert_snapshot!(desired(&fleet, &facts("lab", "AC32010001200", None), NOW), @r##"
group qa
property/persist.sys.lab.ring = {"set":{"text":"stable"}} (fleet.yaml:55)
timezone = {"set":{"text":"Asia/Tokyo"}} (profiles.yaml:33)
language = {"set":{"text":"ja-JP"}} (profiles.yaml:33)
proxy = {"set":{"proxy":{"via":{"mode":"proxy","protocol":"socks5","host":"jp3.proxy.example.net","port":20099,"username":"qa-AC32010001200","password":{"env":"QA_PROXY_PASSWORD"},"bypass":{"packages":[],"ips":[],"domains":[]}}}}} (fleet.yaml:47)
app/com.bad.game = {"set":{"app":"absent"}} (profiles.yaml:9)
app/com.example.maps = {"set":{"app":{"present":{"app":"maps","version":{"nameExact":"1.4.2"}}}}} (profiles.yaml:8)
"##);
    insta::assert_snapshot!(desired(&fleet, &facts("lab", "AC32010000007", None), NOW), @"Unclaimed");
    let key = fleet.find_phone("jp-300").unwrap();
    assert_eq!(key.phone.as_str(), "AC32010001200");
}

#[test]
fn the_armcloud_example_has_every_attribute() {
    let fleet = loaded("armcloud");
    insta::assert_snapshot!(desired(&fleet, &facts("hk", "AC32010000001", Some("1")), NOW), @r##"
group showcase
image = {"set":{"image":{"target":{"version":"20250307_4"},"wipeData":false}}} (fleet.yaml:51)
sim = {"set":{"sim":{"imei":"490154203237518","iccid":"8985200012345678905","imsi":"454001234567890","phoneNumber":"+85251234567","mcc":"454","mnc":"00","carrier":"CSL","cellType":"9","cellTac":"1057","cellId":"231801","cellNarfcn":"504990","cellPhysicalId":"301"}}} (fleet.yaml:54)
property/modem/aic.signal.strength = {"set":{"text":"4"}} (fleet.yaml:77)
property/oaid/OAID = {"set":{"text":"7f3a1c52-9d5b-4e0e-8f2d-0c6b1a9e4d21"}} (fleet.yaml:79)
property/persist.sys.showcase.ring = {"set":{"text":"canary"}} (fleet.yaml:76)
property/ro.product.model = {"set":{"text":"SM-S9180"}} (fleet.yaml:75)
property/setting/systemvolume = {"set":{"text":"8"}} (fleet.yaml:78)
setting/global/stay_on_while_plugged_in = {"set":{"text":"7"}} (fleet.yaml:22)
setting/system/screen_off_timeout = {"set":{"text":"600000"}} (fleet.yaml:23)
timezone = {"set":{"text":"Asia/Shanghai"}} (fleet.yaml:14)
language = {"set":{"text":"zh-CN"}} (fleet.yaml:15)
location = {"set":{"location":{"latitude":"22.2793","longitude":"114.1628","altitude":"12","speed":"0","bearing":"90","horizontalAccuracy":"5"}}} (fleet.yaml:52)
proxy = {"set":{"proxy":{"via":{"mode":"vpn","protocol":"socks5","host":"p1.example.net","port":1080,"username":"showcase","password":{"csv":{"file":"examples/armcloud/proxies.csv","key":"AC32010000001","column":"password"}},"bypass":{"packages":["com.example.agent"],"ips":["10.0.0.0/8","192.168.1.10"],"domains":["*.example.com"]}}}}} (fleet.yaml:63)
bandwidth = {"set":{"bandwidth":{"upMbps":20,"downMbps":100}}} (fleet.yaml:16)
adb = {"set":{"flag":false}} (fleet.yaml:17)
app/com.android.chrome = {"set":{"app":{"present":{"version":"any"}}}} (fleet.yaml:82)
app/com.bad.game = {"set":{"app":"absent"}} (fleet.yaml:20)
app/com.example.agent = {"set":{"app":{"present":{"app":"agent","version":{"codeAtLeast":310}}}}} (fleet.yaml:19)
app/com.example.maps = {"set":{"app":{"present":{"app":"maps","version":{"nameAtLeast":"1.4.0"}}}}} (fleet.yaml:81)
running/com.example.agent = {"set":{"flag":true}} (fleet.yaml:19)
"##);
    insta::assert_snapshot!(desired(&fleet, &facts("hk", "AC32010000002", Some("1")), NOW), @r##"
group showcase
image = {"set":{"image":{"target":{"version":"20250307_4"},"wipeData":false}}} (fleet.yaml:51)
sim = {"set":{"sim":{"imei":"356938035643809","iccid":"8985200012345678913","imsi":"454001234567891","phoneNumber":"+85251234568","mcc":"454","mnc":"00","cellType":"9","cellTac":"1057","cellId":"231801","cellNarfcn":"504990","cellPhysicalId":"301"}}} (fleet.yaml:54)
property/modem/aic.signal.strength = {"set":{"text":"4"}} (fleet.yaml:77)
property/oaid/OAID = {"set":{"text":"7f3a1c52-9d5b-4e0e-8f2d-0c6b1a9e4d21"}} (fleet.yaml:79)
property/persist.sys.showcase.ring = {"set":{"text":"stable"}} (fleet.yaml:76)
property/ro.product.model = {"set":{"text":"SM-S9180"}} (fleet.yaml:75)
property/setting/systemvolume = {"set":{"text":"8"}} (fleet.yaml:78)
setting/global/stay_on_while_plugged_in = {"set":{"text":"7"}} (fleet.yaml:22)
setting/system/screen_off_timeout = {"set":{"text":"600000"}} (fleet.yaml:23)
timezone = {"set":{"text":"Asia/Shanghai"}} (fleet.yaml:14)
language = {"set":{"text":"zh-CN"}} (fleet.yaml:15)
location = {"set":{"location":{"latitude":"22.2793","longitude":"114.1628","altitude":"12","speed":"0","bearing":"90","horizontalAccuracy":"5"}}} (fleet.yaml:52)
proxy = {"set":{"proxy":{"via":{"mode":"vpn","protocol":"socks5","host":"p2.example.net","port":1080,"username":"showcase","password":{"csv":{"file":"examples/armcloud/proxies.csv","key":"AC32010000002","column":"password"}},"bypass":{"packages":["com.example.agent"],"ips":["10.0.0.0/8","192.168.1.10"],"domains":["*.example.com"]}}}}} (fleet.yaml:63)
bandwidth = {"set":{"bandwidth":{"upMbps":20,"downMbps":100}}} (fleet.yaml:16)
adb = {"set":{"flag":false}} (fleet.yaml:17)
"##);
    insta::assert_snapshot!(desired(&fleet, &facts("hk", "ACN1", Some("2")), NOW), @r##"
group hong-kong
setting/global/stay_on_while_plugged_in = {"set":{"text":"7"}} (fleet.yaml:22)
setting/system/screen_off_timeout = {"set":{"text":"600000"}} (fleet.yaml:23)
timezone = {"set":{"text":"Asia/Hong_Kong"}} (fleet.yaml:35)
language = {"set":{"text":"zh-HK"}} (fleet.yaml:36)
proxy = "reset" (fleet.yaml:37)
adb = {"set":{"flag":false}} (fleet.yaml:17)
app/com.bad.game = {"set":{"app":"absent"}} (fleet.yaml:20)
app/com.example.agent = {"set":{"app":{"present":{"app":"agent","version":{"codeAtLeast":310}}}}} (fleet.yaml:19)
running/com.example.agent = {"set":{"flag":true}} (fleet.yaml:19)
"##);
    let group = &fleet.groups[&"showcase".into()];
    assert_eq!(group.allow.len(), 2);
    assert_eq!(group.allow[1].max_phones, Some(5));
    assert_eq!(group.expect.unwrap().max, Some(10));
}

fn file(path: &str, bytes: &[u8]) -> SourceFile {
    SourceFile {
        path: path.into(),
        bytes: Arc::from(bytes),
    }
}

const ACCOUNT: &str = "apiVersion: phonefleet/v1alpha1
kind: Account
metadata: { name: hk }
spec:
  provider: armcloud
  credentials:
    accessKey: { env: AK }
    secretKey: { env: SK }
---
apiVersion: phonefleet/v1alpha1
kind: Inventory
metadata: { name: lab }
spec: { csv: phones.csv, id: phone_id, account: account, labels: [team] }
";

const CSV: &str = "phone_id,account,team,proxy_host
AC1,hk,lab,p1.example.net
AC2,hk,lab,p2.example.net
";

/// What is said of one more document, as people see it.
fn said_of(document: &str, csv: &str) -> String {
    let bundle = Bundle {
        files: vec![
            file("fleet/account.yaml", ACCOUNT.as_bytes()),
            file(
                "fleet/qa.yaml",
                format!("apiVersion: phonefleet/v1alpha1\n{document}").as_bytes(),
            ),
        ],
        tables: vec![file("fleet/phones.csv", csv.as_bytes())],
        missing: Vec::new(),
    };
    match load(&bundle, &capabilities, NOW) {
        Ok(_) => "loads".to_owned(),
        Err(findings) => render(&findings, false),
    }
}

fn said(document: &str) -> String {
    said_of(document, CSV)
}

fn group(spec: &str) -> String {
    format!(
        "kind: Group\nmetadata: {{ name: qa }}\nspec:\n  phones: {{ accounts: [hk] }}\n{spec}\n"
    )
}

#[test]
fn unknown_and_duplicate_keys() {
    insta::assert_snapshot!(said(&group("  desird: { timezone: UTC }")), @r##"
error[unknown-key]: `Group` has no key `desird`
 --> fleet/qa.yaml:6:3
  |
6 |   desird: { timezone: UTC }
  |   ^^^^^^
  |
  = help: did you mean `desired`?
"##);
    insta::assert_snapshot!(said(&group("  desired:\n    timezone: UTC\n    language: en-US\n    timezone: Asia/Tokyo")), @r##"
error[duplicate-key]: `timezone` is said twice; first in line 7
 --> fleet/qa.yaml:9:5
  |
9 |     timezone: Asia/Tokyo
  |     ^^^^^^^^
  |
  = help: remove one of the two
"##);
}

#[test]
fn wrong_types_and_blank_values() {
    insta::assert_snapshot!(said(&group("  desired: { timezone: [UTC] }")), @r##"
error[wrong-type]: `timezone` must be a text, not a list
 --> fleet/qa.yaml:6:24
  |
6 |   desired: { timezone: [UTC] }
  |                        ^^^^
"##);
    insta::assert_snapshot!(said(&group("  desired:\n    timezone:")), @r##"
error[blank-value]: `timezone` has no value
 --> fleet/qa.yaml:7:5
  |
7 |     timezone:
  |     ^^^^^^^^
  |
  = help: give it a value; an attribute can also be listed under `reset` (put back to the provider's default) or under `ignore` (not managed here)
"##);
    insta::assert_snapshot!(said(&group("  desired: { proxy: { protocol: http, host: p.example.net, port: \"80\" } }")), @r##"
error[wrong-type]: `port` must be a whole number, not a text
 --> fleet/qa.yaml:6:66
  |
6 |   desired: { proxy: { protocol: http, host: p.example.net, port: "80" } }
  |                                                                  ^^^^
  |
  = help: remove the quotes
"##);
}

#[test]
fn unknown_zones_and_languages() {
    insta::assert_snapshot!(said(&group("  desired: { timezone: Asia/Singapur, language: en-UK }")), @r##"
error[bad-timezone]: timezone: "Asia/Singapur" is no IANA time zone
 --> fleet/qa.yaml:6:24
  |
6 |   desired: { timezone: Asia/Singapur, language: en-UK }
  |                        ^^^^^^^^^^^^^
  |
  = help: did you mean "Asia/Singapore"?

error[bad-language]: language: "en-UK" is of no region that Android knows
 --> fleet/qa.yaml:6:49
  |
6 |   desired: { timezone: Asia/Singapur, language: en-UK }
  |                                                 ^^^^^
  |
  = help: did you mean "en-GB"?
"##);
}

#[test]
fn bad_numbers_of_things() {
    insta::assert_snapshot!(said(&group("  desired:\n    sim:\n      imei: '490154203237519'\n      iccid: '8944500102198304827'")), @r##"
error[bad-imei]: sim.imei: "490154203237519" has a wrong check digit: the last digit should be 8
 --> fleet/qa.yaml:8:13
  |
8 |       imei: '490154203237519'
  |             ^^^^^^^^^^^^^^^^^
  |
  = help: did you mean "490154203237518"?

error[bad-iccid]: sim.iccid: "8944500102198304827" has a wrong check digit: the last digit should be 6
 --> fleet/qa.yaml:9:14
  |
9 |       iccid: '8944500102198304827'
  |              ^^^^^^^^^^^^^^^^^^^^^
  |
  = help: did you mean "8944500102198304826"?
"##);
}

#[test]
fn dangling_names() {
    insta::assert_snapshot!(said(&group("  profiles: [base]\n  desired: { apps: { com.example.maps: { app: maps } } }")), @r##"
error[unknown-profile]: there is no Profile `base`
 --> fleet/qa.yaml:6:14
  |
6 |   profiles: [base]
  |              ^^^^
  |
  = help: none is declared

error[unknown-app]: there is no App `maps`
 --> fleet/qa.yaml:7:47
  |
7 |   desired: { apps: { com.example.maps: { app: maps } } }
  |                                               ^^^^
  |
  = help: none is declared
"##);
}

#[test]
fn unknown_variables() {
    insta::assert_snapshot!(said(&group("  desired: { proxy: { protocol: socks5, host: $(vars.proxy_hst), port: 1080 } }")), @r##"
error[unknown-variable]: `$(vars.proxy_hst)` has no value: fleet/phones.csv has no column "proxy_hst" (phone hk/AC1, fleet/phones.csv row 2; and 1 more phone)
 --> fleet/qa.yaml:6:47
  |
6 |   desired: { proxy: { protocol: socks5, host: $(vars.proxy_hst), port: 1080 } }
  |                                               ^^^^^^^^^^^^^^^^^
  |
  = help: did you mean $(vars.proxy_host)?
"##);
}

#[test]
fn two_groups_claim_one_phone() {
    let two = "kind: Group\nmetadata: { name: a }\nspec: { phones: { select: { team: lab } } }\n---\napiVersion: phonefleet/v1alpha1\nkind: Group\nmetadata: { name: b }\nspec: { phones: { accounts: [hk], ids: [AC2] } }\n";
    insta::assert_snapshot!(said(two), @r##"
error[claimed-twice]: phone hk/AC2 is claimed by groups a (fleet/qa.yaml:4) and b
 --> fleet/qa.yaml:9:17
  |
9 | spec: { phones: { accounts: [hk], ids: [AC2] } }
  |                 ^
  |
  = help: a phone has one group: narrow one of the two, or use `exclude`
"##);
}

#[test]
fn what_a_provider_cannot_do() {
    insta::assert_snapshot!(said(&group("  reset: [timezone]\n  desired: { settings: { global/a: 1 } }")), @r##"
error[unsupported]: armcloud (account hk) cannot reset `timezone`
 --> fleet/qa.yaml:6:11
  |
6 |   reset: [timezone]
  |           ^^^^^^^^
  |
  = help: set a value, or list it under `ignore`; settings, proxy, bandwidth, adb can be reset
"##);
}

#[test]
fn secrets_are_never_shown() {
    let account = "kind: Account\nmetadata: { name: other }\nspec:\n  provider: armcloud\n  credentials: { accessKey: AKIAHUNTER2, secretKey: { env: SK } }\n";
    insta::assert_snapshot!(said(account), @r##"
error[plain-secret]: `accessKey` must be a reference to a secret, not the secret itself
--> fleet/qa.yaml:6:29
 = help: write { env: NAME }, { credential: NAME }, { file: PATH } or { csv: PATH, key: KEY, column: NAME }
"##);
    let proxy = group(
        "  desired: { proxy: { protocol: sock5, host: p.example.net, port: 1080, username: u, password: hunter2 } }",
    );
    insta::assert_snapshot!(said(&proxy), @r##"
error[bad-value]: `protocol` cannot be "sock5"
 --> fleet/qa.yaml:6:33
  |
6 |   desired: { proxy: { protocol: sock5, host: p.example.net, port: 1080, username: u, password: *** } }
  |                                 ^^^^^
  |
  = help: did you mean `socks5`?

error[plain-secret]: `password` must be a reference to a secret, not the secret itself
--> fleet/qa.yaml:6:96
 = help: write { env: NAME }, { credential: NAME }, { file: PATH } or { csv: PATH, key: KEY, column: NAME }
"##);
    let later = group("  desired: { proxy: { password: hunter2, protocol: sock5 } }");
    for text in [said(account), said(&proxy), said(&later)] {
        assert!(
            !text.contains("HUNTER2") && !text.contains("hunter2"),
            "{text}"
        );
    }
}

#[test]
fn damaged_tables() {
    let csv = "phone_id;account;team;proxy_host\nAC1;hk;lab;\nAC2;hk;lab;8.68E+14\nAC1;hk;lab;x\n";
    insta::assert_snapshot!(said_of(&group(""), csv), @r##"
error[empty-cell]: row 2 has an empty cell in column "proxy_host"
 --> fleet/phones.csv:2:12
  |
2 | AC1;hk;lab;
  |            ^
  |
  = help: fill it in; to put an attribute back to the provider's default list it under `reset`, to leave it alone under `ignore`

error[spreadsheet-damage]: row 3, column "proxy_host": "8.68E+14": a spreadsheet has rounded a long number
 --> fleet/phones.csv:3:12
  |
3 | AC2;hk;lab;8.68E+14
  |            ^^^^^^^^
  |
  = help: format the column as text in the spreadsheet, put the true value in, and export again
"##);
}

#[test]
fn broken_yaml_and_bombs() {
    insta::assert_snapshot!(said(&group("  desired: { timezone: UTC")), @r##"
error[syntax]: unclosed bracket '{'
 --> fleet/qa.yaml:6:12
  |
6 |   desired: { timezone: UTC
  |            ^
"##);
    let mut bomb = String::from("a: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        bomb.push_str(
            &[
                "b",
                &level.to_string(),
                ": &a",
                &level.to_string(),
                " [",
                &below,
                "]\n",
            ]
            .concat(),
        );
    }
    insta::assert_snapshot!(said(&bomb), @r##"
error[alias-bomb]: aliases repeat too much: more than 10000 aliases or 200000 repeated values in one file
 --> fleet/qa.yaml:7:10
  |
7 | b5: &a5 [*a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4, ]
  |          ^^^
  |
  = help: use a Profile for what many groups share
"##);
}

#[test]
fn findings_as_json() {
    let bundle = Bundle {
        files: vec![file("x.yaml", b"kind: Group\n")],
        ..Bundle::default()
    };
    let findings = load(&bundle, &capabilities, NOW).unwrap_err();
    insta::assert_snapshot!(serde_json::to_string_pretty(&to_json(&findings)).unwrap(), @r##"
{
  "findings": [
    {
      "code": "missing-field",
      "column": 1,
      "file": "x.yaml",
      "hint": "add `apiVersion: …`",
      "line": 1,
      "message": "`apiVersion` is missing in `document`",
      "sourceLine": "kind: Group"
    },
    {
      "code": "missing-field",
      "column": 1,
      "file": "x.yaml",
      "hint": "add `metadata: …`",
      "line": 1,
      "message": "`metadata` is missing in `document`",
      "sourceLine": "kind: Group"
    },
    {
      "code": "missing-field",
      "column": 1,
      "file": "x.yaml",
      "hint": "add `spec: …`",
      "line": 1,
      "message": "`spec` is missing in `document`",
      "sourceLine": "kind: Group"
    }
  ]
}
"##);
}

fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

#[test]
fn folders_are_read_with_everything_below_but_hidden_files() {
    let folder = folder_with(&[
        ("b.yml", "b: 1"),
        ("a/a.yaml", ACCOUNT),
        ("a/phones.csv", CSV),
        (".git/x.yaml", "x: 1"),
        (".hidden.yaml", "x: 1"),
        ("notes.txt", "x"),
    ]);
    let bundle = read_paths(&[folder.path().to_owned()]).unwrap();
    let names = |files: &[SourceFile]| -> Vec<PathBuf> {
        files
            .iter()
            .map(|file| file.path.strip_prefix(folder.path()).unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names(&bundle.files),
        [Path::new("a/a.yaml"), Path::new("b.yml")]
    );
    assert_eq!(names(&bundle.tables), [Path::new("a/phones.csv")]);
    fs::remove_file(folder.path().join("a/phones.csv")).unwrap();
    let bundle = read_paths(&[folder.path().join("a")]).unwrap();
    let findings = load(&bundle, &capabilities, NOW).unwrap_err();
    assert_eq!(findings[0].code, "missing-file");
    assert!(
        findings[0].message.contains("No such file"),
        "{}",
        findings[0].message
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = folder_with(&[("notes.txt", "x")]);
    let nothing = read_paths(&[folder.path().to_owned()]).unwrap_err();
    assert!(matches!(nothing, ReadError::Nothing { .. }));
    let missing = folder.path().join("nowhere");
    let error = read_paths(std::slice::from_ref(&missing)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot read {}", missing.display())
    );
    let large = folder.path().join("large.yaml");
    fs::File::create(&large)
        .unwrap()
        .set_len(100_000_000)
        .unwrap();
    let error = read_paths(std::slice::from_ref(&large)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{} has 100000000 bytes; the limit is 16777216",
            large.display()
        )
    );
    assert_eq!(error.path(), large.display().to_string());
}
