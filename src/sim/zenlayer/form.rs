//! Requests as the reference describes them, and their limits.
//!
//! Invariants: a missing field, a wrong type and a value out of bounds refuse the whole request with the vendor's code; unknown fields are ignored. Not here:
//! what a request then does (`zec`, `zos`).

use super::{Refusal, refuse};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use smol_str::SmolStr;

/// Most ids in a filter.
pub(super) const MOST_IDS: usize = 100;
/// Most instances in one run.
pub(super) const MOST_INSTANCES: usize = 200;

/// Reads a body.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).or_else(|error| {
        let text = error.to_string();
        match text.starts_with("missing field") {
            true => refuse(400, "MISSING_PARAMETER", text),
            false => refuse(400, "INVALID_PARAMETER_TYPE", text),
        }
    })
}

/// A text or list that may be no longer than this.
pub(super) fn at_most(what: &str, length: usize, most: usize) -> Result<(), Refusal> {
    match length <= most {
        true => Ok(()),
        false => refuse(
            400,
            "INVALID_PARAMETER_EXCEED_LENGTH",
            format!("{what} has {length}, at most {most}"),
        ),
    }
}

/// A text or list that may not be empty.
pub(super) fn not_empty(what: &str, length: usize) -> Result<(), Refusal> {
    match length > 0 {
        true => Ok(()),
        false => refuse(
            400,
            "INVALID_PARAMETER_LESS_LENGTH",
            format!("{what} is empty"),
        ),
    }
}

/// A page, counted from 1.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    page_size: Option<i64>,
    page_num: Option<i64>,
}

impl Page {
    /// Rows to be skipped, and rows of the page.
    pub(super) fn bounds(self, most: i64) -> Result<(usize, usize), Refusal> {
        let (rows, page) = (self.page_size.unwrap_or(20), self.page_num.unwrap_or(1));
        if rows > most {
            return refuse(
                400,
                "INVALID_PARAMETER_EXCEED_MAXIMUM",
                format!("pageSize {rows}, at most {most}"),
            );
        }
        if rows < 1 || page < 1 {
            return refuse(
                400,
                "INVALID_PARAMETER_LESS_MINIMUM",
                "pageSize and pageNum begin at 1",
            );
        }
        let whole = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok((whole(page - 1).saturating_mul(whole(rows)), whole(rows)))
    }
}

/// `DescribeInstances`, `DescribeInstancesStatus`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Instances {
    #[serde(default)]
    pub(super) instance_ids: Option<Vec<SmolStr>>,
    pub(super) status: Option<SmolStr>,
    pub(super) name: Option<SmolStr>,
    pub(super) resource_group_id: Option<SmolStr>,
    #[serde(flatten)]
    pub(super) page: Page,
}

/// `DescribeCommands`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Commands {
    pub(super) command_ids: Option<Vec<SmolStr>>,
    pub(super) name: Option<SmolStr>,
    pub(super) types: Option<Vec<SmolStr>>,
    #[serde(flatten)]
    pub(super) page: Page,
}

/// `CreateCommand`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Create {
    pub(super) name: SmolStr,
    pub(super) content: SmolStr,
    #[serde(rename = "type")]
    pub(super) kind: SmolStr,
    pub(super) description: Option<SmolStr>,
}

/// `ModifyCommand`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Modify {
    pub(super) command_id: SmolStr,
    pub(super) name: Option<SmolStr>,
    pub(super) content: Option<SmolStr>,
    pub(super) description: Option<SmolStr>,
}

/// `DeleteCommand`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delete {
    pub(super) command_id: SmolStr,
}

/// `InvokeCommand`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Invoke {
    pub(super) command_id: SmolStr,
    pub(super) instance_ids: Vec<SmolStr>,
    pub(super) timeout: Option<i64>,
}

/// `DescribeCommandInvocations`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Runs {
    pub(super) command_ids: Option<Vec<SmolStr>>,
    pub(super) invocation_ids: Option<Vec<SmolStr>>,
    pub(super) instance_ids: Option<Vec<SmolStr>>,
    pub(super) invocation_statuses: Option<Vec<SmolStr>>,
    #[serde(flatten)]
    pub(super) page: Page,
}
