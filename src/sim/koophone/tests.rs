//! The surface against its manuals, asked by hand.

use super::*;
use crate::sim::faults::Faults;
use crate::sim::{Outcome, Simulator, Spec};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Where the tests' worlds begin.
const START: Timestamp = Timestamp(1_795_000_000_000);

/// Seconds after the beginning.
fn at(seconds: i64) -> Timestamp {
    Timestamp(START.0 + seconds * 1000)
}

fn sim(phones: u32, faults: &str) -> Simulator {
    let spec = Spec {
        phones,
        faults: Faults::parse(faults).unwrap(),
        ..Spec::of(crate::model::fleet::ProviderKind::KooPhone)
    };
    Simulator::new(spec, START)
}

type Request = http::Request<Bytes>;

fn request(method: &str, target: &str, body: &Value) -> Request {
    let body = if body.is_null() {
        Bytes::new()
    } else {
        Bytes::from(body.to_string())
    };
    http::Request::builder()
        .method(method)
        .uri(format!("http://127.0.0.1:9{target}"))
        .header("host", "127.0.0.1:9")
        .header("x-request-id", "req-1")
        .body(body)
        .unwrap()
}

/// Status, headers and JSON of an answer.
fn answered(sim: &Simulator, request: &Request, now: Timestamp) -> (u16, http::HeaderMap, Value) {
    match sim.handle(request, now).outcome {
        Outcome::Answer(answer) => {
            let body = serde_json::from_slice(answer.body()).unwrap();
            (answer.status().as_u16(), answer.headers().clone(), body)
        }
        Outcome::Refused | Outcome::Lost | Outcome::Endless => panic!("no answer"),
    }
}

fn login(user: &str, password: &str, domain: &str, project: &str) -> Request {
    let body = json!({ "auth": {
        "identity": { "methods": ["password"], "password": { "user": {
            "name": user, "password": password, "domain": { "name": domain } } } },
        "scope": { "project": { "name": project } } } });
    request("POST", "/v3/auth/tokens", &body)
}

fn token(sim: &Simulator, now: Timestamp) -> String {
    let (status, headers, body) = answered(sim, &login(USERNAME, PASSWORD, DOMAIN, PROJECT), now);
    assert_eq!(status, 201, "{body}");
    headers["x-subject-token"].to_str().unwrap().to_owned()
}

/// Status and JSON of a call that comes with a token.
fn ask(sim: &Simulator, method: &str, target: &str, body: &Value, now: Timestamp) -> (u16, Value) {
    let token = token(sim, now);
    let mut request = request(method, target, body);
    let token = HeaderValue::from_str(&token).unwrap();
    request.headers_mut().insert("x-auth-token", token);
    let (status, _, body) = answered(sim, &request, now);
    (status, body)
}

/// The data of a call that succeeds.
fn data(sim: &Simulator, method: &str, target: &str, body: &Value, now: Timestamp) -> Value {
    let (status, mut answer) = ask(sim, method, target, body, now);
    assert_eq!(
        (status, &answer["error_code"]),
        (200, &json!("0")),
        "{target}: {answer}"
    );
    answer["data"].take()
}

/// Status and code of a call that does not.
fn code(
    sim: &Simulator,
    method: &str,
    target: &str,
    body: &Value,
    now: Timestamp,
) -> (u16, String) {
    let (status, answer) = ask(sim, method, target, body, now);
    let code = answer
        .get("error_code")
        .or_else(|| answer["data"].get("error_code"));
    (status, code.unwrap().as_str().unwrap().to_owned())
}

fn commanded(sim: &Simulator, command: &str, phones: &[&str], now: Timestamp) -> Value {
    let body = json!({ "command": command, "instance_ids": phones });
    data(sim, "POST", "/v1/instances/async-command", &body, now)
}

/// The jobs of a task.
fn jobs(sim: &Simulator, started: &Value, now: Timestamp) -> Vec<Value> {
    let target = format!(
        "/v1/instances/tasks/{}",
        started["task_id"].as_str().unwrap()
    );
    let told = data(sim, "GET", &target, &Value::Null, now);
    told["jobs"].as_array().unwrap().clone()
}

const ONE: &str = "a0000001";
const TWO: &str = "a0000002";

fn hmac(key: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    base16ct::lower::encode_string(&mac.finalize().into_bytes())
}

/// A listing signed for these keys at a moment.
fn signed((access, secret): (&str, &str), page: u32, date: Timestamp) -> Request {
    let target = format!("/v1/instances/batch-query?page_no={page}&page_size=2&x-request-id=r");
    let mut request = request("GET", &target, &Value::Null);
    let date = jiff::Timestamp::from_millisecond(date.0).unwrap();
    let date = date.strftime("%Y%m%dT%H%M%SZ").to_string();
    let empty = base16ct::lower::encode_string(&Sha256::digest(""));
    let canonical = format!(
        "GET\n/v1/instances/batch-query/\npage_no={page}&page_size=2&x-request-id=r\nhost:127.0.0.1:9\nx-sdk-date:{date}\n\nhost;x-sdk-date\n{empty}"
    );
    let digest = base16ct::lower::encode_string(&Sha256::digest(canonical));
    let signature = hmac(secret, &format!("SDK-HMAC-SHA256\n{date}\n{digest}"));
    let line = format!(
        "SDK-HMAC-SHA256 Access={access}, SignedHeaders=host;x-sdk-date, Signature={signature}"
    );
    let headers = request.headers_mut();
    headers.insert("x-sdk-date", HeaderValue::from_str(&date).unwrap());
    headers.insert("authorization", HeaderValue::from_str(&line).unwrap());
    request
}

#[test]
fn a_password_for_the_project_gives_a_token_for_a_day() {
    let sim = sim(3, "");
    let (status, headers, body) =
        answered(&sim, &login(USERNAME, PASSWORD, DOMAIN, PROJECT), START);
    assert_eq!(status, 201);
    assert!(
        headers["x-subject-token"]
            .to_str()
            .unwrap()
            .starts_with("MIIsim1-")
    );
    let moment = |name: &str| {
        let text = body["token"][name].as_str().unwrap();
        text.parse::<jiff::Timestamp>().unwrap().as_millisecond()
    };
    assert_eq!(moment("issued_at"), START.0);
    assert_eq!(moment("expires_at"), START.0 + 86_400_000);
    let refused = [
        (login(USERNAME, "guess", DOMAIN, PROJECT), 401),
        (login("nobody", PASSWORD, DOMAIN, PROJECT), 401),
        (login(USERNAME, PASSWORD, "other", PROJECT), 401),
        (login(USERNAME, PASSWORD, DOMAIN, "nowhere"), 400),
        (request("POST", "/v3/auth/tokens", &json!({})), 400),
    ];
    for (request, expected) in refused {
        let (status, headers, body) = answered(&sim, &request, START);
        assert_eq!(status, expected, "{body}");
        assert!(!headers.contains_key("x-subject-token"));
        assert_eq!(body["error"]["code"], expected);
    }
    assert_eq!(sim.change(World::tokens_given), 1);
}

#[test]
fn a_token_is_valid_until_it_ends_or_is_revoked() {
    let sim = sim(3, "");
    let target = "/v1/instances/batch-query?page_no=1&page_size=10&x-request-id=r";
    let with = |token: &str, now| {
        let mut request = request("GET", target, &Value::Null);
        let token = HeaderValue::from_str(token).unwrap();
        request.headers_mut().insert("x-auth-token", token);
        let (status, _, body) = answered(&sim, &request, now);
        (status, body["error_code"].as_str().map(str::to_owned))
    };
    let refused = (401, Some("APIGW.0301".to_owned()));
    let first = token(&sim, START);
    assert_eq!(with(&first, at(86_399)), (200, None));
    assert_eq!(with(&first, at(86_400)), refused);
    assert_eq!(with("invented", at(86_400)), refused);
    let second = token(&sim, at(86_400));
    assert_eq!(with(&second, at(86_401)).0, 200);
    sim.change(World::revoke_tokens);
    assert_eq!(with(&second, at(86_402)), refused);
    sim.change(|world| world.set_token_life(Duration::from_secs(60)));
    let third = token(&sim, at(86_403));
    assert_eq!(with(&third, at(86_462)).0, 200);
    assert_eq!(with(&third, at(86_463)), refused);
    assert_eq!(sim.report().bad_signatures, 4);
}

#[test]
fn a_signature_is_checked_byte_by_byte() {
    let sim = sim(3, "");
    let keys = (ACCESS_KEY, SECRET_KEY);
    let status = |request: &Request| answered(&sim, request, START).0;
    assert_eq!(status(&signed(keys, 1, START)), 200);
    assert_eq!(status(&signed((ACCESS_KEY, "guess"), 1, START)), 401);
    assert_eq!(status(&signed(("NOBODY", SECRET_KEY), 1, START)), 401);
    // Another page than the one that was signed.
    let mut moved = signed(keys, 1, START);
    *moved.uri_mut() = signed(keys, 2, START).uri().clone();
    assert_eq!(status(&moved), 401);
    // A header that was signed and changed, or dropped.
    let mut dated = signed(keys, 1, START);
    let later = HeaderValue::from_static("20270101T000000Z");
    dated.headers_mut().insert("x-sdk-date", later);
    assert_eq!(status(&dated), 401);
    let mut bare = signed(keys, 1, START);
    bare.headers_mut().remove("x-sdk-date");
    assert_eq!(status(&bare), 401);
    let mut foreign = signed(keys, 1, START);
    foreign
        .headers_mut()
        .insert("x-security-token", HeaderValue::from_static("guess"));
    assert_eq!(status(&foreign), 401);
    assert_eq!(
        status(&request("GET", "/v1/instances/batch-query", &Value::Null)),
        401
    );
    // An old signature, where that is checked.
    assert_eq!(status(&signed(keys, 1, at(-3_600))), 200);
    let strict = Simulator::new(
        Spec {
            check_clock: true,
            ..Spec::of(crate::model::fleet::ProviderKind::KooPhone)
        },
        START,
    );
    let status = |request: &Request| answered(&strict, request, START).0;
    assert_eq!(status(&signed(keys, 1, at(-600))), 200);
    assert_eq!(status(&signed(keys, 1, at(-3_600))), 401);
}

#[test]
fn every_call_wants_a_request_id() {
    let sim = sim(1, "");
    let missing = (200, "KOOPHONE.API.0002".to_owned());
    let listing = "/v1/instances/batch-query?page_no=1&page_size=10";
    assert_eq!(code(&sim, "GET", listing, &Value::Null, START), missing);
    let mut request = request("GET", "/v1/instances/tasks/x", &Value::Null);
    request.headers_mut().remove("x-request-id");
    let token = HeaderValue::from_str(&token(&sim, START)).unwrap();
    request.headers_mut().insert("x-auth-token", token);
    let (status, _, body) = answered(&sim, &request, START);
    assert_eq!(
        (status, body["error_code"].as_str().unwrap()),
        (200, "KOOPHONE.API.0002")
    );
}

#[test]
fn a_command_is_run_and_its_task_names_no_phone() {
    let sim = sim(3, "");
    let started = commanded(
        &sim,
        "cmd alarm set-timezone Asia/Tokyo",
        &[ONE, TWO],
        START,
    );
    let rows = started["cmd_jobs"].as_array().unwrap();
    assert_eq!(rows[0]["instance_id"], ONE);
    assert_eq!(started["task_id"].as_str().unwrap().len(), 32);
    let running = jobs(&sim, &started, START);
    assert_eq!(running[0]["status"], 1);
    let ended = jobs(&sim, &started, at(10));
    assert_eq!(ended.len(), 2);
    for (row, job) in rows.iter().zip(&ended) {
        assert_eq!(
            (&job["job_id"], &job["status"]),
            (&row["job_id"], &json!(2))
        );
        assert!(job.get("instance_id").is_none());
    }
    assert_eq!(sim.phone(ONE).unwrap().timezone, "Asia/Tokyo");
    let read = commanded(&sim, "getprop persist.sys.timezone", &[ONE], at(10));
    assert_eq!(jobs(&sim, &read, at(20))[0]["execute_msg"], "Asia/Tokyo\n");
}

#[test]
fn output_is_cut_off() {
    let sim = sim(1, "");
    let read = commanded(&sim, "getprop", &[ONE], START);
    let output = jobs(&sim, &read, at(10))[0]["execute_msg"]
        .as_str()
        .unwrap()
        .len();
    assert!(output <= 1024 && output > 500, "{output}");
    assert_eq!(task::cut(&"é".repeat(600)).len(), 1024);
    assert_eq!(task::cut(&format!("a{}", "é".repeat(600))).len(), 1023);
}

#[test]
fn a_command_that_may_not_be_sent_is_refused_and_nothing_starts() {
    let sim = sim(1, "");
    let bad = (400, "KOOPHONE.API.1000".to_owned());
    let target = "/v1/instances/async-command";
    let long = format!("setprop persist.x {}", "x".repeat(1_024));
    for command in [
        "cmd alarm set-timezone Etc/GMT+8",
        "echo a; echo b",
        "echo 'a'",
        "echo $HOME",
        "curl https://a.example/x?y",
        "settings put global http_proxy qa:pw@10.0.0.1:1",
        "echo größe",
        "a\nb",
        "",
        &long,
    ] {
        let body = json!({ "command": command, "instance_ids": [ONE] });
        assert_eq!(code(&sim, "POST", target, &body, START), bad, "{command}");
    }
    let many: Vec<String> = (0..101).map(|n| format!("p{n}")).collect();
    for ids in [
        json!([]),
        json!(many),
        json!([ONE, ONE]),
        json!(["x".repeat(33)]),
        json!("x"),
    ] {
        let body = json!({ "command": "id", "instance_ids": ids });
        assert_eq!(code(&sim, "POST", target, &body, START), bad, "{ids}");
    }
    let body = json!({ "command": "id", "instance_ids": [ONE, "nobody"] });
    assert_eq!(
        code(&sim, "POST", target, &body, START),
        (400, "KOOPHONE.API.4001".to_owned())
    );
    let report = sim.report();
    assert_eq!(
        (
            report.jobs.len(),
            report.refused[&1000],
            report.refused[&4001]
        ),
        (0, 15, 1)
    );
}

#[test]
fn phones_are_listed_page_by_page_with_the_code_inside() {
    let sim = sim(5, "");
    sim.change(|world| {
        world.phone_mut(TWO).unwrap().streaming = true;
        world.set_status("a0000003", 12);
        world.set_status("a0000004", 18);
        world.disconnect("a0000005", Duration::from_secs(600));
    });
    let page = |query: &str| {
        let target = format!("/v1/instances/batch-query?x-request-id=r&{query}");
        let (status, body) = ask(&sim, "GET", &target, &Value::Null, START);
        assert!(body.get("error_code").is_none(), "{body}");
        (status, body["data"].clone())
    };
    let (_, first) = page("page_no=1&page_size=3");
    assert_eq!(
        (&first["total_count"], &first["page_size"]),
        (&json!(5), &json!(3))
    );
    let (_, second) = page("page_no=2&page_size=3");
    let rows: Vec<_> = [first, second]
        .iter()
        .flat_map(|page| page["result"].as_array().unwrap().clone())
        .map(|row| {
            let number = |name: &str| row[name].as_i64();
            (
                number("running_status"),
                number("login_status"),
                number("restore_status"),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            (Some(2), Some(0), None),
            (Some(2), Some(1), None),
            (Some(2), Some(0), Some(1)),
            (Some(5), Some(0), None),
            (Some(3), Some(0), None),
        ]
    );
    assert_eq!(page("page_no=3&page_size=3").1["result"], json!([]));
    assert_eq!(
        page("page_no=1&page_size=9&instance_id=a0000002").1["total_count"],
        1
    );
    assert_eq!(
        page("page_no=1&page_size=9&instance_name=phone-a000").1["total_count"],
        5
    );
    for wrong in [
        "page_no=0&page_size=3",
        "page_no=1",
        "page_no=1&page_size=201",
    ] {
        let (status, data) = page(wrong);
        assert_eq!(
            (status, &data["error_code"]),
            (400, &json!("KOOPHONE.API.1000"))
        );
    }
}

#[test]
fn statuses_are_told_of_named_phones() {
    let sim = sim(5, "");
    sim.change(|world| world.set_status("a0000004", 18));
    let body = json!({ "instance_ids": [ONE, "a0000004"] });
    let statuses = data(
        &sim,
        "POST",
        "/v1/instances/batch-query-status",
        &body,
        START,
    );
    assert_eq!(
        statuses["status_results"][1],
        json!({ "instance_id": "a0000004", "status": 5 })
    );
}

#[test]
fn apps_are_told_apart_by_type() {
    let sim = sim(1, "");
    let listed = |query: &str| {
        let target = format!("/v1/instances/{ONE}/app-list?page_no=1&page_size=200{query}");
        data(&sim, "GET", &target, &Value::Null, START)
    };
    let count = |query| listed(query)["total_count"].as_u64().unwrap();
    assert_eq!(count(""), count("&app_type=1") + count("&app_type=2"));
    let maps = json!({ "app_name": "Maps", "app_version": "1.3.0", "app_pkg": "com.example.maps", "icon_url": "" });
    assert_eq!(listed("&app_type=2")["result"][0], maps);
    let refused = |target: &str| code(&sim, "GET", target, &Value::Null, START).1;
    let path = format!("/v1/instances/{ONE}/app-list");
    assert_eq!(
        refused(&format!("{path}?page_no=1&page_size=201")),
        "KOOPHONE.API.1000"
    );
    assert_eq!(
        refused(&format!("{path}?page_no=1&page_size=1&app_type=3")),
        "KOOPHONE.API.1000"
    );
    let nobody = "/v1/instances/nobody/app-list?page_no=1&page_size=1";
    assert_eq!(refused(nobody), "KOOPHONE.API.4001");
}

fn install(url: &str) -> Value {
    json!({ "fast_install": "0", "object_name": "com.example.chat", "file_name": "chat.apk", "object_version": "2.0.1",
        "object_size": "12", "biz_type": "apk", "content_type": "1", "content_md5": "x", "install_package_url": url, "instance_id_list": [ONE] })
}

#[test]
fn installs_have_statuses_of_their_own() {
    let sim = sim(1, "");
    let target = "/v1/instances/app/install";
    sim.change(|world| world.set_status(ONE, 11));
    let body = install("https://apps.example/com.example.chat-2.0.1.apk");
    let started = data(&sim, "POST", target, &body, START);
    assert!(started["task_id"].as_str().unwrap().starts_with("ZGCA"));
    assert_eq!(jobs(&sim, &started, at(1))[0]["status"], 0);
    sim.change_at(at(2), |world| world.set_status(ONE, 10));
    assert_eq!(jobs(&sim, &started, at(3))[0]["status"], 1);
    assert_eq!(jobs(&sim, &started, at(30))[0]["status"], 2);
    assert_eq!(
        sim.phone(ONE)
            .unwrap()
            .app("com.example.chat")
            .unwrap()
            .version_code,
        201
    );
    // An older version over a newer one.
    let older = install("https://files.example/com.example.chat-1.0.0-100.apk");
    let started = data(&sim, "POST", target, &older, at(30));
    let ended = &jobs(&sim, &started, at(60))[0];
    assert_eq!(
        (&ended["status"], &ended["execute_msg"]),
        (&json!(3), &json!(""))
    );
    assert!(ended["error_msg"].as_str().unwrap().contains("DOWNGRADE"));
    let with = |name: &str, value: &str| {
        let mut body = install("https://apps.example/x.apk");
        body[name] = json!(value);
        code(&sim, "POST", target, &body, at(60))
    };
    assert_eq!(
        with("fast_install", "2"),
        (200, "KOOPHONE.API.3008".to_owned())
    );
    for (name, value) in [
        ("object_name", ""),
        ("content_md5", ""),
        ("object_size", "big"),
        ("biz_type", "zip"),
        ("content_type", "2"),
        ("install_package_url", &"u".repeat(2001)),
    ] {
        assert_eq!(
            with(name, value),
            (400, "KOOPHONE.API.1000".to_owned()),
            "{name}"
        );
    }
}

#[test]
fn a_busy_phones_job_fails() {
    let sim = sim(2, "");
    sim.change(|world| world.occupy(ONE, Duration::from_secs(60)));
    let started = commanded(&sim, "id", &[ONE, TWO], START);
    let ended = jobs(&sim, &started, at(10));
    assert_eq!(
        (&ended[0]["status"], &ended[1]["status"]),
        (&json!(-1), &json!(2))
    );
    assert_eq!(
        ended[0]["error_msg"],
        "another task is running on the instance"
    );
    assert_eq!(sim.report().foreign_clashes, 1);
}

#[test]
fn a_reboot_wants_all_phones_running_and_has_no_task() {
    let sim = sim(2, "");
    sim.change(|world| world.occupy(TWO, Duration::from_secs(60)));
    let target = "/v1/instances/reboot";
    let both = json!({ "instance_ids": [ONE, TWO] });
    assert_eq!(
        code(&sim, "POST", target, &both, START),
        (200, "KOOPHONE.API.5005".to_owned())
    );
    let one = json!({ "instance_ids": [ONE] });
    let (status, body) = ask(&sim, "POST", target, &one, START);
    assert_eq!(
        (status, body),
        (200, json!({ "error_code": "0", "error_msg": "success" }))
    );
    assert_eq!(sim.phone(ONE).unwrap().status, 11);
    sim.change_at(at(120), |world| {
        assert_eq!(world.phone(ONE).unwrap().boots, 2);
    });
}

#[test]
fn a_command_that_is_waited_for_answers_at_once() {
    let sim = sim(2, "");
    sim.change(|world| world.occupy(TWO, Duration::from_secs(60)));
    let body = json!({ "command": "getprop persist.sys.timezone", "instance_ids": [ONE, TWO] });
    let told = data(&sim, "POST", "/v1/instances/sync-command", &body, START);
    let rows = told["cmd_results"].as_array().unwrap();
    assert_eq!(
        (&rows[0]["status"], &rows[0]["execute_msg"]),
        (&json!(2), &json!("Asia/Shanghai\n"))
    );
    assert_eq!(rows[1]["status"], -1);
    let many: Vec<String> = (0..33).map(|n| format!("p{n}")).collect();
    let body = json!({ "command": "id", "instance_ids": many });
    let refused = code(&sim, "POST", "/v1/instances/sync-command", &body, START);
    assert_eq!(refused, (400, "KOOPHONE.API.1000".to_owned()));
}

#[test]
fn what_is_not_there_is_said_by_the_gateway_or_the_service() {
    let sim = sim(1, "");
    for (method, target) in [
        ("GET", "/v1/instances/async-command"),
        ("POST", "/v1/instances/batch-query"),
        ("GET", "/v1/elsewhere"),
        ("GET", "/v1/instances/tasks/"),
    ] {
        let (status, _, body) = answered(&sim, &request(method, target, &Value::Null), START);
        assert_eq!(
            (status, body["error_code"].as_str().unwrap()),
            (404, "APIGW.0101"),
            "{target}"
        );
    }
    let unknown = code(&sim, "GET", "/v1/instances/tasks/none", &Value::Null, START);
    assert_eq!(unknown, (400, "KOOPHONE.API.1323".to_owned()));
}

#[test]
fn calls_are_limited_and_tokens_are_not() {
    let spec = Spec {
        phones: 1,
        rate_per_second: 2,
        ..Spec::of(crate::model::fleet::ProviderKind::KooPhone)
    };
    let sim = Simulator::new(spec, START);
    for _ in 0..5 {
        token(&sim, START);
    }
    let target = "/v1/instances/batch-query?page_no=1&page_size=1&x-request-id=r";
    let first = ask(&sim, "GET", target, &Value::Null, START).0;
    let second = ask(&sim, "GET", target, &Value::Null, START).0;
    let third = code(&sim, "GET", target, &Value::Null, START);
    assert_eq!((first, second), (200, 200));
    assert_eq!(third, (429, "APIGW.0308".to_owned()));
    let report = sim.report();
    assert_eq!(
        (
            report.throttled,
            report.reads,
            report.calls_to("auth/tokens")
        ),
        (1, 3, 8)
    );
}

#[test]
fn tasks_are_forgotten_with_their_jobs() {
    let sim = sim(1, "");
    let started = commanded(&sim, "id", &[ONE], START);
    assert_eq!(jobs(&sim, &started, at(3_600)).len(), 1);
    let day = at(25 * 3_600);
    commanded(&sim, "id", &[ONE], day);
    assert!(jobs(&sim, &started, day).is_empty());
}
