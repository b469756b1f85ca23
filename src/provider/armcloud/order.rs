//! Orders as the vendor wants them: path and body of every call that changes phones.
//!
//! Invariants: the body is made once and its bytes are what is signed and sent; a secret is resolved here, last, and given back so that it can be kept
//! out of messages; what makes no sense is refused before it is sent. Not here: answers (`convert`), scripts (`shell`).

use super::answer::{our_bug, refused};
use super::flavour::{Action, Flavour, Route};
use super::rows::LISTED_READ_ONLY;
use super::table::{COMMANDS, SHARES};
use super::wire::{
    AppOnPads, AppsRequest, AsyncCmdRequest, GpsInjectInfoRequest, NamedValue,
    OpenOnlineAdbRequest, PackageRequest, ProxySetRequest, ReplaceByCountryRequest, Scalar,
    SetSpeedRequest, UpdateLanguageRequest, UpdatePadAndroidPropRequest,
    UpdatePadPropertiesRequest, UpdateSimRequest, UpdateTimeZoneRequest, UpgradeImageRequest,
    UploadFileV3Request,
};
use crate::model::attribute::Attribute;
use crate::model::fleet::AppSource;
use crate::model::id::PhoneId;
use crate::model::value::{
    Bandwidth, ImageTarget, Location, Proxy, ProxyEndpoint, ProxyMode, ProxyProtocol, SimField,
    Value, Wish,
};
use crate::provider::{CallError, Order, shell};
use crate::secret::Secrets;
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use smol_str::SmolStr;

/// An order, ready to be signed.
pub(super) struct Ready {
    /// Where it goes.
    pub(super) route: &'static Route,
    /// Body.
    pub(super) body: Bytes,
    /// Secrets in the body.
    pub(super) secret: Option<SecretString>,
}

/// Makes the body of an order for one deployment.
///
/// # Errors
/// The order does not fit the call (our bug), a value the vendor cannot take, or a secret that cannot be resolved. Nothing was sent.
pub(super) fn build(
    order: &Order,
    flavour: &Flavour,
    secrets: &dyn Secrets,
) -> Result<Ready, CallError> {
    let (Some(route), Some(row)) = (
        flavour.route(order.call),
        flavour.capabilities.call(order.call),
    ) else {
        return Err(our_bug(format!("no call is named {}", order.call)));
    };
    let (phones, most) = (order.phones.len(), row.max_phones);
    if phones == 0 || phones > usize::try_from(most).unwrap_or(usize::MAX) {
        return Err(our_bug(format!(
            "{phones} phones for {}, which takes 1 to {most}",
            order.call
        )));
    }
    let (body, secret) = body(order, route.action, secrets)?;
    Ok(Ready {
        route,
        body,
        secret,
    })
}

fn body(
    order: &Order,
    action: Action,
    secrets: &dyn Secrets,
) -> Result<(Bytes, Option<SecretString>), CallError> {
    let pad_codes = order.phones.to_vec();
    let body = match action {
        Action::Proxy => return proxy(order, secrets),
        Action::TimeZone => json(&UpdateTimeZoneRequest {
            pad_codes,
            time_zone: text(order)?,
        }),
        Action::Language => language(order, &text(order)?),
        Action::Location => location(order),
        Action::Sim => sim(order),
        Action::SimByCountry => json(&ReplaceByCountryRequest {
            pad_code: one_phone(order)?,
            country_code: text(order)?,
        }),
        Action::Speed => speed(order),
        Action::Adb => json(&OpenOnlineAdbRequest {
            pad_codes,
            open_status: match single(order)? {
                (_, Wish::Set(Value::Flag(on))) => u8::from(*on),
                (_, Wish::Reset) => 0,
                (_, Wish::Set(_)) => return Err(misfit(order)),
            },
        }),
        Action::Properties => properties(order),
        Action::AndroidProperties => android_properties(order),
        Action::Image => image(order),
        Action::Install => install(order),
        Action::InstallUrl => install_from_url(order),
        Action::Uninstall => match single(order)? {
            (Attribute::App(package), _) => json(&AppsRequest {
                apps: vec![AppOnPads {
                    app_id: None,
                    pkg_name: Some(package.clone()),
                    pad_codes,
                }],
            }),
            _ => Err(misfit(order)),
        },
        Action::Start => switch(order, true),
        Action::Stop => switch(order, false),
        Action::Command => json(&AsyncCmdRequest {
            pad_codes,
            script_content: shell::write_script(&order.writes, None, &COMMANDS)?,
        }),
    }?;
    Ok((body, None))
}

/// Compact JSON: these bytes are signed and sent.
pub(super) fn json<T: Serialize>(body: &T) -> Result<Bytes, CallError> {
    serde_json::to_vec(body)
        .map(Bytes::from)
        .map_err(|problem| our_bug(format!("a body cannot be written: {problem}")))
}

fn misfit(order: &Order) -> CallError {
    our_bug(format!("an order does not fit {}", order.call))
}

fn single(order: &Order) -> Result<&(Attribute, Wish), CallError> {
    match &order.writes[..] {
        [write] => Ok(write),
        _ => Err(misfit(order)),
    }
}

fn one_phone(order: &Order) -> Result<PhoneId, CallError> {
    match &order.phones[..] {
        [phone] => Ok(phone.clone()),
        _ => Err(misfit(order)),
    }
}

fn text(order: &Order) -> Result<SmolStr, CallError> {
    match single(order)? {
        (_, Wish::Set(Value::Text(text))) => Ok(text.clone()),
        _ => Err(misfit(order)),
    }
}

fn switch(order: &Order, to: bool) -> Result<Bytes, CallError> {
    match single(order)? {
        (Attribute::Running(package), Wish::Set(Value::Flag(on))) if *on == to => {
            json(&PackageRequest {
                pad_codes: order.phones.to_vec(),
                pkg_name: package.clone(),
            })
        }
        _ => Err(misfit(order)),
    }
}

/// Why a value cannot be carried out here, found before anything is sent. Source: the vendor's manuals of `updateLanguage` and `asyncCmd`.
pub(super) fn refuses(
    attribute: &Attribute,
    wish: &Wish,
    _source: Option<&AppSource>,
) -> Option<String> {
    match (attribute, wish) {
        (Attribute::Setting(_), _) => {
            shell::refuses_sharing(attribute, wish, None, &COMMANDS, SHARES)
        }
        (Attribute::Running(_), _) => shell::refuses_reading(attribute, &COMMANDS, SHARES),
        (Attribute::Property(name), _)
            if name.starts_with("ro.") && !LISTED_READ_ONLY.contains(&name.as_str()) =>
        {
            shell::refuses_reading(attribute, &COMMANDS, SHARES)
        }
        (Attribute::Language, Wish::Set(Value::Text(tag))) => {
            language_and_country(tag).is_none().then(|| {
                let mut parts = tag.split('-');
                let both: Vec<&str> = parts
                    .next()
                    .into_iter()
                    .chain(parts.find(|part| is_country(part)))
                    .collect();
                format!(
                    "a language and a country are all that is taken, and {tag} is more: {} works",
                    both.join("-")
                )
            })
        }
        (_, _) => None,
    }
}

fn is_country(part: &str) -> bool {
    (part.len() == 2 && part.bytes().all(|b| b.is_ascii_alphabetic()))
        || (part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit()))
}

/// The two parts that the call takes; `None` for a tag with a script or more.
fn language_and_country(tag: &str) -> Option<(&str, Option<&str>)> {
    let mut parts = tag.split('-');
    let language = parts.next()?;
    let country = parts.next();
    let more = parts.next().is_some() || country.is_some_and(|part| !is_country(part));
    (!more).then_some((language, country))
}

fn language(order: &Order, tag: &str) -> Result<Bytes, CallError> {
    let (language, country) = language_and_country(tag).ok_or_else(|| {
        refused(format!(
            "{} takes a language and a country, and {tag} is more than that",
            order.call
        ))
    })?;
    json(&UpdateLanguageRequest {
        pad_codes: order.phones.to_vec(),
        language: language.into(),
        country: country.map(Into::into),
    })
}

fn location(order: &Order) -> Result<Bytes, CallError> {
    let (_, Wish::Set(Value::Location(location))) = single(order)? else {
        return Err(misfit(order));
    };
    let Location {
        latitude,
        longitude,
        altitude,
        speed,
        bearing,
        horizontal_accuracy,
    } = location.as_ref();
    let number = |text: &SmolStr| -> Result<f64, CallError> {
        text.parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .ok_or_else(|| our_bug(format!("{text:?} is no decimal")))
    };
    let optional = |text: &Option<SmolStr>| text.as_ref().map(number).transpose();
    json(&GpsInjectInfoRequest {
        pad_codes: order.phones.to_vec(),
        longitude: number(longitude)?,
        latitude: number(latitude)?,
        altitude: optional(altitude)?,
        speed: optional(speed)?,
        bearing: optional(bearing)?,
        horizontal_accuracy_meters: optional(horizontal_accuracy)?,
    })
}

fn sim(order: &Order) -> Result<Bytes, CallError> {
    let (_, Wish::Set(Value::Sim(fields))) = single(order)? else {
        return Err(misfit(order));
    };
    let mut body = UpdateSimRequest {
        pad_codes: order.phones.to_vec(),
        ..UpdateSimRequest::default()
    };
    for (field, value) in fields {
        let value = Some(value.clone());
        match field {
            SimField::Imei => body.imei = value,
            SimField::Iccid => body.iccid = value,
            SimField::Imsi => body.imsi = value,
            SimField::PhoneNumber => body.phonenum = value,
            SimField::Mcc => body.mcc = value,
            SimField::Mnc => body.mnc = value,
            SimField::Carrier => {
                body.operator_longname.clone_from(&value);
                body.operator_shortnam = value;
            }
            SimField::CellType => body.kind = value,
            SimField::CellTac => body.tac = value,
            SimField::CellId => body.cellid = value,
            SimField::CellNarfcn => body.narfcn = value,
            SimField::CellPhysicalId => body.physicalcellid = value,
        }
    }
    json(&body)
}

fn speed(order: &Order) -> Result<Bytes, CallError> {
    let limits = match single(order)? {
        (_, Wish::Set(Value::Bandwidth(limits))) => *limits,
        (_, Wish::Reset) => Bandwidth {
            up_mbps: 0,
            down_mbps: 0,
        },
        (_, Wish::Set(_)) => return Err(misfit(order)),
    };
    json(&SetSpeedRequest {
        pad_codes: order.phones.to_vec(),
        up_bandwidth: limits.up_mbps.into(),
        down_bandwidth: limits.down_mbps.into(),
    })
}

/// Name and value of each property of an order.
fn named(order: &Order) -> Result<Vec<(&str, &SmolStr)>, CallError> {
    order
        .writes
        .iter()
        .map(|write| match write {
            (Attribute::Property(name), Wish::Set(Value::Text(value))) => {
                Ok((name.as_str(), value))
            }
            _ => Err(misfit(order)),
        })
        .collect()
}

/// Which lists a property goes to is said by its name.
fn properties(order: &Order) -> Result<Bytes, CallError> {
    let mut body = UpdatePadPropertiesRequest {
        pad_codes: order.phones.to_vec(),
        ..UpdatePadPropertiesRequest::default()
    };
    for (name, value) in named(order)? {
        let row = |name: &str| NamedValue {
            properties_name: Some(name.into()),
            properties_value: Some(value.clone()),
        };
        match name.split_once('/') {
            Some(("modem", name)) => body.modem_properties_list.push(row(name)),
            Some(("oaid", name)) => body.oaid_properties_list.push(row(name)),
            Some(("setting", name)) => body.setting_properties_list.push(row(name)),
            Some(_) | None => {
                if name.starts_with("persist.") {
                    body.system_persist_properties_list.push(row(name));
                }
                body.system_properties_list.push(row(name));
            }
        }
    }
    json(&body)
}

fn android_properties(order: &Order) -> Result<Bytes, CallError> {
    json(&UpdatePadAndroidPropRequest {
        pad_code: one_phone(order)?,
        props: named(order)?
            .into_iter()
            .map(|(name, value)| (name.into(), value.clone()))
            .collect(),
        restart: true,
    })
}

fn image(order: &Order) -> Result<Bytes, CallError> {
    let (_, Wish::Set(Value::Image(image))) = single(order)? else {
        return Err(misfit(order));
    };
    let image_id = match (&order.image, &image.target) {
        (Some(id), _) | (None, ImageTarget::Id(id)) => id.clone(),
        (None, ImageTarget::Version(version)) => {
            return Err(our_bug(format!("image version {version} has no id")));
        }
    };
    json(&UpgradeImageRequest {
        pad_codes: order.phones.to_vec(),
        image_id,
        wipe_data: image.wipe_data,
    })
}

fn install(order: &Order) -> Result<Bytes, CallError> {
    let app = order.app.as_ref().ok_or_else(|| misfit(order))?;
    let AppSource::Catalogue { app_id, .. } = &app.source else {
        return Err(misfit(order));
    };
    json(&AppsRequest {
        apps: vec![AppOnPads {
            app_id: Some(Scalar(app_id.clone())),
            pkg_name: Some(app.package.clone()),
            pad_codes: order.phones.to_vec(),
        }],
    })
}

fn install_from_url(order: &Order) -> Result<Bytes, CallError> {
    let app = order.app.as_ref().ok_or_else(|| misfit(order))?;
    let AppSource::Url { url, md5, .. } = &app.source else {
        return Err(misfit(order));
    };
    json(&UploadFileV3Request {
        pad_codes: order.phones.to_vec(),
        url: url.clone(),
        md5: md5.clone(),
        auto_install: 1,
        package_name: Some(app.package.clone()),
    })
}

fn proxy(order: &Order, secrets: &dyn Secrets) -> Result<(Bytes, Option<SecretString>), CallError> {
    let pad_codes = order.phones.to_vec();
    let endpoint = match single(order)? {
        (_, Wish::Reset) => return Ok((json(&no_proxy(pad_codes))?, None)),
        (_, Wish::Set(Value::Proxy(proxy))) => match &**proxy {
            Proxy::Direct => return Ok((json(&no_proxy(pad_codes))?, None)),
            Proxy::Via(endpoint) => endpoint,
        },
        (_, Wish::Set(_)) => return Err(misfit(order)),
    };
    let ProxyEndpoint {
        mode,
        protocol,
        host,
        port,
        username,
        password,
        bypass,
    } = endpoint;
    let password = password
        .as_ref()
        .map(|reference| secrets.resolve(reference))
        .transpose()
        .map_err(|error| refused(format!("password of the proxy: {error}")))?;
    let body = json(&ProxySetRequest {
        enable: true,
        ip: Some(host.clone()),
        port: Some(*port),
        account: username.clone(),
        password: password
            .as_ref()
            .map(|secret| secret.expose_secret().to_owned()),
        proxy_type: Some(SmolStr::new_static(match mode {
            ProxyMode::Proxy => "proxy",
            ProxyMode::Vpn => "vpn",
        })),
        proxy_name: Some(SmolStr::new_static(match protocol {
            ProxyProtocol::Socks5 => "socks5",
            ProxyProtocol::Http => "http-relay",
        })),
        bypass_package_list: bypass.packages.clone(),
        bypass_ip_list: bypass.ips.clone(),
        bypass_domain_list: bypass.domains.clone(),
        ..no_proxy(pad_codes)
    })?;
    Ok((body, password))
}

fn no_proxy(pad_codes: Vec<PhoneId>) -> ProxySetRequest {
    ProxySetRequest {
        pad_codes,
        enable: false,
        ip: None,
        port: None,
        account: None,
        password: None,
        proxy_type: None,
        proxy_name: None,
        bypass_package_list: Vec::new(),
        bypass_ip_list: Vec::new(),
        bypass_domain_list: Vec::new(),
    }
}
