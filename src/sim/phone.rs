//! One simulated phone: what it is, what it has, and what a restart or a wipe does to it.
//!
//! Invariants: what phones have in common is shared (image, apps), so a world of 100,000 phones stays lean; values are set through the methods, which know
//! what a restart loses; an identity is a number from which IMEI, IMSI, ICCID and the like follow. Not here: jobs (`job`), the shell (`shell`), JSON (`armcloud`).

use super::values::Values;
use crate::model::stamp::Timestamp;
use crate::time::delay::hash;
use smol_str::{SmolStr, format_smolstr};
use std::collections::BTreeMap;
use std::sync::Arc;

/// `padStatus` of a phone that runs.
pub const RUNNING: i16 = 10;
/// `padStatus` of a phone that restarts.
pub const RESTARTING: i16 = 11;
/// `padStatus` of a phone that is being reset.
pub const RESETTING: i16 = 12;
/// `padStatus` of a phone that gets another image.
pub const UPGRADING: i16 = 13;
/// `padStatus` of a phone with which something is wrong.
pub const ABNORMAL: i16 = 14;

/// The time zone phones are made with.
pub const DEFAULT_TIMEZONE: &str = "Asia/Shanghai";
/// The language phones are made with.
pub const DEFAULT_LANGUAGE: &str = "zh-CN";

/// The property that the language stands in.
const LOCALE: &str = "persist.sys.locale";
/// Among the live values: positions come from a test provider.
pub(super) const TEST_PROVIDER: &str = "test-provider/gps";
/// Settings that every phone has.
const DEFAULT_SETTINGS: [&str; 5] = [
    "global/adb_enabled",
    "global/auto_time_zone",
    "secure/android_id",
    "system/screen_brightness",
    "system/screen_off_timeout",
];

/// An app, as it is installed or offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Its package.
    pub package: SmolStr,
    /// Its name for people.
    pub name: SmolStr,
    /// `1.4.2`.
    pub version_name: SmolStr,
    /// `142`.
    pub version_code: u64,
    /// Part of the system image.
    pub system: bool,
}

impl App {
    /// An app with its version.
    pub fn new(package: &str, name: &str, version_name: &str, version_code: u64) -> Self {
        Self {
            package: package.into(),
            name: name.into(),
            version_name: version_name.into(),
            version_code,
            system: false,
        }
    }
}

/// A system image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// `img-25030796215`.
    pub id: SmolStr,
    /// `20250307_4`.
    pub version: SmolStr,
    /// Android version, such as 13.
    pub android: u8,
    /// System properties it brings.
    pub properties: Values,
    /// System apps it brings.
    pub apps: Vec<Arc<App>>,
}

/// A proxy as it was set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the request")]
pub struct Proxy {
    pub proxy_type: SmolStr,
    pub proxy_name: SmolStr,
    pub host: SmolStr,
    pub port: u16,
    pub account: Option<SmolStr>,
    pub password: Option<SmolStr>,
    pub bypass_packages: Vec<SmolStr>,
    pub bypass_ips: Vec<SmolStr>,
    pub bypass_domains: Vec<SmolStr>,
}

/// A position as it was injected.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the request")]
pub struct Location {
    pub latitude: f64,
    pub longitude: f64,
    pub altitude: Option<f64>,
    pub speed: Option<f64>,
    pub bearing: Option<f64>,
    pub horizontal_accuracy: Option<f64>,
}

/// Bandwidth limits in Mbps; 0 is no limit, −1 blocked.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the request")]
pub struct Bandwidth {
    pub up: f64,
    pub down: f64,
}

/// How long a property stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// Until the next restart.
    Live,
    /// From now on, restarts included.
    Kept,
    /// From the next restart on.
    AfterRestart,
}

/// One simulated phone.
#[derive(Clone, Debug)]
pub struct Phone {
    /// The vendor's code, `AC32010000001`.
    pub id: SmolStr,
    /// The vendor's group.
    pub group: u32,
    /// Status as the vendor counts (10 running, 11 restarting, …).
    pub status: i16,
    /// Connected to the vendor.
    pub connected: bool,
    /// Somebody looks at it.
    pub streaming: bool,
    /// A real-device image: live properties are accepted and ignored.
    pub real_device: bool,
    /// ADB switched on.
    pub adb: bool,
    /// Its image.
    pub image: Arc<Image>,
    /// Its time zone.
    pub timezone: SmolStr,
    /// Its language.
    pub language: SmolStr,
    /// Where IMEI, IMSI, ICCID and the like come from.
    pub identity: u64,
    /// The country its SIM belongs to.
    pub country: SmolStr,
    /// Apps in order of installation.
    pub apps: Vec<Arc<App>>,
    /// Packages that run.
    pub running: Vec<SmolStr>,
    /// Properties that differ from the image's and stay. `modem/…`, `oaid/…` and `setting/…` stand for the vendor's lists, the rest are Android's own.
    pub kept: Values,
    /// Properties that a restart loses.
    pub live: Values,
    /// Properties that wait for a restart.
    pub pending: Values,
    /// Android settings, `global/name`.
    pub settings: Values,
    /// Jobs that began on it.
    pub begun: u64,
    /// Its proxy; cannot be read over the API.
    pub proxy: Option<Arc<Proxy>>,
    /// Its injected position; cannot be read over the API.
    pub location: Option<Box<Location>>,
    /// Its limits; cannot be read over the API.
    pub bandwidth: Option<Box<Bandwidth>>,
    /// Files that were fetched and not removed, each an app on its way, by path.
    pub files: Vec<(SmolStr, Arc<App>)>,
    /// Counts boots.
    pub boots: u32,
    /// The job that occupies it.
    pub(super) job: Option<u64>,
    /// Digest of the last costly work that was not seen to fail, to find repetitions.
    pub(super) costly: u64,
    /// States as they were until a moment, the oldest first; only kept while reads may be stale.
    pub(super) past: Vec<(Timestamp, Arc<Self>)>,
}

impl Phone {
    /// What decides how long the next job takes that begins on it: as long, whatever goes on elsewhere.
    pub(super) fn luck(&mut self, seed: u64) -> u64 {
        self.begun += 1;
        hash(&self.id, self.begun, seed)
    }

    /// Whether it can work now.
    pub fn ready(&self) -> bool {
        self.status == RUNNING && self.connected
    }

    /// An installed app.
    pub fn app(&self, package: &str) -> Option<&App> {
        self.apps
            .iter()
            .find(|app| app.package == package)
            .map(AsRef::as_ref)
    }

    /// Puts an app on the phone, over an earlier version of it.
    pub fn install(&mut self, app: &Arc<App>) {
        match self.apps.iter_mut().find(|old| old.package == app.package) {
            Some(old) if old.system => {
                *old = Arc::new(App {
                    system: true,
                    ..App::clone(app)
                });
            }
            Some(old) => *old = Arc::clone(app),
            None => {
                self.apps.reserve_exact(1);
                self.apps.push(Arc::clone(app));
            }
        }
    }

    /// Takes an app off the phone. System apps stay.
    pub fn uninstall(&mut self, package: &str) -> bool {
        let before = self.apps.len();
        self.apps.retain(|app| app.system || app.package != package);
        let gone = self.apps.len() < before;
        if gone {
            self.running.retain(|name| name != package);
        }
        gone
    }

    /// Takes a system app out of the owner's sight, until a wipe; whether it was there.
    pub fn hide(&mut self, package: &str) -> bool {
        let before = self.apps.len();
        self.apps.retain(|app| app.package != package);
        self.running.retain(|name| name != package);
        self.apps.len() < before
    }

    /// The app that a file holds.
    pub fn file(&self, path: &str) -> Option<&Arc<App>> {
        let found = self.files.iter().find(|(name, _)| name == path)?;
        Some(&found.1)
    }

    /// Puts a file on the phone.
    pub fn set_file(&mut self, path: &str, app: Arc<App>) {
        self.remove_file(path);
        self.files.reserve_exact(1);
        self.files.push((path.into(), app));
    }

    /// Takes a file off the phone; whether it was there.
    pub fn remove_file(&mut self, path: &str) -> bool {
        let before = self.files.len();
        self.files.retain(|(name, _)| name != path);
        self.files.len() < before
    }

    /// Gives the phone a language, in effect at once.
    pub fn set_language(&mut self, language: &str) {
        self.pending.remove(LOCALE);
        self.language = language.into();
    }

    /// Starts an app; whether it is there.
    pub fn start(&mut self, package: &str) -> bool {
        let there = self.app(package).is_some();
        if there && !self.running.iter().any(|name| name == package) {
            self.running.push(package.into());
        }
        there
    }

    /// Stops an app.
    pub fn stop(&mut self, package: &str) {
        self.running.retain(|name| name != package);
    }

    /// An Android property, or one of the vendor's lists under `modem/`, `oaid/`, `setting/`.
    pub fn property(&self, name: &str) -> Option<SmolStr> {
        match name {
            "persist.sys.timezone" | "setting/timezone" => return Some(self.timezone.clone()),
            LOCALE => return Some(self.pending.get(LOCALE).unwrap_or(&self.language).clone()),
            "setting/language" => return Some(self.language.clone()),
            _ => {}
        }
        self.live
            .get(name)
            .or_else(|| self.kept.get(name))
            .cloned()
            .or_else(|| self.made(name))
            .or_else(|| self.image.properties.get(name).cloned())
    }

    /// Gives a property a value.
    pub fn set_property(&mut self, name: &str, value: &str, stay: Stay) {
        match (stay, name) {
            (Stay::AfterRestart, _) => self.pending.set(name, value),
            (_, "persist.sys.timezone" | "setting/timezone") => self.timezone = value.into(),
            (_, LOCALE | "setting/language") => self.set_language(value),
            (Stay::Live, _) => self.live.set(name, value),
            (Stay::Kept, _) => {
                self.live.remove(name);
                self.kept.set(name, value);
            }
        }
    }

    /// An Android setting, `global/name`.
    pub fn setting(&self, name: &str) -> Option<SmolStr> {
        let set = self.settings.get(name).cloned();
        set.or_else(|| self.default_setting(name))
    }

    /// All Android settings, by name.
    pub fn all_settings(&self) -> BTreeMap<SmolStr, SmolStr> {
        let defaults = DEFAULT_SETTINGS
            .iter()
            .filter_map(|name| Some(((*name).into(), self.default_setting(name)?)));
        let set = self.settings.iter();
        defaults
            .chain(set.map(|(name, value)| (name.into(), value.into())))
            .collect()
    }

    fn default_setting(&self, name: &str) -> Option<SmolStr> {
        Some(match name {
            "secure/android_id" => format_smolstr!("{:016x}", hash("android", 0, self.identity)),
            "global/auto_time_zone" => "1".into(),
            "global/adb_enabled" => if self.adb { "1" } else { "0" }.into(),
            "system/screen_brightness" => "102".into(),
            "system/screen_off_timeout" => "60000".into(),
            _ => return None,
        })
    }

    /// What a boot does: live properties go, waiting ones come, apps stop.
    pub fn reboot(&mut self) {
        self.restart_framework();
        self.live = Values::default();
        let pending = std::mem::take(&mut self.pending);
        for (name, value) in pending.iter() {
            self.set_property(name, value, Stay::Kept);
        }
        self.boots += 1;
    }

    /// What a restart of the framework does, which a boot does too: apps stop, a test provider's position is gone, a language that was set as a property is
    /// taken up.
    pub fn restart_framework(&mut self) {
        self.running = Vec::new();
        if self.live.remove(TEST_PROVIDER) {
            self.location = None;
        }
        if let Some(language) = self.pending.get(LOCALE).cloned() {
            self.set_language(&language);
        }
    }

    /// Erases everything an owner put on the phone; Android properties stay on request (a reset keeps them, a wiping upgrade does not).
    pub fn wipe(&mut self, keep_properties: bool) {
        self.apps = self.image.apps.clone();
        self.running = Vec::new();
        self.live = Values::default();
        if keep_properties {
            self.kept.retain(|name| !name.contains('/'));
        } else {
            self.kept = Values::default();
            self.pending = Values::default();
        }
        self.settings = Values::default();
        self.files = Vec::new();
        self.proxy = None;
        self.location = None;
        self.bandwidth = None;
        self.adb = false;
        self.timezone = DEFAULT_TIMEZONE.into();
        self.language = DEFAULT_LANGUAGE.into();
    }

    /// Puts another image on the phone and boots it.
    pub fn upgrade(&mut self, image: &Arc<Image>, wipe: bool) {
        let mut apps = image.apps.clone();
        apps.extend(self.apps.iter().filter(|app| !app.system).cloned());
        self.image = Arc::clone(image);
        self.apps = apps;
        if wipe {
            self.wipe(false);
        }
        self.reboot();
    }

    /// Draws a new identity for a SIM of this country; what was set of the old one is gone.
    pub fn new_identity(&mut self, country: &str) {
        self.identity = hash("identity", u64::from(self.boots), self.identity);
        self.country = country.into();
        let sim = |name: &str| !MODEM.contains(&name.strip_prefix("modem/").unwrap_or_default());
        self.kept.retain(sim);
        self.live.retain(sim);
        self.pending.retain(sim);
    }

    /// What follows from the identity, the country and the boots.
    fn made(&self, name: &str) -> Option<SmolStr> {
        let operator = Operator::of(&self.country);
        Some(match name {
            "modem/IMEI" => luhn(&format!("8680340{}", digits(self.identity, 1, 7))),
            "modem/ICCID" => luhn(&format!("8986{}", digits(self.identity, 2, 15))),
            "modem/IMSI" => format_smolstr!(
                "{}{}{}",
                operator.mcc,
                operator.mnc,
                digits(
                    self.identity,
                    3,
                    15 - operator.mcc.len() - operator.mnc.len()
                )
            ),
            "modem/PhoneNum" => format_smolstr!("{}{}", operator.dial, digits(self.identity, 4, 8)),
            "modem/MCCMNC" => format_smolstr!("{},{}", operator.mcc, operator.mnc),
            "modem/OpName" => operator.name.into(),
            "oaid/UDID" | "oaid/OAID" | "oaid/VAID" | "oaid/AAID" => {
                format_smolstr!("{:016x}", hash(name, 0, self.identity))
            }
            "setting/bt/mac" => format_smolstr!("02:00:00:{:02x}:00:01", self.identity & 0xff),
            "setting/systemvolume" => "7".into(),
            "ro.serialno" | "ro.boot.serialno" => {
                format_smolstr!("{:012X}", hash("serial", 0, self.identity) >> 16)
            }
            "ro.sys.cloud.boot_id" => self.boot_id(),
            "ro.sys.cloud.android_id" => {
                format_smolstr!("{:016x}", hash("android", 0, self.identity))
            }
            "sys.boot_completed" if self.status == RUNNING => "1".into(),
            "gsm.sim.state" => "LOADED".into(),
            "gsm.sim.operator.numeric" => {
                SmolStr::from(self.property("modem/MCCMNC")?.replace(',', ""))
            }
            "gsm.sim.operator.alpha" => self.property("modem/OpName")?,
            "gsm.sim.operator.iso-country" => SmolStr::from(self.country.to_lowercase()),
            _ => return None,
        })
    }

    /// Changes with every boot.
    pub fn boot_id(&self) -> SmolStr {
        let number = hash(&self.id, u64::from(self.boots), 0xb007);
        format_smolstr!(
            "{:08x}-{:04x}-4{:03x}-9000-{:012x}",
            number >> 32,
            number & 0xffff,
            number >> 52,
            number >> 16
        )
    }

    /// The state as it was at `at`, as far as it is remembered.
    pub(super) fn as_of(&self, at: Timestamp) -> &Self {
        self.past
            .iter()
            .find(|(until, _)| *until > at)
            .map_or(self, |(_, phone)| phone.as_ref())
    }
}

/// Names of the modem list that every phone has.
pub(super) const MODEM: [&str; 6] = ["IMEI", "ICCID", "IMSI", "MCCMNC", "OpName", "PhoneNum"];
/// Names of the setting list that every phone has.
pub(super) const SETTING: [&str; 4] = ["bt/mac", "language", "systemvolume", "timezone"];
/// Names of the OAID list that every phone has.
pub(super) const OAID: [&str; 4] = ["AAID", "OAID", "UDID", "VAID"];

/// A mobile network operator.
pub(super) struct Operator {
    country: &'static str,
    mcc: &'static str,
    mnc: &'static str,
    dial: &'static str,
    name: &'static str,
}

impl Operator {
    const ALL: [Self; 12] = [
        Self::new(["CN", "460", "07", "86", "CHINA MOBILE"]),
        Self::new(["SG", "525", "01", "65", "Singtel"]),
        Self::new(["US", "310", "260", "1", "T-Mobile"]),
        Self::new(["DE", "262", "01", "49", "Telekom.de"]),
        Self::new(["JP", "440", "10", "81", "NTT DOCOMO"]),
        Self::new(["GB", "234", "30", "44", "EE"]),
        Self::new(["FR", "208", "01", "33", "Orange F"]),
        Self::new(["BR", "724", "05", "55", "Claro BR"]),
        Self::new(["IN", "404", "45", "91", "Airtel"]),
        Self::new(["HK", "454", "00", "852", "CSL"]),
        Self::new(["TH", "520", "03", "66", "AIS"]),
        Self::new(["VN", "452", "04", "84", "Viettel"]),
    ];

    const fn new([country, mcc, mnc, dial, name]: [&'static str; 5]) -> Self {
        Self {
            country,
            mcc,
            mnc,
            dial,
            name,
        }
    }

    fn of(country: &str) -> &'static Self {
        static ALL: [Operator; 12] = Operator::ALL;
        ALL.iter()
            .find(|operator| operator.country == country)
            .unwrap_or(&ALL[0])
    }

    /// Whether SIMs of this country can be drawn.
    pub(super) fn known(country: &str) -> bool {
        Self::ALL.iter().any(|operator| operator.country == country)
    }
}

/// Decimal digits that follow from a number.
fn digits(from: u64, salt: u64, count: usize) -> String {
    let mut rest = hash("digits", salt, from);
    let digits = (0..count).map(|_| {
        let digit = rest % 10;
        rest /= 10;
        char::from(b'0' + u8::try_from(digit).unwrap_or(0))
    });
    digits.collect()
}

/// The number with its check digit.
fn luhn(number: &str) -> SmolStr {
    let sum: u32 = number
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0');
            match (place % 2 == 0, digit * 2) {
                (true, double) if double > 9 => double - 9,
                (true, double) => double,
                (false, _) => digit,
            }
        })
        .sum();
    format_smolstr!("{number}{}", (10 - sum % 10) % 10)
}

#[cfg(test)]
mod tests;
