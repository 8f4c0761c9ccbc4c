//! Keys on disk: written whole or not at all, readable by their owner alone, never replaced by guesswork.
//!
//! The directory and what is public in it (`root-cert.pem` above all) may be read by everybody, so that
//! proxies of other users find their root there; the umask may forbid it. Whoever can write there
//! chooses whom the mesh trusts, so a directory or file that others can write is refused, as is a key
//! that others can read.
//!
//! A set of files is committed by one rename: everything is written and synced below `NAME.tmp`, which
//! becomes `NAME.commit` at once; from there the files move to their places. A crash before that
//! rename leaves nothing, a crash after it is finished by the next start.

mod access;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// No file of the state is larger; a trust bundle has some KiB.
const MAX_BYTES: u64 = 1024 * 1024;

/// Why a state directory cannot be used. It was left as it is.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct StateError {
    path: PathBuf,
    kind: StateErrorKind,
    problem: String,
}

/// What kind of [`StateError`] it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateErrorKind {
    /// The file system refused.
    Io,
    /// Another process uses the directory.
    Locked,
    /// Some of the files are there, others are not.
    Partial,
    /// A file is damaged, or the files do not belong together.
    Corrupt,
    /// The CA certificate is no longer valid.
    Expired,
    /// Somebody else may write to the directory or a file, or read a key.
    Permissions,
}

impl StateError {
    pub(crate) fn new(path: &Path, kind: StateErrorKind, problem: impl ToString) -> Self {
        Self { path: path.to_owned(), kind, problem: problem.to_string() }
    }

    /// What kind of error it is.
    pub fn kind(&self) -> StateErrorKind {
        self.kind
    }
}

fn io_error(path: &Path, what: &str, error: &io::Error) -> StateError {
    StateError::new(path, StateErrorKind::Io, format!("{what}: {error}"))
}

/// A directory with keys.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    /// Whom all of it must belong to.
    owner: u32,
}

impl StateDir {
    /// Opens the directory, or makes it; nobody but its owner may write there.
    pub(crate) fn open(path: &Path) -> Result<Self, StateError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(path)
            .map_err(|e| io_error(path, "cannot be created", &e))?;
        let owner = access::effective_uid().map_err(|e| io_error(path, "the user is not known", &e))?;
        let metadata = fs::metadata(path).map_err(|e| io_error(path, "cannot be read", &e))?;
        access::check_dir(path, &metadata, owner)?;
        Ok(Self { path: path.to_owned(), owner })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn open_lock(&self, name: &str) -> Result<(PathBuf, File), StateError> {
        let path = self.file(name);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|e| io_error(&path, "cannot be opened", &e))?;
        Ok((path, file))
    }

    /// Takes the lock for as long as the file lives; refuses if another holds it. The kernel releases
    /// it with the process, so a crash leaves no stale lock.
    pub(crate) fn lock(&self, name: &str) -> Result<File, StateError> {
        let (path, file) = self.open_lock(name)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(StateError::new(
                &self.path,
                StateErrorKind::Locked,
                "another process uses this state directory",
            )),
            Err(TryLockError::Error(e)) => Err(io_error(&path, "cannot be locked", &e)),
        }
    }

    /// Like [`lock`](Self::lock), but waits for the other: for holders that keep it for a moment only.
    pub(crate) fn lock_waiting(&self, name: &str) -> Result<File, StateError> {
        let (path, file) = self.open_lock(name)?;
        file.lock().map_err(|e| io_error(&path, "cannot be locked", &e))?;
        Ok(file)
    }

    /// A file's bytes, wiped when dropped; `None` if there is no such file.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StateError> {
        let path = self.file(name);
        if is_key(name) {
            access::check_link(&self.path, &path)?;
        }
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io_error(&path, "cannot be read", &e)),
        };
        let metadata = file.metadata().map_err(|e| io_error(&path, "cannot be read", &e))?;
        if metadata.len() > MAX_BYTES {
            return Err(StateError::new(
                &path,
                StateErrorKind::Corrupt,
                format!("has {} bytes, more than {MAX_BYTES}", metadata.len()),
            ));
        }
        access::check_file(&path, &metadata, self.owner, is_key(name))?;
        // Room for all, so that no reallocation leaves a copy of a key behind.
        let room = usize::try_from(metadata.len()).unwrap_or_default() + 1;
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(|e| io_error(&path, "cannot be read", &e))?;
        Ok(Some(bytes))
    }

    /// Finishes a commit that was interrupted after its point of no return, forgets one that was not.
    pub(crate) fn recover(&self, name: &str) -> Result<(), StateError> {
        let unfinished = self.file(&format!("{name}.tmp"));
        match fs::remove_dir_all(&unfinished) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(io_error(&unfinished, "cannot be removed", &e));
            }
            _ => {}
        }
        let staged = self.file(&format!("{name}.commit"));
        let entries = match fs::read_dir(&staged) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(io_error(&staged, "cannot be read", &e)),
        };
        for entry in entries {
            let entry = entry.map_err(|e| io_error(&staged, "cannot be read", &e))?;
            let to = self.path.join(entry.file_name());
            fs::rename(entry.path(), &to).map_err(|e| io_error(&to, "cannot be replaced", &e))?;
        }
        self.sync()?;
        fs::remove_dir(&staged).map_err(|e| io_error(&staged, "cannot be removed", &e))
    }

    /// Writes all of `files`, or none. The caller holds the lock.
    pub(crate) fn commit(&self, name: &str, files: &[(&str, &[u8])]) -> Result<(), StateError> {
        self.recover(name)?;
        let staging = self.file(&format!("{name}.tmp"));
        DirBuilder::new()
            .mode(0o700)
            .create(&staging)
            .map_err(|e| io_error(&staging, "cannot be created", &e))?;
        for (file_name, bytes) in files {
            let path = staging.join(file_name);
            let mode = if is_key(file_name) { 0o600 } else { 0o644 };
            write_synced(&path, bytes, mode).map_err(|e| io_error(&path, "cannot be written", &e))?;
        }
        sync_dir(&staging)?;
        let staged = self.file(&format!("{name}.commit"));
        fs::rename(&staging, &staged).map_err(|e| io_error(&staged, "cannot be created", &e))?;
        self.sync()?;
        self.recover(name)
    }

    fn sync(&self) -> Result<(), StateError> {
        sync_dir(&self.path)
    }
}

fn sync_dir(path: &Path) -> Result<(), StateError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(|e| io_error(path, "cannot be synced", &e))
}

/// Whether a file of that name is a secret.
fn is_key(name: &str) -> bool {
    name.ends_with("key.pem")
}

fn write_synced(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
