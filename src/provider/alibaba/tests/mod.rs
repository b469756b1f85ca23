//! Contract tests: what is sent, and what answers mean, against a scripted transport that keeps what was sent.

mod answers;
mod requests;

use super::Alibaba;
use crate::model::desired::Origin;
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
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// 2026-01-15T08:00:00Z.
pub(super) const NOW: Timestamp = Timestamp(1_768_464_000_000);
const ID: &str = "LTAI5tFakeAccessKeyId0001";
const SECRET: &str = "FakeAccessKeySecret0123456789abcdef";
const TOKEN: &str = "FakeSecurityToken+/==";

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

/// `env` references resolve to these; a refresh brings the next token.
#[derive(Default)]
struct Pocket(AtomicU32);

impl Secrets for Pocket {
    fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        let missing = |name: &str| SecretError {
            reference: name.to_owned(),
            problem: "is not set".to_owned(),
        };
        let SecretRef::Env(name) = reference else {
            return Err(missing("?"));
        };
        match (name.as_str(), self.0.load(Ordering::Relaxed)) {
            ("AK", _) => Ok(ID.into()),
            ("SK", _) => Ok(SECRET.into()),
            ("STS", 0) => Ok(TOKEN.into()),
            ("STS", _) => Ok("NextToken".into()),
            ("BAD", _) => Ok("two\nlines".into()),
            _ => Err(missing(name)),
        }
    }

    fn refresh(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// An account and what it talks to.
pub(super) struct Rig {
    pub(super) provider: Alibaba,
    script: Arc<Script>,
}

impl Rig {
    /// Answers with status 200 and these bodies.
    pub(super) fn answering(bodies: &[&str]) -> Self {
        let answers = bodies.iter().map(|body| Ok(response(200, &[], body)));
        Self::with(answers.collect(), &[])
    }

    pub(super) fn with(
        answers: Vec<Result<Response, TransportError>>,
        more: &[(&str, &str)],
    ) -> Self {
        let script = Arc::new(Script {
            answers: Mutex::new(answers.into()),
            sent: Mutex::default(),
        });
        let provider = Alibaba::open(&account(more), outfit(script.clone())).unwrap();
        Self { provider, script }
    }

    /// What was sent.
    pub(super) fn sent(&self) -> Vec<http::Request<Bytes>> {
        let sent = self.script.sent.lock().unwrap();
        let parts = sent.iter().map(|request| request.http.clone());
        parts.collect()
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
        secrets: Arc::new(Pocket::default()),
        clock: Arc::new(Stopped),
        request_timeout: Duration::from_secs(30),
    }
}

/// The account, with these credentials beside the keys (or in their place).
fn account(more: &[(&str, &str)]) -> Account {
    let keys = [("accessKey", "AK"), ("secretKey", "SK")];
    Account {
        name: AccountName::new("sh"),
        provider: ProviderKind::Alibaba,
        endpoint: "https://eds-aic.cn-shanghai.aliyuncs.com".into(),
        identity: VendorIdentity::new("test"),
        credentials: keys
            .iter()
            .chain(more)
            .map(|(name, value)| ((*name).into(), SecretRef::Env((*value).into())))
            .collect(),
        limits: AccountLimits::default(),
        options: [].into(),
        origin: Origin {
            file: "test.yaml".into(),
            line: 1,
            column: 1,
        },
    }
}

pub(super) fn phones(ids: &[&str]) -> Arc<[PhoneId]> {
    ids.iter().copied().map(PhoneId::from).collect()
}

fn open_error(account: &Account) -> OpenError {
    Alibaba::open(account, outfit(Arc::default())).unwrap_err()
}

#[test]
fn what_is_wrong_with_an_account_is_said_when_it_is_opened() {
    for (name, value) in [
        ("secretKey", "BAD"),
        ("accessKey", "NONE"),
        ("securityToken", "NONE"),
    ] {
        let error = open_error(&account(&[(name, value)]));
        assert!(
            matches!(&error, OpenError::Credential { name: told, .. } if told == name),
            "{error:?}"
        );
    }
    for endpoint in ["eds-aic", "https://eds-aic.example/path", "/"] {
        let account = Account {
            endpoint: endpoint.into(),
            ..account(&[])
        };
        let error = open_error(&account);
        assert!(
            matches!(&error, OpenError::Option { name, .. } if name == "endpoint"),
            "{error:?}"
        );
    }
    let other = Account {
        provider: ProviderKind::Zenlayer,
        ..account(&[])
    };
    assert!(matches!(open_error(&other), OpenError::Unsupported(_)));
}
