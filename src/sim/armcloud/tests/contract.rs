//! The program's adapter against this surface: every attribute it says it can write takes effect in the world, and every one it says it can read comes back.

use super::*;
use crate::model::attribute::Attribute;
use crate::model::canonical;
use crate::model::desired::Origin;
use crate::model::fleet::{Account, AccountLimits, AppSource, ProviderKind};
use crate::model::id::{AccountName, Package, PhoneId, VendorIdentity};
use crate::model::observed::{Observed, ReadKind};
use crate::model::value::{
    AppWish, Bandwidth, Bypass, Image, ImageTarget, Location, Proxy, ProxyEndpoint, ProxyMode,
    ProxyProtocol, SecretRef, SimField, Value as Wished, VersionWish, Wish,
};
use crate::provider::registry::{Outfit, open};
use crate::provider::{
    AppToInstall, Found, JobRef, JobState, LostSubmit, Order, Provider, ReadRequest, RowOutcome,
};
use crate::secret::{SecretError, Secrets};
use crate::sim::phone::Phone;
use crate::time::clock::{Clock, TokioClock};
use secrecy::SecretString;
use smol_str::SmolStr;
use std::sync::Arc;

/// Gives the simulator's keys by their names.
struct Keys;

impl Secrets for Keys {
    fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        Ok(match reference {
            SecretRef::Env(name) if name == "ACCESS" => ACCESS_KEY.into(),
            SecretRef::Env(name) if name == "SECRET" => SECRET_KEY.into(),
            SecretRef::Credential(_)
            | SecretRef::File(_)
            | SecretRef::Env(_)
            | SecretRef::Csv { .. } => "proxy-password".into(),
        })
    }
}

/// The program's adapter over a simulator.
pub(super) struct Bench {
    pub(super) sim: Simulator,
    clock: TokioClock,
    pub(super) provider: Arc<dyn Provider>,
}

impl Bench {
    fn new(dialect: Dialect) -> Self {
        let host = ("signedHost", "openapi.armcloud.net");
        Self::at(ProviderKind::ArmCloud, dialect, &[host])
    }

    /// An account at one of the deployments.
    pub(super) fn at(kind: ProviderKind, dialect: Dialect, options: &[(&str, &str)]) -> Self {
        let clock = TokioClock::starting_at(START);
        let sim = in_dialect(dialect);
        let account = Account {
            name: AccountName::new("lab"),
            provider: kind,
            endpoint: "http://127.0.0.1:9".into(),
            identity: VendorIdentity::new("lab"),
            credentials: [
                ("accessKey".into(), SecretRef::Env("ACCESS".into())),
                ("secretKey".into(), SecretRef::Env("SECRET".into())),
            ]
            .into(),
            limits: AccountLimits::default(),
            options: options
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
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
            sim,
            clock,
            provider: open(&account, outfit).unwrap(),
        }
    }

    /// Polls until a job has ended.
    async fn follow(&self, job: JobRef) -> JobState {
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_secs(5)).await;
            let reports = self
                .provider
                .poll(std::slice::from_ref(&job))
                .await
                .unwrap();
            match &reports[0].state {
                JobState::Open => {}
                ended @ (JobState::Succeeded(_) | JobState::Failed(_)) => return ended.clone(),
            }
        }
        panic!("{job:?} does not end")
    }

    /// Carries a wish out on the first phone; the phone afterwards.
    pub(super) async fn write(&self, attribute: &str, wish: Wish) -> Phone {
        let attribute: Attribute = attribute.parse().unwrap();
        let source = source(&attribute, &wish);
        let call = self
            .provider
            .capabilities()
            .route(&attribute, &wish, source.as_ref())
            .unwrap();
        let app = match (&attribute, source) {
            (Attribute::App(package), Some(source)) => Some(AppToInstall {
                package: package.clone(),
                source,
            }),
            _ => None,
        };
        let order = Order {
            mark: 7,
            call,
            phones: [PhoneId::new(ONE)].into(),
            writes: [(attribute, wish)].into(),
            app,
            image: None,
        };
        let submission = self.provider.submit(&order).await.unwrap();
        let [(phone, outcome)] = &submission.rows[..] else {
            panic!("{submission:?}")
        };
        match outcome {
            RowOutcome::Job(job) => {
                let job = JobRef {
                    job: job.clone(),
                    phone: phone.clone(),
                    call: call.into(),
                };
                assert!(
                    matches!(self.follow(job).await, JobState::Succeeded(_)),
                    "{call}"
                );
            }
            RowOutcome::Done => {}
            RowOutcome::Exists(_) | RowOutcome::Refused(_) => panic!("{call}: {outcome:?}"),
        }
        self.sim.phone(ONE).unwrap()
    }

    /// Reads one attribute of the first phone as the capability table says.
    pub(super) async fn read(&self, kind: ReadKind, attribute: &str) -> Option<Observed> {
        let attribute: Attribute = attribute.parse().unwrap();
        let request = ReadRequest {
            kind,
            phones: [PhoneId::new(ONE)].into(),
            attributes: [attribute.clone()].into(),
            cursor: None,
        };
        let rows = if kind == ReadKind::Shell {
            let submission = self.provider.start_read(&request).await.unwrap();
            let (phone, RowOutcome::Job(job)) = &submission.rows[0] else {
                panic!("{submission:?}")
            };
            let job = JobRef {
                job: job.clone(),
                phone: phone.clone(),
                call: "asyncCmd".into(),
            };
            let JobState::Succeeded(Some(output)) = self.follow(job).await else {
                panic!("no output")
            };
            vec![self.provider.decode_read(&request, phone, &output)]
        } else {
            self.provider.read(&request).await.unwrap().rows
        };
        let row = rows
            .into_iter()
            .find(|row| row.phone.as_str() == ONE)
            .unwrap();
        row.values
            .into_iter()
            .find(|(name, _)| *name == attribute)
            .map(|(_, value)| value)
    }
}

/// Where an app comes from: maps from the catalogue, others by url.
fn source(attribute: &Attribute, wish: &Wish) -> Option<AppSource> {
    match (attribute, wish) {
        (Attribute::App(package), Wish::Set(Wished::App(AppWish::Present { .. }))) => {
            Some(match package.as_str() {
                "com.example.maps" => AppSource::Catalogue {
                    account: AccountName::new("lab"),
                    app_id: "501".into(),
                },
                _ => AppSource::Url {
                    url: "https://files.example/notes-2.3.4-57.apk".into(),
                    md5: None,
                    size_mb: None,
                    version: None,
                    version_code: None,
                },
            })
        }
        _ => None,
    }
}

pub(super) fn text(value: &str) -> Wish {
    Wish::Set(Wished::Text(value.into()))
}

pub(super) fn observed(value: &str) -> Option<Observed> {
    Some(Observed::Text(value.into()))
}

fn dialects() -> [Dialect; 4] {
    [
        Dialect::default(),
        Dialect {
            numbers_as_text: true,
            one_phone_array: true,
            message_on_success: true,
            ..Dialect::default()
        },
        Dialect {
            gps_task: true,
            no_task_status: true,
            other_names: true,
            ..Dialect::default()
        },
        Dialect {
            output_in_error: true,
            hide_system_apps: true,
            busy: Busy::ExistsWithId,
            ..Dialect::default()
        },
    ]
}

#[tokio::test(start_paused = true)]
async fn texts_are_written_and_read_back() {
    use ReadKind::{Properties, Shell};
    let cases = [
        ("timezone", "Asia/Singapore", Properties),
        ("language", "en-SG", Properties),
        ("property/ro.product.model", "Pixel 8", Properties),
        (
            "property/ro.sys.cloud.android_id",
            "00112233445566ff",
            Shell,
        ),
        ("property/persist.sys.fleet.ring", "3", Properties),
        ("property/debug.fleet", "on", Properties),
        ("property/modem/IMEI", "490154203237518", Properties),
        ("property/oaid/OAID", "42", Properties),
        ("property/setting/systemvolume", "3", Properties),
        ("setting/global/zen_mode", "it's 'quoted' $HOME; `x`", Shell),
        ("setting/secure/location_mode", "3", Shell),
    ];
    for dialect in dialects() {
        let bench = Bench::new(dialect);
        for (attribute, value, kind) in cases {
            bench.write(attribute, text(value)).await;
            assert_eq!(
                bench.read(kind, attribute).await,
                observed(value),
                "{attribute}"
            );
        }
        let report = bench.sim.report();
        assert_eq!(
            (
                report.bad_signatures,
                report.double_jobs,
                report.refused.len()
            ),
            (0, 0, 0),
            "{report:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_position_arrives() {
    for dialect in dialects() {
        let bench = Bench::new(dialect);
        let location = Location {
            latitude: "1.3521".into(),
            longitude: "103.8198".into(),
            altitude: Some("15".into()),
            speed: None,
            bearing: None,
            horizontal_accuracy: None,
        };
        let phone = bench
            .write("location", Wish::Set(Wished::Location(Box::new(location))))
            .await;
        let location = phone.location.unwrap();
        assert_eq!(
            (location.latitude, location.longitude, location.altitude),
            (1.3521, 103.8198, Some(15.0))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn proxies_limits_and_identities_arrive() {
    for dialect in dialects() {
        let bench = Bench::new(dialect);
        let endpoint = ProxyEndpoint {
            mode: ProxyMode::Vpn,
            protocol: ProxyProtocol::Http,
            host: "proxy.example".into(),
            port: 8080,
            username: Some("qa".into()),
            password: Some(SecretRef::Env("PROXY".into())),
            bypass: Bypass {
                packages: vec!["com.a".into()],
                ips: vec!["10.0.0.0/8".into()],
                domains: vec!["b.example".into()],
            },
        };
        let via = Wish::Set(Wished::Proxy(Box::new(Proxy::Via(endpoint))));
        let proxy = bench.write("proxy", via).await.proxy.unwrap();
        assert_eq!(
            (
                &*proxy.proxy_type,
                &*proxy.proxy_name,
                &*proxy.host,
                proxy.port
            ),
            ("vpn", "http-relay", "proxy.example", 8080)
        );
        assert_eq!(
            (proxy.account.as_deref(), proxy.password.as_deref()),
            (Some("qa"), Some("proxy-password"))
        );
        assert_eq!(
            (
                proxy.bypass_packages.len(),
                proxy.bypass_ips.len(),
                proxy.bypass_domains.len()
            ),
            (1, 1, 1)
        );
        let direct = Wish::Set(Wished::Proxy(Box::new(Proxy::Direct)));
        assert_eq!(bench.write("proxy", direct).await.proxy, None);
        let limits = Wish::Set(Wished::Bandwidth(Bandwidth {
            up_mbps: 10,
            down_mbps: 50,
        }));
        let limits = bench.write("bandwidth", limits).await.bandwidth.unwrap();
        assert_eq!((limits.up, limits.down), (10.0, 50.0));
        let imei = bench
            .sim
            .phone(ONE)
            .unwrap()
            .property("modem/IMEI")
            .unwrap();
        let phone = bench.write("sim-country", text("DE")).await;
        assert_eq!(phone.country, "DE");
        assert_ne!(phone.property("modem/IMEI").unwrap(), imei);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sim_is_written_and_read_back() {
    for dialect in dialects() {
        let bench = Bench::new(dialect);
        let fields: std::collections::BTreeMap<SimField, SmolStr> = [
            (SimField::Imei, "490154203237518".into()),
            (SimField::Iccid, "8901260123456789016".into()),
            (SimField::Imsi, "310260123456789".into()),
            (SimField::PhoneNumber, "+12025550123".into()),
            (SimField::Mcc, "310".into()),
            (SimField::Mnc, "260".into()),
            (SimField::Carrier, "T-Mobile".into()),
            (SimField::CellTac, "871420".into()),
        ]
        .into();
        let phone = bench
            .write("sim", Wish::Set(Wished::Sim(fields.clone())))
            .await;
        assert_eq!(phone.property("modem/MCCMNC").unwrap(), "310,260");
        assert_eq!(phone.property("sim/tac").unwrap(), "871420");
        let Some(Observed::Sim(read)) = bench.read(ReadKind::Properties, "sim").await else {
            panic!("no SIM")
        };
        for (field, value) in fields
            .iter()
            .filter(|(field, _)| **field != SimField::CellTac)
        {
            assert_eq!(read.get(field), Some(value), "{field:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn apps_images_and_adb_follow() {
    for dialect in dialects() {
        let bench = Bench::new(dialect);
        let present = || {
            Wish::Set(Wished::App(AppWish::Present {
                app: None,
                version: VersionWish::Any,
            }))
        };
        let phone = bench.write("app/com.example.maps", present()).await;
        assert_eq!(phone.app("com.example.maps").unwrap().version_code, 142);
        let phone = bench.write("app/com.example.notes", present()).await;
        assert_eq!(
            phone.app("com.example.notes").unwrap().version_name,
            "2.3.4"
        );
        let phone = bench
            .write("app/com.bad.game", Wish::Set(Wished::App(AppWish::Absent)))
            .await;
        assert!(phone.app("com.bad.game").is_none());
        bench
            .write("running/com.example.maps", Wish::Set(Wished::Flag(true)))
            .await;
        assert_eq!(
            bench
                .read(ReadKind::Shell, "running/com.example.maps")
                .await,
            Some(Observed::Flag(true))
        );
        bench
            .write("running/com.example.maps", Wish::Set(Wished::Flag(false)))
            .await;
        assert_eq!(
            bench
                .read(ReadKind::Shell, "running/com.example.maps")
                .await,
            Some(Observed::Flag(false))
        );
        assert!(bench.write("adb", Wish::Set(Wished::Flag(true))).await.adb);
        assert_eq!(
            bench.read(ReadKind::Listing, "adb").await,
            Some(Observed::Flag(true))
        );
        let image = Image {
            target: ImageTarget::Id("img-26060812345".into()),
            wipe_data: false,
        };
        let phone = bench.write("image", Wish::Set(Wished::Image(image))).await;
        assert!(phone.image.version == "20260608_1" && phone.app("com.example.maps").is_some());
        let image = Observed::Image {
            id: Some("img-26060812345".into()),
            version: Some("20260608_1".into()),
        };
        assert_eq!(bench.read(ReadKind::Listing, "image").await, Some(image));
        let report = bench.sim.report();
        assert_eq!(
            (report.wipes, report.double_jobs, report.refused.len()),
            (0, 0, 0),
            "{report:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn apps_and_catalogues_are_read() {
    let bench = Bench::new(Dialect::default());
    let request = |kind| ReadRequest {
        kind,
        phones: [PhoneId::new(ONE)].into(),
        attributes: [Attribute::App(Package::new("com.example.maps"))].into(),
        cursor: None,
    };
    let apps = bench.provider.read(&request(ReadKind::Apps)).await.unwrap();
    let apps = apps.rows[0].apps.clone().unwrap();
    let maps = apps
        .iter()
        .find(|app| app.package.as_str() == "com.example.maps")
        .unwrap();
    assert_eq!(
        (maps.version_name.as_deref(), maps.version_code),
        (Some("1.3.0"), Some(130))
    );
    let catalogue = bench
        .provider
        .read(&request(ReadKind::AppCatalogue))
        .await
        .unwrap();
    assert_eq!(catalogue.apps.len(), 7);
    let images = bench
        .provider
        .read(&request(ReadKind::ImageCatalogue))
        .await
        .unwrap();
    assert_eq!(images.images[0].version.as_deref(), Some("20250307_4"));
    bench
        .sim
        .change(|world| world.phone_mut(ONE).unwrap().streaming = true);
    let usage = bench
        .provider
        .read(&request(ReadKind::Usage))
        .await
        .unwrap();
    assert_eq!(usage.rows[0].listed.as_ref().unwrap().in_use, Some(true));
    let listing = bench
        .provider
        .read(&request(ReadKind::Listing))
        .await
        .unwrap();
    assert_eq!((listing.total, listing.rows.len()), (Some(25), 25));
}

#[tokio::test(start_paused = true)]
async fn a_lost_submit_is_found_in_the_list_or_not_looked_for() {
    let bench = Bench::new(Dialect::default());
    let sent_at = bench.clock.now();
    bench.sim.data(
        &pad("updatePadProperties"),
        &json!({ "padCodes": [ONE],
        "oaidPropertiesList": [{ "propertiesName": "OAID", "propertiesValue": "1" }] }),
        sent_at,
    );
    let lost = |call: &str| LostSubmit {
        mark: 7,
        call: call.into(),
        phones: [PhoneId::new(ONE), PhoneId::new(TWO)].into(),
        writes: [].into(),
        sent_at,
    };
    let Found::Jobs(jobs) = bench
        .provider
        .find(&lost("updatePadProperties"))
        .await
        .unwrap()
    else {
        panic!("a list")
    };
    assert_eq!(
        (jobs.len(), jobs[0].0.as_str(), jobs[0].1.as_str()),
        (1, ONE, "1000001")
    );
    assert_eq!(
        bench.provider.find(&lost("updateTimeZone")).await.unwrap(),
        Found::CannotLook
    );
}

#[test]
fn observed_texts_are_canonical_as_they_come() {
    let phone = sim().phone(ONE).unwrap();
    let property = |name: &str| phone.property(name).unwrap();
    assert_eq!(
        canonical::imei(&property("modem/IMEI")),
        Ok(property("modem/IMEI"))
    );
    assert_eq!(
        canonical::iccid(&property("modem/ICCID")),
        Ok(property("modem/ICCID"))
    );
    assert_eq!(
        canonical::timezone(&phone.timezone),
        Ok(phone.timezone.clone())
    );
    assert_eq!(
        canonical::language(&phone.language),
        Ok(phone.language.clone())
    );
}
