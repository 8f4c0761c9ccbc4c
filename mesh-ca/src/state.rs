//! Keys on disk: written whole or not at all, readable by their owner alone, never replaced by guesswork.
//!
//! A set of files is committed by one rename: everything is written and synced below `NAME.tmp`, which
//! becomes `NAME.commit` at once; from there the files move to their places. A crash before that
//! rename leaves nothing, a crash after it is finished by the next start.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
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
}

impl StateDir {
    /// Opens the directory, or makes it for its owner alone.
    pub(crate) fn open(path: &Path) -> Result<Self, StateError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|e| io_error(path, "cannot be created", &e))?;
        Ok(Self { path: path.to_owned() })
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
        if name.ends_with("key.pem") && metadata.mode() & 0o077 != 0 {
            tracing::warn!(
                path = %path.display(),
                mode = format!("{:o}", metadata.mode() & 0o777),
                "a private key is readable by others than its owner"
            );
        }
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
            write_synced(&path, bytes).map_err(|e| io_error(&path, "cannot be written", &e))?;
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

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_commit_is_finished_or_forgotten_but_never_half_done() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();

        fs::create_dir(dir.path().join("x.tmp")).unwrap();
        fs::write(dir.path().join("x.tmp/a"), "1").unwrap();
        state.recover("x").unwrap();
        assert!(state.read("a").unwrap().is_none());
        assert!(!dir.path().join("x.tmp").exists());

        fs::create_dir(dir.path().join("x.commit")).unwrap();
        fs::write(dir.path().join("x.commit/b"), "2").unwrap();
        fs::write(dir.path().join("a"), "1").unwrap();
        state.recover("x").unwrap();
        assert_eq!(state.read("b").unwrap().unwrap().as_slice(), b"2");
        assert!(!dir.path().join("x.commit").exists());
    }

    #[test]
    fn committed_files_belong_to_their_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join("deep/er")).unwrap();
        state.commit("x", &[("a-key.pem", b"1"), ("b", b"2")]).unwrap();
        for name in ["a-key.pem", "b"] {
            assert_eq!(fs::metadata(state.file(name)).unwrap().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::metadata(state.path()).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_file_beyond_all_reason_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        File::create(dir.path().join("a")).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert_eq!(state.read("a").unwrap_err().kind(), StateErrorKind::Corrupt);
    }
}
