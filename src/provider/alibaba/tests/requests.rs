//! Requests: equal to those of the official SDK in method, target, parameters, body and signed headers, and each parameter in the SDK's place.

use super::super::wire::{Action, Call, action};
use super::super::{order, sign};
use super::{NOW, Rig, phones};
use crate::model::attribute::Attribute;
use crate::model::fleet::AppSource;
use crate::model::observed::{Cursor, ReadKind};
use crate::model::value::{AppWish, Bandwidth, Image, ImageTarget, Value, VersionWish, Wish};
use crate::provider::alibaba::table::call;
use crate::provider::{AppToInstall, JobRef, Order, Provider, ReadRequest};
use crate::transport::Effect;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Deserialize)]
struct Recording {
    real_port: u16,
    access_key_id: String,
    access_key_secret: String,
    wire: Vec<Operation>,
}

#[derive(Deserialize)]
struct Operation {
    op: String,
    requests: Vec<Recorded>,
}

#[derive(Deserialize)]
struct Recorded {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

fn recording() -> Recording {
    let text = include_str!("../../../../tests/fixtures/alibaba/requests.json");
    let mut recording: Recording = serde_json::from_str(text).unwrap();
    let port = recording.real_port.to_string();
    for recorded in recording.wire.iter_mut().flat_map(|op| &mut op.requests) {
        for (_, value) in &mut recorded.headers {
            *value = value.replace("PORT", &port);
        }
    }
    recording
}

impl Recorded {
    fn header(&self, name: &str) -> &str {
        let mut headers = self.headers.iter();
        headers
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
    }

    fn signed(&self) -> BTreeSet<String> {
        signed(self.header("authorization"))
    }
}

/// Names of the headers that an `authorization` says are signed.
fn signed(authorization: &str) -> BTreeSet<String> {
    let names = authorization
        .split(',')
        .find_map(|part| part.strip_prefix("SignedHeaders="))
        .unwrap();
    names.split(';').map(str::to_owned).collect()
}

fn parsed(text: &str) -> BTreeSet<(String, String)> {
    url::form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect()
}

fn query_of(target: &str) -> BTreeSet<(String, String)> {
    parsed(target.split_once('?').map_or("", |(_, query)| query))
}

const fn query_only(name: &'static str) -> Action {
    Action {
        name,
        effect: Effect::Mutation,
        form: &[],
    }
}

// Operations that the SDK was recorded with and the program does not need.
static CREATE_APP: Action = query_only("CreateApp");
static START: Action = query_only("StartAndroidInstance");
static STOP: Action = query_only("StopAndroidInstance");
static POLICIES: Action = Action {
    form: &["MaxResults", "PolicyGroupIds"],
    ..query_only("ListPolicyGroups")
};
static MODIFY_POLICY: Action = Action {
    form: &["NetRedirectPolicy", "PolicyGroupId"],
    ..query_only("ModifyPolicyGroup")
};
static SEND_TEMPLATE: Action = Action {
    form: &["AndroidInstanceIds"],
    ..query_only("SendSystemPropertyTemplate")
};
static DISPLAY: Action = Action {
    form: &["AndroidInstanceIds", "DisplayConfig"],
    ..query_only("ModifyDisplayConfig")
};

/// The same call, made by our own means.
fn ours(op: &str) -> Call {
    let one = phones(&["acp-aaa111"]);
    match op {
        "DescribeAndroidInstances" => Call::of(&action::INSTANCES)
            .with_all("AndroidInstanceIds", ["acp-aaa111", "acp-bbb222"])
            .with("MaxResults", &100)
            .with("NextToken", "AAAA+/==")
            .with("Tag.1.Key", "env")
            .with("Tag.1.Value", "prod"),
        "RunCommand-plain" => order::on(&action::COMMAND, "InstanceIds", &one)
            .with("CommandContent", "getprop persist.sys.timezone")
            .with("Timeout", &60),
        "RunCommand-base64" => order::command(&one, "getprop persist.sys.timezone"),
        "DescribeTasks" => Call::of(&action::TASKS)
            .with("InvokeId", "B8ED2BA9")
            .with("Level", &2)
            .with("MaxResults", &100)
            .with_all("TaskIds", ["t-1", "t-2"]),
        "DescribeTasks-STS" => Call::of(&action::TASKS).with_all("TaskIds", ["t-1"]),
        "InstallApp" => {
            order::on(&action::INSTALL, "InstanceIdList", &one).with_all("AppIdList", ["27"])
        }
        "ListPolicyGroups(body)" => Call::of(&POLICIES)
            .with("MaxResults", &20)
            .with_all("PolicyGroupIds", ["pg-1", "pg-2"]),
        "ModifyPolicyGroup(body+json shrink)" => Call::of(&MODIFY_POLICY)
            .with("PolicyGroupId", "pg-1")
            .with(
                "NetRedirectPolicy",
                r#"{"CustomProxy":"on","HostAddr":"10.0.0.1","NetRedirect":"on","Port":"1080","ProxyPassword":"p","ProxyType":"socks5","ProxyUserName":"u","Rules":[{"RuleType":"domain","Target":"example.com"}]}"#,
            ),
        "SendSystemPropertyTemplate(query+body)" => {
            order::on(&SEND_TEMPLATE, "AndroidInstanceIds", &one).with("TemplateId", "tpl-1")
        }
        "ModifyDisplayConfig(body shrink)" => {
            order::on(&DISPLAY, "AndroidInstanceIds", &one).with(
                "DisplayConfig",
                r#"{"Dpi":320,"LockResolution":"on","ResolutionHeight":1280,"ResolutionWidth":720}"#,
            )
        }
        "CreateApp(query json shrink)" => Call::of(&CREATE_APP).with("AppName", "x").with(
            "CustomAppInfo",
            r#"{"ApkSize":"12","DownloadUrl":"https://e/x.apk","Md5":"d41d","PackageName":"com.x","Version":"1.0","VersionCode":"10"}"#,
        ),
        "Throttled" => order::on(&START, "AndroidInstanceIds", &one),
        "ClientError" => order::on(&STOP, "AndroidInstanceIds", &one),
        other => panic!("{other} is not compared"),
    }
}

#[test]
fn requests_are_those_of_the_official_sdk() {
    let recording = recording();
    assert_eq!(recording.wire.len(), 13);
    for operation in recording.wire {
        let op = operation.op;
        let [recorded] = &operation.requests[..] else {
            panic!("{op}: one request")
        };
        let token = recorded.header("x-acs-security-token");
        let more: &[(&str, &str)] = match token.is_empty() {
            true => &[],
            false => &[("securityToken", "STS")],
        };
        let rig = Rig::with(Vec::new(), more);
        let call = ours(&op);
        let request = rig
            .provider
            .signed(&call, &rig.provider.keys())
            .unwrap()
            .http;
        let header = |name: &str| {
            let value = request.headers().get(name);
            value.map_or("", |value| value.to_str().unwrap())
        };
        assert_eq!(request.method().as_str(), recorded.method, "{op}");
        assert_eq!(request.uri().path(), "/", "{op}");
        assert_eq!(
            parsed(request.uri().query().unwrap_or_default()),
            query_of(&recorded.target),
            "{op}"
        );
        assert_eq!(
            parsed(std::str::from_utf8(request.body()).unwrap()),
            parsed(&recorded.body),
            "{op}"
        );
        assert_eq!(signed(header("authorization")), recorded.signed(), "{op}");
        for name in [
            "accept",
            "content-type",
            "x-acs-action",
            "x-acs-version",
            "x-acs-date",
            "x-acs-credentials-provider",
            "x-acs-accesskey-id",
            "x-acs-security-token",
        ] {
            assert_eq!(header(name), recorded.header(name), "{op}: {name}");
        }
        assert_eq!(
            header("x-acs-signature-nonce").len(),
            recorded.header("x-acs-signature-nonce").len()
        );
        assert_eq!(header("host"), "eds-aic.cn-shanghai.aliyuncs.com");
    }
}

#[test]
fn recorded_requests_have_the_signatures_that_we_make() {
    let recording = recording();
    let secret = recording.access_key_secret.into();
    for operation in recording.wire {
        for recorded in &operation.requests {
            let parameters: Vec<_> = query_of(&recorded.target).into_iter().collect();
            let query = sign::encoded(&parameters);
            let names: Vec<String> = recorded.signed().into_iter().collect();
            let headers: Vec<(&str, String)> = names
                .iter()
                .map(|name| (name.as_str(), recorded.header(name).to_owned()))
                .collect();
            let signable = sign::Signable {
                query: &query,
                headers: &headers,
                body_digest: recorded.header("x-acs-content-sha256"),
            };
            assert_eq!(
                signable.authorization(&recording.access_key_id, &secret),
                recorded.header("authorization"),
                "{}",
                operation.op
            );
        }
    }
}

/// Every request that the adapter makes, one of each kind.
async fn everything() -> Vec<http::Request<bytes::Bytes>> {
    let page = r#"{"Data":[],"TotalCount":0}"#;
    let rig = Rig::answering(&[page; 15]);
    let two = phones(&["acp-1", "acp-2"]);
    let read = |kind, cursor: Option<&str>| ReadRequest {
        kind,
        phones: two.clone(),
        attributes: [Attribute::Timezone].into(),
        cursor: cursor.map(|text| Cursor(text.into())),
    };
    let provider = &rig.provider;
    for (kind, cursor) in [
        (ReadKind::Listing, Some("t")),
        (ReadKind::Properties, None),
        (ReadKind::AppCatalogue, None),
        (ReadKind::ImageCatalogue, Some("User/t")),
    ] {
        // What comes of it does not matter here.
        provider.read(&read(kind, cursor)).await.unwrap();
    }
    let one = ReadRequest {
        phones: phones(&["acp-1"]),
        ..read(ReadKind::Shell, None)
    };
    assert!(provider.read(&one).await.is_err());
    provider
        .start_read(&read(ReadKind::Shell, None))
        .await
        .unwrap();
    for (name, write, app) in orders().into_iter().chain(known()) {
        let order = Order {
            mark: 7,
            call: name,
            phones: two.clone(),
            writes: [write].into(),
            app,
            image: None,
        };
        provider.submit(&order).await.unwrap();
    }
    rig.sent()
}

type Made = (&'static str, (Attribute, Wish), Option<AppToInstall>);

/// Orders about an app that the catalogue knows.
fn known() -> [Made; 2] {
    let entry = || {
        Some(AppToInstall {
            package: "com.example.maps".into(),
            source: AppSource::Catalogue {
                account: "sh".into(),
                app_id: "27".into(),
            },
        })
    };
    let app: Attribute = "app/com.example.maps".parse().unwrap();
    let running = Attribute::Running("com.example.maps".into());
    [
        (
            call::UNINSTALL,
            (app, Wish::Set(Value::App(AppWish::Absent))),
            entry(),
        ),
        (
            call::OPERATE,
            (running, Wish::Set(Value::Flag(false))),
            entry(),
        ),
    ]
}

fn orders() -> Vec<Made> {
    let app: Attribute = "app/com.example.maps".parse().unwrap();
    let install = |source| {
        Some(AppToInstall {
            package: "com.example.maps".into(),
            source,
        })
    };
    let present = || {
        Wish::Set(Value::App(AppWish::Present {
            app: None,
            version: VersionWish::Any,
        }))
    };
    let image = Image {
        target: ImageTarget::Id("img-1".into()),
        wipe_data: true,
    };
    let limits = Bandwidth {
        up_mbps: 4,
        down_mbps: 20,
    };
    vec![
        (
            call::COMMAND,
            (
                Attribute::Timezone,
                Wish::Set(Value::Text("Asia/Tokyo".into())),
            ),
            None,
        ),
        (
            call::INSTALL,
            (app.clone(), present()),
            install(AppSource::Catalogue {
                account: "sh".into(),
                app_id: "27".into(),
            }),
        ),
        (
            call::SEND_FILE,
            (app, present()),
            install(AppSource::Url {
                url: "https://files.example/a b.apk?x=1&y=2".into(),
                md5: Some("32e1f345f209a7dc1cc704913ea436d3".into()),
                size_mb: None,
                version: None,
                version_code: None,
            }),
        ),
        (
            call::UPDATE_IMAGE,
            (Attribute::Image, Wish::Set(Value::Image(image))),
            None,
        ),
        (
            call::MODIFY,
            (Attribute::Bandwidth, Wish::Set(Value::Bandwidth(limits))),
            None,
        ),
        (
            call::START_ADB,
            (Attribute::Adb, Wish::Set(Value::Flag(true))),
            None,
        ),
        (call::STOP_ADB, (Attribute::Adb, Wish::Reset), None),
    ]
}

#[tokio::test]
async fn every_parameter_stands_where_the_official_sdk_puts_it() {
    let text = include_str!("../../../../tests/fixtures/alibaba/places.json");
    let places: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_str(text).unwrap();
    let sent = everything().await;
    assert_eq!(sent.len(), 15);
    for request in sent {
        let action = request.headers()["x-acs-action"].to_str().unwrap();
        let known = &places[action];
        let query = parsed(request.uri().query().unwrap_or_default());
        let body = parsed(std::str::from_utf8(request.body()).unwrap());
        assert!(!query.is_empty() || !body.is_empty(), "{action}");
        for (parameters, place) in [(query, "query"), (body, "form")] {
            for (name, _) in parameters {
                let name = name.split('.').next().unwrap();
                assert_eq!(
                    known.get(name).map(String::as_str),
                    Some(place),
                    "{action}: {name}"
                );
            }
        }
    }
}

#[tokio::test]
async fn orders_say_what_they_should() {
    let sent = everything().await;
    let told = |action: &str| {
        let requests = sent.iter();
        let of = requests.filter(|request| request.headers()["x-acs-action"] == action);
        let last = of.last().unwrap();
        let query = parsed(last.uri().query().unwrap_or_default());
        let texts = query.iter().map(|(name, value)| format!("{name}={value}"));
        texts.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(told("SendFile"), @r"
    AndroidInstanceIdList.1=acp-1
    AndroidInstanceIdList.2=acp-2
    AutoInstall=true
    FileMd5=32e1f345f209a7dc1cc704913ea436d3
    SourceFilePath=/sdcard/Download/2115a31753879f43.apk
    UploadType=DOWNLOAD_URL
    UploadUrl=https://files.example/a b.apk?x=1&y=2
    ");
    insta::assert_snapshot!(told("UpdateInstanceImage"), @r"
    ImageId=img-1
    InstanceIdList.1=acp-1
    InstanceIdList.2=acp-2
    Reset=true
    ");
    insta::assert_snapshot!(told("ModifyAndroidInstance"), @r"
    DownBandwidthLimit=20
    InstanceIds.1=acp-1
    InstanceIds.2=acp-2
    UpBandwidthLimit=4
    ");
    insta::assert_snapshot!(told("InstallApp"), @r"
    AppIdList.1=27
    InstanceIdList.1=acp-1
    InstanceIdList.2=acp-2
    ");
    insta::assert_snapshot!(told("UninstallApp"), @r"
    AppIdList.1=27
    InstanceIdList.1=acp-1
    InstanceIdList.2=acp-2
    ");
    insta::assert_snapshot!(told("OperateApp"), @r"
    AppId=27
    InstanceIdList.1=acp-1
    InstanceIdList.2=acp-2
    OperateType=stop
    ");
    insta::assert_snapshot!(told("StopInstanceAdb"), @r"
    InstanceIds.1=acp-1
    InstanceIds.2=acp-2
    ");
}

#[tokio::test]
async fn every_request_has_a_nonce_of_its_own_and_shows_no_key() {
    let sent = everything().await;
    let nonces: BTreeSet<_> = sent
        .iter()
        .map(|request| request.headers()["x-acs-signature-nonce"].clone())
        .map(|nonce| nonce.to_str().unwrap().to_owned())
        .collect();
    assert_eq!(nonces.len(), sent.len());
    for request in &sent {
        assert!(request.headers()["authorization"].is_sensitive());
        assert!(!format!("{request:?}").contains(super::SECRET));
        assert_eq!(request.headers()["x-acs-date"], "2026-01-15T08:00:00Z");
    }
    assert_eq!(NOW.to_string(), "2026-01-15T08:00:00Z");
}

#[tokio::test]
async fn polls_name_each_task_once() {
    let rig = Rig::answering(&[r#"{"Data":[]}"#]);
    let job = |job: &str, phone: &str| JobRef {
        job: crate::model::id::JobId::new(job),
        phone: phone.into(),
        call: call::COMMAND.into(),
    };
    let jobs = [
        job("t-2", "a"),
        job("t-1", "b"),
        job("t-9/c", "c"),
        job("t-9/d", "d"),
    ];
    rig.provider.poll(&jobs).await.unwrap();
    let query = rig.sent()[0].uri().query().unwrap().to_owned();
    assert_eq!(
        query,
        "MaxResults=100&TaskIds.1=t-1&TaskIds.2=t-2&TaskIds.3=t-9"
    );
    assert!(rig.provider.poll(&[]).await.is_err());
}
