//! What is logged while a run goes on, searched for secrets as it is written.
//!
//! Invariants: nothing is kept but the first line that tells a secret; what the rehearsal itself logs is left out. Not here: other texts (`run::judge`).

use super::network::lock;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Everything that is logged, but not by the rehearsal.
const FILTER: &str = "debug,phonefleet::rehearsal=off";

/// Reads every line of the log.
#[derive(Clone)]
struct Ear {
    secrets: Arc<[String]>,
    heard: Arc<Mutex<Heard>>,
}

/// What was heard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Lines in all.
    pub(super) lines: u64,
    /// The first line with a secret.
    pub(super) secret: Option<String>,
}

impl Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let mut heard = lock(&self.heard);
        heard.lines += 1;
        if self.secrets.iter().any(|secret| text.contains(&**secret)) {
            heard.secret.get_or_insert_with(|| text.into_owned());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Ear {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Does it, and listens to everything that this thread logs meanwhile.
pub(super) fn listening<R>(secrets: &[String], run: impl FnOnce() -> R) -> (R, Heard) {
    let heard = Arc::default();
    let ear = Ear {
        secrets: secrets.into(),
        heard: Arc::clone(&heard),
    };
    // Where there is one subscriber only, what another thread logs first counts as wanted by nobody, here too.
    let second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(FILTER))
        .with_ansi(false)
        .with_writer(ear)
        .finish();
    let result = tracing::subscriber::with_default(subscriber, run);
    drop(second);
    let heard = std::mem::take(&mut *lock(&heard));
    (result, heard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_log_line_is_heard_and_silence_is_not() {
        let secrets = ["canary-17".to_owned()];
        let ((), heard) = listening(&secrets, || {
            tracing::info!(target: "phonefleet::provider", key = "canary-1", "Nothing to hear");
            tracing::debug!(target: "phonefleet::rehearsal::monitor", "canary-17");
        });
        assert_eq!((heard.lines, heard.secret), (1, None));
        let ((), heard) = listening(&secrets, || {
            tracing::debug!(target: "phonefleet::provider", password = "canary-17", "Signed in");
        });
        assert!(heard.secret.unwrap().contains("Signed in"));
    }
}
