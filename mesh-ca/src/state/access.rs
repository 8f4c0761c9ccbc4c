//! Who may read and write a state directory: checked before anything in it is believed.

use super::{StateError, StateErrorKind, io_error};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const WRITABLE_BY_OTHERS: u32 = 0o022;
const OPEN_TO_OTHERS: u32 = 0o077;

/// The user that this process acts as. The kernel says it in a file; a system call would take unsafe code,
/// and the owner of `/proc/self` is root for a process that may not be dumped.
pub(super) fn effective_uid() -> io::Result<u32> {
    parse_effective_uid(&fs::read_to_string("/proc/self/status")?)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/self/status names no user"))
}

/// `Uid:` is followed by the real, effective, saved and file system user.
fn parse_effective_uid(status: &str) -> Option<u32> {
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    ids.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn refuse(path: &Path, problem: String) -> StateError {
    StateError::new(path, StateErrorKind::Permissions, problem)
}

fn check_owner(path: &Path, metadata: &Metadata, owner: u32) -> Result<(), StateError> {
    let uid = metadata.uid();
    if uid == owner {
        return Ok(());
    }
    let path_shown = path.display();
    Err(refuse(
        path,
        format!(
            "belongs to uid {uid}, this process runs as uid {owner}: run it as that user, \
             `chown {owner} {path_shown}`, or choose another state directory"
        ),
    ))
}

/// Refuses a directory in which somebody else could replace files.
pub(super) fn check_dir(path: &Path, metadata: &Metadata, owner: u32) -> Result<(), StateError> {
    check_owner(path, metadata, owner)?;
    let mode = metadata.mode() & 0o7777;
    if mode & WRITABLE_BY_OTHERS == 0 {
        return Ok(());
    }
    let path_shown = path.display();
    Err(refuse(
        path,
        format!(
            "can be written by others than its owner (mode {mode:o}), who could replace the keys: \
             `chmod go-w {path_shown}`, or choose another state directory"
        ),
    ))
}

/// Refuses a file that somebody else could change, and a key that somebody else could read.
pub(super) fn check_file(path: &Path, metadata: &Metadata, owner: u32, key: bool) -> Result<(), StateError> {
    check_owner(path, metadata, owner)?;
    let mode = metadata.mode() & 0o7777;
    let path_shown = path.display();
    if key && mode & OPEN_TO_OTHERS != 0 {
        return Err(refuse(
            path,
            format!(
                "a private key that is open to others than its owner (mode {mode:o}): replace it if they \
                 may have read it, then `chmod go-rwx {path_shown}`"
            ),
        ));
    }
    if mode & WRITABLE_BY_OTHERS != 0 {
        return Err(refuse(
            path,
            format!("can be written by others than its owner (mode {mode:o}): `chmod go-w {path_shown}`"),
        ));
    }
    Ok(())
}

/// Refuses a link that leads out of the directory. Kubernetes mounts secrets as links within it.
pub(super) fn check_link(dir: &Path, path: &Path) -> Result<(), StateError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => {}
        // What is not there, or cannot be read, is found out by opening it.
        _ => return Ok(()),
    }
    let real = |path: &Path| fs::canonicalize(path).map_err(|e| io_error(path, "cannot be followed", &e));
    if real(path)?.starts_with(real(dir)?) {
        return Ok(());
    }
    Err(refuse(path, "a link out of the state directory: put the key itself here".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_user_is_the_second_of_the_four() {
        let status = "Name:\tmesh\nUid:\t1000\t1001\t1002\t1003\nGid:\t5\t6\t7\t8\n";
        assert_eq!(parse_effective_uid(status), Some(1001));
        assert_eq!(parse_effective_uid("Name:\tmesh\n"), None);
    }
}
