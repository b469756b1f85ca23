//! Progress for people: a bar with counts and the time left on a terminal, plain lines elsewhere.
//!
//! Invariants: never more than one plain line in two seconds, except when the activity changes; nothing on stdout. Not here: the counts (`controller::progress`).

use super::output::{Output, count, counted};
use crate::controller::progress::Progress;
use crate::daemon::ProgressSink;
use crate::model::stamp::Timestamp;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Shortest time between two plain lines of the same activity.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// Shows how far the work is.
#[derive(Clone, Debug)]
pub struct Meter {
    output: Output,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    bar: Option<ProgressBar>,
    said_at: Option<Timestamp>,
    said: String,
    activity: String,
    last: Progress,
    /// Most steps that were left so far.
    most: u64,
    /// Steps that are to be done, where that is not all of them.
    expected: Option<u64>,
}

/// Steps of the work as far as a meter knows.
#[derive(Clone, Copy, Debug)]
struct Steps {
    done: u64,
    all: u64,
}

impl State {
    fn steps(&self, left: u64) -> Steps {
        let done = self.most.saturating_sub(left);
        let all = self.expected.unwrap_or(self.most).max(done);
        Steps { done, all }
    }
}

impl Meter {
    /// A meter that shows nothing yet.
    pub fn new(output: &Output) -> Self {
        Self {
            output: output.clone(),
            state: Arc::default(),
        }
    }

    /// What the session tells its progress to.
    pub fn sink(&self) -> ProgressSink {
        let meter = self.clone();
        Arc::new(move |progress| meter.show(progress))
    }

    /// The last counts that were told.
    pub fn last(&self) -> Progress {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .last
            .clone()
    }

    /// From now on the work is these steps only.
    pub fn expect(&self, steps: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.expected = Some(steps);
    }

    /// Removes the bar.
    pub fn finish(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
            self.output.bars().remove(&bar);
        }
    }

    fn show(&self, progress: &Progress) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.last = progress.clone();
        state.most = state.most.max(progress.steps_left);
        let steps = state.steps(progress.steps_left);
        if Output::watched() {
            let fresh = state.bar.is_none();
            let bar = state.bar.get_or_insert_with(|| self.new_bar());
            bar.set_style(style(progress.activity == "reading"));
            let (done, all) = position(progress, steps);
            bar.set_length(all);
            bar.set_position(done);
            bar.set_prefix(progress.activity.clone());
            bar.set_message(counts(progress, steps));
            if fresh {
                bar.enable_steady_tick(Duration::from_millis(250));
            }
            return;
        }
        let line = format!("{}: {}", progress.activity, counts(progress, steps));
        let due = state.activity != progress.activity
            || state
                .said_at
                .is_none_or(|at| progress.at.since(at) >= LINE_EVERY);
        if due && line != state.said {
            self.output.say(&line);
            state.said_at = Some(progress.at);
            state.activity.clone_from(&progress.activity);
            state.said = line;
        }
    }

    fn new_bar(&self) -> ProgressBar {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        self.output.bars().add(bar)
    }
}

/// How the bar looks. How many reads there are is known only when they are done: no time left is told of them.
fn style(reading: bool) -> ProgressStyle {
    let template = if reading {
        "{prefix:>10} [{bar:24}] {wide_msg}"
    } else {
        "{prefix:>10} [{bar:24}] {eta} left · {wide_msg}"
    };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

/// Work done and work in all: steps when there are some, else reads. A step is done when its job was sent and nothing has to follow it; reading back
/// is not counted.
fn position(progress: &Progress, steps: Steps) -> (u64, u64) {
    if steps.all > 0 && progress.activity != "reading" {
        (steps.done, steps.all)
    } else {
        (progress.reads, progress.reads + progress.reads_left)
    }
}

fn counts(progress: &Progress, steps: Steps) -> String {
    if progress.activity == "reading" {
        return format!(
            "{}, {} made, {} to go",
            counted(progress.phones, "phone"),
            counted(progress.reads, "call"),
            count(progress.reads_left)
        );
    }
    let mut parts = vec![format!(
        "{}/{} in sync",
        count(progress.in_sync),
        count(progress.phones)
    )];
    let more = [
        (progress.working, "working"),
        (progress.vendor, "vendor"),
        (progress.operator, "needs you"),
        (progress.not_read, "not read"),
        (progress.open_jobs, "open jobs"),
        (progress.throttled, "throttled"),
    ];
    parts.extend(
        more.iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, name)| format!("{name} {}", count(*number))),
    );
    if steps.all > 0 {
        parts.push(format!("steps {}/{}", count(steps.done), count(steps.all)));
    }
    parts.join(" · ")
}

/// The line `status` begins with.
pub fn summary_line(progress: &Progress) -> String {
    format!(
        "needs you {} · vendor {} · working {} · in sync {} · not read {}",
        count(progress.operator),
        count(progress.vendor),
        count(progress.working),
        count(progress.in_sync),
        count(progress.not_read)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_line_reads_as_documented() {
        let progress = Progress {
            operator: 3,
            vendor: 41,
            working: 120,
            in_sync: 2749,
            not_read: 87,
            ..Progress::default()
        };
        assert_eq!(
            summary_line(&progress),
            "needs you 3 · vendor 41 · working 120 · in sync 2,749 · not read 87"
        );
    }

    #[test]
    fn counts_leave_out_what_is_nought() {
        let progress = Progress {
            activity: "converging".to_owned(),
            phones: 300,
            in_sync: 120,
            working: 180,
            ..Progress::default()
        };
        let state = State {
            most: 100,
            ..State::default()
        };
        let steps = state.steps(60);
        assert_eq!(
            counts(&progress, steps),
            "120/300 in sync · working 180 · steps 40/100"
        );
        assert_eq!(position(&progress, steps), (40, 100));
        let few = State {
            expected: Some(50),
            ..state
        };
        assert_eq!(position(&progress, few.steps(60)), (40, 50));
    }
}
