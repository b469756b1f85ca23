//! Words: how counts, times, values and causes are written.
//!
//! Invariants: a secret is written as its reference; the words for one thing are the same in every form. Not here: lines and sections.

use crate::model::attribute::Attribute;
use crate::model::condition::{Actor, Cause};
use crate::model::id::PhoneKey;
use crate::model::observed::{Observed, ReadKind};
use crate::model::rename::Renamed;
use crate::model::value::{
    AppWish, Bypass, Image, ImageTarget, Location, Proxy, ProxyEndpoint, ProxyMode, ProxyProtocol,
    SimField, Value, VersionWish, Wish,
};
use crate::plan::preview::{ChangeGroup, Plan, Skipped};
use crate::plan::reader::reference_text;
use smol_str::SmolStr;
use std::collections::BTreeMap;
use std::time::Duration;

/// `2,749`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 call`, `34 calls`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// `hk/AC1`, or `412 phones`.
pub(super) fn phones(number: u64, first: Option<&PhoneKey>) -> String {
    match (number, first) {
        (1, Some(phone)) => phone.to_string(),
        (_, _) => counted(number, "phone"),
    }
}

/// Some of the names, and how many more there are.
pub(super) fn names(phones: &[PhoneKey], most: usize) -> String {
    let mut text: Vec<String> = phones.iter().take(most).map(ToString::to_string).collect();
    if phones.len() > most {
        text.push(format!("… and {} more", amount(phones.len() - most)));
    }
    text.join(", ")
}

/// [`count`] of a length.
pub(super) fn amount(number: usize) -> String {
    count(u64::try_from(number).unwrap_or(u64::MAX))
}

/// `40 s`, `12 min`, `3 h 20 min`.
pub(super) fn time(time: Duration) -> String {
    // Half a second more, so that 1.6 s is 2 s.
    let seconds = time.saturating_add(Duration::from_millis(500)).as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds.div_ceil(60)),
        _ => match (seconds / 3600, seconds % 3600 / 60) {
            (hours, 0) => format!("{} h", count(hours)),
            (hours, minutes) => format!("{} h {minutes} min", count(hours)),
        },
    }
}

pub(super) fn actor(actor: Actor) -> &'static str {
    match actor {
        Actor::Operator => "you",
        Actor::Vendor => "the vendor",
        Actor::Time => "time",
    }
}

/// Why, where it is not simply that a commit says so.
pub(super) fn cause(cause: Cause) -> Option<&'static str> {
    match cause {
        Cause::Intended => None,
        Cause::NewMember => Some("new member"),
        Cause::OverrideExpired => Some("override ended"),
        Cause::SecretRotated => Some("secret rotated"),
        Cause::Corrective => Some("drift"),
    }
}

pub(super) fn read(kind: ReadKind) -> &'static str {
    match kind {
        ReadKind::Listing => "listing",
        ReadKind::Usage => "usage",
        ReadKind::Properties => "properties",
        ReadKind::Apps => "apps",
        ReadKind::Shell => "commands",
        ReadKind::AppCatalogue => "app catalogue",
        ReadKind::ImageCatalogue => "image catalogue",
    }
}

/// `34 calls, 0 commands on phones, oldest reading 40 s; nothing was changed`.
pub(super) fn header(plan: &Plan) -> String {
    let header = &plan.header;
    let oldest = header
        .oldest
        .map(|age| format!(", oldest reading {}", time(age)))
        .unwrap_or_default();
    format!(
        "{}, {} on phones{oldest}; nothing was changed",
        counted(header.calls, "call"),
        counted(header.commands, "command"),
    )
}

/// `1,200 phones: 788 in sync, 412 to change, 3 waiting, 12 not read`, without what is zero.
pub(super) fn tally(plan: &Plan) -> String {
    let summary = &plan.summary;
    let parts = [
        (summary.in_sync, "in sync"),
        (summary.to_change, "to change"),
        (summary.waiting, "waiting"),
        (summary.unread, "not read"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", count(*number)))
        .collect();
    let mut text = counted(summary.phones, "phone");
    if !parts.is_empty() {
        text = format!("{text}: {}", parts.join(", "));
    }
    if summary.unclaimed > 0 {
        text = format!("{text} ({} more in no group)", count(summary.unclaimed));
    }
    text
}

/// `Plan: 412 to change, 3 waiting, 0 released, 1 with cost; 9 calls, about 40 s.` or `Plan: nothing to do.`
pub(super) fn verdict(plan: &Plan) -> String {
    let summary = &plan.summary;
    if plan.is_empty() {
        return match summary.released {
            0 => "Plan: nothing to do.".to_owned(),
            released => format!("Plan: nothing to do, {} released.", count(released)),
        };
    }
    let unread = match summary.unread {
        0 => String::new(),
        unread => format!(", {} not read", count(unread)),
    };
    format!(
        "Plan: {} to change, {} waiting, {} released, {} with cost{unread}; {}, about {}.",
        count(summary.to_change),
        count(summary.waiting),
        count(summary.released),
        count(summary.with_cost),
        counted(plan.forecast.calls(), "call"),
        time(plan.forecast.time),
    )
}

/// `image at account sh, for 30 phones of qa`
pub(super) fn skipped(skipped: &Skipped) -> String {
    format!(
        "{} at account {}, for {} of {}",
        skipped.attribute,
        skipped.account,
        counted(skipped.phones, "phone"),
        skipped.group
    )
}

/// `lab/AC1 is lab/AC2 now; the manifests still name the old code, which means this phone`
pub(super) fn renamed(renamed: &Renamed) -> String {
    let told = format!("{} is {} now", renamed.from, renamed.to);
    if renamed.named {
        format!("{told}; the manifests still name the old code, which means this phone")
    } else {
        told
    }
}

/// `5 writes, 6 polls and 2 reads to check, about 40 s`.
pub(super) fn forecast(plan: &Plan) -> String {
    let forecast = &plan.forecast;
    format!(
        "{}, {} and {} to check, about {}",
        counted(forecast.writes, "write"),
        counted(forecast.polls, "poll"),
        counted(forecast.reads, "read"),
        time(forecast.time),
    )
}

/// What stands on the left and on the right of a change; nothing on the left where it is missing or cannot be read.
pub(super) fn sides(change: &ChangeGroup) -> (Option<String>, String) {
    if let (Some(Observed::Sim(told)), Wish::Set(Value::Sim(wished))) = (&change.from, &change.to) {
        return sim_sides(told, wished);
    }
    let left = change.from.as_ref().and_then(observed);
    (
        left,
        wish(&change.attribute, &change.to, change.version.as_ref()),
    )
}

pub(super) fn observed(value: &Observed) -> Option<String> {
    match value {
        Observed::Missing => None,
        Observed::Text(text) => Some(quoted(text)),
        Observed::Flag(flag) => Some(switch(*flag).to_owned()),
        Observed::Image { id, version } => match (id, version) {
            (Some(id), Some(version)) => Some(format!("{id} ({version})")),
            (Some(one), None) | (None, Some(one)) => Some(one.to_string()),
            (None, None) => None,
        },
        Observed::Sim(fields) => Some(sim(fields)),
        Observed::Bandwidth(limits) => Some(bandwidth(limits.up_mbps, limits.down_mbps)),
    }
}

pub(super) fn wish(attribute: &Attribute, wish: &Wish, version: Option<&VersionWish>) -> String {
    let value = match wish {
        Wish::Reset => return "the provider's default".to_owned(),
        Wish::Set(value) => value,
    };
    match value {
        Value::Text(text) => quoted(text),
        Value::Flag(flag) => match attribute {
            Attribute::Running(_) => if *flag { "running" } else { "stopped" }.to_owned(),
            Attribute::Image
            | Attribute::SimCountry
            | Attribute::Sim
            | Attribute::Property(_)
            | Attribute::Setting(_)
            | Attribute::Timezone
            | Attribute::Language
            | Attribute::Location
            | Attribute::Proxy
            | Attribute::Bandwidth
            | Attribute::Adb
            | Attribute::App(_) => switch(*flag).to_owned(),
        },
        Value::Image(image) => image_text(image),
        Value::Location(location) => location_text(location),
        Value::Proxy(proxy) => proxy_text(proxy),
        Value::Sim(fields) => sim(fields),
        Value::Bandwidth(limits) => bandwidth(limits.up_mbps, limits.down_mbps),
        Value::App(AppWish::Absent) => "removed".to_owned(),
        Value::App(AppWish::Present { app, .. }) => {
            let version = version.map_or_else(|| "installed".to_owned(), version_text);
            match app {
                Some(app) => format!("{version} (App {app})"),
                None => version,
            }
        }
    }
}

/// One line without control characters: what a vendor, a phone or a manifest says is not trusted to be one.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

/// A text as it is, or in quotes where its bounds would not show.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty()
        && text.trim() == text
        && !text
            .chars()
            .any(|letter| letter.is_control() || letter == '→');
    if plain {
        text.to_owned()
    } else {
        format!("{text:?}")
    }
}

fn switch(flag: bool) -> &'static str {
    if flag { "on" } else { "off" }
}

fn image_text(image: &Image) -> String {
    match &image.target {
        ImageTarget::Id(id) => id.to_string(),
        ImageTarget::Version(version) => format!("version {version}"),
    }
}

fn location_text(location: &Location) -> String {
    let Location {
        latitude,
        longitude,
        altitude,
        speed,
        bearing,
        horizontal_accuracy,
    } = location;
    let extra = [
        ("altitude", altitude),
        ("speed", speed),
        ("bearing", bearing),
        ("accuracy", horizontal_accuracy),
    ];
    let mut text = format!("{latitude},{longitude}");
    for (name, value) in extra {
        if let Some(value) = value {
            text = format!("{text} {name} {value}");
        }
    }
    text
}

fn proxy_text(proxy: &Proxy) -> String {
    let ProxyEndpoint {
        mode,
        protocol,
        host,
        port,
        username,
        password,
        bypass: Bypass {
            packages,
            ips,
            domains,
        },
    } = match proxy {
        Proxy::Direct => return "direct".to_owned(),
        Proxy::Via(endpoint) => endpoint,
    };
    let protocol = match protocol {
        ProxyProtocol::Socks5 => "socks5",
        ProxyProtocol::Http => "http",
    };
    let user = username
        .as_ref()
        .map(|user| format!("{user}@"))
        .unwrap_or_default();
    let mut text = format!("{protocol}://{user}{host}:{port}");
    if *mode == ProxyMode::Vpn {
        text.push_str(" as vpn");
    }
    if let Some(reference) = password {
        text = format!("{text}, password {}", reference_text(reference));
    }
    match packages.len() + ips.len() + domains.len() {
        0 => text,
        bypassed => format!("{text}, {bypassed} bypassed"),
    }
}

fn bandwidth(up: u32, down: u32) -> String {
    let limit = |mbps: u32| match mbps {
        0 => "no limit".to_owned(),
        mbps => format!("{mbps} Mbit/s"),
    };
    format!("up {}, down {}", limit(up), limit(down))
}

fn version_text(version: &VersionWish) -> String {
    match version {
        VersionWish::Any => "installed".to_owned(),
        VersionWish::NameExact(name) => name.to_string(),
        VersionWish::NameAtLeast(name) => format!("{name} or later"),
        VersionWish::CodeExact(code) => format!("code {code}"),
        VersionWish::CodeAtLeast(code) => format!("code {code} or later"),
    }
}

fn sim(fields: &BTreeMap<SimField, SmolStr>) -> String {
    let fields: Vec<String> = fields
        .iter()
        .map(|(field, value)| format!("{} {value}", sim_field(*field)))
        .collect();
    fields.join(", ")
}

/// Only the fields that differ.
fn sim_sides(
    told: &BTreeMap<SimField, SmolStr>,
    wished: &BTreeMap<SimField, SmolStr>,
) -> (Option<String>, String) {
    let differing: BTreeMap<SimField, SmolStr> = wished
        .iter()
        .filter(|(field, value)| told.get(field) != Some(value))
        .map(|(field, value)| (*field, value.clone()))
        .collect();
    let before: BTreeMap<SimField, SmolStr> = told
        .iter()
        .filter(|(field, _)| differing.contains_key(field))
        .map(|(field, value)| (*field, value.clone()))
        .collect();
    let left = (!before.is_empty()).then(|| sim(&before));
    (left, sim(&differing))
}

fn sim_field(field: SimField) -> &'static str {
    match field {
        SimField::Imei => "imei",
        SimField::Iccid => "iccid",
        SimField::Imsi => "imsi",
        SimField::PhoneNumber => "phoneNumber",
        SimField::Mcc => "mcc",
        SimField::Mnc => "mnc",
        SimField::Carrier => "carrier",
        SimField::CellType => "cell.type",
        SimField::CellTac => "cell.tac",
        SimField::CellId => "cell.cellId",
        SimField::CellNarfcn => "cell.narfcn",
        SimField::CellPhysicalId => "cell.physicalCellId",
    }
}
