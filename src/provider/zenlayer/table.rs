//! What Zenlayer can do, as data.
//!
//! Invariants: every attribute finds a row or is unsupported; everything inside a phone is one vendor call, `InvokeCommand`, whose rows differ in what is run.
//! Not here: scripts (`provider::shell`, `script`). Source: the vendor's API reference; request rates are not documented, and ours are an assumption that an
//! Account can lower.

use super::script;
use crate::model::capability::{
    Call, CallName, Capabilities, Capability, Costs, CredentialForm, DeadlineClass, Limits,
    Pattern, ReadCall, ReadMethod, Refuses, Stage, Write,
};
use crate::model::fleet::ProviderKind;
use crate::model::observed::ReadKind;
use crate::provider::shell::rows;
use std::time::Duration;

/// The vendor's one call, by what it runs.
pub(super) mod call {
    use super::CallName;

    /// Settings, properties, time zone, proxy.
    pub(crate) const SETTINGS: CallName = "InvokeCommand";
    /// What ends in a restart of the Android framework.
    pub(crate) const RESTART: CallName = "InvokeCommand/restart";
    /// An app in.
    pub(crate) const INSTALL: CallName = "InvokeCommand/install";
    /// Apps out.
    pub(crate) const UNINSTALL: CallName = "InvokeCommand/uninstall";
    /// Apps started and stopped.
    pub(crate) const RUNNING: CallName = "InvokeCommand/running";
}

/// Rows of a page of instances.
pub(super) const LISTING_ROWS: u32 = 1000;
/// Phones of one run.
pub(super) const PHONES: u32 = 200;
/// Requests that one run may take: looking its command up, storing it, running it.
pub(super) const REQUESTS: u32 = 3;
/// Values that one script writes, at most.
pub(super) const MERGED_WRITES: u32 = 6;
/// Attributes that one script reads, at most.
pub(super) const MERGED_READS: u32 = 16;

const IMAGE: Capability = Capability {
    pattern: Pattern::Image,
    read: ReadMethod::By(ReadKind::Listing),
    write: Write::No,
    reset: None,
    costs: Costs::NONE,
    stage: Stage::Image,
    effective_after_restart: false,
    lost_by_restart: false,
    lost_by_wipe: false,
    note: "imageId and imageName of the instance; a re-image (ResetInstance) asks for a new password or key and erases everything, so it is left to people",
};

const APP: Capability = Capability {
    note: "by shell: curl and pm install from a url (the phone needs curl), pm uninstall; download and installation have 60 s in all; read with pm list packages",
    ..rows::app(None, Some(call::INSTALL), Some(call::UNINSTALL))
};

const ATTRIBUTES: &[Capability] = &[
    IMAGE,
    rows::read_only(),
    rows::persistent(call::SETTINGS),
    rows::volatile(call::SETTINGS),
    rows::settings(call::SETTINGS),
    rows::timezone(call::SETTINGS),
    rows::language(call::RESTART),
    rows::location(call::SETTINGS),
    rows::http_proxy(call::SETTINGS),
    APP,
    rows::running(call::RUNNING),
];

const fn a_call(
    name: CallName,
    max_attributes: u32,
    seconds: u64,
    deadline: DeadlineClass,
) -> Call {
    Call {
        name,
        max_phones: PHONES,
        max_attributes,
        requests: REQUESTS,
        expected: Duration::from_secs(seconds),
        deadline,
        absolute: true,
    }
}

const CALLS: &[Call] = &[
    a_call(call::SETTINGS, MERGED_WRITES, 3, DeadlineClass::Settings),
    a_call(call::RESTART, MERGED_WRITES, 40, DeadlineClass::Settings),
    a_call(call::INSTALL, 1, 15, DeadlineClass::Apps),
    a_call(call::UNINSTALL, MERGED_WRITES, 5, DeadlineClass::Apps),
    a_call(call::RUNNING, MERGED_WRITES, 5, DeadlineClass::Settings),
];

const READS: &[ReadCall] = &[
    ReadCall {
        kind: ReadKind::Listing,
        max_phones: LISTING_ROWS,
        max_attributes: u32::MAX,
        requests: 1,
        job: false,
    },
    ReadCall {
        kind: ReadKind::Shell,
        max_phones: PHONES,
        max_attributes: MERGED_READS,
        requests: REQUESTS,
        job: true,
    },
];

/// What Zenlayer can do.
pub(super) static CAPABILITIES: Capabilities = Capabilities {
    provider: ProviderKind::Zenlayer,
    attributes: ATTRIBUTES,
    calls: CALLS,
    reads: READS,
    quiet: None,
    limits: Limits {
        requests_per_second: 10,
        requests_per_minute: 300,
        open_jobs: 20_000,
        poll_batch: 1000,
        poll_one_submit: false,
        poll_interval: Duration::from_secs(5),
        in_flight: 16,
    },
    default_endpoint: "https://console.zenlayer.com",
    credentials: &[
        CredentialForm {
            required: &["accessKey", "secretKey"],
            optional: &[],
        },
        CredentialForm {
            required: &["token"],
            optional: &[],
        },
    ],
    options: &["commandPrefix", "groupTag"],
    refuses: Refuses(script::refuses),
    blind: true,
    names_orders: true,
    leaves_late: true,
    tidies: true,
    renames: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::attribute::Attribute;

    fn row(text: &str) -> Option<&'static Capability> {
        let attribute: Attribute = text.parse().unwrap();
        CAPABILITIES.of(&attribute)
    }

    #[test]
    fn what_can_be_written_names_calls_that_are_there() {
        for row in ATTRIBUTES {
            let calls = match row.write {
                Write::No => Vec::new(),
                Write::Call(name) => vec![name],
                Write::App { url, remove, .. } => [url, remove].into_iter().flatten().collect(),
                Write::Switch { on, off, .. } => vec![on, off],
            };
            for name in calls.into_iter().chain(row.reset) {
                assert!(CAPABILITIES.call(name).is_some(), "{name}");
            }
            assert!(!row.note.is_empty(), "{:?}", row.pattern);
        }
        assert!(CALLS.iter().all(|call| call.absolute && call.requests == 3));
    }

    #[test]
    fn names_decide_what_can_be_done() {
        for text in [
            "timezone",
            "language",
            "proxy",
            "property/persist.x",
            "property/debug.x",
            "setting/global/x",
            "app/com.example.maps",
            "running/com.example.maps",
        ] {
            let row = row(text).unwrap();
            assert_ne!(row.write, Write::No, "{text}");
            assert_eq!(row.read, ReadMethod::By(ReadKind::Shell), "{text}");
        }
        assert_eq!(row("location").unwrap().read, ReadMethod::Never);
        for text in ["image", "property/ro.product.model"] {
            assert_eq!(row(text).unwrap().write, Write::No, "{text}");
        }
        for text in ["sim", "sim-country", "bandwidth", "adb"] {
            assert_eq!(row(text), None, "{text}");
        }
    }
}
