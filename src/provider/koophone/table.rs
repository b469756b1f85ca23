//! What KooPhone can do, as data.
//!
//! Invariants: every call a row names is in the list of calls; only absolute calls exist, because a lost submit cannot be looked up. Not here: how calls are
//! made (`order`, `convert`), single values it cannot take (`refuses`). Source: the vendor's manual and the models of its Java SDK 3.1.212; where they leave
//! limits out (calls per second, rows of a page) these are cautious.

use super::refuses;
use crate::model::capability::{
    Call, CallName, Capabilities, Capability, CredentialForm, DeadlineClass, Limits, ReadCall,
    ReadMethod, Refuses,
};
use crate::model::fleet::ProviderKind;
use crate::model::observed::ReadKind;
use crate::provider::shell::{Bounds, Charset, rows};
use std::time::Duration;

/// Names of the calls that change phones: the ends of their paths.
pub(super) mod call {
    use super::CallName;

    pub(crate) const COMMAND: CallName = "async-command";
    pub(crate) const INSTALL: CallName = "app/install";
}

/// What a command may be (manual, "Executing an Asynchronization Command").
pub(super) const BOUNDS: Bounds = Bounds {
    bytes: 1024,
    charset: Charset::Plain,
    joins: false,
};

/// Longest output of a command, in bytes; the rest is cut off.
pub(super) const OUTPUT: usize = 1024;
/// Rows of a page of `batch-query`. The most is not documented.
pub(super) const LISTING_ROWS: u32 = 100;
/// Rows of a page of `app-list`.
pub(super) const APP_ROWS: u32 = 200;

const ATTRIBUTES: &[Capability] = &[
    rows::read_only(),
    rows::persistent(call::COMMAND),
    rows::volatile(call::COMMAND),
    rows::settings(call::COMMAND),
    rows::timezone(call::COMMAND),
    rows::language_live(call::COMMAND),
    rows::http_proxy(call::COMMAND),
    Capability {
        read: ReadMethod::By(ReadKind::Apps),
        note: "one phone a call; third-party apps with version names only (option apps: all lists system apps too, which no row tells apart, so appPolicy: exclusive removes nothing then); installed from a url with sizeMb, removed by pm uninstall",
        ..rows::app(None, Some(call::INSTALL), Some(call::COMMAND))
    },
    rows::running(call::COMMAND),
];

const fn a_call(name: CallName, seconds: u64, deadline: DeadlineClass) -> Call {
    Call {
        name,
        max_phones: 100,
        max_attributes: 1,
        expected: Duration::from_secs(seconds),
        deadline,
        absolute: true,
        requests: 1,
    }
}

const fn a_read(kind: ReadKind, max_phones: u32) -> ReadCall {
    ReadCall {
        kind,
        max_phones,
        max_attributes: u32::MAX,
        job: false,
        requests: 1,
    }
}

/// What KooPhone can do. Tokens come from another service (IAM) with limits of its own, so no call takes more than one request of these.
pub(super) static CAPABILITIES: Capabilities = Capabilities {
    provider: ProviderKind::KooPhone,
    attributes: ATTRIBUTES,
    calls: &[
        a_call(call::COMMAND, 3, DeadlineClass::Settings),
        a_call(call::INSTALL, 15, DeadlineClass::Apps),
    ],
    reads: &[
        a_read(ReadKind::Listing, LISTING_ROWS),
        a_read(ReadKind::Apps, 1),
        ReadCall {
            max_attributes: 1,
            job: true,
            ..a_read(ReadKind::Shell, 100)
        },
    ],
    quiet: None,
    limits: Limits {
        requests_per_second: 10,
        requests_per_minute: 600,
        open_jobs: 5_000,
        poll_batch: 100,
        poll_one_submit: true,
        poll_interval: Duration::from_secs(5),
        in_flight: 16,
    },
    default_endpoint: "https://koophone.myhuaweicloud.com",
    credentials: &[
        CredentialForm {
            required: &["accessKey", "secretKey"],
            optional: &["securityToken"],
        },
        CredentialForm {
            required: &["username", "password", "domain", "project"],
            optional: &[],
        },
        CredentialForm {
            required: &["token"],
            optional: &[],
        },
    ],
    options: &[
        "apps",
        "contentType",
        "iamEndpoint",
        "projectId",
        "region",
        "statusTable",
    ],
    refuses: Refuses(refuses::wish),
    blind: false,
    names_orders: false,
    leaves_late: true,
    tidies: false,
    renames: false,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::capability::Write;

    #[test]
    fn every_call_of_a_row_is_there_and_may_be_said_twice() {
        for row in CAPABILITIES.attributes {
            let calls: Vec<CallName> = match row.write {
                Write::No => vec![],
                Write::Call(name) => vec![name],
                Write::App {
                    catalogue,
                    url,
                    remove,
                    ..
                } => [catalogue, url, remove].into_iter().flatten().collect(),
                Write::Switch { on, off, .. } => vec![on, off],
            };
            for name in calls.into_iter().chain(row.reset) {
                let call = CAPABILITIES.call(name).unwrap();
                assert!(call.absolute, "{name}");
            }
            assert!(!row.note.is_empty());
            if let ReadMethod::By(kind) = row.read {
                assert!(CAPABILITIES.read(kind).is_some(), "{kind:?}");
            }
        }
    }

    #[test]
    fn what_has_no_call_and_no_command_has_no_row() {
        for text in [
            "image",
            "sim",
            "sim-country",
            "location",
            "bandwidth",
            "adb",
        ] {
            assert_eq!(CAPABILITIES.of(&text.parse().unwrap()), None, "{text}");
        }
        let model = CAPABILITIES.of(&"property/ro.product.model".parse().unwrap());
        assert_eq!(model.unwrap().write, Write::No);
    }
}
