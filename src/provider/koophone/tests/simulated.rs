//! The adapter against the simulated vendor, in virtual time: every attribute is written, followed to its end and read back, signed in both ways.

use super::{Hands, KEYS, PASSWORD, account};
use crate::model::attribute::Attribute;
use crate::model::capability::{CallName, ReadMethod, Write};
use crate::model::fleet::{AppSource, ProviderKind};
use crate::model::id::{Package, PhoneId};
use crate::model::observed::{Observed, PhoneReading, ReadKind, RunState};
use crate::model::stamp::Timestamp;
use crate::model::value::{
    AppWish, Bypass, Proxy, ProxyEndpoint, ProxyMode, ProxyProtocol, SecretRef, Value, VersionWish,
    Wish,
};
use crate::provider::koophone::{KooPhone, table};
use crate::provider::registry::Outfit;
use crate::provider::{
    AppToInstall, ErrorKind, JobRef, JobState, Order, Provider, ReadRequest, RowOutcome, Submission,
};
use crate::secret::{SecretError, Secrets};
use crate::sim::world::World;
use crate::sim::{Simulator, Spec, koophone};
use crate::time::clock::{Clock, TokioClock};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

/// The simulator's keys by the names that [`account`] gives them.
struct Keys;

impl Secrets for Keys {
    fn resolve(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        let SecretRef::Env(name) = reference else {
            panic!("{reference:?}");
        };
        Ok(match name.as_str() {
            "ACCESSKEY" => crate::sim::ACCESS_KEY,
            "SECRETKEY" => crate::sim::SECRET_KEY,
            "SECURITYTOKEN" => koophone::SECURITY_TOKEN,
            "USERNAME" => koophone::USERNAME,
            "PASSWORD" => koophone::PASSWORD,
            "DOMAIN" => koophone::DOMAIN,
            "PROJECT" => koophone::PROJECT,
            other => panic!("{other}"),
        }
        .into())
    }
}

struct Bench {
    sim: Simulator,
    provider: KooPhone,
    phones: Arc<[PhoneId]>,
}

const START: Timestamp = Timestamp(super::NOW);

impl Bench {
    fn new(credentials: &[&str], options: &[(&str, &str)], clock: Arc<dyn Clock>) -> Self {
        let spec = Spec {
            phones: 5,
            check_clock: true,
            ..Spec::of(ProviderKind::KooPhone)
        };
        let sim = Simulator::new(spec, clock.now());
        let outfit = Outfit {
            transport: Arc::new(sim.transport(clock.clone())),
            secrets: Arc::new(Keys),
            clock,
            request_timeout: Duration::from_secs(30),
        };
        let mut account = account(credentials, options);
        account.endpoint = "http://127.0.0.1:9".into();
        let provider = KooPhone::open(&account, outfit).unwrap();
        let phones = sim.phones()[..3]
            .iter()
            .map(|id| PhoneId::from(id.as_str()))
            .collect();
        Self {
            sim,
            provider,
            phones,
        }
    }

    /// Signed in by keys, by temporary keys, and by password.
    fn all() -> [Self; 3] {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::starting_at(START));
        let temporary = [KEYS, &["securityToken"]].concat();
        let iam = ("iamEndpoint", "http://127.0.0.1:9");
        [
            Self::new(KEYS, &[("projectId", "0605767a")], clock.clone()),
            Self::new(&temporary, &[], clock.clone()),
            Self::new(PASSWORD, &[iam], clock),
        ]
    }

    fn request(&self, kind: ReadKind, attribute: &Attribute) -> ReadRequest {
        let phones: Arc<[PhoneId]> = match kind {
            ReadKind::Shell => self.phones.clone(),
            ReadKind::Apps => Arc::from([self.phones[0].clone()]),
            ReadKind::Listing
            | ReadKind::Usage
            | ReadKind::Properties
            | ReadKind::AppCatalogue
            | ReadKind::ImageCatalogue => Arc::from([]),
        };
        ReadRequest {
            kind,
            phones,
            attributes: Arc::from([attribute.clone()]),
            cursor: None,
        }
    }

    async fn read(&self, kind: ReadKind, attribute: &Attribute) -> Vec<PhoneReading> {
        let request = self.request(kind, attribute);
        if kind != ReadKind::Shell {
            return self.provider.read(&request).await.unwrap().rows;
        }
        let started = self.provider.start_read(&request).await.unwrap();
        assert_eq!(started.rows.len(), self.phones.len());
        let ended = self.follow("read", started).await;
        ended
            .into_iter()
            .map(|(phone, output)| {
                let output = output.unwrap_or_default();
                self.provider.decode_read(&request, &phone, &output)
            })
            .collect()
    }

    /// Follows a submission to its end; the output of each phone.
    async fn follow(&self, call: &str, started: Submission) -> Vec<(PhoneId, Option<String>)> {
        let mut open: Vec<JobRef> = started
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
        let mut ended = Vec::new();
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

    async fn write(&self, attribute: &Attribute, wish: &Wish, source: Option<AppSource>) {
        let capabilities = self.provider.capabilities();
        let refused = (capabilities.refuses.0)(attribute, wish, source.as_ref());
        assert_eq!(refused, None, "{attribute}");
        let call = capabilities
            .route(attribute, wish, source.as_ref())
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
            writes: Arc::from([(attribute.clone(), wish.clone())]),
            app,
            image: None,
        };
        let submission = self.provider.submit(&order).await.unwrap();
        let ended = self.follow(call, submission).await;
        assert_eq!(ended.len(), self.phones.len(), "{attribute}");
    }

    /// Writes, and checks what is read back.
    async fn round(&self, attribute: &str, wish: Wish, expected: Observed) {
        let attribute: Attribute = attribute.parse().unwrap();
        self.write(&attribute, &wish, None).await;
        let row = self.provider.capabilities().of(&attribute).unwrap();
        assert_eq!(row.read, ReadMethod::By(ReadKind::Shell), "{attribute}");
        let told = self.read(ReadKind::Shell, &attribute).await;
        assert_eq!(told.len(), self.phones.len());
        for reading in told {
            assert_eq!(reading.values, [(attribute.clone(), expected.clone())]);
        }
    }

    async fn apps(&self, package: &str) -> Option<Option<String>> {
        let attribute = Attribute::App(Package::new(package));
        let told = self.read(ReadKind::Apps, &attribute).await;
        let apps = told[0].apps.as_ref().unwrap();
        let app = apps.iter().find(|app| app.package.as_str() == package)?;
        Some(app.version_name.as_ref().map(ToString::to_string))
    }
}

fn text(text: &str) -> (Wish, Observed) {
    (
        Wish::Set(Value::Text(text.into())),
        Observed::Text(text.into()),
    )
}

fn proxy(host: &str, port: u16) -> Wish {
    Wish::Set(Value::Proxy(Box::new(Proxy::Via(ProxyEndpoint {
        mode: ProxyMode::Proxy,
        protocol: ProxyProtocol::Http,
        host: host.into(),
        port,
        username: None,
        password: None,
        bypass: Bypass::default(),
    }))))
}

fn clean(bench: &Bench) {
    let report = bench.sim.report();
    let bad = (
        report.bad_signatures,
        report.throttled,
        report.double_jobs,
        report.refused.len(),
    );
    assert_eq!(bad, (0, 0, 0, 0), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn every_row_is_written_and_read_back() {
    for bench in Bench::all() {
        for (attribute, value) in [
            ("timezone", "America/Argentina/Buenos_Aires"),
            ("language", "ja-JP"),
            ("property/persist.sys.fleet.ring", "3"),
            ("property/debug.fleet", "on"),
            ("setting/global/zen_mode", "1"),
            ("setting/secure/location_mode", "3"),
            ("setting/system/screen_brightness", "55"),
        ] {
            let (wish, expected) = text(value);
            bench.round(attribute, wish, expected).await;
        }
        bench
            .round("setting/global/zen_mode", Wish::Reset, Observed::Missing)
            .await;
        bench
            .round(
                "proxy",
                proxy("proxy.example.net", 3128),
                Observed::Text("proxy.example.net:3128".into()),
            )
            .await;
        let direct = Wish::Set(Value::Proxy(Box::new(Proxy::Direct)));
        bench.round("proxy", direct, Observed::Missing).await;
        bench.round("proxy", Wish::Reset, Observed::Missing).await;
        let running = "running/com.android.settings";
        let flag = |on| (Wish::Set(Value::Flag(on)), Observed::Flag(on));
        for (wish, expected) in [flag(true), flag(false)] {
            bench.round(running, wish, expected).await;
        }
        clean(&bench);
    }
}

#[tokio::test(start_paused = true)]
async fn apps_go_in_by_url_and_out_by_command() {
    for bench in Bench::all() {
        let chat = Attribute::App(Package::new("com.example.chat"));
        let present = Wish::Set(Value::App(AppWish::Present {
            app: None,
            version: VersionWish::NameExact("2.0.1".into()),
        }));
        let source = AppSource::Url {
            url: "https://apps.example/com.example.chat-2.0.1.apk".into(),
            md5: None,
            size_mb: Some(12),
            version: Some("2.0.1".into()),
            version_code: None,
        };
        assert_eq!(bench.apps("com.example.chat").await, None);
        bench.write(&chat, &present, Some(source)).await;
        assert_eq!(
            bench.apps("com.example.chat").await,
            Some(Some("2.0.1".into()))
        );
        let absent = Wish::Set(Value::App(AppWish::Absent));
        bench.write(&chat, &absent, None).await;
        assert_eq!(bench.apps("com.example.chat").await, None);
        // System apps are not listed, so nothing mistakes them for somebody's.
        assert_eq!(bench.apps("com.android.settings").await, None);
        clean(&bench);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_is_read() {
    let [bench, ..] = Bench::all();
    let model: Attribute = "property/ro.product.model".parse().unwrap();
    assert_eq!(
        bench.provider.capabilities().of(&model).unwrap().write,
        Write::No
    );
    for reading in bench.read(ReadKind::Shell, &model).await {
        assert_eq!(
            reading.values,
            [(model.clone(), Observed::Text("Mi 10 Pro".into()))]
        );
    }
    let missing: Attribute = "property/ro.nothing".parse().unwrap();
    for reading in bench.read(ReadKind::Shell, &missing).await {
        assert_eq!(reading.values, [(missing.clone(), Observed::Missing)]);
    }
}

#[tokio::test(start_paused = true)]
async fn states_and_use_are_listed() {
    for bench in Bench::all() {
        bench.sim.change(|world| {
            world.phone_mut("a0000002").unwrap().streaming = true;
            world.set_status("a0000003", 11);
            world.set_status("a0000004", 13);
            world.set_status("a0000005", 18);
        });
        let rows = bench.read(ReadKind::Listing, &Attribute::Timezone).await;
        let told: Vec<_> = rows
            .iter()
            .map(|row| {
                let listed = row.listed.as_ref().unwrap();
                (listed.state, listed.in_use)
            })
            .collect();
        assert_eq!(
            told,
            [
                (RunState::Running, Some(false)),
                (RunState::Running, Some(true)),
                (RunState::Restarting, Some(false)),
                (RunState::Changing, Some(false)),
                (RunState::Off, Some(false)),
            ]
        );
        let probe = bench.provider.probe().await.unwrap();
        assert_eq!(probe.phones, Some(5));
        assert!(probe.clock_offset.unwrap().abs() < 1_500);
        clean(&bench);
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_phones_job_is_reported_as_failed() {
    let [bench, ..] = Bench::all();
    bench
        .sim
        .change(|world| world.occupy("a0000001", Duration::from_secs(60)));
    let request = bench.request(ReadKind::Shell, &Attribute::Timezone);
    let started = bench.provider.start_read(&request).await.unwrap();
    let (phone, RowOutcome::Job(job)) = started.rows[0].clone() else {
        panic!("{started:?}");
    };
    let call = "read".into();
    let told = bench
        .provider
        .poll(&[JobRef { job, phone, call }])
        .await
        .unwrap();
    assert_eq!(
        told[0].state,
        JobState::Failed("failed: another task is running on the instance (CPS0009)".into())
    );
}

#[tokio::test(start_paused = true)]
async fn tokens_are_renewed_while_work_goes_on() {
    let clock = Arc::new(Hands(std::sync::atomic::AtomicI64::new(super::NOW)));
    let iam = ("iamEndpoint", "http://127.0.0.1:9");
    let bench = Bench::new(PASSWORD, &[iam], clock.clone());
    let request = bench.request(ReadKind::Listing, &Attribute::Timezone);
    let wait = |minutes: i64| {
        clock
            .0
            .fetch_add(minutes * 60_000, std::sync::atomic::Ordering::Relaxed)
    };
    let given = || bench.sim.change(World::tokens_given);
    // Two days, a call each ten minutes: a token a day, half an hour early.
    for _ in 0..288 {
        bench.provider.read(&request).await.unwrap();
        wait(10);
    }
    assert_eq!(given(), 3);
    // Revoked by the vendor: the call that finds out goes on with a new one.
    bench.sim.change(World::revoke_tokens);
    let both = [bench.provider.read(&request), bench.provider.read(&request)];
    for told in futures_util::future::join_all(both).await {
        assert_eq!(told.unwrap().rows.len(), 5);
    }
    assert_eq!(given(), 4);
    // An order that was refused for its token did nothing, and is sent once more.
    bench.sim.change(World::revoke_tokens);
    let (wish, _) = text("Asia/Tokyo");
    let order = Order {
        mark: 7,
        call: table::call::COMMAND,
        phones: bench.phones.clone(),
        writes: Arc::from([(Attribute::Timezone, wish)]),
        app: None,
        image: None,
    };
    assert_eq!(bench.provider.submit(&order).await.unwrap().rows.len(), 3);
    let report = bench.sim.report();
    assert_eq!(report.jobs_of("asyncCmd").submitted, 3);
    assert_eq!((given(), report.bad_signatures), (5, 3));
}

#[tokio::test(start_paused = true)]
async fn refusals_come_with_their_kind() {
    let [bench, _, password] = Bench::all();
    let mut request = bench.request(ReadKind::Apps, &Attribute::Timezone);
    request.phones = Arc::from([PhoneId::new("nobody")]);
    let error = bench.provider.read(&request).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert_eq!(error.phones, [PhoneId::new("nobody")]);
    // An old signature.
    let late: Arc<dyn Clock> = Arc::new(Hands(std::sync::atomic::AtomicI64::new(super::NOW)));
    let outfit = Outfit {
        transport: Arc::new(bench.sim.transport(Arc::new(TokioClock::starting_at(
            START.after(Duration::from_secs(3600)),
        )))),
        secrets: Arc::new(Keys),
        clock: late,
        request_timeout: Duration::from_secs(30),
    };
    let mut account = account(KEYS, &[]);
    account.endpoint = "http://127.0.0.1:9".into();
    let provider = KooPhone::open(&account, outfit).unwrap();
    let listing = bench.request(ReadKind::Listing, &Attribute::Timezone);
    let error = provider.read(&listing).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorised);
    // One call too many in a second.
    let listings = (0..201).map(|_| password.provider.read(&listing));
    let told = futures_util::future::join_all(listings).await;
    let kinds: Vec<ErrorKind> = told
        .into_iter()
        .filter_map(Result::err)
        .map(|error| error.kind)
        .collect();
    assert_eq!(kinds, [ErrorKind::Throttled]);
}

/// Every call of the table is made in these tests.
#[test]
fn the_table_has_no_other_calls() {
    let names: Vec<CallName> = table::CAPABILITIES
        .calls
        .iter()
        .map(|call| call.name)
        .collect();
    assert_eq!(names, [table::call::COMMAND, table::call::INSTALL]);
}
