//! Files and folders on disk, watched.
//!
//! Folders are watched with everything below them; of a file its folder is watched, because editors and git replace files rather than write them.
//!
//! Invariants: one word ("changed") for any number of changes that come closer together than the quiet period; a stream of changes without end is told
//! of at least every 20 quiet periods; readings by ourselves are no changes. Not here: what the files say.

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Changes that go on and on are told of after this many quiet periods.
const MOST_QUIET: u32 = 20;

/// How changes are gathered.
#[derive(Clone, Debug)]
pub struct FolderSource {
    /// Nothing may have changed for this long before it is told.
    pub quiet_period: Duration,
    /// It is told this often in any case: some file systems tell nobody of changes.
    pub rescan: Duration,
    /// Changes below these folders are none of ours (the state folder).
    pub ignore: Vec<PathBuf>,
}

impl FolderSource {
    /// Gathers changes for this long, with a tick every minute.
    pub fn new(quiet_period: Duration) -> Self {
        Self {
            quiet_period,
            rescan: Duration::from_secs(60),
            ignore: Vec::new(),
        }
    }

    /// Begins to watch these files and folders. Call inside a tokio runtime. What cannot be watched (yet) is logged, and covered by the ticks.
    pub fn watch(self, paths: impl IntoIterator<Item = PathBuf>) -> Changes {
        let (raw, events) = mpsc::channel(1);
        let (told, receiver) = mpsc::channel(1);
        let (more, wanted) = mpsc::channel(4);
        let mut tasks = JoinSet::new();
        let mut watch = Watch::new(&self.ignore, raw.clone());
        watch.paths = paths.into_iter().collect();
        watch.refresh();
        let paths = watch.paths.clone();
        tasks.spawn(gather(self, watch, events, wanted, told));
        Changes {
            receiver,
            more,
            paths,
            _raw: raw,
            _tasks: tasks,
        }
    }
}

/// Tells of changes until it is dropped.
#[derive(Debug)]
pub struct Changes {
    receiver: mpsc::Receiver<()>,
    more: mpsc::Sender<Vec<PathBuf>>,
    paths: Vec<PathBuf>,
    /// Keeps the gathering task alive where nothing can be watched.
    _raw: mpsc::Sender<()>,
    _tasks: JoinSet<()>,
}

impl Changes {
    /// Watches these files and folders too (CSV files that the manifests name). What is watched already stays so. If any is new, a change is told,
    /// because it may have changed between being read and being watched.
    pub fn watch_also(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        let before = self.paths.len();
        for path in paths {
            if !self.paths.contains(&path) {
                self.paths.push(path);
            }
        }
        if self.paths.len() > before {
            // A full queue holds an earlier list; the next rescan takes the whole list in.
            drop(self.more.try_send(self.paths.clone()));
        }
    }

    /// Waits until something changed, or may have (the slow tick). Safe to cancel: no change is lost.
    pub async fn changed(&mut self) {
        if self.receiver.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// The system's watcher and what it watches.
struct Watch {
    watcher: Option<RecommendedWatcher>,
    paths: Vec<PathBuf>,
}

impl Watch {
    fn new(ignore: &[PathBuf], events: mpsc::Sender<()>) -> Self {
        let ignore: Arc<[PathBuf]> = ignore.iter().map(|path| resolved(path)).collect();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| !counts(&event, &ignore)) {
                return;
            }
            // Full: a word is waiting already, and one is enough.
            events.try_send(()).ok();
        });
        let watcher = watcher
            .inspect_err(|error| {
                tracing::warn!(
                    %error,
                    "The system offers no way to watch files; changes are found by looking from time to time."
                );
            })
            .ok();
        Self {
            watcher,
            paths: Vec::new(),
        }
    }

    /// Watches all of it, anew: a folder that was replaced is another one to the system.
    fn refresh(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        for path in &self.paths {
            let (folder, mode) = if path.is_dir() {
                (path.as_path(), RecursiveMode::Recursive)
            } else {
                (parent(path), RecursiveMode::NonRecursive)
            };
            // Watching a folder twice is allowed, and is one watch.
            if let Err(error) = watcher.watch(folder, mode) {
                tracing::warn!(path = %folder.display(), %error, "A folder cannot be watched; it is looked at from time to time.");
            }
        }
    }
}

fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// The path without links; of a file that is gone, its folder's.
fn resolved(path: &Path) -> PathBuf {
    path.canonicalize()
        .or_else(|_| {
            let name = path.file_name().unwrap_or_default();
            Ok::<_, std::io::Error>(parent(path).canonicalize()?.join(name))
        })
        .unwrap_or_else(|_| path.to_owned())
}

/// Whether the event may have changed what we read: no reading, not below an ignored folder, not inside git's own folder.
fn counts(event: &Event, ignore: &[PathBuf]) -> bool {
    let writes = match event.kind {
        EventKind::Access(kind) => matches!(kind, AccessKind::Close(AccessMode::Write)),
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    };
    let elsewhere = |path: &PathBuf| {
        path.components().any(|part| part.as_os_str() == ".git")
            || ignore
                .iter()
                .any(|folder| resolved(path).starts_with(folder))
    };
    writes && (event.paths.is_empty() || !event.paths.iter().all(elsewhere))
}

/// Turns many raw events into one word after each quiet period.
async fn gather(
    source: FolderSource,
    mut watch: Watch,
    mut events: mpsc::Receiver<()>,
    mut wanted: mpsc::Receiver<Vec<PathBuf>>,
    told: mpsc::Sender<()>,
) {
    let mut ticks = interval(source.rescan);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        tokio::select! {
            paths = wanted.recv() => {
                let Some(paths) = paths else { return };
                watch.paths = paths;
                watch.refresh();
            }
            event = events.recv() => {
                if event.is_none() {
                    return;
                }
                let quiet = until_quiet(&mut events, source.quiet_period);
                // The time being up is as good as quiet.
                timeout(source.quiet_period * MOST_QUIET, quiet).await.ok();
            }
            _ = ticks.tick() => watch.refresh(),
        }
        // Full: the listener has not taken the last word yet, and that one will do.
        told.try_send(()).ok();
    }
}

async fn until_quiet(events: &mut mpsc::Receiver<()>, quiet_period: Duration) {
    while let Ok(Some(())) = timeout(quiet_period, events.recv()).await {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const QUIET: Duration = Duration::from_millis(60);
    const SOON: Duration = Duration::from_secs(5);
    const NOTHING: Duration = Duration::from_millis(400);

    fn watch(paths: &[&Path], ignore: &[&Path]) -> Changes {
        let mut source = FolderSource::new(QUIET);
        source.ignore = ignore.iter().map(|path| path.to_path_buf()).collect();
        source.watch(paths.iter().map(|path| path.to_path_buf()))
    }

    async fn told(changes: &mut Changes, within: Duration) -> bool {
        timeout(within, changes.changed()).await.is_ok()
    }

    #[tokio::test]
    async fn writing_replacing_and_removing_are_told_reading_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sub/fleet.yaml");
        fs::create_dir(file.parent().unwrap()).unwrap();
        let mut changes = watch(&[folder.path()], &[]);
        fs::write(&file, "a").unwrap();
        assert!(told(&mut changes, SOON).await, "written");
        fs::write(folder.path().join("sub/new"), "b").unwrap();
        fs::rename(folder.path().join("sub/new"), &file).unwrap();
        assert!(told(&mut changes, SOON).await, "replaced");
        while told(&mut changes, NOTHING).await {}
        fs::read(&file).unwrap();
        assert!(!told(&mut changes, NOTHING).await, "read");
        fs::remove_file(&file).unwrap();
        assert!(told(&mut changes, SOON).await, "removed");
    }

    #[tokio::test]
    async fn a_burst_is_told_once_and_after_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let quiet = Duration::from_millis(800);
        let mut changes = FolderSource::new(quiet).watch([folder.path().to_owned()]);
        for n in 0..8 {
            fs::write(folder.path().join("a.yaml"), format!("{n}")).unwrap();
            let early = told(&mut changes, Duration::from_millis(20)).await;
            assert!(!early, "told in the middle");
        }
        assert!(told(&mut changes, SOON).await);
        assert!(!told(&mut changes, quiet * 2).await, "told twice");
    }

    #[tokio::test]
    async fn changes_without_end_are_told_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let mut changes = watch(&[folder.path()], &[]);
        let path = folder.path().join("a.yaml");
        let mut busy = JoinSet::new();
        busy.spawn(async move {
            loop {
                fs::write(&path, "x").unwrap();
                tokio::time::sleep(QUIET / 6).await;
            }
        });
        assert!(told(&mut changes, SOON).await);
    }

    #[tokio::test]
    async fn a_single_file_is_watched_through_its_folder_and_files_can_be_added() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (file, csv) = (one.path().join("a.yaml"), two.path().join("phones.csv"));
        let mut changes = watch(&[&file], &[]);
        fs::write(&csv, "id\n").unwrap();
        assert!(!told(&mut changes, NOTHING).await);
        changes.watch_also([csv.clone()]);
        assert!(told(&mut changes, SOON).await, "may have changed before");
        changes.watch_also([csv.clone()]);
        assert!(!told(&mut changes, NOTHING).await, "is watched already");
        fs::write(&csv, "id\nAC1\n").unwrap();
        assert!(told(&mut changes, SOON).await);
        fs::write(&file, "kind: Group\n").unwrap();
        assert!(told(&mut changes, SOON).await);
    }

    #[tokio::test]
    async fn the_state_folder_and_git_may_change_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        let (state, git) = (folder.path().join("state"), folder.path().join(".git"));
        fs::create_dir(&state).unwrap();
        fs::create_dir(&git).unwrap();
        let mut changes = watch(&[folder.path()], &[&state]);
        fs::write(state.join("status.json"), "{}").unwrap();
        fs::remove_file(state.join("status.json")).unwrap();
        fs::write(git.join("index"), "x").unwrap();
        assert!(!told(&mut changes, NOTHING).await);
    }

    #[tokio::test]
    async fn what_no_watch_sees_is_told_by_the_tick() {
        let folder = tempfile::tempdir().unwrap();
        let mut source = FolderSource::new(QUIET);
        source.rescan = Duration::from_millis(150);
        let late = folder.path().join("late");
        let mut changes = source.watch([late.join("a.yaml")]);
        assert!(told(&mut changes, SOON).await);
        fs::create_dir(&late).unwrap();
        assert!(told(&mut changes, SOON).await);
    }
}
