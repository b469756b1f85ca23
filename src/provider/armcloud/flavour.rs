//! The deployments of one software: ArmCloud, and its sisters VMOS Cloud and VSPhone. What differs between them, as data.
//!
//! Invariants: every call of a deployment's capability table has its route here, and every read its path; what a deployment lacks is `None`, never a path that
//! answers 404. Not here: what calls can do and cost (`table`, `sisters`), bodies (`order`), signatures (`sign`).

use super::sisters;
use super::table::{self, call};
use crate::model::capability::{CallName, Capabilities};
use crate::model::fleet::ProviderKind;

/// What a call that changes phones does, whatever a deployment calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    TimeZone,
    Language,
    Location,
    Sim,
    SimByCountry,
    Proxy,
    Speed,
    Adb,
    Properties,
    AndroidProperties,
    Image,
    Install,
    InstallUrl,
    Uninstall,
    Start,
    Stop,
    Command,
}

impl Action {
    /// Type number of its tasks in `task/list`; `None`: the manual gives none, so a lost submit cannot be looked up.
    pub(super) fn task_type(self) -> Option<i64> {
        match self {
            Self::Command => Some(1002),
            Self::Uninstall => Some(1004),
            Self::Stop => Some(1005),
            Self::Start => Some(1007),
            Self::InstallUrl => Some(1009),
            Self::Properties => Some(1010),
            Self::Image => Some(1012),
            // `installApp` is 1003 in one manual and 1013 in the other: an empty list of either would prove nothing.
            Self::Install
            | Self::TimeZone
            | Self::Language
            | Self::Location
            | Self::Sim
            | Self::SimByCountry
            | Self::Proxy
            | Self::Speed
            | Self::Adb
            | Self::AndroidProperties => None,
        }
    }

    /// Clients of the sisters' older signature leave the body of file and command calls out of it.
    fn has_unsigned_body(self) -> bool {
        matches!(self, Self::Command | Self::InstallUrl)
    }
}

/// Where a call goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    /// Its name in the capability table.
    pub(super) name: CallName,
    /// What it does.
    pub(super) action: Action,
    /// Its path.
    pub(super) path: &'static str,
}

/// How images are listed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Images {
    /// Page by page, for the account.
    Paged(&'static str),
    /// Those that one phone may get.
    OfPhone(&'static str),
}

/// One deployment.
#[derive(Debug)]
pub(super) struct Flavour {
    /// What it can do.
    pub(super) capabilities: &'static Capabilities,
    /// What `x-host` says unless the account does; `None`: the endpoint's host.
    pub(super) signed_host: Option<&'static str>,
    /// Pages of phones.
    pub(super) infos: &'static str,
    /// State and use of named phones.
    pub(super) details: Option<&'static str>,
    /// Property lists.
    pub(super) properties: &'static str,
    /// Installed apps.
    pub(super) installed: &'static str,
    /// Pages of the catalogue of apps.
    pub(super) app_list: Option<&'static str>,
    /// Images.
    pub(super) images: Images,
    /// Tasks by id.
    pub(super) task_detail: &'static str,
    /// Tasks by type.
    pub(super) task_list: Option<&'static str>,
    /// Codes of phones that were changed lately.
    pub(super) renames: Option<&'static str>,
    routes: &'static [Route],
}

impl Flavour {
    /// The deployment of this kind; `None` for other vendors.
    pub(super) fn of(kind: ProviderKind) -> Option<&'static Self> {
        match kind {
            ProviderKind::ArmCloud => Some(&ARM_CLOUD),
            ProviderKind::VmosCloud => Some(&VMOS_CLOUD),
            ProviderKind::VsPhone => Some(&VS_PHONE),
            ProviderKind::Alibaba | ProviderKind::KooPhone | ProviderKind::Zenlayer => None,
        }
    }

    /// The route of a call; `None` for a name that is not in the table.
    pub(super) fn route(&self, name: &str) -> Option<&'static Route> {
        self.routes.iter().find(|route| route.name == name)
    }

    /// The route of the command call, which every deployment has.
    pub(super) fn command(&self) -> Option<&'static Route> {
        self.route(call::COMMAND)
    }

    /// Whether the older signature leaves out the body of a call to this path.
    pub(super) fn has_unsigned_body(&self, path: &str) -> bool {
        self.routes
            .iter()
            .any(|route| route.path == path && route.action.has_unsigned_body())
    }
}

const fn to(name: CallName, action: Action, path: &'static str) -> Route {
    Route { name, action, path }
}

static ARM_CLOUD: Flavour = Flavour {
    capabilities: &table::CAPABILITIES,
    signed_host: None,
    infos: "/openapi/open/pad/infos",
    details: Some("/openapi/open/pad/padDetails"),
    properties: "/openapi/open/pad/batchPadProperties",
    installed: "/openapi/open/pad/listInstalledApp",
    app_list: Some("/file-center/open/app/list"),
    images: Images::Paged("/openapi/open/image/queryImageList"),
    task_detail: "/task-center/open/task/padTaskDetail",
    task_list: Some("/task-center/open/task/list"),
    renames: None,
    routes: &[
        to(
            call::TIME_ZONE,
            Action::TimeZone,
            "/openapi/open/pad/updateTimeZone",
        ),
        to(
            call::LANGUAGE,
            Action::Language,
            "/openapi/open/pad/updateLanguage",
        ),
        to(
            call::LOCATION,
            Action::Location,
            "/openapi/open/pad/gpsInjectInfo",
        ),
        to(call::SIM, Action::Sim, "/openapi/open/pad/updateSIM"),
        to(
            call::SIM_BY_COUNTRY,
            Action::SimByCountry,
            "/openapi/open/pad/replacePadAndroidPropByCountry",
        ),
        to(
            call::PROXY,
            Action::Proxy,
            "/openapi/open/network/proxy/set",
        ),
        to(call::SPEED, Action::Speed, "/openapi/open/pad/setSpeed"),
        to(call::ADB, Action::Adb, "/openapi/open/pad/openOnlineAdb"),
        to(
            call::PROPERTIES,
            Action::Properties,
            "/openapi/open/pad/updatePadProperties",
        ),
        to(
            call::ANDROID_PROPERTIES,
            Action::AndroidProperties,
            "/openapi/open/pad/updatePadAndroidProp",
        ),
        to(call::IMAGE, Action::Image, "/openapi/open/pad/upgradeImage"),
        to(
            call::INSTALL,
            Action::Install,
            "/openapi/open/pad/installApp",
        ),
        to(
            call::INSTALL_URL,
            Action::InstallUrl,
            "/openapi/open/pad/v3/uploadFile",
        ),
        to(
            call::UNINSTALL,
            Action::Uninstall,
            "/openapi/open/pad/uninstallApp",
        ),
        to(call::START, Action::Start, "/openapi/open/pad/startApp"),
        to(call::STOP, Action::Stop, "/openapi/open/pad/stopApp"),
        to(call::COMMAND, Action::Command, "/openapi/open/pad/asyncCmd"),
    ],
};

/// A sister has all its calls below one prefix, under their own names. `padDetails`, `app/list` and `task/list` are not there: `infos` tells the state, apps
/// come by url, and a lost submit cannot be looked up.
macro_rules! sister {
    ($name:ident, $prefix:literal, $capabilities:expr, $signed_host:expr) => {
        static $name: Flavour = Flavour {
            capabilities: $capabilities,
            signed_host: $signed_host,
            infos: concat!($prefix, "infos"),
            details: None,
            properties: concat!($prefix, "batchPadProperties"),
            installed: concat!($prefix, "listInstalledApp"),
            app_list: None,
            images: Images::OfPhone(concat!($prefix, "imageVersionList")),
            task_detail: concat!($prefix, "padTaskDetail"),
            task_list: None,
            renames: Some(concat!($prefix, "queryPadIdChangeRecords")),
            routes: &[
                to(
                    call::TIME_ZONE,
                    Action::TimeZone,
                    concat!($prefix, "updateTimeZone"),
                ),
                to(
                    call::LANGUAGE,
                    Action::Language,
                    concat!($prefix, "updateLanguage"),
                ),
                to(
                    call::LOCATION,
                    Action::Location,
                    concat!($prefix, "gpsInjectInfo"),
                ),
                to(
                    call::SISTER_SIM_BY_COUNTRY,
                    Action::SimByCountry,
                    concat!($prefix, "updateSIM"),
                ),
                to(
                    call::SISTER_PROXY,
                    Action::Proxy,
                    concat!($prefix, "setProxy"),
                ),
                to(call::ADB, Action::Adb, concat!($prefix, "openOnlineAdb")),
                to(
                    call::PROPERTIES,
                    Action::Properties,
                    concat!($prefix, "updatePadProperties"),
                ),
                to(
                    call::ANDROID_PROPERTIES,
                    Action::AndroidProperties,
                    concat!($prefix, "updatePadAndroidProp"),
                ),
                to(call::IMAGE, Action::Image, concat!($prefix, "upgradeImage")),
                to(
                    call::SISTER_INSTALL_URL,
                    Action::InstallUrl,
                    concat!($prefix, "uploadFileV3"),
                ),
                to(
                    call::UNINSTALL,
                    Action::Uninstall,
                    concat!($prefix, "uninstallApp"),
                ),
                to(call::START, Action::Start, concat!($prefix, "startApp")),
                to(call::STOP, Action::Stop, concat!($prefix, "stopApp")),
                to(call::COMMAND, Action::Command, concat!($prefix, "asyncCmd")),
            ],
        };
    };
}

sister!(
    VMOS_CLOUD,
    "/vcpcloud/api/padApi/",
    &sisters::VMOS_CLOUD,
    None
);
// VSPhone's page gives this one value for the header, whatever host is called.
sister!(
    VS_PHONE,
    "/vsphone/api/padApi/",
    &sisters::VS_PHONE,
    Some("openapi.armcloud.net")
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::capability::{Capability, ReadMethod, Write};
    use crate::model::observed::ReadKind;

    const ALL: [ProviderKind; 3] = [
        ProviderKind::ArmCloud,
        ProviderKind::VmosCloud,
        ProviderKind::VsPhone,
    ];

    fn named(row: &Capability) -> Vec<CallName> {
        let mut named = Vec::from_iter(row.reset);
        match row.write {
            Write::No => {}
            Write::Call(name) => named.push(name),
            Write::App {
                catalogue,
                url,
                remove,
                ..
            } => named.extend([catalogue, url, remove].into_iter().flatten()),
            Write::Switch { on, off, .. } => named.extend([on, off]),
        }
        named
    }

    #[test]
    fn every_call_that_a_row_names_exists_and_has_a_path() {
        for kind in ALL {
            let flavour = Flavour::of(kind).unwrap();
            let table = flavour.capabilities;
            assert_eq!(table.provider, kind);
            let all: Vec<CallName> = table.attributes.iter().flat_map(named).collect();
            for name in &all {
                assert!(table.call(name).is_some(), "{kind}: {name}");
                assert!(flavour.route(name).is_some(), "{kind}: {name}");
            }
            assert_eq!(table.calls.len(), flavour.routes.len(), "{kind}");
            for call in table.calls {
                assert!(
                    all.contains(&call.name),
                    "{kind}: {} serves no row",
                    call.name
                );
                let action = flavour.route(call.name).unwrap().action;
                assert_eq!(
                    call.absolute,
                    action != Action::SimByCountry,
                    "{kind}: {}",
                    call.name
                );
            }
            assert!(flavour.command().is_some(), "{kind}");
        }
    }

    #[test]
    fn every_read_that_a_row_names_exists() {
        for kind in ALL {
            let flavour = Flavour::of(kind).unwrap();
            let table = flavour.capabilities;
            for row in table.attributes {
                if let ReadMethod::By(read) = row.read {
                    assert!(table.read(read).is_some(), "{kind}: {read:?}");
                }
            }
            let has = |read| table.read(read).is_some();
            assert_eq!(has(ReadKind::Usage), flavour.details.is_some(), "{kind}");
            assert_eq!(table.renames, flavour.renames.is_some(), "{kind}");
            assert_eq!(
                has(ReadKind::AppCatalogue),
                flavour.app_list.is_some(),
                "{kind}"
            );
        }
    }

    #[test]
    fn only_armcloud_writes_single_fields_of_a_sim_and_limits_bandwidth() {
        for kind in ALL {
            let table = Flavour::of(kind).unwrap().capabilities;
            let is_first = kind == ProviderKind::ArmCloud;
            let sim = table.of(&"sim".parse().unwrap()).unwrap();
            assert_eq!(sim.write != Write::No, is_first, "{kind}");
            assert_eq!(
                table.of(&"bandwidth".parse().unwrap()).is_some(),
                is_first,
                "{kind}"
            );
            let draws = table.of(&"sim-country".parse().unwrap()).unwrap();
            assert!(draws.costs.has(crate::model::capability::Cost::NewIdentity));
        }
    }
}
