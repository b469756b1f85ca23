//! Reads: lists of phones, properties, apps, images.
//!
//! Invariants: a stale read shows every phone as it was at one moment; proxy, position and bandwidth are in no answer. Not here: tasks (`task`), how
//! property lists are written (`lists`).

use super::form::{self, AppId, OnePhone, Page, Phones, parse};
use super::task::num;
use super::wire::{
    Cursored, DataCentre, DetailRow, GroupRow, ImageRow, InfoRow, InstalledApp, InstalledRow,
    OfferRow, Paged, Records,
};
use super::{Refusal, lists, refuse, success, success_written};
use crate::model::stamp::Timestamp;
use crate::sim::faults::Kind;
use crate::sim::job::Work;
use crate::sim::phone::{Image, Phone};
use crate::sim::world::{Offer, World};
use bytes::Bytes;
use std::borrow::Cow;

/// The moment this read shows.
fn moment(world: &mut World) -> Timestamp {
    let number = world.call;
    match world.fault(Kind::Stale, number) {
        true => world.now.before(world.faults.stale_by.0),
        false => world.now,
    }
}

/// The phones of a listing before it is cut into pages, in listing order.
fn selected<'a>(world: &'a World, form: &Page) -> Cow<'a, [u32]> {
    let groups: Vec<u32> = form
        .group_ids
        .iter()
        .chain(&form.group_id)
        .copied()
        .collect();
    let of_group = |index: &u32| groups.is_empty() || groups.contains(&world.at(*index).group);
    let mut phones: Vec<u32> = match (form.pad_codes.as_slice(), groups.as_slice()) {
        ([], []) => return Cow::Borrowed(&world.listed),
        ([], [group]) => return Cow::Borrowed(world.groups.get(group).map_or(&[], Vec::as_slice)),
        ([], several) => several
            .iter()
            .flat_map(|group| world.groups.get(group).into_iter().flatten().copied())
            .collect(),
        // A filter, not an order: unknown codes find nothing.
        (codes, _) => codes
            .iter()
            .filter_map(|code| world.find(code))
            .filter(of_group)
            .collect(),
    };
    phones.sort_unstable();
    phones.dedup();
    Cow::Owned(phones)
}

/// One page of a listing.
struct Cut {
    phones: Vec<u32>,
    total: usize,
    /// Where the next page goes on, if there is one.
    last: Option<u64>,
    more: bool,
}

/// Cuts a page out of a listing: from a place, or after the phone that a cursor names.
fn cut(world: &mut World, form: &Page, skip: Result<usize, u64>, rows: usize) -> Cut {
    let found = selected(world, form);
    let skip = skip.unwrap_or_else(|last| found.partition_point(|index| u64::from(*index) < last));
    let end = skip.saturating_add(rows).min(found.len());
    let mut phones = found.get(skip..end).unwrap_or_default().to_vec();
    let (total, more) = (found.len(), end < found.len());
    let last = phones.last().map(|index| u64::from(*index) + 1);
    let number = world.call;
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
    Cut {
        phones,
        total,
        last,
        more,
    }
}

/// `infos`
pub(super) fn infos(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: Page = parse(body)?;
    let (page, rows) = form.bounds(true)?;
    let at = moment(world);
    let cut = cut(world, &form, Ok((page - 1).saturating_mul(rows)), rows);
    let page_data: Vec<InfoRow<'_>> = cut
        .phones
        .iter()
        .map(|index| info(world, *index, at))
        .collect();
    success(world, paged(page, rows, cut.total, page_data))
}

/// `infos/new`: `lastId` is where the page before ended.
pub(super) fn infos_new(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: Page = parse(body)?;
    let (_, rows) = form.bounds(false)?;
    let at = moment(world);
    let Cut {
        phones, last, more, ..
    } = cut(world, &form, Err(form.last_id.unwrap_or(0)), rows);
    let page_data: Vec<InfoRow<'_>> = phones.iter().map(|index| info(world, *index, at)).collect();
    success(
        world,
        Cursored {
            last_id: last,
            has_next: more,
            rows,
            page_data,
        },
    )
}

/// The envelope of numbered pages.
fn paged<T>(page: usize, rows: usize, total: usize, page_data: Vec<T>) -> Paged<T> {
    Paged {
        page,
        rows,
        size: page_data.len(),
        total,
        total_page: total.div_ceil(rows),
        page_data,
    }
}

fn info(world: &World, index: u32, at: Timestamp) -> InfoRow<'_> {
    let phone = world.at(index).as_of(at);
    InfoRow {
        pad_code: &phone.id,
        pad_grade: "m2-3",
        pad_status: num(world, phone.status.into()),
        group_id: phone.group,
        idc_code: "HK-01",
        device_ip: "10.0.0.1",
        pad_ip: "10.1.0.1",
        image_id: &phone.image.id,
        image_version: &phone.image.version,
        pad_type: kind(phone),
        adb_open_status: adb(phone),
        apps: None,
    }
}

/// `padDetails`
pub(super) fn details(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: Page = parse(body)?;
    let (page, rows) = form.bounds(false)?;
    let at = moment(world);
    let cut = cut(world, &form, Ok((page - 1).saturating_mul(rows)), rows);
    let page_data: Vec<DetailRow<'_>> = cut
        .phones
        .iter()
        .map(|index| detail(world, *index, at))
        .collect();
    success(world, paged(page, rows, cut.total, page_data))
}

fn detail(world: &World, index: u32, at: Timestamp) -> DetailRow<'_> {
    let phone = world.at(index).as_of(at);
    let flag = |on: bool| num(world, on.into());
    DetailRow {
        pad_code: &phone.id,
        image_id: &phone.image.id,
        device_level: "m2-3",
        pad_status: num(world, phone.status.into()),
        device_status: flag(true),
        online: flag(phone.ready()),
        stream_status: flag(phone.streaming),
        data_size: 234_493_726_720,
        data_size_used: 179_189_956_608,
        adb_open_status: adb(phone),
        country_code: &phone.country,
        dns: None,
        kind: kind(phone),
        real_phone_template_id: phone.real_device.then_some(13),
        dc_info: DataCentre {
            dc_code: "HK-01",
            dc_name: "Hong Kong 01",
            area: "Hong Kong",
        },
    }
}

fn kind(phone: &Phone) -> &'static str {
    if phone.real_device { "real" } else { "virtual" }
}

/// `null` until it was switched for the first time would be possible too; off is `"0"` here.
fn adb(phone: &Phone) -> Option<&'static str> {
    Some(if phone.adb { "1" } else { "0" })
}

/// `group/infos`
pub(super) fn groups(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: Phones = parse(body)?;
    let wanted = |group: &u32| form.group_ids.is_empty() || form.group_ids.contains(group);
    let rows: Vec<GroupRow> = world
        .groups
        .iter()
        .filter(|(group, _)| wanted(group))
        .map(|(group, phones)| GroupRow {
            group_id: *group,
            group_name: format!("Group {group}"),
            pad_count: phones.len(),
        })
        .collect();
    success(world, rows)
}

/// `padProperties`
pub(super) fn properties_of_one(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let OnePhone { pad_code } = parse(body)?;
    let phones = form::phones(world, &[pad_code])?;
    let at = moment(world);
    let mut lists = String::with_capacity(lists::USUAL);
    lists::write(world, world.at(phones[0]).as_of(at), &mut lists);
    Ok(success_written(world, &lists))
}

/// `batchPadProperties`
pub(super) fn properties_of_many(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let Phones { pad_codes, .. } = parse(body)?;
    let phones = form::phones(world, &pad_codes)?;
    let at = moment(world);
    let mut rows = String::with_capacity(2 + phones.len() * lists::USUAL);
    rows.push('[');
    for (place, index) in phones.iter().enumerate() {
        if place > 0 {
            rows.push(',');
        }
        lists::write(world, world.at(*index).as_of(at), &mut rows);
    }
    rows.push(']');
    Ok(success_written(world, &rows))
}

/// `listInstalledApp`
pub(super) fn installed_apps(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let Phones { pad_codes, .. } = parse(body)?;
    let phones = form::phones(world, &pad_codes)?;
    let at = moment(world);
    let rows: Vec<InstalledRow<'_>> = phones
        .iter()
        .map(|index| {
            let phone = world.at(*index);
            InstalledRow {
                pad_code: &phone.id,
                apps: apps(world, phone, phone.as_of(at)),
            }
        })
        .collect();
    success(world, rows)
}

fn apps<'a>(world: &'a World, now: &'a Phone, then: &'a Phone) -> Vec<InstalledApp<'a>> {
    let coming = match world.work_on(now) {
        Some(Work::Install(app) | Work::Push(Some(app))) if now.ready() => Some(app.as_ref()),
        Some(_) | None => None,
    };
    let hide = world.spec.dialect.hide_system_apps;
    let state = |value| num(world, value);
    let here = then
        .apps
        .iter()
        .filter(|app| !(hide && app.system))
        .map(|app| InstalledApp {
            app_name: &app.name,
            package_name: &app.package,
            version_code: app.version_code.to_string(),
            version_name: &app.version_name,
            app_state: state(i64::from(
                coming.is_some_and(|coming| coming.package == app.package),
            )),
        });
    let new = coming.filter(|app| then.app(&app.package).is_none());
    let new = new.into_iter().map(|app| InstalledApp {
        app_name: &app.name,
        package_name: &app.package,
        version_code: app.version_code.to_string(),
        version_name: &app.version_name,
        app_state: state(2),
    });
    here.chain(new).collect()
}

/// `queryImageList`
pub(super) fn images(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: Page = parse(body)?;
    let (page, rows) = form.bounds(false)?;
    if rows > 100 {
        return refuse(100_000, "rows: at most 100");
    }
    let total = world.images.len();
    let records: Vec<ImageRow<'_>> = world
        .images
        .iter()
        .skip((page - 1) * rows)
        .take(rows)
        .map(|image| image_row(image))
        .collect();
    success(
        world,
        Records {
            records,
            total,
            size: rows,
            current: page,
            pages: total.div_ceil(rows),
        },
    )
}

/// `imageVersionList` of the sisters: what one phone may get, which is everything here.
pub(super) fn images_for(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let OnePhone { pad_code } = parse(body)?;
    form::phones(world, &[pad_code])?;
    let rows: Vec<ImageRow<'_>> = world.images.iter().map(|image| image_row(image)).collect();
    success(world, rows)
}

fn image_row(image: &Image) -> ImageRow<'_> {
    ImageRow {
        image_id: &image.id,
        image_name: &image.version,
        image_tag: &image.version,
        server_type: "qualcomm",
        rom_version: format!("android{}", image.android),
        release_type: 2,
        support_f2fs: true,
        file_tag: None,
    }
}

/// `app/list`
pub(super) fn app_list(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: Page = parse(body)?;
    let (page, rows) = form.bounds(true)?;
    let ids: Vec<u64> = form
        .app_ids
        .iter()
        .filter_map(form::Number::value)
        .collect();
    let found: Vec<&Offer> = world
        .offers
        .iter()
        .filter(|offer| form.app_ids.is_empty() || ids.contains(&offer.id))
        .filter(|offer| {
            form.package_name
                .as_ref()
                .is_none_or(|name| offer.app.package == *name)
        })
        .collect();
    let total = found.len();
    let page_data: Vec<OfferRow<'_>> = found
        .into_iter()
        .skip((page - 1) * rows)
        .take(rows)
        .map(|found| offer(found, world.began))
        .collect();
    success(world, paged(page, rows, total, page_data))
}

/// `app/detail`
pub(super) fn app_detail(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let AppId { app_id } = parse(body)?;
    let found = world
        .offers
        .iter()
        .find(|offer| Some(offer.id) == app_id.value());
    match found {
        Some(found) => success(world, offer(found, world.began)),
        None => refuse(140_005, "file unavailable"),
    }
}

fn offer(offer: &Offer, began: Timestamp) -> OfferRow<'_> {
    OfferRow {
        app_id: offer.id,
        origin_url: &offer.url,
        original_url: &offer.url,
        description: "",
        package_name: &offer.app.package,
        app_name: &offer.app.name,
        version_name: &offer.app.version_name,
        version_no: offer.app.version_code,
        sign_md5: "0F938C4F0995A83C9BF31F0C64322589",
        available: true,
        create_time: began.0,
    }
}
