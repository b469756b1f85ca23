//! Values of attributes: from nodes to canonical values.
//!
//! Invariants: the same function types a value when it is read and when its variables are filled in; every mistake inside a value is reported.
//! Not here: which attributes a provider has (`check`).

use super::account::version;
use super::document;
use super::fields::{self, Fields};
use super::finding::{Mark, Sink, Sources};
use super::layer::Slot;
use super::tree::{Kind, Node};
use crate::model::attribute::Attribute;
use crate::model::canonical::{self, Invalid};
use crate::model::desired::AppPolicy;
use crate::model::fleet::App;
use crate::model::id::{AppName, Package};
use crate::model::value::{
    AppWish, Bandwidth, Bypass, Image, ImageTarget, Location, Proxy, ProxyEndpoint, ProxyMode,
    ProxyProtocol, SimField, Value, VersionWish,
};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What typing a value needs.
#[derive(Clone, Copy)]
pub(super) struct Tools<'a> {
    /// App manifests; `None`: there is one of this name, but it has mistakes.
    pub(super) apps: &'a BTreeMap<AppName, Option<App>>,
    /// Where paths start.
    pub(super) sources: &'a Sources,
}

/// A typed value of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Of an attribute.
    Value(Value),
    /// Of a SIM field.
    Text(SmolStr),
    /// Of `appPolicy`.
    Policy(AppPolicy),
}

/// Types the value of a slot.
pub(super) fn typed(slot: &Slot, node: &Node, tools: &Tools<'_>, sink: &mut Sink) -> Option<Piece> {
    let value = match slot {
        Slot::AppPolicy => {
            let words = [
                ("additive", AppPolicy::Additive),
                ("exclusive", AppPolicy::Exclusive),
            ];
            return fields::one_of(node, "appPolicy", &words, sink).map(Piece::Policy);
        }
        Slot::Sim(field) => return sim_field(*field, node, sink).map(Piece::Text),
        Slot::Attribute(attribute) => match attribute {
            Attribute::Timezone => Value::Text(form(
                node,
                "timezone",
                "bad-timezone",
                canonical::timezone,
                sink,
            )?),
            Attribute::Language => Value::Text(form(
                node,
                "language",
                "bad-language",
                canonical::language,
                sink,
            )?),
            Attribute::SimCountry => Value::Text(form(
                node,
                "sim.country",
                "bad-country",
                canonical::country,
                sink,
            )?),
            Attribute::Image => Value::Image(image(node, sink)?),
            Attribute::Location => Value::Location(Box::new(location(node, sink)?)),
            Attribute::Proxy => Value::Proxy(Box::new(proxy(node, tools, sink)?)),
            Attribute::Bandwidth => Value::Bandwidth(bandwidth(node, sink)?),
            Attribute::Adb => Value::Flag(fields::flag(node, "adb", sink)?),
            Attribute::Running(_) => Value::Flag(fields::flag(node, "running", sink)?),
            Attribute::App(package) => Value::App(app(package, node, tools, sink)?),
            Attribute::Property(name) | Attribute::Setting(name) => {
                Value::Text(free_text(node, name, sink)?)
            }
            Attribute::Sim => return None,
        },
    };
    Some(Piece::Value(value))
}

fn form(
    node: &Node,
    name: &str,
    code: &'static str,
    canonical: impl Fn(&str) -> Result<SmolStr, Invalid>,
    sink: &mut Sink,
) -> Option<SmolStr> {
    let said = fields::text(node, name, sink)?;
    canonical(&said)
        .map_err(|invalid| sink.invalid(node.at, code, name, &invalid))
        .ok()
}

/// The value of a property or setting: any text in one line, an empty one only in quotes.
fn free_text(node: &Node, name: &str, sink: &mut Sink) -> Option<SmolStr> {
    if let Kind::Scalar { text, plain: false } = &node.kind
        && text.is_empty()
    {
        return Some(SmolStr::default());
    }
    fields::text(node, name, sink)
}

fn image(node: &Node, sink: &mut Sink) -> Option<Image> {
    if let Some(text) = node.scalar().filter(|_| !node.is_null()) {
        sink.say(
            node.at,
            "wrong-type",
            format!("`image` must be a mapping, not {}", node.described()),
        )
        .hint(format!("write {{ id: {text}, wipeData: false }}"));
        return None;
    }
    let mut fields = Fields::open(node, "image", sink)?;
    let id = fields.get("id", sink);
    let version = fields.get("version", sink);
    let wipe_data = if fields.has("wipeData") {
        fields.get("wipeData", sink)
    } else {
        fields.get("wipeData", sink);
        sink.say(node.at, "missing-field", "`wipeData` is missing in `image`")
            .hint("say whether the upgrade may erase the phone: `wipeData: false` keeps its data, `wipeData: true` erases it");
        None
    };
    fields.finish(sink);
    let wipe_data = wipe_data.and_then(|node| fields::flag(node, "wipeData", sink));
    let target = match (id, version) {
        (Some(id), None) => ImageTarget::Id(fields::text(id, "id", sink)?),
        (None, Some(version)) => ImageTarget::Version(fields::text(version, "version", sink)?),
        (Some(_), Some(_)) | (None, None) => {
            sink.say(
                node.at,
                "bad-value",
                "`image` takes one of `id` and `version`",
            );
            return None;
        }
    };
    Some(Image {
        target,
        wipe_data: wipe_data?,
    })
}

fn location(node: &Node, sink: &mut Sink) -> Option<Location> {
    let mut fields = Fields::open(node, "location", sink)?;
    let mut number = |key, needed, bounds: (i64, i64), sink: &mut Sink| {
        let found = if needed {
            fields.need(key, sink)
        } else {
            fields.get(key, sink)
        };
        found.map(|node| {
            let form = |text: &str| canonical::decimal(text, bounds.0, bounds.1);
            fields::canonical(node, key, form, sink)
        })
    };
    let latitude = number("latitude", true, (-90, 90), sink);
    let longitude = number("longitude", true, (-180, 180), sink);
    let altitude = number("altitude", false, (-1000, 100_000), sink);
    let speed = number("speed", false, (0, 10_000), sink);
    let bearing = number("bearing", false, (0, 360), sink);
    let accuracy = number("horizontalAccuracy", false, (0, 1_000_000), sink);
    fields.finish(sink);
    // An optional field with a mistake makes the whole value void.
    let optional = |field: Option<Option<SmolStr>>| match field {
        Some(value) => value.map(Some),
        None => Some(None),
    };
    Some(Location {
        latitude: latitude??,
        longitude: longitude??,
        altitude: optional(altitude)?,
        speed: optional(speed)?,
        bearing: optional(bearing)?,
        horizontal_accuracy: optional(accuracy)?,
    })
}

fn proxy(node: &Node, tools: &Tools<'_>, sink: &mut Sink) -> Option<Proxy> {
    if let Some(text) = node.scalar().filter(|_| !node.is_null()) {
        if text == "direct" {
            return Some(Proxy::Direct);
        }
        sink.say(
            node.at,
            "bad-value",
            "`proxy` must be `direct` or a mapping",
        )
        .hint("write { protocol: socks5, host: HOST, port: PORT }")
        .secret();
        return None;
    }
    let before = sink.problems.len();
    let mut fields = Fields::open(node, "proxy", sink)?;
    let mode = fields.get("mode", sink);
    let protocol = fields.need("protocol", sink);
    let host = fields.need("host", sink);
    let port = fields.need("port", sink);
    let username = fields.get("username", sink);
    let password = fields.get("password", sink);
    let bypass = fields.get("bypass", sink);
    fields.finish(sink);
    let modes = [("proxy", ProxyMode::Proxy), ("vpn", ProxyMode::Vpn)];
    let mode = mode.map_or(Some(ProxyMode::Proxy), |node| {
        fields::one_of(node, "mode", &modes, sink)
    });
    let protocols = [
        ("socks5", ProxyProtocol::Socks5),
        ("http", ProxyProtocol::Http),
    ];
    let protocol = protocol.and_then(|node| fields::one_of(node, "protocol", &protocols, sink));
    let host = host.and_then(|node| fields::canonical(node, "host", host_name, sink));
    let port = port
        .and_then(|node| fields::small(node, "port", (1, 65_535), sink))
        .and_then(|port| u16::try_from(port).ok());
    if let (Some(password), None) = (password, username) {
        sink.say(
            password.at,
            "missing-field",
            "`password` without `username`",
        )
        .hint("add `username: …`")
        .secret();
    }
    let username = username.and_then(|node| fields::text(node, "username", sink));
    let password =
        password.and_then(|node| document::secret(node, "password", tools.sources, sink));
    let bypass = bypass.map_or_else(Bypass::default, |node| read_bypass(node, sink));
    if sink.problems.len() > before {
        return None;
    }
    Some(Proxy::Via(ProxyEndpoint {
        mode: mode?,
        protocol: protocol?,
        host: host?,
        port: port?,
        username,
        password: password.map(|(reference, _)| reference),
        bypass,
    }))
}

fn bad(text: &str, problem: &str) -> Invalid {
    Invalid {
        text: text.to_owned(),
        problem: problem.to_owned(),
        suggestion: None,
    }
}

/// A host name in lower case, or an IP address.
fn host_name(text: &str) -> Result<SmolStr, Invalid> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<std::net::IpAddr>() {
        return Ok(address.to_string().into());
    }
    let good = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() <= 253 && name.split('.').all(good) {
        return Ok(name.to_ascii_lowercase().into());
    }
    let mut invalid = bad(text, "is no host name or IP address");
    if let Some((_, rest)) = text.split_once("://") {
        invalid.suggestion = rest.split(['/', ':']).next().map(str::to_owned);
    }
    Err(invalid)
}

fn ip_or_prefix(text: &str) -> Result<SmolStr, Invalid> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<std::net::IpAddr>() else {
        return Err(bad(text, "is no IP address or prefix"));
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    match prefix.map(str::parse::<u8>) {
        None => Ok(address.to_string().into()),
        Some(Ok(length)) if length <= most => Ok(format!("{address}/{length}").into()),
        Some(_) => Err(bad(text, "has no good prefix length")),
    }
}

fn domain(text: &str) -> Result<SmolStr, Invalid> {
    let bare = text
        .strip_prefix("*.")
        .or_else(|| text.strip_prefix('.'))
        .unwrap_or(text);
    host_name(bare).map_err(|_| bad(text, "is no domain"))?;
    Ok(text.to_ascii_lowercase().into())
}

fn read_bypass(node: &Node, sink: &mut Sink) -> Bypass {
    let Some(mut fields) = Fields::open(node, "bypass", sink) else {
        return Bypass::default();
    };
    let mut list = |key, form: fn(&str) -> Result<SmolStr, Invalid>, sink: &mut Sink| {
        let node = fields.get(key, sink);
        let mut found: Vec<SmolStr> = node
            .map_or(&[][..], |node| fields::items(node, key, sink))
            .iter()
            .filter_map(|item| fields::canonical(item, key, form, sink))
            .collect();
        found.sort();
        found.dedup();
        found
    };
    let packages = list("packages", canonical::package, sink);
    let ips = list("ips", ip_or_prefix, sink);
    let domains = list("domains", domain, sink);
    fields.finish(sink);
    Bypass {
        packages,
        ips,
        domains,
    }
}

fn bandwidth(node: &Node, sink: &mut Sink) -> Option<Bandwidth> {
    let mut fields = Fields::open(node, "bandwidth", sink)?;
    let mut limit = |key, sink: &mut Sink| {
        let node = fields.need(key, sink)?;
        fields::small(node, key, (0, 1_000_000), sink)
    };
    let up = limit("upMbps", sink);
    let down = limit("downMbps", sink);
    fields.finish(sink);
    Some(Bandwidth {
        up_mbps: up?,
        down_mbps: down?,
    })
}

fn sim_field(field: SimField, node: &Node, sink: &mut Sink) -> Option<SmolStr> {
    let name = Slot::Sim(field).to_string();
    let digits = |least, most| move |text: &str| canonical::digits(text, least, most);
    match field {
        SimField::Imei => form(node, &name, "bad-imei", canonical::imei, sink),
        SimField::Iccid => form(node, &name, "bad-iccid", canonical::iccid, sink),
        SimField::Imsi => form(node, &name, "bad-value", digits(14, 15), sink),
        SimField::PhoneNumber => form(node, &name, "bad-value", phone_number, sink),
        SimField::Mcc => form(node, &name, "bad-value", digits(3, 3), sink),
        SimField::Mnc => form(node, &name, "bad-value", digits(2, 3), sink),
        SimField::Carrier => fields::text(node, &name, sink),
        SimField::CellType
        | SimField::CellTac
        | SimField::CellId
        | SimField::CellNarfcn
        | SimField::CellPhysicalId => {
            let number = |text: &str| {
                canonical::digits(text, 1, 18).map(|text| canonical::number_or_text(&text))
            };
            form(node, &name, "bad-value", number, sink)
        }
    }
}

/// 3 to 15 digits, with `+` or without; the sign is kept.
fn phone_number(text: &str) -> Result<SmolStr, Invalid> {
    let trimmed = text.trim();
    let digits = trimmed.strip_prefix('+').unwrap_or(trimmed);
    canonical::digits(digits, 3, 15)
        .map_err(|_| bad(text, "is no phone number of 3 to 15 digits"))?;
    Ok(trimmed.into())
}

fn app(package: &Package, node: &Node, tools: &Tools<'_>, sink: &mut Sink) -> Option<AppWish> {
    let any = AppWish::Present {
        app: None,
        version: VersionWish::Any,
    };
    if let Some(word) = node.scalar().filter(|_| !node.is_null()) {
        match word {
            "present" => return Some(any),
            "absent" => return Some(AppWish::Absent),
            _ => {}
        }
        let problem = sink.say(
            node.at,
            "bad-value",
            format!("an app is `present`, `absent` or a mapping, not {word:?}"),
        );
        if tools.apps.contains_key(&AppName::new(word)) {
            problem.hint(format!("write {{ app: {word} }}"));
        } else {
            problem.did_you_mean(word, &["present", "absent"]);
        }
        return None;
    }
    let before = sink.problems.len();
    let mut fields = Fields::open(node, "apps", sink)?;
    let reference = fields.get("app", sink);
    let wish = version(&mut fields, sink);
    let running = fields.get("running", sink);
    fields.finish(sink);
    let nothing = reference.is_none() && wish == Some(VersionWish::Any) && running.is_none();
    if nothing && sink.problems.len() == before {
        sink.say(
            node.at,
            "bad-value",
            format!("nothing is said of app {package}"),
        )
        .hint("write `present`, `absent` or { app: NAME }");
        return None;
    }
    let mut version = wish?;
    let Some(reference) = reference else {
        return Some(AppWish::Present { app: None, version });
    };
    let name = AppName::new(fields::text(reference, "app", sink)?);
    let declared = referred(&name, package, reference.at, tools, sink)?;
    if version == VersionWish::Any {
        version = declared;
    }
    Some(AppWish::Present {
        app: Some(name),
        version,
    })
}

/// The version that an App manifest of this name wants, if it is of this package.
fn referred(
    name: &AppName,
    package: &Package,
    at: Mark,
    tools: &Tools<'_>,
    sink: &mut Sink,
) -> Option<VersionWish> {
    match tools.apps.get(name) {
        None => {
            let known: Vec<&str> = tools.apps.keys().map(AppName::as_str).collect();
            sink.say(at, "unknown-app", format!("there is no App `{name}`"))
                .did_you_mean(name.as_str(), &known);
            None
        }
        Some(None) => None,
        Some(Some(app)) if app.package != *package => {
            let theirs = &app.package;
            let message = format!("App `{name}` is {theirs}, not {package}");
            sink.say(at, "wrong-package", message)
                .hint(format!("say it under the key {theirs}"));
            None
        }
        Some(Some(app)) => Some(app.version.clone()),
    }
}
