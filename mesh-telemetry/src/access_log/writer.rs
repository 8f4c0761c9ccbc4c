//! The thread that writes lines: one per file, fed through a bounded queue.
//!
//! The workers only hand over; who must not wait is the request. Rotation is by reopening: move the file
//! away, call [`Writer::reopen`].

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

/// Lines that may wait for the thread.
const QUEUE: usize = 8 * 1024;
/// Bytes that are written at once.
const BATCH: usize = 64 * 1024;

enum Command {
    Line(Vec<u8>),
    Reopen,
    Flush(SyncSender<()>),
}

/// A file that lines are written to; clones feed the same thread, which ends with the last of them.
#[derive(Clone, Debug)]
pub struct Writer {
    queue: SyncSender<Command>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    dropped: AtomicU64,
    failed: AtomicU64,
}

enum Target {
    Stdout,
    Stderr,
    File(PathBuf, File),
}

impl Writer {
    /// Opens a file for appending, or `/dev/stdout` or `/dev/stderr`, and starts its thread.
    ///
    /// # Errors
    /// If the file cannot be opened or the thread not be started.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::with_queue(path, QUEUE)
    }

    /// As [`Self::open`], with room for so many lines.
    ///
    /// # Errors
    /// If the file cannot be opened or the thread not be started.
    pub fn with_queue(path: impl AsRef<Path>, lines: usize) -> io::Result<Self> {
        let target = Target::open(path.as_ref())?;
        let (queue, commands) = sync_channel(lines.max(1));
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || run(&commands, target, &theirs))?;
        Ok(Self { queue, shared })
    }

    /// Hands over a line, its end included. Never waits: if the queue is full the line is dropped.
    pub fn write(&self, line: Vec<u8>) {
        if self.queue.try_send(Command::Line(line)).is_err() {
            self.shared.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Closes the file and opens its path again, after the lines that wait. For log rotation.
    pub fn reopen(&self) {
        // A full queue may make this caller wait; it is no request.
        let _ = self.queue.send(Command::Reopen);
    }

    /// Waits until all that was handed over is written, but no longer than this; says whether it is.
    pub fn flush(&self, wait: Duration) -> bool {
        let (done, is_done) = sync_channel(1);
        let mut command = Command::Flush(done);
        let until = std::time::Instant::now() + wait;
        loop {
            match self.queue.try_send(command) {
                Ok(()) => break,
                Err(TrySendError::Full(again)) if std::time::Instant::now() < until => {
                    command = again;
                    std::thread::yield_now();
                }
                Err(_) => return false,
            }
        }
        is_done.recv_timeout(until.saturating_duration_since(std::time::Instant::now())).is_ok()
    }

    /// Lines that found the queue full.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Relaxed)
    }

    /// Writes and reopenings that failed.
    pub fn failed(&self) -> u64 {
        self.shared.failed.load(Relaxed)
    }
}

impl Target {
    fn open(path: &Path) -> io::Result<Self> {
        match path.to_str() {
            Some("/dev/stdout") => Ok(Self::Stdout),
            Some("/dev/stderr") => Ok(Self::Stderr),
            _ => {
                let file = OpenOptions::new().create(true).append(true).open(path)?;
                Ok(Self::File(path.to_owned(), file))
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()),
            Self::Stderr => io::stderr().write_all(bytes),
            Self::File(_, file) => file.write_all(bytes),
        }
    }
}

fn run(commands: &Receiver<Command>, mut target: Target, shared: &Shared) {
    let mut batch = Vec::with_capacity(BATCH);
    // What fails is counted and told once per fault, not once per line.
    let mut healthy = true;
    let mut write = |target: &mut Target, batch: &mut Vec<u8>| {
        match target.write(batch) {
            Ok(()) => healthy = true,
            Err(error) => {
                shared.failed.fetch_add(1, Relaxed);
                if std::mem::replace(&mut healthy, false) {
                    tracing::warn!(%error, "access log cannot be written");
                }
            }
        }
        batch.clear();
    };
    while let Ok(first) = commands.recv() {
        let mut next = Some(first);
        while let Some(command) = next {
            match command {
                Command::Line(line) => batch.extend_from_slice(&line),
                Command::Flush(done) => {
                    write(&mut target, &mut batch);
                    let _ = done.try_send(());
                }
                Command::Reopen => {
                    write(&mut target, &mut batch);
                    if let Target::File(path, _) = &target {
                        match Target::open(path) {
                            Ok(opened) => target = opened,
                            Err(error) => {
                                shared.failed.fetch_add(1, Relaxed);
                                tracing::warn!(%error, path = %path.display(), "access log cannot be reopened");
                            }
                        }
                    }
                }
            }
            if batch.len() >= BATCH {
                write(&mut target, &mut batch);
            }
            next = commands.try_recv().ok();
        }
        if !batch.is_empty() {
            write(&mut target, &mut batch);
        }
    }
}
