//! A loopback network per test: 127.A.B.0/24, so that every test has the whole range of ports.
//!
//! Configurations are written for 127.1.0.0/24; a test moves them to its own network. A socket held on the
//! network's last address keeps other tests and other runs off.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// A network of 253 addresses that nobody else uses.
#[derive(Debug)]
pub struct Loopback {
    a: u8,
    b: u8,
    _lock: TcpListener,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

impl Loopback {
    /// Takes a free network.
    pub fn new() -> Self {
        for _ in 0..4096 {
            let n = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id().wrapping_mul(61));
            let [_, _, a, b] = n.to_be_bytes();
            // 127.0 and 127.1 belong to people; the rest is for tests.
            let a = a % 200 + 10;
            if let Ok(lock) = TcpListener::bind((Ipv4Addr::new(127, a, b, 254), 1)) {
                return Self { a, b, _lock: lock };
            }
        }
        panic!("no free loopback network");
    }

    /// An address of it; `n` is 1 to 253.
    pub fn ip(&self, n: u8) -> IpAddr {
        Ipv4Addr::new(127, self.a, self.b, n).into()
    }

    /// An address and port of it.
    pub fn addr(&self, n: u8, port: u16) -> SocketAddr {
        (self.ip(n), port).into()
    }

    /// A configuration for 127.1.0.0/24, moved here.
    pub fn moved(&self, text: &str) -> String {
        text.replace("127.1.0.", &format!("127.{}.{}.", self.a, self.b))
    }

    /// A folder of configuration, moved here; the applications' ports on 127.0.0.1 become free ones.
    pub fn folder(&self, from: &Path) -> Folder {
        let mut folder = Folder::empty();
        let mut free = FreePorts::default();
        for entry in std::fs::read_dir(from).expect("the configuration folder") {
            let entry = entry.expect("an entry");
            if entry.path().extension().is_some_and(|e| e == "yaml") {
                let text = std::fs::read_to_string(entry.path()).expect("a file of configuration");
                let text = free.replace(&self.moved(&text));
                folder.write(&entry.file_name().to_string_lossy(), &text);
            }
        }
        folder.ports = free;
        folder
    }
}

impl Default for Loopback {
    fn default() -> Self {
        Self::new()
    }
}

/// Replaces `127.0.0.1:19NNN` by free ports, each old port by the same new one.
///
/// They lie below those that the kernel gives to connections, and a socket held on another address keeps other
/// tests and other runs off each, while the one on 127.0.0.1 is left to the application.
#[derive(Debug, Default)]
struct FreePorts(Vec<(String, u16, TcpListener)>);

impl FreePorts {
    fn replace(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("127.0.0.1:19") {
            let (before, from) = rest.split_at(at);
            let port_at = "127.0.0.1:".len();
            let end = from[port_at..].find(|c: char| !c.is_ascii_digit()).map_or(from.len(), |n| port_at + n);
            let old = &from[port_at..end];
            out.push_str(before);
            out.push_str(&format!("127.0.0.1:{}", self.port(old)));
            rest = &from[end..];
        }
        out.push_str(rest);
        out
    }

    fn port(&mut self, old: &str) -> u16 {
        if let Some((_, port, _)) = self.0.iter().find(|(known, ..)| known == old) {
            return *port;
        }
        const LOCKS: Ipv4Addr = Ipv4Addr::new(127, 9, 9, 9);
        for _ in 0..10_000 {
            let n = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id().wrapping_mul(61));
            let port = 20_000 + u16::try_from(n % 10_000).expect("below 10 000");
            let Ok(lock) = TcpListener::bind((LOCKS, port)) else { continue };
            if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
                self.0.push((old.to_owned(), port, lock));
                return port;
            }
        }
        panic!("no free port");
    }
}

/// A folder of configuration that goes with the test.
#[derive(Debug)]
pub struct Folder {
    dir: TempDir,
    /// Those of its applications.
    ports: FreePorts,
}

impl Folder {
    /// An empty one.
    pub fn empty() -> Self {
        let dir = tempfile::Builder::new().prefix("mesh-test-").tempdir().expect("a temporary folder");
        Self { dir, ports: FreePorts::default() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A file of it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file as editors do: beside it first, then in its place.
    pub fn write(&self, name: &str, text: &str) {
        let beside = self.file(&format!(".{name}.new"));
        std::fs::write(&beside, text).expect("write a file");
        std::fs::rename(&beside, self.file(name)).expect("put a file in place");
    }

    /// Changes a file by replacing a text that must stand in it.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        self.edit_all(name, &[(from, to)]);
    }

    /// Changes a file by replacing several texts at once.
    pub fn edit_all(&self, name: &str, changes: &[(&str, &str)]) {
        let mut text = std::fs::read_to_string(self.file(name)).expect("a file of configuration");
        for (from, to) in changes {
            assert!(text.contains(from), "{name} does not contain {from:?}");
            text = text.replace(from, to);
        }
        self.write(name, &text);
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) {
        std::fs::remove_file(self.file(name)).expect("remove a file");
    }
}
