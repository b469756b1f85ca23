//! Our requests against those of the vendor's official SDK, as they were recorded.

use super::*;
use crate::provider::zenlayer::wire::{
    CreateCommand, DeleteCommand, DescribeCommandInvocations, DescribeCommands, DescribeInstances,
    InvokeCommand,
};
use crate::provider::zenlayer::{Exchange, Service, ZEC, ZOS};
use crate::transport::Effect;
use serde::Deserialize;

#[derive(Deserialize)]
struct Recorded {
    real_port: u16,
    wire: Vec<Operation>,
}

#[derive(Deserialize)]
struct Operation {
    op: String,
    requests: Vec<Sent>,
}

#[derive(Deserialize)]
struct Sent {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl Sent {
    fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self
            .headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        Some(value)
    }
}

fn recorded() -> Recorded {
    let text = include_str!("../../../../tests/fixtures/zenlayer/requests.json");
    serde_json::from_str(text).unwrap()
}

/// The account that the SDK was set up for.
fn rig(port: u16, bearer: bool) -> Rig {
    let mut account = account(&[]);
    account.endpoint = format!("http://127.0.0.1:{port}").into();
    if bearer {
        account.credentials = [("token".into(), SecretRef::Env("TOKEN".into()))].into();
    }
    Rig::open(&account, Vec::new())
}

#[test]
fn method_target_headers_and_signature_are_those_of_the_sdk() {
    let recorded = recorded();
    let mut compared = 0;
    for operation in &recorded.wire {
        let rig = rig(recorded.real_port, operation.op.contains("bearer"));
        for sent in &operation.requests {
            let service = match sent.header("x-zc-service") {
                Some("zos") => ZOS,
                Some("zec") => ZEC,
                other => panic!("{other:?}"),
            };
            let action: &'static str = sent.header("x-zc-action").unwrap().to_owned().leak();
            let request = rig
                .provider
                .request(&Exchange {
                    service,
                    action,
                    phones: &[],
                    effect: Effect::Read,
                    body: Bytes::from(sent.body.clone()),
                })
                .unwrap();
            let ours = &request.http;
            let path = ours.uri().path_and_query().unwrap().as_str();
            assert_eq!(
                (ours.method().as_str(), path),
                (&*sent.method, &*sent.target)
            );
            // What the SDK says of itself is not ours to say.
            let theirs = sent
                .headers
                .iter()
                .map(|(name, value)| (name.to_ascii_lowercase(), value))
                .filter(|(name, _)| {
                    (name.starts_with("x-zc-") && !name.starts_with("x-zc-sdk"))
                        || ["authorization", "content-type", "host"].contains(&name.as_str())
                });
            for (name, value) in theirs {
                let value = value.replace("PORT", &recorded.real_port.to_string());
                assert_eq!(
                    ours.headers()
                        .get(&name)
                        .and_then(|ours| ours.to_str().ok()),
                    Some(value.as_str()),
                    "{} {name}",
                    operation.op
                );
                compared += 1;
            }
            let bearer = operation.op.contains("bearer");
            assert_eq!(ours.headers().contains_key("x-zc-timestamp"), !bearer);
        }
    }
    assert!(compared > 50, "{compared}");
}

/// The body we would send for a recorded operation, with the SDK's values.
fn ours(operation: &str) -> Option<Json> {
    let both = [PhoneId::new("i-1"), PhoneId::new("i-2")];
    let body = match operation {
        "DescribeCommandInvocations" => body(&DescribeCommandInvocations {
            invocation_ids: &["inv-0001"],
            page_size: 20,
            page_num: 1,
            ..DescribeCommandInvocations::default()
        }),
        "CreateCommand" => body(&CreateCommand {
            name: "tz",
            content: "setprop persist.sys.timezone Asia/Shanghai",
            kind: "SHELL",
            description: None,
        }),
        "InvokeCommand" => body(&InvokeCommand {
            command_id: "cmd-1",
            instance_ids: &both,
            timeout: 60,
        }),
        "DescribeCommands(429 then 200)" => body(&DescribeCommands {
            name: "",
            page_size: 10,
            page_num: 1,
        }),
        "DeleteCommand(404)" => body(&DeleteCommand {
            command_id: "cmd-x",
        }),
        "ZEC DescribeInstances" => body(&DescribeInstances {
            page_size: 1000,
            page_num: 1,
        }),
        _ => return None,
    };
    Some(body)
}

fn body<T: serde::Serialize>(body: &T) -> Json {
    serde_json::to_value(body).unwrap()
}

#[test]
fn bodies_mean_what_those_of_the_sdk_mean() {
    let mut compared = 0;
    for operation in &recorded().wire {
        let Some(mut ours) = ours(&operation.op) else {
            continue;
        };
        let mut theirs: Json = serde_json::from_str(&operation.requests[0].body).unwrap();
        // We always search by name, and never filter instances.
        for (body, only) in [
            (&mut ours, ["name"].as_slice()),
            (&mut theirs, &["instanceIds", "status"]),
        ] {
            let searched = operation.op.contains("Describe");
            let body = body.as_object_mut().unwrap();
            body.retain(|field, _| !(searched && only.contains(&field.as_str())));
        }
        assert_eq!(ours, theirs, "{}", operation.op);
        compared += 1;
    }
    assert_eq!(compared, 6);
}

#[test]
fn services_are_called_in_the_versions_they_were_recorded_in() {
    for operation in &recorded().wire {
        for sent in &operation.requests {
            let Service { version, .. } = match sent.header("x-zc-service") {
                Some("zec") => ZEC,
                _ => ZOS,
            };
            assert_eq!(sent.header("x-zc-version"), Some(version));
        }
    }
}

#[test]
fn the_host_that_is_signed_is_the_one_that_is_sent() {
    for (endpoint, host) in [
        ("https://console.zenlayer.com", "console.zenlayer.com"),
        ("https://Console.Zenlayer.com:443/", "console.zenlayer.com"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://gateway/base", "gateway"),
    ] {
        let mut account = account(&[]);
        account.endpoint = endpoint.into();
        let rig = Rig::open(&account, Vec::new());
        let exchange = Exchange::new((ZOS, "DescribeCommands"), Effect::Read, &[], &json!({}));
        let request = rig.provider.request(&exchange.unwrap()).unwrap();
        assert_eq!(request.http.headers()["host"], host);
        assert!(request.http.headers()["authorization"].is_sensitive());
    }
}
