//! Contract tests: requests, answers and refusals against a scripted transport that keeps what was sent.

mod answers;
mod orders;
mod reads;
mod simulated;
mod tokens;

use super::KooPhone;
use crate::model::fleet::{Account, AccountLimits, ProviderKind};
use crate::model::id::{AccountName, PhoneId, VendorIdentity};
use crate::model::stamp::Timestamp;
use crate::model::value::SecretRef;
use crate::provider::registry::{OpenError, Outfit};
use crate::secret::{SecretError, Secrets};
use crate::time::clock::Clock;
use crate::transport::{Request, Response, Transport, TransportError};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// 2026-01-15T08:00:00Z, the moment of the vectors.
pub(super) const NOW: i64 = 1_768_464_000_000;

/// Answers in order, each after a moment; keeps requests.
#[derive(Default)]
pub(super) struct Script {
    answers: Mutex<VecDeque<Result<Response, TransportError>>>,
    sent: Mutex<Vec<Request>>,
}

impl Transport for Script {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        self.sent.lock().unwrap().push(request);
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            answer.expect("no answer is scripted")
        })
    }
}

/// A clock that stands where it is put.
pub(super) struct Hands(pub(super) AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

/// `env` references resolve to these; everything else is missing.
struct Pocket;

impl Secrets for Pocket {
    fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        let missing = |name: &str| SecretError {
            reference: name.to_owned(),
            problem: "is not set".to_owned(),
        };
        let SecretRef::Env(name) = reference else {
            return Err(missing("?"));
        };
        match name.as_str() {
            "ACCESSKEY" => Ok("HWFAKEACCESSKEY00001".into()),
            "SECRETKEY" => Ok("hwFakeSecretKey0123456789abcdefghijklmnop".into()),
            "SECURITYTOKEN" => Ok("FakeSecurityToken==".into()),
            "USERNAME" => Ok("fleet-user".into()),
            "PASSWORD" => Ok("hunter2\"quoted\"".into()),
            "DOMAIN" => Ok("fleet-domain".into()),
            "PROJECT" => Ok("cn-south-1".into()),
            "TOKEN" => Ok("MIIready".into()),
            "BAD" => Ok("two\nlines".into()),
            _ => Err(missing(name)),
        }
    }
}

/// Ways to sign in.
pub(super) const KEYS: &[&str] = &["accessKey", "secretKey"];
pub(super) const PASSWORD: &[&str] = &["username", "password", "domain", "project"];
pub(super) const TOKEN: &[&str] = &["token"];

/// An account and what it talks to.
pub(super) struct Rig {
    pub(super) provider: KooPhone,
    pub(super) clock: Arc<Hands>,
    script: Arc<Script>,
}

impl Rig {
    /// Answers with status 200 and these bodies, to an account with keys.
    pub(super) fn answering(bodies: &[&str]) -> Self {
        let answers = bodies.iter().map(|body| Ok(response(200, &[], body)));
        Self::with(&account(KEYS, &[]), answers.collect())
    }

    pub(super) fn with(account: &Account, answers: Vec<Result<Response, TransportError>>) -> Self {
        let script = Arc::new(Script {
            answers: Mutex::new(answers.into()),
            sent: Mutex::default(),
        });
        let clock = Arc::new(Hands(AtomicI64::new(NOW)));
        let provider = KooPhone::open(account, outfit(script.clone(), clock.clone())).unwrap();
        Self {
            provider,
            clock,
            script,
        }
    }

    /// Lets time pass.
    pub(super) fn after(&self, minutes: i64) {
        self.clock.0.fetch_add(minutes * 60_000, Ordering::Relaxed);
    }

    /// What was sent.
    pub(super) fn requests(&self) -> Vec<http::Request<Bytes>> {
        let sent = self.script.sent.lock().unwrap();
        sent.iter().map(|request| request.http.clone()).collect()
    }

    /// Method, target and body of each request that was sent, request ids aside.
    pub(super) fn sent(&self) -> Vec<String> {
        self.requests()
            .iter()
            .map(|request| {
                let uri = request.uri();
                let id = request.headers().get("x-request-id");
                let id = id.map_or("", |id| id.to_str().unwrap());
                let target = uri.path_and_query().unwrap().as_str();
                let target = match id {
                    "" => target.to_owned(),
                    id => target.replace(id, "ID"),
                };
                let body = std::str::from_utf8(request.body()).unwrap();
                format!("{} {target} {body}", request.method())
                    .trim()
                    .to_owned()
            })
            .collect()
    }
}

pub(super) fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    let mut builder = http::Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .unwrap()
}

fn outfit(script: Arc<Script>, clock: Arc<Hands>) -> Outfit {
    Outfit {
        transport: script,
        secrets: Arc::new(Pocket),
        clock,
        request_timeout: Duration::from_secs(30),
    }
}

/// An account that signs in with these credentials.
pub(super) fn account(credentials: &[&str], options: &[(&str, &str)]) -> Account {
    Account {
        name: AccountName::new("lab"),
        provider: ProviderKind::KooPhone,
        endpoint: "https://koophone.myhuaweicloud.com".into(),
        identity: VendorIdentity::new("test"),
        credentials: credentials
            .iter()
            .map(|name| ((*name).into(), SecretRef::Env(name.to_uppercase().into())))
            .collect(),
        limits: AccountLimits::default(),
        options: options
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
        origin: crate::model::desired::Origin {
            file: "test.yaml".into(),
            line: 1,
            column: 1,
        },
    }
}

pub(super) fn phones(codes: &[&str]) -> Arc<[PhoneId]> {
    codes.iter().copied().map(PhoneId::from).collect()
}

fn open_error(account: &Account) -> OpenError {
    let clock = Arc::new(Hands(AtomicI64::new(NOW)));
    KooPhone::open(account, outfit(Arc::default(), clock)).unwrap_err()
}

#[test]
fn what_is_wrong_with_an_account_is_said_when_it_is_opened() {
    type Options<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&[&str], Options<'_>, &str); 11] = [
        (KEYS, &[("apps", "system")], "apps"),
        (KEYS, &[("statusTable", "both")], "statusTable"),
        (KEYS, &[("contentType", " ")], "contentType"),
        (KEYS, &[("projectId", "")], "projectId"),
        (KEYS, &[("projectId", "two\nlines")], "projectId"),
        (KEYS, &[("region", "cn-south-1")], "username"),
        (TOKEN, &[("iamEndpoint", "https://iam.example")], "username"),
        (PASSWORD, &[("iamEndpoint", "iam.example")], "iamEndpoint"),
        (
            PASSWORD,
            &[("iamEndpoint", "ftp://iam.example")],
            "iamEndpoint",
        ),
        (PASSWORD, &[("region", "evil.example/")], "region"),
        (
            PASSWORD,
            &[("region", "a"), ("iamEndpoint", "https://iam.example")],
            "region",
        ),
    ];
    for (credentials, options, words) in cases {
        let error = open_error(&account(credentials, options));
        assert!(matches!(error, OpenError::Option { .. }), "{options:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let mut relative = account(KEYS, &[]);
    relative.endpoint = "koophone.myhuaweicloud.com/x".into();
    assert!(matches!(open_error(&relative), OpenError::Option { .. }));
    for (form, name) in [(KEYS, "accessKey"), (TOKEN, "token")] {
        for reference in ["NOWHERE", "BAD"] {
            let mut broken = account(form, &[]);
            broken
                .credentials
                .insert(name.into(), SecretRef::Env(reference.into()));
            let error = open_error(&broken);
            assert!(matches!(error, OpenError::Credential { .. }), "{error}");
        }
    }
    let without = account(&[], &[]);
    assert_eq!(
        open_error(&without).to_string(),
        "credential accessKey of account lab"
    );
}
