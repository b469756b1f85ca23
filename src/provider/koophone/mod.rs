//! Huawei KooPhone (CloudDevice): one account, requests with a token or a signature, every method one call.
//!
//! Invariants: credentials are resolved once, when the account is opened; a call that was answered "wrong token" did nothing, and alone is sent again, once,
//! with a new one; what a submit answers holds the only map from jobs to phones, so it goes into the jobs' ids. Not here: what can be done (`table`,
//! `refuses`), tokens (`token`), how the account is opened (`account`), codes (`errors`), their JSON (`wire`).
//! Source: the vendor's manual of 2025 and the models of its Java SDK; where they disagree both readings are tolerated.

mod account;
mod answer;
mod convert;
mod errors;
mod jobs;
mod order;
mod refuses;
mod sign;
mod table;
#[cfg(test)]
mod tests;
mod token;
pub mod wire;

use super::asked::{Asked, header, without_payload};
use super::exchange::{self, Answered as Answer, checked_phones, lacking, page_number, sensitive};
use super::refusal::our_bug;
use super::registry::Outfit;
use super::{
    CallError, Found, JobRef, JobReport, LostSubmit, Order, Probe, Provider, ReadRequest,
    Submission, shell,
};
use crate::model::capability::Capabilities;
use crate::model::id::PhoneId;
use crate::model::observed::{Observation, PhoneReading, ReadKind};
use crate::provider::ErrorKind;
use crate::time::delay::hash;
use crate::transport::sign::{compact_utc, http_date};
use crate::transport::{Effect, Request, Response};
use answer::payload;
use bytes::Bytes;
use convert::StatusTable;
use futures_util::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use sign::Signable;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use token::{Lease, Tokens};
use wire::{AppRow, InstanceRow, Page, Started, TaskDetail};

/// Signed and sent exactly so.
const JSON: &str = "application/json";
/// Largest answer that is read.
const MAX_BODY: usize = 8 << 20;
/// Pages of one phone's apps that are read at most.
const APP_PAGES: u32 = 10;

/// What KooPhone can do.
pub fn capabilities() -> &'static Capabilities {
    &table::CAPABILITIES
}

/// One account at KooPhone.
pub struct KooPhone {
    outfit: Outfit,
    endpoint: String,
    /// Path of the endpoint, which is signed with the call's.
    base: String,
    host: String,
    access: Access,
    project_id: Option<String>,
    statuses: StatusTable,
    /// System apps are listed too; the vendor's rows do not tell which they are.
    all_apps: bool,
    /// What installs say of their file's kind.
    content_type: String,
    /// Requests that were made, to number them.
    requests: AtomicU64,
}

impl std::fmt::Debug for KooPhone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KooPhone")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// How an account signs in.
enum Access {
    /// Every request is signed.
    Keys {
        access_key: SecretString,
        secret_key: SecretString,
        /// Of temporary keys.
        security_token: Option<SecretString>,
    },
    /// A token that somebody else fetched.
    Token(Arc<SecretString>),
    /// Tokens are fetched from IAM.
    Password(Box<Tokens>),
}

/// One HTTP call.
struct Exchange<'a> {
    name: &'a str,
    method: Method,
    path: String,
    query: Vec<(&'a str, String)>,
    phones: &'a [PhoneId],
    effect: Effect,
    body: Bytes,
}

impl<'a> Exchange<'a> {
    /// A read of this path.
    fn get(name: &'a str, path: impl Into<String>) -> Self {
        Self {
            name,
            method: Method::GET,
            path: path.into(),
            query: Vec::new(),
            phones: &[],
            effect: Effect::Read,
            body: Bytes::new(),
        }
    }

    /// One page of it.
    fn page(self, number: u32, size: u32) -> Self {
        let query = [("page_no", number), ("page_size", size)];
        Self {
            query: query.map(|(name, value)| (name, value.to_string())).into(),
            ..self
        }
    }
}

/// A call that did not give what it should.
struct Failed {
    error: CallError,
    /// The token or signature was refused.
    unknown_to_them: bool,
}

impl From<CallError> for Failed {
    fn from(error: CallError) -> Self {
        Self {
            error,
            unknown_to_them: false,
        }
    }
}

impl KooPhone {
    /// Tells one request from another in the vendor's logs.
    fn request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let now = self.outfit.clock.now().0.unsigned_abs();
        let half = |key| hash(&self.host, number, now ^ key);
        format!("{:016x}{:016x}", half(1), half(2))
    }

    fn dressed(&self, exchange: &Exchange<'_>, token: Option<&str>) -> Result<Request, CallError> {
        let id = self.request_id();
        let mut query: Vec<(&str, &str)> = exchange
            .query
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        if exchange.name == LISTING {
            // The newest SDK has it here, the manual in the header.
            query.push(("x-request-id", &id));
        }
        let written = sign::query(&query);
        let mark = if written.is_empty() { "" } else { "?" };
        let url = format!("{}{}{mark}{written}", self.endpoint, exchange.path);
        let mut headers: Vec<(&str, &str)> = vec![
            ("content-type", JSON),
            ("host", &self.host),
            ("x-request-id", &id),
        ];
        headers.extend(self.project_id.as_deref().map(|id| ("x-project-id", id)));
        let date = compact_utc(self.outfit.clock.now().0);
        let mut secrets: Vec<(&str, String)> = Vec::new();
        if let Access::Keys {
            access_key,
            secret_key,
            security_token,
        } = &self.access
        {
            headers.push(("x-sdk-date", &date));
            let security_token = security_token.as_ref().map(ExposeSecret::expose_secret);
            let signed_token = security_token.map(|token| ("x-security-token", token));
            let signed: Vec<(&str, &str)> = headers.iter().copied().chain(signed_token).collect();
            let signable = Signable {
                method: exchange.method.as_str(),
                path: &format!("{}{}", self.base, exchange.path),
                query: &query,
                headers: &signed,
                body: &exchange.body,
            };
            let authorization = signable.authorization(access_key.expose_secret(), secret_key);
            secrets.push((AUTHORIZATION.as_str(), authorization));
            secrets.extend(signed_token.map(|(name, token)| (name, token.to_owned())));
        }
        secrets.extend(token.map(|token| ("x-auth-token", token.to_owned())));
        let mut http = http::Request::builder()
            .method(exchange.method.clone())
            .uri(url);
        for (name, value) in headers {
            http = http.header(name, value);
        }
        for (name, value) in secrets {
            http = http.header(name, sensitive(&value)?);
        }
        Ok(Request {
            http: http
                .body(exchange.body.clone())
                .map_err(|problem| our_bug(format!("a request cannot be made: {problem}")))?,
            effect: exchange.effect,
            deadline: self.outfit.request_timeout,
            max_body: MAX_BODY,
        })
    }

    /// Makes one call: with a token of IAM's where the account has a password, and with a new one when the vendor does not know that.
    async fn exchange<T: DeserializeOwned>(
        &self,
        exchange: Exchange<'_>,
    ) -> Result<Answer<T>, CallError> {
        let tokens = match &self.access {
            Access::Keys { .. } => return self.told(&exchange, None).await,
            Access::Token(text) => {
                return self.told(&exchange, Some(text)).await;
            }
            Access::Password(tokens) => tokens,
        };
        let Lease { token, fresh } = tokens.lease(&self.outfit, None).await?;
        let failed = match self.once(&exchange, Some(&token.text)).await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        if fresh || !failed.unknown_to_them {
            return Err(failed.error);
        }
        tracing::info!("The vendor refused a token before its time; a new one is fetched.");
        let Lease { token, .. } = tokens.lease(&self.outfit, Some(&token)).await?;
        self.told(&exchange, Some(&token.text)).await
    }

    /// [`Self::once`], with the error alone.
    async fn told<T: DeserializeOwned>(
        &self,
        exchange: &Exchange<'_>,
        token: Option<&SecretString>,
    ) -> Result<Answer<T>, CallError> {
        self.once(exchange, token)
            .await
            .map_err(|failed| failed.error)
    }

    /// Sends one request and judges its answer.
    async fn once<T: DeserializeOwned>(
        &self,
        exchange: &Exchange<'_>,
        token: Option<&SecretString>,
    ) -> Result<Answer<T>, Failed> {
        let mut secrets: Vec<&SecretString> = token.into_iter().collect();
        if let Access::Keys {
            access_key,
            secret_key,
            security_token,
        } = &self.access
        {
            secrets.extend([access_key, secret_key]);
            secrets.extend(security_token);
        }
        let asked = Asked {
            effect: exchange.effect,
            phones: exchange.phones,
            secrets: &secrets,
            payload_is_secret: false,
        };
        let text = token.map(ExposeSecret::expose_secret);
        let request = self.dressed(exchange, text)?;
        let mut unknown_to_them = false;
        let judge = |response: &Response, at| {
            answer::judge(&asked, response, at)
                .and_then(|data| payload(data, exchange.name, &asked))
                .inspect_err(|error| unknown_to_them = is_unknown(error, response))
        };
        let answered = exchange::send(&self.outfit, exchange.name, &asked, request, judge).await;
        answered.map_err(|error| Failed {
            error,
            unknown_to_them,
        })
    }

    async fn listing(
        &self,
        number: u32,
        rows: u32,
    ) -> Result<Answer<Page<InstanceRow>>, CallError> {
        let exchange = Exchange::get(LISTING, "/v1/instances/batch-query").page(number, rows);
        self.exchange(exchange).await
    }

    async fn read_now(&self, request: &ReadRequest) -> Result<Observation, CallError> {
        match request.kind {
            ReadKind::Listing => {
                let number = page_number(request)?;
                let page = self.listing(number, table::LISTING_ROWS).await?.payload;
                convert::listing(page, number, table::LISTING_ROWS, self.statuses)
                    .ok_or_else(|| without_payload("page of phones"))
            }
            ReadKind::Apps => self.apps(request).await,
            kind @ (ReadKind::Usage
            | ReadKind::Properties
            | ReadKind::Shell
            | ReadKind::AppCatalogue
            | ReadKind::ImageCatalogue) => Err(lacking(kind)),
        }
    }

    /// The third-party apps of one phone, or all of them. Hardly any phone has more than a page of them; where one has, its other pages are read too, because half a list
    /// would show apps as missing.
    async fn apps(&self, request: &ReadRequest) -> Result<Observation, CallError> {
        let [phone] = checked_phones(request, capabilities())? else {
            return Err(our_bug("apps are read of one phone at a time"));
        };
        let path = format!("/v1/instances/{}/app-list", sign::encoded(phone.as_str()));
        let mut apps: Vec<AppRow> = Vec::new();
        let mut number = 1;
        loop {
            let mut exchange =
                Exchange::get("app-list", path.as_str()).page(number, table::APP_ROWS);
            if !self.all_apps {
                exchange.query.push(("app_type", "2".to_owned()));
            }
            exchange.phones = &request.phones;
            let page = self.exchange(exchange).await?.payload;
            let page = convert::unpaged(page, number, table::APP_ROWS)
                .ok_or_else(|| without_payload("page of apps"))?;
            apps.extend(page.rows);
            match page.next {
                None => {
                    let system = (!self.all_apps).then_some(false);
                    return Ok(convert::apps(phone.clone(), apps, system));
                }
                Some(next) if next <= APP_PAGES => number = next,
                Some(_) => return Err(without_payload("end to its list of apps")),
            }
        }
    }

    async fn start_read_now(&self, request: &ReadRequest) -> Result<Submission, CallError> {
        if request.kind != ReadKind::Shell {
            return Err(lacking(request.kind));
        }
        let phones = checked_phones(request, capabilities())?;
        let script = shell::read_script(&request.attributes, &table::BOUNDS)?;
        self.start(phones, order::command(script, phones)?).await
    }

    /// Sends what starts work on phones.
    async fn start(
        &self,
        phones: &[PhoneId],
        ready: order::Ready,
    ) -> Result<Submission, CallError> {
        let answer: Answer<Started> = self
            .exchange(Exchange {
                name: ready.name,
                method: Method::POST,
                path: ready.path.to_owned(),
                query: Vec::new(),
                phones,
                effect: Effect::Mutation,
                body: ready.body,
            })
            .await?;
        Ok(jobs::submission(ready.name, phones, answer.payload))
    }

    async fn submit_now(&self, order: &Order) -> Result<Submission, CallError> {
        let ready = order::build(order, &self.content_type)?;
        self.start(&order.phones, ready).await
    }

    async fn poll_now(&self, jobs: &[JobRef]) -> Result<Vec<JobReport>, CallError> {
        let task = jobs::task(jobs)?;
        let exchange = Exchange::get("tasks", format!("/v1/instances/tasks/{task}"));
        let answer: Answer<TaskDetail> = self.exchange(exchange).await?;
        Ok(jobs::reports(answer.payload, jobs))
    }

    async fn probe_now(&self) -> Result<Probe, CallError> {
        let Answer {
            payload: data,
            headers,
            sent: _,
            at,
        } = self.listing(1, 1).await?;
        let date = header(&headers, "date").and_then(http_date);
        Ok(Probe {
            clock_offset: date.map(|theirs| theirs - at.0),
            phones: convert::listing(data, 1, 1, self.statuses)
                .ok_or_else(|| without_payload("page of phones"))?
                .total,
            rate: None,
        })
    }
}

/// The call that lists phones.
const LISTING: &str = "batch-query";

/// Whether the vendor did not know who asks: HTTP 401, or the gateway's code for it.
fn is_unknown(error: &CallError, response: &Response) -> bool {
    let code = error.code.as_deref().and_then(errors::split);
    error.kind == ErrorKind::Unauthorised
        && (response.status() == StatusCode::UNAUTHORIZED
            || code == Some((errors::Family::Gateway, 301)))
}

impl Provider for KooPhone {
    fn capabilities(&self) -> &'static Capabilities {
        capabilities()
    }

    fn read<'a>(
        &'a self,
        request: &'a ReadRequest,
    ) -> BoxFuture<'a, Result<Observation, CallError>> {
        Box::pin(self.read_now(request))
    }

    fn start_read<'a>(
        &'a self,
        request: &'a ReadRequest,
    ) -> BoxFuture<'a, Result<Submission, CallError>> {
        Box::pin(self.start_read_now(request))
    }

    fn decode_read(&self, request: &ReadRequest, phone: &PhoneId, output: &str) -> PhoneReading {
        let told = if output.len() < table::OUTPUT {
            shell::decode(&request.attributes, &table::BOUNDS, output)
        } else {
            // It may have been cut off: half a value is none.
            shell::Told::default()
        };
        PhoneReading {
            phone: phone.clone(),
            listed: None,
            values: told.values,
            apps: told.apps,
        }
    }

    fn submit<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Submission, CallError>> {
        Box::pin(self.submit_now(order))
    }

    fn poll<'a>(&'a self, jobs: &'a [JobRef]) -> BoxFuture<'a, Result<Vec<JobReport>, CallError>> {
        Box::pin(self.poll_now(jobs))
    }

    /// The vendor has no list of tasks.
    fn find<'a>(&'a self, _lost: &'a LostSubmit) -> BoxFuture<'a, Result<Found, CallError>> {
        Box::pin(async { Ok(Found::CannotLook) })
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, CallError>> {
        Box::pin(self.probe_now())
    }
}
