//! ArmCloud (`armcloud-paas`) and its sisters VMOS Cloud and VSPhone: one account, signed requests over HTTP, every method one call.
//!
//! Invariants: credentials are resolved once, when the account is opened, and leave only as signatures; answers are judged (`answer`), converted
//! (`convert`, `properties`, `jobs`) and forgotten; nothing is repeated. Not here: what each deployment can do and where its calls go (`flavour`, `table`,
//! `sisters`), how the account is opened (`account`), codes (`errors`), their JSON (`wire`).
//! Source: the vendors' manuals of 2024 and 2025; where they disagree both readings are tolerated.

mod account;
mod answer;
mod convert;
mod errors;
mod flavour;
mod jobs;
mod order;
mod properties;
mod rows;
mod sign;
mod sisters;
mod table;
#[cfg(test)]
mod tests;
pub mod wire;

use super::exchange::{
    self, Answered, check_jobs, checked_phones, lacking, page_number, sensitive,
};
use super::registry::Outfit;
use super::shell;
use super::{
    CallError, ErrorKind, Found, JobRef, JobReport, LostSubmit, Order, Probe, Provider,
    ReadRequest, Submission,
};
use crate::model::capability::Capabilities;
use crate::model::fleet::ProviderKind;
use crate::model::id::PhoneId;
use crate::model::observed::{Observation, PhoneReading, ReadKind};
use crate::model::rename::Rename;
use crate::model::stamp::Timestamp;
use crate::transport::sign::{compact_utc, http_date};
use crate::transport::{Effect, Request, Response};
use answer::{Asked, header, judge, our_bug, refused, without_payload};
use bytes::Bytes;
use flavour::{Action, Flavour, Images, Route};
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sign::{Bodies, CredentialForm, Scheme, Signable};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use wire::{Envelope, PadCodesRequest, PadDetailsRequest, PageRequest, Paged, Rows};

/// Signed and sent exactly so.
const JSON: &str = "application/json;charset=UTF-8";
/// Largest answer that is read: 200 phones with all their properties stay well below.
const MAX_BODY: usize = 32 << 20;
/// How far the creation time of a task may lie before the time we think we sent it, beyond the difference of the clocks.
const CLOCK_SLACK: Duration = Duration::from_secs(5);

/// What the deployment of this kind can do; `None` for other vendors.
pub fn capabilities(kind: ProviderKind) -> Option<&'static Capabilities> {
    Some(Flavour::of(kind)?.capabilities)
}

/// One account at ArmCloud, VMOS Cloud or VSPhone.
pub struct ArmCloud {
    outfit: Outfit,
    flavour: &'static Flavour,
    endpoint: String,
    /// Path of the endpoint, which the older signature signs with the call's.
    base: String,
    host: String,
    access_key: SecretString,
    secret_key: SecretString,
    scheme: Scheme,
    /// A phone of the account, to ask for images where they are listed for a phone.
    some_phone: Mutex<Option<PhoneId>>,
    /// The vendor's build has no list of tasks.
    no_task_list: AtomicBool,
}

impl std::fmt::Debug for ArmCloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArmCloud")
            .field("provider", &self.flavour.capabilities.provider)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// One HTTP call.
struct Exchange<'a> {
    name: &'a str,
    path: &'a str,
    phones: &'a [PhoneId],
    effect: Effect,
    body: Bytes,
    secret: Option<&'a SecretString>,
}

/// A payload in its envelope, with what came around it.
type Answer<T> = Answered<Envelope<T>>;

impl ArmCloud {
    fn signed(&self, exchange: &Exchange<'_>) -> Result<Request, CallError> {
        let http = http::Request::post(format!("{}{}", self.endpoint, exchange.path))
            .header(CONTENT_TYPE, JSON);
        let http = match self.scheme {
            Scheme::V4(form) => self.signed_v4(http, exchange, form)?,
            Scheme::V2(bodies) => self.signed_v2(http, exchange, bodies)?,
        };
        Ok(Request {
            http: http
                .body(exchange.body.clone())
                .map_err(|problem| our_bug(format!("a request cannot be made: {problem}")))?,
            effect: exchange.effect,
            deadline: self.outfit.request_timeout,
            max_body: MAX_BODY,
        })
    }

    fn signed_v4(
        &self,
        http: http::request::Builder,
        exchange: &Exchange<'_>,
        form: CredentialForm,
    ) -> Result<http::request::Builder, CallError> {
        let date = compact_utc(self.outfit.clock.now().0);
        let signable = Signable {
            host: &self.host,
            date: &date,
            content_type: JSON,
            payload: &exchange.body,
        };
        let digest = signable.payload_digest();
        let authorization = signable.authorization(
            self.access_key.expose_secret(),
            &self.secret_key,
            form,
            &digest,
        );
        Ok(http
            .header("x-date", date)
            .header("x-host", &self.host)
            .header("x-content-sha256", digest)
            .header(AUTHORIZATION, sensitive(&authorization)?))
    }

    fn signed_v2(
        &self,
        http: http::request::Builder,
        exchange: &Exchange<'_>,
        bodies: Bodies,
    ) -> Result<http::request::Builder, CallError> {
        // Seconds: a time in milliseconds counts as expired.
        let timestamp = self.outfit.clock.now().0.div_euclid(1000).to_string();
        let payload: &[u8] = match bodies {
            Bodies::Most if self.flavour.has_unsigned_body(exchange.path) => b"",
            Bodies::Most | Bodies::All => &exchange.body,
        };
        let path = format!("{}{}", self.base, exchange.path);
        let sign = sign::v2(&self.secret_key, &timestamp, &path, payload);
        Ok(http
            .header("x-access-key", sensitive(self.access_key.expose_secret())?)
            .header("x-timestamp", timestamp)
            .header("x-sign", sensitive(&sign)?))
    }

    /// Sends one request and judges its answer.
    async fn exchange<T: DeserializeOwned>(
        &self,
        exchange: Exchange<'_>,
    ) -> Result<Answer<T>, CallError> {
        let mut secrets = vec![&self.secret_key, &self.access_key];
        secrets.extend(exchange.secret);
        let asked = Asked {
            effect: exchange.effect,
            phones: exchange.phones,
            secrets: &secrets,
            payload_is_secret: exchange.secret.is_some(),
        };
        let request = self.signed(&exchange)?;
        let judge = |response: &Response, _| judge(&asked, response);
        exchange::send(&self.outfit, exchange.name, &asked, request, judge).await
    }

    /// A read: one page, or some phones.
    async fn ask<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        phones: &[PhoneId],
        body: &B,
    ) -> Result<Answer<T>, CallError> {
        self.exchange(Exchange {
            name: path.rsplit('/').next().unwrap_or(path),
            path,
            phones,
            effect: Effect::Read,
            body: order::json(body)?,
            secret: None,
        })
        .await
    }

    async fn page<T: DeserializeOwned>(
        &self,
        path: &str,
        page: u32,
        rows: u32,
    ) -> Result<Answer<Paged<T>>, CallError> {
        let body = PageRequest {
            page,
            rows,
            pad_codes: None,
        };
        self.ask(path, &[], &body).await
    }

    async fn read_now(&self, request: &ReadRequest) -> Result<Observation, CallError> {
        let phones = checked_phones(request, self.flavour.capabilities)?;
        let pad_codes = phones.to_vec();
        Ok(match request.kind {
            ReadKind::Listing => {
                let page = page_number(request)?;
                let answer = self
                    .page(self.flavour.infos, page, table::LISTING_ROWS)
                    .await?;
                let listing = convert::listing(answer.payload.data, page)
                    .ok_or_else(|| without_payload("page of phones"))?;
                if let (1, Some(row)) = (page, listing.rows.first()) {
                    *self.some_phone() = Some(row.phone.clone());
                }
                listing
            }
            ReadKind::Usage => {
                let body = PadDetailsRequest {
                    page: 1,
                    rows: u32::try_from(pad_codes.len()).unwrap_or(u32::MAX),
                    pad_codes,
                };
                let path = self.flavour.details.ok_or_else(|| lacking(request.kind))?;
                let answer = self.ask(path, phones, &body).await?;
                convert::usage(answer.payload.data, phones)
            }
            ReadKind::Properties => {
                let body = PadCodesRequest { pad_codes };
                let path = self.flavour.properties;
                let answer: Answer<Rows<_>> = self.ask(path, phones, &body).await?;
                let rows = answer.payload.data.unwrap_or_default().into_vec();
                properties::observed(rows, phones, &request.attributes)
            }
            ReadKind::Apps => {
                let body = PadCodesRequest { pad_codes };
                let path = self.flavour.installed;
                let answer: Answer<Rows<_>> = self.ask(path, phones, &body).await?;
                convert::apps(answer.payload.data.unwrap_or_default().into_vec(), phones)
            }
            ReadKind::AppCatalogue => {
                let page = page_number(request)?;
                let path = self.flavour.app_list.ok_or_else(|| lacking(request.kind))?;
                let answer = self.page(path, page, table::CATALOGUE_ROWS).await?;
                convert::app_catalogue(answer.payload.data, page)
                    .ok_or_else(|| without_payload("page of apps"))?
            }
            ReadKind::ImageCatalogue => self.images(page_number(request)?).await?,
            ReadKind::Shell => return Err(our_bug("a shell read is a job")),
        })
    }

    fn some_phone(&self) -> MutexGuard<'_, Option<PhoneId>> {
        self.some_phone
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn images(&self, page: u32) -> Result<Observation, CallError> {
        let told = |data| {
            convert::image_catalogue(data, page).ok_or_else(|| without_payload("page of images"))
        };
        match self.flavour.images {
            Images::Paged(path) => {
                let answer = self.page(path, page, table::CATALOGUE_ROWS).await?;
                told(answer.payload.data)
            }
            Images::OfPhone(path) => {
                let phone = self.some_phone().clone().ok_or_else(|| CallError {
                    kind: ErrorKind::Transient,
                    ..refused("images are listed for a phone, and no phone is listed yet")
                })?;
                let pad_code = phone.clone();
                let body = wire::PadCodeRequest { pad_code };
                let answer: Answer<Paged<_>> = self.ask(path, &[phone], &body).await?;
                // There is nothing to ask a second page with.
                Ok(Observation {
                    next: None,
                    ..told(answer.payload.data)?
                })
            }
        }
    }

    async fn start_read_now(&self, request: &ReadRequest) -> Result<Submission, CallError> {
        if request.kind != ReadKind::Shell {
            return Err(our_bug(format!("{:?} is no read by job", request.kind)));
        }
        let phones = checked_phones(request, self.flavour.capabilities)?;
        let body = wire::AsyncCmdRequest {
            pad_codes: phones.to_vec(),
            script_content: shell::read_script(&request.attributes, &table::COMMANDS)?,
        };
        let ready = order::Ready {
            route: self
                .flavour
                .command()
                .ok_or_else(|| lacking(request.kind))?,
            body: order::json(&body)?,
            secret: None,
        };
        self.start(phones, ready).await
    }

    /// Sends what starts work on phones.
    async fn start(
        &self,
        phones: &[PhoneId],
        ready: order::Ready,
    ) -> Result<Submission, CallError> {
        let Route { name, path, .. } = *ready.route;
        let answer: Answer<Rows<_>> = self
            .exchange(Exchange {
                name,
                path,
                phones,
                effect: Effect::Mutation,
                body: ready.body,
                secret: ready.secret.as_ref(),
            })
            .await?;
        Ok(jobs::submission(ready.route, phones, answer.payload.data))
    }

    async fn submit_now(&self, order: &Order) -> Result<Submission, CallError> {
        let ready = order::build(order, self.flavour, &*self.outfit.secrets)?;
        let action = ready.route.action;
        let mut submission = self.start(&order.phones, ready).await?;
        if action == Action::Proxy {
            // A row's words may repeat the password.
            for (_, outcome) in &mut submission.rows {
                if let super::RowOutcome::Refused(error) = outcome {
                    "refused".clone_into(&mut error.message);
                }
            }
        }
        Ok(submission)
    }

    async fn poll_now(&self, jobs: &[JobRef]) -> Result<Vec<JobReport>, CallError> {
        check_jobs(jobs, self.flavour.capabilities)?;
        let mut task_ids: Vec<wire::Scalar> = jobs
            .iter()
            .map(|job| wire::Scalar::from(job.job.as_str()))
            .collect();
        task_ids.sort_unstable();
        task_ids.dedup();
        let body = wire::TaskIdsRequest { task_ids };
        let path = self.flavour.task_detail;
        let answer: Answer<Rows<_>> = self.ask(path, &[], &body).await?;
        let rows = answer.payload.data.unwrap_or_default().into_vec();
        Ok(jobs::reports(rows, jobs, self.flavour))
    }

    async fn find_now(&self, lost: &LostSubmit) -> Result<Found, CallError> {
        let kind = self
            .flavour
            .route(&lost.call)
            .and_then(|route| route.action.task_type());
        let (Some(kind), Some(path)) = (kind, self.flavour.task_list) else {
            return Ok(Found::CannotLook);
        };
        if self.no_task_list.load(Ordering::Relaxed) {
            return Ok(Found::CannotLook);
        }
        let body = wire::TaskListRequest {
            kind,
            page: 1,
            rows: table::CATALOGUE_ROWS,
        };
        let answer: Answer<Paged<_>> = match self.ask(path, &lost.phones, &body).await {
            Ok(answer) => answer,
            Err(error)
                if error.kind == ErrorKind::Refused && error.code.as_deref() == Some("404") =>
            {
                tracing::info!("This build of the vendor has no list of tasks.");
                self.no_task_list.store(true, Ordering::Relaxed);
                return Ok(Found::CannotLook);
            }
            Err(error) => return Err(error),
        };
        // Their clock: the list tells when a task was made by it.
        let offset = answer.payload.ts.map_or(0, |ts| ts - answer.at.0);
        let since = Timestamp(lost.sent_at.0.saturating_add(offset)).before(CLOCK_SLACK);
        Ok(jobs::found(answer.payload.data, &lost.phones, since))
    }

    async fn renames_now(&self) -> Result<Vec<Rename>, CallError> {
        let path = self
            .flavour
            .renames
            .ok_or_else(|| refused("this deployment has no list of changed codes"))?;
        // Without a day: the last three, today among them (in Shanghai). A day in the future is refused, and whose day it is depends on whose clock is right.
        let answer: Answer<Rows<_>> = self.ask(path, &[], &wire::RenamesRequest {}).await?;
        let rows = answer.payload.data.unwrap_or_default().into_vec();
        Ok(convert::renames(rows))
    }

    async fn probe_now(&self) -> Result<Probe, CallError> {
        let answer = self.page(self.flavour.infos, 1, 1).await?;
        let Answered {
            payload: envelope,
            headers,
            sent: _,
            at,
        } = answer;
        let date = || header(&headers, "date").and_then(http_date);
        let number = |name| header(&headers, name).and_then(|text| text.parse().ok());
        Ok(Probe {
            clock_offset: envelope.ts.or_else(date).map(|theirs| theirs - at.0),
            phones: convert::listing(envelope.data, 1)
                .ok_or_else(|| without_payload("page of phones"))?
                .total,
            rate: number("x-ratelimit-limit").zip(number("x-ratelimit-remaining")),
        })
    }
}

impl Provider for ArmCloud {
    fn capabilities(&self) -> &'static Capabilities {
        self.flavour.capabilities
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
        let told = shell::decode(&request.attributes, &table::COMMANDS, output);
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

    fn find<'a>(&'a self, lost: &'a LostSubmit) -> BoxFuture<'a, Result<Found, CallError>> {
        Box::pin(self.find_now(lost))
    }

    fn renames(&self) -> BoxFuture<'_, Result<Vec<Rename>, CallError>> {
        Box::pin(self.renames_now())
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, CallError>> {
        Box::pin(self.probe_now())
    }
}
