//! The adapter against the simulated vendor, in virtual time: every attribute is written, followed to its end and read back, however the vendor is set up.

use super::*;
use crate::model::attribute::Attribute;
use crate::model::capability::ReadMethod;
use crate::model::fleet::AppSource;
use crate::model::id::Package;
use crate::model::observed::{InstalledApp, Observed, PhoneReading, ReadKind, RunState};
use crate::model::value::{
    AppWish, Bypass, Location, Proxy, ProxyEndpoint, ProxyMode, ProxyProtocol, VersionWish,
};
use crate::provider::{
    Accepted, AppToInstall, ErrorKind, Found, JobState, LostSubmit, Provider, ReadRequest,
    RowOutcome, Submission,
};
use crate::sim::world::World;
use crate::sim::zenlayer::{Dialect, Guest, TOKEN};
use crate::sim::{Simulator, Spec};
use crate::time::clock::TokioClock;

const URL: &str = "https://apps.example/com.example.chat-2.0.1.apk";

struct Keys;

impl Secrets for Keys {
    fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        Ok(match reference {
            SecretRef::Env(name) if name == "AK" => crate::sim::ACCESS_KEY,
            SecretRef::Env(name) if name == "TOKEN" => TOKEN,
            SecretRef::Env(_)
            | SecretRef::Credential(_)
            | SecretRef::File(_)
            | SecretRef::Csv { .. } => crate::sim::SECRET_KEY,
        }
        .into())
    }
}

struct Bench {
    sim: Simulator,
    provider: Zenlayer,
    clock: TokioClock,
    phones: Arc<[PhoneId]>,
}

impl Bench {
    fn new(dialect: Dialect, account: &Account) -> Self {
        let clock = TokioClock::starting_at(NOW);
        let spec = Spec {
            phones: 5,
            check_clock: true,
            ..Spec::of(ProviderKind::Zenlayer)
        };
        let sim = Simulator::new(spec, clock.now());
        sim.change(|world| *world.zenlayer() = dialect);
        let shared: Arc<dyn Clock> = Arc::new(clock);
        let outfit = Outfit {
            transport: Arc::new(sim.transport(shared.clone())),
            secrets: Arc::new(Keys),
            clock: shared,
            request_timeout: Duration::from_secs(30),
        };
        let provider = Zenlayer::open(account, outfit).unwrap();
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

    fn plain() -> Self {
        Self::new(Dialect::default(), &account(&[]))
    }

    /// Follows a submission to its end; the output of each phone.
    async fn follow(&self, started: Submission) -> Vec<(PhoneId, JobState)> {
        let mut ended = Vec::new();
        let mut open: Vec<JobRef> = started
            .rows
            .into_iter()
            .map(|(phone, outcome)| match outcome {
                RowOutcome::Job(job) => JobRef {
                    job,
                    phone,
                    call: call::SETTINGS.into(),
                },
                RowOutcome::Done | RowOutcome::Exists(_) | RowOutcome::Refused(_) => {
                    panic!("{outcome:?}")
                }
            })
            .collect();
        for _ in 0..60 {
            if open.is_empty() {
                return ended;
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
            for report in self.provider.poll(&open).await.unwrap() {
                if report.state != JobState::Open {
                    open.retain(|job| job.phone != report.phone);
                    ended.push((report.phone, report.state));
                }
            }
        }
        panic!("{open:?} do not end");
    }

    /// What a read by shell tells of our phones.
    async fn read(&self, attributes: &[Attribute]) -> Vec<PhoneReading> {
        let request = ReadRequest {
            kind: ReadKind::Shell,
            phones: self.phones.clone(),
            attributes: attributes.into(),
            cursor: None,
        };
        let started = self.provider.start_read(&request).await.unwrap();
        let mut readings = Vec::new();
        for (phone, state) in self.follow(started).await {
            let JobState::Succeeded(Some(output)) = state else {
                panic!("{state:?}")
            };
            readings.push(self.provider.decode_read(&request, &phone, &output));
        }
        assert_eq!(readings.len(), self.phones.len());
        readings
    }

    async fn write(&self, attribute: &Attribute, wish: Wish, source: Option<AppSource>) {
        let capabilities = self.provider.capabilities();
        let call = capabilities
            .route(attribute, &wish, source.as_ref())
            .unwrap();
        let app = match (attribute, source) {
            (Attribute::App(package), Some(source)) => Some(AppToInstall {
                package: package.clone(),
                source,
            }),
            (_, _) => None,
        };
        let order = Order {
            mark: 7,
            call,
            phones: self.phones.clone(),
            writes: [(attribute.clone(), wish)].into(),
            app,
            image: None,
        };
        let submission = self.provider.submit(&order).await.unwrap();
        for (_, state) in self.follow(submission).await {
            assert!(
                matches!(state, JobState::Succeeded(_)),
                "{attribute}: {state:?}"
            );
        }
    }

    /// Writes, and checks what is read back.
    async fn round(&self, attribute: &str, wish: Wish, expected: Observed) {
        let attribute: Attribute = attribute.parse().unwrap();
        self.write(&attribute, wish, None).await;
        let row = self.provider.capabilities().of(&attribute).unwrap();
        assert_eq!(row.read, ReadMethod::By(ReadKind::Shell));
        for reading in self.read(std::slice::from_ref(&attribute)).await {
            assert_eq!(reading.values, [(attribute.clone(), expected.clone())]);
        }
    }

    async fn apps(&self, package: &str) -> Vec<Option<InstalledApp>> {
        let attribute = Attribute::App(Package::new(package));
        let readings = self.read(&[attribute]).await;
        let readings = readings.into_iter();
        readings
            .map(|reading| {
                let apps = reading.apps.unwrap();
                assert!(apps.len() >= 3);
                apps.into_iter().find(|app| app.package.as_str() == package)
            })
            .collect()
    }
}

fn text(text: &str) -> (Wish, Observed) {
    (
        Wish::Set(Value::Text(text.into())),
        Observed::Text(text.into()),
    )
}

fn http_proxy() -> Wish {
    Wish::Set(Value::Proxy(Box::new(Proxy::Via(ProxyEndpoint {
        mode: ProxyMode::Proxy,
        protocol: ProxyProtocol::Http,
        host: "proxy.example".into(),
        port: 3128,
        username: None,
        password: None,
        bypass: Bypass::default(),
    }))))
}

/// How the vendor may be set up, with the account that goes with it.
fn benches() -> Vec<Bench> {
    let mut bearer = account(&[]);
    bearer.credentials = [("token".into(), SecretRef::Env("TOKEN".into()))].into();
    let dialect = Dialect::default;
    vec![
        Bench::plain(),
        Bench::new(
            Dialect {
                zone: 480,
                no_totals: false,
                no_exit_code: true,
                ..dialect()
            },
            &bearer,
        ),
        Bench::new(
            Dialect {
                guest: Guest::Container("phone".into()),
                ..dialect()
            },
            &account(&[("commandPrefix", "docker exec phone sh -c")]),
        ),
        Bench::new(
            Dialect {
                guest: Guest::Bridge("localhost:5555".into()),
                ..dialect()
            },
            &account(&[("commandPrefix", "adb -s localhost:5555 shell")]),
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn every_attribute_is_written_and_read_back() {
    for bench in benches() {
        for (attribute, (wish, expected)) in [
            ("timezone", text("Asia/Tokyo")),
            ("language", text("ja-JP")),
            ("property/persist.sys.fleet.ring", text("3")),
            ("property/debug.example", text("it's 5 o'clock")),
            ("setting/global/example_name", text("a b'c; d $HOME `x`")),
            ("setting/secure/location_mode", text("3")),
        ] {
            bench.round(attribute, wish, expected).await;
        }
        let told = Observed::Text("proxy.example:3128".into());
        bench.round("proxy", http_proxy(), told).await;
        let direct = Wish::Set(Value::Proxy(Box::new(Proxy::Direct)));
        bench.round("proxy", direct, Observed::Missing).await;
        let setting = "setting/global/example_name";
        bench.round(setting, Wish::Reset, Observed::Missing).await;
        for on in [true, false] {
            let wish = Wish::Set(Value::Flag(on));
            let running = "running/com.android.settings";
            bench.round(running, wish, Observed::Flag(on)).await;
        }
        let report = bench.sim.report();
        let bad = (
            report.bad_signatures,
            report.double_jobs,
            report.refused.len(),
        );
        assert_eq!(bad, (0, 0, 0), "{report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn positions_arrive_and_go() {
    for bench in benches() {
        let wish = Wish::Set(Value::Location(Box::new(Location {
            latitude: "52.52".into(),
            longitude: "-13.405".into(),
            altitude: None,
            speed: None,
            bearing: None,
            horizontal_accuracy: None,
        })));
        let places = || {
            let phones = bench.sim.phones().into_iter().take(3);
            let places = phones.map(|id| bench.sim.phone(&id).unwrap().location);
            places.map(|place| place.map(|place| (place.latitude, place.longitude)))
        };
        bench.write(&Attribute::Location, wish, None).await;
        assert!(places().all(|place| place == Some((52.52, -13.405))));
        bench.write(&Attribute::Location, Wish::Reset, None).await;
        assert!(places().all(|place| place.is_none()));
    }
}

#[tokio::test(start_paused = true)]
async fn apps_come_from_a_url_and_go() {
    for bench in benches() {
        let chat = Attribute::App(Package::new("com.example.chat"));
        let present = Wish::Set(Value::App(AppWish::Present {
            app: None,
            version: VersionWish::Any,
        }));
        let source = AppSource::Url {
            url: URL.into(),
            md5: None,
            size_mb: None,
            version: None,
            version_code: None,
        };
        assert_eq!(bench.apps("com.example.chat").await, [None, None, None]);
        bench.write(&chat, present, Some(source)).await;
        for app in bench.apps("com.example.chat").await {
            let app = app.unwrap();
            assert_eq!(
                (app.version_name.as_deref(), app.version_code, app.system),
                (Some("2.0.1"), Some(201), Some(false))
            );
        }
        let absent = Wish::Set(Value::App(AppWish::Absent));
        bench.write(&chat, absent, None).await;
        assert_eq!(bench.apps("com.example.chat").await, [None, None, None]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_only_be_read_is_read() {
    let bench = Bench::plain();
    let model: Attribute = "property/ro.product.model".parse().unwrap();
    for reading in bench.read(std::slice::from_ref(&model)).await {
        let told = Observed::Text("Mi 10 Pro".into());
        assert_eq!(reading.values, [(model.clone(), told)]);
    }
    let request = ReadRequest {
        kind: ReadKind::Listing,
        phones: phones(&[]),
        attributes: [].into(),
        cursor: None,
    };
    bench.sim.change(|world| {
        world.zenlayer().without_agent.insert("i-zec0000002".into());
    });
    let listing = bench.provider.read(&request).await.unwrap();
    assert_eq!((listing.rows.len(), listing.next), (5, None));
    let first = &listing.rows[0];
    let image = Observed::Image {
        id: Some("img-25030796215".into()),
        version: Some("20250307_4".into()),
    };
    assert_eq!(first.values, [(Attribute::Image, image)]);
    let listed = first.listed.as_ref().unwrap();
    assert_eq!(listed.state, RunState::Running);
    assert_eq!(listed.provider_group, Some("rg-1".into()));
    let second = listing.rows[1].listed.as_ref().unwrap();
    assert_eq!(second.state, RunState::Abnormal);
}

#[tokio::test(start_paused = true)]
async fn equal_scripts_at_once_share_one_stored_command() {
    let bench = Bench::plain();
    let orders: Vec<Order> = bench
        .phones
        .iter()
        .map(|phone| order(&[phone.as_str()], "Asia/Tokyo"))
        .collect();
    let submits = orders.iter().map(|order| bench.provider.submit(order));
    let submissions = futures_util::future::try_join_all(submits).await.unwrap();
    assert_eq!(submissions.len(), 3);
    let stored = bench.sim.change(World::commands_ever_stored);
    assert_eq!(stored, 1);
    assert_eq!(bench.sim.report().calls_to("CreateCommand"), 1);
    for submission in submissions {
        bench.follow(submission).await;
    }
    while bench.provider.tidy().await.unwrap() {}
    let left = bench.sim.change(World::stored_commands);
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn read_commands_stay_an_hour() {
    let bench = Bench::plain();
    let zone: Attribute = "timezone".parse().unwrap();
    bench.read(&[zone]).await;
    while bench.provider.tidy().await.unwrap() {}
    let left = bench.sim.change(World::stored_commands);
    assert_eq!(left.len(), 1);
    assert!(left[0].starts_with("phonefleet-read-"));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    while bench.provider.tidy().await.unwrap() {}
    assert!(bench.sim.change(World::stored_commands).is_empty());
}

#[tokio::test(start_paused = true)]
async fn commands_lost_behind_our_back_are_made_anew() {
    let bench = Bench::plain();
    let tokyo = text("Asia/Tokyo");
    bench
        .round("timezone", tokyo.0.clone(), tokyo.1.clone())
        .await;
    bench.sim.change(World::lose_stored_commands);
    bench.round("timezone", tokyo.0, tokyo.1).await;
    assert_eq!(bench.sim.change(World::commands_ever_stored), 4);
}

#[tokio::test(start_paused = true)]
async fn a_lost_submit_is_found_in_whatever_zone_the_vendor_counts() {
    for zone in [0, 480, -300] {
        let dialect = Dialect {
            zone,
            ..Dialect::default()
        };
        let bench = Bench::new(dialect, &account(&[]));
        bench.sim.change(|world| {
            let faults = crate::sim::faults::Faults::parse("lost=1").unwrap();
            world.set_faults(faults);
        });
        let sent_at = bench.clock.now();
        let ids: Vec<&str> = bench.phones.iter().map(PhoneId::as_str).collect();
        // Looking up and making the command is lost, too; what it made is found.
        for _ in 0..2 {
            let error = bench
                .provider
                .submit(&order(&ids, "Asia/Tokyo"))
                .await
                .unwrap_err();
            assert_eq!(error.accepted, Accepted::No);
        }
        bench
            .sim
            .change(|world| world.set_faults(Default::default()));
        let command = bench.provider.submit(&order(&ids, "Asia/Tokyo")).await;
        let mut jobs: Vec<_> = command.unwrap().rows.into_iter().collect();
        jobs.sort_by(|one, other| one.0.cmp(&other.0));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let lost = LostSubmit {
            mark: 7,
            call: call::SETTINGS.into(),
            phones: bench.phones.clone(),
            writes: order(&ids, "Asia/Tokyo").writes,
            sent_at,
        };
        // Another process, which has not learned the zone.
        let other = Bench {
            provider: Zenlayer::open(&account(&[]), outfit_of(&bench)).unwrap(),
            sim: bench.sim.clone(),
            clock: bench.clock,
            phones: bench.phones.clone(),
        };
        assert_eq!(other.provider.find(&lost).await, Ok(Found::NotYet));
        for bench in [&bench, &other] {
            // Its first reading teaches it.
            tokio::time::sleep(Duration::from_secs(60)).await;
            bench.read(&["timezone".parse().unwrap()]).await;
            let Found::Jobs(found) = bench.provider.find(&lost).await.unwrap() else {
                panic!("it can look")
            };
            let found: Vec<_> = found
                .into_iter()
                .map(|(phone, job)| (phone, RowOutcome::Job(job)))
                .collect();
            assert_eq!(found, jobs, "zone {zone}");
        }
    }
}

fn outfit_of(bench: &Bench) -> Outfit {
    let shared: Arc<dyn Clock> = Arc::new(bench.clock);
    Outfit {
        transport: Arc::new(bench.sim.transport(shared.clone())),
        secrets: Arc::new(Keys),
        clock: shared,
        request_timeout: Duration::from_secs(30),
    }
}

#[tokio::test(start_paused = true)]
async fn phones_that_cannot_run_commands_are_named() {
    let bench = Bench::plain();
    bench.sim.change(|world| {
        world.zenlayer().without_agent.insert("i-zec0000002".into());
        world.set_status("i-zec0000003", 18);
    });
    let submit = async |ids: &[&str]| {
        bench
            .provider
            .submit(&order(ids, "Asia/Tokyo"))
            .await
            .unwrap_err()
    };
    let error = submit(&["i-zec0000001", "i-zec0000002"]).await;
    assert_eq!(
        (error.kind, error.accepted),
        (ErrorKind::Refused, Accepted::No)
    );
    assert_eq!(error.phones, [PhoneId::new("i-zec0000002")]);
    let error = submit(&["i-zec0000001", "i-zec0000003"]).await;
    assert_eq!(
        (error.kind, error.accepted),
        (ErrorKind::NotReady, Accepted::No)
    );
    assert_eq!(error.phones, [PhoneId::new("i-zec0000003")]);
    let error = submit(&["i-zec0000001", "i-nobody"]).await;
    assert_eq!(
        (error.kind, error.accepted),
        (ErrorKind::NotFound, Accepted::No)
    );
    assert_eq!(error.phones, [PhoneId::new("i-nobody")]);
}

#[tokio::test(start_paused = true)]
async fn a_failing_script_is_a_failed_job() {
    let bench = Bench::new(
        Dialect {
            guest: Guest::Container("phone".into()),
            ..Dialect::default()
        },
        &account(&[]),
    );
    let ids: Vec<&str> = bench.phones.iter().map(PhoneId::as_str).collect();
    let submission = bench.provider.submit(&order(&ids, "Asia/Tokyo")).await;
    for (_, state) in bench.follow(submission.unwrap()).await {
        let JobState::Failed(words) = state else {
            panic!("{state:?}")
        };
        assert_eq!(words, "Failed, exit status 127: sh: 1: setprop: not found");
    }
}
