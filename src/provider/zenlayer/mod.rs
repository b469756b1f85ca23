//! Zenlayer (`zos` 2025-10-10 for commands, `zec` 2025-09-01 for instances): phones that run as, or inside, virtual machines with a guest agent.
//!
//! The vendor knows no phones: everything inside is done by shell, through commands that are stored first and run by their id. A stored command is named after
//! its content, looked up or made when it is needed, never modified, and cleared away when nobody needs it any more.
//!
//! Invariants: credentials are resolved once, when the account is opened, and leave only as signatures or as the token itself; an order or a read by shell makes
//! at most three requests, of which only the last can change phones; nothing is repeated. Not here: what it can do (`table`), how the account is opened
//! (`account`), the stored commands (`book`), their JSON (`wire`). Source: the vendor's API reference and its SDK.

mod account;
mod answer;
mod book;
mod convert;
mod errors;
mod script;
mod sign;
mod stored;
mod table;
#[cfg(test)]
mod tests;
pub mod wire;

use super::asked::{Asked, header, without_payload};
use super::exchange::{self, Answered as Answer, check_jobs, lacking, sensitive};
use super::refusal::our_bug;
use super::registry::Outfit;
use super::{
    CallError, Found, JobRef, JobReport, LostSubmit, Order, Probe, Provider, ReadRequest,
    Submission, shell,
};
use crate::model::capability::Capabilities;
use crate::model::id::PhoneId;
use crate::model::observed::{Observation, PhoneReading, ReadKind};
use crate::model::stamp::Timestamp;
use crate::transport::sign::http_date;
use crate::transport::{Effect, Request, Response};
use book::Book;
use bytes::Bytes;
use convert::{Place, Search};
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use script::{Kind, Prefix};
use secrecy::ExposeSecret;
use serde::Serialize;
use sign::{Proof, Signable};
use smol_str::SmolStr;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use wire::{DescribeCommandInvocations, DescribeInstances, Instance, Invocation, Page};

/// Signed and sent exactly so.
const JSON: &str = "application/json";
/// Largest answer that is read: 100 runs on 200 instances with lists of apps stay below.
const MAX_BODY: usize = 96 << 20;
/// Runs, and instances, that one question may name (as far as limits are documented for lists of ids).
const IDS: usize = 100;
/// Rows of a page of runs where they are asked for by id: there are never more of them.
const RUN_ROWS: u32 = 10_000;
/// Rows of a page of runs where only instances are known; a run tells its content and all its outputs.
const SEARCH_ROWS: u32 = 50;
/// How long after a submit was decided its command may have been sent: looking it up and making it come before.
const SAME_SUBMIT: Duration = Duration::from_secs(180);

/// What Zenlayer can do.
pub fn capabilities() -> &'static Capabilities {
    &table::CAPABILITIES
}

/// One account at Zenlayer.
pub struct Zenlayer {
    outfit: Outfit,
    endpoint: String,
    host: String,
    proof: Proof,
    prefix: Prefix,
    /// Key of the tag whose value is a phone's group; otherwise its resource group is.
    group_tag: Option<SmolStr>,
    book: Book,
    /// When it was opened: of what was sent before, this process knows nothing.
    opened: Timestamp,
    /// The run that was asked about last where there were more than one question may name.
    last_polled: Mutex<SmolStr>,
}

impl std::fmt::Debug for Zenlayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Zenlayer")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// One of the vendor's services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Service {
    name: &'static str,
    version: &'static str,
}

/// Commands.
const ZOS: Service = Service {
    name: "zos",
    version: "2025-10-10",
};
/// Instances.
const ZEC: Service = Service {
    name: "zec",
    version: "2025-09-01",
};

/// One HTTP call.
struct Exchange<'a> {
    service: Service,
    action: &'static str,
    phones: &'a [PhoneId],
    effect: Effect,
    body: Bytes,
}

impl<'a> Exchange<'a> {
    fn new<B: Serialize>(
        (service, action): (Service, &'static str),
        effect: Effect,
        phones: &'a [PhoneId],
        body: &B,
    ) -> Result<Self, CallError> {
        // Compact JSON: these bytes are signed and sent.
        let body = serde_json::to_vec(body)
            .map_err(|problem| our_bug(format!("a body cannot be written: {problem}")))?;
        Ok(Self {
            service,
            action,
            phones,
            effect,
            body: body.into(),
        })
    }
}

impl Zenlayer {
    fn request(&self, exchange: &Exchange<'_>) -> Result<Request, CallError> {
        let Service { name, version } = exchange.service;
        let timestamp = self.outfit.clock.now().0.div_euclid(1000).to_string();
        let mut http = http::Request::post(format!("{}/api/v2/{name}", self.endpoint))
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, JSON)
            .header("x-zc-service", name)
            .header("x-zc-version", version)
            .header("x-zc-action", exchange.action);
        let authorization = match &self.proof {
            Proof::Key { id, password } => {
                let signable = Signable {
                    host: &self.host,
                    content_type: JSON,
                    timestamp: &timestamp,
                    payload: &exchange.body,
                };
                http = http
                    .header("x-zc-signature-method", sign::METHOD)
                    .header("x-zc-timestamp", &timestamp);
                signable.authorization(id.expose_secret(), password)
            }
            Proof::Token(token) => format!("Bearer {}", token.expose_secret()),
        };
        let http = http
            .header(AUTHORIZATION, sensitive(&authorization)?)
            .body(exchange.body.clone())
            .map_err(|problem| our_bug(format!("a request cannot be made: {problem}")))?;
        Ok(Request {
            http,
            effect: exchange.effect,
            deadline: self.outfit.request_timeout,
            max_body: MAX_BODY,
        })
    }

    /// Sends one request and judges its answer.
    async fn exchange<T>(
        &self,
        exchange: Exchange<'_>,
        judge: fn(&Asked<'_>, &Response, Timestamp) -> Result<T, CallError>,
    ) -> Result<Answer<T>, CallError> {
        let secrets = self.proof.secrets();
        let asked = Asked {
            effect: exchange.effect,
            phones: exchange.phones,
            secrets: &secrets,
            payload_is_secret: false,
        };
        let request = self.request(&exchange)?;
        let judge = |response: &Response, at| judge(&asked, response, at);
        exchange::send(&self.outfit, exchange.action, &asked, request, judge).await
    }

    async fn instances(
        &self,
        page_num: u32,
        page_size: u32,
    ) -> Result<Answer<Page<Instance>>, CallError> {
        let body = DescribeInstances {
            page_size,
            page_num,
        };
        let exchange = Exchange::new((ZEC, "DescribeInstances"), Effect::Read, &[], &body)?;
        self.exchange(exchange, answer::judge).await
    }

    async fn read_now(&self, request: &ReadRequest) -> Result<Observation, CallError> {
        if request.kind != ReadKind::Listing {
            return Err(lacking(request.kind));
        }
        let place = match &request.cursor {
            None => Place::FIRST,
            Some(cursor) => {
                Place::of(cursor).ok_or_else(|| our_bug(format!("{:?} is no page", cursor.0)))?
            }
        };
        let answer = self.instances(place.page, table::LISTING_ROWS).await?;
        let group = self.group_tag.as_deref();
        convert::listing(answer.payload, place, table::LISTING_ROWS, group)
            .ok_or_else(|| without_payload("page of instances"))
    }

    async fn start_read_now(&self, request: &ReadRequest) -> Result<Submission, CallError> {
        if request.kind != ReadKind::Shell {
            return Err(our_bug(format!("{:?} is no read by job", request.kind)));
        }
        let script = shell::read_script(&request.attributes, &script::BOUNDS)?;
        let family = script::reads();
        self.run((Kind::Read, &family), &script, &request.phones)
            .await
    }

    async fn submit_now(&self, order: &Order) -> Result<Submission, CallError> {
        let script = shell::write_script(&order.writes, order.app.as_ref(), &script::BOUNDS)?;
        let family = script::writes(&order.writes);
        self.run((Kind::Write, &family), &script, &order.phones)
            .await
    }

    /// The runs of these jobs, at most as many as one question may name; of more, those that come after the ones asked about last, so that all have their turn.
    fn runs_to_ask<'a>(&self, jobs: &'a [JobRef]) -> Vec<&'a str> {
        let all: BTreeSet<&str> = jobs.iter().map(|job| convert::run_of(&job.job)).collect();
        if all.len() <= IDS {
            return all.into_iter().collect();
        }
        let mut last = self
            .last_polled
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (before, after): (Vec<&str>, Vec<&str>) =
            all.into_iter().partition(|run| **run <= **last);
        let runs: Vec<&str> = after.into_iter().chain(before).take(IDS).collect();
        if let Some(end) = runs.last() {
            *last = SmolStr::from(*end);
        }
        runs
    }

    async fn runs(
        &self,
        body: &DescribeCommandInvocations<'_>,
    ) -> Result<Vec<Invocation>, CallError> {
        let exchange = Exchange::new((ZOS, "DescribeCommandInvocations"), Effect::Read, &[], body)?;
        let answer: Answer<Page<Invocation>> = self.exchange(exchange, answer::judge).await?;
        answer
            .payload
            .data_set
            .ok_or_else(|| without_payload("page of runs"))
    }

    async fn poll_now(&self, jobs: &[JobRef]) -> Result<Vec<JobReport>, CallError> {
        check_jobs(jobs, &table::CAPABILITIES)?;
        let body = DescribeCommandInvocations {
            invocation_ids: &self.runs_to_ask(jobs),
            page_size: RUN_ROWS,
            page_num: 1,
            ..DescribeCommandInvocations::default()
        };
        let rows = self.runs(&body).await?;
        for (run, created) in convert::created(&rows) {
            self.book.learn(run, created);
        }
        Ok(convert::reports(&rows, jobs))
    }

    /// A run tells all its instances, so a part of the phones is enough to find it.
    /// Until the zone of its times is known, an older run of the same words could be taken for it.
    async fn find_now(&self, lost: &LostSubmit) -> Result<Found, CallError> {
        let Some(zone) = self.book.zone() else {
            return Ok(Found::NotYet);
        };
        let commands = if lost.sent_at < self.opened {
            Vec::new()
        } else {
            let until = lost.sent_at.after(SAME_SUBMIT);
            self.book.lost_commands(lost.sent_at, until)
        };
        let commands: Vec<&str> = commands.iter().map(SmolStr::as_str).take(IDS).collect();
        let body = DescribeCommandInvocations {
            command_ids: &commands,
            instance_ids: &lost.phones[..lost.phones.len().min(IDS)],
            page_size: SEARCH_ROWS,
            page_num: 1,
            ..DescribeCommandInvocations::default()
        };
        let rows = self.runs(&body).await?;
        let search = Search {
            family: &script::writes(&lost.writes),
            phones: &lost.phones,
            sent: lost.sent_at,
            zone,
        };
        Ok(search.found(&rows))
    }

    async fn probe_now(&self) -> Result<Probe, CallError> {
        let answer = self.instances(1, 1).await?;
        let date = header(&answer.headers, "date").and_then(http_date);
        let page = answer.payload;
        let rows = page
            .data_set
            .ok_or_else(|| without_payload("page of instances"))?;
        // A total beside rows that is smaller than their number says nothing.
        let total = page.total_count.and_then(|total| u64::try_from(total).ok());
        Ok(Probe {
            clock_offset: date.map(|theirs| theirs - answer.at.0),
            phones: total.filter(|total| *total > 0 || rows.is_empty()),
            rate: None,
        })
    }
}

impl Provider for Zenlayer {
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
        let told = shell::decode(&request.attributes, &script::BOUNDS, output);
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

    fn probe(&self) -> BoxFuture<'_, Result<Probe, CallError>> {
        Box::pin(self.probe_now())
    }

    fn tidy(&self) -> BoxFuture<'_, Result<bool, CallError>> {
        Box::pin(self.tidy_now())
    }
}
