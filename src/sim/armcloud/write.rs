//! Writes: every call that starts work on phones.
//!
//! Invariants: a request is checked completely before anything starts; one call is one batch of tasks. Not here: what the work does (`job`).

use super::form::{self, parse};
use super::task::{num, signed};
use super::wire::SubmitRow;
use super::{Busy, Refusal, refuse, success};
use crate::sim::course::Row;
use crate::sim::job::Work;
use crate::sim::phone::{ABNORMAL, App, Bandwidth, Location, Operator, Proxy, RUNNING, Stay};
use crate::sim::shell::Script;
use crate::sim::world::World;
use bytes::Bytes;
use smol_str::{SmolStr, format_smolstr};
use std::sync::Arc;

/// Longest command in bytes.
const LONGEST_COMMAND: usize = 4_096;

/// Starts work on phones; refuses the batch as this build does.
fn start_on(world: &mut World, phones: &[u32], work: Work) -> Result<Vec<Row>, Refusal> {
    let restart = matches!(work, Work::Restart);
    for index in phones {
        let phone = world.at(*index);
        let waits = matches!(phone.status, RUNNING | 11..=13 | 15..=17 | 19 | 20)
            && !world.spec.dialect.refuse_unready;
        if !(phone.ready() || waits || (restart && phone.status == ABNORMAL)) {
            return refuse(110_031, format!("instance not ready: {}", phone.id));
        }
    }
    if world.spec.dialect.busy == Busy::Refuse {
        for index in phones {
            if world.clash(*index).is_some() {
                return refuse(
                    220_025,
                    "another task is waiting or running on this instance",
                );
            }
        }
    }
    Ok(world.submit(phones, &Arc::new(work)))
}

/// The answer's rows.
fn rows<'a>(world: &'a World, rows: &[Row]) -> Vec<SubmitRow<'a>> {
    let dialect = &world.spec.dialect;
    let shown = rows.iter().filter(|row| !row.missing);
    shown
        .map(|row| {
            let phone = world.at(row.phone);
            let id = !row.exists || dialect.busy == Busy::ExistsWithId;
            SubmitRow {
                task_id: id.then(|| num(world, signed(row.job))),
                pad_code: &phone.id,
                vm_status: num(world, phone.connected.into()),
                task_status: (row.exists || !dialect.no_task_status)
                    .then(|| num(world, if row.exists { -1 } else { 1 })),
                error_msg: None,
            }
        })
        .collect()
}

fn many(world: &mut World, codes: &[SmolStr], work: Work) -> Result<Bytes, Refusal> {
    let phones = form::phones(world, codes)?;
    let started = start_on(world, &phones, work)?;
    success(world, rows(world, &started))
}

/// A call for one phone: `data` is an object, in most builds.
fn one(world: &mut World, code: &SmolStr, work: Work) -> Result<Bytes, Refusal> {
    let phones = form::phones(world, std::slice::from_ref(code))?;
    let started = start_on(world, &phones, work)?;
    let rows = rows(world, &started);
    match world.spec.dialect.one_phone_array {
        true => success(world, rows),
        false => success(world, rows.into_iter().next()),
    }
}

/// `updateTimeZone`
pub(super) fn time_zone(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form::TimeZone {
        pad_codes,
        time_zone,
    } = parse(body)?;
    many(world, &pad_codes, Work::TimeZone(time_zone))
}

/// `updateLanguage`
pub(super) fn language(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form::Language {
        pad_codes,
        language,
        country,
    } = parse(body)?;
    let tag = match country.filter(|country| !country.is_empty()) {
        Some(country) => format_smolstr!("{language}-{country}"),
        None => language,
    };
    many(world, &pad_codes, Work::Language(tag))
}

/// `gpsInjectInfo`: at once in newer builds.
pub(super) fn gps(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: form::Gps = parse(body)?;
    if form.latitude.abs() > 90.0 || form.longitude.abs() > 180.0 {
        return refuse(110_065, "longitude or latitude out of range");
    }
    let work = Work::Gps(Location {
        latitude: form.latitude,
        longitude: form.longitude,
        altitude: form.altitude,
        speed: form.speed,
        bearing: form.bearing,
        horizontal_accuracy: form.horizontal_accuracy_meters,
    });
    if world.spec.dialect.gps_task {
        return many(world, &form.pad_codes, work);
    }
    let phones = form::phones(world, &form.pad_codes)?;
    if let Some(index) = phones.iter().find(|index| !world.at(**index).ready()) {
        return refuse(
            110_031,
            format!("instance not ready: {}", world.at(*index).id),
        );
    }
    let work = Arc::new(work);
    for index in phones {
        world.at_once(index, &work);
    }
    success(world, true)
}

/// `updateSIM`
pub(super) fn sim(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: form::Sim = parse(body)?;
    let cell = [
        &form.kind,
        &form.tac,
        &form.cellid,
        &form.narfcn,
        &form.physicalcellid,
    ];
    if world.spec.dialect.cell_required && cell.iter().any(|field| field.is_none()) {
        return refuse(
            100_000,
            "type, tac, cellid, narfcn and physicalcellid are required",
        );
    }
    let network = match (&form.mcc, &form.mnc) {
        (Some(mcc), Some(mnc)) => Some(format_smolstr!("{mcc},{mnc}")),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return refuse(100_000, "mcc and mnc belong together"),
    };
    let fields = [
        ("modem/IMEI", form.imei),
        ("modem/ICCID", form.iccid),
        ("modem/IMSI", form.imsi),
        ("modem/PhoneNum", form.phonenum),
        ("modem/MCCMNC", network),
        (
            "modem/OpName",
            form.operator_longname
                .or_else(|| form.operator_shortnam.clone()),
        ),
        ("sim/operatorShortnam", form.operator_shortnam),
        ("sim/imeisv", form.imeisv),
        ("sim/type", form.kind),
        ("sim/tac", form.tac),
        ("sim/cellid", form.cellid),
        ("sim/narfcn", form.narfcn),
        ("sim/physicalcellid", form.physicalcellid),
    ];
    let fields = fields.into_iter();
    let values = fields.filter_map(|(name, value)| Some((SmolStr::new_static(name), value?)));
    many(world, &form.pad_codes, Work::Sim(values.collect()))
}

/// `replacePadAndroidPropByCountry`
pub(super) fn sim_by_country(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form::SimByCountry {
        pad_code,
        country_code,
        props,
    } = parse(body)?;
    if !Operator::known(&country_code) {
        return refuse(500, format!("country not supported: {country_code}"));
    }
    let work = Work::SimByCountry {
        country: country_code,
        properties: props.into_iter().collect(),
    };
    one(world, &pad_code, work)
}

/// `updatePadProperties`
pub(super) fn properties(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: form::Properties = parse(body)?;
    let lists = [
        (
            "modem/",
            Stay::AfterRestart,
            form.modem_persist_properties_list,
        ),
        ("modem/", Stay::Live, form.modem_properties_list),
        ("", Stay::AfterRestart, form.system_persist_properties_list),
        ("", Stay::Live, form.system_properties_list),
        ("setting/", Stay::Kept, form.setting_properties_list),
        ("oaid/", Stay::Kept, form.oaid_properties_list),
    ];
    let mut values = Vec::new();
    for (prefix, stay, list) in lists {
        values.extend(list.into_iter().map(|property| {
            let name = format_smolstr!("{prefix}{}", property.properties_name);
            (name, property.properties_value, stay)
        }));
    }
    if values.is_empty() {
        return refuse(100_000, "no properties are given");
    }
    let work = Work::Properties {
        values,
        ignored_by_real_devices: true,
    };
    many(world, &form.pad_codes, work)
}

/// `updatePadAndroidProp`
pub(super) fn android_properties(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form::AndroidProperties {
        pad_code,
        props,
        restart,
    } = parse(body)?;
    if props.is_empty() {
        return refuse(100_000, "props cannot be empty");
    }
    let values = props.into_iter().collect();
    one(
        world,
        &pad_code,
        Work::AndroidProperties { values, restart },
    )
}

/// `network/proxy/set`
pub(super) fn proxy(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: form::SetProxy = parse(body)?;
    if !form.enable {
        return many(world, &form.pad_codes, Work::Proxy(None));
    }
    let (Some(host), Some(port)) = (form.ip, form.port) else {
        return refuse(100_000, "ip and port are required");
    };
    let proxy_type = form.proxy_type.unwrap_or_else(|| "proxy".into());
    let proxy_name = form.proxy_name.unwrap_or_else(|| "socks5".into());
    let known =
        matches!(&*proxy_type, "proxy" | "vpn") && matches!(&*proxy_name, "socks5" | "http-relay");
    if !known || port == 0 || host.is_empty() {
        return refuse(110_065, "parameters do not comply");
    }
    let proxy = Proxy {
        proxy_type,
        proxy_name,
        host,
        port,
        account: form.account,
        password: form.password,
        bypass_packages: form.bypass_package_list,
        bypass_ips: form.bypass_ip_list,
        bypass_domains: form.bypass_domain_list,
    };
    many(world, &form.pad_codes, Work::Proxy(Some(Arc::new(proxy))))
}

/// `setSpeed`
pub(super) fn speed(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form::Speed {
        pad_codes,
        up_bandwidth: up,
        down_bandwidth: down,
    } = parse(body)?;
    if up < -1.0 || down < -1.0 {
        return refuse(110_065, "bandwidth below -1");
    }
    many(world, &pad_codes, Work::Bandwidth(Bandwidth { up, down }))
}

/// `openOnlineAdb`: the answer tells the end.
pub(super) fn adb(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form::Adb {
        pad_codes,
        open_status,
    } = parse(body)?;
    if open_status > 1 {
        return refuse(100_000, "openStatus is 0 or 1");
    }
    let phones = form::phones(world, &pad_codes)?;
    let work = Arc::new(Work::Adb(open_status == 1));
    let mut ends = Vec::with_capacity(phones.len());
    for index in phones {
        ends.push(match world.clash(index) {
            Some(job) => (index, job, -1),
            None => match world.at_once(index, &work) {
                (job, true) => (index, job, 3),
                (job, false) => (index, job, -5),
            },
        });
    }
    let rows: Vec<SubmitRow<'_>> = ends
        .iter()
        .map(|(index, job, status)| SubmitRow {
            task_id: (*status != -1).then(|| num(world, signed(*job))),
            pad_code: &world.at(*index).id,
            vm_status: num(world, world.at(*index).connected.into()),
            task_status: Some(num(world, *status)),
            error_msg: (*status == -5).then_some("instance abnormal"),
        })
        .collect();
    success(world, rows)
}

/// `asyncCmd`
pub(super) fn command(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form::Command {
        pad_codes,
        script_content,
    } = parse(body)?;
    if script_content.is_empty() || script_content.len() > LONGEST_COMMAND {
        return refuse(
            110_065,
            format!("scriptContent: 1 to {LONGEST_COMMAND} bytes"),
        );
    }
    let script = Script::new(&script_content, world.offers());
    many(world, &pad_codes, Work::Shell(script))
}

/// The phones of a call that takes groups too.
fn with_groups(world: &World, form: form::Phones) -> Vec<SmolStr> {
    let mut codes = form.pad_codes;
    for group in &form.group_ids {
        let phones = world.groups.get(group).into_iter().flatten();
        codes.extend(phones.map(|index| world.at(*index).id.clone()));
    }
    codes
}

/// `restart`
pub(super) fn restart(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let codes = with_groups(world, parse(body)?);
    many(world, &codes, Work::Restart)
}

/// `reset`
pub(super) fn reset(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let codes = with_groups(world, parse(body)?);
    many(world, &codes, Work::Reset)
}

/// `upgradeImage`
pub(super) fn upgrade(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form::Upgrade {
        pad_codes,
        image_id,
        wipe_data,
    } = parse(body)?;
    let found = world.images.iter().find(|image| image.id == image_id);
    let Some(image) = found.cloned() else {
        return refuse(110_041, format!("image does not exist: {image_id}"));
    };
    many(
        world,
        &pad_codes,
        Work::Upgrade {
            image,
            wipe: wipe_data,
        },
    )
}

/// Starts one piece of work for each app of a call.
fn apps(world: &mut World, apps: &[(Vec<SmolStr>, Work)]) -> Result<Bytes, Refusal> {
    if apps.is_empty() {
        return refuse(100_000, "apps cannot be empty");
    }
    let mut checked = Vec::with_capacity(apps.len());
    for (codes, work) in apps {
        checked.push((form::phones(world, codes)?, work));
    }
    let mut started = Vec::new();
    for (phones, work) in checked {
        started.extend(start_on(world, &phones, work.clone())?);
    }
    success(world, rows(world, &started))
}

/// `installApp`
pub(super) fn install(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: form::Apps = parse(body)?;
    let mut wanted = Vec::with_capacity(form.apps.len());
    for app in form.apps {
        let Some(id) = app.app_id.and_then(|id| id.value()) else {
            return refuse(100_000, "appId is required");
        };
        let Some(offer) = world.offers.iter().find(|offer| offer.id == id) else {
            return refuse(140_005, format!("file unavailable: {id}"));
        };
        if app.pkg_name.is_some_and(|name| name != offer.app.package) {
            return refuse(110_065, "pkgName is not that of the app");
        }
        wanted.push((app.pad_codes, Work::Install(Arc::clone(&offer.app))));
    }
    apps(world, &wanted)
}

/// `uninstallApp`
pub(super) fn uninstall(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: form::Apps = parse(body)?;
    let mut wanted = Vec::with_capacity(form.apps.len());
    for app in form.apps {
        let Some(package) = app.pkg_name.filter(|name| !name.is_empty()) else {
            return refuse(100_000, "pkgName is required");
        };
        wanted.push((app.pad_codes, Work::Uninstall(package)));
    }
    apps(world, &wanted)
}

/// `v3/uploadFile`: a file from a url; with `autoInstall` an app.
pub(super) fn push(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form: form::Push = parse(body)?;
    let Some(source) = form.url.or(form.md5).or(form.file_unique_id) else {
        return refuse(110_065, "url, md5 or fileUniqueId is required");
    };
    if form.auto_install != 1 {
        return many(world, &form.pad_codes, Work::Push(None));
    }
    let Some(package) = form.package_name.filter(|name| !name.is_empty()) else {
        return refuse(100_000, "packageName is required with autoInstall");
    };
    let app = app_at(world, &source, &package);
    many(world, &form.pad_codes, Work::Push(Some(app)))
}

/// The app behind a url: one of the catalogue's, else what the file's name says (`PACKAGE-VERSION-CODE.apk`), else version 1.0.0.
fn app_at(world: &World, url: &str, package: &str) -> Arc<App> {
    let offer = world
        .offers
        .iter()
        .find(|offer| offer.url == url && offer.app.package == package);
    if let Some(offer) = offer {
        return Arc::clone(&offer.app);
    }
    let name = url.rsplit('/').next().unwrap_or_default();
    let name = name
        .split('?')
        .next()
        .unwrap_or_default()
        .trim_end_matches(".apk");
    let mut parts = name.split('-').skip(1);
    let version = parts.next().unwrap_or("1.0.0");
    let code = parts.next().and_then(|code| code.parse().ok());
    let digits: String = version.chars().filter(char::is_ascii_digit).collect();
    let code = code.or_else(|| digits.parse().ok()).unwrap_or(1);
    Arc::new(App::new(package, package, version, code))
}

/// `startApp`
pub(super) fn start(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form::Package {
        pad_codes,
        pkg_name,
    } = parse(body)?;
    many(world, &pad_codes, Work::Start(pkg_name))
}

/// `stopApp`
pub(super) fn stop(world: &mut World, body: &[u8]) -> Result<Bytes, Refusal> {
    let form::Package {
        pad_codes,
        pkg_name,
    } = parse(body)?;
    many(world, &pad_codes, Work::Stop(pkg_name))
}
