//! Which files a folder holds, and what is in them.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Folders deeper than these are not read; nobody has them but for a loop of links.
const MAX_DEPTH: usize = 32;
/// More files than these are not read.
const MAX_FILES: usize = 100_000;
/// A file system may tell times as coarsely as this; a younger file is read again even if it looks the same.
const COARSE: Duration = Duration::from_secs(2);

/// All files at one time, by the name that findings use.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    pub(super) files: BTreeMap<Arc<str>, File>,
    /// What could not be listed or read, and why.
    pub(super) faults: BTreeMap<Arc<str>, String>,
}

/// A file as it was read.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) stamp: Stamp,
    pub(super) text: Arc<str>,
    read_at: SystemTime,
}

/// What tells that a file has changed without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: (i64, i64),
    length: u64,
    inode: (u64, u64),
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        Self {
            modified: (meta.mtime(), meta.mtime_nsec()),
            length: meta.len(),
            inode: (meta.dev(), meta.ino()),
        }
    }
}

/// The stamps of all files: cheap to take, and different if anything is.
pub(super) type Stamps = BTreeMap<Arc<str>, Stamp>;

pub(super) fn stamps(path: &Path, recursive: bool) -> Stamps {
    let mut stamps = Stamps::new();
    let mut faults = BTreeMap::new();
    visit(path, recursive, &mut faults, &mut |_, name, meta| {
        stamps.insert(name, Stamp::of(meta));
        Ok(())
    });
    stamps
}

impl Reading {
    /// Adds a file or a folder; what did not change since `before` is taken from there.
    pub(super) fn add(&mut self, path: &Path, recursive: bool, before: Option<&Self>) {
        let Self { files, faults } = self;
        visit(path, recursive, faults, &mut |path, name, meta| {
            let stamp = Stamp::of(meta);
            let known =
                before.and_then(|b| b.files.get(&name)).filter(|f| f.stamp == stamp && f.is_settled(meta));
            let file = match known {
                Some(file) => file.clone(),
                None => read(path, meta)?,
            };
            files.insert(name, file);
            Ok(())
        });
    }

    /// Adds what a reader gives, under a name; once only.
    pub(super) fn add_text(&mut self, name: &str, reader: &mut dyn Read) {
        if self.files.contains_key(name) || self.faults.contains_key(name) {
            return;
        }
        let stamp = Stamp { modified: (0, 0), length: 0, inode: (0, 0) };
        match text(reader) {
            Ok(text) => {
                let file = File { stamp, text, read_at: SystemTime::UNIX_EPOCH };
                self.files.insert(name.into(), file);
            }
            Err(why) => {
                self.faults.insert(name.into(), why);
            }
        }
    }

    pub(super) fn stamps(&self) -> Stamps {
        self.files.iter().map(|(name, file)| (name.clone(), file.stamp)).collect()
    }
}

impl File {
    /// Whether it was read so long after its last change that a later change shows in its time.
    fn is_settled(&self, meta: &Metadata) -> bool {
        meta.modified().ok().and_then(|m| self.read_at.duration_since(m).ok()).is_some_and(|age| age > COARSE)
    }
}

fn read(path: &Path, meta: &Metadata) -> Result<File, String> {
    let read_at = SystemTime::now();
    let mut file = fs::File::open(path).map_err(|e| e.to_string())?;
    Ok(File { stamp: Stamp::of(meta), text: text(&mut file)?, read_at })
}

fn text(reader: &mut dyn Read) -> Result<Arc<str>, String> {
    let limit = u64::try_from(crate::yaml::Limits::default().bytes).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    // One byte more than the limit, so that the reader of the text sees that it is beyond.
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    let text = String::from_utf8(bytes)
        .map_err(|e| format!("not UTF-8 text: byte {} is not legal", e.utf8_error().valid_up_to()))?;
    Ok(text.into())
}

type Visitor<'a> = dyn FnMut(&Path, Arc<str>, &Metadata) -> Result<(), String> + 'a;

fn visit(path: &Path, recursive: bool, faults: &mut BTreeMap<Arc<str>, String>, visitor: &mut Visitor<'_>) {
    let mut walk = Walk { recursive, faults, visitor, above: HashSet::new(), count: 0 };
    match fs::metadata(path) {
        // A file that is named is read, whatever its name.
        Ok(meta) if meta.is_file() => walk.file(path, &meta),
        Ok(meta) if meta.is_dir() => walk.folder(path, &meta, 0),
        Ok(_) => walk.fault(path, "neither a file nor a folder".to_owned()),
        Err(e) => walk.fault(path, e.to_string()),
    }
}

struct Walk<'a> {
    recursive: bool,
    faults: &'a mut BTreeMap<Arc<str>, String>,
    visitor: &'a mut Visitor<'a>,
    /// The folders that lead here: a link to one of them is a loop.
    above: HashSet<(u64, u64)>,
    count: usize,
}

impl Walk<'_> {
    fn fault(&mut self, path: &Path, why: String) {
        self.faults.insert(name_of(path), why);
    }

    fn file(&mut self, path: &Path, meta: &Metadata) {
        self.count += 1;
        if self.count > MAX_FILES {
            return self.fault(path, format!("more than {MAX_FILES} files"));
        }
        if let Err(why) = (self.visitor)(path, name_of(path), meta) {
            self.fault(path, why);
        }
    }

    fn folder(&mut self, path: &Path, meta: &Metadata, depth: usize) {
        let id = (meta.dev(), meta.ino());
        if depth > MAX_DEPTH || !self.above.insert(id) {
            return;
        }
        match fs::read_dir(path) {
            Err(e) => self.fault(path, e.to_string()),
            Ok(entries) => {
                let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|e| e.path()).collect();
                paths.sort();
                for entry in paths {
                    self.entry(&entry, depth);
                }
            }
        }
        self.above.remove(&id);
    }

    fn entry(&mut self, path: &Path, depth: usize) {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if is_ignored(&name) {
            return;
        }
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() && self.recursive => self.folder(path, &meta, depth + 1),
            Ok(meta) if meta.is_file() && is_config(&name) => self.file(path, &meta),
            // Gone since it was listed, or a link to nothing, such as an editor's lock.
            _ => {}
        }
    }
}

fn name_of(path: &Path) -> Arc<str> {
    path.to_string_lossy().into()
}

fn is_config(name: &str) -> bool {
    let extension = Path::new(name).extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    matches!(extension.as_deref(), Some("yaml" | "yml" | "json"))
}

/// Hidden files, and what editors leave: `.#x`, `.x.swp`, `x~`, `#x#`, and vim's probe `4913`.
fn is_ignored(name: &str) -> bool {
    name.starts_with(['.', '#']) || name.ends_with('~') || name == "4913"
}
