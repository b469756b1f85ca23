//! Zenlayer's JSON: requests and answers of the six zos actions (2025-10-10) and of zec's list of instances (2025-09-01).
//!
//! Invariants: requests have the fields of the manual and no others; in answers every field may be missing, null, or of a neighbouring type, and one odd value
//! never costs the rest of the answer. Not here: what they mean (`convert`). Source: the vendor's API reference and the models of its SDK.

mod drift;

use crate::model::id::PhoneId;
use crate::provider::drift::long_text;
use drift::{flag, number, rows, tags, text};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// `DescribeInstances` of zec.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeInstances {
    /// Rows of a page, at most 1000.
    pub page_size: u32,
    /// From 1.
    pub page_num: u32,
}

/// `DescribeCommands`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeCommands<'a> {
    /// A part of the name (the vendor searches fuzzily).
    pub name: &'a str,
    /// Rows of a page, at most 1000.
    pub page_size: u32,
    /// From 1.
    pub page_num: u32,
}

/// `CreateCommand`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateCommand<'a> {
    /// At most 64 characters.
    pub name: &'a str,
    /// The script as plain text, at most 4096 characters.
    pub content: &'a str,
    /// `SHELL`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// At most 255 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
}

/// `InvokeCommand`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InvokeCommand<'a> {
    /// A stored command.
    pub command_id: &'a str,
    /// At most 200.
    pub instance_ids: &'a [PhoneId],
    /// Seconds, 1 to 60.
    pub timeout: u32,
}

/// `DeleteCommand`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteCommand<'a> {
    /// The stored command.
    pub command_id: &'a str,
}

/// `DescribeCommandInvocations`; an empty list filters nothing and is left out.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribeCommandInvocations<'a> {
    /// Of these commands.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub command_ids: &'a [&'a str],
    /// These runs.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub invocation_ids: &'a [&'a str],
    /// On these instances.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub instance_ids: &'a [PhoneId],
    /// Rows of a page, at most 10000.
    pub page_size: u32,
    /// From 1.
    pub page_num: u32,
}

/// What every answer is wrapped in: `response` when it went well, `code` and `message` when not.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope<T> {
    /// Names the call to the vendor's support.
    #[serde(default, deserialize_with = "text")]
    pub request_id: Option<SmolStr>,
    /// The payload.
    #[serde(default = "none")]
    pub response: Option<T>,
    /// The error's code, a word such as `INVALID_COMMAND_NOT_FOUND`.
    #[serde(default, deserialize_with = "text")]
    pub code: Option<SmolStr>,
    /// The error in words.
    #[serde(default, deserialize_with = "text")]
    pub message: Option<SmolStr>,
}

fn none<T>() -> Option<T> {
    None
}

/// A page of rows. `totalCount` is 0 beside rows at times: it can only say that there is more.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: DeserializeOwned")]
pub struct Page<T> {
    /// The rows.
    #[serde(default = "none", deserialize_with = "rows")]
    pub data_set: Option<Vec<T>>,
    /// How many rows there are in all, by the vendor's word.
    #[serde(default, deserialize_with = "number")]
    pub total_count: Option<i64>,
}

/// A payload without anything in it.
#[derive(Debug, Default, Deserialize)]
pub struct Nothing {}

/// Answer to `CreateCommand`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Created {
    /// The new command.
    #[serde(default, deserialize_with = "text")]
    pub command_id: Option<SmolStr>,
}

/// Answer to `InvokeCommand`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invoked {
    /// The run, on all instances together.
    #[serde(default, deserialize_with = "text")]
    pub invocation_id: Option<SmolStr>,
}

/// An instance of zec.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// Its id.
    #[serde(default, deserialize_with = "text")]
    pub instance_id: Option<SmolStr>,
    /// A word such as `RUNNING`.
    #[serde(default, deserialize_with = "text")]
    pub status: Option<SmolStr>,
    /// The image it was made from.
    #[serde(default, deserialize_with = "text")]
    pub image_id: Option<SmolStr>,
    /// Its name.
    #[serde(default, deserialize_with = "text")]
    pub image_name: Option<SmolStr>,
    /// Whether the agent that runs commands is there.
    #[serde(default, deserialize_with = "flag")]
    pub enable_agent: Option<bool>,
    /// The resource group.
    #[serde(default, deserialize_with = "text")]
    pub resource_group_id: Option<SmolStr>,
    /// Its tags.
    #[serde(default, deserialize_with = "tags")]
    pub tags: Vec<Tag>,
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Tag {
    /// Its key.
    #[serde(default, deserialize_with = "text")]
    pub key: Option<SmolStr>,
    /// Its value.
    #[serde(default, deserialize_with = "text")]
    pub value: Option<SmolStr>,
}

/// A stored command.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// Its id.
    #[serde(default, deserialize_with = "text")]
    pub command_id: Option<SmolStr>,
    /// Its name.
    #[serde(default, deserialize_with = "text")]
    pub name: Option<SmolStr>,
    /// The script.
    #[serde(default, deserialize_with = "text")]
    pub content: Option<SmolStr>,
    /// `SHELL`, `POWERSHELL` or `BAT`.
    #[serde(default, rename = "type", deserialize_with = "text")]
    pub kind: Option<SmolStr>,
    /// When it was made; no zone is given.
    #[serde(default, deserialize_with = "text")]
    pub create_time: Option<SmolStr>,
    /// When it was run last; no zone is given.
    #[serde(default, deserialize_with = "text")]
    pub latest_invocation_time: Option<SmolStr>,
}

/// A run of a command.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invocation {
    /// Its id.
    #[serde(default, deserialize_with = "text")]
    pub invocation_id: Option<SmolStr>,
    /// The command's name.
    #[serde(default, deserialize_with = "text")]
    pub command_name: Option<SmolStr>,
    /// When it was made: `YYYY-MM-DD HH:mm:ss`; no zone is given.
    #[serde(default, deserialize_with = "text")]
    pub create_time: Option<SmolStr>,
    /// A word such as `Running`, for all instances together.
    #[serde(default, deserialize_with = "text")]
    pub invocation_status: Option<SmolStr>,
    /// What became of it on each instance.
    #[serde(default = "none", deserialize_with = "rows")]
    pub invocation_instances: Option<Vec<Run>>,
}

/// A run on one instance.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The instance.
    #[serde(default, deserialize_with = "text")]
    pub instance_id: Option<SmolStr>,
    /// A word such as `Success`.
    #[serde(default, deserialize_with = "text")]
    pub task_status: Option<SmolStr>,
    /// The script's exit status.
    #[serde(default, deserialize_with = "number")]
    pub exit_code: Option<i64>,
    /// A word of the vendor's for what went wrong.
    #[serde(default, deserialize_with = "text")]
    pub error_code: Option<SmolStr>,
    /// What the script printed.
    #[serde(default, deserialize_with = "long_text")]
    pub output: Option<String>,
    /// What it printed as errors.
    #[serde(default, deserialize_with = "long_text")]
    pub output_error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// Any small JSON value.
    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-zA-Z0-9 :-]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 12, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::btree_map("[a-z]{1,4}", inner, 0..3)
                    .prop_map(|map| Value::from(serde_json::Map::from_iter(map))),
            ]
        })
    }

    fn page<T: DeserializeOwned>(row: &Value) -> Vec<T> {
        let good = json!({});
        let page = json!({ "requestId": 1, "response": { "dataSet": [good, row, null, 7], "totalCount": "x" } });
        let envelope: Envelope<Page<T>> = serde_json::from_value(page).unwrap();
        envelope.response.unwrap().data_set.unwrap()
    }

    proptest! {
        #[test]
        fn one_odd_value_never_costs_the_rest(value in any_value(), place in 0..24_usize) {
            let fields = [
                "instanceId", "status", "imageId", "imageName", "enableAgent", "resourceGroupId", "tags", "invocationId",
                "commandName", "createTime", "invocationStatus", "invocationInstances", "commandId", "name", "content",
                "type", "latestInvocationTime", "taskStatus", "exitCode", "errorCode", "output", "outputError",
                "instanceExist", "extra",
            ];
            let row = json!({ fields[place]: value, "invocationId": "r-1", "instanceId": "i-1", "commandId": "c-1" });
            prop_assert_eq!(page::<Instance>(&row).len(), 2);
            prop_assert_eq!(page::<Command>(&row).len(), 2);
            prop_assert_eq!(page::<Invocation>(&row).len(), 2);
            prop_assert_eq!(page::<Run>(&row).len(), 2);
            let told = &page::<Invocation>(&row)[1];
            prop_assert_eq!(told.invocation_id.as_deref(), Some("r-1"));
        }
    }
}
