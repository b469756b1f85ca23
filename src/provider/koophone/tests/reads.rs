//! Reads: listings and their pages, apps, commands that read, and what is not told.

use super::{KEYS, PASSWORD, Rig, account, phones, response};
use crate::model::attribute::Attribute;
use crate::model::observed::{Cursor, Observed, ReadKind, RunState};
use crate::provider::{ErrorKind, Provider, ReadRequest, RowOutcome};
use std::sync::Arc;

fn read(kind: ReadKind, codes: &[&str], attributes: &[&str]) -> ReadRequest {
    ReadRequest {
        kind,
        phones: phones(codes),
        attributes: attributes
            .iter()
            .map(|text| text.parse().unwrap())
            .collect(),
        cursor: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_listing_tells_states_and_use() {
    let body = r#"{"data":{"result":[
        {"instance_id":"a44uhlf7","instance_name":"one","frozen_status":0,"running_status":2,"login_status":0,"region":"cn-south-1","backup_status":null},
        {"instance_id":"efjy72gs","running_status":"4","login_status":1},
        {"instance_id":"","running_status":2},{"instance_name":"nameless"},
        {"instance_id":"odd","running_status":99,"new_field":{"x":1}}],
        "page_no":1,"page_size":100,"total_count":250}}"#;
    let rig = Rig::answering(&[body]);
    let told = rig
        .provider
        .read(&read(ReadKind::Listing, &[], &[]))
        .await
        .unwrap();
    let rows: Vec<_> = told
        .rows
        .iter()
        .map(|row| {
            let listed = row.listed.as_ref().unwrap();
            (row.phone.as_str(), listed.state, listed.in_use)
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("a44uhlf7", RunState::Running, Some(false)),
            ("efjy72gs", RunState::Restarting, Some(true)),
            ("odd", RunState::Unknown, None),
        ]
    );
    assert_eq!(
        (told.total, told.next),
        (Some(250), Some(Cursor("2".into())))
    );
    assert_eq!(
        rig.sent(),
        ["GET /v1/instances/batch-query?page_no=1&page_size=100&x-request-id=ID"]
    );
}

#[tokio::test(start_paused = true)]
async fn the_next_page_is_asked_for_by_its_number() {
    let body = r#"{"error_code":"0","data":{"result":[],"total_count":0}}"#;
    let rig = Rig::answering(&[body]);
    let mut request = read(ReadKind::Listing, &[], &[]);
    request.cursor = Some(Cursor("3".into()));
    let told = rig.provider.read(&request).await.unwrap();
    assert_eq!((told.rows.len(), told.total, told.next), (0, Some(0), None));
    assert!(rig.sent()[0].contains("page_no=3&page_size=100"));
    for odd in ["0", "x", "-1"] {
        request.cursor = Some(Cursor(odd.into()));
        assert!(rig.provider.read(&request).await.is_err(), "{odd}");
    }
    assert_eq!(rig.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_page_without_rows_is_not_an_empty_account() {
    for body in [
        r#"{"error_code":"0","data":{}}"#,
        r#"{"error_code":"0","data":{"result":null,"total_count":7}}"#,
        r#"{"error_code":"0","data":{"result":[],"total_count":7}}"#,
    ] {
        let rig = Rig::answering(&[body]);
        let error = rig
            .provider
            .read(&read(ReadKind::Listing, &[], &[]))
            .await
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed, "{body}");
    }
    let inside =
        r#"{"data":{"error_code":"KOOPHONE.API.1004","error_msg":"not subscribed","result":[]}}"#;
    let rig = Rig::answering(&[inside]);
    let error = rig
        .provider
        .read(&read(ReadKind::Listing, &[], &[]))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorised);
}

#[tokio::test(start_paused = true)]
async fn an_account_may_list_system_apps_which_nobody_can_tell_apart_then() {
    let body = r#"{"error_code":"0","data":{"result":[{"app_version":"1.4.2","app_pkg":"com.android.chrome"}],"page_no":1,"page_size":200,"total_count":1}}"#;
    let rig = Rig::with(
        &account(KEYS, &[("apps", "all")]),
        vec![Ok(response(200, &[], body))],
    );
    let told = rig
        .provider
        .read(&read(ReadKind::Apps, &["a"], &[]))
        .await
        .unwrap();
    let apps = told.rows[0].apps.as_ref().unwrap();
    assert_eq!(apps[0].system, None);
    assert_eq!(
        rig.sent(),
        ["GET /v1/instances/a/app-list?page_no=1&page_size=200"]
    );
}

#[tokio::test(start_paused = true)]
async fn third_party_apps_are_listed_with_version_names() {
    let body = r#"{"error_code":"0","data":{"result":[
        {"app_name":"Maps","app_version":"1.4.2","app_pkg":"com.example.maps","icon_url":""},
        {"app_name":"?","app_version":"","app_pkg":"com.example.bare"},{"app_name":"nameless"}],"page_no":1,"page_size":200,"total_count":3}}"#;
    let rig = Rig::answering(&[body]);
    let told = rig
        .provider
        .read(&read(ReadKind::Apps, &["a b/c"], &[]))
        .await
        .unwrap();
    let apps = told.rows[0].apps.as_ref().unwrap();
    let names: Vec<_> = apps
        .iter()
        .map(|app| {
            (
                app.package.as_str(),
                app.version_name.as_deref(),
                app.version_code,
                app.system,
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            ("com.example.maps", Some("1.4.2"), None, Some(false)),
            ("com.example.bare", None, None, Some(false)),
        ]
    );
    assert_eq!(
        rig.sent(),
        ["GET /v1/instances/a%20b%2Fc/app-list?app_type=2&page_no=1&page_size=200"]
    );
    assert!(
        rig.provider
            .read(&read(ReadKind::Apps, &["a", "b"], &[]))
            .await
            .is_err()
    );
    assert!(
        rig.provider
            .read(&read(ReadKind::Apps, &[], &[]))
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn half_a_list_of_apps_is_none() {
    let page = |name: &str, total: u32| {
        format!(
            r#"{{"error_code":"0","data":{{"result":[{{"app_pkg":"{name}"}}],"page_size":1,"total_count":{total}}}}}"#
        )
    };
    let (one, two) = (page("a", 2), page("b", 2));
    let rig = Rig::answering(&[&one, &two]);
    let told = rig
        .provider
        .read(&read(ReadKind::Apps, &["x"], &[]))
        .await
        .unwrap();
    assert_eq!(told.rows[0].apps.as_ref().unwrap().len(), 2);
    let rig = Rig::answering(&[&one, r#"{"error_code":"9999"}"#]);
    assert!(
        rig.provider
            .read(&read(ReadKind::Apps, &["x"], &[]))
            .await
            .is_err()
    );
    let endless: Vec<String> = (0..10).map(|_| page("a", 99)).collect();
    let endless: Vec<&str> = endless.iter().map(String::as_str).collect();
    let rig = Rig::answering(&endless);
    let error = rig
        .provider
        .read(&read(ReadKind::Apps, &["x"], &[]))
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Malformed);
}

#[tokio::test(start_paused = true)]
async fn a_command_reads_one_attribute() {
    let body = r#"{"error_code":"0","data":{"task_id":"t","cmd_jobs":[{"instance_id":"a","job_id":"1"}]}}"#;
    let rig = Rig::answering(&[body]);
    let request = read(ReadKind::Shell, &["a", "b"], &["timezone"]);
    let started = rig.provider.start_read(&request).await.unwrap();
    assert_eq!(started.rows, [("a".into(), RowOutcome::Job("t/1".into()))]);
    assert_eq!(
        rig.sent(),
        [
            r#"POST /v1/instances/async-command {"command":"getprop persist.sys.timezone","instance_ids":["a","b"]}"#
        ]
    );
    let two = read(ReadKind::Shell, &["a"], &["timezone", "language"]);
    assert!(rig.provider.start_read(&two).await.is_err());
    let listing = read(ReadKind::Listing, &[], &[]);
    assert!(rig.provider.start_read(&listing).await.is_err());
    assert!(rig.provider.read(&request).await.is_err());
}

#[test]
fn output_that_may_have_been_cut_off_tells_nothing() {
    let rig = Rig::answering(&[]);
    let decode = |attribute: &str, output: &str| {
        let request = read(ReadKind::Shell, &["a"], &[attribute]);
        rig.provider
            .decode_read(&request, &"a".into(), output)
            .values
    };
    let timezone = Attribute::Timezone;
    let text = |text: &str| Observed::Text(text.into());
    assert_eq!(
        decode("timezone", "Asia/Tokyo\n"),
        [(timezone.clone(), text("Asia/Tokyo"))]
    );
    assert_eq!(decode("timezone", "\n"), [(timezone, Observed::Missing)]);
    assert_eq!(decode("setting/global/x", &"x".repeat(1024)), []);
    assert_eq!(decode("setting/global/x", &"x".repeat(1023)).len(), 1);
    assert_eq!(
        decode(
            "timezone",
            "/system/bin/sh: getprop: inaccessible or not found\n"
        ),
        []
    );
}

#[tokio::test(start_paused = true)]
async fn a_probe_tells_the_clock_and_how_many_phones_there_are() {
    let body = r#"{"data":{"result":[{"instance_id":"a","running_status":2}],"page_size":1,"total_count":250}}"#;
    let date = [("date", "Thu, 15 Jan 2026 08:01:00 GMT")];
    let rig = Rig::with(&account(KEYS, &[]), vec![Ok(response(200, &date, body))]);
    let probe = rig.provider.probe().await.unwrap();
    assert_eq!(
        (probe.clock_offset, probe.phones),
        (Some(60_000), Some(250))
    );
    assert!(rig.sent()[0].contains("page_no=1&page_size=1&"));
}

#[tokio::test(start_paused = true)]
async fn the_other_table_of_statuses_is_an_option() {
    let body = r#"{"data":{"result":[{"instance_id":"a","running_status":3}],"total_count":1}}"#;
    let token = Ok(response(201, &[("x-subject-token", "t")], "{}"));
    let rig = Rig::with(
        &account(PASSWORD, &[("statusTable", "lifecycle")]),
        vec![token, Ok(response(200, &[], body))],
    );
    let told = rig
        .provider
        .read(&read(ReadKind::Listing, &[], &[]))
        .await
        .unwrap();
    let listed = told.rows[0].listed.as_ref().unwrap();
    assert_eq!(
        (listed.state, listed.in_use),
        (RunState::Running, Some(true))
    );
    let catalogue = ReadRequest {
        attributes: Arc::from([]),
        ..read(ReadKind::AppCatalogue, &[], &[])
    };
    assert!(rig.provider.read(&catalogue).await.is_err());
}
