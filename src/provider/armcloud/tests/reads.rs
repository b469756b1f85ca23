//! Reads: the samples of the manuals, both shapes of pages, drifting types, and what is not told.

use super::{Rig, phones, response};
use crate::model::attribute::Attribute;
use crate::model::fleet::ProviderKind;
use crate::model::id::PhoneId;
use crate::model::observed::{
    AppState, Cursor, Observation, Observed, PhoneReading, ReadKind, RunState,
};
use crate::model::value::SimField;
use crate::provider::armcloud::convert::run_state;
use crate::provider::armcloud::wire::PadRow;
use crate::provider::{CallError, ErrorKind, Provider, ReadRequest};
use std::sync::Arc;

fn request(kind: ReadKind, codes: &[&str], attributes: &[&str]) -> ReadRequest {
    ReadRequest {
        kind,
        phones: phones(codes),
        attributes: attributes.iter().map(|a| a.parse().unwrap()).collect(),
        cursor: None,
    }
}

async fn try_read(request: &ReadRequest, body: &str) -> Result<Observation, CallError> {
    Rig::answering(&[body]).provider.read(request).await
}

async fn read(request: &ReadRequest, body: &str) -> Observation {
    try_read(request, body).await.unwrap()
}

fn value<'a>(reading: &'a PhoneReading, attribute: &str) -> Option<&'a Observed> {
    let attribute: Attribute = attribute.parse().unwrap();
    reading
        .values
        .iter()
        .find_map(|(name, value)| (*name == attribute).then_some(value))
}

/// The sample of the manual of 2024, with the braces that it lost.
const INFOS: &str = r#"{"code":200,"msg":"success","ts":1713773577581,"data":{"page":1,"rows":1,"size":1,"total":1,"totalPage":1,
    "pageData":[{"padCode":"AC21020010391","padGrade":"q2-4","padStatus":10,"groupId":0,"idcCode":"8e61ad284bc105b877611e6fef7bdd17",
    "deviceIp":"","padIp":"","apps":[]}]}}"#;

#[tokio::test]
async fn the_listing_of_the_manual() {
    let rig = Rig::answering(&[INFOS]);
    let told = rig
        .provider
        .read(&request(ReadKind::Listing, &[], &[]))
        .await
        .unwrap();
    assert_eq!(
        rig.sent(),
        [(
            "/openapi/open/pad/infos".to_owned(),
            r#"{"page":1,"rows":1000}"#.to_owned()
        )]
    );
    assert_eq!((told.total, told.next), (Some(1), None));
    let row = &told.rows[0];
    assert_eq!(row.phone, PhoneId::new("AC21020010391"));
    let listed = row.listed.as_ref().unwrap();
    assert_eq!((listed.state, listed.in_use), (RunState::Running, None));
    assert_eq!(listed.provider_group.as_ref().unwrap().as_str(), "0");
    // Neither image nor ADB is in this build's rows: not told is not "off".
    assert_eq!(row.values, []);
}

#[tokio::test]
async fn the_listing_of_newer_builds_tells_image_and_adb_whatever_their_types() {
    let body = r#"{"code":"200","data":{"total":"4","totalPage":1,"pageData":[
        {"padCode":"A","padStatus":"11","imageId":"img-25030796215","imageVersion":20250307,"adbOpenStatus":"1","apps":null,"new":{"x":[1]}},
        {"padCode":"B","padStatus":10.0,"imageId":"","imageVersion":null,"adbOpenStatus":null,"groupId":"7"},
        {"padCode":"C","padStatus":null,"adbOpenStatus":0},
        {"padStatus":10}]}}"#;
    let told = read(&request(ReadKind::Listing, &[], &[]), body).await;
    let states: Vec<_> = told
        .rows
        .iter()
        .map(|row| row.listed.as_ref().unwrap().state)
        .collect();
    assert_eq!(
        states,
        [RunState::Restarting, RunState::Running, RunState::Unknown]
    );
    assert_eq!(
        value(&told.rows[0], "image"),
        Some(&Observed::Image {
            id: Some("img-25030796215".into()),
            version: Some("20250307".into())
        })
    );
    assert_eq!(value(&told.rows[0], "adb"), Some(&Observed::Flag(true)));
    assert_eq!(value(&told.rows[1], "image"), None);
    assert_eq!(value(&told.rows[1], "adb"), Some(&Observed::Flag(false)));
    assert_eq!(value(&told.rows[2], "adb"), Some(&Observed::Flag(false)));
    assert_eq!(told.total, Some(4));
}

#[tokio::test]
async fn pages_follow_each_other_by_their_number_or_by_being_full() {
    let listing = request(ReadKind::Listing, &[], &[]);
    let row = r#"{"padCode":"A","padStatus":10}"#;
    for (page, next) in [
        (
            format!(r#"{{"page":1,"totalPage":3,"pageData":[{row}]}}"#),
            Some("2"),
        ),
        (
            format!(r#"{{"page":1,"totalPage":1,"pageData":[{row}]}}"#),
            None,
        ),
        (
            format!(r#"{{"page":1,"rows":1,"pageData":[{row}]}}"#),
            Some("2"),
        ),
        (
            format!(r#"{{"page":1,"rows":1000,"pageData":[{row}]}}"#),
            None,
        ),
        (
            format!(r#"{{"current":1,"pages":2,"records":[{row}],"size":1}}"#),
            Some("2"),
        ),
        (format!(r#"{{"totalPage":2,"pageData":{row}}}"#), Some("2")),
        (format!("[{row}]"), None),
        (
            r#"{"total":0,"totalPage":0,"pageData":null}"#.to_owned(),
            None,
        ),
        (r#"{"pageData":[]}"#.to_owned(), None),
    ] {
        let told = read(&listing, &format!(r#"{{"code":200,"data":{page}}}"#)).await;
        assert_eq!(told.next, next.map(|next| Cursor(next.into())), "{page}");
    }
    let third = ReadRequest {
        cursor: Some(Cursor("3".into())),
        ..listing.clone()
    };
    let rig = Rig::answering(&[r#"{"code":200,"data":{"totalPage":3,"pageData":[]}}"#]);
    assert_eq!(rig.provider.read(&third).await.unwrap().next, None);
    assert_eq!(rig.sent()[0].1, r#"{"page":3,"rows":1000}"#);
    let nonsense = ReadRequest {
        cursor: Some(Cursor("0".into())),
        ..listing
    };
    assert!(Rig::answering(&[]).provider.read(&nonsense).await.is_err());
}

#[tokio::test]
async fn a_listing_without_rows_is_an_error_and_no_empty_account() {
    let listing = request(ReadKind::Listing, &[], &[]);
    for data in [
        "null",
        "{}",
        r#"{"total":3,"pageData":null}"#,
        r#"{"totalPage":3,"pageData":[]}"#,
        "true",
        "17",
    ] {
        let body = format!(r#"{{"code":200,"data":{data}}}"#);
        let error = try_read(&listing, &body).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed, "{data}");
    }
}

#[tokio::test]
async fn details_tell_use_and_connection() {
    // The sample of the manual of 2024, and rows of newer builds; the last was not asked for.
    let body = r#"{"code":200,"msg":"success","data":{"page":1,"rows":10,"size":1,"total":1,"totalPage":1,"pageData":[
        {"padCode":"AC21020010391","imageId":"andorid:v10","deviceLevel":"q2-6","dcInfo":{"dcCode":"dc01","ossEndpoint":""},
         "padStatus":12,"deviceStatus":1,"online":1,"streamStatus":0,"dataSize":234493726720,"dataSizeUsed":179189956608},
        {"padCode":"B","padStatus":10,"online":0},
        {"padCode":"C","padStatus":10,"online":"1","streamStatus":"1"},
        {"padCode":"D","padStatus":10}]}}"#;
    let usage = request(ReadKind::Usage, &["AC21020010391", "B", "C"], &[]);
    let rig = Rig::answering(&[body]);
    let told = rig.provider.read(&usage).await.unwrap();
    assert_eq!(
        rig.sent()[0].1,
        r#"{"page":1,"rows":3,"padCodes":["AC21020010391","B","C"]}"#
    );
    let listed: Vec<_> = told
        .rows
        .iter()
        .map(|row| {
            let listed = row.listed.as_ref().unwrap();
            (row.phone.as_str(), listed.state, listed.in_use)
        })
        .collect();
    assert_eq!(
        listed,
        [
            ("AC21020010391", RunState::Changing, Some(false)),
            ("B", RunState::Unreachable, None),
            ("C", RunState::Running, Some(true)),
        ]
    );
}

#[test]
fn every_status_has_a_state() {
    let state = |status| {
        run_state(&PadRow {
            pad_status: Some(status),
            ..PadRow::default()
        })
    };
    let expected = [
        (10, RunState::Running),
        (11, RunState::Restarting),
        (12, RunState::Changing),
        (13, RunState::Changing),
        (14, RunState::Abnormal),
        (15, RunState::NotReady),
        (16, RunState::NotReady),
        (17, RunState::Changing),
        (18, RunState::Off),
        (19, RunState::NotReady),
        (20, RunState::Restarting),
        (21, RunState::Abnormal),
        (22, RunState::Abnormal),
        (23, RunState::Gone),
        (24, RunState::Abnormal),
        (25, RunState::Gone),
        (26, RunState::NotReady),
        (-1, RunState::Gone),
    ];
    for (status, wanted) in expected {
        assert_eq!(state(status), wanted, "{status}");
    }
    for unknown in [0, 9, 27, 99, 119, i64::MAX, i64::MIN] {
        assert_eq!(state(unknown), RunState::Unknown, "{unknown}");
    }
}

const PROPERTIES: &str = r#"{"code":200,"data":[
    {"padCode":"A","modemPropertiesList":[{"propertiesName":"IMEI","propertiesValue":"490154203237518"},{"propertiesName":"MCCMNC","propertiesValue":"461,01"},
        {"propertiesName":"PhoneNum","propertiesValue":8613800138000},{"propertiesName":"OpName","propertiesValue":" CHINA MOBILE "}],
     "systemPropertiesList":[{"propertiesName":"ro.product.model","propertiesValue":"Pixel 7"},{"propertiesName":"ro.empty","propertiesValue":""},
        {"propertiesName":"persist.sys.timezone","propertiesValue":"Europe/Paris"},{"propertiesName":"persist.flag","propertiesValue":true}],
     "settingPropertiesList":[{"propertiesName":"timezone","propertiesValue":"asia/shanghai"},{"propertiesName":"bt/mac","propertiesValue":"00:11"}],
     "oaidPropertiesList":[{"propertiesName":"oaid","propertiesValue":"001"}]},
    {"padCode":"B","modemPropertiesList":null,"settingPropertiesList":[],
     "systemPropertiesList":[{"propertiesName":"imei","propertiesValue":"123"},{"propertiesName":"SimOperatorName","propertiesValue":"X"},{"propertiesName":"persist.sys.timezone","propertiesValue":"Mars/Base"},
        {"propertiesName":"persist.sys.locale","propertiesValue":"zh_CN"},{"propertiesName":"aic.operator.numeric","propertiesValue":"310260"}]},
    {"padCode":"C","modemPropertiesList":null,"systemPropertiesList":null,"settingPropertiesList":null,"oaidPropertiesList":null},
    {"padCode":"Z","systemPropertiesList":[]}]}"#;

#[tokio::test]
async fn properties_answer_every_attribute_that_was_asked_for() {
    let names = [
        "timezone",
        "language",
        "sim",
        "property/ro.product.model",
        "property/ro.empty",
        "property/ro.not.there",
        "property/persist.flag",
        "property/oaid/OAID",
        "property/modem/imei",
        "property/setting/bt/mac",
    ];
    let asked = request(ReadKind::Properties, &["A", "B", "C"], &names);
    let told = read(&asked, PROPERTIES).await;
    // C told no list at all, Z was not asked for.
    let told_of: Vec<_> = told.rows.iter().map(|row| row.phone.as_str()).collect();
    assert_eq!(told_of, ["A", "B"]);
    for row in &told.rows {
        let order: Vec<_> = row.values.iter().map(|(a, _)| a.to_string()).collect();
        assert_eq!(order, names);
    }
    let (a, b) = (&told.rows[0], &told.rows[1]);
    let text = |text: &str| Observed::Text(text.into());
    for (attribute, in_a, in_b) in [
        ("timezone", text("Asia/Shanghai"), text("Mars/Base")),
        ("language", Observed::Missing, text("zh-CN")),
        (
            "property/ro.product.model",
            text("Pixel 7"),
            Observed::Missing,
        ),
        ("property/ro.empty", Observed::Missing, Observed::Missing),
        (
            "property/ro.not.there",
            Observed::Missing,
            Observed::Missing,
        ),
        ("property/persist.flag", text("true"), Observed::Missing),
        ("property/oaid/OAID", text("001"), Observed::Missing),
        (
            "property/modem/imei",
            text("490154203237518"),
            Observed::Missing,
        ),
        ("property/setting/bt/mac", text("00:11"), Observed::Missing),
    ] {
        assert_eq!(value(a, attribute), Some(&in_a), "{attribute}");
        assert_eq!(value(b, attribute), Some(&in_b), "{attribute}");
    }
    let sim = |reading, field| {
        let Some(Observed::Sim(fields)) = value(reading, "sim") else {
            panic!("no SIM is told");
        };
        fields.get(&field).cloned()
    };
    assert_eq!(sim(a, SimField::Imei).unwrap(), "490154203237518");
    assert_eq!(sim(a, SimField::Mcc).unwrap(), "461");
    assert_eq!(sim(a, SimField::Mnc).unwrap(), "01");
    assert_eq!(sim(a, SimField::PhoneNumber).unwrap(), "8613800138000");
    assert_eq!(sim(a, SimField::Carrier).unwrap(), "CHINA MOBILE");
    assert_eq!(sim(a, SimField::CellTac), None);
    // No valid IMEI stays text; both numbers of the network in one word.
    assert_eq!(sim(b, SimField::Imei).unwrap(), "123");
    assert_eq!(sim(b, SimField::Mcc).unwrap(), "310");
    assert_eq!(sim(b, SimField::Mnc).unwrap(), "260");
}

#[tokio::test]
async fn one_object_instead_of_a_list_is_read_too() {
    let body = r#"{"code":200,"data":{"padCode":"AC21020010001","modemPropertiesList":[{"propertiesName":"IMEI","propertiesValue":"412327621057784"}],
        "systemPropertiesList":[{"propertiesName":"","propertiesValue":"QQ3A.200805.001"}],"settingPropertiesList":[{"propertiesName":"","propertiesValue":"release-keys"}],
        "oaidPropertiesList":[{"propertiesName":"oaid","propertiesValue":"001"}]}}"#;
    let asked = request(
        ReadKind::Properties,
        &["AC21020010001"],
        &["property/modem/IMEI", "timezone"],
    );
    let told = read(&asked, body).await;
    assert_eq!(
        value(&told.rows[0], "property/modem/IMEI"),
        Some(&Observed::Text("412327621057784".into()))
    );
    assert_eq!(value(&told.rows[0], "timezone"), Some(&Observed::Missing));
}

#[tokio::test]
async fn apps_that_are_on_their_way_are_neither_missing_nor_there() {
    let body = r#"{"code":200,"data":[
        {"padCode":"A","apps":[{"appName":"Maps","packageName":"com.example.maps","versionCode":"12","versionName":"1.2","appState":0},
            {"packageName":"com.example.game","versionCode":7,"versionName":"","appState":2},{"packageName":"com.example.new","appState":5},{"appName":"no package"}]},
        {"padCode":"B","apps":[]},{"padCode":"C","apps":null}]}"#;
    let told = read(&request(ReadKind::Apps, &["A", "B", "C"], &[]), body).await;
    assert_eq!(told.rows.len(), 2);
    let apps = told.rows[0].apps.as_ref().unwrap();
    let seen: Vec<_> = apps
        .iter()
        .map(|app| (app.package.as_str(), app.version_code, app.state))
        .collect();
    assert_eq!(
        seen,
        [
            ("com.example.maps", Some(12), AppState::Installed),
            ("com.example.game", Some(7), AppState::InProgress),
            ("com.example.new", None, AppState::InProgress),
        ]
    );
    assert_eq!(apps[1].version_name, None);
    assert_eq!(told.rows[1].apps.as_deref(), Some(&[][..]));
}

#[tokio::test]
async fn catalogues_in_both_spellings_of_a_page() {
    // From the manual of 2024; one app more, whose file cannot be used.
    let apps = r#"{"code":200,"msg":"success","data":{"page":1,"rows":10,"size":10,"total":30,"totalPage":3,"pageData":[
        {"originUrl":"downloadUrl_tr0bi","appId":1,"description":"d","packageName":"com.example.maps","appName":"n","versionName":"1.0.1","versionNo":124511,"available":true},
        {"appId":"dwadawdf","packageName":"com.example.game","versionNo":"7"},{"appId":3,"available":false},{"packageName":"without id"}]}}"#;
    let told = read(&request(ReadKind::AppCatalogue, &[], &[]), apps).await;
    let ids: Vec<_> = told.apps.iter().map(|app| app.app_id.as_str()).collect();
    assert_eq!(ids, ["1", "dwadawdf"]);
    assert_eq!(told.apps[0].version_code, Some(124_511));
    assert_eq!(told.next, Some(Cursor("2".into())));
    let images = r#"{"code":200,"data":{"records":[{"imageId":"img-25030796215","imageName":"20250307_4","imageTag":"20250307_4","romVersion":"android13","releaseType":2}],
        "total":1,"size":100,"current":1,"pages":1}}"#;
    let told = read(&request(ReadKind::ImageCatalogue, &[], &[]), images).await;
    assert_eq!(told.images[0].id, "img-25030796215");
    assert_eq!(told.images[0].version.as_deref(), Some("20250307_4"));
    assert_eq!(told.next, None);
}

#[tokio::test]
async fn reads_that_make_no_sense_are_not_sent() {
    let many: Vec<String> = (0..201).map(|n| format!("AC{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for bad in [
        request(ReadKind::Properties, &many, &["timezone"]),
        request(ReadKind::Usage, &many[..101], &[]),
        request(ReadKind::Apps, &[], &[]),
        request(ReadKind::Shell, &["A"], &["timezone"]),
    ] {
        let rig = Rig::answering(&[]);
        assert!(rig.provider.read(&bad).await.is_err());
        assert_eq!(rig.sent(), []);
    }
}

#[tokio::test]
async fn a_read_by_command_is_started_and_its_output_decoded() {
    let asked = request(
        ReadKind::Shell,
        &["A", "B"],
        &[
            "property/ro.serialno",
            "setting/global/x",
            "running/com.example.maps",
        ],
    );
    let rig = Rig::answering(&[
        r#"{"code":200,"data":[{"taskId":14,"padCode":"A","vmStatus":1},{"taskId":15,"padCode":"B","vmStatus":0}]}"#,
    ]);
    let started = rig.provider.start_read(&asked).await.unwrap();
    assert_eq!(started.rows.len(), 2);
    let (path, body) = rig.sent().remove(0);
    assert_eq!(path, "/openapi/open/pad/asyncCmd");
    assert!(body.contains("getprop 'ro.serialno'"), "{body}");
    let output = "=phonefleet=0\nabc\n=phonefleet=1\nnull\n=phonefleet=2\n\n=phonefleet=3\n";
    let told = rig.provider.decode_read(&asked, &PhoneId::new("A"), output);
    let values: Vec<_> = told.values.iter().map(|(_, value)| value.clone()).collect();
    assert_eq!(
        values,
        [
            Observed::Text("abc".into()),
            Observed::Missing,
            Observed::Flag(false)
        ]
    );
    let nothing: Arc<[Attribute]> = Arc::from([]);
    let wrong_kind = ReadRequest {
        kind: ReadKind::Listing,
        attributes: nothing,
        ..asked
    };
    assert!(rig.provider.start_read(&wrong_kind).await.is_err());
}

/// VMOS Cloud's OpenAPI, queryPadIdChangeRecords: the answer's fields as public clients read them; around them, any page that the sisters' lists come in.
#[tokio::test]
async fn changed_codes_are_told_in_every_shape_of_a_list() {
    let rows = r#"[{"oldPadCode":"B","newPadCode":"C","id":7},{"oldPadCode":" A ","newPadCode":"B","createTime":null},{"oldPadCode":"X"},{"newPadCode":""}]"#;
    for data in [
        rows.to_owned(),
        format!(r#"{{"list":{rows},"total":2}}"#),
        format!(r#"{{"records":{rows},"current":1,"size":10}}"#),
        format!(r#"{{"page":1,"rows":10,"pageData":{rows}}}"#),
        format!(r#"{{"rows":{rows}}}"#),
    ] {
        for (kind, prefix) in [
            (ProviderKind::VmosCloud, "/vcpcloud/api/padApi/"),
            (ProviderKind::VsPhone, "/vsphone/api/padApi/"),
        ] {
            let body = format!(r#"{{"code":200,"msg":"success","ts":1,"data":{data}}}"#);
            let rig = Rig::at(kind, vec![Ok(response(200, &[], &body))]);
            let told = rig.provider.renames().await.unwrap();
            let told: Vec<_> = told
                .iter()
                .map(|rename| (rename.from.as_str(), rename.to.as_str()))
                .collect();
            assert_eq!(told, [("B", "C"), ("A", "B")], "{data}");
            let path = format!("{prefix}queryPadIdChangeRecords");
            assert_eq!(rig.sent(), [(path, "{}".to_owned())]);
        }
    }
    for data in ["null", "[]", "true", r#"{"total":0}"#] {
        let body = format!(r#"{{"code":200,"data":{data}}}"#);
        let rig = Rig::at(ProviderKind::VsPhone, vec![Ok(response(200, &[], &body))]);
        assert_eq!(rig.provider.renames().await.unwrap(), [], "{data}");
    }
}

#[tokio::test]
async fn a_deployment_that_does_not_tell_which_codes_it_changed_refuses() {
    let missing = response(404, &[], r#"{"status":404,"error":"Not Found"}"#);
    let rig = Rig::at(ProviderKind::VmosCloud, vec![Ok(missing)]);
    let error = rig.provider.renames().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    // ArmCloud itself has no such call: nothing is sent.
    let rig = Rig::answering(&[]);
    let error = rig.provider.renames().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert_eq!(rig.sent(), []);
}
