//! The surface: against a client that signs by hand, and against the program's adapter, for which every attribute it says it can write takes effect in the world
//! and every one it says it can read comes back.

use super::SECURITY_TOKEN;
use crate::model::attribute::Attribute;
use crate::model::capability::ReadMethod;
use crate::model::desired::Origin;
use crate::model::fleet::{Account, AccountLimits, AppSource, ProviderKind};
use crate::model::id::{AccountName, Package, PhoneId, VendorIdentity};
use crate::model::observed::{Cursor, InstalledApp, Observation, Observed, ReadKind, RunState};
use crate::model::stamp::Timestamp;
use crate::model::value::{
    AppWish, Bandwidth, Bypass, Image, ImageTarget, Proxy, ProxyEndpoint, ProxyMode, ProxyProtocol,
    SecretRef, Value, VersionWish, Wish,
};
use crate::provider::registry::{Outfit, open};
use crate::provider::{
    AppToInstall, ErrorKind, Found, JobRef, JobState, LostSubmit, Order, Provider, ReadRequest,
    RowOutcome, Submission,
};
use crate::secret::{SecretError, Secrets};
use crate::sim::faults::Faults;
use crate::sim::phone::Phone;
use crate::sim::{ACCESS_KEY, Outcome, SECRET_KEY, Simulator, Spec};
use crate::time::clock::{Clock, TokioClock};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

const START: Timestamp = Timestamp(1_795_000_000_000);

fn spec(phones: u32) -> Spec {
    Spec {
        phones,
        ..Spec::of(ProviderKind::Alibaba)
    }
}

/// Gives the simulator's keys by their names.
struct Keys;

impl Secrets for Keys {
    fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        let SecretRef::Env(name) = reference else {
            panic!("{reference:?}")
        };
        Ok(match name.as_str() {
            "ACCESS" => ACCESS_KEY,
            "SECRET" => SECRET_KEY,
            "TOKEN" => SECURITY_TOKEN,
            _ => "wrong",
        }
        .into())
    }
}

/// The program's adapter over a simulator.
struct Bench {
    sim: Simulator,
    clock: TokioClock,
    provider: Arc<dyn Provider>,
    phones: Arc<[PhoneId]>,
}

impl Bench {
    fn new(spec: Spec) -> Self {
        Self::signing(spec, &[("accessKey", "ACCESS"), ("secretKey", "SECRET")])
    }

    fn signing(spec: Spec, keys: &[(&str, &str)]) -> Self {
        let clock = TokioClock::starting_at(START);
        let sim = Simulator::new(spec, START);
        let account = Account {
            name: AccountName::new("lab"),
            provider: ProviderKind::Alibaba,
            endpoint: "http://127.0.0.1:9".into(),
            identity: VendorIdentity::new("lab"),
            credentials: keys
                .iter()
                .map(|(name, value)| ((*name).into(), SecretRef::Env((*value).into())))
                .collect(),
            limits: AccountLimits::default(),
            options: [].into(),
            origin: Origin {
                file: "test".into(),
                line: 1,
                column: 1,
            },
        };
        let shared: Arc<dyn Clock> = Arc::new(clock);
        let outfit = Outfit {
            transport: Arc::new(sim.transport(Arc::clone(&shared))),
            secrets: Arc::new(Keys),
            clock: shared,
            request_timeout: Duration::from_secs(30),
        };
        Self {
            provider: open(&account, outfit).unwrap(),
            phones: sim.phones()[..3.min(sim.phones().len())]
                .iter()
                .map(|id| id.as_str().into())
                .collect(),
            sim,
            clock,
        }
    }

    fn phone(&self, place: usize) -> Phone {
        self.sim.phone(self.phones[place].as_str()).unwrap()
    }

    async fn list(&self, kind: ReadKind, cursor: Option<Cursor>) -> Observation {
        let request = ReadRequest {
            kind,
            phones: [].into(),
            attributes: [].into(),
            cursor,
        };
        self.provider.read(&request).await.unwrap()
    }

    fn request(&self, kind: ReadKind, attributes: &[&str]) -> ReadRequest {
        ReadRequest {
            kind,
            phones: self.phones.clone(),
            attributes: attributes
                .iter()
                .map(|text| text.parse().unwrap())
                .collect(),
            cursor: None,
        }
    }

    /// Values and apps of the first phone, by shell.
    async fn by_shell(&self, attributes: &[&str]) -> (Vec<Observed>, Option<Vec<InstalledApp>>) {
        let request = self.request(ReadKind::Shell, attributes);
        let started = self.provider.start_read(&request).await.unwrap();
        assert_eq!(started.rows.len(), self.phones.len());
        let ends = self.follow("read", started).await;
        let (phone, end) = &ends[0];
        let JobState::Succeeded(Some(output)) = end else {
            panic!("{end:?}")
        };
        let reading = self.provider.decode_read(&request, phone, output);
        let values = request.attributes.iter().filter_map(|wanted| {
            let mut values = reading.values.iter();
            values.find(|(name, _)| name == wanted)
        });
        (
            values.map(|(_, value)| value.clone()).collect(),
            reading.apps,
        )
    }

    /// Follows a submission to its end, in the order of its rows.
    async fn follow(&self, call: &str, started: Submission) -> Vec<(PhoneId, JobState)> {
        let mut ends = Vec::new();
        let jobs: Vec<JobRef> = started
            .rows
            .into_iter()
            .map(|(phone, outcome)| match outcome {
                RowOutcome::Job(job) => JobRef {
                    job,
                    phone,
                    call: call.into(),
                },
                RowOutcome::Done | RowOutcome::Exists(_) | RowOutcome::Refused(_) => {
                    panic!("{call}: {outcome:?}")
                }
            })
            .collect();
        let mut open = jobs.clone();
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_secs(5)).await;
            for report in self.provider.poll(&open).await.unwrap() {
                if report.state != JobState::Open {
                    open.retain(|job| job.phone != report.phone);
                    ends.push((report.phone, report.state));
                }
            }
            if open.is_empty() {
                ends.sort_by_key(|(phone, _)| jobs.iter().position(|job| job.phone == *phone));
                return ends;
            }
        }
        panic!("{call} does not end")
    }

    fn order(&self, attribute: &str, wish: Wish, source: Option<AppSource>) -> Order {
        let attribute: Attribute = attribute.parse().unwrap();
        let capabilities = self.provider.capabilities();
        assert_eq!(
            capabilities.refuses.0(&attribute, &wish, source.as_ref()),
            None
        );
        let call = capabilities
            .route(&attribute, &wish, source.as_ref())
            .unwrap();
        let app = match (&attribute, source) {
            (Attribute::App(package), Some(source)) => Some(AppToInstall {
                package: package.clone(),
                source,
            }),
            _ => None,
        };
        Order {
            mark: 7,
            call,
            phones: self.phones.clone(),
            writes: [(attribute, wish)].into(),
            app,
            image: None,
        }
    }

    /// Carries a wish out on all phones; the first one afterwards.
    async fn write(&self, attribute: &str, wish: Wish, source: Option<AppSource>) -> Phone {
        let order = self.order(attribute, wish, source);
        let started = self.provider.submit(&order).await.unwrap();
        assert_eq!(started.rows.len(), self.phones.len(), "{attribute}");
        if started.rows.iter().any(|(_, end)| *end != RowOutcome::Done) {
            for (phone, end) in self.follow(order.call, started).await {
                assert!(
                    matches!(end, JobState::Succeeded(_)),
                    "{attribute} {phone}: {end:?}"
                );
            }
        }
        self.phone(0)
    }

    fn is_clean(&self) {
        let report = self.sim.report();
        let bad = (report.bad_signatures, report.double_jobs, report.throttled);
        assert_eq!(bad, (0, 0, 0), "{report:?}");
        assert!(report.refused.is_empty(), "{report:?}");
    }
}

fn text(value: &str) -> Wish {
    Wish::Set(Value::Text(value.into()))
}

fn present() -> Wish {
    Wish::Set(Value::App(AppWish::Present {
        app: None,
        version: VersionWish::Any,
    }))
}

#[tokio::test(start_paused = true)]
async fn values_inside_the_phone_are_written_and_read_back() {
    let bench = Bench::new(spec(5));
    let cases = [
        ("timezone", "Asia/Singapore"),
        ("property/persist.sys.fleet.ring", "3"),
        ("property/debug.fleet", "on"),
        ("setting/global/zen_mode", "it's 'quoted' $HOME; `x`"),
        ("setting/secure/location_mode", "3"),
    ];
    for (attribute, value) in cases {
        bench.write(attribute, text(value), None).await;
        let (values, _) = bench.by_shell(&[attribute]).await;
        assert_eq!(values, [Observed::Text(value.into())], "{attribute}");
    }
    let names: Vec<&str> = cases.iter().map(|(name, _)| *name).collect();
    let (values, apps) = bench.by_shell(&names).await;
    let wanted: Vec<Observed> = cases
        .iter()
        .map(|(_, value)| Observed::Text((*value).into()))
        .collect();
    assert_eq!((values, apps), (wanted, None));
    bench.is_clean();
}

#[tokio::test(start_paused = true)]
async fn many_writes_go_in_one_script() {
    let bench = Bench::new(spec(5));
    let mut order = bench.order("timezone", text("Europe/Berlin"), None);
    order.writes = [
        ("timezone", "Europe/Berlin"),
        ("property/persist.sys.fleet.ring", "7"),
        ("setting/system/screen_brightness", "12"),
    ]
    .map(|(name, value)| (name.parse().unwrap(), text(value)))
    .into();
    let started = bench.provider.submit(&order).await.unwrap();
    bench.follow(order.call, started).await;
    let phone = bench.phone(2);
    assert_eq!(phone.timezone, "Europe/Berlin");
    assert_eq!(phone.property("persist.sys.fleet.ring").unwrap(), "7");
    assert_eq!(phone.setting("system/screen_brightness").unwrap(), "12");
    assert_eq!(bench.sim.report().calls_to("RunCommand"), 1);
    bench.is_clean();
}

#[tokio::test(start_paused = true)]
async fn a_language_restarts_the_framework() {
    let bench = Bench::new(spec(5));
    bench.write("language", text("de-DE"), None).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    let (values, _) = bench.by_shell(&["language"]).await;
    assert_eq!(values, [Observed::Text("de-DE".into())]);
    assert_eq!(bench.phone(0).language, "de-DE");
}

#[tokio::test(start_paused = true)]
async fn a_proxy_is_set_and_taken_back() {
    let bench = Bench::new(spec(5));
    let via = Proxy::Via(ProxyEndpoint {
        mode: ProxyMode::Proxy,
        protocol: ProxyProtocol::Http,
        host: "proxy.example".into(),
        port: 8080,
        username: None,
        password: None,
        bypass: Bypass::default(),
    });
    let wish = |proxy| Wish::Set(Value::Proxy(Box::new(proxy)));
    let phone = bench.write("proxy", wish(via), None).await;
    assert_eq!(
        phone.setting("global/http_proxy").unwrap(),
        "proxy.example:8080"
    );
    let (set, _) = bench.by_shell(&["proxy"]).await;
    let phone = bench.write("proxy", wish(Proxy::Direct), None).await;
    assert_eq!(phone.setting("global/http_proxy").unwrap(), ":0");
    let (direct, _) = bench.by_shell(&["proxy"]).await;
    assert_eq!((set.len(), direct.len()), (1, 1));
    assert_ne!(set, direct);
    bench.is_clean();
}

#[tokio::test(start_paused = true)]
async fn limits_are_listed_and_adb_has_a_list_of_its_own() {
    let bench = Bench::new(spec(5));
    let limits = Bandwidth {
        up_mbps: 4,
        down_mbps: 20,
    };
    bench
        .write("bandwidth", Wish::Set(Value::Bandwidth(limits)), None)
        .await;
    let listing = bench.list(ReadKind::Listing, None).await;
    let bandwidth = |place: usize| {
        let mut values = listing.rows[place].values.iter();
        values.find_map(|(name, value)| (*name == Attribute::Bandwidth).then(|| value.clone()))
    };
    assert_eq!(bandwidth(0), Some(Observed::Bandwidth(limits)));
    let none = Bandwidth {
        up_mbps: 0,
        down_mbps: 0,
    };
    assert_eq!(bandwidth(4), Some(Observed::Bandwidth(none)));

    let request = bench.request(ReadKind::Properties, &["adb"]);
    let flags = async || {
        let rows = bench.provider.read(&request).await.unwrap().rows;
        let flag = |row: &crate::model::observed::PhoneReading| row.values[0].1.clone();
        rows.iter().map(flag).collect::<Vec<_>>()
    };
    assert_eq!(flags().await, vec![Observed::Flag(false); 3]);
    for on in [true, false] {
        let phone = bench.write("adb", Wish::Set(Value::Flag(on)), None).await;
        assert_eq!(phone.adb, on);
        assert_eq!(flags().await, vec![Observed::Flag(on); 3]);
    }
    bench.write("adb", Wish::Reset, None).await;
    bench.is_clean();
}

#[tokio::test(start_paused = true)]
async fn apps_come_by_catalogue_and_by_url_run_and_go() {
    let bench = Bench::new(spec(15));
    let catalogue = AppSource::Catalogue {
        account: AccountName::new("lab"),
        app_id: "501".into(),
    };
    let url = AppSource::Url {
        url: "https://files.example/notes-2.3.4-57.apk".into(),
        md5: Some("32e1f345f209a7dc1cc704913ea436d3".into()),
        size_mb: None,
        version: None,
        version_code: None,
    };
    bench
        .write("app/com.example.maps", present(), Some(catalogue))
        .await;
    bench
        .write("app/com.example.notes", present(), Some(url))
        .await;
    let running = "running/com.example.notes";
    bench
        .write(running, Wish::Set(Value::Flag(true)), None)
        .await;
    let asked = ["app/com.example.maps", "app/com.example.notes", running];
    let (values, apps) = bench.by_shell(&asked).await;
    assert!(values.contains(&Observed::Flag(true)), "{values:?}");
    let apps = apps.unwrap();
    let find = |package: &str| {
        apps.iter()
            .find(|app| app.package.as_str() == package)
            .map(|app| (app.version_code, app.version_name.as_deref(), app.system))
    };
    let (code, name, _) = find("com.example.maps").unwrap();
    assert_eq!((code, name), (Some(142), Some("1.4.2")));
    assert_eq!(find("com.example.notes").unwrap().0, Some(57));
    assert!(find("com.android.settings").is_some());

    bench
        .write(running, Wish::Set(Value::Flag(false)), None)
        .await;
    let (values, _) = bench.by_shell(&[running]).await;
    assert_eq!(values, [Observed::Flag(false)]);
    let absent = Wish::Set(Value::App(AppWish::Absent));
    let phone = bench.write("app/com.bad.game", absent, None).await;
    assert!(phone.app("com.bad.game").is_none());
    bench.is_clean();
}

#[tokio::test(start_paused = true)]
async fn images_are_catalogued_and_changed() {
    let bench = Bench::new(spec(5));
    let mut images = Vec::new();
    let mut cursor = None;
    loop {
        let page = bench.list(ReadKind::ImageCatalogue, cursor).await;
        images.extend(page.images);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let versions: Vec<_> = images
        .iter()
        .filter_map(|image| image.version.as_deref())
        .collect();
    assert_eq!(versions, ["20250307_4", "20251111_2", "20260608_1"]);
    assert_eq!(bench.sim.report().calls_to("DescribeImageList"), 2);

    let wish = |id: &str, wipe_data| {
        Wish::Set(Value::Image(Image {
            target: ImageTarget::Id(id.into()),
            wipe_data,
        }))
    };
    bench.write("timezone", text("Europe/Berlin"), None).await;
    let phone = bench
        .write("image", wish("img-25111133267", false), None)
        .await;
    assert_eq!(phone.image.version, "20251111_2");
    assert_eq!(phone.timezone, "Europe/Berlin", "nothing was erased");
    let listing = bench.list(ReadKind::Listing, None).await;
    assert!(listing.rows[0].values.contains(&(
        Attribute::Image,
        Observed::Image {
            id: Some("img-25111133267".into()),
            version: Some("20251111_2".into()),
        }
    )));
    let phone = bench
        .write("image", wish("img-26060812345", false), None)
        .await;
    assert_ne!(phone.timezone, "Europe/Berlin", "another Android erases");
    bench.is_clean();
}

#[tokio::test(start_paused = true)]
async fn every_readable_row_of_the_table_can_be_read() {
    let bench = Bench::new(spec(5));
    for (attribute, writable) in [
        ("image", true),
        ("property/ro.product.model", false),
        ("property/persist.sys.x", true),
        ("property/debug.x", true),
        ("setting/global/x", true),
        ("timezone", true),
        ("language", true),
        ("proxy", true),
        ("bandwidth", true),
        ("adb", true),
        ("app/com.android.settings", true),
        ("running/com.android.settings", true),
    ] {
        let wanted: Attribute = attribute.parse().unwrap();
        let row = bench.provider.capabilities().of(&wanted).unwrap();
        assert_eq!(
            row.write != crate::model::capability::Write::No,
            writable,
            "{attribute}"
        );
        let ReadMethod::By(kind) = row.read else {
            panic!("{attribute}")
        };
        match kind {
            ReadKind::Shell => {
                let (values, apps) = bench.by_shell(&[attribute]).await;
                let told = values.len() + usize::from(apps.is_some());
                assert_eq!(told, 1, "{attribute}");
            }
            ReadKind::Listing => {
                let listing = bench.list(kind, None).await;
                let mut values = listing.rows[0].values.iter();
                assert!(values.any(|(name, _)| *name == wanted), "{attribute}");
            }
            ReadKind::Properties => {
                let request = bench.request(kind, &[attribute]);
                let rows = bench.provider.read(&request).await.unwrap().rows;
                assert_eq!(rows.len(), 3, "{attribute}");
            }
            ReadKind::Usage
            | ReadKind::Apps
            | ReadKind::AppCatalogue
            | ReadKind::ImageCatalogue => panic!("{attribute}: {kind:?}"),
        }
    }
    bench.is_clean();
}

#[tokio::test(start_paused = true)]
async fn a_long_list_comes_page_by_page() {
    let bench = Bench::new(spec(250));
    let (mut rows, mut cursor, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = bench.list(ReadKind::Listing, cursor).await;
        assert_eq!(page.total, Some(250));
        rows.extend(page.rows);
        cursor = page.next;
        pages += 1;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((rows.len(), pages), (250, 3));
    let ids: Vec<_> = rows.iter().map(|row| row.phone.to_string()).collect();
    assert_eq!(ids, bench.sim.phones());
    let apps = bench.list(ReadKind::AppCatalogue, None).await;
    assert_eq!(apps.apps.len(), 7);
    let maps = apps.apps.iter().find(|app| app.app_id == "501").unwrap();
    assert_eq!(maps.package, Some(Package::new("com.example.maps")));
    assert_eq!(maps.version_name.as_deref(), Some("1.4.2"));
    let probe = bench.provider.probe().await.unwrap();
    assert_eq!(probe.phones, Some(250));
    assert!(probe.clock_offset.unwrap().abs() < 1500);
    bench.is_clean();
}

#[tokio::test(start_paused = true)]
async fn states_and_sessions_are_told() {
    let bench = Bench::new(spec(5));
    let id = |place: usize| bench.phones[place].as_str().to_owned();
    bench.sim.change(|world| {
        world.phone_mut(&id(0)).unwrap().streaming = true;
        world.set_status(&id(1), crate::sim::phone::UPGRADING);
        world.disconnect(&id(2), Duration::from_secs(60));
    });
    let listing = bench.list(ReadKind::Listing, None).await;
    let told: Vec<_> = listing
        .rows
        .iter()
        .map(|row| {
            let listed = row.listed.clone().unwrap();
            (listed.state, listed.in_use)
        })
        .collect();
    assert_eq!(
        told[..4],
        [
            (RunState::Running, Some(true)),
            // The word for it is not documented.
            (RunState::Unknown, Some(false)),
            (RunState::Unreachable, Some(false)),
            (RunState::Running, Some(false)),
        ]
    );
    let group = listing.rows[3].listed.clone().unwrap().provider_group;
    assert_eq!(group.unwrap().as_str(), "ag-0004");
}

#[tokio::test(start_paused = true)]
async fn a_lost_submit_is_found_and_an_answered_one_is_not_taken_for_it() {
    let bench = Bench::new(spec(5));
    let order = bench.order("timezone", text("Asia/Tokyo"), None);
    let lost = |call: &str| LostSubmit {
        mark: 7,
        call: call.into(),
        phones: bench.phones.clone(),
        writes: [].into(),
        sent_at: bench.clock.now(),
    };
    let sent = lost("RunCommand");
    bench.sim.change(|world| {
        world.set_faults(Faults {
            lost: 1.0,
            ..Faults::default()
        });
    });
    let error = bench.provider.submit(&order).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Transient);
    bench
        .sim
        .change(|world| world.set_faults(Faults::default()));
    // A command tells whose it is when it has ended; one that reads is a command too.
    let nothing = Found::Jobs(Vec::new());
    assert_eq!(bench.provider.find(&sent).await.unwrap(), nothing);
    tokio::time::sleep(Duration::from_secs(30)).await;
    bench.by_shell(&["timezone"]).await;
    let other = LostSubmit {
        mark: 8,
        ..sent.clone()
    };
    assert_eq!(bench.provider.find(&other).await.unwrap(), nothing);
    let Found::Jobs(jobs) = bench.provider.find(&sent).await.unwrap() else {
        panic!("cannot look")
    };
    let phones: Vec<_> = jobs.iter().map(|(phone, _)| phone.clone()).collect();
    assert_eq!(phones, bench.phones.to_vec());
    let rows = jobs
        .into_iter()
        .map(|(phone, job)| (phone, RowOutcome::Job(job)))
        .collect();
    bench.follow("RunCommand", Submission { rows }).await;
    assert_eq!(bench.phone(1).timezone, "Asia/Tokyo");

    // An order that was answered, and then one that never arrives.
    let answered = bench.order("timezone", text("Asia/Tokyo"), None);
    bench.provider.submit(&answered).await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let sent = LostSubmit {
        mark: 9,
        ..lost("RunCommand")
    };
    assert_eq!(bench.provider.find(&sent).await.unwrap(), nothing);
    // What starts no task cannot be found, and no call is spent on it.
    let calls = bench.sim.report().calls;
    let sent = lost("ModifyAndroidInstance");
    assert_eq!(bench.provider.find(&sent).await.unwrap(), nothing);
    assert_eq!(bench.sim.report().calls, calls);
    bench.is_clean();
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_ended_in_part_is_told_phone_by_phone() {
    let bench = Bench::new(spec(5));
    // `OperateApp` answers the batch alone; the adapter must then ask for its children.
    let bad = bench.sim.phones()[0].clone();
    bench.sim.change(|world| {
        for id in world.phone_ids().iter().skip(1) {
            world.phone_mut(id).unwrap().uninstall("com.example.maps");
        }
        let app = Arc::clone(&world.offers()[2].app);
        world.phone_mut(&bad).unwrap().install(&app);
    });
    let mut query = String::from("AppId=501&OperateType=start");
    for (place, phone) in bench.phones.iter().enumerate() {
        query = format!("{query}&InstanceIdList.{}={phone}", place + 1);
    }
    let answer = ask(&bench.sim, "OperateApp", &query, bench.clock.now());
    let batch = answer["TaskId"].as_str().unwrap();
    let jobs: Vec<JobRef> = bench
        .phones
        .iter()
        .map(|phone| JobRef {
            job: crate::model::id::JobId::new(format!("{batch}/{phone}")),
            phone: phone.clone(),
            call: "OperateApp".into(),
        })
        .collect();
    assert_eq!(bench.provider.poll(&jobs).await.unwrap(), []);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(
        bench.provider.poll(&jobs).await.unwrap(),
        [],
        "the batch has ended, its children are asked for next"
    );
    let reports = bench.provider.poll(&jobs).await.unwrap();
    let good: Vec<_> = reports
        .iter()
        .map(|report| {
            (
                report.phone.clone(),
                matches!(report.state, JobState::Succeeded(_)),
            )
        })
        .collect();
    let wanted: Vec<_> = bench
        .phones
        .iter()
        .cloned()
        .zip([true, false, false])
        .collect();
    assert_eq!(good, wanted, "{reports:?}");
}

#[tokio::test(start_paused = true)]
async fn a_temporary_identity_signs_too_and_a_wrong_one_does_not() {
    let keys = [
        ("accessKey", "ACCESS"),
        ("secretKey", "SECRET"),
        ("securityToken", "TOKEN"),
    ];
    let bench = Bench::signing(spec(5), &keys);
    assert_eq!(bench.list(ReadKind::Listing, None).await.rows.len(), 5);
    bench.is_clean();
    for wrong in [
        [("accessKey", "OTHER"), ("secretKey", "SECRET")],
        [("accessKey", "ACCESS"), ("secretKey", "OTHER")],
    ] {
        let bench = Bench::signing(spec(5), &wrong);
        let error = bench.provider.probe().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unauthorised, "{error:?}");
        assert!(!error.message.contains("wrong"), "{error:?}");
    }
    let wrong = [keys[0], keys[1], ("securityToken", "OTHER")];
    let error = Bench::signing(spec(5), &wrong).provider.probe().await;
    assert_eq!(error.unwrap_err().kind, ErrorKind::Unauthorised);
}

#[tokio::test(start_paused = true)]
async fn limits_and_clashes_are_told_as_what_they_are() {
    let bench = Bench::new(Spec {
        rate_per_second: 2,
        ..spec(5)
    });
    for _ in 0..2 {
        bench.list(ReadKind::Listing, None).await;
    }
    let error = bench.provider.probe().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Throttled);
    assert_eq!(error.code.as_deref(), Some("Throttling.User"));
    let wait = error.retry_at.unwrap().since(bench.clock.now());
    assert!(
        wait >= Duration::from_millis(400) && wait <= Duration::from_secs(3),
        "{wait:?}"
    );

    let bench = Bench::new(spec(5));
    let busy = bench.phones[1].clone();
    bench
        .sim
        .change(|world| world.occupy(busy.as_str(), Duration::from_secs(60)));
    let order = bench.order("timezone", text("Asia/Tokyo"), None);
    let error = bench.provider.submit(&order).await.unwrap_err();
    assert_eq!((error.kind, error.phones), (ErrorKind::Busy, vec![busy]));
    bench
        .sim
        .change(|world| world.set_status(bench.phones[2].as_str(), 18));
    let error = bench.provider.submit(&order).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotReady);
    assert_eq!(error.phones, [bench.phones[2].clone()]);
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    base16ct::lower::encode_string(bytes.as_ref())
}

/// A request as the manual says, signed by hand.
fn signed(action: &str, query: &str, now: Timestamp, nonce: &str) -> http::Request<Bytes> {
    let date = jiff::Timestamp::from_millisecond(now.0).unwrap();
    let date = date.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let empty = hex(Sha256::digest(""));
    let headers = [
        ("host", "eds-aic.example"),
        ("x-acs-action", action),
        ("x-acs-content-sha256", &empty),
        ("x-acs-date", &date),
        ("x-acs-signature-nonce", nonce),
        ("x-acs-version", "2023-09-30"),
    ];
    let mut sorted: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    sorted.sort_unstable_by_key(|pair| pair.split('=').next());
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let lines: String = headers
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let canonical = format!(
        "POST\n/\n{}\n{lines}\n{}\n{empty}",
        sorted.join("&"),
        names.join(";")
    );
    let text = format!("ACS3-HMAC-SHA256\n{}", hex(Sha256::digest(canonical)));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET_KEY.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    let signature = hex(mac.finalize().into_bytes());
    let mut request = http::Request::post(format!("http://eds-aic.example/?{query}")).header(
        "authorization",
        format!(
            "ACS3-HMAC-SHA256 Credential={ACCESS_KEY},SignedHeaders={},Signature={signature}",
            names.join(";")
        ),
    );
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(Bytes::new()).unwrap()
}

/// Status and JSON of the answer to a request.
fn handle(
    sim: &Simulator,
    request: &http::Request<Bytes>,
    now: Timestamp,
) -> (u16, serde_json::Value) {
    match sim.handle(request, now).outcome {
        Outcome::Answer(answer) => (
            answer.status().as_u16(),
            serde_json::from_slice(answer.body()).unwrap(),
        ),
        Outcome::Refused | Outcome::Lost | Outcome::Endless => panic!("no answer"),
    }
}

fn ask(sim: &Simulator, action: &str, query: &str, now: Timestamp) -> serde_json::Value {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let nonce = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let request = signed(action, query, now, &format!("nonce-{nonce}"));
    let (status, answer) = handle(sim, &request, now);
    assert_eq!(status, 200, "{action}: {answer}");
    answer
}

#[test]
fn requests_that_are_signed_wrongly_or_again_are_refused() {
    let sim = Simulator::new(spec(2), START);
    let later = |seconds: i64| Timestamp(START.0 + seconds * 1000);
    let good = signed("DescribeRegions", "", START, "n1");
    assert_eq!(handle(&sim, &good, START).0, 200);
    let code = |request: &http::Request<Bytes>, now| {
        let (status, answer) = handle(&sim, request, now);
        assert!(answer["RequestId"].is_string() && answer["Message"].is_string());
        (status, answer["Code"].as_str().unwrap().to_owned())
    };
    let is = |status, code: &str| (status, code.to_owned());
    assert_eq!(code(&good, later(1)), is(400, "SignatureNonceUsed"));
    let old = signed("DescribeRegions", "", START, "n2");
    assert_eq!(code(&old, later(1000)), is(400, "InvalidTimeStamp.Expired"));
    let mut other = signed("DescribeRegions", "", START, "n3");
    other
        .headers_mut()
        .insert("x-acs-date", "2026-11-18T11:06:41Z".parse().unwrap());
    assert_eq!(code(&other, START), is(400, "SignatureDoesNotMatch"));
    let mut more = signed("DescribeRegions", "", START, "n4");
    more.headers_mut()
        .insert("x-acs-extra", "unsigned".parse().unwrap());
    assert_eq!(code(&more, START), is(400, "IncompleteSignature"));
    let unknown = signed("DescribeNothing", "", START, "n5");
    assert_eq!(code(&unknown, START), is(404, "InvalidApi.NotFound"));
    assert_eq!(sim.report().bad_signatures, 4);
}

#[test]
fn tasks_are_paged_by_ten_and_told_by_many_filters() {
    let sim = Simulator::new(spec(30), START);
    let ids = sim.phones();
    let mut query = String::from("CommandContent=getprop%20persist.sys.timezone&Timeout=60");
    for (place, id) in ids.iter().enumerate() {
        query = format!("{query}&InstanceIds.{}={id}", place + 1);
    }
    let started = ask(&sim, "RunCommand", &query, START);
    let infos = started["RunCommandInfos"].as_array().unwrap();
    assert_eq!(infos.len(), 30);
    assert_eq!(infos[0]["InvokeId"], infos[0]["ChildTaskId"]);
    let now = Timestamp(START.0 + 10_000);
    let tasks = |query: &str| ask(&sim, "DescribeTasks", query, now);
    let first = tasks("Level=2");
    assert_eq!(first["Data"].as_array().unwrap().len(), 10);
    assert_eq!(first["TotalCount"], 30);
    let token = first["NextToken"].as_str().unwrap();
    let token = crate::transport::sign::percent_encoded(token);
    let second = tasks(&format!("Level=2&NextToken={token}"));
    assert_ne!(first["Data"][0]["TaskId"], second["Data"][0]["TaskId"]);
    let batch = started["TaskId"].as_str().unwrap();
    let parent = &tasks(&format!("TaskIds.1={batch}"))["Data"][0];
    assert_eq!(
        (
            &parent["TaskStatus"],
            &parent["Level"],
            &parent["SuccessChildCount"]
        ),
        (&"Finished".into(), &1.into(), &30.into())
    );
    let invoke = started["RequestId"].as_str().unwrap();
    assert_eq!(tasks(&format!("InvokeId={invoke}"))["TotalCount"], 1);
    let one = &ids[3];
    for filter in [format!("InstanceId={one}"), format!("ResourceIds.1={one}")] {
        let rows = tasks(&format!(
            "{filter}&TaskTypes.1=RunCommand&ParentTaskId={batch}"
        ));
        assert_eq!(rows["TotalCount"], 1, "{filter}");
        assert_eq!(rows["Data"][0]["Result"], "Asia/Shanghai\n");
    }
    assert_eq!(tasks("TaskStatus=Processing")["TotalCount"], 0);
    let invocation = ask(
        &sim,
        "DescribeInvocations",
        &format!(
            "InvocationId={}&InstanceIds.1={}",
            infos[0]["InvokeId"].as_str().unwrap(),
            ids[0]
        ),
        now,
    );
    assert_eq!(invocation["Data"][0]["InvocationStatus"], "Success");
    assert_eq!(invocation["TotalCount"], "1", "a number as text");
    let now_at_once = ask(
        &sim,
        "RunSyncCommand",
        &format!("CommandContent=id%20-u&InstanceIds.1={}", ids[1]),
        now,
    );
    assert_eq!(now_at_once["Data"][0]["Output"], "0\n");
    let properties = ask(
        &sim,
        "GetInstanceProperties",
        &format!("InstanceId={}", ids[0]),
        now,
    );
    let content = properties["PropertyTemplateModel"]["Content"]
        .as_str()
        .unwrap();
    let content: serde_json::Value = serde_json::from_str(content).unwrap();
    assert_eq!(content["propties"]["persist.sys.timezone"], "Asia/Shanghai");
}
