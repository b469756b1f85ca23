//! The real binary and a simulated vendor, with a line between them on which requests and answers are delayed, cut off, doubled, garbled, replaced and reset:
//! it ends as over a good line.
//!
//! Invariants: which exchange suffers what follows from the seed (when it happens does not: time is real); the end is judged from the vendor's phones, over a
//! good line. Not here: faults in virtual time, by the million (`rehearsal`).

use crate::process::{Desk, Vendor, ends_with, stdout, wanted};
use phonefleet::sim::{Simulator, Spec};
use phonefleet::time::delay::hash;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What happens to an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// Request and answer arrive in pieces, late.
    Slow,
    /// The request is cut off; the vendor sees a part of it.
    RequestCut,
    /// The answer is cut off.
    AnswerCut,
    /// The connection is reset in the middle of the answer.
    Reset,
    /// The connection ends at once; the request arrives later all the same.
    Ghost,
    /// The request arrives, nothing comes back.
    Silence,
    /// The request arrives a second time, later.
    Doubled,
    /// The answer's body is noise of the same length.
    Garbled,
    /// A page instead of an answer; the request did not arrive.
    BadGateway,
    /// The same, and it did.
    GatewayTimeout,
    /// An answer of another kind, with any status, that does not end.
    Endless,
}

const FAULTS: [Fault; 11] = [
    Fault::Slow,
    Fault::RequestCut,
    Fault::AnswerCut,
    Fault::Reset,
    Fault::Ghost,
    Fault::Silence,
    Fault::Doubled,
    Fault::Garbled,
    Fault::BadGateway,
    Fault::GatewayTimeout,
    Fault::Endless,
];

/// Exchanges of a hundred that suffer something.
const SHARE: u64 = 35;
/// No request arrives later than this after it was sent: less than the `request_life` below.
const LATEST: u64 = 700;
/// Real time stands in for hours: every patience is short.
const HASTY: &str = "request_timeout = 1s
request_life = 1s
settings_deadline = 3s
apps_deadline = 3s
read_lag = 500ms
retry_first = 100ms
retry_most = 1s
quarantine_first = 1s
quarantine_most = 2s
";

/// What a line did.
type Done = Arc<Mutex<BTreeMap<Fault, u32>>>;

/// A line to a vendor, until it is dropped.
struct FaultyLine {
    address: SocketAddr,
    done: Done,
    healed: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl FaultyLine {
    fn to(vendor: SocketAddr, seed: u64) -> Self {
        let (told, ready) = std::sync::mpsc::channel();
        let (stop, mut stopped) = watch::channel(false);
        let (done, healed) = (Done::default(), Arc::new(AtomicBool::new(false)));
        let line = Line {
            vendor,
            seed,
            exchanges: Arc::default(),
            done: Arc::clone(&done),
            healed: Arc::clone(&healed),
        };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                let mut connections = JoinSet::new();
                loop {
                    tokio::select! {
                        _ = stopped.wait_for(|stop| *stop) => break,
                        accepted = listener.accept() => {
                            let (client, _) = accepted.unwrap();
                            let line = line.clone();
                            // A connection that breaks is what this is about.
                            connections.spawn(async move { drop(line.serve(client).await) });
                        }
                    }
                }
                connections.shutdown().await;
            });
        });
        Self {
            address: ready.recv().unwrap(),
            done,
            healed,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for FaultyLine {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

#[derive(Clone)]
struct Line {
    vendor: SocketAddr,
    seed: u64,
    exchanges: Arc<Mutex<u64>>,
    done: Done,
    healed: Arc<AtomicBool>,
}

impl Line {
    async fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        while let Some(request) = message(&mut client).await? {
            let number = {
                let mut exchanges = self.exchanges.lock().unwrap();
                *exchanges += 1;
                *exchanges
            };
            let dice = Dice(self.seed, number);
            if self.healed.load(Ordering::Relaxed) || dice.below("suffers", 100) >= SHARE {
                let answer = self.ask(&request).await?;
                client.write_all(&answer).await?;
                continue;
            }
            let fault = FAULTS[dice.index("fault", FAULTS.len())];
            *self.done.lock().unwrap().entry(fault).or_default() += 1;
            if !self.suffer(fault, &mut client, &request, dice).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether the connection goes on.
    async fn suffer(
        &self,
        fault: Fault,
        client: &mut TcpStream,
        request: &[u8],
        dice: Dice,
    ) -> io::Result<bool> {
        match fault {
            Fault::Slow => {
                dice.wait("request", LATEST / 2).await;
                let answer = self.ask(request).await?;
                let (first, rest) = answer.split_at(dice.index("piece", answer.len()));
                client.write_all(first).await?;
                dice.wait("answer", 300).await;
                client.write_all(rest).await?;
                return Ok(true);
            }
            Fault::RequestCut => {
                let part = &request[..dice.index("cut", request.len())];
                let mut vendor = TcpStream::connect(self.vendor).await?;
                vendor.write_all(part).await?;
            }
            Fault::AnswerCut | Fault::Reset => {
                let answer = self.ask(request).await?;
                let part = &answer[..dice.index("cut", answer.len())];
                client.write_all(part).await?;
                if fault == Fault::Reset {
                    client.set_zero_linger()?;
                }
            }
            Fault::Ghost => {
                client.shutdown().await?;
                dice.wait("ghost", LATEST).await;
                self.ask(request).await?;
            }
            Fault::Silence => {
                self.ask(request).await?;
                // Until the other side gives up.
                client.read_u8().await?;
            }
            Fault::Doubled => {
                let answer = self.ask(request).await?;
                client.write_all(&answer).await?;
                dice.wait("again", LATEST).await;
                self.ask(request).await?;
            }
            Fault::Garbled => {
                let mut answer = self.ask(request).await?;
                let body = head_length(&answer).unwrap_or(answer.len());
                for (place, byte) in answer.iter_mut().enumerate().skip(body) {
                    *byte = hash("noise", place as u64, self.seed).to_le_bytes()[0] | 0x80;
                }
                client.write_all(&answer).await?;
                return Ok(true);
            }
            Fault::BadGateway => client.write_all(&page("502 Bad Gateway")).await?,
            Fault::GatewayTimeout => {
                self.ask(request).await?;
                client.write_all(&page("504 Gateway Timeout")).await?;
            }
            Fault::Endless => {
                self.ask(request).await?;
                client
                    .write_all(
                        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"data\":[",
                    )
                    .await?;
                loop {
                    client.write_all(&[b' '; 16 * 1024]).await?;
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        }
        Ok(false)
    }

    /// Sends a request on, over a connection of its own, and gives the whole answer.
    async fn ask(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut vendor = TcpStream::connect(self.vendor).await?;
        vendor.set_nodelay(true)?;
        vendor.write_all(request).await?;
        message(&mut vendor)
            .await?
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// Numbers that follow from seed and exchange.
#[derive(Clone, Copy)]
struct Dice(u64, u64);

impl Dice {
    fn below(self, what: &str, bound: u64) -> u64 {
        hash(what, self.1, self.0) % bound
    }

    fn index(self, what: &str, bound: usize) -> usize {
        usize::try_from(self.below(what, bound as u64)).unwrap()
    }

    async fn wait(self, what: &str, most: u64) {
        tokio::time::sleep(Duration::from_millis(self.below(what, most))).await;
    }
}

fn page(status: &str) -> Vec<u8> {
    let body =
        format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>");
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// One HTTP message: its head, and as much body as that tells. `None`: the other side has ended.
async fn message(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(head) = head_length(&bytes) {
            let whole = head + body_length(&bytes[..head]);
            if bytes.len() >= whole {
                return Ok(Some(bytes));
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

fn head_length(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(end + 4)
}

fn body_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    length.unwrap_or(0)
}

const DESIRED: &str = "  desired:
    timezone: Europe/Berlin
    language: de-DE
    proxy: { mode: proxy, protocol: socks5, host: proxy.example.net, port: 1080 }
    properties: { persist.sys.fleet.ring: \"3\" }
    apps: { com.bad.game: absent }
";

fn spec(seed: u64) -> Spec {
    Spec {
        phones: 10,
        seed,
        job_time: Duration::from_millis(60),
        ..Spec::default()
    }
}

/// What was asked for, as it stands on each phone.
fn standing(sim: &Simulator) -> Vec<String> {
    let phones = sim.phones().into_iter();
    phones
        .map(|id| {
            let phone = sim.phone(&id).unwrap();
            let game = phone.app("com.bad.game").is_some();
            format!(
                "{id} {} {} {:?} {:?} {game}",
                phone.timezone, phone.language, phone.proxy, phone.kept
            )
        })
        .collect()
}

/// One `apply` over a line with this seed (`None`: a good one): how the phones stand, and what the line did.
fn applied(seed: Option<u64>) -> (Vec<String>, BTreeMap<Fault, u32>) {
    let vendor = Vendor::listening(spec(81));
    let line = seed.map(|seed| FaultyLine::to(vendor.address, seed));
    let url = line
        .as_ref()
        .map_or_else(|| vendor.url(), |line| format!("http://{}", line.address));
    let desk = Desk::with_fleet(&url, DESIRED);
    desk.write("hasty", HASTY);
    // One time-out is for what the line may do to one run; a run that ends with it goes on from where it stood.
    let mut output = desk.run(&["apply", "--yes", "--timeout", "60s", "--settings", "hasty"]);
    for _ in 0..4 {
        if output.status.code() == Some(0) {
            break;
        }
        let code = output.status.code();
        assert!(
            matches!(code, Some(1 | 4 | 124)),
            "seed {seed:?}: ends with {code:?}\n{}",
            crate::process::stderr(&output)
        );
        output = desk.run(&["apply", "--yes", "--timeout", "60s", "--settings", "hasty"]);
    }
    ends_with(&output, 0);
    // The last word is the vendor's, over a line that is good by now.
    let done = line.as_ref().map(|line| {
        line.healed.store(true, Ordering::Relaxed);
        line.done.lock().unwrap().clone()
    });
    let plan = desk.run(&["plan", "--output", "json", "--detailed-exitcode"]);
    ends_with(&plan, 0);
    let plan: serde_json::Value = serde_json::from_str(&stdout(&plan)).unwrap();
    assert_eq!(
        plan["changes"],
        serde_json::json!([]),
        "seed {seed:?}: {plan:#}"
    );
    let sim = vendor.close();
    let report = sim.report();
    assert_eq!(
        (
            report.costly_repeated,
            report.restarts,
            report.bad_signatures
        ),
        (0, 0, 0),
        "seed {seed:?}: {report:?}"
    );
    (standing(&sim), done.unwrap_or_default())
}

/// Runs over lines with these seeds, some at a time; what the lines did.
fn over_lines(seeds: std::ops::Range<u64>, lanes: usize) -> BTreeMap<Fault, u32> {
    let (whole, nothing) = applied(None);
    assert!(nothing.is_empty());
    let next = Mutex::new(seeds);
    let all = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(|| {
                loop {
                    let Some(seed) = next.lock().unwrap().next() else {
                        break;
                    };
                    let (standing, done) = applied(Some(seed));
                    assert_eq!(standing, whole, "seed {seed}: {done:?}");
                    for (fault, count) in done {
                        *all.lock().unwrap().entry(fault).or_default() += count;
                    }
                }
            });
        }
    });
    all.into_inner().unwrap()
}

#[test]
fn over_a_faulty_line_it_ends_as_over_a_good_one() {
    let done = over_lines(1..4, 3);
    assert!(done.values().sum::<u32>() >= 12, "{done:?}");
}

#[test]
#[ignore = "takes minutes: run by scripts/torture.sh"]
#[expect(clippy::print_stdout, reason = "counts are what it is run for")]
fn torture() {
    let lines = u64::from(wanted("PHONEFLEET_LINES", 200));
    let done = over_lines(1_000..1_000 + lines, 8);
    println!("{lines} runs over faulty lines, each ended as over a good one: {done:?}");
    assert!(
        FAULTS.iter().all(|fault| done.contains_key(fault)),
        "{done:?}"
    );
}
