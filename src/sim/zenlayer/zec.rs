//! `zec`: instances.
//!
//! Invariants: a stale read shows every instance as it was at one moment; what is inside a phone is in no answer. Not here: commands (`zos`).

use super::form::{Instances, MOST_IDS, at_most, parse};
use super::store::{self, time};
use super::wire::{Instance, InstanceStatus, Page, Tag, Tags};
use super::{Dialect, Refusal, success};
use crate::model::stamp::Timestamp;
use crate::sim::faults::Kind;
use crate::sim::job::Work;
use crate::sim::phone::{ABNORMAL, Phone, RESETTING, RESTARTING, RUNNING, UPGRADING};
use crate::sim::world::World;
use bytes::Bytes;
use smol_str::SmolStr;

/// A page of instances, as it is cut out of the list.
struct Cut {
    phones: Vec<u32>,
    total: usize,
    at: Timestamp,
    dialect: Dialect,
}

fn cut(world: &mut World, form: &Instances) -> Result<Cut, Refusal> {
    let (skip, rows) = form.page.bounds(1000)?;
    let dialect = store::of(world).dialect.clone();
    let number = world.call;
    let at = match world.fault(Kind::Stale, number) {
        true => world.now.before(world.faults.stale_by.0),
        false => world.now,
    };
    if let Some(ids) = &form.instance_ids {
        at_most("instanceIds", ids.len(), MOST_IDS)?;
    }
    let wanted = |index: &u32| {
        let phone = world.at(*index);
        let said = |filter: &Option<SmolStr>, value: &str| {
            filter.as_ref().is_none_or(|filter| filter == value)
        };
        form.instance_ids
            .as_ref()
            .is_none_or(|ids| ids.is_empty() || ids.contains(&phone.id))
            && said(&form.status, status(world, phone.as_of(at)))
            && said(&form.resource_group_id, &group(phone))
            && form
                .name
                .as_ref()
                .is_none_or(|part| name(phone).contains(part.as_str()))
    };
    let found: Vec<u32> = world
        .listed
        .iter()
        .filter(|index| wanted(index))
        .copied()
        .collect();
    let page = skip / rows;
    let rows = dialect.rows_at_most.map_or(rows, |most| most.min(rows));
    let skip = page.saturating_mul(rows);
    let end = skip.saturating_add(rows).min(found.len());
    let mut phones = found.get(skip..end).unwrap_or_default().to_vec();
    if world.fault(Kind::EmptyPage, number) {
        phones.clear();
    }
    if world.fault(Kind::ShortPage, number) {
        phones.truncate(phones.len() / 2);
    }
    if world.fault(Kind::DoubledPage, number) {
        phones.truncate(phones.len().div_ceil(2));
        phones.extend_from_within(..);
    }
    let total = if dialect.no_totals { 0 } else { found.len() };
    Ok(Cut {
        phones,
        total,
        at,
        dialect,
    })
}

/// `DescribeInstances`
pub(super) fn instances(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: Instances = parse(body)?;
    let Cut {
        phones,
        total,
        at,
        dialect,
    } = cut(world, &form)?;
    let began = time(world.began, &dialect);
    let data_set = phones
        .iter()
        .map(|index| {
            let phone = world.at(*index).as_of(at);
            let instance = instance(phone, *index, &dialect, began.clone());
            Instance {
                status: status(world, phone),
                ..instance
            }
        })
        .collect();
    success(
        world,
        Page {
            data_set,
            total_count: total,
        },
    )
}

/// `DescribeInstancesStatus`
pub(super) fn statuses(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: Instances = parse(body)?;
    let Cut {
        phones, total, at, ..
    } = cut(world, &form)?;
    let data_set = phones
        .iter()
        .map(|index| {
            let phone = world.at(*index).as_of(at);
            InstanceStatus {
                instance_id: &phone.id,
                instance_status: status(world, phone),
            }
        })
        .collect();
    success(
        world,
        Page {
            data_set,
            total_count: total,
        },
    )
}

fn instance<'a>(phone: &'a Phone, index: u32, dialect: &Dialect, began: String) -> Instance<'a> {
    Instance {
        instance_id: &phone.id,
        instance_name: name(phone),
        zone_id: "asia-east-1a",
        instance_type: "z2a.cpu.4",
        cpu: 4,
        memory: 8,
        image_id: &phone.image.id,
        image_name: &phone.image.version,
        time_zone: "UTC",
        nic_network_type: "VirtioOnly",
        status: "",
        system_disk: None,
        data_disks: [],
        public_ip_addresses: [],
        private_ip_addresses: [format!("10.0.{}.{}", index / 250, index % 250 + 2)],
        enable_agent: !dialect.without_agent.contains(&phone.id),
        enable_agent_monitor: false,
        create_time: began,
        expired_time: None,
        resource_group_id: group(phone),
        resource_group_name: format!("Group {}", phone.group),
        tags: Tags {
            tags: vec![Tag {
                key: "ring",
                value: phone.group.to_string(),
            }],
        },
    }
}

/// An instance's name.
pub(super) fn name(phone: &Phone) -> String {
    format!("phone-{}", phone.id)
}

fn group(phone: &Phone) -> String {
    format!("rg-{}", phone.group)
}

/// An instance's status in the vendor's words; numbers are those of the world's phones. An instance goes on running while a command restarts what runs on it.
pub(super) fn status(world: &World, phone: &Phone) -> &'static str {
    match phone.status {
        RUNNING => "RUNNING",
        RESTARTING if matches!(world.work_on(phone), Some(Work::Shell(_))) => "RUNNING",
        RESTARTING => "BOOTING",
        RESETTING | UPGRADING => "REBUILDING",
        ABNORMAL => "REINSTALL_FAILED",
        18 => "STOPPED",
        23 => "RECYCLE",
        _ => "RESIZING",
    }
}
