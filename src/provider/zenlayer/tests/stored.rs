//! Stored commands: looked up, made, run, and made anew.

use super::*;
use crate::model::observed::ReadKind;
use crate::provider::{Accepted, ErrorKind, Provider, ReadRequest, RowOutcome};

const SCRIPT: &str = "setprop 'persist.sys.fleet.zone' 'Asia/Tokyo'";

fn nothing() -> Json {
    json!({ "dataSet": [], "totalCount": 0 })
}

fn created(id: &str) -> Json {
    json!({ "commandId": id })
}

fn invoked(id: &str) -> Json {
    json!({ "invocationId": id })
}

#[tokio::test]
async fn a_command_is_made_once_and_run_by_its_id() {
    let rig = Rig::answering(&[nothing(), created("c-1"), invoked("r-1"), invoked("r-2")]);
    let submission = rig
        .provider
        .submit(&order(&["i-1", "i-2"], "Asia/Tokyo"))
        .await;
    let job = |run: &str, phone: &str| {
        let id = PhoneId::new(phone);
        let job = crate::provider::zenlayer::convert::job(run, &id);
        (id, RowOutcome::Job(job))
    };
    assert_eq!(
        submission.unwrap().rows,
        [job("r-1", "i-1"), job("r-1", "i-2")]
    );
    let sent = rig.sent();
    let name = sent[0].1["name"].as_str().unwrap().to_owned();
    assert!(
        name.starts_with("phonefleet-write-") && name.len() <= 64,
        "{name}"
    );
    assert_eq!(sent[0].0, "DescribeCommands");
    assert_eq!(sent[1].0, "CreateCommand");
    assert_eq!(
        (
            &sent[1].1["name"],
            &sent[1].1["content"],
            &sent[1].1["type"]
        ),
        (&json!(name), &json!(SCRIPT), &json!("SHELL"))
    );
    assert_eq!(
        sent[2],
        (
            "InvokeCommand".to_owned(),
            json!({ "commandId": "c-1", "instanceIds": ["i-1", "i-2"], "timeout": 60 })
        )
    );
    rig.provider
        .submit(&order(&["i-3"], "Asia/Tokyo"))
        .await
        .unwrap();
    assert_eq!(rig.actions(), ["InvokeCommand"]);
}

#[tokio::test]
async fn a_command_that_is_there_is_used_only_if_its_content_is_the_same() {
    let probe = Rig::answering(&[nothing(), created("c"), invoked("r")]);
    probe
        .provider
        .submit(&order(&["i-1"], "Asia/Tokyo"))
        .await
        .unwrap();
    let name = probe.sent()[0].1["name"].as_str().unwrap().to_owned();
    let row = |id: &str, name: &str, content: &str, kind: &str| json!({ "commandId": id, "name": name, "content": content, "type": kind });
    let found = json!({ "dataSet": [
        row("other", "x-phonefleet", SCRIPT, "SHELL"),
        row("changed", &name, "rm -rf /", "SHELL"),
        row("windows", &format!("{name}-2"), SCRIPT, "BAT"),
        row("ours", &format!("{name}-3"), SCRIPT, "SHELL"),
    ] });
    let rig = Rig::answering(&[found, invoked("r-1")]);
    rig.provider
        .submit(&order(&["i-1"], "Asia/Tokyo"))
        .await
        .unwrap();
    assert_eq!(rig.sent()[1].1["commandId"], "ours");

    let changed = json!({ "dataSet": [row("changed", &name, "rm -rf /", "SHELL")] });
    let rig = Rig::answering(&[changed, created("c-9"), invoked("r-1")]);
    rig.provider
        .submit(&order(&["i-1"], "Asia/Tokyo"))
        .await
        .unwrap();
    let sent = rig.sent();
    assert_eq!(
        (&sent[1].1["name"], &sent[2].1["commandId"]),
        (&json!(format!("{name}-2")), &json!("c-9"))
    );
}

#[tokio::test]
async fn a_prefix_hands_the_script_on_as_one_word() {
    let prefixed = account(&[("commandPrefix", "docker exec phone sh -c")]);
    let answers = [nothing(), created("c-1"), invoked("r-1")];
    let rig = Rig::open(&prefixed, answers.iter().map(good).collect());
    rig.provider
        .submit(&order(&["i-1"], "Asia/Tokyo"))
        .await
        .unwrap();
    assert_eq!(
        rig.sent()[1].1["content"],
        r"docker exec phone sh -c 'setprop '\''persist.sys.fleet.zone'\'' '\''Asia/Tokyo'\'''"
    );
}

#[tokio::test]
async fn reads_have_commands_of_their_own_kind() {
    let rig = Rig::answering(&[nothing(), created("c-1"), invoked("r-1")]);
    let request = ReadRequest {
        kind: ReadKind::Shell,
        phones: phones(&["i-1"]),
        attributes: ["timezone".parse().unwrap()].into(),
        cursor: None,
    };
    rig.provider.start_read(&request).await.unwrap();
    let name = rig.sent()[0].1["name"].as_str().unwrap().to_owned();
    assert!(name.starts_with("phonefleet-read-"), "{name}");
}

#[tokio::test]
async fn a_command_that_was_deleted_is_made_anew() {
    // Known: looked at, then made and run with the two requests that are left.
    let rig = Rig::answering(&[nothing(), created("c-1"), invoked("r-1")]);
    rig.provider
        .submit(&order(&["i-1"], "Asia/Tokyo"))
        .await
        .unwrap();
    rig.sent();
    rig.then(vec![
        bad(404, "INVALID_COMMAND_NOT_FOUND"),
        good(&created("c-2")),
        good(&invoked("r-2")),
    ]);
    let submission = rig
        .provider
        .submit(&order(&["i-2"], "Asia/Tokyo"))
        .await
        .unwrap();
    assert_eq!(submission.rows.len(), 1);
    assert_eq!(
        rig.actions(),
        ["InvokeCommand", "CreateCommand", "InvokeCommand"]
    );
    // Just found: with the next attempt, for which nothing was done.
    let row = json!({ "dataSet": [{ "commandId": "c-3", "name": "x", "content": SCRIPT }] });
    let name = {
        let probe = Rig::answering(&[nothing(), created("c"), invoked("r")]);
        probe
            .provider
            .submit(&order(&["i-1"], "Asia/Tokyo"))
            .await
            .unwrap();
        probe.sent()[0].1["name"].clone()
    };
    let mut row = row;
    row["dataSet"][0]["name"] = name;
    let rig = Rig::with(vec![
        good(&row),
        bad(404, "INVALID_COMMAND_NOT_FOUND"),
        good(&nothing()),
        good(&created("c-4")),
        good(&invoked("r-4")),
    ]);
    let error = rig
        .provider
        .submit(&order(&["i-1"], "Asia/Tokyo"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.accepted),
        (ErrorKind::Transient, Accepted::No)
    );
    rig.provider
        .submit(&order(&["i-1"], "Asia/Tokyo"))
        .await
        .unwrap();
    assert_eq!(rig.actions().len(), 5);
}

#[tokio::test]
async fn when_a_preparing_request_fails_nothing_was_done() {
    for (answers, kind) in [
        (vec![lost()], ErrorKind::Transient),
        (
            vec![bad(429, "REQUEST_LIMIT_EXCEEDED")],
            ErrorKind::Throttled,
        ),
        (vec![response(502, "<html>")], ErrorKind::Transient),
        (
            vec![bad(401, "AUTHFAILURE_SIGNATURE_FAILURE")],
            ErrorKind::Unauthorised,
        ),
        (vec![good(&json!({}))], ErrorKind::Transient),
        (vec![good(&nothing()), lost()], ErrorKind::Transient),
        (
            vec![good(&nothing()), bad(500, "INTERNAL_SERVER_ERROR")],
            ErrorKind::Transient,
        ),
        (
            vec![good(&nothing()), good(&json!({}))],
            ErrorKind::Transient,
        ),
        // An account that may store no more commands: no phone is at fault.
        (
            vec![good(&nothing()), bad(400, "COMMAND_QUOTA_EXCEEDED")],
            ErrorKind::Transient,
        ),
        (
            vec![good(&nothing()), bad(400, "INVALID_PARAMETER_VALUE")],
            ErrorKind::Refused,
        ),
    ] {
        let rig = Rig::with(answers);
        let error = rig
            .provider
            .submit(&order(&["i-1", "i-2"], "Asia/Tokyo"))
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind, error.accepted),
            (kind, Accepted::No),
            "{error}"
        );
        assert!(error.phones.is_empty());
    }
}

#[tokio::test]
async fn only_the_run_itself_may_have_been_accepted() {
    for (answer, kind, accepted) in [
        (lost(), ErrorKind::Transient, Accepted::Maybe),
        (
            response(504, "<html>"),
            ErrorKind::Transient,
            Accepted::Maybe,
        ),
        (good(&json!({})), ErrorKind::Malformed, Accepted::Maybe),
        (
            bad(429, "REQUEST_LIMIT_EXCEEDED"),
            ErrorKind::Throttled,
            Accepted::No,
        ),
        (
            bad(400, "INVALID_INSTANCE_NOT_RUNNING"),
            ErrorKind::NotReady,
            Accepted::No,
        ),
        (
            bad(400, "INVALID_INSTANCE_QGA_REQUIRED"),
            ErrorKind::Refused,
            Accepted::No,
        ),
        (
            bad(404, "INVALID_INSTANCE_NOT_FOUND"),
            ErrorKind::NotFound,
            Accepted::No,
        ),
    ] {
        let rig = Rig::with(vec![good(&nothing()), good(&created("c-1")), answer]);
        let error = rig
            .provider
            .submit(&order(&["i-1"], "Asia/Tokyo"))
            .await
            .unwrap_err();
        assert_eq!((error.kind, error.accepted), (kind, accepted), "{error}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_is_sent() {
    let rig = Rig::answering(&[]);
    let many: Vec<String> = (0..201).map(|number| format!("i-{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for ids in [many.as_slice(), &[]] {
        let error = rig
            .provider
            .submit(&order(ids, "Asia/Tokyo"))
            .await
            .unwrap_err();
        assert!(error.message.contains("bug"), "{error}");
    }
    assert_eq!(rig.actions().len(), 0);
}
