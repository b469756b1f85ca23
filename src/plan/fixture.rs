//! A small provider, one phone in it, and fleets of such phones, for the tests of this room.
//!
//! Invariants: the phone of [`Scene::new`] has everything read, fresh and equal to what is desired. Not here: assertions.

use super::phone::{Approval, Catalogue, PhoneInput, PhonePlan, digest, plan_phone};
use super::preview::{AccountEntry, FleetInput, Header, PhoneEntry, Plan, assemble};
use crate::model::attribute::Attribute;
use crate::model::capability::{
    Call, Capabilities, Capability, Cost, Costs, DeadlineClass, Limits, Pattern, ReadCall,
    ReadMethod, Refuses, Stage, Write,
};
use crate::model::condition::{Cause, Reason};
use crate::model::desired::{AppPolicy, Desired, Fingerprints, Mode, Origin, Unsupported, Wanted};
use crate::model::fleet::{App, AppSource, Claim, Claims, Fleet, Group, PhoneFacts, ProviderKind};
use crate::model::id::{
    AccountName, AppName, Fingerprint, OperationId, Package, PhoneId, PhoneKey, Revision,
};
use crate::model::observed::{
    AppState, InstalledApp, Listed, Observed, ReadKind, RunState, Seen, Sight,
};
use crate::model::operation::{Intent, Phase};
use crate::model::record::{History, OperationState};
use crate::model::settings::Settings;
use crate::model::stamp::Timestamp;
use crate::model::value::{AppWish, Value, VersionWish, Wish};
use smol_str::format_smolstr;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub(super) const NOW: Timestamp = Timestamp(1_800_000_000_000);

const fn row(pattern: Pattern, read: ReadMethod, write: Write, stage: Stage) -> Capability {
    Capability {
        pattern,
        read,
        write,
        reset: None,
        costs: Costs::NONE,
        stage,
        effective_after_restart: false,
        lost_by_restart: false,
        lost_by_wipe: true,
        note: "",
    }
}

const fn costly(row: &Capability, costs: Costs) -> Capability {
    Capability { costs, ..*row }
}

const PROPERTIES: ReadMethod = ReadMethod::By(ReadKind::Properties);

static ROWS: &[Capability] = &[
    costly(
        &row(
            Pattern::Image,
            ReadMethod::By(ReadKind::Usage),
            Write::Call("upgradeImage"),
            Stage::Image,
        ),
        Costs::of(&[Cost::Restart]),
    ),
    costly(
        &row(
            Pattern::SimCountry,
            PROPERTIES,
            Write::Call("newIdentity"),
            Stage::Identity,
        ),
        Costs::of(&[Cost::Restart, Cost::NewIdentity]),
    ),
    costly(
        &row(
            Pattern::PropertyNamed(&["ro.product.model", "ro.product.brand"]),
            PROPERTIES,
            Write::Call("androidProperties"),
            Stage::RestartProperties,
        ),
        Costs::of(&[Cost::Restart]),
    ),
    Capability {
        lost_by_restart: true,
        ..row(
            Pattern::Property(""),
            PROPERTIES,
            Write::Call("liveProperties"),
            Stage::Live,
        )
    },
    row(
        Pattern::Sim,
        PROPERTIES,
        Write::Call("writeSim"),
        Stage::Sim,
    ),
    row(
        Pattern::Timezone,
        PROPERTIES,
        Write::Call("writeTimezone"),
        Stage::Live,
    ),
    row(
        Pattern::Language,
        PROPERTIES,
        Write::Call("writeLanguage"),
        Stage::Live,
    ),
    row(
        Pattern::Location,
        ReadMethod::Never,
        Write::Call("writeLocation"),
        Stage::Live,
    ),
    Capability {
        reset: Some("writeProxy"),
        ..row(
            Pattern::Proxy,
            ReadMethod::Never,
            Write::Call("writeProxy"),
            Stage::Live,
        )
    },
    row(
        Pattern::Bandwidth,
        ReadMethod::By(ReadKind::Listing),
        Write::No,
        Stage::Live,
    ),
    row(
        Pattern::Adb,
        ReadMethod::By(ReadKind::Usage),
        Write::No,
        Stage::Live,
    ),
    row(
        Pattern::App,
        ReadMethod::By(ReadKind::Apps),
        Write::App {
            catalogue: Some("installApp"),
            url: Some("installUrl"),
            described: None,
            remove: Some("removeApp"),
            remove_known: None,
        },
        Stage::Apps,
    ),
    row(
        Pattern::Running,
        ReadMethod::By(ReadKind::Shell),
        Write::Switch {
            on: "startApp",
            off: "stopApp",
            known: None,
        },
        Stage::AppState,
    ),
];

const fn call(
    name: &'static str,
    max_attributes: u32,
    expected: u64,
    deadline: DeadlineClass,
) -> Call {
    Call {
        name,
        max_phones: 100,
        max_attributes,
        expected: Duration::from_secs(expected),
        deadline,
        absolute: true,
        requests: 1,
    }
}

static CALLS: &[Call] = &[
    call("upgradeImage", 1, 300, DeadlineClass::Image),
    call("newIdentity", 1, 60, DeadlineClass::Image),
    call("androidProperties", 50, 60, DeadlineClass::Image),
    call("liveProperties", 2, 5, DeadlineClass::Settings),
    call("writeSim", 1, 5, DeadlineClass::Settings),
    call("writeTimezone", 1, 5, DeadlineClass::Settings),
    call("writeLanguage", 1, 5, DeadlineClass::Settings),
    call("writeLocation", 1, 5, DeadlineClass::Settings),
    call("writeProxy", 1, 5, DeadlineClass::Settings),
    call("installApp", 1, 30, DeadlineClass::Apps),
    call("installUrl", 1, 30, DeadlineClass::Apps),
    call("removeApp", 1, 10, DeadlineClass::Apps),
    call("startApp", 1, 5, DeadlineClass::Apps),
    call("stopApp", 1, 5, DeadlineClass::Apps),
];

const fn read(kind: ReadKind) -> ReadCall {
    ReadCall {
        kind,
        max_phones: 100,
        max_attributes: u32::MAX,
        job: matches!(kind, ReadKind::Shell),
        requests: 1,
    }
}

pub(super) static CAPABILITIES: Capabilities = Capabilities {
    provider: ProviderKind::ArmCloud,
    attributes: ROWS,
    calls: CALLS,
    reads: &[
        read(ReadKind::Listing),
        read(ReadKind::Usage),
        read(ReadKind::Properties),
        read(ReadKind::Apps),
        read(ReadKind::Shell),
        read(ReadKind::ImageCatalogue),
    ],
    quiet: None,
    limits: Limits {
        requests_per_second: 20,
        requests_per_minute: 600,
        open_jobs: 500,
        poll_batch: 100,
        poll_one_submit: false,
        poll_interval: Duration::from_secs(5),
        in_flight: 8,
    },
    default_endpoint: "https://vendor.test",
    credentials: &[],
    options: &[],
    refuses: Refuses::NOTHING,
    blind: false,
    names_orders: false,
    leaves_late: false,
    tidies: false,
    renames: false,
};

/// Fingerprints that change with a generation of secrets; `None`: no secret can be resolved.
#[derive(Debug)]
pub(super) struct Prints(pub(super) Option<u32>);

impl Fingerprints for Prints {
    fn fingerprint(&self, attribute: &Attribute, wish: &Wish) -> Option<Fingerprint> {
        let generation = self.0?;
        let digest = digest(wish).0;
        Some(Fingerprint(format_smolstr!(
            "{attribute}:{digest}:{generation}"
        )))
    }
}

/// One phone and all that bears on it.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) key: PhoneKey,
    pub(super) desired: Desired,
    pub(super) group: Group,
    pub(super) apps: BTreeMap<AppName, App>,
    pub(super) catalogue: Catalogue,
    pub(super) sight: Sight,
    pub(super) history: Option<History>,
    pub(super) open: Vec<OperationState>,
    pub(super) assumed: BTreeSet<Attribute>,
    pub(super) expired: BTreeSet<Attribute>,
    pub(super) reading: bool,
    pub(super) gate: Option<Reason>,
    pub(super) allowed: Costs,
    pub(super) approval: Option<Approval>,
    pub(super) prints: Prints,
    pub(super) remembers: bool,
    pub(super) settings: Settings,
    pub(super) now: Timestamp,
}

pub(super) fn text(value: &str) -> Wish {
    Wish::Set(Value::Text(value.into()))
}

pub(super) fn origin(line: u32) -> Origin {
    Origin {
        file: "fleet.yaml".into(),
        line,
        column: 7,
    }
}

pub(super) fn group(name: &str) -> Group {
    Group {
        name: name.into(),
        accounts: vec!["hk".into()],
        mode: Mode::Enforce,
        allow: Vec::new(),
        expect: None,
        unsupported: Unsupported::Error,
        origin: origin(1),
    }
}

pub(super) fn installed(package: &str, version: &str) -> InstalledApp {
    InstalledApp {
        package: package.into(),
        version_name: Some(version.into()),
        version_code: None,
        state: AppState::Installed,
        system: Some(false),
    }
}

pub(super) fn maps() -> App {
    App {
        name: "maps".into(),
        package: "com.example.maps".into(),
        version: VersionWish::NameExact("1.4.2".into()),
        sources: vec![AppSource::Catalogue {
            account: "hk".into(),
            app_id: "501".into(),
        }],
        origin: origin(90),
    }
}

pub(super) fn wants_maps() -> Wish {
    Wish::Set(Value::App(AppWish::Present {
        app: Some("maps".into()),
        version: VersionWish::Any,
    }))
}

impl Scene {
    /// A running phone without wishes, just read.
    pub(super) fn new() -> Self {
        let read = NOW.before(Duration::from_secs(10));
        Self {
            key: PhoneKey {
                account: AccountName::new("hk"),
                phone: PhoneId::new("AC1"),
            },
            desired: Desired {
                group: "qa".into(),
                attributes: BTreeMap::new(),
                app_policy: AppPolicy::Additive,
                ignored_apps: Vec::new(),
                left_out: Vec::new(),
            },
            group: group("qa"),
            apps: BTreeMap::from([("maps".into(), maps())]),
            catalogue: Catalogue::default(),
            sight: Sight {
                listed: Some(Listed {
                    state: RunState::Running,
                    in_use: Some(false),
                    provider_group: None,
                }),
                apps: Some(Arc::from([])),
                read_at: [Some(read); 5],
                ..Sight::default()
            },
            history: Some(History {
                group: Some("qa".into()),
                ..History::default()
            }),
            open: Vec::new(),
            assumed: BTreeSet::new(),
            expired: BTreeSet::new(),
            reading: false,
            gate: None,
            allowed: Costs::NONE,
            approval: None,
            prints: Prints(Some(1)),
            remembers: true,
            settings: Settings::default(),
            now: NOW,
        }
    }

    /// Wishes something.
    pub(super) fn wish(mut self, attribute: &str, wish: Wish) -> Self {
        let line = 10 + u32::try_from(self.desired.attributes.len()).unwrap();
        self.desired.attributes.insert(
            attribute.parse().unwrap(),
            Wanted {
                wish,
                origin: origin(line),
            },
        );
        self
    }

    /// Shows a value, by the last read.
    pub(super) fn shows(mut self, attribute: &str, value: Observed) -> Self {
        let at = self.sight.read_at[2].unwrap();
        self.sight
            .values
            .insert(attribute.parse().unwrap(), Seen { value, at });
        self
    }

    /// Wishes one text and shows another.
    pub(super) fn differs(self, attribute: &str, from: &str, to: &str) -> Self {
        self.wish(attribute, text(to))
            .shows(attribute, Observed::Text(from.into()))
    }

    /// Has these apps.
    pub(super) fn apps(mut self, apps: Vec<InstalledApp>) -> Self {
        self.sight.apps = Some(apps.into());
        self
    }

    /// Remembers that this wish was converged before.
    pub(super) fn converged(mut self, attribute: &str, wish: &Wish) -> Self {
        self.history_mut()
            .converged
            .insert(attribute.parse().unwrap(), digest(wish));
        self
    }

    pub(super) fn history_mut(&mut self) -> &mut History {
        self.history.get_or_insert_default()
    }

    pub(super) fn allows(mut self, costs: &[Cost]) -> Self {
        self.allowed = Costs::of(costs);
        self
    }

    /// Has an operation of ours open that writes this.
    pub(super) fn open(mut self, attribute: &str, wish: Wish, phase: Phase) -> Self {
        let number = 1 + u64::try_from(self.open.len()).unwrap();
        let attribute: Attribute = attribute.parse().unwrap();
        let call = CAPABILITIES
            .route(&attribute, &wish, None)
            .unwrap_or("installApp");
        self.open.push(OperationState {
            intent: Intent {
                operation: OperationId(number),
                identity: "vendor".into(),
                call: call.into(),
                phones: Arc::from([self.key.phone.clone()]),
                costs: CAPABILITIES.costs(&attribute, &wish),
                writes: Arc::from([(attribute, wish)]),
                cause: Cause::Intended,
                revision: Revision::new("r1"),
                at: self.now.before(Duration::from_secs(20)),
            },
            phases: vec![phase],
        });
        self
    }

    pub(super) fn with<R>(&self, look: impl FnOnce(&PhoneInput<'_>) -> R) -> R {
        let open: Vec<&OperationState> = self.open.iter().collect();
        look(&PhoneInput {
            key: &self.key,
            desired: &self.desired,
            group: &self.group,
            capabilities: &CAPABILITIES,
            apps: &self.apps,
            catalogue: &self.catalogue,
            sight: &self.sight,
            history: self.history.as_ref(),
            open: &open,
            assumed: &self.assumed,
            expired: &self.expired,
            reading: self.reading,
            gate: self.gate,
            allowed: self.allowed,
            approval: self.approval.as_ref(),
            fingerprints: &self.prints,
            remembers: self.remembers,
            settings: &self.settings,
            began: self.now.before(Duration::from_secs(86_400)),
            now: self.now,
        })
    }

    pub(super) fn plan(&self) -> PhonePlan {
        self.with(plan_phone)
    }
}

/// A plan in short lines, for tests: changes, chain, waiting, unread, unknown.
pub(super) fn short(plan: &PhonePlan) -> String {
    let mut lines = Vec::new();
    for change in &plan.changes {
        lines.push(format!(
            "change {} {:?} {}",
            change.attribute, change.cause, change.costs
        ));
    }
    for step in &plan.chain {
        let writes: Vec<String> = step
            .payload
            .writes
            .iter()
            .map(|(attribute, _)| attribute.to_string())
            .collect();
        lines.push(format!("step {} {}", step.payload.call, writes.join(" ")));
    }
    for waiting in &plan.waiting {
        let what = waiting
            .attribute
            .as_ref()
            .map_or("phone".to_owned(), ToString::to_string);
        lines.push(format!(
            "waits {what} {}: {}",
            waiting.reason, waiting.detail
        ));
    }
    if !plan.unread.is_empty() {
        lines.push(format!("unread {:?}", plan.unread));
    }
    for attribute in &plan.unknown {
        lines.push(format!("unknown {attribute}"));
    }
    lines.join("\n")
}

pub(super) fn package(text: &str) -> Package {
    Package::new(text)
}

/// Claims that nobody asks for in these tests.
struct NoClaims;

impl Claims for NoClaims {
    fn claim(&self, _facts: &PhoneFacts, _now: Timestamp) -> Claim {
        Claim::Unclaimed
    }
}

/// What is no phone of a fleet's own.
#[derive(Default)]
pub(super) struct Around {
    pub(super) outside: Vec<(PhoneKey, Reason, String)>,
    pub(super) released: Vec<Attribute>,
    pub(super) gate: Option<Reason>,
    pub(super) unclaimed: u64,
}

/// The plan of these phones, which all are of accounts with the same provider.
pub(super) fn fleet_plan(scenes: &[Scene], around: &Around) -> Plan {
    let fleet = Fleet {
        revision: Revision::new("4f2a9c1"),
        accounts: BTreeMap::new(),
        apps: BTreeMap::from([("maps".into(), maps())]),
        groups: BTreeMap::from([("qa".into(), group("qa"))]),
        named: Vec::new(),
        mentioned: Vec::new(),
        inventory: BTreeMap::new(),
        expiries: Vec::new(),
        claims: Arc::new(NoClaims),
    };
    let mut scenes: Vec<&Scene> = scenes.iter().collect();
    scenes.sort_by_key(|scene| &scene.key);
    let plans: Vec<PhonePlan> = scenes.iter().map(|scene| scene.plan()).collect();
    let catalogue = Catalogue::default();
    let group = "qa".into();
    let mut names: BTreeSet<AccountName> = scenes
        .iter()
        .map(|scene| scene.key.account.clone())
        .collect();
    names.insert("hk".into());
    let settings = Settings::default();
    assemble(&FleetInput {
        fleet: &fleet,
        accounts: names
            .into_iter()
            .map(|name| {
                let entry = AccountEntry {
                    capabilities: &CAPABILITIES,
                    batch_size: None,
                    rate: 10.0,
                    gate: around.gate,
                    catalogue: &catalogue,
                };
                (name, entry)
            })
            .collect(),
        phones: scenes
            .iter()
            .zip(&plans)
            .map(|(scene, plan)| PhoneEntry {
                key: &scene.key,
                group: &group,
                plan,
                released: &around.released,
                left_out: &scene.desired.left_out,
            })
            .collect(),
        outside: around.outside.clone(),
        unclaimed: around.unclaimed,
        renamed: Vec::new(),
        header: Header {
            calls: 34,
            commands: 0,
            oldest: Some(Duration::from_secs(40)),
            unread: BTreeMap::new(),
        },
        settings: &settings,
        now: NOW,
    })
}

impl Scene {
    /// The same phone by another name.
    pub(super) fn named(mut self, number: usize) -> Self {
        self.key.phone = PhoneId::new(format!("AC{number:04}"));
        self
    }
}
