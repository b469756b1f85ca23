//! Answers as the manual describes them. Invariants: names are the vendor's, in the order of the alphabet. Not here: what stands in them (`read`, `task`).

use serde::Serialize;

/// What is refused.
#[derive(Serialize)]
pub(super) struct Refused<'a> {
    pub(super) error_code: &'a str,
    pub(super) error_msg: &'a str,
}

/// The listing's envelope: code and words stand inside of the data.
#[derive(Serialize)]
pub(super) struct Inside<T> {
    pub(super) data: T,
}

/// A page.
#[derive(Serialize)]
pub(super) struct Page<T> {
    pub(super) page_no: usize,
    pub(super) page_size: usize,
    pub(super) result: Vec<T>,
    pub(super) total_count: usize,
}

/// A phone of the listing.
#[derive(Serialize)]
pub(super) struct InstanceRow<'a> {
    pub(super) assign_status: u8,
    pub(super) assign_user: Option<&'static str>,
    pub(super) backup_status: Option<u8>,
    pub(super) billing_mode: &'static str,
    pub(super) frozen_status: u8,
    pub(super) instance_id: &'a str,
    pub(super) instance_name: String,
    pub(super) instance_sku: &'static str,
    pub(super) login_status: u8,
    pub(super) region: &'static str,
    pub(super) restore_status: Option<u8>,
    pub(super) running_status: u8,
}

/// An app of a phone.
#[derive(Serialize)]
pub(super) struct AppRow<'a> {
    pub(super) app_name: &'a str,
    pub(super) app_pkg: &'a str,
    pub(super) app_version: &'a str,
    pub(super) icon_url: &'static str,
}

/// A phone's status.
#[derive(Serialize)]
pub(super) struct StatusRow<'a> {
    pub(super) instance_id: &'a str,
    pub(super) status: u8,
}

/// Statuses of phones.
#[derive(Serialize)]
pub(super) struct Statuses<'a> {
    pub(super) status_results: Vec<StatusRow<'a>>,
}

/// The jobs of a task.
#[derive(Serialize)]
pub(super) struct Jobs {
    pub(super) jobs: Vec<JobRow>,
}

/// What a command did.
#[derive(Serialize)]
pub(super) struct Results<'a> {
    pub(super) cmd_results: Vec<ResultRow<'a>>,
}

/// What was started.
#[derive(Serialize)]
pub(super) struct Started<'a> {
    pub(super) cmd_jobs: Vec<CmdJob<'a>>,
    pub(super) task_id: &'a str,
}

/// Which job runs on which phone.
#[derive(Serialize)]
pub(super) struct CmdJob<'a> {
    pub(super) instance_id: &'a str,
    pub(super) job_id: String,
}

/// A job of a task: no phone is named.
#[derive(Serialize)]
pub(super) struct JobRow {
    pub(super) error_code: &'static str,
    pub(super) error_msg: String,
    pub(super) execute_msg: String,
    pub(super) job_id: String,
    pub(super) status: i8,
}

/// What a command did on one phone.
#[derive(Serialize)]
pub(super) struct ResultRow<'a> {
    pub(super) error_code: &'static str,
    pub(super) error_msg: &'static str,
    pub(super) execute_msg: String,
    pub(super) instance_id: &'a str,
    pub(super) status: i8,
}
