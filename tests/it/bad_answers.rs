//! Answers that no manual describes, at every provider: from `tests/fixtures/bad/answers`, or a true answer with something in it bent. Nothing panics, nothing that
//! was sent counts as not sent, errors stay short and steer no terminal, and as soon as answers are true again the fleet becomes as wished.
//!
//! Invariants: in virtual time, over the simulated surfaces and the adapters as they ship; a failure names provider and seed. Not here: ways that answers are lost
//! (`rehearsal`, `faulty_line`), single answers (`provider::*::tests`).

use crate::rig::{Rig, quiet, virtual_time, yes};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use phonefleet::daemon::{Ending, Session};
use phonefleet::model::attribute::Attribute;
use phonefleet::model::fleet::ProviderKind;
use phonefleet::provider::shell::{Bounds, Charset, decode};
use phonefleet::sim::Spec;
use phonefleet::time::delay::hash;
use phonefleet::transport::{Effect, Request, Response, Transport, TransportError};
use proptest::prelude::*;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/bad/answers");

/// Every provider that has a simulated surface, and how manifests call it.
const PROVIDERS: [(ProviderKind, &str); 6] = [
    (ProviderKind::ArmCloud, "armcloud"),
    (ProviderKind::VmosCloud, "vmoscloud"),
    (ProviderKind::VsPhone, "vsphone"),
    (ProviderKind::Alibaba, "alibaba"),
    (ProviderKind::KooPhone, "koophone"),
    (ProviderKind::Zenlayer, "zenlayer"),
];

/// Processes whose answers are spoilt; those of the next ones are true.
const SPOILT: u32 = 6;
/// Processes after which everything must be as wished.
const ENOUGH: u32 = 12;

/// What is done to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Another body, of the corpus.
    Replaced,
    /// Something in its JSON is of another kind, doubled, or away.
    Bent,
}

/// Spoils answers on their way back, half of them, until it is told to stop.
struct Spoiling {
    inner: Arc<dyn Transport>,
    corpus: Vec<Bytes>,
    how: How,
    seed: u64,
    number: AtomicU64,
    spoilt: Arc<AtomicU64>,
    healed: Arc<AtomicBool>,
}

impl Transport for Spoiling {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            let mutates = request.effect == Effect::Mutation;
            let response = self.inner.send(request).await?;
            let number = self.number.fetch_add(1, Ordering::Relaxed);
            let dice = |what: &str| hash(what, number, self.seed);
            if !dice("spoils").is_multiple_of(2) || self.healed.load(Ordering::Relaxed) {
                return Ok(response);
            }
            let (mut parts, body) = response.into_parts();
            let bad = match self.how {
                How::Replaced => {
                    let at = usize::try_from(dice("which")).unwrap() % self.corpus.len();
                    self.corpus[at].clone()
                }
                // A bent answer to an order may truly say that it was refused: what follows would be no mistake.
                How::Bent if mutates => return Ok(Response::from_parts(parts, body)),
                How::Bent => bent(&body, &dice),
            };
            self.spoilt.fetch_add(1, Ordering::Relaxed);
            parts.headers.remove(http::header::CONTENT_LENGTH);
            Ok(Response::from_parts(parts, bad))
        })
    }
}

/// The same JSON with one of its values changed.
fn bent(body: &Bytes, dice: &dyn Fn(&str) -> u64) -> Bytes {
    let Ok(mut json) = serde_json::from_slice::<Value>(body) else {
        return Bytes::from_static(b"{");
    };
    let count = values(&json);
    bend(&mut json, &mut (dice("where") % count), dice("how"));
    serde_json::to_vec(&json).unwrap().into()
}

fn values(json: &Value) -> u64 {
    1 + match json {
        Value::Array(items) => items.iter().map(values).sum::<u64>(),
        Value::Object(fields) => fields.values().map(values).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Changes the value that stands so many places after this one.
fn bend(json: &mut Value, place: &mut u64, how: u64) {
    if *place == 0 {
        *place = u64::MAX;
        *json = match (how % 10, json.take()) {
            (0, _) => Value::Null,
            (1, _) => Value::from(-1),
            (2, _) => Value::from(1e300),
            (3, _) => Value::from("\u{1b}[2J\u{202e}\r\n"),
            (4, _) => Value::from("x".repeat(1 << 20)),
            (5, old) => Value::Array(vec![old.clone(), old]),
            (6, _) => serde_json::json!({}),
            (7, _) => Value::Array(Vec::new()),
            (8, _) => Value::from(true),
            (_, old) => Value::from(old.to_string()),
        };
        return;
    }
    *place -= 1;
    let below: Vec<&mut Value> = match json {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(fields) => fields.values_mut().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for value in below {
        if *place == u64::MAX {
            return;
        }
        bend(value, place, how);
    }
}

fn corpus() -> Vec<Bytes> {
    let mut paths: Vec<_> = std::fs::read_dir(CORPUS)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let mut all: Vec<Bytes> = paths
        .into_iter()
        .map(|path| std::fs::read(path).unwrap().into())
        .collect();
    assert!(all.len() >= 20, "{}", all.len());
    // What is too large for a file.
    let deep =
        |open: &str| Bytes::from(format!("{{\"code\":200,\"data\":{}", open.repeat(200_000)));
    all.extend([deep("["), deep("{\"data\":")]);
    all.push(format!("{{\"code\":200,\"msg\":\"{}\"}}", "m".repeat(4 << 20)).into());
    all
}

fn harmless(text: &str, what: &str) {
    assert!(text.len() <= 2_000, "{what}: {} bytes", text.len());
    let steers = |letter: &char| letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}');
    assert_eq!(text.chars().find(steers), None, "{what}: {text:?}");
}

/// One fleet whose answers are spoilt, until they are true again.
async fn survives(kind: ProviderKind, name: &str, how: How, seed: u64) {
    let what = format!("{name}, {how:?}, seed {seed}");
    let rig = Rig::new(Spec {
        phones: 8,
        seed,
        ..Spec::of(kind)
    });
    rig.account_at(name, "");
    // What costs nothing at any of them.
    let desired = "    timezone: Europe/Berlin\n";
    rig.group(desired, "");
    let (spoilt, healed) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let mut options = rig.options(true);
    let inner = options.transport.take().unwrap();
    options.transport = Some(Arc::new(Spoiling {
        inner,
        corpus: corpus(),
        how,
        seed,
        number: AtomicU64::new(0),
        spoilt: Arc::clone(&spoilt),
        healed: Arc::clone(&healed),
    }));
    let (mut last, mut told) = (None, String::new());
    for process in 0..ENOUGH {
        healed.store(process >= SPOILT, Ordering::Relaxed);
        let mut session: Session = crate::rig::open(&options, true).await;
        if let Err(error) = session.preview(quiet()).await {
            harmless(&error.to_string(), &what);
            continue;
        }
        let plan = session.plan_now();
        let patience = Some(Duration::from_secs(6 * 3600));
        match session.apply(yes(&plan), patience, quiet()).await {
            Ok(Ending::Converged) => {
                last = Some(Ending::Converged);
                if process >= SPOILT {
                    break;
                }
            }
            Ok(other) => last = Some(other),
            Err(error) => harmless(&error.to_string(), &what),
        }
        for (_, _, detail) in session.progress_now().needing {
            harmless(&detail, &what);
            told = detail;
        }
    }
    let report = rig.sim.report();
    assert_eq!(last, Some(Ending::Converged), "{what}: {told}, {report:?}");
    assert!(spoilt.load(Ordering::Relaxed) > 0, "{what}");
    assert_eq!(
        (report.double_jobs, report.costly_repeated, report.wipes),
        (0, 0, 0),
        "{what}: {report:?}"
    );
    for id in rig.sim.phones() {
        let phone = rig.sim.phone(&id).unwrap();
        assert_eq!(phone.timezone, "Europe/Berlin", "{what}: {id}");
    }
}

#[test]
fn whatever_an_answer_is_no_provider_panics_doubles_or_stays_wrong() {
    for (kind, name) in PROVIDERS {
        for seed in 1..=2 {
            for how in [How::Replaced, How::Bent] {
                virtual_time(survives(kind, name, how, seed));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_output_of_a_shell_makes_decoding_panic(
        output in prop_oneof!["\\PC{0,400}", "[\\x00-\\x7f\u{80}-\u{ff}]{0,400}", "([a-z.]{1,12}[=: ]?[\\[\\]A-Z0-9/\n\r]{0,9}){0,60}"],
        joins in any::<bool>(),
    ) {
        let bounds = Bounds { bytes: 65_536, charset: Charset::Any, joins };
        let attributes: Vec<Attribute> = [
            Attribute::Timezone,
            Attribute::Language,
            Attribute::Location,
            Attribute::Proxy,
            Attribute::Property("ro.product.model".into()),
            Attribute::Setting("global/adb_enabled".into()),
            Attribute::App("com.example.maps".into()),
            Attribute::Running("com.example.maps".into()),
        ].into();
        for some in [&attributes[..], &attributes[..1], &attributes[4..5], &[]] {
            decode(some, &bounds, &output);
        }
    }
}
