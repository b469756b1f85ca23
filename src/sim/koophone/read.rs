//! Reads: the list of phones, their statuses and apps.
//!
//! Invariants: a stale read shows every phone as it was at one moment; apps tell version names only. Not here: tasks (`task`).

use super::form::{self, Phones, Query};
use super::wire::{AppRow, InstanceRow, Page, StatusRow, Statuses};
use super::{Refusal, Told, refuse};
use crate::model::stamp::Timestamp;
use crate::sim::faults::Kind;
use crate::sim::phone::Phone;
use crate::sim::world::World;
use serde::Serialize;

/// Most phones of one page. The manual gives no number.
const MOST_PHONES: usize = 200;
/// Most apps of one page.
const MOST_APPS: usize = 200;

/// The moment this read shows.
fn moment(world: &mut World) -> Timestamp {
    let number = world.call;
    match world.fault(Kind::Stale, number) {
        true => world.now.before(world.faults.stale_by.0),
        false => world.now,
    }
}

pub(super) fn told<T: Serialize>(data: &T) -> Result<Told, Refusal> {
    match serde_json::to_vec(data) {
        Ok(data) => Ok(Told(data)),
        Err(error) => refuse(9999, error.to_string()),
    }
}

/// `batch-query`
pub(super) fn listing(world: &mut World, query: &Query) -> Result<Told, Refusal> {
    let (page, rows) = form::page(query, MOST_PHONES)?;
    let at = moment(world);
    let wanted = |index: &u32| {
        let id = &*world.at(*index).id;
        let named = query.get("instance_id").is_none_or(|wanted| wanted == id);
        let like = query.get("instance_name");
        named && like.is_none_or(|like| name(id).contains(like.as_str()))
    };
    let found: Vec<u32> = world.listed.iter().copied().filter(wanted).collect();
    let skipped = found.iter().skip((page - 1).saturating_mul(rows));
    let mut cut: Vec<u32> = skipped.take(rows).copied().collect();
    let number = world.call;
    if world.fault(Kind::EmptyPage, number) {
        cut.clear();
    }
    if world.fault(Kind::ShortPage, number) {
        cut.truncate(cut.len() / 2);
    }
    if world.fault(Kind::DoubledPage, number) {
        cut.truncate(cut.len().div_ceil(2));
        cut.extend_from_within(..);
    }
    told(&Page {
        result: cut
            .iter()
            .map(|index| instance(world.at(*index).as_of(at)))
            .collect(),
        page_no: page,
        page_size: rows,
        total_count: found.len(),
    })
}

fn name(id: &str) -> String {
    format!("phone-{id}")
}

fn instance(phone: &Phone) -> InstanceRow<'_> {
    let (restores, backs_up) = (matches!(phone.status, 12 | 13 | 17), phone.status == 16);
    InstanceRow {
        instance_id: &phone.id,
        instance_name: name(&phone.id),
        region: "cn-south-1",
        instance_sku: "kpi.c2.large",
        frozen_status: 0,
        running_status: status_of(phone),
        login_status: phone.streaming.into(),
        assign_status: 1,
        assign_user: Some("fleet"),
        billing_mode: "period",
        backup_status: backs_up.then_some(1),
        restore_status: restores.then_some(1),
    }
}

/// 0 unknown, 1 stopped, 2 running, 3 going offline, 4 starting, 5 shut down.
fn status_of(phone: &Phone) -> u8 {
    match phone.status {
        10 if phone.connected => 2,
        10 | 15 | 19 | 26 => 3,
        // A restore or a backup runs beside the status.
        12 | 13 | 16 | 17 => 2,
        11 | 20 => 4,
        18 => 5,
        23 | 25 => 1,
        _ => 0,
    }
}

/// `batch-query-status`
pub(super) fn status(world: &mut World, body: &[u8]) -> Result<Told, Refusal> {
    let Phones { instance_ids } = form::parse(body)?;
    let phones = form::phones(world, &instance_ids)?;
    let at = moment(world);
    let status_results: Vec<StatusRow<'_>> = phones
        .iter()
        .map(|index| world.at(*index).as_of(at))
        .map(|phone| StatusRow {
            instance_id: &phone.id,
            status: status_of(phone),
        })
        .collect();
    told(&Statuses { status_results })
}

/// `{instance_id}/app-list`
pub(super) fn apps(world: &mut World, id: &str, query: &Query) -> Result<Told, Refusal> {
    let (page, rows) = form::page(query, MOST_APPS)?;
    let system = match query.get("app_type").map(String::as_str) {
        None => None,
        Some("1") => Some(true),
        Some("2") => Some(false),
        Some(_) => return refuse(1000, "app_type must be 1 or 2"),
    };
    let Some(index) = world.find(id) else {
        return refuse(4001, format!("instance does not exist: {id}"));
    };
    let at = moment(world);
    let phone = world.at(index).as_of(at);
    let wanted = || {
        phone
            .apps
            .iter()
            .filter(|app| system.is_none_or(|system| app.system == system))
    };
    let result = wanted()
        .skip((page - 1).saturating_mul(rows))
        .take(rows)
        .map(|app| AppRow {
            app_name: &app.name,
            app_version: &app.version_name,
            app_pkg: &app.package,
            icon_url: "",
        })
        .collect();
    told(&Page {
        result,
        page_no: page,
        page_size: rows,
        total_count: wanted().count(),
    })
}
