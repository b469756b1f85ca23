//! What a vendor can do: the trait every adapter implements, kinds of errors, and the registry.
//!
//! Invariants: an adapter never waits or repeats, it makes one call and says what came of it; every error says whether the vendor can have accepted
//! anything; vendors' JSON never leaves an adapter. Not here: when to call (`controller`), what to call (`plan`).

pub mod alibaba;
pub mod armcloud;
mod asked;
mod drift;
mod exchange;
pub mod koophone;
pub mod refusal;
pub mod registry;
pub mod shell;
pub mod zenlayer;

use crate::model::attribute::Attribute;
use crate::model::capability::{CallName, Capabilities};
use crate::model::fleet::AppSource;
use crate::model::id::{JobId, Package, PhoneId};
use crate::model::observed::{Cursor, Observation, PhoneReading, ReadKind};
use crate::model::rename::Rename;
use crate::model::stamp::Timestamp;
use crate::model::value::Wish;
use futures_util::future::BoxFuture;
use smol_str::SmolStr;
use std::sync::Arc;

/// One read to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// What is read.
    pub kind: ReadKind,
    /// Of which phones (not for listing and catalogues), at most the capability table's `max_phones`.
    pub phones: Arc<[PhoneId]>,
    /// Properties and Shell: which attributes are asked for.
    pub attributes: Arc<[Attribute]>,
    /// Listing and catalogues: which page; `None` is the first.
    pub cursor: Option<Cursor>,
}

/// One change to be carried out on phones of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The call, as in the capability table.
    pub call: CallName,
    /// The phones, at most the call's `max_phones`.
    pub phones: Arc<[PhoneId]>,
    /// What is written.
    pub writes: Arc<[(Attribute, Wish)]>,
    /// Install: package and source. Other work on an app that the vendor's catalogue knows: package and catalogue entry.
    pub app: Option<AppToInstall>,
    /// Upgrade: the image's id in the vendor's catalogue.
    pub image: Option<SmolStr>,
    /// No other order has it: a vendor whose lists show something of what was sent can be made to show it.
    pub mark: u64,
}

/// An app to be installed, or one that the vendor's catalogue knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppToInstall {
    /// Its package.
    pub package: Package,
    /// Where it comes from.
    pub source: AppSource,
}

/// The vendor's answer to an order or to a read that is a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// One row a phone that the answer mentions. A phone that was asked for and has no row is *unknown*; a row nobody asked for is ignored by the adapter.
    pub rows: Vec<(PhoneId, RowOutcome)>,
}

/// What a submit answer says of one phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowOutcome {
    /// Accepted as this job.
    Job(JobId),
    /// Done at once.
    Done,
    /// The same task exists already, perhaps by this id.
    Exists(Option<JobId>),
    /// Refused; nothing was done on this phone, or (where the error says that something may have been accepted) it was tried at once and failed.
    Refused(CallError),
}

/// A job to be asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRef {
    /// The job.
    pub job: JobId,
    /// The phone it runs on.
    pub phone: PhoneId,
    /// The call that started it.
    pub call: SmolStr,
}

/// What the vendor says of a job. Jobs that the answer does not mention have no report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobReport {
    /// The job.
    pub job: JobId,
    /// The phone.
    pub phone: PhoneId,
    /// Where it stands.
    pub state: JobState,
}

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// Waiting, queued, running, or a status we do not know.
    Open,
    /// Ended well; with the output of a command.
    Succeeded(Option<String>),
    /// Ended badly; with the vendor's words.
    Failed(String),
}

/// A submit whose answer was lost.
#[derive(Clone, Debug)]
pub struct LostSubmit {
    /// What was sent.
    pub call: SmolStr,
    /// On which phones nothing is known.
    pub phones: Arc<[PhoneId]>,
    /// What was written.
    pub writes: Arc<[(Attribute, Wish)]>,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// What was sent had this [`Order::mark`].
    pub mark: u64,
}

/// Jobs found for a lost submit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The vendor has no list to look in for this call.
    CannotLook,
    /// Nothing was asked: what the vendor tells could not be judged yet, but can be once another command has run.
    NotYet,
    /// These jobs, by phone. Of a phone that is not named nothing follows: its job may be missing in the list, or come later.
    Jobs(Vec<(PhoneId, JobId)>),
}

/// Kinds of errors; they decide what happens next, never a status code alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// Too many requests.
    Throttled,
    /// May work later as it is.
    Transient,
    /// Another task is on the phone.
    Busy,
    /// The phone is not able to do it now.
    NotReady,
    /// No such phone, app or image.
    NotFound,
    /// The vendor will not do this.
    Refused,
    /// Credentials, signature or rights.
    Unauthorised,
    /// The answer is not what the vendor's manual describes (HTML, no JSON, no `code`).
    Malformed,
}

/// Whether the vendor can have done something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Accepted {
    /// Nothing was done.
    No,
    /// Perhaps.
    Maybe,
}

/// A call that did not give what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CallError {
    /// What kind.
    pub kind: ErrorKind,
    /// Whether the vendor can have done something.
    pub accepted: Accepted,
    /// The vendor's code, if it gave one.
    pub code: Option<SmolStr>,
    /// The vendor's words or ours, never a secret, at most 300 characters, control characters removed.
    pub message: String,
    /// When the vendor says to come back; where something is not ready that all phones of an order wait for, when it is worth looking again.
    pub retry_at: Option<Timestamp>,
    /// The phones at fault, if the answer names them.
    pub phones: Vec<PhoneId>,
}

/// What `doctor` learns from one cheap signed read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The vendor's clock minus ours, in milliseconds, if the answer tells the time (`ts` or the `Date` header).
    pub clock_offset: Option<i64>,
    /// Phones the account lists.
    pub phones: Option<u64>,
    /// Rate limit headers: limit and remaining.
    pub rate: Option<(u32, u32)>,
}

/// One account at one vendor.
///
/// # Guarantees
/// Each method makes one HTTP call, or at most as many as the capability table says of the call (`requests`), and never repeats any.
pub trait Provider: Send + Sync {
    /// What it can do.
    fn capabilities(&self) -> &'static Capabilities;

    /// Makes one read (not of a kind that is a job).
    fn read<'a>(
        &'a self,
        request: &'a ReadRequest,
    ) -> BoxFuture<'a, Result<Observation, CallError>>;

    /// Starts a read that is a job on the phones.
    fn start_read<'a>(
        &'a self,
        request: &'a ReadRequest,
    ) -> BoxFuture<'a, Result<Submission, CallError>>;

    /// What the output of such a job tells of one phone. Output is untrusted text.
    fn decode_read(&self, request: &ReadRequest, phone: &PhoneId, output: &str) -> PhoneReading;

    /// Sends one order.
    fn submit<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Result<Submission, CallError>>;

    /// Asks about jobs, at most the limits' `poll_batch`.
    fn poll<'a>(&'a self, jobs: &'a [JobRef]) -> BoxFuture<'a, Result<Vec<JobReport>, CallError>>;

    /// Looks in the vendor's lists for jobs of a lost submit. May make no call at all.
    fn find<'a>(&'a self, lost: &'a LostSubmit) -> BoxFuture<'a, Result<Found, CallError>>;

    /// Clears away, with one HTTP call, what the adapter has left at the vendor and nobody needs any more (see [`Capabilities::tidies`]). `true`: there may be more.
    fn tidy(&self) -> BoxFuture<'_, Result<bool, CallError>> {
        Box::pin(async { Ok(false) })
    }

    /// Codes of phones that the vendor changed lately, the newest change first; one HTTP call. Asked only where [`Capabilities::renames`] says so; a vendor
    /// whose build does not tell answers with an error that nothing follows from.
    fn renames(&self) -> BoxFuture<'_, Result<Vec<Rename>, CallError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// One cheap signed read that tells whether credentials, clock and endpoint are right.
    fn probe(&self) -> BoxFuture<'_, Result<Probe, CallError>>;
}
