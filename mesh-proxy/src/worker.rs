//! A worker: one thread, one current-thread runtime, its own sockets, stacks and pools.
//!
//! ```text
//! control ──commands──▶ [worker] ── accept ─▶ connection tasks
//!                          └─ Engine: this worker's clusters, routes, chains
//! ```
//!
//! A request never leaves its worker. A task that panics is caught and counted; its connection ends, the
//! worker goes on.

use crate::drain::Phase;
use crate::engine::{Engine, Input};
use crate::listener::accept;
use crate::shared::Shared;
use futures_util::FutureExt as _;
use mesh_core::model::Name;
use std::collections::HashMap;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// How often idle upstream connections are looked through.
const SWEEP: Duration = Duration::from_secs(1);
/// How long accepting rests when the process is out of files or memory.
const REST: Duration = Duration::from_millis(50);

/// What control tells a worker.
pub(crate) enum Command {
    /// Serve from this configuration, and say so.
    Apply(Arc<Input>, mpsc::UnboundedSender<()>),
    /// Accept for a listener.
    Listen(Name, std::net::TcpListener),
    /// Accept no more for a listener.
    Unlisten(Name),
    /// Come to an end.
    Drain(Phase),
    /// End now.
    Stop,
}

/// A running worker.
pub(crate) struct Worker {
    commands: mpsc::UnboundedSender<Command>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts a thread; `engine` is made on it. Chains that are gone are closed `drain` later.
    pub(crate) fn start(
        index: usize,
        drain: Duration,
        engine: impl FnOnce() -> Arc<Engine> + Send + 'static,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (commands, orders) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || runtime.block_on(run(engine(), orders, drain)))?;
        Ok(Self { commands, thread })
    }

    /// Sends a command; a worker that has ended needs none.
    pub(crate) fn send(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    /// Waits for the thread to end.
    pub(crate) fn join(self) {
        drop(self.commands);
        if self.thread.join().is_err() {
            tracing::error!("a worker panicked");
        }
    }
}

async fn run(engine: Arc<Engine>, mut orders: mpsc::UnboundedReceiver<Command>, drain: Duration) {
    let mut listening: HashMap<Name, watch::Sender<()>> = HashMap::new();
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let command = tokio::select! {
            command = orders.recv() => command,
            now = sweep.tick() => {
                engine.sweep(now);
                continue;
            }
        };
        match command {
            None | Some(Command::Stop) => return,
            Some(Command::Apply(input, done)) => {
                // Whatever a configuration does to us, what was built from the last one goes on.
                let applied = std::panic::catch_unwind(AssertUnwindSafe(|| apply(&engine, &input, drain)));
                if applied.is_err() {
                    engine.surroundings().shared.counters.panics.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(version = %input.snapshot.version, "applying a snapshot panicked");
                }
                let _ = done.send(());
            }
            Some(Command::Listen(name, socket)) => match TcpListener::from_std(socket) {
                Ok(socket) => {
                    let (stop, stopped) = watch::channel(());
                    let accepting = accept_all(engine.clone(), name.clone(), socket, stopped);
                    spawn(&engine.surroundings().shared, accepting);
                    listening.insert(name, stop);
                }
                Err(error) => tracing::error!(%error, listener = %name, "a socket cannot be used"),
            },
            Some(Command::Unlisten(name)) => {
                listening.remove(&name);
            }
            Some(Command::Drain(phase)) => engine.drain(phase),
        }
    }
}

/// Applies a snapshot and sees to it that chains which are gone close in the end.
pub(crate) fn apply(engine: &Engine, input: &Input, drain: Duration) {
    let leaving = engine.apply(input).leaving;
    if !leaving.is_empty() {
        tokio::spawn(async move {
            tokio::time::sleep(drain).await;
            for chain in leaving {
                chain.drain.advance(Phase::Closing);
            }
        });
    }
}

/// Runs a task whose panic is caught and counted.
pub(crate) fn spawn(shared: &Arc<Shared>, task: impl Future<Output = ()> + Send + 'static) {
    let shared = shared.clone();
    tokio::spawn(async move {
        if AssertUnwindSafe(task).catch_unwind().await.is_err() {
            shared.counters.panics.fetch_add(1, Ordering::Relaxed);
            tracing::error!("a task panicked; its connection is closed");
        }
    });
}

async fn accept_all(engine: Arc<Engine>, name: Name, socket: TcpListener, mut stopped: watch::Receiver<()>) {
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopped.changed() => break,
            accepted = socket.accept() => accepted,
        };
        if !take(&engine, &name, accepted) {
            tokio::time::sleep(REST).await;
        }
    }
    // Whoever was let in by the kernel already would be reset if the socket just closed.
    let until = Instant::now() + REST;
    while let Some(Ok(accepted)) = socket.accept().now_or_never() {
        take(&engine, &name, Ok(accepted));
        if Instant::now() >= until {
            break;
        }
    }
}

/// Serves what was accepted; false if accepting should rest.
fn take(
    engine: &Arc<Engine>,
    name: &Name,
    accepted: io::Result<(tokio::net::TcpStream, std::net::SocketAddr)>,
) -> bool {
    match accepted {
        Ok((stream, remote)) => {
            if let Some(listener) = engine.listener(name) {
                let shared = engine.surroundings().shared.clone();
                spawn(&shared, accept::serve(engine.clone(), listener, stream, remote));
            }
            true
        }
        // The peer has gone before it was accepted; the next one may be fine.
        Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => true,
        Err(error) => {
            tracing::warn!(%error, listener = %name, "accepting rests");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_counted_and_the_worker_goes_on() {
        let shared = Arc::<Shared>::default();
        let (done, is_done) = tokio::sync::oneshot::channel();
        spawn(&shared, async { panic!("a bug") });
        spawn(&shared, async move {
            let _ = done.send(());
        });
        is_done.await.unwrap();
        assert_eq!(shared.counters.panics.load(Ordering::Relaxed), 1);
    }
}
