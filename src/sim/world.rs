//! The world: phones, the vendor's catalogues, jobs, and what is due next. One world, whatever surface looks at it.
//!
//! Invariants: time only goes forward; nothing scans all phones to answer a request; a change behind the client's back leaves no trace but its effect.
//! Not here: how jobs run (`course`), what requests look like (`armcloud`).

use super::Spec;
use super::callback::Outbox;
use super::course::{Due, Queue};
use super::faults::{Faults, Kind};
use super::job::{Job, Work};
use super::phone::{self, App, Image, Phone};
use super::rate::Rate;
use super::recode::Recode;
use super::report::Report;
use super::scenario::{Drift, Event};
use super::surface::Desk;
use super::values::Values;
use super::witness::Fact;
use crate::model::stamp::Timestamp;
use crate::time::delay::hash;
use rustc_hash::FxHashMap;
use smol_str::{SmolStr, format_smolstr};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// An app of the vendor's catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The vendor's id.
    pub id: u64,
    /// The app.
    pub app: Arc<App>,
    /// Where the vendor has it from.
    pub url: SmolStr,
}

/// Phones, catalogues, jobs and counts.
#[derive(Debug)]
pub struct World {
    pub(super) spec: Spec,
    pub(super) faults: Faults,
    pub(super) phones: Vec<Phone>,
    pub(super) index: FxHashMap<SmolStr, u32>,
    /// Phones in the account, in listing order.
    pub(super) listed: Vec<u32>,
    /// The same by group.
    pub(super) groups: BTreeMap<u32, Vec<u32>>,
    pub(super) offers: Vec<Offer>,
    pub(super) images: Vec<Arc<Image>>,
    /// Jobs in the order of their ids.
    pub(super) jobs: VecDeque<Job>,
    /// Id of the first job that is still remembered.
    pub(super) first_job: u64,
    /// Calls that started jobs: first job, number of jobs; by the vendor's task type.
    pub(super) batches: BTreeMap<u32, Vec<(u64, u32)>>,
    pub(super) queue: Queue,
    pub(super) now: Timestamp,
    pub(super) began: Timestamp,
    /// Calls that arrived or were refused, to number decisions.
    pub(super) call: u64,
    pub(super) rate: Rate,
    pub(super) report: Report,
    /// What only this vendor's surface keeps.
    pub(super) desk: Desk,
    /// What happened since somebody asked last, once somebody watches.
    pub(super) witness: Option<Vec<(Timestamp, Fact)>>,
    /// Faults that happen at the next chance, whatever their rates; and whether at every chance.
    forced: Vec<(Kind, bool)>,
    /// Kinds that had a chance since somebody asked last, a bit each.
    rolled: u64,
    /// Phones' states are remembered although no read is stale by chance.
    remembers: bool,
    /// Phones on which every job fails.
    pub(super) broken: BTreeSet<u32>,
    /// Codes that were changed, the newest last.
    pub(super) recodes: Vec<Recode>,
    /// Callbacks under way.
    pub(super) outbox: Outbox,
}

impl World {
    pub(super) fn new(spec: Spec, now: Timestamp) -> Self {
        let images = images();
        let offers = offers();
        let mut queue = Queue::default();
        for (number, event) in spec.scenario.iter().enumerate() {
            queue.push(now.after(event.at.0), Due::Scenario(number));
        }
        let count = usize::try_from(spec.phones).unwrap_or(0);
        let mut world = Self {
            faults: spec.faults.clone(),
            phones: Vec::with_capacity(count),
            index: FxHashMap::with_capacity_and_hasher(count, rustc_hash::FxBuildHasher),
            listed: Vec::with_capacity(count),
            groups: BTreeMap::new(),
            offers,
            images,
            jobs: VecDeque::new(),
            first_job: 1_000_001,
            batches: BTreeMap::new(),
            queue,
            now,
            began: now,
            call: 0,
            rate: Rate::new(spec.rate_per_second, spec.rate_per_minute),
            report: Report::default(),
            desk: Desk::default(),
            witness: None,
            forced: Vec::new(),
            rolled: 0,
            remembers: false,
            broken: BTreeSet::new(),
            recodes: Vec::new(),
            outbox: Outbox::default(),
            spec,
        };
        for number in 0..world.spec.phones {
            world.make(number);
        }
        world
    }

    /// Makes one phone. One in ten has `com.bad.game`, one in seven an old `com.example.maps`.
    fn make(&mut self, number: u32) {
        let image = &self.images[0];
        let mut apps = Vec::with_capacity(image.apps.len() + 2);
        apps.extend(image.apps.iter().cloned());
        if number.is_multiple_of(7) {
            apps.push(Arc::clone(&self.offers[0].app));
        }
        if number.is_multiple_of(10) {
            apps.push(Arc::clone(&self.offers[1].app));
        }
        let group = number % self.spec.provider_groups.max(1) + 1;
        let id = format_smolstr!("{}{:07}", self.spec.phone_prefix, number + 1);
        self.index.insert(id.clone(), number);
        self.listed.push(number);
        self.groups.entry(group).or_default().push(number);
        let real = super::faults::share("real", u64::from(number), self.spec.seed);
        self.phones.push(Phone {
            identity: hash(&id, 0, self.spec.seed),
            id,
            group,
            status: phone::RUNNING,
            connected: true,
            streaming: false,
            real_device: real < self.spec.real_devices,
            adb: false,
            image: Arc::clone(image),
            timezone: SmolStr::new_static(phone::DEFAULT_TIMEZONE),
            language: SmolStr::new_static(phone::DEFAULT_LANGUAGE),
            country: SmolStr::new_static("CN"),
            apps,
            running: Vec::new(),
            kept: Values::default(),
            live: Values::default(),
            pending: Values::default(),
            settings: Values::default(),
            proxy: None,
            location: None,
            bandwidth: None,
            files: Vec::new(),
            boots: 1,
            job: None,
            begun: 0,
            costly: 0,
            past: Vec::new(),
        });
    }

    /// The moment the world has reached.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The phone's place, if it is in the account.
    pub(super) fn find(&self, id: &str) -> Option<u32> {
        self.index.get(id).copied()
    }

    /// The same, if it ever was in the account under this code.
    pub(super) fn found(&self, id: &str) -> Option<u32> {
        self.find(id).or_else(|| {
            let place = self.phones.iter().position(|phone| phone.id == id)?;
            u32::try_from(place).ok()
        })
    }

    pub(super) fn at(&self, index: u32) -> &Phone {
        &self.phones[place(index)]
    }

    /// A phone to be changed; its state is remembered first while reads may be stale.
    pub(super) fn at_mut(&mut self, index: u32) -> &mut Phone {
        let phone = &mut self.phones[place(index)];
        if self.remembers || self.faults.stale > 0.0 {
            let oldest = self.now.before(self.faults.stale_by.0);
            phone.past.retain(|(until, _)| *until > oldest);
            let mut snapshot = phone.clone();
            snapshot.past = Vec::new();
            phone.past.push((self.now, Arc::new(snapshot)));
        }
        phone
    }

    /// A phone.
    pub fn phone(&self, id: &str) -> Option<&Phone> {
        self.find(id).map(|index| self.at(index))
    }

    /// A phone to be changed behind the client's back.
    pub fn phone_mut(&mut self, id: &str) -> Option<&mut Phone> {
        let index = self.find(id)?;
        self.tell(|_| Fact::Changed { phone: id.into() });
        let phone = self.at_mut(index);
        phone.costly = 0;
        Some(phone)
    }

    /// Ids of the phones in the account, in listing order.
    pub fn phone_ids(&self) -> Vec<String> {
        let ids = self.listed.iter();
        ids.map(|index| self.at(*index).id.to_string()).collect()
    }

    /// From now on these faults happen.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// What has been counted.
    pub fn report(&self) -> Report {
        let mut report = self.report.clone();
        (report.max_calls_per_second, report.max_calls_per_minute) = self.rate.most();
        report
    }

    /// The catalogue of apps.
    pub fn offers(&self) -> &[Offer] {
        &self.offers
    }

    /// Puts one more app into the catalogue.
    pub fn offer(&mut self, id: u64, app: App) {
        let url = format_smolstr!(
            "https://apps.example/{}-{}.apk",
            app.package,
            app.version_name
        );
        self.offers.retain(|offer| offer.id != id);
        self.offers.push(Offer {
            id,
            app: Arc::new(app),
            url,
        });
    }

    /// The catalogue of images.
    pub fn images(&self) -> &[Arc<Image>] {
        &self.images
    }

    /// The phone moves to another of the provider's groups.
    pub fn set_group(&mut self, id: &str, group: u32) {
        let Some(index) = self.find(id) else { return };
        let before = std::mem::replace(&mut self.at_mut(index).group, group);
        if let Some(phones) = self.groups.get_mut(&before) {
            phones.retain(|other| *other != index);
        }
        let phones = self.groups.entry(group).or_default();
        phones.push(index);
        phones.sort_unstable();
    }

    /// Lets a scenario's event happen.
    pub(super) fn happen(&mut self, number: usize) {
        let Some(event) = self.spec.scenario.get(number).cloned() else {
            return;
        };
        if let Some(faults) = &event.faults {
            self.faults = faults.clone();
        }
        if let Some(on) = event.callbacks {
            self.register_callbacks(on);
        }
        for id in self.concerned(&event, number) {
            self.happen_to(&id, &event);
        }
    }

    fn concerned(&self, event: &Event, number: usize) -> Vec<SmolStr> {
        let named: Vec<SmolStr> = event.phones.iter().chain(&event.phone).cloned().collect();
        if !named.is_empty() {
            return named;
        }
        let key = format!("event-{number}");
        let share = |index: u32| super::faults::share(&key, u64::from(index), self.spec.seed);
        self.listed
            .iter()
            .filter(|index| {
                event
                    .fraction
                    .is_none_or(|fraction| share(**index) < fraction)
            })
            .map(|index| self.at(*index).id.clone())
            .collect()
    }

    fn happen_to(&mut self, id: &str, event: &Event) {
        if let Some(drift) = &event.set {
            self.drift(id, drift);
        }
        let offer = event.install.as_ref().and_then(|package| {
            let offer = self
                .offers
                .iter()
                .rev()
                .find(|offer| offer.app.package == *package)?;
            Some(Arc::clone(&offer.app))
        });
        if offer.is_some()
            || event.uninstall.is_some()
            || event.streaming.is_some()
            || event.wipe
            || event.restart
        {
            let Some(phone) = self.phone_mut(id) else {
                return;
            };
            phone.streaming = event.streaming.unwrap_or(phone.streaming);
            if event.wipe {
                phone.wipe(false);
            }
            if event.wipe || event.restart {
                phone.reboot();
            }
            if let Some(package) = &event.uninstall {
                phone.uninstall(package);
            }
            if let Some(app) = offer {
                phone.install(&app);
            }
        }
        if let Some(span) = event.offline {
            self.disconnect(id, span.0);
        }
        if let Some(status) = event.status {
            self.set_status(id, status);
        }
        if let Some(span) = event.other_job {
            self.occupy(id, span.0);
        }
        if event.recode {
            self.recode(id, &format!("{id}R"));
        }
        if event.remove {
            self.remove(id);
        }
    }

    /// Changes values of one phone behind the client's back.
    pub fn drift(&mut self, id: &str, drift: &Drift) {
        let image = drift
            .image
            .as_ref()
            .and_then(|id| self.images.iter().find(|image| image.id == *id).cloned());
        if let Some(group) = drift.group {
            self.set_group(id, group);
        }
        let Some(phone) = self.phone_mut(id) else {
            return;
        };
        if let Some(zone) = &drift.timezone {
            phone.timezone = zone.clone();
        }
        if let Some(language) = &drift.language {
            phone.set_language(language);
        }
        phone.adb = drift.adb.unwrap_or(phone.adb);
        for (name, value) in &drift.properties {
            phone.set_property(name, value, phone::Stay::Kept);
        }
        for (name, value) in &drift.settings {
            phone.settings.set(name.clone(), value.clone());
        }
        if let Some(image) = image {
            phone.image = image;
        }
    }

    /// A fault of this kind happens at its next chance, or at every chance until [`World::unforce`].
    pub fn force(&mut self, kind: Kind, always: bool) {
        self.forced.push((kind, always));
    }

    /// Forgets forced faults of the kinds that `over` names.
    pub fn unforce(&mut self, over: impl Fn(Kind) -> bool) {
        self.forced.retain(|(kind, _)| !over(*kind));
    }

    /// From now on states are remembered, so that a stale read can be forced.
    pub fn remember(&mut self) {
        self.remembers = true;
    }

    /// Kinds of faults that had a chance since this was asked last, whether they happened or not.
    pub fn rolled(&mut self) -> Vec<Kind> {
        let rolled = std::mem::take(&mut self.rolled);
        let had = |kind: &Kind| rolled & kind.bit() != 0;
        Kind::ALL.into_iter().filter(had).collect()
    }

    /// Rolls the dice for a fault, and counts it.
    pub(super) fn fault(&mut self, kind: Kind, number: u64) -> bool {
        self.rolled |= kind.bit();
        let forced = self.forced.iter().position(|(other, _)| *other == kind);
        if let Some(place) = forced.filter(|place| !self.forced[*place].1) {
            self.forced.swap_remove(place);
        }
        let happens = forced.is_some() || self.faults.happens(kind, number, self.spec.seed);
        if happens {
            Report::count(&mut self.report.faults, kind.as_str());
        }
        happens
    }

    /// The job of this id, if it is remembered.
    pub(super) fn job(&self, id: u64) -> Option<&Job> {
        let place = usize::try_from(id.checked_sub(self.first_job)?).ok()?;
        self.jobs.get(place)
    }

    pub(super) fn job_mut(&mut self, id: u64) -> Option<&mut Job> {
        let place = usize::try_from(id.checked_sub(self.first_job)?).ok()?;
        self.jobs.get_mut(place)
    }

    /// The number that the next job gets.
    pub(super) fn next_job(&self) -> u64 {
        self.first_job + u64::try_from(self.jobs.len()).unwrap_or(u64::MAX)
    }

    /// The work that occupies a phone.
    pub(super) fn work_on(&self, phone: &Phone) -> Option<&Work> {
        Some(self.job(phone.job?)?.work.as_ref())
    }
}

/// A phone's place in the table.
pub(super) fn place(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

fn images() -> Vec<Arc<Image>> {
    let system = |package: &str, name: &str, android: u8| {
        let mut app = App::new(package, name, &android.to_string(), u64::from(android) + 20);
        app.system = true;
        Arc::new(app)
    };
    let image = |id: &str, version: &str, android: u8| {
        let build = format!("AP{android}.{version}");
        let properties = [
            ("ro.product.manufacturer", "Xiaomi"),
            ("ro.product.brand", "Xiaomi"),
            ("ro.product.model", "Mi 10 Pro"),
            ("ro.product.name", "cmi"),
            ("ro.product.device", "cmi"),
            ("ro.product.board", "kona"),
            ("ro.build.id", &build),
            ("ro.build.display.id", &build),
            ("ro.build.tags", "release-keys"),
            (
                "ro.build.fingerprint",
                &format!("Xiaomi/cmi/cmi:{android}/{build}/{version}:user/release-keys"),
            ),
            ("ro.build.user", "builder"),
            ("ro.build.host", "build-1"),
            ("ro.build.version.incremental", version),
            ("ro.build.version.codename", "REL"),
            ("ro.build.version.release", &android.to_string()),
            ("ro.hardware", "qcom"),
        ];
        Arc::new(Image {
            id: id.into(),
            version: version.into(),
            android,
            properties: properties.into_iter().collect(),
            apps: vec![
                system("com.android.settings", "Settings", android),
                system("com.android.launcher3", "Launcher", android),
                system("com.android.vending", "Store", android),
            ],
        })
    };
    vec![
        image("img-25030796215", "20250307_4", 13),
        image("img-25111133267", "20251111_2", 13),
        image("img-26060812345", "20260608_1", 14),
    ]
}

fn offers() -> Vec<Offer> {
    let offer = |id, package, name, version: &str, code| Offer {
        id,
        app: Arc::new(App::new(package, name, version, code)),
        url: format_smolstr!("https://apps.example/{package}-{version}.apk"),
    };
    vec![
        offer(401, "com.example.maps", "Maps", "1.3.0", 130),
        offer(402, "com.bad.game", "Bad Game", "3.0.0", 300),
        offer(501, "com.example.maps", "Maps", "1.4.2", 142),
        offer(502, "com.example.chat", "Chat", "2.0.1", 201),
        offer(503, "com.example.mail", "Mail", "3.1.0", 310),
        offer(504, "com.example.agent", "Agent", "0.9.4", 94),
        offer(505, "com.example.notes", "Notes", "5.2.0", 520),
    ]
}
