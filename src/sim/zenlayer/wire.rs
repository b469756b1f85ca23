//! Answers as the reference describes them.
//!
//! Invariants: fields and nulls are those of the manual's sample. Not here: requests (`form`).

use serde::Serialize;
use smol_str::SmolStr;

/// A page.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    pub(super) data_set: Vec<T>,
    pub(super) total_count: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Instance<'a> {
    pub(super) instance_id: &'a str,
    pub(super) instance_name: String,
    pub(super) zone_id: &'a str,
    pub(super) instance_type: &'a str,
    pub(super) cpu: u32,
    pub(super) memory: u32,
    pub(super) image_id: &'a str,
    pub(super) image_name: &'a str,
    pub(super) time_zone: &'a str,
    pub(super) nic_network_type: &'a str,
    pub(super) status: &'a str,
    pub(super) system_disk: Option<()>,
    pub(super) data_disks: [(); 0],
    pub(super) public_ip_addresses: [(); 0],
    pub(super) private_ip_addresses: [String; 1],
    pub(super) enable_agent: bool,
    pub(super) enable_agent_monitor: bool,
    pub(super) create_time: String,
    pub(super) expired_time: Option<()>,
    pub(super) resource_group_id: String,
    pub(super) resource_group_name: String,
    pub(super) tags: Tags,
}

#[derive(Serialize)]
pub(super) struct Tags {
    pub(super) tags: Vec<Tag>,
}

#[derive(Serialize)]
pub(super) struct Tag {
    pub(super) key: &'static str,
    pub(super) value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InstanceStatus<'a> {
    pub(super) instance_id: &'a str,
    pub(super) instance_status: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Command<'a> {
    pub(super) command_id: SmolStr,
    pub(super) name: &'a str,
    pub(super) description: &'a str,
    pub(super) content: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    pub(super) create_time: String,
    pub(super) latest_invocation_time: Option<String>,
    pub(super) tags: Tags,
    pub(super) resource_group: Option<()>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Created {
    pub(super) command_id: SmolStr,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Invoked {
    pub(super) invocation_id: SmolStr,
}

/// A payload without anything in it.
#[derive(Serialize)]
pub(super) struct Nothing {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Invocation<'a> {
    pub(super) invocation_id: SmolStr,
    pub(super) command_id: SmolStr,
    pub(super) command_name: &'a str,
    pub(super) command_type: &'a str,
    pub(super) content: &'a str,
    pub(super) timeout: u32,
    pub(super) create_time: String,
    pub(super) invocation_status: &'static str,
    pub(super) invocation_instances: Vec<InvocationInstance<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InvocationInstance<'a> {
    pub(super) instance_id: &'a str,
    pub(super) instance_name: String,
    pub(super) instance_exist: bool,
    pub(super) task_status: &'static str,
    pub(super) exit_code: Option<i64>,
    pub(super) error_code: Option<&'static str>,
    pub(super) output: Option<&'a str>,
    pub(super) output_error: Option<&'a str>,
    pub(super) exec_start_time: Option<String>,
    pub(super) exec_end_time: Option<String>,
}
