//! Watches a folder: when to read, and whether to believe what was read.

use super::state::LastGood;
use super::walk::{self, Reading, Stamp, Stamps};
use super::{Findings, FolderSource, Options, Statuses, World};
use crate::watch::{Sender, channel};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Reads the folder once and starts the task that watches it.
pub(super) async fn start(path: PathBuf, options: Options) -> FolderSource {
    let (world, worlds) = channel();
    let (findings, all_findings) = channel();
    let (status, all_status) = channel();
    let (wake, changes) = mpsc::channel(1);
    // Watched before it is read, so that no change falls in between.
    let mut eyes = Eyes::new(&path, options.recursive, wake);
    eyes.look();
    let folder = Folder {
        path,
        options,
        state: LastGood::new(options.checks),
        last: Reading::default(),
        in_force: None,
        world,
        findings,
        status,
    };
    tokio::spawn(folder.first().await.run(eyes, changes));
    FolderSource { world: worlds, findings: all_findings, status: all_status }
}

struct Folder {
    path: PathBuf,
    options: Options,
    state: LastGood,
    last: Reading,
    in_force: Option<Arc<World>>,
    world: Sender<World>,
    findings: Sender<Findings>,
    status: Sender<Statuses>,
}

/// What was doubtful at the last reading, and since when anything has been.
struct Doubt {
    since: Instant,
    files: BTreeMap<Arc<str>, Option<Stamp>>,
}

impl Folder {
    /// At the start there is no last good version that doubts could protect.
    async fn first(mut self) -> Self {
        let reading = self.read().await;
        self.last = reading.clone();
        let candidate = self.state.prepare(reading);
        self.publish(candidate);
        self
    }

    async fn run(mut self, mut eyes: Eyes, mut changes: mpsc::Receiver<()>) {
        loop {
            let poll = sleep_until(Instant::now() + self.options.poll);
            tokio::select! {
                () = self.nobody() => return,
                // The watcher holds the sending end for as long as this task lives.
                Some(()) = changes.recv() => self.quiet(&mut changes).await,
                () = poll => {
                    let (path, recursive) = (self.path.clone(), self.options.recursive);
                    let now = blocking(Stamps::new(), move || walk::stamps(&path, recursive)).await;
                    eyes.look();
                    // A fault of the last reading may have passed without a stamp that tells.
                    if now == self.last.stamps() && self.last.faults.is_empty() {
                        continue;
                    }
                }
            }
            // The folder may be another one by now: a link was turned, or it was deleted and made again.
            eyes.look();
            self.settle().await;
        }
    }

    /// Waits until nothing has changed for a while, but not for ever.
    async fn quiet(&self, changes: &mut mpsc::Receiver<()>) {
        let latest = Instant::now() + self.options.longest;
        loop {
            let quiet = (Instant::now() + self.options.quiet).min(latest);
            tokio::select! {
                biased;
                () = sleep_until(quiet) => return,
                Some(()) = changes.recv() => {}
            }
        }
    }

    /// Reads until what was read is believed, and puts it into force.
    async fn settle(&mut self) {
        let mut doubt: Option<Doubt> = None;
        loop {
            let reading = self.read().await;
            let candidate = self.state.prepare(reading.clone());
            self.last = reading;
            if !candidate.changed {
                return;
            }
            let since = doubt.as_ref().map_or_else(Instant::now, |d| d.since);
            let seen_twice = doubt.as_ref().is_some_and(|d| {
                candidate.doubts.iter().all(|(name, stamp)| d.files.get(name) == Some(stamp))
            });
            let waited = since.elapsed() >= self.options.longest * 2;
            if candidate.doubts.is_empty() || seen_twice || waited {
                self.publish(candidate);
                return;
            }
            doubt = Some(Doubt { since, files: candidate.doubts });
            sleep_until(Instant::now() + self.options.settle).await;
        }
    }

    async fn read(&self) -> Reading {
        let (path, recursive, before) = (self.path.clone(), self.options.recursive, self.last.clone());
        let read = move || {
            let mut reading = Reading::default();
            reading.add(&path, recursive, Some(&before));
            reading
        };
        blocking(self.last.clone(), read).await
    }

    /// Waits until nobody reads any more.
    async fn nobody(&self) {
        self.world.closed().await;
        self.findings.closed().await;
        self.status.closed().await;
    }

    fn publish(&mut self, candidate: super::state::Candidate) {
        let loaded = self.state.commit(candidate);
        tracing::debug!(
            version = %loaded.world.version(),
            resources = loaded.world.len(),
            findings = loaded.findings.len(),
            "configuration read"
        );
        // The World last: whoever sees it finds what there is to say about it.
        self.findings.send_if_changed(loaded.findings);
        self.status.send_if_changed(loaded.status);
        // An edit that was refused as a whole leaves the World as it is, and wakes no compiler.
        if !self.in_force.as_ref().is_some_and(|w| w.same_content(&loaded.world)) {
            self.in_force = Some(loaded.world.clone());
            self.world.send(loaded.world);
        }
    }
}

/// Runs file IO off the runtime's threads; on shutdown of the runtime, the given value.
async fn blocking<T: Send + 'static>(otherwise: T, work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap_or(otherwise)
}

/// What tells of changes: a watch on the folder and one on its parent, which sees it being replaced.
pub(super) struct Eyes {
    path: PathBuf,
    recursive: bool,
    wake: mpsc::Sender<()>,
    watcher: Option<RecommendedWatcher>,
    /// The folder that is being watched; another one may have taken its place.
    watched: Option<(u64, u64)>,
}

impl Eyes {
    pub(super) fn new(path: &Path, recursive: bool, wake: mpsc::Sender<()>) -> Self {
        Self { path: path.to_owned(), recursive, wake, watcher: None, watched: None }
    }

    /// Watches what is at the path now, unless that is being watched already.
    pub(super) fn look(&mut self) {
        let now = std::fs::metadata(&self.path).ok().map(|m| (m.dev(), m.ino()));
        if self.watcher.is_some() && self.watched == now {
            return;
        }
        match self.watch() {
            Ok(watcher) => (self.watcher, self.watched) = (Some(watcher), now),
            // The poll still sees changes, only later.
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the folder cannot be watched; it is polled");
                (self.watcher, self.watched) = (None, None);
            }
        }
    }

    fn watch(&self) -> notify::Result<RecommendedWatcher> {
        let wake = self.wake.clone();
        let name = self.path.file_name().map(ToOwned::to_owned);
        let inside = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let given = self.path.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let matters = match &event {
                // Reading the folder is an access, too: to wake on it would be to wake for ever.
                Ok(event) => {
                    let concerns = |path: &PathBuf| {
                        path.starts_with(&inside)
                            || path.starts_with(&given)
                            || (name.is_some() && path.file_name() == name.as_deref())
                    };
                    let rescan = event.need_rescan();
                    rescan
                        || (!matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(concerns))
                }
                Err(_) => true,
            };
            if matters {
                // A full channel has a wake-up in it already.
                let _ = wake.try_send(());
            }
        })?;
        let mode = if self.recursive { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
        if self.path.exists() {
            watcher.watch(&self.path, mode)?;
        }
        let parent = match self.path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Some(Path::new(".")),
            other => other,
        };
        // The parent of a folder may be closed to us; then the poll sees the folder being replaced.
        if let Some(Err(error)) = parent.map(|p| watcher.watch(p, RecursiveMode::NonRecursive)) {
            tracing::debug!(%error, "the parent of the folder cannot be watched");
        }
        Ok(watcher)
    }
}
