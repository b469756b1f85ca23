//! Tokens of the identity service (IAM): fetched when one is needed, kept, renewed early, and once after the vendor refused one.
//!
//! Invariants: of calls that need a new token at the same time one fetches it, and all share what came of it; a token that is still good is used while IAM
//! does not answer; password and token reach no message. Not here: which answers refuse a token (`mod`). Source: IAM's manual, "Obtaining a user token through
//! password authentication": `POST /v3/auth/tokens`, 201, the token in the header `X-Subject-Token`, good for 24 hours.

use super::wire::{
    Auth, IamRefusal, Identity, Named, Password, Scope, TokenAnswer, TokenRequest, User,
};
use crate::model::stamp::Timestamp;
use crate::provider::asked::{Asked, header};
use crate::provider::drift;
use crate::provider::refusal::our_bug;
use crate::provider::registry::Outfit;
use crate::provider::{Accepted, CallError, ErrorKind};
use crate::transport::{Effect, Request, Response};
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// A token is renewed when it lives no longer than this, or than a quarter of its life.
const EARLY: Duration = Duration::from_secs(30 * 60);
/// How long a token lives whose answer does not say it.
const LIFE: Duration = Duration::from_secs(24 * 3600);
/// How long a good token is used after a renewal failed, before the next attempt.
const PATIENCE: Duration = Duration::from_secs(60);
/// Largest answer that is read: IAM lists the whole catalogue of services beside the token.
const MAX_BODY: usize = 4 << 20;

/// Who asks for tokens.
pub(super) struct Login {
    /// IAM's base URL, without a trailing slash.
    pub(super) endpoint: String,
    /// Name of the user.
    pub(super) user: SecretString,
    /// Password of the user.
    pub(super) password: SecretString,
    /// Name of the account the user belongs to.
    pub(super) domain: SecretString,
    /// Name of the project, such as `cn-south-1`.
    pub(super) project: SecretString,
}

/// One token.
#[derive(Clone)]
pub(super) struct Token {
    /// Its text.
    pub(super) text: Arc<SecretString>,
    /// Tells it from other tokens of this process.
    number: u64,
    renew_at: Timestamp,
    ends_at: Timestamp,
}

/// A token to be used now.
pub(super) struct Lease {
    /// The token.
    pub(super) token: Token,
    /// It was fetched for this call, a moment ago.
    pub(super) fresh: bool,
}

/// The tokens of one account.
pub(super) struct Tokens {
    login: Login,
    state: Mutex<State>,
    /// Fetches that have ended.
    round: AtomicU64,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// What came of the last fetch, if it failed.
    failed: Option<CallError>,
    /// A good token is not renewed before.
    not_before: Timestamp,
}

impl Tokens {
    /// Nothing is fetched yet.
    pub(super) fn new(login: Login) -> Self {
        Self {
            login,
            state: Mutex::default(),
            round: AtomicU64::new(0),
        }
    }

    /// A token to be used now, other than the one that was `refused`.
    ///
    /// # Errors
    /// IAM gives none. Nothing was changed anywhere.
    pub(super) async fn lease(
        &self,
        outfit: &Outfit,
        refused: Option<&Token>,
    ) -> Result<Lease, CallError> {
        let round = self.round.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        if let (Some(kept), Some(refused)) = (&state.token, refused)
            && kept.number == refused.number
        {
            state.token = None;
        }
        let now = outfit.clock.now();
        let kept = state.token.clone().filter(|token| token.ends_at > now);
        if let Some(token) = &kept
            && (now < token.renew_at || now < state.not_before)
        {
            let token = token.clone();
            return Ok(Lease {
                token,
                fresh: false,
            });
        }
        let ended = self.round.load(Ordering::Acquire);
        if ended != round
            && let Some(error) = &state.failed
        {
            // Others have tried while this call waited its turn.
            return Err(error.clone());
        }
        let fetched = self.fetch(outfit, ended + 1).await;
        self.round.store(ended + 1, Ordering::Release);
        match (fetched, kept) {
            (Ok(token), _) => {
                state.failed = None;
                state.token = Some(token.clone());
                Ok(Lease { token, fresh: true })
            }
            (Err(error), Some(token)) => {
                tracing::warn!(%error, "No new token; the one that is still good is used on.");
                state.not_before = outfit.clock.now().after(PATIENCE);
                Ok(Lease {
                    token,
                    fresh: false,
                })
            }
            (Err(error), None) => {
                state.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    async fn fetch(&self, outfit: &Outfit, number: u64) -> Result<Token, CallError> {
        let login = &self.login;
        let secrets = [&login.password, &login.user, &login.domain];
        let asked = Asked {
            effect: Effect::Read,
            phones: &[],
            secrets: &secrets,
            payload_is_secret: true,
        };
        let request = login.request(outfit.request_timeout)?;
        let sent = outfit.clock.now();
        let response = outfit
            .transport
            .send(request)
            .await
            .map_err(|error| at_iam(asked.broken(&error)))?;
        let token = judge(&asked, &response, number, sent).map_err(at_iam)?;
        tracing::debug!("IAM gave a new token.");
        Ok(token)
    }
}

/// The error, with where it happened.
fn at_iam(error: CallError) -> CallError {
    CallError {
        message: format!("token from IAM: {}", error.message),
        accepted: Accepted::No,
        ..error
    }
}

impl Login {
    fn request(&self, deadline: Duration) -> Result<Request, CallError> {
        let body = TokenRequest {
            auth: Auth {
                identity: Identity {
                    methods: ["password"],
                    password: Password {
                        user: User {
                            name: self.user.expose_secret(),
                            password: self.password.expose_secret(),
                            domain: Named {
                                name: self.domain.expose_secret(),
                            },
                        },
                    },
                },
                scope: Scope {
                    project: Named {
                        name: self.project.expose_secret(),
                    },
                },
            },
        };
        let body = serde_json::to_vec(&body)
            .map_err(|problem| our_bug(format!("a body cannot be written: {problem}")))?;
        let http = http::Request::post(format!("{}/v3/auth/tokens", self.endpoint))
            .header(CONTENT_TYPE, "application/json")
            .body(Bytes::from(body))
            .map_err(|problem| our_bug(format!("a request cannot be made: {problem}")))?;
        Ok(Request {
            http,
            effect: Effect::Read,
            deadline,
            max_body: MAX_BODY,
        })
    }
}

/// What IAM's answer gives.
fn judge(
    asked: &Asked<'_>,
    response: &Response,
    number: u64,
    sent: Timestamp,
) -> Result<Token, CallError> {
    let status = response.status();
    if !status.is_success() {
        return Err(refusal(asked, response));
    }
    let text = header(response.headers(), "x-subject-token").filter(|text| !text.is_empty());
    let Some(text) = text else {
        return Err(asked.malformed(response, "the answer has no X-Subject-Token"));
    };
    let times = drift::json::<TokenAnswer>(response.body())
        .ok()
        .and_then(|answer| answer.token)
        .unwrap_or_default();
    let moment = |text: Option<smol_str::SmolStr>| {
        let moment: jiff::Timestamp = text?.parse().ok()?;
        Some(Timestamp(moment.as_millisecond()))
    };
    // By their clock, if they tell both ends: ours may differ.
    let life = moment(times.expires_at).map_or(LIFE, |ends| {
        ends.since(moment(times.issued_at).unwrap_or(sent))
    });
    let early = EARLY.min(life / 4);
    Ok(Token {
        text: Arc::new(SecretString::from(text)),
        number,
        renew_at: sent.after(life - early),
        ends_at: sent.after(life),
    })
}

fn refusal(asked: &Asked<'_>, response: &Response) -> CallError {
    let status = response.status();
    let told: IamRefusal = drift::json(response.body()).unwrap_or_default();
    let words = told
        .error
        .and_then(|error| error.message)
        .or(told.error_msg)
        .filter(|words| !words.trim().is_empty());
    let kind = match status {
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::Throttled,
        StatusCode::REQUEST_TIMEOUT => ErrorKind::Transient,
        _ if status.is_server_error() => ErrorKind::Transient,
        // Names and password make up the whole request: what is wrong with it is wrong with them.
        _ if status.is_client_error() => ErrorKind::Unauthorised,
        _ => ErrorKind::Malformed,
    };
    let words = words.map_or_else(
        || format!("HTTP status {}", status.as_u16()),
        |words| words.to_string(),
    );
    CallError {
        code: Some(told.error_code.unwrap_or_else(|| status.as_str().into())),
        ..asked.error(kind, Accepted::No, &words)
    }
}
