//! Ctrl-C and SIGTERM: the first asks to stop, the second ends the process at once.
//!
//! Invariants: after the first signal nothing new starts; either way the journal is consistent, because it is written before and after every call.
//! Not here: what stopping means (`controller`).

use super::error::{CliError, Exit};
use super::output::Output;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Watches for signals while it lives.
#[derive(Debug)]
pub struct Stop {
    receiver: watch::Receiver<bool>,
    /// Ends with this value.
    _watcher: JoinSet<()>,
}

impl Stop {
    /// Begins to watch.
    ///
    /// # Errors
    /// The process cannot take signals.
    pub fn watch(output: &Output) -> Result<Self, CliError> {
        let listen = |kind| {
            signal(kind).map_err(|problem| {
                CliError::new(Exit::Before, "cannot watch for signals").because(&problem)
            })
        };
        let interrupt = listen(SignalKind::interrupt())?;
        let terminate = listen(SignalKind::terminate())?;
        let (sender, receiver) = watch::channel(false);
        let mut watcher = JoinSet::new();
        watcher.spawn(watch_signals(interrupt, terminate, sender, output.clone()));
        Ok(Self {
            receiver,
            _watcher: watcher,
        })
    }

    /// Becomes `true` with the first signal.
    pub fn receiver(&self) -> watch::Receiver<bool> {
        self.receiver.clone()
    }

    /// Waits for the first signal.
    pub async fn asked(&self) {
        let mut receiver = self.receiver();
        // The watcher lives as long as this value, so the channel cannot close before.
        drop(receiver.wait_for(|asked| *asked).await);
    }
}

async fn watch_signals(
    mut interrupt: Signal,
    mut terminate: Signal,
    sender: watch::Sender<bool>,
    output: Output,
) {
    next(&mut interrupt, &mut terminate).await;
    sender.send_replace(true);
    output.say("stopping: nothing new starts; once more ends at once");
    next(&mut interrupt, &mut terminate).await;
    output.say("ended at once; the journal is consistent, run again to go on");
    std::process::exit(i32::from(Exit::Interrupted.code()));
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
