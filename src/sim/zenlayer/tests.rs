//! Zenlayer's surface against what the vendor's pages say.

use super::*;
use crate::model::fleet::ProviderKind;
use crate::sim::client::{START, at};
use crate::sim::faults::Faults;
use crate::sim::{Outcome, Simulator, Spec};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const ONE: &str = "i-zec0000001";
const TWO: &str = "i-zec0000002";

fn sim() -> Simulator {
    with("")
}

fn with(faults: &str) -> Simulator {
    let spec = Spec {
        phones: 25,
        faults: Faults::parse(faults).unwrap(),
        check_clock: true,
        ..Spec::of(ProviderKind::Zenlayer)
    };
    Simulator::new(spec, START)
}

fn request(service: &str, action: &str) -> http::request::Builder {
    let version = version(service).unwrap_or("2025-01-01");

    http::Request::post(format!("http://127.0.0.1:9/api/v2/{service}"))
        .header("host", "127.0.0.1:9")
        .header("content-type", "application/json")
        .header("x-zc-service", service)
        .header("x-zc-version", version)
        .header("x-zc-action", action)
}

/// Signs by hand, as the vendor's page says.
fn signature(keys: (&str, &str), body: &str, now: Timestamp) -> (String, String) {
    let hex = |bytes: &[u8]| base16ct::lower::encode_string(bytes);
    let seconds = (now.0 / 1000).to_string();
    let canonical = format!(
        "POST\n/\n\ncontent-type:application/json\nhost:127.0.0.1:9\n\ncontent-type;host\n{}",
        hex(&Sha256::digest(body))
    );
    let text = format!(
        "ZC2-HMAC-SHA256\n{seconds}\n{}",
        hex(&Sha256::digest(canonical))
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(keys.1.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    let signature = hex(&mac.finalize().into_bytes());
    let authorization = format!(
        "ZC2-HMAC-SHA256 Credential={}, SignedHeaders=content-type;host, Signature={signature}",
        keys.0
    );
    (seconds, authorization)
}

fn send(sim: &Simulator, request: &http::Request<Bytes>, now: Timestamp) -> (u16, Value) {
    match sim.handle(request, now).outcome {
        Outcome::Answer(answer) => {
            let body = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
            (answer.status().as_u16(), body)
        }
        Outcome::Refused | Outcome::Lost | Outcome::Endless => panic!("no answer"),
    }
}

/// A call with the token.
fn call(sim: &Simulator, name: &str, body: &Value, now: Timestamp) -> (u16, Value) {
    let (service, action) = name.split_once('/').unwrap();
    let body = body.to_string();
    let request = request(service, action)
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(Bytes::from(body))
        .unwrap();
    send(sim, &request, now)
}

/// The payload of a call that succeeds.
fn good(sim: &Simulator, name: &str, body: &Value, now: Timestamp) -> Value {
    let (status, mut answer) = call(sim, name, body, now);
    assert_eq!(status, 200, "{name}: {answer}");
    assert!(answer["requestId"].is_string(), "{answer}");
    assert!(answer["response"].get("requestId").is_none(), "{answer}");
    answer["response"].take()
}

/// Status and code of a call that is refused.
fn bad(sim: &Simulator, name: &str, body: &Value, now: Timestamp) -> (u16, String) {
    let (status, answer) = call(sim, name, body, now);
    assert!(answer["message"].is_string(), "{answer}");
    (status, answer["code"].as_str().unwrap().to_owned())
}

/// Stores a command; its id.
fn store(sim: &Simulator, name: &str, content: &str, now: Timestamp) -> Value {
    let body = json!({ "name": name, "content": content, "type": "SHELL" });
    good(sim, "zos/CreateCommand", &body, now)["commandId"].take()
}

fn run(sim: &Simulator, command: &Value, phones: &[&str], now: Timestamp) -> Value {
    let body = json!({ "commandId": command, "instanceIds": phones, "timeout": 60 });
    good(sim, "zos/InvokeCommand", &body, now)["invocationId"].take()
}

fn told(sim: &Simulator, run: &Value, now: Timestamp) -> Value {
    let body = json!({ "invocationIds": [run] });
    good(sim, "zos/DescribeCommandInvocations", &body, now)["dataSet"][0].take()
}

/// Runs a script on one phone; its row when it is over.
fn done(sim: &Simulator, script: &str) -> Value {
    let now = sim.change(|world| world.now());
    let command = store(sim, "test", script, now);
    let run = run(sim, &command, &[ONE], now);
    told(sim, &run, at((now.0 - START.0) / 1000 + 30))["invocationInstances"][0].take()
}

#[test]
fn who_sends_a_request_must_be_proven() {
    let sim = sim();
    let body = r#"{"pageSize": 10}"#;
    let try_it = |authorization: &str, timestamp: &str, content_type: &str| {
        let mut request = request("zec", "DescribeInstances")
            .header("authorization", authorization)
            .header("x-zc-signature-method", "ZC2-HMAC-SHA256")
            .header("x-zc-timestamp", timestamp)
            .body(Bytes::from(body))
            .unwrap();
        let value = http::HeaderValue::from_str(content_type).unwrap();
        request.headers_mut().insert("content-type", value);
        let (status, answer) = send(&sim, &request, START);
        let code = answer["code"].as_str().unwrap_or_default().to_owned();
        (status, code.replace("AUTHFAILURE_", ""))
    };
    let json = "application/json";
    let (now, right) = signature((ACCESS_KEY, SECRET_KEY), body, START);
    assert_eq!(try_it(&right, &now, json).0, 200);
    assert_eq!(
        try_it(&right, &now, "application/json; charset=utf-8"),
        (401, "SIGNATURE_FAILURE".to_owned()),
        "the content type is signed byte for byte"
    );
    let (_, wrong) = signature((ACCESS_KEY, "another"), body, START);
    assert_eq!(
        try_it(&wrong, &now, json),
        (401, "SIGNATURE_FAILURE".to_owned())
    );
    let (then, old) = signature((ACCESS_KEY, SECRET_KEY), body, at(-301));
    assert_eq!(
        try_it(&old, &then, json),
        (401, "SIGNATURE_EXPIRED".to_owned())
    );
    for nobody in [
        "",
        "Bearer somebody",
        "ZC2-HMAC-SHA256 Credential=X",
        "Basic x",
    ] {
        assert_eq!(
            try_it(nobody, &now, json),
            (401, "INVALID_AUTHORIZATION".to_owned()),
            "{nobody}"
        );
    }
    assert_eq!(try_it(&format!("Bearer {TOKEN}"), "", json).0, 200);
    assert_eq!(sim.report().bad_signatures, 7);
}

#[test]
fn path_service_and_action_must_go_together() {
    let sim = sim();
    let empty = json!({});
    assert_eq!(
        bad(&sim, "zos/DescribeInstances", &empty, START),
        (403, "AUTHFAILURE_UNAUTHORIZED_OPERATION".to_owned())
    );
    assert_eq!(call(&sim, "zga/DescribeInstances", &empty, START).0, 404);
    let mut request = request("zos", "DescribeCommands")
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(Bytes::from_static(b"{}"))
        .unwrap();
    let other = http::HeaderValue::from_static("2025-09-01");
    request.headers_mut().insert("x-zc-version", other);
    assert_eq!(send(&sim, &request, START).0, 400);
    let report = sim.report();
    assert_eq!(report.calls_by_path["(unknown)"], 2);
    assert_eq!(report.calls_to("DescribeCommands"), 1);
}

#[test]
fn a_run_has_the_form_of_the_manuals_sample() {
    let sim = sim();
    let sample: Value = serde_json::from_str(include_str!(
        "../../../tests/fixtures/zenlayer/describe-command-invocations.json"
    ))
    .unwrap();
    let command = store(&sim, "Test Command", "echo 'hello world'", START);
    let run = run(&sim, &command, &[ONE], at(10));
    let body = json!({ "invocationIds": [run] });
    let (_, answer) = call(&sim, "zos/DescribeCommandInvocations", &body, at(70));
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let places = [
        "",
        "/response",
        "/response/dataSet/0",
        "/response/dataSet/0/invocationInstances/0",
    ];
    for place in places {
        let (ours, theirs) = (answer.pointer(place), sample.pointer(place));
        assert_eq!(keys(ours.unwrap()), keys(theirs.unwrap()), "{place}");
    }
    let row = &answer["response"]["dataSet"][0];
    assert_eq!(
        (
            &row["invocationStatus"],
            &row["timeout"],
            &answer["response"]["totalCount"]
        ),
        (&json!("Success"), &json!(0), &json!(0))
    );
    let instance = &row["invocationInstances"][0];
    assert_eq!(
        (
            &instance["output"],
            &instance["exitCode"],
            &instance["errorCode"]
        ),
        (&json!("hello world"), &json!(0), &Value::Null)
    );
}

#[test]
fn runs_are_followed_to_their_end() {
    let sim = sim();
    let command = store(&sim, "tz", "setprop persist.sys.timezone Asia/Tokyo", START);
    let first = run(&sim, &command, &[ONE, TWO], START);
    let row = told(&sim, &first, START);
    assert_eq!(row["invocationStatus"], "Running");
    assert_eq!(row["invocationInstances"][0]["output"], Value::Null);
    assert_eq!(
        bad(
            &sim,
            "zos/DeleteCommand",
            &json!({ "commandId": command }),
            START
        ),
        (400, "INVALID_COMMAND_INVOCATION_RUNNING_EXIST".to_owned())
    );
    let row = told(&sim, &first, at(30));
    assert_eq!(row["invocationStatus"], "Success");
    assert_eq!(row["invocationInstances"].as_array().unwrap().len(), 2);
    assert_eq!(sim.phone(TWO).unwrap().timezone, "Asia/Tokyo");
    let body = json!({ "commandId": command });
    good(&sim, "zos/DeleteCommand", &body, at(30));
    assert_eq!(
        bad(&sim, "zos/DeleteCommand", &body, at(30)),
        (404, "INVALID_COMMAND_NOT_FOUND".to_owned())
    );
    assert_eq!(told(&sim, &first, at(31))["commandName"], "tz");
}

#[test]
fn exit_status_and_instances_decide_how_a_run_ends() {
    let sim = sim();
    let row = done(&sim, "echo before; false");
    assert_eq!(
        (&row["taskStatus"], &row["exitCode"], &row["output"]),
        (&json!("Failed"), &json!(1), &json!("before"))
    );
    let row = done(&sim, "nothing-like-this");
    assert_eq!(
        (&row["taskStatus"], &row["exitCode"]),
        (&json!("Failed"), &json!(127))
    );
    sim.change(|world| world.zenlayer().no_exit_code = true);
    let row = done(&sim, "true");
    assert_eq!(
        (&row["taskStatus"], &row["exitCode"]),
        (&json!("Success"), &Value::Null)
    );

    let other = with("");
    let command = store(&other, "x", "true", START);
    other.change(|world| world.occupy(ONE, std::time::Duration::from_secs(600)));
    let mixed = run(&other, &command, &[ONE, TWO], START);
    assert_eq!(
        told(&other, &mixed, at(30))["invocationStatus"],
        "PartialFailed"
    );
}

#[test]
fn a_run_goes_to_all_its_instances_or_to_none() {
    let sim = sim();
    let command = store(&sim, "x", "setprop debug.x 1", START);
    sim.change(|world| {
        world.zenlayer().without_agent.insert(TWO.into());
        world.set_status("i-zec0000003", 18);
    });
    let refused = |phones: &[&str]| {
        let body = json!({ "commandId": command, "instanceIds": phones });
        bad(&sim, "zos/InvokeCommand", &body, START)
    };
    assert_eq!(
        refused(&[ONE, "i-nobody"]),
        (404, "INVALID_INSTANCE_NOT_FOUND".to_owned())
    );
    assert_eq!(
        refused(&[ONE, TWO]),
        (400, "INVALID_INSTANCE_QGA_REQUIRED".to_owned())
    );
    assert_eq!(
        refused(&[ONE, "i-zec0000003"]),
        (400, "INVALID_INSTANCE_NOT_RUNNING".to_owned())
    );
    let many: Vec<&str> = std::iter::repeat_n(ONE, 201).collect();
    assert_eq!(
        refused(&many),
        (400, "INVALID_PARAMETER_EXCEED_LENGTH".to_owned())
    );
    assert_eq!(refused(&[]).0, 400);
    assert_eq!(sim.report().jobs.len(), 0);
}

#[test]
fn parameters_have_bounds() {
    let sim = sim();
    let create = |name: String, content: String, kind: &str| {
        let body = json!({ "name": name, "content": content, "type": kind });
        call(&sim, "zos/CreateCommand", &body, START).0
    };
    let (name, content) = ("n".repeat(64), "é".repeat(4096));
    assert_eq!(create(name.clone(), content.clone(), "SHELL"), 200);
    assert_eq!(create(name.clone() + "n", content.clone(), "SHELL"), 400);
    assert_eq!(create(name.clone(), content + "e", "SHELL"), 400);
    assert_eq!(create(name, "x".into(), "PERL"), 400);
    let codes = [
        (
            "zos/CreateCommand",
            json!({ "name": "x" }),
            "MISSING_PARAMETER",
        ),
        (
            "zos/CreateCommand",
            json!({ "name": 1, "content": "x", "type": "SHELL" }),
            "INVALID_PARAMETER_TYPE",
        ),
        (
            "zec/DescribeInstances",
            json!({ "pageSize": 1001 }),
            "INVALID_PARAMETER_EXCEED_MAXIMUM",
        ),
        (
            "zec/DescribeInstances",
            json!({ "pageNum": 0 }),
            "INVALID_PARAMETER_LESS_MINIMUM",
        ),
        (
            "zos/DescribeCommands",
            json!({ "pageSize": 1001 }),
            "INVALID_PARAMETER_EXCEED_MAXIMUM",
        ),
        (
            "zos/DescribeCommandInvocations",
            json!({ "pageSize": 10001 }),
            "INVALID_PARAMETER_EXCEED_MAXIMUM",
        ),
        (
            "zos/DescribeCommandInvocations",
            json!({ "invocationIds": vec!["inv-1"; 101] }),
            "INVALID_PARAMETER_EXCEED_LENGTH",
        ),
        (
            "zos/InvokeCommand",
            json!({ "commandId": "cmd-000001", "instanceIds": [ONE], "timeout": 61 }),
            "INVALID_PARAMETER_EXCEED_MAXIMUM",
        ),
        (
            "zos/InvokeCommand",
            json!({ "commandId": "cmd-000001", "instanceIds": [ONE], "timeout": 0 }),
            "INVALID_PARAMETER_LESS_MINIMUM",
        ),
        (
            "zos/InvokeCommand",
            json!({ "commandId": "cmd-9", "instanceIds": [ONE] }),
            "INVALID_COMMAND_NOT_FOUND",
        ),
    ];
    for (name, body, code) in codes {
        assert_eq!(bad(&sim, name, &body, START).1, code, "{name} {body}");
    }
}

#[test]
fn commands_are_searched_by_a_part_of_their_name() {
    let sim = sim();
    for name in ["phonefleet-write-1", "phonefleet-read-2", "other"] {
        store(&sim, name, "true", START);
    }
    let names = |body: &Value| -> Vec<String> {
        let page = good(&sim, "zos/DescribeCommands", body, START);
        let rows = page["dataSet"].as_array().unwrap();
        rows.iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&json!({ "name": "Fleet-" })).len(), 2);
    assert_eq!(names(&json!({ "name": "read-2" })), ["phonefleet-read-2"]);
    assert_eq!(
        names(&json!({ "pageSize": 2, "pageNum": 2 })),
        ["phonefleet-write-1"]
    );
    assert_eq!(names(&json!({ "types": ["BAT"] })), Vec::<String>::new());
    assert_eq!(names(&json!({ "commandIds": ["cmd-000003"] })), ["other"]);
}

#[test]
fn instances_are_listed_with_their_state() {
    let sim = sim();
    sim.change(|world| {
        world.set_status(ONE, 13);
        world.zenlayer().without_agent.insert(TWO.into());
        world.zenlayer().no_totals = false;
    });
    let page = good(
        &sim,
        "zec/DescribeInstances",
        &json!({ "pageSize": 20, "pageNum": 2 }),
        START,
    );
    assert_eq!(
        (
            page["dataSet"].as_array().unwrap().len(),
            &page["totalCount"]
        ),
        (5, &json!(25))
    );
    let page = good(
        &sim,
        "zec/DescribeInstances",
        &json!({ "instanceIds": [ONE, TWO] }),
        START,
    );
    let rows = page["dataSet"].as_array().unwrap();
    assert_eq!(
        (&rows[0]["status"], &rows[0]["enableAgent"]),
        (&json!("REBUILDING"), &json!(true))
    );
    assert_eq!(
        (&rows[1]["status"], &rows[1]["enableAgent"]),
        (&json!("RUNNING"), &json!(false))
    );
    assert_eq!(
        rows[1]["tags"]["tags"][0],
        json!({ "key": "ring", "value": "2" })
    );
    let running = json!({ "status": "RUNNING", "resourceGroupId": "rg-1", "pageSize": 1000 });
    let page = good(&sim, "zec/DescribeInstancesStatus", &running, START);
    assert_eq!(page["dataSet"].as_array().unwrap().len(), 6);
}

#[test]
fn a_phone_inside_its_instance_is_reached_through_the_guest() {
    let sim = sim();
    sim.change(|world| world.zenlayer().guest = Guest::Container("phone".into()));
    let row = done(&sim, "getprop persist.sys.timezone");
    assert_eq!(
        (&row["exitCode"], &row["outputError"]),
        (&json!(127), &json!("sh: 1: getprop: not found"))
    );
    let row = done(
        &sim,
        r"docker exec phone sh -c 'setprop persist.x '\''a b'\''; getprop persist.x'",
    );
    assert_eq!(
        (&row["taskStatus"], &row["output"]),
        (&json!("Success"), &json!("a b"))
    );
    sim.change(|world| world.zenlayer().guest = Guest::Bridge("127.0.0.1:5555".into()));
    let row = done(&sim, "adb -s 127.0.0.1:5555 shell 'getprop persist.x'");
    assert_eq!(row["output"], "a b");
    let row = done(&sim, "adb -s 127.0.0.1:5555 shell 'open");
    assert_eq!(
        (&row["taskStatus"], &row["exitCode"]),
        (&json!("Failed"), &json!(1))
    );
}

#[test]
fn one_call_too_many_is_told_in_the_vendors_words() {
    let spec = Spec {
        rate_per_second: 1,
        ..Spec::of(ProviderKind::Zenlayer)
    };
    let sim = Simulator::new(spec, START);
    good(&sim, "zos/DescribeCommands", &json!({}), START);
    assert_eq!(
        bad(&sim, "zos/DescribeCommands", &json!({}), START),
        (429, "REQUEST_LIMIT_EXCEEDED".to_owned())
    );
}
