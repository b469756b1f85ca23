//! The adapter against the simulated vendor, in virtual time: every attribute is written, followed to its end and read back, in each dialect of the manuals.

use super::{Stopped, account};
use crate::model::attribute::Attribute;
use crate::model::capability::ReadMethod;
use crate::model::fleet::AppSource;
use crate::model::id::{AccountName, Package, PhoneId};
use crate::model::observed::{Observation, Observed, PhoneReading, ReadKind, RunState};
use crate::model::stamp::Timestamp;
use crate::model::value::{
    AppWish, Bandwidth, Image, ImageTarget, Location, Proxy, ProxyEndpoint, ProxyMode,
    ProxyProtocol, SecretRef, SimField, Value, VersionWish, Wish,
};
use crate::provider::armcloud::ArmCloud;
use crate::provider::registry::Outfit;
use crate::provider::{
    AppToInstall, Found, JobRef, JobState, LostSubmit, Order, Provider, ReadRequest, RowOutcome,
    Submission,
};
use crate::secret::{SecretError, Secrets};
use crate::sim::armcloud::Dialect;
use crate::sim::{Simulator, Spec};
use crate::time::clock::{Clock, TokioClock};
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

struct Keys(crate::sim::Credentials);

impl Secrets for Keys {
    fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        Ok(match reference {
            SecretRef::Env(name) if name == "AK" => self.0.access_key.clone(),
            SecretRef::Env(name) if name == "SK" => self.0.secret_key.clone(),
            SecretRef::Env(_)
            | SecretRef::Credential(_)
            | SecretRef::File(_)
            | SecretRef::Csv { .. } => "proxy-password".to_owned(),
        }
        .into())
    }
}

struct Bench {
    sim: Simulator,
    provider: ArmCloud,
    clock: TokioClock,
    phones: Arc<[PhoneId]>,
}

impl Bench {
    fn new(dialect: Dialect) -> Self {
        let clock = TokioClock::starting_at(Stopped.now());
        let spec = Spec {
            phones: 5,
            dialect,
            check_clock: true,
            ..Spec::default()
        };
        let sim = Simulator::new(spec, clock.now());
        let shared: Arc<dyn Clock> = Arc::new(clock);
        let outfit = Outfit {
            transport: Arc::new(sim.transport(shared.clone())),
            secrets: Arc::new(Keys(sim.credentials())),
            clock: shared,
            request_timeout: Duration::from_secs(30),
        };
        let provider = ArmCloud::open(&account(&[]), outfit).unwrap();
        let phones = sim.phones()[..3]
            .iter()
            .map(|id| PhoneId::from(id.as_str()))
            .collect();
        Self {
            sim,
            provider,
            clock,
            phones,
        }
    }

    async fn read(&self, kind: ReadKind, attribute: &Attribute) -> Observation {
        let request = ReadRequest {
            kind,
            phones: match kind {
                ReadKind::Listing | ReadKind::AppCatalogue | ReadKind::ImageCatalogue => {
                    Arc::from([])
                }
                ReadKind::Usage | ReadKind::Properties | ReadKind::Apps | ReadKind::Shell => {
                    self.phones.clone()
                }
            },
            attributes: Arc::from([attribute.clone()]),
            cursor: None,
        };
        if kind != ReadKind::Shell {
            return self.provider.read(&request).await.unwrap();
        }
        let started = self.provider.start_read(&request).await.unwrap();
        let mut rows = Vec::new();
        for (phone, output) in self.follow("asyncCmd", started).await {
            rows.push(self.provider.decode_read(
                &request,
                &phone,
                output.as_deref().unwrap_or_default(),
            ));
        }
        Observation {
            kind,
            rows,
            next: None,
            total: None,
            apps: Vec::new(),
            images: Vec::new(),
        }
    }

    /// Follows a submission to its end; the output of each phone.
    async fn follow(&self, call: &str, started: Submission) -> Vec<(PhoneId, Option<String>)> {
        let mut ended = Vec::new();
        let mut open = Vec::new();
        for (phone, outcome) in started.rows {
            match outcome {
                RowOutcome::Done => ended.push((phone, None)),
                RowOutcome::Job(job) => open.push(JobRef {
                    job,
                    phone,
                    call: call.into(),
                }),
                RowOutcome::Exists(_) | RowOutcome::Refused(_) => panic!("{call}: {outcome:?}"),
            }
        }
        for _ in 0..60 {
            if open.is_empty() {
                return ended;
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
            for report in self.provider.poll(&open).await.unwrap() {
                match report.state {
                    JobState::Open => {}
                    JobState::Succeeded(output) => {
                        open.retain(|job| job.phone != report.phone);
                        ended.push((report.phone, output));
                    }
                    JobState::Failed(words) => panic!("{call}: {words}"),
                }
            }
        }
        panic!("{call} does not end");
    }

    async fn write(&self, attribute: &Attribute, wish: Wish, source: Option<AppSource>) {
        let capabilities = self.provider.capabilities();
        let call = capabilities
            .route(attribute, &wish, source.as_ref())
            .unwrap();
        let most = usize::try_from(capabilities.call(call).unwrap().max_phones).unwrap();
        let app = match (attribute, source) {
            (Attribute::App(package), Some(source)) => Some(AppToInstall {
                package: package.clone(),
                source,
            }),
            _ => None,
        };
        for phones in self.phones.chunks(most) {
            let order = Order {
                mark: 7,
                call,
                phones: phones.into(),
                writes: Arc::from([(attribute.clone(), wish.clone())]),
                app: app.clone(),
                image: None,
            };
            let submission = self.provider.submit(&order).await.unwrap();
            assert_eq!(submission.rows.len(), phones.len(), "{attribute}");
            let ended = self.follow(call, submission).await;
            assert_eq!(ended.len(), phones.len(), "{attribute}");
        }
        // Restarts that follow a job.
        tokio::time::sleep(Duration::from_secs(120)).await;
    }

    /// Writes, and checks what is read back where it can be.
    async fn round(&self, attribute: &str, value: Value, expected: Option<Observed>) {
        let attribute: Attribute = attribute.parse().unwrap();
        self.write(&attribute, Wish::Set(value), None).await;
        let row = self.provider.capabilities().of(&attribute).unwrap();
        match (row.read, expected) {
            (ReadMethod::Never, None) => {}
            (ReadMethod::By(kind), Some(expected)) => {
                let told = self.read(kind, &attribute).await;
                for reading in self.ours(&told) {
                    let seen = reading.values.iter().find(|(name, _)| *name == attribute);
                    assert_eq!(seen.map(|(_, value)| value), Some(&expected), "{attribute}");
                }
            }
            (read, expected) => panic!("{attribute}: {read:?} {expected:?}"),
        }
    }

    fn ours<'a>(&self, told: &'a Observation) -> Vec<&'a PhoneReading> {
        let ours: Vec<_> = told
            .rows
            .iter()
            .filter(|reading| self.phones.contains(&reading.phone))
            .collect();
        assert_eq!(ours.len(), self.phones.len());
        ours
    }

    fn first(&self) -> crate::sim::phone::Phone {
        let now = self.clock.now();
        self.sim
            .change_at(now, |world| world.phone(self.phones[0].as_str()).cloned())
            .unwrap()
    }
}

fn text(text: &str) -> (Value, Option<Observed>) {
    (Value::Text(text.into()), Some(Observed::Text(text.into())))
}

fn sim_fields() -> BTreeMap<SimField, smol_str::SmolStr> {
    BTreeMap::from([
        (SimField::Imei, "490154203237518".into()),
        (SimField::Iccid, "8986000219180725557".into()),
        (SimField::Imsi, "460074008004488".into()),
        (SimField::PhoneNumber, "861234566".into()),
        (SimField::Mcc, "502".into()),
        (SimField::Mnc, "146".into()),
        (SimField::Carrier, "CHINA MOBILE".into()),
        (SimField::CellType, "9".into()),
        (SimField::CellTac, "871420".into()),
        (SimField::CellId, "870091003".into()),
        (SimField::CellNarfcn, "99240".into()),
        (SimField::CellPhysicalId, "6C".into()),
    ])
}

/// The manuals of 2025 and of 2024, and everything that may differ turned round.
fn dialects() -> [Dialect; 2] {
    [
        Dialect::default(),
        Dialect {
            numbers_as_text: true,
            one_phone_array: true,
            gps_task: true,
            no_task_status: true,
            task_list: false,
            other_names: true,
            cell_required: true,
            output_in_error: true,
            message_on_success: true,
            hide_system_apps: true,
            ..Dialect::default()
        },
    ]
}

#[tokio::test(start_paused = true)]
async fn every_attribute_is_written_and_read_back() {
    for dialect in dialects() {
        let bench = Bench::new(dialect);
        // The SIM by country restarts and redraws: first.
        bench
            .round("sim-country", Value::Text("JP".into()), None)
            .await;
        assert_eq!(bench.first().country, "JP");
        for (attribute, (value, expected)) in [
            ("property/ro.product.model", text("OP52D1L1")),
            ("property/ro.sys.cloud.android_id", text("aa6bcedf1426546c")),
            ("property/persist.sys.cloud.wifi.ssid", text("office")),
            ("property/debug.example", text("it's 5 o'clock")),
            ("property/modem/IMEI", text("490154203237518")),
            ("property/oaid/OAID", text("001")),
            ("property/setting/bt/mac", text("00:11:22:33:44:55")),
            ("timezone", text("Asia/Tokyo")),
            ("language", text("ja-JP")),
            ("setting/global/example_name", text("a b'c; d")),
        ] {
            bench.round(attribute, value, expected).await;
        }
        let readable: BTreeMap<_, _> = sim_fields()
            .into_iter()
            .filter(|(field, _)| *field < SimField::CellType)
            .collect();
        bench
            .round(
                "sim",
                Value::Sim(sim_fields()),
                Some(Observed::Sim(readable)),
            )
            .await;
        for on in [true, false] {
            bench
                .round("adb", Value::Flag(on), Some(Observed::Flag(on)))
                .await;
        }
        assert_eq!(bench.sim.report().bad_signatures, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn write_only_attributes_arrive() {
    for dialect in dialects() {
        let bench = Bench::new(dialect);
        let location = Location {
            latitude: "1.3521".into(),
            longitude: "-103.8198".into(),
            altitude: None,
            speed: None,
            bearing: None,
            horizontal_accuracy: None,
        };
        bench
            .round("location", Value::Location(Box::new(location)), None)
            .await;
        let there = bench.first().location.unwrap();
        assert_eq!((there.latitude, there.longitude), (1.3521, -103.8198));
        let limits = Bandwidth {
            up_mbps: 2,
            down_mbps: 10,
        };
        bench
            .round("bandwidth", Value::Bandwidth(limits), None)
            .await;
        assert_eq!(bench.first().bandwidth.unwrap().down, 10.0);
        let endpoint = ProxyEndpoint {
            mode: ProxyMode::Proxy,
            protocol: ProxyProtocol::Socks5,
            host: "proxy.example".into(),
            port: 1080,
            username: Some("qa".into()),
            password: Some(SecretRef::Env("PW".into())),
            bypass: crate::model::value::Bypass::default(),
        };
        let via = Value::Proxy(Box::new(Proxy::Via(endpoint)));
        bench.round("proxy", via, None).await;
        let proxy = bench.first().proxy.unwrap();
        assert_eq!(proxy.password.as_deref(), Some("proxy-password"));
        assert_eq!((&*proxy.proxy_name, proxy.port), ("socks5", 1080));
        bench.write(&Attribute::Proxy, Wish::Reset, None).await;
        assert_eq!(bench.first().proxy, None);
    }
}

#[tokio::test(start_paused = true)]
async fn apps_are_installed_started_stopped_and_removed() {
    for dialect in dialects() {
        let bench = Bench::new(dialect);
        let catalogue = bench
            .read(ReadKind::AppCatalogue, &Attribute::Adb)
            .await
            .apps;
        let offered = catalogue.first().unwrap();
        let package = offered.package.clone().unwrap();
        let (app, running) = (
            Attribute::App(package.clone()),
            Attribute::Running(package.clone()),
        );
        let installed = async || {
            let told = bench.read(ReadKind::Apps, &app).await;
            bench
                .ours(&told)
                .iter()
                .filter(|reading| {
                    let apps = reading.apps.as_ref().unwrap();
                    apps.iter().any(|app| app.package == package)
                })
                .count()
        };
        bench.sim.change(|world| {
            for phone in &*bench.phones {
                world
                    .phone_mut(phone.as_str())
                    .unwrap()
                    .uninstall(package.as_str());
            }
        });
        assert_eq!(installed().await, 0);
        let present = || {
            Wish::Set(Value::App(AppWish::Present {
                app: None,
                version: VersionWish::Any,
            }))
        };
        let by_id = AppSource::Catalogue {
            account: AccountName::new("hk"),
            app_id: offered.app_id.clone(),
        };
        bench.write(&app, present(), Some(by_id)).await;
        assert_eq!(installed().await, 3);
        for on in [true, false] {
            bench
                .round(
                    &running.to_string(),
                    Value::Flag(on),
                    Some(Observed::Flag(on)),
                )
                .await;
        }
        let absent = Wish::Set(Value::App(AppWish::Absent));
        bench.write(&app, absent, None).await;
        assert_eq!(installed().await, 0);
        let by_url = AppSource::Url {
            url: "https://files.example/other.apk".into(),
            md5: None,
            size_mb: None,
            version: None,
            version_code: None,
        };
        let other = Attribute::App(Package::new("com.example.other"));
        bench.write(&other, present(), Some(by_url)).await;
        let first = bench.first();
        assert!(first.app("com.example.other").is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn images_are_listed_and_upgraded() {
    for dialect in dialects() {
        let bench = Bench::new(dialect);
        let images = bench
            .read(ReadKind::ImageCatalogue, &Attribute::Image)
            .await
            .images;
        let now = bench.first().image.id.clone();
        let target = images.iter().find(|image| image.id != now).unwrap();
        let value = Value::Image(Image {
            target: ImageTarget::Id(target.id.clone()),
            wipe_data: false,
        });
        let expected = Observed::Image {
            id: Some(target.id.clone()),
            version: target.version.clone(),
        };
        bench.round("image", value, Some(expected)).await;
        let usage = bench.read(ReadKind::Usage, &Attribute::Image).await;
        for reading in bench.ours(&usage) {
            let listed = reading.listed.as_ref().unwrap();
            assert_eq!(
                (listed.state, listed.in_use),
                (RunState::Running, Some(false))
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lost_work_is_found_where_the_vendor_has_a_list() {
    for dialect in dialects() {
        let listed = dialect.task_list;
        let bench = Bench::new(dialect);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let sent_at: Timestamp = bench.clock.now();
        let attribute: Attribute = "setting/global/x".parse().unwrap();
        let wish = Wish::Set(Value::Text("1".into()));
        bench.write(&attribute, wish, None).await;
        let lost = LostSubmit {
            mark: 7,
            call: "asyncCmd".into(),
            phones: bench.phones.clone(),
            writes: [].into(),
            sent_at,
        };
        let found = bench.provider.find(&lost).await.unwrap();
        match (listed, found) {
            (true, Found::Jobs(jobs)) => assert_eq!(jobs.len(), 3),
            (false, Found::CannotLook) => {}
            (_, other) => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_probe_meets_the_simulated_clock() {
    let bench = Bench::new(Dialect::default());
    let probe = bench.provider.probe().await.unwrap();
    assert_eq!(probe.phones, Some(5));
    // The answer travels for a few milliseconds.
    assert!(probe.clock_offset.unwrap().abs() < 100);
}
