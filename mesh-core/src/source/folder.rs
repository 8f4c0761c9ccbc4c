//! A folder of YAML and JSON files, read whole and watched.
//!
//! ```text
//! change ─▶ quiet for 100 ms ─▶ read all ─▶ in doubt? ─no─▶ one new World
//!                                  ▲            │ yes: a file has errors, is gone, or lost a resource
//!                                  └── 150 ms ──┘ until it is seen twice alike
//! ```
//!
//! All files make one World: an edit of several files comes into force at once, or not at all. A resource
//! with an error is quarantined alone; its last good version stays in force, and so do all resources of a
//! file that cannot be read. What an editor or a copy has written half is never taken for an edit, because
//! whatever looks like a loss has to be seen twice.

mod file;
mod state;
#[cfg(test)]
mod tests;
mod walk;
mod watch;

use crate::diagnostic::Findings;
use crate::source::{Loaded, Statuses};
use crate::validate::Check;
use crate::watch::Watch;
use crate::world::World;
use state::LastGood;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use walk::Reading;

/// How a folder is read and watched.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Folders inside of the folder are read, too.
    pub recursive: bool,
    /// What each resource is asked beside [`validate::check`](crate::validate::check), whose findings count
    /// alike: an error refuses the resource.
    pub checks: &'static [Check],
    /// A change is read when nothing has changed for so long.
    pub quiet: Duration,
    /// Or after so long, if something changes all the time.
    pub longest: Duration,
    /// What looks like a loss is read again after so long.
    pub settle: Duration,
    /// The folder is looked through so often, even if nothing told of a change: some file systems do not.
    pub poll: Duration,
}

impl Default for Options {
    /// An edit is in force within 150 ms, a report of an error within 400 ms.
    fn default() -> Self {
        Self {
            recursive: true,
            checks: &[],
            quiet: Duration::from_millis(100),
            longest: Duration::from_millis(800),
            settle: Duration::from_millis(150),
            poll: Duration::from_secs(2),
        }
    }
}

/// A folder that is watched for as long as somebody holds this or one of its watches.
///
/// ```
/// # async fn doc() {
/// use mesh_core::source::FolderSource;
/// let source = FolderSource::open("/etc/mesh").await;
/// let mut world = source.world();
/// while let Ok(next) = world.changed().await {
///     println!("{next:?}");
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FolderSource {
    world: Watch<World>,
    findings: Watch<Findings>,
    status: Watch<Statuses>,
}

impl FolderSource {
    /// Reads a folder and watches it from then on. The first World is there when this returns; if the
    /// folder does not exist, it is empty, a finding says so, and the folder is read once it appears.
    ///
    /// Must be called within a tokio runtime with time enabled.
    pub async fn open(path: impl Into<PathBuf>) -> Self {
        Self::open_with(path, Options::default()).await
    }

    /// The same with options.
    pub async fn open_with(path: impl Into<PathBuf>, options: Options) -> Self {
        watch::start(path.into(), options).await
    }

    /// The newest World.
    pub fn world(&self) -> Watch<World> {
        self.world.clone()
    }

    /// What there is to say about the newest World; sent just before it.
    pub fn findings(&self) -> Watch<Findings> {
        self.findings.clone()
    }

    /// What became of each resource; sent just before the World that it speaks of.
    /// [`status::json`](crate::source::status::json) makes it JSON.
    pub fn status(&self) -> Watch<Statuses> {
        self.status.clone()
    }
}

/// Reads files and folders once. There is no last good version: what has errors is left out.
pub fn load<P: AsRef<Path>>(paths: &[P], recursive: bool) -> Loaded {
    load_with(paths, Options { recursive, ..Options::default() }, &mut std::io::empty())
}

/// The same with options; nothing is watched. A path `-` stands for what `input` gives; findings call it `stdin`.
pub fn load_with<P: AsRef<Path>>(paths: &[P], options: Options, input: &mut dyn Read) -> Loaded {
    let mut reading = Reading::default();
    for path in paths.iter().map(AsRef::as_ref) {
        match path.as_os_str() == "-" {
            true => reading.add_text("stdin", input),
            false => reading.add(path, options.recursive, None),
        }
    }
    let mut state = LastGood::new(options.checks);
    let candidate = state.prepare(reading);
    state.commit(candidate)
}
