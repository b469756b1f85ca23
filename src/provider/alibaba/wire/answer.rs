//! Answers: their JSON, as tolerant as the vendor is loose.
//!
//! Invariants: numbers that come as texts are numbers, texts that come as numbers are texts, `null` is as good as missing; a field of the wrong kind spoils
//! itself, never the answer; unknown fields are ignored. Not here: what the values mean (`convert`, `jobs`).
//! Source: the vendor's API 2023-09-30 and the manual page of DescribeTasks.

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use smol_str::{SmolStr, ToSmolStr};
use std::collections::BTreeMap;
use std::fmt;

/// An error in the place of an answer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in super::super) struct Refusal {
    /// `Throttling.User`.
    #[serde(deserialize_with = "text")]
    pub(in super::super) code: Option<SmolStr>,
    /// In words.
    #[serde(deserialize_with = "text")]
    pub(in super::super) message: Option<SmolStr>,
}

/// What every answer tells beside its payload.
pub(in super::super) trait Answer: DeserializeOwned {
    /// Code and message; a successful answer has none, or one that says so.
    fn refusal(&self) -> (Option<&SmolStr>, Option<&SmolStr>);
}

/// Rows, and where the next page starts.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase", bound = "R: DeserializeOwned")]
pub(in super::super) struct Page<R> {
    /// The rows.
    #[serde(
        default = "Option::default",
        alias = "InstanceModel",
        deserialize_with = "rows"
    )]
    pub(in super::super) data: Option<Vec<R>>,
    /// Empty or missing on the last page.
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) next_token: Option<SmolStr>,
    /// In all.
    #[serde(default, deserialize_with = "number")]
    pub(in super::super) total_count: Option<i64>,
    /// Of an error that comes with a good status.
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) code: Option<SmolStr>,
    /// Of an error that comes with a good status.
    #[serde(default, deserialize_with = "text")]
    pub(in super::super) message: Option<SmolStr>,
}

impl<R: DeserializeOwned> Answer for Page<R> {
    fn refusal(&self) -> (Option<&SmolStr>, Option<&SmolStr>) {
        (self.code.as_ref(), self.message.as_ref())
    }
}

/// A row of `DescribeAndroidInstances`, as far as it is used.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in super::super) struct InstanceRow {
    #[serde(deserialize_with = "text")]
    pub(in super::super) android_instance_id: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) android_instance_status: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) android_instance_group_id: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) image_id: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) image_version: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) session_status: Option<SmolStr>,
    #[serde(deserialize_with = "number")]
    pub(in super::super) up_bandwidth_limit: Option<i64>,
    #[serde(deserialize_with = "number")]
    pub(in super::super) down_bandwidth_limit: Option<i64>,
}

/// A row of `DescribeTasks`, as far as it is used.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in super::super) struct TaskRow {
    #[serde(deserialize_with = "text")]
    pub(in super::super) task_id: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) invoke_id: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) parent_task_id: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) instance_id: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) resource_id: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) task_type: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) task_status: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) start_time: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) param: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) result: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) error_code: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) error_msg: Option<SmolStr>,
    #[serde(deserialize_with = "number")]
    pub(in super::super) level: Option<i64>,
}

/// A row of `DescribeApps`, as far as it is used.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in super::super) struct AppRow {
    #[serde(deserialize_with = "text")]
    pub(in super::super) app_id: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) package_name: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) android_app_version: Option<SmolStr>,
    #[serde(rename = "MD5", alias = "Md5", deserialize_with = "text")]
    pub(in super::super) md5: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) status: Option<SmolStr>,
}

/// The answer to `CreateApp`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in super::super) struct Created {
    /// The catalogue's id.
    #[serde(deserialize_with = "text")]
    pub(in super::super) app_id: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    code: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    message: Option<SmolStr>,
}

impl Answer for Created {
    fn refusal(&self) -> (Option<&SmolStr>, Option<&SmolStr>) {
        (self.code.as_ref(), self.message.as_ref())
    }
}

/// The answer to `GetInstanceProperties`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in super::super) struct Properties {
    property_template_model: Option<PropertyModel>,
    #[serde(deserialize_with = "text")]
    code: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    message: Option<SmolStr>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct PropertyModel {
    #[serde(deserialize_with = "text")]
    content: Option<SmolStr>,
}

/// What the text inside says, under the vendor's own spelling.
#[derive(Deserialize)]
struct PropertyContent {
    #[serde(alias = "properties")]
    propties: BTreeMap<String, Value>,
}

/// A value that is a text, or is not told.
#[derive(Deserialize)]
struct Value(#[serde(deserialize_with = "text")] Option<SmolStr>);

impl Properties {
    /// The phone's properties; `None`: the answer holds none, which no running phone has.
    pub(in super::super) fn values(&self) -> Option<BTreeMap<String, SmolStr>> {
        let content = self.property_template_model.as_ref()?.content.as_ref()?;
        let content: PropertyContent = serde_json::from_str(content).ok()?;
        let told = content.propties.into_iter();
        let told = told.filter_map(|(name, Value(value))| Some((name, value?)));
        Some(told.collect()).filter(|values: &BTreeMap<_, _>| !values.is_empty())
    }
}

impl Answer for Properties {
    fn refusal(&self) -> (Option<&SmolStr>, Option<&SmolStr>) {
        (self.code.as_ref(), self.message.as_ref())
    }
}

/// A row of `DescribeImageList`, as far as it is used.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in super::super) struct ImageRow {
    #[serde(deserialize_with = "text")]
    pub(in super::super) image_id: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) image_version: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) image_name: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) status: Option<SmolStr>,
}

/// A row of `ListInstanceAdbAttributes`, as far as it is used.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in super::super) struct AdbRow {
    #[serde(deserialize_with = "text")]
    pub(in super::super) instance_id: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) external_port: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    pub(in super::super) internal_port: Option<SmolStr>,
}

/// What calls answer that start work: the id of the batch, and a row a phone under one of several names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in super::super) struct Started {
    /// The batch.
    #[serde(deserialize_with = "text")]
    pub(in super::super) task_id: Option<SmolStr>,
    #[serde(deserialize_with = "rows")]
    run_command_infos: Option<Vec<StartedRow>>,
    #[serde(deserialize_with = "rows")]
    child_task_info: Option<Vec<StartedRow>>,
    #[serde(deserialize_with = "rows")]
    data: Option<Vec<StartedRow>>,
    tasks: Option<StartedBatch>,
    #[serde(deserialize_with = "text")]
    code: Option<SmolStr>,
    #[serde(deserialize_with = "text")]
    message: Option<SmolStr>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct StartedBatch {
    #[serde(deserialize_with = "text")]
    parent_task_id: Option<SmolStr>,
    #[serde(deserialize_with = "rows")]
    child_tasks: Option<Vec<StartedRow>>,
}

/// The task of one phone.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(in super::super) struct StartedRow {
    /// The phone.
    #[serde(alias = "AndroidInstanceId", deserialize_with = "text")]
    pub(in super::super) instance_id: Option<SmolStr>,
    /// Its task.
    #[serde(alias = "TaskId", deserialize_with = "text")]
    pub(in super::super) child_task_id: Option<SmolStr>,
    /// The execution of a command.
    #[serde(deserialize_with = "text")]
    pub(in super::super) invoke_id: Option<SmolStr>,
}

impl Started {
    /// The task over all phones, if there is one.
    pub(in super::super) fn batch(&self) -> Option<&SmolStr> {
        let inner = || self.tasks.as_ref()?.parent_task_id.as_ref();
        self.task_id.as_ref().or_else(inner)
    }

    /// The rows, under whichever name they came.
    pub(in super::super) fn rows(&self) -> impl Iterator<Item = &StartedRow> {
        let children = self.tasks.iter().flat_map(|tasks| &tasks.child_tasks);
        self.run_command_infos
            .iter()
            .chain(&self.child_task_info)
            .chain(&self.data)
            .chain(children)
            .flatten()
    }
}

impl Answer for Started {
    fn refusal(&self) -> (Option<&SmolStr>, Option<&SmolStr>) {
        (self.code.as_ref(), self.message.as_ref())
    }
}

/// A text, a number or a flag, whichever came; nothing for anything else.
struct Loose;

impl<'de> Visitor<'de> for Loose {
    type Value = Option<SmolStr>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(number.to_smolstr()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(number.to_smolstr()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Some(number.to_smolstr()))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(Some(flag.to_smolstr()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SmolStr>, D::Error> {
    deserializer.deserialize_any(Loose)
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let told = deserializer.deserialize_any(Loose)?;
    Ok(told.and_then(|text| text.trim().parse().ok()))
}

/// A list, or `null`; rows that are `null` are left out.
fn rows<'de, D: Deserializer<'de>, R: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<Vec<R>>, D::Error> {
    let rows = Option::<Vec<Option<R>>>::deserialize(deserializer)?;
    Ok(rows.map(|rows| rows.into_iter().flatten().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manuals_sample_is_read_as_it_is() {
        let text = include_str!("../../../../tests/fixtures/alibaba/describe-tasks.json");
        let page: Page<TaskRow> = serde_json::from_str(text).unwrap();
        let [row] = &page.data.unwrap()[..] else {
            panic!("one row")
        };
        assert_eq!(row.task_id.as_deref(), Some("t-bp67acfmxazb4p****"));
        assert_eq!(row.task_status.as_deref(), Some("Processing"));
        assert_eq!(row.result.as_deref(), Some("{'Success': True}"));
        assert_eq!(row.parent_task_id.as_deref(), Some("t-41oan3tza16vs****"));
        assert_eq!((row.level, page.total_count), (Some(1), Some(10)));
        assert!(page.next_token.unwrap().starts_with("AAAAAV3M"));
    }

    #[test]
    fn values_of_another_kind_spoil_only_themselves() {
        let page: Page<AppRow> = serde_json::from_str(
            r#"{"Data":[{"AppId":27,"PackageName":{"a":[1]},"Status":null,"More":1},null],"TotalCount":"2","NextToken":null}"#,
        )
        .unwrap();
        let rows = page.data.unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].app_id.as_deref(), Some("27"));
        assert_eq!((&rows[0].package_name, &rows[0].status), (&None, &None));
        assert_eq!((page.total_count, page.next_token), (Some(2), None));
    }

    #[test]
    fn properties_come_as_a_text_under_either_spelling() {
        let values = |content: &str| {
            let model = serde_json::json!({ "PropertyTemplateModel": { "Content": content } });
            let answer: Properties = serde_json::from_value(model).unwrap();
            answer.values()
        };
        for key in ["propties", "properties"] {
            let content = format!(
                r#"{{"{key}":{{"persist.sys.timezone":"Asia/Tokyo","ro.debuggable":0,"odd":null,"list":[1]}},"more":1}}"#
            );
            let values = values(&content).unwrap();
            assert_eq!(values["persist.sys.timezone"], "Asia/Tokyo");
            assert_eq!(values["ro.debuggable"], "0");
            assert_eq!(values.len(), 2);
        }
        assert_eq!(values("{}"), None);
        assert_eq!(values("no JSON"), None);
        assert_eq!(values(r#"{"propties":{}}"#), None);
        assert_eq!(Properties::default().values(), None);
    }

    #[test]
    fn rows_of_started_work_come_under_four_names() {
        for (body, batch) in [
            (
                r#"{"TaskId":"t-0","InvokeId":"t-1","RunCommandInfos":[{"InstanceId":"acp-1","InvokeId":"t-1","ChildTaskId":"t-1"}]}"#,
                Some("t-0"),
            ),
            (
                r#"{"TaskId":"t-0","ChildTaskInfo":[{"AppId":"27","InstanceId":"acp-1","ChildTaskId":"t-1"}]}"#,
                Some("t-0"),
            ),
            (
                r#"{"TaskId":"t-0","Data":[{"AndroidInstanceId":"acp-1","TaskId":"t-1"}]}"#,
                Some("t-0"),
            ),
            (
                r#"{"Tasks":{"ParentTaskId":"t-0","ChildTasks":[{"InstanceId":"acp-1","TaskId":"t-1"}]}}"#,
                Some("t-0"),
            ),
        ] {
            let started: Started = serde_json::from_str(body).unwrap();
            assert_eq!(started.batch().map(SmolStr::as_str), batch, "{body}");
            let rows: Vec<_> = started
                .rows()
                .map(|row| (row.instance_id.as_deref(), row.child_task_id.as_deref()))
                .collect();
            assert_eq!(rows, [(Some("acp-1"), Some("t-1"))], "{body}");
        }
    }
}
