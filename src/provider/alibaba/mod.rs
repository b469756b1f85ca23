//! Alibaba Cloud Phone (eds-aic, API 2023-09-30): one account, signed requests over HTTP, every method one call.
//!
//! Invariants: keys leave only as signatures (and a temporary identity's token in its header); every request has a time and nonce of its own; answers are
//! judged (`answer`), converted (`convert`, `jobs`) and forgotten; nothing is repeated. Not here: what can be done (`table`), orders (`order`), codes
//! (`errors`), their JSON (`wire`), the phones' shell (`provider/shell`). Source: the vendor's API and its official SDK.

mod account;
mod answer;
mod convert;
mod errors;
mod import;
mod jobs;
mod order;
mod sign;
mod table;
#[cfg(test)]
mod tests;
mod wire;

use super::asked::{Asked, header, without_payload};
use super::exchange::{self, Answered, check_jobs, checked_phones, lacking, sensitive};
use super::refusal::our_bug;
use super::registry::Outfit;
use super::{
    CallError, ErrorKind, Found, JobRef, JobReport, LostSubmit, Order, Probe, Provider,
    ReadRequest, RowOutcome, Submission, shell,
};
use crate::model::capability::Capabilities;
use crate::model::id::PhoneId;
use crate::model::observed::{Cursor, Observation, PhoneReading, ReadKind};
use crate::model::stamp::Timestamp;
use crate::model::value::SecretRef;
use crate::transport::sign::{http_date, iso_utc, sha256_hex};
use crate::transport::{Request, Response};
use account::Keys;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use sign::Signable;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use table::{COMMANDS, ROWS, call};
use wire::{Answer, Call, Page, Started, TaskRow, action};

/// Version of the API.
const VERSION: &str = "2023-09-30";
/// How the body is written, when there is one.
const FORM: &str = "application/x-www-form-urlencoded";
/// What we call ourselves; the vendor's SDKs sign it, and so do we.
const USER_AGENT: &str = concat!("phonefleet/", env!("CARGO_PKG_VERSION"));
/// Largest answer that is read: 100 phones or tasks stay well below.
const MAX_BODY: usize = 32 << 20;
/// How far the beginning of a task may lie before the time we think we sent it, beyond the difference of the clocks: both sides tell whole seconds.
const CLOCK_SLACK: Duration = Duration::from_secs(5);
/// How long the jobs of answers are remembered: lost submits are searched for within a minute.
const MEMORY: Duration = Duration::from_secs(600);

/// What Alibaba Cloud Phone can do.
pub fn capabilities() -> &'static Capabilities {
    &table::CAPABILITIES
}

/// One account at Alibaba Cloud Phone.
pub struct Alibaba {
    outfit: Outfit,
    endpoint: String,
    host: String,
    references: BTreeMap<SmolStr, SecretRef>,
    keys: Mutex<Arc<Keys>>,
    memory: Mutex<Memory>,
}

/// What helps to read later answers; nothing is wrong without it.
#[derive(Default)]
struct Memory {
    /// Tasks over many phones that were seen to have ended: their children are asked for next.
    ended: BTreeSet<SmolStr>,
    /// Jobs that answers named, and when: a search for lost ones must not take them.
    named: BTreeMap<SmolStr, Timestamp>,
    /// The vendor's clock minus ours in milliseconds, by the last answer.
    offset: i64,
    /// Files that were looked for in the catalogue, by their digest.
    imports: BTreeMap<SmolStr, import::Import>,
}

impl std::fmt::Debug for Alibaba {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alibaba")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl Alibaba {
    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The vendor took the keys for wrong: a temporary identity is over, or they were rotated. The next request is signed with what is there then.
    fn resolve_again(&self) {
        self.outfit.secrets.refresh();
        match Keys::resolve(&self.references, &*self.outfit.secrets) {
            Ok(keys) => {
                *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
            }
            Err((name, error)) => {
                tracing::warn!(credential = name, %error, "A credential cannot be read again; the old one is kept.");
            }
        }
    }

    /// The headers that are signed, by their lower-case names; the official SDK signs the same.
    fn headers(&self, call: &Call, keys: &Keys, digest: &str) -> Vec<(&'static str, String)> {
        let now = self.outfit.clock.now();
        let provider = match keys.token {
            Some(_) => "static_sts",
            None => "static_ak",
        };
        let mut headers = vec![
            ("accept", "application/json".to_owned()),
            ("host", self.host.clone()),
            ("user-agent", USER_AGENT.to_owned()),
            ("x-acs-action", call.action.name.to_owned()),
            ("x-acs-content-sha256", digest.to_owned()),
            ("x-acs-credentials-provider", provider.to_owned()),
            ("x-acs-date", iso_utc(now.0)),
            ("x-acs-signature-nonce", sign::nonce(now)),
            ("x-acs-version", VERSION.to_owned()),
        ];
        if !call.form.is_empty() {
            headers.push(("content-type", FORM.to_owned()));
        }
        if let Some(token) = &keys.token {
            headers.push(("x-acs-accesskey-id", keys.id.expose_secret().to_owned()));
            headers.push(("x-acs-security-token", token.expose_secret().to_owned()));
        }
        headers
    }

    fn signed(&self, call: &Call, keys: &Keys) -> Result<Request, CallError> {
        let query = sign::encoded(&call.query);
        let body = sign::encoded(&call.form);
        let digest = sha256_hex(body.as_bytes());
        let headers = self.headers(call, keys, &digest);
        let signable = Signable {
            query: &query,
            headers: &headers,
            body_digest: &digest,
        };
        let authorization = signable.authorization(keys.id.expose_secret(), &keys.secret);
        let target = match query.is_empty() {
            true => format!("{}/", self.endpoint),
            false => format!("{}/?{query}", self.endpoint),
        };
        let mut http =
            http::Request::post(target).header("authorization", sensitive(&authorization)?);
        for (name, value) in &headers {
            http = match *name {
                "x-acs-accesskey-id" | "x-acs-security-token" => {
                    http.header(*name, sensitive(value)?)
                }
                _ => http.header(*name, value),
            };
        }
        Ok(Request {
            http: http
                .body(Bytes::from(body))
                .map_err(|problem| our_bug(format!("a request cannot be made: {problem}")))?,
            effect: call.action.effect,
            deadline: self.outfit.request_timeout,
            max_body: MAX_BODY,
        })
    }

    /// Sends one request and judges its answer.
    async fn exchange<T: Answer>(
        &self,
        call: &Call,
        phones: &[PhoneId],
    ) -> Result<Answered<T>, CallError> {
        let keys = self.keys();
        let secrets: Vec<&SecretString> = [&keys.secret, &keys.id]
            .into_iter()
            .chain(&keys.token)
            .collect();
        let asked = Asked {
            effect: call.action.effect,
            phones,
            secrets: &secrets,
            payload_is_secret: false,
        };
        let request = self.signed(call, &keys)?;
        let judge = |response: &Response, at| answer::judge(&asked, response, at);
        let answered = exchange::send(&self.outfit, call.action.name, &asked, request, judge).await;
        match &answered {
            Ok(answered) => {
                if let Some(theirs) = header(&answered.headers, "date").and_then(http_date) {
                    self.memory().offset = theirs - answered.at.0;
                }
            }
            Err(error) if error.kind == ErrorKind::Unauthorised => self.resolve_again(),
            Err(_) => {}
        }
        answered
    }

    async fn read_now(&self, request: &ReadRequest) -> Result<Observation, CallError> {
        let phones = checked_phones(request, &table::CAPABILITIES)?;
        let token = request.cursor.as_ref().map(|Cursor(text)| text.as_str());
        match request.kind {
            ReadKind::Listing => {
                let page = self
                    .exchange(&paged(Call::of(&action::INSTANCES), token), &[])
                    .await?;
                convert::listing(page.payload, token)
                    .ok_or_else(|| without_payload("page of phones"))
            }
            ReadKind::Properties => {
                let call = order::on(&action::ADB, "InstanceIds", phones).with("MaxResults", &ROWS);
                let page = self.exchange(&call, phones).await?;
                convert::adb(page.payload, phones)
                    .ok_or_else(|| without_payload("list of ADB addresses"))
            }
            ReadKind::AppCatalogue => {
                let page = self
                    .exchange(&paged(Call::of(&action::APPS), token), &[])
                    .await?;
                convert::app_catalogue(page.payload, token)
                    .ok_or_else(|| without_payload("page of apps"))
            }
            ReadKind::ImageCatalogue => {
                let (kind, token) = convert::image_place(request.cursor.as_ref())
                    .ok_or_else(|| our_bug("no page of images is called so"))?;
                let call = Call::of(&action::IMAGES).with("ImageType", kind);
                let page = self.exchange(&paged(call, token.as_deref()), &[]).await?;
                convert::image_catalogue(page.payload, kind, token.as_deref())
                    .ok_or_else(|| without_payload("page of images"))
            }
            // The usual way is a command; this one stands in where none may be run.
            ReadKind::Shell => {
                let [phone] = phones else {
                    return Err(our_bug("properties are read of one phone at a time"));
                };
                let call = Call::of(&action::PROPERTIES).with("InstanceId", phone);
                let answer = self.exchange(&call, phones).await?;
                convert::properties(&answer.payload, phone, &request.attributes)
                    .ok_or_else(|| without_payload("properties"))
            }
            ReadKind::Usage | ReadKind::Apps => Err(lacking(request.kind)),
        }
    }

    async fn start_read_now(&self, request: &ReadRequest) -> Result<Submission, CallError> {
        if request.kind != ReadKind::Shell {
            return Err(our_bug(format!("{:?} is no read by job", request.kind)));
        }
        let phones = checked_phones(request, &table::CAPABILITIES)?;
        let script = shell::read_script(&request.attributes, &COMMANDS)?;
        self.start(&order::command(phones, &script), phones).await
    }

    /// Sends what starts work on phones.
    async fn start(&self, call: &Call, phones: &[PhoneId]) -> Result<Submission, CallError> {
        let answer: Answered<Started> = self.exchange(call, phones).await?;
        let submission = match call.action.name {
            call::MODIFY | call::START_ADB | call::STOP_ADB => jobs::done(phones),
            name => jobs::submission(name, phones, &answer.payload),
        };
        let mut memory = self.memory();
        let oldest = answer.at.before(MEMORY);
        memory.named.retain(|_, at| *at >= oldest);
        for (_, outcome) in &submission.rows {
            if let RowOutcome::Job(job) = outcome {
                // Of a batch without rows of its own the batch is named, not its children.
                let id = jobs::batch_of(job).unwrap_or(job.as_str());
                memory.named.insert(id.into(), answer.at);
            }
        }
        drop(memory);
        Ok(submission)
    }

    async fn poll_now(&self, jobs: &[JobRef]) -> Result<Vec<JobReport>, CallError> {
        check_jobs(jobs, &table::CAPABILITIES)?;
        let batches: BTreeSet<&str> = jobs
            .iter()
            .filter_map(|job| jobs::batch_of(&job.job))
            .collect();
        let ended = {
            let memory = self.memory();
            batches
                .iter()
                .find(|batch| memory.ended.contains(**batch))
                .copied()
        };
        if let Some(batch) = ended {
            return self.poll_children(batch, jobs).await;
        }
        let single = jobs
            .iter()
            .map(|job| job.job.as_str())
            .filter(|id| !id.contains('/'));
        let ids: BTreeSet<&str> = single.chain(batches).collect();
        let call = Call::of(&action::TASKS)
            .with_all("TaskIds", ids)
            .with("MaxResults", &ROWS);
        let rows = self.tasks(&call, &[]).await?;
        let told = jobs::reports(rows, jobs);
        self.memory().ended.extend(told.ended);
        Ok(told.reports)
    }

    /// The tasks of the phones of a batch that has ended. Jobs of other batches are told by later polls.
    async fn poll_children(
        &self,
        batch: &str,
        jobs: &[JobRef],
    ) -> Result<Vec<JobReport>, CallError> {
        let call = Call::of(&action::TASKS)
            .with("ParentTaskId", batch)
            .with("Level", &2)
            .with("MaxResults", &ROWS);
        let rows = self.tasks(&call, &[]).await?;
        self.memory().ended.remove(batch);
        Ok(jobs::children(rows, batch, jobs))
    }

    async fn tasks(&self, call: &Call, phones: &[PhoneId]) -> Result<Vec<TaskRow>, CallError> {
        let page: Answered<Page<TaskRow>> = self.exchange(call, phones).await?;
        convert::unpaged(page.payload, None)
            .map(|page| page.rows)
            .ok_or_else(|| without_payload("list of tasks"))
    }

    async fn find_now(&self, lost: &LostSubmit) -> Result<Found, CallError> {
        let kinds = jobs::task_types(&lost.call);
        if kinds.is_empty() && lost.call != call::UPDATE_IMAGE {
            // Nothing is started that a list could show.
            return Ok(Found::Jobs(Vec::new()));
        }
        let call = match &lost.phones[..] {
            [phone] => Call::of(&action::TASKS).with("InstanceId", phone),
            phones => order::on(&action::TASKS, "ResourceIds", phones),
        };
        let call = call
            .with_all("TaskTypes", kinds.iter().copied())
            .with("Level", &2)
            .with("MaxResults", &ROWS);
        let rows = self.tasks(&call, &lost.phones).await?;
        let memory = self.memory();
        let since = Timestamp(lost.sent_at.0.saturating_add(memory.offset)).before(CLOCK_SLACK);
        Ok(Found::Jobs(jobs::found(
            &rows,
            &jobs::Lost {
                call: &lost.call,
                phones: &lost.phones,
                since,
                mark: order::mark(lost.mark),
                known: &|job| memory.named.contains_key(job),
            },
        )))
    }

    async fn probe_now(&self) -> Result<Probe, CallError> {
        let call = Call::of(&action::INSTANCES).with("MaxResults", &1);
        let Answered {
            payload,
            headers,
            sent: _,
            at,
        } = self.exchange(&call, &[]).await?;
        let theirs = header(&headers, "date").and_then(http_date);
        Ok(Probe {
            clock_offset: theirs.map(|theirs| theirs - at.0),
            phones: convert::listing(payload, None)
                .ok_or_else(|| without_payload("page of phones"))?
                .total,
            rate: None,
        })
    }
}

/// A page of 100 rows.
fn paged(call: Call, token: Option<&str>) -> Call {
    call.with("MaxResults", &ROWS).with_some("NextToken", token)
}

impl Provider for Alibaba {
    fn capabilities(&self) -> &'static Capabilities {
        &table::CAPABILITIES
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
        let told = shell::decode(&request.attributes, &COMMANDS, output);
        PhoneReading {
            phone: phone.clone(),
            listed: None,
            values: told.values,
            apps: told.apps,
        }
    }

    fn submit<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Submission, CallError>> {
        Box::pin(async move {
            match order.call {
                call::CREATE => self.install_described(order).await,
                _ => self.start(&order::build(order)?, &order.phones).await,
            }
        })
    }

    fn poll<'a>(&'a self, jobs: &'a [JobRef]) -> BoxFuture<'a, Result<Vec<JobReport>, CallError>> {
        Box::pin(self.poll_now(jobs))
    }

    fn find<'a>(&'a self, lost: &'a LostSubmit) -> BoxFuture<'a, Result<Found, CallError>> {
        Box::pin(self.find_now(lost))
    }

    fn probe(&self) -> BoxFuture<'_, Result<Probe, CallError>> {
        Box::pin(self.probe_now())
    }
}
