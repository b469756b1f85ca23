//! Contract tests: requests, answers and refusals against a scripted transport that keeps what was sent; then against the simulated vendor (`simulated`).

mod jobs;
mod listing;
mod recorded;
mod simulated;
mod stored;
mod tidy;

use super::Zenlayer;
use crate::model::desired::Origin;
use crate::model::fleet::{Account, AccountLimits, ProviderKind};
use crate::model::id::{AccountName, PhoneId, VendorIdentity};
use crate::model::stamp::Timestamp;
use crate::model::value::{SecretRef, Value, Wish};
use crate::provider::registry::{OpenError, Outfit};
use crate::provider::zenlayer::table::call;
use crate::provider::{JobRef, Order};
use crate::secret::{SecretError, Secrets};
use crate::time::clock::Clock;
use crate::transport::{Request, Response, Transport, TransportError};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use serde_json::{Value as Json, json};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The moment of the recorded requests: 2026-01-15T08:00:00Z.
pub(super) const NOW: Timestamp = Timestamp(1_768_464_000_000);

/// Answers in order; keeps requests.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Result<Response, TransportError>>>,
    sent: Mutex<Vec<Request>>,
}

impl Transport for Script {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        self.sent.lock().unwrap().push(request);
        let answer = self.answers.lock().unwrap().pop_front();
        Box::pin(async move { answer.expect("no answer is scripted") })
    }
}

/// A clock that a test sets.
struct Set(AtomicI64);

impl Clock for Set {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

/// The keys of the recorded requests.
struct Pocket;

impl Secrets for Pocket {
    fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        let SecretRef::Env(name) = reference else {
            panic!("{reference:?}")
        };
        match name.as_str() {
            "AK" => Ok("ZCFakeAccessKeyId0001".into()),
            "SK" => Ok("ZCFakeAccessKeyPassword0123456789".into()),
            "TOKEN" => Ok("FakePersonalAccessToken".into()),
            "BAD" => Ok("two\nlines".into()),
            _ => Err(SecretError {
                reference: name.to_string(),
                problem: "is not set".to_owned(),
            }),
        }
    }
}

/// An account and what it talks to.
struct Rig {
    provider: Zenlayer,
    script: Arc<Script>,
    clock: Arc<Set>,
}

impl Rig {
    /// Answers with these payloads.
    fn answering(payloads: &[Json]) -> Self {
        Self::with(payloads.iter().map(good).collect())
    }

    fn with(answers: Vec<Result<Response, TransportError>>) -> Self {
        Self::open(&account(&[]), answers)
    }

    fn open(account: &Account, answers: Vec<Result<Response, TransportError>>) -> Self {
        let script = Arc::new(Script {
            answers: Mutex::new(answers.into()),
            sent: Mutex::default(),
        });
        let clock = Arc::new(Set(AtomicI64::new(NOW.0)));
        let provider = Zenlayer::open(account, outfit(script.clone(), clock.clone())).unwrap();
        Self {
            provider,
            script,
            clock,
        }
    }

    /// More answers, after those that are left.
    fn then(&self, answers: Vec<Result<Response, TransportError>>) {
        self.script.answers.lock().unwrap().extend(answers);
    }

    /// Time passes.
    fn wait(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    /// Action and body of each request that was sent since this was asked last.
    fn sent(&self) -> Vec<(String, Json)> {
        let mut sent = self.script.sent.lock().unwrap();
        sent.drain(..)
            .map(|request| {
                let action = request.http.headers()["x-zc-action"].to_str().unwrap();
                let body = serde_json::from_slice(request.http.body()).unwrap();
                (action.to_owned(), body)
            })
            .collect()
    }

    /// The same without bodies.
    fn actions(&self) -> Vec<String> {
        self.sent().into_iter().map(|(action, _)| action).collect()
    }
}

fn outfit(script: Arc<Script>, clock: Arc<Set>) -> Outfit {
    Outfit {
        transport: script,
        secrets: Arc::new(Pocket),
        clock,
        request_timeout: Duration::from_secs(30),
    }
}

fn response(status: u16, body: &str) -> Result<Response, TransportError> {
    let builder = http::Response::builder().status(status);
    Ok(builder
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .unwrap())
}

/// An answer with this payload.
fn good(payload: &Json) -> Result<Response, TransportError> {
    let body = json!({ "requestId": "T1", "response": payload });
    response(200, &body.to_string())
}

/// An answer with this error.
fn bad(status: u16, code: &str) -> Result<Response, TransportError> {
    let body = json!({ "requestId": "T1", "code": code, "message": "no" });
    response(status, &body.to_string())
}

fn lost() -> Result<Response, TransportError> {
    Err(TransportError::Timeout(Duration::from_secs(30)))
}

fn account(options: &[(&str, &str)]) -> Account {
    let env = |name: &str| SecretRef::Env(name.into());
    Account {
        name: AccountName::new("edge"),
        provider: ProviderKind::Zenlayer,
        endpoint: "https://console.zenlayer.com".into(),
        identity: VendorIdentity::new("test"),
        credentials: [
            ("accessKey".into(), env("AK")),
            ("secretKey".into(), env("SK")),
        ]
        .into(),
        limits: AccountLimits::default(),
        options: options
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
        origin: Origin {
            file: "test.yaml".into(),
            line: 1,
            column: 1,
        },
    }
}

fn phones(ids: &[&str]) -> Arc<[PhoneId]> {
    ids.iter().copied().map(PhoneId::from).collect()
}

/// Sets a property on these phones.
fn order(ids: &[&str], zone: &str) -> Order {
    let wish = Wish::Set(Value::Text(zone.into()));
    Order {
        mark: 7,
        call: call::SETTINGS,
        phones: phones(ids),
        writes: ["property/persist.sys.fleet.zone".parse().unwrap()]
            .map(|attribute| (attribute, wish.clone()))
            .into(),
        app: None,
        image: None,
    }
}

fn job(run: &str, phone: &str) -> JobRef {
    JobRef {
        job: super::convert::job(run, &PhoneId::new(phone)),
        phone: PhoneId::new(phone),
        call: call::SETTINGS.into(),
    }
}

fn open_error(account: &Account) -> OpenError {
    let clock = Arc::new(Set(AtomicI64::new(NOW.0)));
    Zenlayer::open(account, outfit(Arc::default(), clock)).unwrap_err()
}

#[test]
fn what_is_wrong_with_an_account_is_said_when_it_is_opened() {
    for (option, value) in [
        ("commandPrefix", ""),
        ("commandPrefix", "sh\n-c"),
        ("groupTag", " "),
    ] {
        let error = open_error(&account(&[(option, value)]));
        assert!(matches!(error, OpenError::Option { .. }));
        assert!(error.to_string().contains(option), "{error}");
    }
    let mut relative = account(&[]);
    relative.endpoint = "console.zenlayer.com".into();
    assert!(matches!(open_error(&relative), OpenError::Option { .. }));
    for reference in ["NOWHERE", "BAD"] {
        let mut broken = account(&[]);
        broken
            .credentials
            .insert("secretKey".into(), SecretRef::Env(reference.into()));
        assert!(matches!(open_error(&broken), OpenError::Credential { .. }));
    }
    let mut without = account(&[]);
    without.credentials.clear();
    assert_eq!(
        open_error(&without).to_string(),
        "credential accessKey of account edge"
    );
}
