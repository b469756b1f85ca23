//! Whether a phone of the world is as wished.
//!
//! Invariants: asked of the world itself, never of an answer; `None` where the world cannot tell. Not here: what is wished (`text`).

use crate::model::attribute::Attribute;
use crate::model::canonical::compare_versions;
use crate::model::id::{AccountName, PhoneKey};
use crate::model::value::{AppWish, ImageTarget, Proxy, Value, VersionWish, Wish};
use crate::sim::Simulator;
use crate::sim::phone::Phone;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The worlds.
#[derive(Clone)]
pub(super) struct Truth {
    pub(super) worlds: BTreeMap<AccountName, Simulator>,
}

impl Truth {
    /// Whether the phone is as wished; `None`: the phone is not there, or nothing tells.
    pub(super) fn holds(&self, key: &PhoneKey, attribute: &Attribute, wish: &Wish) -> Option<bool> {
        let world = self.worlds.get(&key.account)?;
        world.change(|world| {
            let phone = world.phone(key.phone.as_str())?;
            phone_holds(phone, attribute, wish)
        })
    }
}

fn phone_holds(phone: &Phone, attribute: &Attribute, wish: &Wish) -> Option<bool> {
    let Wish::Set(value) = wish else { return None };
    Some(match (attribute, value) {
        (Attribute::Timezone, Value::Text(text)) => phone.timezone == *text,
        (Attribute::Language, Value::Text(text)) => phone.language == *text,
        (Attribute::Property(name), Value::Text(text)) => {
            phone.property(name).as_deref() == Some(text.as_str())
        }
        (Attribute::Setting(name), Value::Text(text)) => {
            phone.setting(name).as_deref() == Some(text.as_str())
        }
        (Attribute::Image, Value::Image(image)) => match &image.target {
            ImageTarget::Id(id) => phone.image.id == *id,
            ImageTarget::Version(version) => phone.image.version == *version,
        },
        (Attribute::Proxy, Value::Proxy(proxy)) => match (&**proxy, phone.proxy.as_deref()) {
            (Proxy::Via(wanted), Some(set)) => set.host == wanted.host && set.port == wanted.port,
            (Proxy::Direct, Some(_)) => false,
            (wanted, None) => by_setting(phone, wanted),
        },
        (Attribute::Location, Value::Location(wanted)) => {
            phone.location.as_deref().is_some_and(|set| {
                at(set.latitude, &wanted.latitude) && at(set.longitude, &wanted.longitude)
            })
        }
        (Attribute::Bandwidth, Value::Bandwidth(wanted)) => {
            let (up, down) = phone
                .bandwidth
                .as_deref()
                .map_or((0.0, 0.0), |set| (set.up, set.down));
            (up, down) == (f64::from(wanted.up_mbps), f64::from(wanted.down_mbps))
        }
        (Attribute::Adb, Value::Flag(on)) => phone.adb == *on,
        (Attribute::App(package), Value::App(app)) => app_holds(phone, package.as_str(), app),
        _ => return None,
    })
}

impl Truth {
    /// The number of the job that the vendor's id stands for on this phone.
    pub(super) fn job_named(&self, key: &PhoneKey, id: &str) -> Option<u64> {
        let world = self.worlds.get(&key.account)?;
        world.job_named(id, key.phone.as_str())
    }
}

/// Where the vendor has no proxy of its own for a phone, Android's setting is it.
fn by_setting(phone: &Phone, wanted: &Proxy) -> bool {
    let set = phone.setting("global/http_proxy");
    let set = set.as_deref().filter(|set| !matches!(*set, "" | ":0"));
    match wanted {
        Proxy::Direct => set.is_none(),
        Proxy::Via(wanted) => set == Some(&*format!("{}:{}", wanted.host, wanted.port)),
    }
}

fn at(set: f64, wanted: &str) -> bool {
    wanted
        .parse()
        .is_ok_and(|wanted: f64| (wanted - set).abs() < 1e-6)
}

fn app_holds(phone: &Phone, package: &str, wish: &AppWish) -> bool {
    let installed = phone.app(package);
    match wish {
        AppWish::Absent => installed.is_none_or(|app| app.system),
        AppWish::Present { version, .. } => installed.is_some_and(|app| match version {
            VersionWish::Any => true,
            VersionWish::NameExact(name) => app.version_name == *name,
            VersionWish::NameAtLeast(name) => compare_versions(&app.version_name, name).is_ge(),
            VersionWish::CodeExact(code) => app.version_code == *code,
            VersionWish::CodeAtLeast(code) => app.version_code >= *code,
        }),
    }
}

/// Everything on a phone that a client could touch, as text: equal before and after where nobody may touch it.
pub(super) fn fingerprint(phone: &Phone) -> String {
    let facets = facets(phone).into_iter();
    facets.map(|(_, text)| text + " ").collect()
}

/// Properties as the phone shows them, wherever they come from.
fn properties(phone: &Phone) -> BTreeMap<&str, SmolStr> {
    let names = phone.kept.iter().chain(phone.live.iter());
    names
        .filter_map(|(name, _)| Some((name, phone.property(name)?)))
        // Said or not, it is what the image says.
        .filter(|(name, value)| phone.image.properties.get(name) != Some(value))
        .collect()
}

/// The same, each part by its name.
pub(super) fn facets(phone: &Phone) -> Vec<(&'static str, String)> {
    let mut apps: Vec<String> = phone
        .apps
        .iter()
        .map(|app| format!("{} {}", app.package, app.version_name))
        .collect();
    apps.sort_unstable();
    let mut settings: Vec<_> = phone.settings.iter().collect();
    settings.sort_unstable();
    // What the shell's way to a location leaves behind.
    let (providers, properties): (BTreeMap<_, _>, BTreeMap<_, _>) = properties(phone)
        .into_iter()
        .partition(|(name, _)| name.starts_with("test-provider/"));
    vec![
        ("image", phone.image.id.to_string()),
        ("time zone", phone.timezone.to_string()),
        ("language", phone.language.to_string()),
        ("properties", format!("{properties:?}")),
        ("settings", format!("{settings:?}")),
        ("proxy", format!("{:?}", phone.proxy)),
        ("location", format!("{:?} {providers:?}", phone.location)),
        ("bandwidth", format!("{:?}", phone.bandwidth)),
        ("adb", phone.adb.to_string()),
        ("apps", format!("{apps:?}")),
    ]
}
