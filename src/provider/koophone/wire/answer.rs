//! What KooPhone and IAM answer.
//!
//! Invariants: every field may be missing; names are the vendor's. Not here: requests.

use crate::provider::drift::{self, Scalar};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use smol_str::SmolStr;

/// What every answer is wrapped in. Success is code `0`. `batch-query` has code and words inside of its data.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct Envelope<T> {
    /// `0`, or a code of the error table (`KOOPHONE.API.1000`, `APIGW.0301`).
    #[serde(default, deserialize_with = "drift::scalar")]
    pub error_code: Option<Scalar>,
    /// Their words.
    #[serde(default, deserialize_with = "drift::text")]
    pub error_msg: Option<SmolStr>,
    /// The payload.
    pub data: Option<T>,
}

/// The code and words that may stand inside of a payload.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Inner {
    /// See [`Envelope::error_code`].
    #[serde(default, deserialize_with = "drift::scalar")]
    pub error_code: Option<Scalar>,
    /// Their words.
    #[serde(default, deserialize_with = "drift::text")]
    pub error_msg: Option<SmolStr>,
}

/// A page of `batch-query` or `app-list`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(bound(deserialize = "T: DeserializeOwned"))]
pub struct Page<T> {
    /// The rows.
    #[serde(default, deserialize_with = "drift::list")]
    pub result: Option<Vec<T>>,
    /// Number of this page, from 1.
    #[serde(default, deserialize_with = "drift::number")]
    pub page_no: Option<i64>,
    /// Rows of a page.
    #[serde(default, deserialize_with = "drift::number")]
    pub page_size: Option<i64>,
    /// Rows in all.
    #[serde(default, deserialize_with = "drift::number")]
    pub total_count: Option<i64>,
}

/// A phone of `batch-query`, as far as it is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct InstanceRow {
    /// Its code.
    #[serde(default, deserialize_with = "drift::text")]
    pub instance_id: Option<SmolStr>,
    /// 0 no, 1 frozen (unpaid, or by the vendor).
    #[serde(default, deserialize_with = "drift::number")]
    pub frozen_status: Option<i64>,
    /// See `convert::StatusTable`.
    #[serde(default, deserialize_with = "drift::number")]
    pub running_status: Option<i64>,
    /// Above 0: somebody is logged in on it.
    #[serde(default, deserialize_with = "drift::number")]
    pub login_status: Option<i64>,
    /// 0 preparing, 1 running, 2 success, 3 failed, 4 other.
    #[serde(default, deserialize_with = "drift::number")]
    pub backup_status: Option<i64>,
    /// As `backup_status`.
    #[serde(default, deserialize_with = "drift::number")]
    pub restore_status: Option<i64>,
}

/// An app of `app-list`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct AppRow {
    /// Its package.
    #[serde(default, deserialize_with = "drift::text")]
    pub app_pkg: Option<SmolStr>,
    /// Version name.
    #[serde(default, deserialize_with = "drift::text")]
    pub app_version: Option<SmolStr>,
}

/// What was started: `async-command`, `app/install`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Started {
    /// What is asked about later.
    #[serde(default, deserialize_with = "drift::text")]
    pub task_id: Option<SmolStr>,
    /// A job a phone.
    #[serde(default, deserialize_with = "drift::list")]
    pub cmd_jobs: Option<Vec<CmdJob>>,
}

/// Which job runs on which phone. Only the answer to the submit tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct CmdJob {
    /// The phone.
    #[serde(default, deserialize_with = "drift::text")]
    pub instance_id: Option<SmolStr>,
    /// The job.
    #[serde(default, deserialize_with = "drift::text")]
    pub job_id: Option<SmolStr>,
}

/// `tasks/{task_id}` (ExecuteJob).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct TaskDetail {
    /// The task's jobs.
    #[serde(default, deserialize_with = "drift::list")]
    pub jobs: Option<Vec<JobRow>>,
}

/// A job. The phone is not told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct JobRow {
    /// The job.
    #[serde(default, deserialize_with = "drift::text")]
    pub job_id: Option<SmolStr>,
    /// Commands: 1 running, 2 success, −1 failed. Installs: 0 not run, 1 running, 2 success, 3 failed.
    #[serde(default, deserialize_with = "drift::number")]
    pub status: Option<i64>,
    /// Why it failed (`CPS0005`).
    #[serde(default, deserialize_with = "drift::text")]
    pub error_code: Option<SmolStr>,
    /// The same in words.
    #[serde(default, deserialize_with = "drift::long_text")]
    pub error_msg: Option<String>,
    /// Output of a command, at most 1,024 bytes.
    #[serde(default, deserialize_with = "drift::long_text")]
    pub execute_msg: Option<String>,
}

/// What IAM answers with a token, which itself stands in the header `X-Subject-Token`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct TokenAnswer {
    /// About the token.
    #[serde(default)]
    pub token: Option<TokenTimes>,
}

/// How long a token lives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct TokenTimes {
    /// ISO 8601 in UTC (`2020-01-04T09:08:49.965000Z`).
    #[serde(default, deserialize_with = "drift::text")]
    pub expires_at: Option<SmolStr>,
    /// The same.
    #[serde(default, deserialize_with = "drift::text")]
    pub issued_at: Option<SmolStr>,
}

/// What IAM answers instead: `{"error": {"code": 401, "message": …}}`, or `error_code` and `error_msg`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct IamRefusal {
    /// One form.
    #[serde(default)]
    pub error: Option<IamError>,
    /// The other form's code.
    #[serde(default, deserialize_with = "drift::text")]
    pub error_code: Option<SmolStr>,
    /// The other form's words.
    #[serde(default, deserialize_with = "drift::text")]
    pub error_msg: Option<SmolStr>,
}

/// See [`IamRefusal`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct IamError {
    /// An HTTP status.
    #[serde(default, deserialize_with = "drift::text")]
    pub code: Option<SmolStr>,
    /// Words.
    #[serde(default, deserialize_with = "drift::text")]
    pub message: Option<SmolStr>,
}
