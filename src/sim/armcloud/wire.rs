//! Answers as the manual describes them: rows and pages, written straight from the world.
//!
//! Invariants: rows borrow from the world and are serialised once. Not here: what stands in them (`read`, `task`, `write`).

use serde::{Serialize, Serializer};

/// A number that some builds write as text.
#[derive(Clone, Copy)]
pub(super) struct Num {
    pub(super) value: i64,
    pub(super) as_text: bool,
}

impl Serialize for Num {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_text {
            true => serializer.collect_str(&self.value),
            false => serializer.serialize_i64(self.value),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Paged<T> {
    pub(super) page: usize,
    pub(super) rows: usize,
    pub(super) size: usize,
    pub(super) total: usize,
    pub(super) total_page: usize,
    pub(super) page_data: Vec<T>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cursored<T> {
    pub(super) last_id: Option<u64>,
    pub(super) has_next: bool,
    pub(super) rows: usize,
    pub(super) page_data: Vec<T>,
}

/// The envelope `queryImageList` uses.
#[derive(Serialize)]
pub(super) struct Records<T> {
    pub(super) records: Vec<T>,
    pub(super) total: usize,
    pub(super) size: usize,
    pub(super) current: usize,
    pub(super) pages: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InfoRow<'a> {
    pub(super) pad_code: &'a str,
    pub(super) pad_grade: &'a str,
    pub(super) pad_status: Num,
    pub(super) group_id: u32,
    pub(super) idc_code: &'a str,
    pub(super) device_ip: &'a str,
    pub(super) pad_ip: &'a str,
    pub(super) image_id: &'a str,
    pub(super) image_version: &'a str,
    pub(super) pad_type: &'a str,
    pub(super) adb_open_status: Option<&'a str>,
    pub(super) apps: Option<()>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DetailRow<'a> {
    pub(super) pad_code: &'a str,
    pub(super) image_id: &'a str,
    pub(super) device_level: &'a str,
    pub(super) pad_status: Num,
    pub(super) device_status: Num,
    pub(super) online: Num,
    pub(super) stream_status: Num,
    pub(super) data_size: i64,
    pub(super) data_size_used: i64,
    pub(super) adb_open_status: Option<&'a str>,
    pub(super) country_code: &'a str,
    pub(super) dns: Option<&'a str>,
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    pub(super) real_phone_template_id: Option<u64>,
    pub(super) dc_info: DataCentre,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DataCentre {
    pub(super) dc_code: &'static str,
    pub(super) dc_name: &'static str,
    pub(super) area: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupRow {
    pub(super) group_id: u32,
    pub(super) group_name: String,
    pub(super) pad_count: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InstalledRow<'a> {
    pub(super) pad_code: &'a str,
    pub(super) apps: Vec<InstalledApp<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InstalledApp<'a> {
    pub(super) app_name: &'a str,
    pub(super) package_name: &'a str,
    pub(super) version_code: String,
    pub(super) version_name: &'a str,
    pub(super) app_state: Num,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfferRow<'a> {
    pub(super) app_id: u64,
    pub(super) origin_url: &'a str,
    pub(super) original_url: &'a str,
    pub(super) description: &'a str,
    pub(super) package_name: &'a str,
    pub(super) app_name: &'a str,
    pub(super) version_name: &'a str,
    pub(super) version_no: u64,
    pub(super) sign_md5: &'a str,
    pub(super) available: bool,
    pub(super) create_time: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImageRow<'a> {
    pub(super) image_id: &'a str,
    pub(super) image_name: &'a str,
    pub(super) image_tag: &'a str,
    pub(super) server_type: &'a str,
    pub(super) rom_version: String,
    pub(super) release_type: u8,
    pub(super) support_f2fs: bool,
    pub(super) file_tag: Option<&'a str>,
}

/// What a submit answers of one phone.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubmitRow<'a> {
    pub(super) task_id: Option<Num>,
    pub(super) pad_code: &'a str,
    pub(super) vm_status: Num,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) task_status: Option<Num>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_msg: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TaskRow<'a> {
    pub(super) task_id: Num,
    pub(super) pad_code: &'a str,
    pub(super) task_status: Num,
    pub(super) end_time: Option<Num>,
    pub(super) task_content: Option<&'a str>,
    pub(super) task_result: Option<&'a str>,
    pub(super) error_msg: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BatchRow<'a> {
    pub(super) task_batch_id: String,
    pub(super) task_batch_status: Num,
    #[serde(rename = "type")]
    pub(super) kind: u32,
    pub(super) create_timestamp: i64,
    pub(super) sub_tasks: Vec<SubTask<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubTask<'a> {
    pub(super) task_id: Num,
    pub(super) pad_code: &'a str,
    pub(super) file_unique_id: Option<&'a str>,
    pub(super) task_status: Num,
    pub(super) end_time: Option<Num>,
}
