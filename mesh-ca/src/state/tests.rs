use super::*;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

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

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn keys_are_for_their_owner_alone_and_what_is_public_for_all_that_the_umask_allows() {
    let dir = tempfile::tempdir().unwrap();
    let probe = dir.path().join("probe");
    OpenOptions::new().write(true).create_new(true).mode(0o777).open(&probe).unwrap();
    let allowed = mode(&probe);

    let state = StateDir::open(&dir.path().join("deep/er")).unwrap();
    state.commit("x", &[("a-key.pem", b"1"), ("root-cert.pem", b"2")]).unwrap();
    assert_eq!(mode(&state.file("a-key.pem")), 0o600);
    assert_eq!(mode(&state.file("root-cert.pem")), 0o644 & allowed);
    assert_eq!(mode(state.path()), 0o755 & allowed);
}

#[test]
fn a_directory_that_others_can_write_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    for open in [0o770, 0o702, 0o1777] {
        chmod(dir.path(), open);
        let error = StateDir::open(dir.path()).unwrap_err();
        assert_eq!(error.kind(), StateErrorKind::Permissions);
        assert!(error.to_string().contains(&format!("chmod go-w {}", dir.path().display())), "{error}");
        assert_eq!(mode(dir.path()), open & 0o777);
    }
    for closed in [0o700, 0o755] {
        chmod(dir.path(), closed);
        StateDir::open(dir.path()).unwrap();
    }
}

#[test]
fn a_directory_below_one_that_all_can_write_is_fine() {
    let dir = tempfile::tempdir().unwrap();
    chmod(dir.path(), 0o1777);
    StateDir::open(&dir.path().join("state")).unwrap();
}

#[test]
fn what_belongs_to_another_user_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let metadata = fs::metadata(dir.path()).unwrap();
    let (owner, other) = (metadata.uid(), metadata.uid() + 1);
    assert_eq!(access::effective_uid().unwrap(), owner);
    access::check_dir(dir.path(), &metadata, owner).unwrap();
    let error = access::check_dir(dir.path(), &metadata, other).unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Permissions);
    assert!(error.to_string().contains(&format!("belongs to uid {owner}")), "{error}");

    let state = StateDir { path: dir.path().to_owned(), owner: other };
    for name in ["ca-key.pem", "root-cert.pem"] {
        state.commit("x", &[(name, b"1")]).unwrap();
        assert_eq!(state.read(name).unwrap_err().kind(), StateErrorKind::Permissions, "{name}");
    }
}

#[test]
fn a_key_that_others_can_read_or_write_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    for (name, open, closed) in [
        ("ca-key.pem", &[0o640, 0o604, 0o620, 0o644][..], &[0o600, 0o400][..]),
        ("root-cert.pem", &[0o664, 0o646], &[0o600, 0o644, 0o444]),
    ] {
        fs::write(state.file(name), "1").unwrap();
        for mode in open {
            chmod(&state.file(name), *mode);
            let error = state.read(name).unwrap_err();
            assert_eq!(error.kind(), StateErrorKind::Permissions, "{name} {mode:o}");
            assert!(error.to_string().contains("chmod"), "{error}");
        }
        for mode in closed {
            chmod(&state.file(name), *mode);
            assert!(state.read(name).unwrap().is_some(), "{name} {mode:o}");
        }
    }
}

#[test]
fn a_key_may_be_a_link_within_the_directory_as_kubernetes_mounts_secrets_but_not_out_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let key = |path: &Path| {
        fs::write(path, "1").unwrap();
        chmod(path, 0o600);
    };
    fs::create_dir(state.file("..2026")).unwrap();
    key(&state.file("..2026/ca-key.pem"));
    symlink("..2026", state.file("..data")).unwrap();
    symlink("..data/ca-key.pem", state.file("ca-key.pem")).unwrap();
    assert_eq!(state.read("ca-key.pem").unwrap().unwrap().as_slice(), b"1");
    chmod(&state.file("..2026/ca-key.pem"), 0o644);
    assert_eq!(state.read("ca-key.pem").unwrap_err().kind(), StateErrorKind::Permissions);

    key(&elsewhere.path().join("token-key.pem"));
    symlink(elsewhere.path().join("token-key.pem"), state.file("token-key.pem")).unwrap();
    let error = state.read("token-key.pem").unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Permissions);
    assert!(error.to_string().contains("link out of the state directory"), "{error}");
}

#[test]
fn a_file_beyond_all_reason_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    File::create(dir.path().join("a")).unwrap().set_len(MAX_BYTES + 1).unwrap();
    assert_eq!(state.read("a").unwrap_err().kind(), StateErrorKind::Corrupt);
}
