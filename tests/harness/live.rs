//! `bookinfo` as a user runs it: the program on a terminal, and its configuration in an editor.

use crate::binary::binary;
use crate::loopback::{Folder, Loopback};
use crate::terminal::{Frame, Row, Terminal};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The program, with arguments that keep it off all others of this machine.
#[derive(Debug)]
pub struct Program {
    /// Its file.
    pub path: PathBuf,
    /// What it is started with.
    pub args: Vec<String>,
    /// Its configuration.
    pub config: Folder,
    _net: Loopback,
    _state: Folder,
}

impl Program {
    /// `bookinfo` with a copy of its configuration and so many requests a second.
    pub async fn new(rate: u32) -> Self {
        let net = Loopback::new();
        let config = net.folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/bookinfo/config"));
        let state = Folder::empty();
        let flags = [
            ("--config", config.path().display().to_string()),
            ("--state", state.path().display().to_string()),
            ("--rate", rate.to_string()),
            ("--grpc", net.addr(200, 15010).to_string()),
            ("--grpc-tls", net.addr(200, 15012).to_string()),
            ("--http", net.addr(200, 15014).to_string()),
        ];
        let args = flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect();
        Self { path: binary("bookinfo").await, args, config, _net: net, _state: state }
    }
}

/// A running `bookinfo`.
#[derive(Debug)]
pub struct Live {
    /// What was started.
    pub program: Program,
    /// Where it runs.
    pub terminal: Terminal,
}

impl Live {
    /// Starts it on a terminal of so many columns, and waits until it shows a table.
    pub async fn start(columns: u16, rate: u32) -> Self {
        let program = Program::new(rate).await;
        let command = pty_process::Command::new(&program.path).args(&program.args);
        let mut terminal = Terminal::start(command, columns);
        terminal.until("the first table", |frame| (frame.count("SERVICE") > 0).then_some(())).await;
        Self { program, terminal }
    }

    /// What `ask` has to say of the first table from now on of which it has something to say.
    pub async fn until<T>(&mut self, what: &str, mut ask: impl FnMut(&Table) -> Option<T>) -> T {
        self.terminal.until(what, |frame| ask(&Table::of(frame)?)).await
    }
}

/// What one frame says.
#[derive(Clone, Debug)]
pub struct Table {
    /// When it was painted.
    pub at: Instant,
    services: Vec<Row>,
    users: Vec<Row>,
    /// Requests since the start, of these those that failed, and pages in which a part was missing.
    pub sum: [u64; 3],
}

impl Table {
    fn of(frame: &Frame) -> Option<Self> {
        let (services, users) = (frame.table("SERVICE"), frame.table("USER"));
        let sum = frame.lines.iter().rfind(|line| line.contains(" requests, "))?;
        let numbers: Vec<u64> = sum.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let sum = numbers.try_into().unwrap_or_else(|_| panic!("three numbers in {sum:?}"));
        Some(Self { at: frame.at, services, users, sum })
    }

    /// The row of one version of a service.
    pub fn version(&self, service: &str, version: &str) -> &Row {
        self.services
            .iter()
            .find(|row| (row.cell("SERVICE"), row.cell("VERSION")) == (service, version))
            .unwrap_or_else(|| panic!("there is no {service} {version} in {:?}", self.services))
    }

    /// The row of one user.
    pub fn user(&self, name: &str) -> &Row {
        let row = self.users.iter().find(|row| row.cell("USER") == name);
        row.unwrap_or_else(|| panic!("there is no {name} in {:?}", self.users))
    }

    /// The shares of versions 1, 2 and 3 of reviews, in percent; `None` while nobody calls them.
    pub fn split(&self) -> Option<[f64; 3]> {
        let share = |version| self.version("reviews", version).number("SHARE");
        Some([share("v1")?, share("v2")?, share("v3")?])
    }
}
