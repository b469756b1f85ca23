//! The vendor's asynchronous work: what can be done to a phone, how long it takes, and what it does in the end.
//!
//! Invariants: work is absolute data shared by all phones of one call; nothing happens to a phone before the job's end but its status.
//! Not here: when jobs start and end (`course`), what the vendor calls the fields (`armcloud`).

use super::phone::{self, App, Bandwidth, Image, Location, Phone, Proxy, Stay};
use super::shell::{self, Ran, Script};
use crate::model::stamp::Timestamp;
use crate::time::delay::hash;
use smol_str::SmolStr;
use std::sync::Arc;

/// Duration of work that restarts its phone, in multiples of the world's job time.
const RESTART: u32 = 20;
/// Duration of work that installs or removes apps, likewise.
const APPS: u32 = 4;

/// What a job does to its phone.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Work {
    TimeZone(SmolStr),
    Language(SmolStr),
    Gps(Location),
    /// Properties by key and how long they stay; the flag tells a call that real devices ignore.
    Properties {
        values: Vec<(SmolStr, SmolStr, Stay)>,
        ignored_by_real_devices: bool,
    },
    /// SIM fields as properties.
    Sim(Vec<(SmolStr, SmolStr)>),
    SimByCountry {
        country: SmolStr,
        properties: Vec<(SmolStr, SmolStr)>,
    },
    AndroidProperties {
        values: Vec<(SmolStr, SmolStr)>,
        restart: bool,
    },
    Proxy(Option<Arc<Proxy>>),
    Bandwidth(Bandwidth),
    Adb(bool),
    Restart,
    Reset,
    Upgrade {
        image: Arc<Image>,
        wipe: bool,
    },
    Install(Arc<App>),
    /// A file from a url; installed, if it is an app.
    Push(Option<Arc<App>>),
    Uninstall(SmolStr),
    Start(SmolStr),
    Stop(SmolStr),
    Shell(Script),
    /// Something another client does.
    Other,
}

impl Work {
    /// The call that starts it, as the vendor writes it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::TimeZone(_) => "updateTimeZone",
            Self::Language(_) => "updateLanguage",
            Self::Gps(_) => "gpsInjectInfo",
            Self::Properties { .. } => "updatePadProperties",
            Self::Sim(_) => "updateSIM",
            Self::SimByCountry { .. } => "replacePadAndroidPropByCountry",
            Self::AndroidProperties { .. } => "updatePadAndroidProp",
            Self::Proxy(_) => "network/proxy/set",
            Self::Bandwidth(_) => "setSpeed",
            Self::Adb(_) => "openOnlineAdb",
            Self::Restart => "restart",
            Self::Reset => "reset",
            Self::Upgrade { .. } => "upgradeImage",
            Self::Install(_) => "installApp",
            Self::Push(_) => "v3/uploadFile",
            Self::Uninstall(_) => "uninstallApp",
            Self::Start(_) => "startApp",
            Self::Stop(_) => "stopApp",
            Self::Shell(_) => "asyncCmd",
            Self::Other => "other",
        }
    }

    /// Duration in multiples of the world's job time.
    pub(super) fn weight(&self) -> u32 {
        match self {
            Self::SimByCountry { .. } | Self::Restart | Self::Reset | Self::Upgrade { .. } => {
                RESTART
            }
            Self::AndroidProperties { restart, .. } => {
                if *restart {
                    RESTART
                } else {
                    1
                }
            }
            Self::Install(_) | Self::Push(_) | Self::Uninstall(_) => APPS,
            Self::TimeZone(_)
            | Self::Language(_)
            | Self::Gps(_)
            | Self::Properties { .. }
            | Self::Sim(_)
            | Self::Proxy(_)
            | Self::Bandwidth(_)
            | Self::Adb(_)
            | Self::Start(_)
            | Self::Stop(_)
            | Self::Other => 1,
            Self::Shell(script) if script.restarts() => RESTART,
            Self::Shell(script) if script.moves_apps() => APPS,
            Self::Shell(_) => 1,
        }
    }

    /// `padStatus` while it runs; `None`: the phone keeps running.
    pub(super) fn status(&self) -> Option<i16> {
        if matches!(self, Self::Upgrade { .. }) {
            Some(phone::UPGRADING)
        } else if matches!(self, Self::Reset) {
            Some(phone::RESETTING)
        } else {
            self.restarts().then_some(phone::RESTARTING)
        }
    }

    /// Whether the phone restarts.
    pub(super) fn restarts(&self) -> bool {
        self.weight() >= RESTART
    }

    /// Whether everything on the phone is erased.
    pub(super) fn wipes(&self) -> bool {
        matches!(self, Self::Reset | Self::Upgrade { wipe: true, .. })
    }

    /// Whether the phone draws a new identity.
    pub(super) fn draws_identity(&self) -> bool {
        matches!(self, Self::SimByCountry { .. })
    }

    /// Whether it can change the phone.
    pub(super) fn mutates(&self) -> bool {
        if let Self::Shell(script) = self {
            return script.mutates();
        }
        true
    }

    /// Tells costly work from other costly work; 0 for work that costs nothing.
    pub(super) fn costly(&self) -> u64 {
        match self.restarts() {
            true => hash(&format!("{self:?}"), 0, 1) | 1,
            false => 0,
        }
    }

    /// Does it; a command tells what it printed.
    ///
    /// # Errors
    /// What the vendor writes to a job that fails.
    pub(super) fn carry_out(&self, phone: &mut Phone) -> Result<Option<Ran>, &'static str> {
        match self {
            Self::TimeZone(zone) => phone.timezone = zone.clone(),
            Self::Language(language) => phone.set_language(language),
            Self::Gps(location) => phone.location = Some(Box::new(location.clone())),
            Self::Properties {
                values,
                ignored_by_real_devices,
            } => {
                if !(*ignored_by_real_devices && phone.real_device) {
                    for (key, value, stay) in values {
                        phone.set_property(key, value, *stay);
                    }
                }
            }
            Self::Sim(fields) => set_all(phone, fields, Stay::Kept),
            Self::SimByCountry {
                country,
                properties,
            } => {
                phone.new_identity(country);
                set_all(phone, properties, Stay::Kept);
                phone.reboot();
            }
            Self::AndroidProperties { values, restart } => {
                set_all(phone, values, Stay::AfterRestart);
                if *restart {
                    phone.reboot();
                }
            }
            Self::Proxy(proxy) => phone.proxy.clone_from(proxy),
            Self::Bandwidth(bandwidth) => phone.bandwidth = Some(Box::new(*bandwidth)),
            Self::Adb(on) => phone.adb = *on,
            Self::Restart => phone.reboot(),
            Self::Reset => {
                phone.wipe(true);
                phone.reboot();
            }
            Self::Upgrade { image, wipe } => phone.upgrade(image, *wipe),
            Self::Install(app) | Self::Push(Some(app)) => return install(phone, app),
            Self::Uninstall(package) if phone.uninstall(package) => {}
            Self::Uninstall(package) if phone.app(package).is_some() => {
                return Err("Failure [DELETE_FAILED_INTERNAL_ERROR]");
            }
            Self::Start(package) if !phone.start(package) => return Err("app is not installed"),
            Self::Stop(package) => phone.stop(package),
            Self::Shell(script) => return Ok(Some(shell::run(phone, script))),
            Self::Uninstall(_) | Self::Start(_) | Self::Push(None) | Self::Other => {}
        }
        Ok(None)
    }
}

fn set_all(phone: &mut Phone, values: &[(SmolStr, SmolStr)], stay: Stay) {
    for (key, value) in values {
        phone.set_property(key, value, stay);
    }
}

fn install(phone: &mut Phone, app: &Arc<App>) -> Result<Option<Ran>, &'static str> {
    match phone.app(&app.package) {
        Some(old) if old.version_code > app.version_code => {
            Err("Failure [INSTALL_FAILED_VERSION_DOWNGRADE]")
        }
        Some(_) | None => {
            phone.install(app);
            Ok(None)
        }
    }
}

/// What was decided about a job when it was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It does what it says.
    Honest,
    /// It fails.
    Fails,
    /// It claims success and does nothing.
    NoEffect,
    /// It never ends; with or without effect.
    Hangs { effect: bool },
    /// It does its work and claims that it failed.
    FailsDone,
    /// It does its work, and a moment later once more.
    Twice,
    /// It does its work, which is undone a moment later.
    Reverts,
    /// It does its work, and is shown as running for a while after that.
    Lags,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Waits for its phone.
    Parked,
    /// Runs.
    Running,
    /// Its time is over, but the phone cannot be reached.
    Cut,
    /// Runs for ever.
    Hung,
    Succeeded,
    Failed,
    TimedOut,
}

/// One job on one phone.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) phone: u32,
    pub(super) work: Arc<Work>,
    pub(super) created: Timestamp,
    pub(super) ended: Option<Timestamp>,
    pub(super) fate: Fate,
    pub(super) state: State,
    /// All that a command printed, or why it failed.
    pub(super) text: Option<Box<str>>,
    /// A command that came to its end.
    pub(super) ran: Option<Box<Ran>>,
}
