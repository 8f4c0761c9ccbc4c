//! Where Worlds come from. The only place of this crate that does IO.
//!
//! ```text
//! folder of YAML ─▶ [folder] ─▶ World (watch) ─▶ compile
//!                       ├─────▶ findings (watch) ─▶ terminal, /debug, meshctl
//!                       └─────▶ status (watch): what became of each resource
//! ```

pub mod folder;
pub mod status;

pub use folder::{FolderSource, load, load_with};
pub use status::{State, Status, Statuses};

use crate::diagnostic::{Findings, Level};
use crate::world::World;
use std::sync::Arc;

/// What a source has read: the World, and what there is to say about it.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// All that is in force: the good, and the last good of what is not.
    pub world: Arc<World>,
    /// By file and line.
    pub findings: Arc<Findings>,
    /// What became of each resource.
    pub status: Arc<Statuses>,
}

impl Loaded {
    /// Whether nothing is wrong.
    pub fn is_valid(&self) -> bool {
        self.findings.iter().all(|f| f.level < Level::Error)
    }
}
