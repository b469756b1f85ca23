//! Clearing away stored commands.

use super::*;
use crate::provider::Provider;

fn page(rows: &[Json]) -> Json {
    json!({ "dataSet": rows, "totalCount": 0 })
}

fn command(id: &str, name: &str, invoked: &Json) -> Json {
    json!({ "commandId": id, "name": name, "content": "x", "type": "SHELL",
        "createTime": "2026-01-01 00:00:00", "latestInvocationTime": invoked })
}

async fn tidy(rig: &Rig, answer: Json) -> bool {
    rig.then(vec![good(&answer)]);
    rig.provider.tidy().await.unwrap()
}

/// An account that has run one write command and listed what there is.
async fn used() -> Rig {
    let rig = Rig::answering(&[
        page(&[]),
        json!({ "commandId": "c-1" }),
        json!({ "invocationId": "r-1" }),
    ]);
    rig.provider
        .submit(&order(&["i-1"], "Asia/Tokyo"))
        .await
        .unwrap();
    rig.sent();
    rig
}

#[tokio::test]
async fn what_this_process_wrote_with_goes_with_one_call_each() {
    let rig = used().await;
    tidy(&rig, json!({})).await;
    assert_eq!(
        rig.sent(),
        [("DeleteCommand".to_owned(), json!({ "commandId": "c-1" }))]
    );
    // Then what others left is looked for, once an hour.
    assert!(!tidy(&rig, page(&[])).await);
    assert_eq!(
        rig.sent(),
        [(
            "DescribeCommands".to_owned(),
            json!({ "name": "phonefleet-", "pageSize": 1000, "pageNum": 1 })
        )]
    );
    assert!(!rig.provider.tidy().await.unwrap());
    assert_eq!(rig.actions(), Vec::<String>::new());
    // The next use makes it anew.
    rig.then(vec![
        good(&page(&[])),
        good(&json!({ "commandId": "c-2" })),
        good(&json!({ "invocationId": "r-2" })),
    ]);
    rig.provider
        .submit(&order(&["i-1"], "Asia/Tokyo"))
        .await
        .unwrap();
    assert_eq!(
        rig.actions(),
        ["DescribeCommands", "CreateCommand", "InvokeCommand"]
    );
}

#[tokio::test]
async fn a_command_under_way_stays_for_now() {
    let rig = used().await;
    rig.then(vec![bad(400, "INVALID_COMMAND_INVOCATION_RUNNING_EXIST")]);
    rig.provider.tidy().await.unwrap();
    assert!(
        !tidy(
            &rig,
            page(&[command("c-1", "phonefleet-write-1", &Json::Null)])
        )
        .await
    );
    assert_eq!(rig.actions(), ["DeleteCommand", "DescribeCommands"]);
    rig.wait(3601);
    let again = command("c-1", "phonefleet-write-1", &Json::Null);
    assert!(tidy(&rig, page(&[again])).await);
    assert!(!tidy(&rig, json!({})).await);
    assert_eq!(rig.actions(), ["DescribeCommands", "DeleteCommand"]);
}

#[tokio::test]
async fn a_command_that_is_gone_already_is_gone() {
    let rig = used().await;
    rig.then(vec![bad(404, "INVALID_COMMAND_NOT_FOUND")]);
    rig.provider.tidy().await.unwrap();
    assert!(!tidy(&rig, page(&[])).await);
}

#[tokio::test]
async fn what_others_left_goes_when_it_is_old_in_every_zone() {
    let rig = Rig::answering(&[]);
    let rows = [
        command(
            "old-write",
            "phonefleet-write-1",
            &json!("2026-01-14 17:00:00"),
        ),
        command(
            "new-write",
            "phonefleet-write-2",
            &json!("2026-01-15 07:00:00"),
        ),
        command(
            "old-read",
            "phonefleet-read-1",
            &json!("2026-01-14 16:00:00"),
        ),
        command("never-run", "phonefleet-read-2", &Json::Null),
        command("theirs", "Test Command", &json!("2020-01-01 00:00:00")),
        command(
            "alike",
            "my-phonefleet-write-1",
            &json!("2020-01-01 00:00:00"),
        ),
    ];
    assert!(tidy(&rig, page(&rows)).await);
    assert!(tidy(&rig, json!({})).await);
    assert!(tidy(&rig, json!({})).await);
    assert!(!tidy(&rig, json!({})).await);
    let gone: Vec<Json> = rig.sent()[1..]
        .iter()
        .map(|(_, body)| body["commandId"].clone())
        .collect();
    assert_eq!(gone, ["old-write", "old-read", "never-run"]);
    // An hour later the same is told of the new one: it was not used all that time.
    rig.wait(3600);
    assert!(tidy(&rig, page(&rows[1..2])).await);
}

#[tokio::test]
async fn the_list_is_read_page_by_page() {
    let rig = Rig::answering(&[]);
    let rows: Vec<Json> = (0..1000)
        .map(|number| command(&format!("c-{number}"), "somebody's", &Json::Null))
        .collect();
    assert!(tidy(&rig, page(&rows)).await);
    assert!(!tidy(&rig, page(&rows[..5])).await);
    let pages: Vec<Json> = rig
        .sent()
        .iter()
        .map(|(_, body)| body["pageNum"].clone())
        .collect();
    assert_eq!(pages, [1, 2]);
}

#[tokio::test]
async fn what_goes_wrong_is_told_and_harms_nothing() {
    let rig = used().await;
    rig.then(vec![lost(), lost()]);
    for _ in 0..2 {
        let error = rig.provider.tidy().await.unwrap_err();
        assert_eq!(error.accepted, crate::provider::Accepted::No);
    }
    assert_eq!(rig.actions(), ["DeleteCommand", "DescribeCommands"]);
    assert!(!rig.provider.tidy().await.unwrap());
}
