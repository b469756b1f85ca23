//! Reads: phones, groups, apps, images, ADB addresses, properties.
//!
//! Invariants: a stale read shows every phone as it was at one moment; what the vendor's listing does not tell (time zone, language, apps, proxy) is in none
//! of these answers but `GetInstanceProperties`. Not here: tasks (`task`).

use super::form::{Form, Place, invalid, token};
use super::{REGION, Refusal, success, with_books};
use crate::model::stamp::Timestamp;
use crate::sim::faults::Kind;
use crate::sim::phone::{self, Phone};
use crate::sim::shell::{self, Script};
use crate::sim::world::World;
use bytes::Bytes;
use serde::Serialize;
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeMap;

/// A page of rows under the name `Data`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Page<T, C> {
    pub(super) data: Vec<T>,
    pub(super) next_token: SmolStr,
    /// A number, or a number as text: the vendor has both.
    pub(super) total_count: C,
}

/// Cuts a page out of all rows; and the token of the next one.
pub(super) fn cut<T>(rows: Vec<T>, (most, skip): (usize, usize)) -> (Vec<T>, SmolStr) {
    let total = rows.len();
    let page: Vec<T> = rows.into_iter().skip(skip).take(most).collect();
    let end = skip.saturating_add(most);
    let next = if end < total {
        token(end)
    } else {
        SmolStr::default()
    };
    (page, next)
}

/// `DescribeRegions`
pub(super) fn regions(world: &mut World, _: &Form) -> Result<Bytes, Refusal> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Row {
        region_id: &'static str,
        region_name: &'static str,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Regions {
        region_models: [Row; 1],
    }
    let region_models = [Row {
        region_id: REGION,
        region_name: "China (Shanghai)",
    }];
    success(world, Regions { region_models })
}

/// The moment this read shows.
fn moment(world: &mut World) -> Timestamp {
    let number = world.call;
    match world.fault(Kind::Stale, number) {
        true => world.now.before(world.faults.stale_by.0),
        false => world.now,
    }
}

/// A row of `DescribeAndroidInstances`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InstanceRow<'a> {
    android_instance_id: &'a str,
    android_instance_name: &'static str,
    android_instance_group_id: SmolStr,
    android_instance_group_name: SmolStr,
    android_instance_status: &'static str,
    image_id: &'a str,
    image_version: &'a str,
    system_version: SmolStr,
    session_status: &'static str,
    region_id: &'static str,
    charge_type: &'static str,
    cpu: &'static str,
    memory: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    up_bandwidth_limit: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    down_bandwidth_limit: Option<i64>,
    display_config: Display,
    disks: [(); 0],
    tags: [(); 0],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Display {
    dpi: u32,
    fps: u32,
    lock_resolution: &'static str,
    resolution_height: u32,
    resolution_width: u32,
}

/// The vendor's word for a phone's state; the name of a changing image is not documented, so this one is made up.
pub(super) fn status(phone: &Phone) -> &'static str {
    match phone.status {
        phone::RUNNING if !phone.connected => "UNAVAILABLE",
        phone::RUNNING => "RUNNING",
        phone::RESTARTING => "REBOOTING",
        phone::RESETTING => "RESETTING",
        phone::UPGRADING => "IMAGE_UPDATING",
        15 | 16 => "BACKUPING",
        17 => "RECOVERING",
        18 => "STOPPED",
        19 => "STOPPING",
        20 => "STARTING",
        23 | 25 => "DELETING",
        26 => "CREATING",
        -1 => "DELETED",
        _ => "FAILED",
    }
}

fn limit(megabits: f64) -> Option<i64> {
    // Whole and small by construction; no limit is left out.
    #[expect(clippy::cast_possible_truncation, reason = "limits are whole Mbit/s")]
    let whole = megabits as i64;
    (whole > 0).then_some(whole)
}

fn instance(world: &World, index: u32, at: Timestamp) -> InstanceRow<'_> {
    let phone = world.at(index).as_of(at);
    let limits = phone.bandwidth.as_deref();
    InstanceRow {
        android_instance_id: &phone.id,
        android_instance_name: "defaultInstanceName",
        android_instance_group_id: group_id(phone.group),
        android_instance_group_name: format_smolstr!("Group {}", phone.group),
        android_instance_status: status(phone),
        image_id: &phone.image.id,
        image_version: &phone.image.version,
        system_version: format_smolstr!("{}", phone.image.android),
        session_status: if phone.streaming {
            "CONNECT"
        } else {
            "DISCONNECT"
        },
        region_id: REGION,
        charge_type: "PrePaid",
        cpu: "4",
        memory: 8192,
        up_bandwidth_limit: limits.and_then(|limits| limit(limits.up)),
        down_bandwidth_limit: limits.and_then(|limits| limit(limits.down)),
        display_config: Display {
            dpi: 320,
            fps: 30,
            lock_resolution: "off",
            resolution_height: 1280,
            resolution_width: 720,
        },
        disks: [],
        tags: [],
    }
}

/// A group's id as it is written.
fn group_id(group: u32) -> SmolStr {
    format_smolstr!("ag-{group:04}")
}

/// `DescribeAndroidInstances`
pub(super) fn instances(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Instances<'a> {
        instance_model: Vec<InstanceRow<'a>>,
        next_token: SmolStr,
        total_count: usize,
    }
    let (most, skip) = form.page(Place::Query, 100)?;
    let at = moment(world);
    let wanted = form.list(Place::Query, "AndroidInstanceIds");
    let groups: Vec<&str> = form
        .list(Place::Query, "InstanceGroupIds")
        .into_iter()
        .chain(form.text(Place::Query, "InstanceGroupId"))
        .collect();
    let status_wanted = form.text(Place::Query, "Status");
    let everything = wanted.is_empty() && groups.is_empty() && status_wanted.is_none();
    let shown = |index: &u32| {
        let phone = world.at(*index).as_of(at);
        (wanted.is_empty() || wanted.contains(&&*phone.id))
            && (groups.is_empty() || groups.contains(&&*group_id(phone.group)))
            && status_wanted.is_none_or(|word| word == status(phone))
    };
    let (mut page, total): (Vec<u32>, usize) = if everything {
        let phones = world.listed.iter().copied().skip(skip).take(most);
        (phones.collect(), world.listed.len())
    } else {
        let all: Vec<u32> = world.listed.iter().copied().filter(shown).collect();
        let total = all.len();
        (all.into_iter().skip(skip).take(most).collect(), total)
    };
    let end = skip.saturating_add(most);
    let next_token = if end < total {
        token(end)
    } else {
        SmolStr::default()
    };
    spoil(world, &mut page);
    let rows: Vec<InstanceRow<'_>> = page
        .iter()
        .map(|index| instance(world, *index, at))
        .collect();
    success(
        world,
        Instances {
            instance_model: rows,
            next_token,
            total_count: total,
        },
    )
}

/// What faults do to a page of a listing.
fn spoil(world: &mut World, page: &mut Vec<u32>) {
    let number = world.call;
    if world.fault(Kind::EmptyPage, number) {
        page.clear();
    }
    if world.fault(Kind::ShortPage, number) {
        page.truncate(page.len() / 2);
    }
    if world.fault(Kind::DoubledPage, number) {
        page.truncate(page.len().div_ceil(2));
        page.extend_from_within(..);
    }
}

/// `DescribeAndroidInstanceGroups`
pub(super) fn groups(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Row {
        instance_group_id: SmolStr,
        instance_group_name: SmolStr,
        instance_group_status: &'static str,
        number_of_instances: String,
        available_instance_amount: usize,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Groups {
        instance_group_model: Vec<Row>,
        next_token: SmolStr,
        total_count: usize,
    }
    let page = form.page(Place::Query, 100)?;
    let rows: Vec<Row> = world
        .groups
        .iter()
        .map(|(group, phones)| Row {
            instance_group_id: group_id(*group),
            instance_group_name: format_smolstr!("Group {group}"),
            instance_group_status: "RUNNING",
            number_of_instances: phones.len().to_string(),
            available_instance_amount: phones.len(),
        })
        .collect();
    let total_count = rows.len();
    let (instance_group_model, next_token) = cut(rows, page);
    success(
        world,
        Groups {
            instance_group_model,
            next_token,
            total_count,
        },
    )
}

/// `DescribeApps`: 10 rows where the request does not say how many.
pub(super) fn apps(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Row<'a> {
        app_id: u64,
        app_name: &'a str,
        package_name: &'a str,
        android_app_version: &'a str,
        apk_size: &'static str,
        app_type: &'static str,
        #[serde(rename = "MD5")]
        md5: &'a str,
        status: &'static str,
        instance_group_list: [(); 0],
    }
    let page = form.page(Place::Query, 10)?;
    let ids = form.list(Place::Query, "AppIdList");
    let name = form.text(Place::Query, "AppName");
    let digest = form.text(Place::Query, "MD5");
    let imports = with_books(world, |books| books.imports.clone());
    let md5 = |id: u64| {
        imports
            .get(&id)
            .map_or("0f938c4f0995a83c9bf31f0c64322589", |import| &*import.md5)
    };
    let coming = |id: u64| {
        imports
            .get(&id)
            .is_some_and(|import| world.now < import.ready)
    };
    let rows: Vec<Row<'_>> = world
        .offers
        .iter()
        .filter(|offer| digest.is_none_or(|digest| digest.eq_ignore_ascii_case(md5(offer.id))))
        .filter(|offer| ids.is_empty() || ids.contains(&&*offer.id.to_string()))
        .filter(|offer| name.is_none_or(|name| offer.app.name == name))
        .map(|offer| Row {
            app_id: offer.id,
            app_name: &offer.app.name,
            package_name: &offer.app.package,
            android_app_version: &offer.app.version_name,
            apk_size: "12",
            app_type: "ANDROID",
            md5: md5(offer.id),
            status: if coming(offer.id) {
                "CREATING"
            } else {
                "NORMAL"
            },
            instance_group_list: [],
        })
        .collect();
    let total_count = rows.len().to_string();
    let (data, next_token) = cut(rows, page);
    success(
        world,
        Page {
            data,
            next_token,
            total_count,
        },
    )
}

/// `DescribeImageList`: 20 rows where the request does not say how many; one kind of images at a time.
pub(super) fn images(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Row<'a> {
        image_id: &'a str,
        image_name: SmolStr,
        image_type: &'static str,
        image_version: &'a str,
        status: &'static str,
        system_type: &'static str,
        language: &'static str,
        release_time: &'static str,
    }
    let page = form.page(Place::Body, 20)?;
    let wanted = form.text(Place::Body, "ImageId");
    let system = match form.need(Place::Body, "ImageType")? {
        "System" => true,
        "User" => false,
        _ => return invalid("ImageType"),
    };
    let rows: Vec<Row<'_>> = world
        .images
        .iter()
        .filter(|image| system && wanted.is_none_or(|id| image.id == id))
        .map(|image| Row {
            image_id: &image.id,
            image_name: format_smolstr!("Android {}", image.android),
            image_type: "System",
            image_version: &image.version,
            status: "AVAILABLE",
            system_type: "Android",
            language: "zh-CN",
            release_time: "2026-06-08 12:00:00",
        })
        .collect();
    let total_count = rows.len();
    let (data, next_token) = cut(rows, page);
    success(
        world,
        Page {
            data,
            next_token,
            total_count,
        },
    )
}

/// `ListInstanceAdbAttributes`: phones whose ADB is on.
pub(super) fn adb(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Row<'a> {
        instance_id: &'a str,
        external_ip: &'static str,
        external_port: String,
        internal_ip: &'static str,
        internal_port: &'static str,
        ip_protocol: &'static str,
    }
    let page = form.page(Place::Query, 100)?;
    let phones = match form.list(Place::Query, "InstanceIds").is_empty() {
        true => world.listed.clone(),
        false => form.phones(world, "InstanceIds", 100)?,
    };
    let at = moment(world);
    let rows: Vec<Row<'_>> = phones
        .into_iter()
        .map(|index| (index, world.at(index).as_of(at)))
        .filter(|(_, phone)| phone.adb)
        .map(|(index, phone)| Row {
            instance_id: &phone.id,
            external_ip: "203.0.113.7",
            external_port: (20_000 + index % 40_000).to_string(),
            internal_ip: "10.0.0.7",
            internal_port: "5555",
            ip_protocol: "tcp",
        })
        .collect();
    let total_count = rows.len();
    let (data, next_token) = cut(rows, page);
    success(
        world,
        Page {
            data,
            next_token,
            total_count,
        },
    )
}

/// `GetInstanceProperties`: what getprop prints, as JSON in a text, under the vendor's own spelling.
pub(super) fn properties(world: &mut World, form: &Form) -> Result<Bytes, Refusal> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Model {
        content: String,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Properties {
        property_template_model: Model,
    }
    let id = form.need(Place::Query, "InstanceId")?;
    let Some(index) = world.find(id) else {
        return super::refuse(
            400,
            "InvalidInstanceId.NotFound",
            format!("The specified instance {id} does not exist."),
        );
    };
    if !world.at(index).ready() {
        return super::refuse(
            400,
            "IncorrectInstanceStatus",
            format!("The status of instance {id} does not support this operation."),
        );
    }
    let command = Script::new("getprop", &[]);
    let printed = shell::run(&mut world.at(index).clone(), &command);
    let properties: BTreeMap<&str, &str> = printed
        .output
        .lines()
        .filter_map(|line| {
            line.strip_prefix('[')?
                .strip_suffix(']')?
                .split_once("]: [")
        })
        .collect();
    let content = serde_json::json!({ "propties": properties }).to_string();
    success(
        world,
        Properties {
            property_template_model: Model { content },
        },
    )
}
