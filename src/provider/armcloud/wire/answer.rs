//! What ArmCloud answers.
//!
//! Invariants: every field may be missing; names are the vendor's. Not here: requests.

use crate::provider::drift::{self, Scalar, Shape};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

/// What every answer is wrapped in. Success is code 200.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "T: Deserialize<'de>"))]
pub struct Envelope<T> {
    /// 200, a number of the error table, or text (`PAD_NOT_RUNNING`).
    #[serde(default, deserialize_with = "drift::scalar")]
    pub code: Option<Scalar>,
    /// Their words.
    #[serde(default, deserialize_with = "drift::text")]
    pub msg: Option<SmolStr>,
    /// Their clock in milliseconds since 1970.
    #[serde(default, deserialize_with = "drift::number")]
    pub ts: Option<i64>,
    /// The payload.
    pub data: Option<T>,
}

/// Rows, in the shapes in which they come: a list for calls on many phones, an object for calls on one, `true`, or null.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Rows<T> {
    /// A list.
    Many(Vec<T>),
    /// One object.
    One(Box<T>),
    /// `true` or `false`.
    Flag(bool),
    /// Null, or something else that says nothing.
    #[default]
    Nothing,
}

impl<T> Rows<T> {
    /// The rows; none for a flag or nothing.
    pub fn into_vec(self) -> Vec<T> {
        match self {
            Self::Many(rows) => rows,
            Self::One(row) => vec![*row],
            Self::Flag(_) | Self::Nothing => Vec::new(),
        }
    }
}

impl<T: Serialize> Serialize for Rows<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Many(rows) => rows.serialize(serializer),
            Self::One(row) => row.serialize(serializer),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Nothing => serializer.serialize_none(),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Rows<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match drift::many(deserializer)? {
            Shape::Many(rows) => Self::Many(rows),
            Shape::One(row) => Self::One(Box::new(row)),
            Shape::Flag(flag) => Self::Flag(flag),
            Shape::Nothing => Self::Nothing,
        })
    }
}

/// A page, in both spellings (`pageData`/`totalPage` and `records`/`pages`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    bound(deserialize = "T: DeserializeOwned", serialize = "T: Serialize")
)]
pub struct Page<T> {
    /// Number of this page, from 1.
    #[serde(
        default,
        deserialize_with = "drift::number",
        skip_serializing_if = "Option::is_none"
    )]
    pub page: Option<i64>,
    /// Rows asked for.
    #[serde(
        default,
        deserialize_with = "drift::number",
        skip_serializing_if = "Option::is_none"
    )]
    pub rows: Option<i64>,
    /// Rows on this page (`infos`), or rows asked for (`queryImageList`).
    #[serde(
        default,
        deserialize_with = "drift::number",
        skip_serializing_if = "Option::is_none"
    )]
    pub size: Option<i64>,
    /// Rows in all.
    #[serde(
        default,
        deserialize_with = "drift::number",
        skip_serializing_if = "Option::is_none"
    )]
    pub total: Option<i64>,
    /// Pages in all.
    #[serde(
        default,
        deserialize_with = "drift::number",
        skip_serializing_if = "Option::is_none"
    )]
    pub total_page: Option<i64>,
    /// The rows.
    #[serde(
        default,
        deserialize_with = "drift::list",
        skip_serializing_if = "Option::is_none"
    )]
    pub page_data: Option<Vec<T>>,
    /// Second spelling: number of this page.
    #[serde(
        default,
        deserialize_with = "drift::number",
        skip_serializing_if = "Option::is_none"
    )]
    pub current: Option<i64>,
    /// Second spelling: pages in all.
    #[serde(
        default,
        deserialize_with = "drift::number",
        skip_serializing_if = "Option::is_none"
    )]
    pub pages: Option<i64>,
    /// Second spelling: the rows.
    #[serde(
        default,
        deserialize_with = "drift::list",
        skip_serializing_if = "Option::is_none"
    )]
    pub records: Option<Vec<T>>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self {
            page: None,
            rows: None,
            size: None,
            total: None,
            total_page: None,
            page_data: None,
            current: None,
            pages: None,
            records: None,
        }
    }
}

/// A page, or (some lists of some builds) the bare rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Paged<T> {
    /// A page.
    Page(Box<Page<T>>),
    /// A bare list.
    Bare(Vec<T>),
}

impl<T: Serialize> Serialize for Paged<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Page(page) => page.serialize(serializer),
            Self::Bare(rows) => rows.serialize(serializer),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Paged<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PagedVisitor(std::marker::PhantomData))
    }
}

struct PagedVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: DeserializeOwned> serde::de::Visitor<'de> for PagedVisitor<T> {
    type Value = Paged<T>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a page or a list")
    }
    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut rows = Vec::new();
        while let Some(row) = seq.next_element()? {
            rows.push(row);
        }
        Ok(Paged::Bare(rows))
    }
    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Page::deserialize(serde::de::value::MapAccessDeserializer::new(map))
            .map(|page| Paged::Page(Box::new(page)))
    }
}

/// One row of `infos` or `padDetails`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PadRow {
    /// The phone.
    #[serde(default, deserialize_with = "drift::text")]
    pub pad_code: Option<SmolStr>,
    /// 10 running … 26 cloning, −1 deleted.
    #[serde(default, deserialize_with = "drift::number")]
    pub pad_status: Option<i64>,
    /// 0 offline, 1 online (`padDetails`).
    #[serde(
        default,
        deserialize_with = "drift::number",
        skip_serializing_if = "Option::is_none"
    )]
    pub online: Option<i64>,
    /// The board: 0 offline, 1 online.
    #[serde(
        default,
        deserialize_with = "drift::number",
        skip_serializing_if = "Option::is_none"
    )]
    pub device_status: Option<i64>,
    /// 0 idle, 1 streaming (`padDetails`).
    #[serde(
        default,
        deserialize_with = "drift::number",
        skip_serializing_if = "Option::is_none"
    )]
    pub stream_status: Option<i64>,
    /// The provider's group.
    #[serde(
        default,
        deserialize_with = "drift::scalar",
        skip_serializing_if = "Option::is_none"
    )]
    pub group_id: Option<Scalar>,
    /// Grade (`q2-4`).
    #[serde(
        default,
        deserialize_with = "drift::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub pad_grade: Option<SmolStr>,
    /// Image id (`img-25030796215`).
    #[serde(
        default,
        deserialize_with = "drift::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub image_id: Option<SmolStr>,
    /// Image version (`20250307_4`).
    #[serde(
        default,
        deserialize_with = "drift::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub image_version: Option<SmolStr>,
    /// ADB: absent in old builds; null or `"0"` off, `"1"` on.
    #[serde(
        default,
        deserialize_with = "drift::told",
        skip_serializing_if = "Option::is_none"
    )]
    pub adb_open_status: Option<Option<Scalar>>,
}

/// A name and its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedValue {
    /// The name.
    #[serde(default, deserialize_with = "drift::text")]
    pub properties_name: Option<SmolStr>,
    /// The value.
    #[serde(default, deserialize_with = "drift::text")]
    pub properties_value: Option<SmolStr>,
}

/// One row of `batchPadProperties`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PropertiesRow {
    /// The phone.
    #[serde(default, deserialize_with = "drift::text")]
    pub pad_code: Option<SmolStr>,
    /// `IMEI`, `ICCID`, `IMSI`, `MCCMNC`, `OpName`, `PhoneNum`, `aic.*`.
    #[serde(default, deserialize_with = "drift::list")]
    pub modem_properties_list: Option<Vec<NamedValue>>,
    /// `ro.product.*`, `ro.build.*` and more.
    #[serde(default, deserialize_with = "drift::list")]
    pub system_properties_list: Option<Vec<NamedValue>>,
    /// `language`, `timezone`, `bt/mac`, `ssaid/<package>`, `systemvolume`.
    #[serde(default, deserialize_with = "drift::list")]
    pub setting_properties_list: Option<Vec<NamedValue>>,
    /// `UDID`, `OAID`, `VAID`, `AAID`, in any case.
    #[serde(default, deserialize_with = "drift::list")]
    pub oaid_properties_list: Option<Vec<NamedValue>>,
}

/// One row of `listInstalledApp`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstalledRow {
    /// The phone.
    #[serde(default, deserialize_with = "drift::text")]
    pub pad_code: Option<SmolStr>,
    /// Its apps; null tells nothing.
    #[serde(default, deserialize_with = "drift::list")]
    pub apps: Option<Vec<AppRow>>,
}

/// An app on a phone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppRow {
    /// Label.
    #[serde(default, deserialize_with = "drift::text")]
    pub app_name: Option<SmolStr>,
    /// Package.
    #[serde(default, deserialize_with = "drift::text", alias = "pkgName")]
    pub package_name: Option<SmolStr>,
    /// Version code, as text.
    #[serde(default, deserialize_with = "drift::text")]
    pub version_code: Option<SmolStr>,
    /// Version name.
    #[serde(default, deserialize_with = "drift::text")]
    pub version_name: Option<SmolStr>,
    /// 0 installed, 1 installing, 2 downloading.
    #[serde(default, deserialize_with = "drift::number")]
    pub app_state: Option<i64>,
}

/// One row of `app/list`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueAppRow {
    /// The id.
    #[serde(default, deserialize_with = "drift::scalar")]
    pub app_id: Option<Scalar>,
    /// Package.
    #[serde(default, deserialize_with = "drift::text")]
    pub package_name: Option<SmolStr>,
    /// Label.
    #[serde(default, deserialize_with = "drift::text")]
    pub app_name: Option<SmolStr>,
    /// Version name.
    #[serde(default, deserialize_with = "drift::text")]
    pub version_name: Option<SmolStr>,
    /// Version code.
    #[serde(default, deserialize_with = "drift::number")]
    pub version_no: Option<i64>,
    /// Whether the file can be used now (M24); 0 or 1 here.
    #[serde(default, deserialize_with = "drift::number")]
    pub available: Option<i64>,
}

/// One row of `queryImageList`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageRow {
    /// The id (`img-25030796215`).
    #[serde(default, deserialize_with = "drift::text")]
    pub image_id: Option<SmolStr>,
    /// Equal to the tag.
    #[serde(default, deserialize_with = "drift::text")]
    pub image_name: Option<SmolStr>,
    /// Tag (`20250307_4`).
    #[serde(default, deserialize_with = "drift::text")]
    pub image_tag: Option<SmolStr>,
    /// `android13`.
    #[serde(default, deserialize_with = "drift::text")]
    pub rom_version: Option<SmolStr>,
}

/// One row of the answer to a call that works on phones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskRow {
    /// The task.
    #[serde(
        default,
        deserialize_with = "drift::scalar",
        skip_serializing_if = "Option::is_none"
    )]
    pub task_id: Option<Scalar>,
    /// The phone.
    #[serde(
        default,
        deserialize_with = "drift::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub pad_code: Option<SmolStr>,
    /// 0 offline, 1 online. A row comes for an offline phone too.
    #[serde(
        default,
        deserialize_with = "drift::number",
        skip_serializing_if = "Option::is_none"
    )]
    pub vm_status: Option<i64>,
    /// 1 added, −1 the same task exists. `openOnlineAdb`: the final status of the task.
    #[serde(
        default,
        deserialize_with = "drift::number",
        skip_serializing_if = "Option::is_none"
    )]
    pub task_status: Option<i64>,
    /// `upgradeImage`: why this phone was refused.
    #[serde(
        default,
        deserialize_with = "drift::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub error_msg: Option<SmolStr>,
    /// In a list of failures: the code.
    #[serde(
        default,
        deserialize_with = "drift::scalar",
        alias = "errCode",
        skip_serializing_if = "Option::is_none"
    )]
    pub error_code: Option<Scalar>,
    /// In a list of failures, second spelling: why.
    #[serde(
        default,
        deserialize_with = "drift::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub err_msg: Option<SmolStr>,
    /// Partial success as an object of two lists.
    #[serde(
        default,
        deserialize_with = "drift::list",
        skip_serializing_if = "Option::is_none"
    )]
    pub success_list: Option<Vec<Self>>,
    /// The other list.
    #[serde(
        default,
        deserialize_with = "drift::list",
        alias = "failedList",
        skip_serializing_if = "Option::is_none"
    )]
    pub fail_list: Option<Vec<Self>>,
}

/// One row of `padTaskDetail`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskDetailRow {
    /// The task.
    #[serde(default, deserialize_with = "drift::scalar")]
    pub task_id: Option<Scalar>,
    /// The phone.
    #[serde(default, deserialize_with = "drift::text")]
    pub pad_code: Option<SmolStr>,
    /// −1 failed, −2 partly, −3 cancelled, −4 timeout, −5 abnormal, 1 waiting, 2 running, 3 done, 9 queued.
    #[serde(default, deserialize_with = "drift::number")]
    pub task_status: Option<i64>,
    /// Milliseconds; null while running.
    #[serde(default, deserialize_with = "drift::number")]
    pub end_time: Option<i64>,
    /// Echo of what was asked.
    #[serde(default, deserialize_with = "drift::long_text")]
    pub task_content: Option<String>,
    /// Output of a command, or the result in words.
    #[serde(default, deserialize_with = "drift::long_text")]
    pub task_result: Option<String>,
    /// Words that are there after success too.
    #[serde(default, deserialize_with = "drift::long_text")]
    pub error_msg: Option<String>,
}

/// One row of `task/list`: a batch of tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskBatchRow {
    /// The batch.
    #[serde(default, deserialize_with = "drift::text")]
    pub task_batch_id: Option<SmolStr>,
    /// Type number.
    #[serde(default, rename = "type", deserialize_with = "drift::number")]
    pub kind: Option<i64>,
    /// When it was made, in milliseconds.
    #[serde(default, deserialize_with = "drift::number")]
    pub create_timestamp: Option<i64>,
    /// Its tasks.
    #[serde(default, deserialize_with = "drift::list")]
    pub sub_tasks: Option<Vec<TaskDetailRow>>,
}

/// One row of `queryPadIdChangeRecords` (VMOS Cloud's OpenAPI; the answer's fields as public clients read them), or a page of them in any spelling.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RenameRow {
    /// The code before.
    #[serde(deserialize_with = "drift::text")]
    pub old_pad_code: Option<SmolStr>,
    /// The code since.
    #[serde(deserialize_with = "drift::text")]
    pub new_pad_code: Option<SmolStr>,
    /// A page: its rows.
    #[serde(
        deserialize_with = "drift::list",
        skip_serializing_if = "Option::is_none"
    )]
    pub page_data: Option<Vec<Self>>,
    /// Second spelling.
    #[serde(
        deserialize_with = "drift::list",
        skip_serializing_if = "Option::is_none"
    )]
    pub records: Option<Vec<Self>>,
    /// Third spelling.
    #[serde(
        deserialize_with = "drift::list",
        skip_serializing_if = "Option::is_none"
    )]
    pub list: Option<Vec<Self>>,
    /// Fourth spelling; where it is a number, it tells how many were asked for.
    #[serde(
        deserialize_with = "drift::list",
        skip_serializing_if = "Option::is_none"
    )]
    pub rows: Option<Vec<Self>>,
}
