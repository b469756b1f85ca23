//! Contract tests: bodies, answers and refusals against a scripted transport that keeps what was sent.

mod answers;
mod jobs;
mod orders;
mod reads;
mod simulated;

use super::ArmCloud;
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
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// 2024-03-01T09:37:00Z.
pub(super) const NOW: Timestamp = Timestamp(1_709_285_820_000);
pub(super) const PASSWORD: &str = "hunter2;\"quoted\"";
const SECRET_KEY: &str = "skfleettestsecret0000001";

/// Answers in order; keeps requests.
#[derive(Default)]
pub(super) struct Script {
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

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        NOW
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
            "AK" => Ok("AKFLEETTEST000000000000000000001".into()),
            "SK" => Ok(SECRET_KEY.into()),
            "PW" => Ok(PASSWORD.into()),
            "BAD" => Ok("two\nlines".into()),
            _ => Err(missing(name)),
        }
    }
}

/// An account and what it talks to.
pub(super) struct Rig {
    pub(super) provider: ArmCloud,
    script: Arc<Script>,
}

impl Rig {
    /// Answers with status 200 and these bodies.
    pub(super) fn answering(bodies: &[&str]) -> Self {
        Self::with(
            bodies
                .iter()
                .map(|body| Ok(response(200, &[], body)))
                .collect(),
        )
    }

    pub(super) fn with(answers: Vec<Result<Response, TransportError>>) -> Self {
        Self::at(ProviderKind::ArmCloud, answers)
    }

    /// An account at one of the deployments.
    pub(super) fn at(
        provider: ProviderKind,
        answers: Vec<Result<Response, TransportError>>,
    ) -> Self {
        let script = Arc::new(Script {
            answers: Mutex::new(answers.into()),
            sent: Mutex::default(),
        });
        let account = Account {
            provider,
            ..account(&[])
        };
        let provider = ArmCloud::open(&account, outfit(script.clone())).unwrap();
        Self { provider, script }
    }

    /// Path and body of each request that was sent.
    pub(super) fn sent(&self) -> Vec<(String, String)> {
        let sent = self.script.sent.lock().unwrap();
        sent.iter()
            .map(|request| {
                (
                    request.http.uri().path().to_owned(),
                    String::from_utf8(request.http.body().to_vec()).unwrap(),
                )
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

fn outfit(script: Arc<Script>) -> Outfit {
    Outfit {
        transport: script,
        secrets: Arc::new(Pocket),
        clock: Arc::new(Stopped),
        request_timeout: Duration::from_secs(30),
    }
}

fn account(options: &[(&str, &str)]) -> Account {
    let env = |name: &str| SecretRef::Env(name.into());
    Account {
        name: AccountName::new("hk"),
        provider: ProviderKind::ArmCloud,
        endpoint: "https://openapi-hk.armcloud.net".into(),
        identity: VendorIdentity::new("test"),
        credentials: BTreeMap::from([
            ("accessKey".into(), env("AK")),
            ("secretKey".into(), env("SK")),
        ]),
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
    ArmCloud::open(account, outfit(Arc::default())).unwrap_err()
}

#[test]
fn what_is_wrong_with_an_account_is_said_when_it_is_opened() {
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[("credentialForm", "both")], "credentialForm"),
        (&[("signedHost", "two\nlines")], "signedHost"),
        (&[("signature", "v3")], "v2-all-bodies"),
        (
            &[("signature", "v2"), ("signedHost", "a.example")],
            "signedHost",
        ),
        (
            &[("signature", "v2"), ("credentialForm", "bare")],
            "credentialForm",
        ),
    ];
    for (options, words) in cases {
        let error = open_error(&account(options));
        assert!(matches!(error, OpenError::Option { .. }));
        assert!(error.to_string().contains(words), "{error}");
    }
    let mut relative = account(&[]);
    relative.endpoint = "armcloud.net/x".into();
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
        "credential accessKey of account hk"
    );
}

#[test]
fn another_vendors_account_is_not_opened() {
    let mut other = account(&[]);
    other.provider = ProviderKind::Zenlayer;
    assert!(matches!(open_error(&other), OpenError::Unsupported(_)));
}
