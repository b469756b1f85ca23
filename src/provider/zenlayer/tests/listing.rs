//! Instances as phones.

use super::*;
use crate::model::attribute::Attribute;
use crate::model::id::ProviderGroup;
use crate::model::observed::{Cursor, Observation, Observed, ReadKind, RunState};
use crate::provider::{CallError, ErrorKind, Provider, ReadRequest};

fn request(cursor: Option<Cursor>) -> ReadRequest {
    ReadRequest {
        kind: ReadKind::Listing,
        phones: phones(&[]),
        attributes: [].into(),
        cursor,
    }
}

async fn listed(rig: &Rig, cursor: Option<Cursor>) -> Result<Observation, CallError> {
    rig.provider.read(&request(cursor)).await
}

fn rows(count: usize, from: usize) -> Json {
    (from..from + count)
        .map(|number| json!({ "instanceId": format!("i-{number}"), "status": "RUNNING" }))
        .collect()
}

#[tokio::test]
async fn pages_follow_until_a_short_one_whatever_the_total_says() {
    for total in [json!(0), json!(5), Json::Null] {
        let rig = Rig::answering(&[
            json!({ "dataSet": rows(1000, 0), "totalCount": total }),
            json!({ "dataSet": rows(3, 1000), "totalCount": total }),
        ]);
        let first = listed(&rig, None).await.unwrap();
        assert_eq!((first.rows.len(), first.total), (1000, None));
        let second = listed(&rig, first.next).await.unwrap();
        assert_eq!((second.rows.len(), second.next), (3, None));
        assert_eq!(
            rig.sent(),
            [1, 2].map(|page| (
                "DescribeInstances".to_owned(),
                json!({ "pageSize": 1000, "pageNum": page })
            ))
        );
    }
}

#[tokio::test]
async fn shorter_pages_than_asked_for_go_on_while_the_vendor_says_that_there_is_more() {
    let rig = Rig::answering(&[
        json!({ "dataSet": rows(100, 0), "totalCount": 150 }),
        json!({ "dataSet": rows(50, 100), "totalCount": 150 }),
    ]);
    let first = listed(&rig, None).await.unwrap();
    let second = listed(&rig, first.next).await.unwrap();
    assert_eq!((second.rows.len(), second.next), (50, None));
    assert_eq!(second.total, Some(150));
    // A total that is never reached ends with a page without rows, and says that rows are missing.
    let rig = Rig::answering(&[json!({ "dataSet": [], "totalCount": 150 })]);
    let end = listed(&rig, None).await.unwrap();
    assert_eq!((end.next, end.total), (None, Some(150)));
}

#[tokio::test]
async fn states_are_told_and_unknown_ones_wait() {
    let states = [
        ("RUNNING", None, RunState::Running),
        ("running", Some(true), RunState::Running),
        ("RUNNING", Some(false), RunState::Abnormal),
        ("BOOTING", None, RunState::Restarting),
        ("REBUILDING", None, RunState::Changing),
        ("PENDING", None, RunState::NotReady),
        ("DEPLOYING", None, RunState::NotReady),
        ("STOPPING", None, RunState::NotReady),
        ("RESIZING", None, RunState::NotReady),
        ("CREATE_FAILED", None, RunState::Abnormal),
        ("REINSTALL_FAILED", None, RunState::Abnormal),
        ("STOPPED", Some(false), RunState::Off),
        ("RELEASING", None, RunState::Gone),
        ("RECYCLE", None, RunState::Gone),
        ("RECYCLING", None, RunState::Gone),
        ("DREAMING", None, RunState::Unknown),
    ];
    let rows: Json = states
        .iter()
        .enumerate()
        .map(|(number, (status, agent, _))| {
            json!({ "instanceId": number, "status": status, "enableAgent": agent })
        })
        .collect();
    let rig = Rig::answering(&[json!({ "dataSet": rows })]);
    let told = listed(&rig, None).await.unwrap();
    assert_eq!(told.rows.len(), states.len());
    for (row, (status, agent, state)) in told.rows.iter().zip(states) {
        let listed = row.listed.as_ref().unwrap();
        assert_eq!(
            (listed.state, listed.in_use),
            (state, None),
            "{status} {agent:?}"
        );
    }
}

#[tokio::test]
async fn groups_are_resource_groups_or_the_values_of_a_tag() {
    let row = json!({
        "instanceId": "i-1", "status": "RUNNING", "resourceGroupId": "rg-7",
        "imageId": "img-1", "imageName": "android-13",
        "tags": { "tags": [{ "key": "a", "value": "b" }, { "key": "fleet", "value": "qa" }] },
    });
    let plain = json!({ "instanceId": "i-2", "status": "RUNNING", "tags": [{ "key": "fleet", "value": "prod" }] });
    let page = json!({ "dataSet": [row, plain, "odd", { "status": "RUNNING" }] });
    let groups = |told: Observation| -> Vec<Option<ProviderGroup>> {
        let rows = told.rows.into_iter();
        rows.map(|row| row.listed.unwrap().provider_group).collect()
    };
    let rig = Rig::answering(std::slice::from_ref(&page));
    let told = listed(&rig, None).await.unwrap();
    let image = Observed::Image {
        id: Some("img-1".into()),
        version: Some("android-13".into()),
    };
    assert_eq!(told.rows[0].values, [(Attribute::Image, image)]);
    assert_eq!(groups(told), [Some("rg-7".into()), None]);
    let rig = Rig::open(&account(&[("groupTag", "fleet")]), vec![good(&page)]);
    let told = listed(&rig, None).await.unwrap();
    assert_eq!(groups(told), [Some("qa".into()), Some("prod".into())]);
}

#[tokio::test]
async fn an_answer_without_rows_is_no_empty_account() {
    let rig = Rig::answering(&[json!({}), json!({ "dataSet": null, "totalCount": 0 })]);
    for _ in 0..2 {
        let error = listed(&rig, None).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Malformed);
    }
}

#[tokio::test]
async fn a_probe_reads_one_row() {
    let rig = Rig::answering(&[
        json!({ "dataSet": rows(1, 0), "totalCount": 12 }),
        json!({ "dataSet": rows(1, 0), "totalCount": 0 }),
    ]);
    assert_eq!(rig.provider.probe().await.unwrap().phones, Some(12));
    assert_eq!(rig.provider.probe().await.unwrap().phones, None);
    assert_eq!(rig.sent()[0].1, json!({ "pageSize": 1, "pageNum": 1 }));
}
