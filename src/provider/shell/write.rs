//! Scripts that write.
//!
//! Invariants: a script said twice ends as said once; what restarts the framework comes last; no secret stands in a script. Not here: reading back (`read`).

use super::read::{self, HTTP_PROXY, NO_PROXY};
use super::{Bounds, Charset, Problem, word};
use crate::model::attribute::Attribute;
use crate::model::fleet::AppSource;
use crate::model::observed::Observed;
use crate::model::value::{
    AppWish, Location, Proxy, ProxyEndpoint, ProxyMode, ProxyProtocol, Value, Wish,
};
use crate::provider::AppToInstall;
use sha2::{Digest, Sha256};

/// Longest value of a property that is not `ro.*`, in bytes (`PROP_VALUE_MAX` less its end).
const PROPERTY_BYTES: usize = 91;

/// Restarts what all apps run in; it takes up a new language.
const RESTART_FRAMEWORK: &str = "setprop ctl.restart zygote";

pub(super) fn script(
    writes: &[(Attribute, Wish)],
    app: Option<&AppToInstall>,
    bounds: &Bounds,
) -> Result<String, Problem> {
    let mut commands = Vec::with_capacity(writes.len() + 1);
    let mut restarts = false;
    for (attribute, wish) in writes {
        match attribute {
            Attribute::App(_) => commands.push(app_command(attribute, wish, app, bounds)?),
            Attribute::Language if bounds.joins => {
                commands.push(format!(
                    "setprop persist.sys.locale {}",
                    word::word(text(attribute, wish)?, "the language", bounds)?
                ));
                restarts = true;
            }
            Attribute::Property(_)
            | Attribute::Setting(_)
            | Attribute::Timezone
            | Attribute::Language
            | Attribute::Location
            | Attribute::Proxy
            | Attribute::Running(_)
            | Attribute::Image
            | Attribute::SimCountry
            | Attribute::Sim
            | Attribute::Bandwidth
            | Attribute::Adb => commands.push(command(attribute, wish, bounds)?),
        }
    }
    if restarts {
        commands.push(RESTART_FRAMEWORK.to_owned());
    }
    if !bounds.joins && commands.len() != 1 {
        return Err(Problem::misfit(format!(
            "{} writes in one plain command",
            commands.len()
        )));
    }
    Ok(commands.join("; "))
}

fn command(attribute: &Attribute, wish: &Wish, bounds: &Bounds) -> Result<String, Problem> {
    match attribute {
        Attribute::Property(name) => property(name, attribute, wish, bounds),
        Attribute::Setting(name) => setting(name, attribute, wish, bounds),
        Attribute::Timezone => timezone(text(attribute, wish)?, bounds),
        Attribute::Language => Ok(format!(
            "am update-config --locale {}",
            word::word(text(attribute, wish)?, "the language", bounds)?
        )),
        Attribute::Proxy => proxy(attribute, wish, bounds),
        Attribute::Location => location(attribute, wish, bounds),
        Attribute::Running(package) => {
            let package = word::package(package, bounds)?;
            match wish {
                Wish::Set(Value::Flag(true)) => Ok(format!(
                    "monkey -p {package} -c android.intent.category.LAUNCHER 1"
                )),
                Wish::Set(Value::Flag(false)) => Ok(format!("am force-stop {package}")),
                Wish::Set(_) | Wish::Reset => Err(misfit(attribute)),
            }
        }
        Attribute::App(_)
        | Attribute::Image
        | Attribute::SimCountry
        | Attribute::Sim
        | Attribute::Bandwidth
        | Attribute::Adb => Err(Problem::misfit(format!("no command writes {attribute}"))),
    }
}

fn misfit(attribute: &Attribute) -> Problem {
    Problem::misfit(format!("{attribute} wants another kind of value"))
}

fn text<'a>(attribute: &Attribute, wish: &'a Wish) -> Result<&'a str, Problem> {
    match wish {
        Wish::Set(Value::Text(text)) => Ok(text),
        Wish::Set(_) | Wish::Reset => Err(misfit(attribute)),
    }
}

fn property(
    name: &str,
    attribute: &Attribute,
    wish: &Wish,
    bounds: &Bounds,
) -> Result<String, Problem> {
    let name_word = word::property(name, bounds)?;
    if name.starts_with("ro.") {
        return Err(Problem::unsayable(format!(
            "setprop does not write {name}: ro. properties stand in the image"
        )));
    }
    let value = text(attribute, wish)?;
    if value.len() > PROPERTY_BYTES {
        return Err(Problem::unsayable(format!(
            "the value has {} bytes, and Android takes {PROPERTY_BYTES} of a property",
            value.len()
        )));
    }
    // Without `--`, setprop takes a value such as -1 for an option.
    let end_of_options = if value.starts_with('-') { "-- " } else { "" };
    Ok(format!(
        "setprop {end_of_options}{name_word} {}",
        word::word(value, "the value", bounds)?
    ))
}

fn setting(
    name: &str,
    attribute: &Attribute,
    wish: &Wish,
    bounds: &Bounds,
) -> Result<String, Problem> {
    let (space, key) = word::setting(name, bounds)?;
    if *wish == Wish::Reset {
        return Ok(format!("settings delete {space} {key}"));
    }
    let value = text(attribute, wish)?;
    if value.starts_with("--") {
        return Err(Problem::unsayable(format!(
            "the value {value:?} would be taken for an option"
        )));
    }
    Ok(format!(
        "settings put {space} {key} {}",
        word::word(value, "the value", bounds)?
    ))
}

fn timezone(zone: &str, bounds: &Bounds) -> Result<String, Problem> {
    let word = word::word(zone, "the time zone", bounds).map_err(|problem| {
        match (problem, same_time(zone)) {
            (Problem::Unsayable(reason), Some(other)) => {
                Problem::Unsayable(format!("{reason}: {other} has the same time"))
            }
            (problem, _) => problem,
        }
    })?;
    let set = format!("cmd alarm set-timezone {word}");
    if !bounds.joins {
        return Ok(set);
    }
    // Some images of Android 10 and 11 have no such command.
    Ok(format!(
        "settings put global auto_time_zone 0; {set} || setprop persist.sys.timezone {word}"
    ))
}

/// A zone named after a place, with the same time all year as one of the zones west of Greenwich, whose `+` not every vendor's commands can carry.
fn same_time(zone: &str) -> Option<&'static str> {
    let hours = zone
        .strip_prefix("Etc/GMT+")
        .or_else(|| zone.strip_prefix("GMT+"))?;
    Some(match hours {
        "0" => "Etc/GMT",
        "1" => "Atlantic/Cape_Verde",
        "2" => "America/Noronha",
        "3" => "America/Sao_Paulo",
        "4" => "America/Puerto_Rico",
        "5" => "America/Panama",
        "6" => "America/Costa_Rica",
        "7" => "America/Phoenix",
        "8" => "Pacific/Pitcairn",
        "9" => "Pacific/Gambier",
        "10" => "Pacific/Honolulu",
        "11" => "Pacific/Pago_Pago",
        _ => return None,
    })
}

fn proxy(attribute: &Attribute, wish: &Wish, bounds: &Bounds) -> Result<String, Problem> {
    let endpoint = match wish {
        Wish::Reset => None,
        Wish::Set(Value::Proxy(proxy)) => match proxy.as_ref() {
            Proxy::Direct => None,
            Proxy::Via(endpoint) => Some(endpoint),
        },
        Wish::Set(_) => return Err(misfit(attribute)),
    };
    let value = match endpoint {
        // Deleting the setting may leave the live proxy until the network changes.
        None => NO_PROXY.to_owned(),
        Some(endpoint) => plain_http(endpoint)?,
    };
    Ok(format!(
        "settings put {HTTP_PROXY} {}",
        word::word(&value, "the proxy", bounds)?
    ))
}

/// `host:port`; more than that Android's own setting does not hold.
fn plain_http(endpoint: &ProxyEndpoint) -> Result<String, Problem> {
    let ProxyEndpoint {
        mode,
        protocol,
        host,
        port,
        username,
        password,
        bypass,
    } = endpoint;
    let no = |reason: &str| {
        Err(Problem::unsayable(format!(
            "the phone's own proxy {reason}"
        )))
    };
    match (mode, protocol) {
        (ProxyMode::Vpn, _) => {
            return no("is no VPN: an HTTP proxy works (mode: proxy, protocol: http)");
        }
        (ProxyMode::Proxy, ProxyProtocol::Socks5) => {
            return no("speaks HTTP only, not socks5: protocol: http works");
        }
        (ProxyMode::Proxy, ProxyProtocol::Http) => {}
    }
    if username.is_some() || password.is_some() {
        return no(
            "has no user name and password: a proxy works that lets the phones' addresses in without",
        );
    }
    if !(bypass.packages.is_empty() && bypass.ips.is_empty() && bypass.domains.is_empty()) {
        return no("has no list of what goes round it: leave bypass out");
    }
    if host.contains(':') {
        return no("takes no IPv6 address: a host name works");
    }
    Ok(format!("{host}:{port}"))
}

fn location(attribute: &Attribute, wish: &Wish, bounds: &Bounds) -> Result<String, Problem> {
    if !bounds.joins {
        return Err(Problem::unsayable(
            "a position takes several commands, and the vendor takes one at a time",
        ));
    }
    let location = match wish {
        Wish::Reset => return Ok("cmd location providers remove-test-provider gps".to_owned()),
        Wish::Set(Value::Location(location)) => location.as_ref(),
        Wish::Set(_) => return Err(misfit(attribute)),
    };
    let Location {
        latitude,
        longitude,
        altitude,
        speed,
        bearing,
        horizontal_accuracy,
    } = location;
    for (name, value) in [
        ("altitude", altitude),
        ("speed", speed),
        ("bearing", bearing),
    ] {
        if value.is_some() {
            return Err(Problem::unsayable(format!(
                "the phone's own command for positions has no {name}: leave it out"
            )));
        }
    }
    let position = word::word(&format!("{latitude},{longitude}"), "the position", bounds)?;
    let accuracy = match horizontal_accuracy {
        Some(metres) => format!(
            " --accuracy {}",
            word::word(metres, "the accuracy", bounds)?
        ),
        None => String::new(),
    };
    Ok(format!(
        "appops set com.android.shell android:mock_location allow; \
         cmd location providers add-test-provider gps; \
         cmd location providers set-test-provider-enabled gps true; \
         cmd location providers set-test-provider-location gps --location {position}{accuracy}"
    ))
}

fn app_command(
    attribute: &Attribute,
    wish: &Wish,
    app: Option<&AppToInstall>,
    bounds: &Bounds,
) -> Result<String, Problem> {
    let Attribute::App(package) = attribute else {
        return Err(misfit(attribute));
    };
    let package_word = word::package(package, bounds)?;
    match wish {
        Wish::Set(Value::App(AppWish::Absent)) => Ok(format!("pm uninstall {package_word}")),
        Wish::Set(Value::App(AppWish::Present { .. })) => match app {
            Some(app) if app.package == *package => install(&app.source, bounds),
            Some(_) | None => Err(Problem::misfit(format!("{attribute} comes from nowhere"))),
        },
        Wish::Set(_) | Wish::Reset => Err(misfit(attribute)),
    }
}

/// Fetches and installs an app; the file is gone afterwards. `-d` lets an exact older version in where the phone allows it.
fn install(source: &AppSource, bounds: &Bounds) -> Result<String, Problem> {
    let AppSource::Url { url, md5, .. } = source else {
        return Err(Problem::unsayable(
            "a phone's own shell installs from a url, not from the vendor's catalogue",
        ));
    };
    if !bounds.joins || bounds.charset == Charset::Plain {
        return Err(Problem::unsayable(
            "to fetch and to install are several commands, and the vendor takes one at a time",
        ));
    }
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(Problem::unsayable(format!("{url:?} is no http url")));
    }
    let url_word = word::word(url, "the url", bounds)?;
    let file = file_for(url);
    let check = match md5 {
        Some(md5) if md5.len() == 32 && md5.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            format!("echo '{md5}  {file}' | md5sum -c && ")
        }
        Some(md5) => return Err(Problem::unsayable(format!("{md5:?} is no MD5"))),
        None => String::new(),
    };
    Ok(format!(
        "curl -fsSLg -o {file} {url_word} && {check}pm install -r -d -g --user 0 {file}; rm -f {file}"
    ))
}

/// A file that the package manager may read, of its own for each url.
fn file_for(url: &str) -> String {
    let digest = Sha256::digest(url.as_bytes());
    let name = u64::from_be_bytes(std::array::from_fn(|place| digest[place]));
    format!("/data/local/tmp/phonefleet-{name:016x}.apk")
}

/// An app that shall be there, and no source is named: nothing is ever written for it.
pub(super) fn is_nothing_yet(wish: &Wish, app: Option<&AppToInstall>) -> bool {
    app.is_none() && matches!(wish, Wish::Set(Value::App(AppWish::Present { .. })))
}

/// Why a value could not be told from another, or from an error, when it is read back.
pub(super) fn unreadable(attribute: &Attribute, wish: &Wish) -> Option<String> {
    let Wish::Set(Value::Text(text)) = wish else {
        return None;
    };
    if !matches!(attribute, Attribute::Property(_) | Attribute::Setting(_)) {
        return None;
    }
    match read::observed(attribute, text) {
        Some(Observed::Text(told)) if told == *text => None,
        Some(Observed::Missing) => Some(format!(
            "the value {text:?} reads back as if there were none"
        )),
        Some(Observed::Text(_)) => Some(format!(
            "the value {text:?} reads back without the white space around it"
        )),
        Some(_) | None => Some(format!(
            "the value {text:?} reads back as if it were an error message"
        )),
    }
}
