//! What Alibaba Cloud Phone can do, as data.
//!
//! Invariants: a row says where its knowledge comes from or what is unproven; names of calls are the vendor's. Not here: rows about the phone's own shell
//! (`provider/shell/rows`), requests (`order`). Source: the vendor's API 2023-09-30 (eds-aic) and the comments of its official SDK.

use crate::model::attribute::Attribute;
use crate::model::capability::{
    Call, CallName, Capabilities, Capability, Cost, Costs, CredentialForm, DeadlineClass, Limits,
    Pattern, QuietRead, ReadCall, ReadMethod, Refuses, Stage, Write,
};
use crate::model::fleet::{AppSource, ProviderKind};
use crate::model::observed::ReadKind;
use crate::model::value::{Proxy, ProxyProtocol, Value, Wish};
use crate::provider::shell::{self, Bounds, Charset, Shares, rows};
use std::time::Duration;

/// Names of the calls that change phones, as the vendor writes them.
pub(super) mod call {
    use super::CallName;

    pub(crate) const COMMAND: CallName = "RunCommand";
    pub(crate) const INSTALL: CallName = "InstallApp";
    /// Into the catalogue where it is not there yet, and from there with `InstallApp`.
    pub(crate) const CREATE: CallName = "CreateApp";
    pub(crate) const SEND_FILE: CallName = "SendFile";
    pub(crate) const UNINSTALL: CallName = "UninstallApp";
    pub(crate) const OPERATE: CallName = "OperateApp";
    pub(crate) const UPDATE_IMAGE: CallName = "UpdateInstanceImage";
    pub(crate) const MODIFY: CallName = "ModifyAndroidInstance";
    pub(crate) const START_ADB: CallName = "StartInstanceAdb";
    pub(crate) const STOP_ADB: CallName = "StopInstanceAdb";
}

/// What `RunCommand` takes. No manual states a length; a script goes in Base64 in the URL, beside the ids of 50 phones, and URLs of 8 KB pass everywhere.
/// 48 bytes are left for the mark of an order.
pub(super) const COMMANDS: Bounds = Bounds {
    bytes: 4048,
    charset: Charset::Any,
    joins: true,
};
/// How many attributes share a script, at most.
const SHARES: Shares = Shares {
    writes: 8,
    reads: 24,
};
/// How long a command may run, in seconds (the vendor's default).
pub(super) const COMMAND_SECONDS: u32 = 60;

/// Rows of a page, the most that any list gives. Some give 10 when they are not asked.
pub(super) const ROWS: u32 = 100;
/// Phones of a command, the most that the manual states.
const COMMAND_PHONES: u32 = 50;
/// Phones of calls for which the manual states no limit: the smallest that it states elsewhere.
const UNSTATED: u32 = 50;

const NATIVE: Capability = Capability {
    pattern: Pattern::Image,
    read: ReadMethod::By(ReadKind::Listing),
    write: Write::No,
    reset: None,
    costs: Costs::NONE,
    stage: Stage::Live,
    effective_after_restart: false,
    lost_by_restart: false,
    lost_by_wipe: false,
    note: "",
};

const IMAGE: Capability = Capability {
    pattern: Pattern::Image,
    write: Write::Call(call::UPDATE_IMAGE),
    costs: Costs::of(&[Cost::Restart]),
    stage: Stage::Image,
    effective_after_restart: true,
    note: "matrix phones of the China site only; wipeData resets the phone; an image of another major version of Android erases all data whatever wipeData says, so allow wipe where versions are crossed",
    ..NATIVE
};

const BANDWIDTH: Capability = Capability {
    pattern: Pattern::Bandwidth,
    write: Write::Call(call::MODIFY),
    note: "Mbit/s, both ways at once; the listing leaves limits out where there are none, which counts as 0; whether a written 0 lifts a limit is not stated",
    ..NATIVE
};

const ADB: Capability = Capability {
    pattern: Pattern::Adb,
    read: ReadMethod::By(ReadKind::Properties),
    write: Write::Switch {
        on: call::START_ADB,
        off: call::STOP_ADB,
        known: None,
    },
    reset: Some(call::STOP_ADB),
    lost_by_wipe: true,
    note: "ADB over the network, for phones with a key pair; on while the phone has an ADB address (ListInstanceAdbAttributes); there is no task to follow",
    ..NATIVE
};

const APP: Capability = Capability {
    write: Write::App {
        catalogue: Some(call::INSTALL),
        url: Some(call::SEND_FILE),
        described: Some(call::CREATE),
        remove: Some(call::COMMAND),
        remove_known: Some(call::UNINSTALL),
    },
    note: "in: InstallApp by catalogue id; by url through CreateApp and InstallApp where the manifest says md5, sizeMb, version name and versionCode, else SendFile with AutoInstall; out: UninstallApp where an App manifest's catalogue id is of just the version that is there, else pm uninstall; read by shell with version codes",
    ..rows::app(None, None, None)
};

const RUNNING: Capability = Capability {
    write: Write::Switch {
        on: call::COMMAND,
        off: call::COMMAND,
        known: Some(call::OPERATE),
    },
    note: "OperateApp where an App manifest's catalogue id is of just the version that is there, else by shell: started with monkey, stopped with am force-stop; read with pidof",
    ..rows::running(call::COMMAND)
};

const PROXY: Capability = Capability {
    note: "by shell: settings put global http_proxy, so protocol http without user name, password or bypass; the vendor's own SOCKS5 proxy belongs to a policy group, not to a phone; apps may ignore it",
    ..rows::http_proxy(call::COMMAND)
};

const ATTRIBUTES: &[Capability] = &[
    IMAGE,
    rows::read_only(),
    rows::persistent(call::COMMAND),
    rows::volatile(call::COMMAND),
    rows::settings(call::COMMAND),
    rows::timezone(call::COMMAND),
    rows::language(call::COMMAND),
    rows::location(call::COMMAND),
    PROXY,
    BANDWIDTH,
    ADB,
    APP,
    RUNNING,
];

const fn a_call(name: CallName, max_phones: u32, seconds: u64, deadline: DeadlineClass) -> Call {
    Call {
        name,
        max_phones,
        max_attributes: 1,
        expected: Duration::from_secs(seconds),
        deadline,
        absolute: true,
        requests: 1,
    }
}

const CALLS: &[Call] = &[
    Call {
        max_attributes: SHARES.writes,
        ..a_call(call::COMMAND, COMMAND_PHONES, 3, DeadlineClass::Settings)
    },
    a_call(call::INSTALL, UNSTATED, 15, DeadlineClass::Apps),
    Call {
        // Looking the file up in the catalogue, and then one of the other two.
        requests: 2,
        ..a_call(call::CREATE, UNSTATED, 15, DeadlineClass::Apps)
    },
    a_call(call::SEND_FILE, UNSTATED, 15, DeadlineClass::Apps),
    a_call(call::UNINSTALL, UNSTATED, 5, DeadlineClass::Apps),
    a_call(call::OPERATE, UNSTATED, 5, DeadlineClass::Apps),
    a_call(call::UPDATE_IMAGE, UNSTATED, 90, DeadlineClass::Image),
    a_call(call::MODIFY, 100, 3, DeadlineClass::Settings),
    a_call(call::START_ADB, 100, 3, DeadlineClass::Settings),
    a_call(call::STOP_ADB, 100, 3, DeadlineClass::Settings),
];

const fn a_read(kind: ReadKind, max_phones: u32) -> ReadCall {
    ReadCall {
        kind,
        max_phones,
        max_attributes: u32::MAX,
        job: false,
        requests: 1,
    }
}

const READS: &[ReadCall] = &[
    a_read(ReadKind::Listing, ROWS),
    // `ListInstanceAdbAttributes`: the one thing a list tells that the listing does not.
    a_read(ReadKind::Properties, ROWS),
    ReadCall {
        max_attributes: SHARES.reads,
        job: true,
        ..a_read(ReadKind::Shell, COMMAND_PHONES)
    },
    a_read(ReadKind::AppCatalogue, ROWS),
    a_read(ReadKind::ImageCatalogue, ROWS),
];

/// Why a value cannot be carried out here.
fn refuses(attribute: &Attribute, wish: &Wish, source: Option<&AppSource>) -> Option<String> {
    if let Wish::Set(Value::Proxy(proxy)) = wish
        && let Proxy::Via(endpoint) = &**proxy
        && endpoint.protocol == ProxyProtocol::Socks5
    {
        return Some(
            "alibaba has SOCKS5 proxies for policy groups, which many phones share, and none for single phones; what works is protocol http without user name, password and bypass, or a policy group made in the vendor's console, with `proxy` under `ignore` here (docs/providers.md says why)"
                .to_owned(),
        );
    }
    match CAPABILITIES.route(attribute, wish, source) {
        Some(call::COMMAND) => shell::refuses_sharing(attribute, wish, source, &COMMANDS, SHARES),
        Some(_) if matches!(attribute, Attribute::App(_) | Attribute::Running(_)) => {
            shell::refuses_reading(attribute, &COMMANDS, SHARES)
        }
        Some(_) | None => None,
    }
}

/// What Alibaba Cloud Phone can do.
pub(super) static CAPABILITIES: Capabilities = Capabilities {
    provider: ProviderKind::Alibaba,
    attributes: ATTRIBUTES,
    calls: CALLS,
    reads: READS,
    // It runs getprop on the phone, one phone a call: for previews that run no command.
    quiet: Some(QuietRead {
        read: a_read(ReadKind::Shell, 1),
        tells: &[Pattern::Timezone, Pattern::Language, Pattern::Property("")],
    }),
    limits: Limits {
        // The vendor grants a rate per operation and account and publishes none for this product; this is modest.
        requests_per_second: 10,
        requests_per_minute: 500,
        open_jobs: 5_000,
        poll_batch: ROWS,
        poll_one_submit: false,
        poll_interval: Duration::from_secs(5),
        in_flight: 16,
    },
    default_endpoint: "https://eds-aic.cn-shanghai.aliyuncs.com",
    credentials: &[CredentialForm {
        required: &["accessKey", "secretKey"],
        optional: &["securityToken"],
    }],
    options: &[],
    refuses: Refuses(refuses),
    blind: false,
    names_orders: true,
    leaves_late: false,
    tidies: false,
    renames: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::value::{AppWish, ProxyEndpoint, ProxyMode, VersionWish};

    #[test]
    fn every_attribute_has_its_way_or_none() {
        for (text, read, write) in [
            ("image", "Listing", call::UPDATE_IMAGE),
            ("bandwidth", "Listing", call::MODIFY),
            ("adb", "Properties", call::START_ADB),
            ("timezone", "Shell", call::COMMAND),
            ("language", "Shell", call::COMMAND),
            ("proxy", "Shell", call::COMMAND),
            ("property/persist.sys.x", "Shell", call::COMMAND),
            ("property/debug.x", "Shell", call::COMMAND),
            ("property/ro.product.model", "Shell", ""),
            ("setting/global/x", "Shell", call::COMMAND),
            ("running/com.example.maps", "Shell", call::COMMAND),
        ] {
            let attribute: Attribute = text.parse().unwrap();
            let row = CAPABILITIES.of(&attribute).unwrap();
            assert!(!row.note.is_empty(), "{text}");
            assert_eq!(format!("{:?}", row.read), format!("By({read})"), "{text}");
            let written = match row.write {
                Write::No => "",
                Write::Call(name) => name,
                Write::Switch { on, .. } => on,
                Write::App { .. } => panic!("{text}"),
            };
            assert_eq!(written, write, "{text}");
            if !written.is_empty() {
                assert!(CAPABILITIES.call(written).is_some(), "{text}");
            }
        }
        for text in ["sim", "sim-country"] {
            assert_eq!(CAPABILITIES.of(&text.parse().unwrap()), None, "{text}");
        }
    }

    #[test]
    fn apps_come_by_catalogue_or_url_and_go_by_shell() {
        let app: Attribute = "app/com.example.maps".parse().unwrap();
        let present = Wish::Set(Value::App(AppWish::Present {
            app: None,
            version: VersionWish::Any,
        }));
        let catalogue = AppSource::Catalogue {
            account: "hz".into(),
            app_id: "27".into(),
        };
        let url = AppSource::Url {
            url: "https://files.example/x.apk".into(),
            md5: None,
            size_mb: None,
            version: None,
            version_code: None,
        };
        let route = |wish: &Wish, source| CAPABILITIES.route(&app, wish, source);
        assert_eq!(route(&present, Some(&catalogue)), Some(call::INSTALL));
        assert_eq!(route(&present, Some(&url)), Some(call::SEND_FILE));
        assert_eq!(
            route(&Wish::Set(Value::App(AppWish::Absent)), None),
            Some(call::COMMAND)
        );
    }

    #[test]
    fn proxies_that_no_phone_can_have_are_refused_with_the_reason() {
        let via = |protocol, username: Option<&str>| {
            Wish::Set(Value::Proxy(Box::new(Proxy::Via(ProxyEndpoint {
                mode: ProxyMode::Proxy,
                protocol,
                host: "proxy.example".into(),
                port: 8080,
                username: username.map(Into::into),
                password: None,
                bypass: crate::model::value::Bypass::default(),
            }))))
        };
        let said = |wish: &Wish| CAPABILITIES.refuses.0(&Attribute::Proxy, wish, None);
        let socks = said(&via(ProxyProtocol::Socks5, None)).unwrap();
        assert!(
            socks.contains("policy group") && socks.contains("http"),
            "{socks}"
        );
        assert!(said(&via(ProxyProtocol::Http, Some("qa"))).is_some());
        assert_eq!(said(&via(ProxyProtocol::Http, None)), None);
        assert_eq!(
            said(&Wish::Set(Value::Proxy(Box::new(Proxy::Direct)))),
            None
        );
    }
}
