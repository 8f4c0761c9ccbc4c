//! What drives copies.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Drives copies to their end; as hyper's `Executor`. Closures are executors:
///
/// ```
/// use mesh_policy::mirror::{Executor, MirrorTask};
///
/// fn is_executor(_: impl Executor) {}
/// let handle = tokio::runtime::Builder::new_current_thread().build()?.handle().clone();
/// is_executor(move |copy: MirrorTask| drop(handle.spawn(copy)));
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait Executor {
    /// Drives a copy in the background. Must not wait for it; may drop it.
    fn execute(&self, copy: MirrorTask);
}

impl<F: Fn(MirrorTask)> Executor for F {
    fn execute(&self, copy: MirrorTask) {
        self(copy);
    }
}

/// The tokio runtime that the request is served on. Outside of one, copies are abandoned, which is counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioExecutor;

impl Executor for TokioExecutor {
    fn execute(&self, copy: MirrorTask) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            drop(runtime.spawn(copy));
        }
    }
}

/// One copy, from being sent to the end of its answer.
#[must_use = "futures do nothing unless polled"]
pub struct MirrorTask(Pin<Box<dyn Future<Output = ()> + Send>>);

impl MirrorTask {
    pub(super) fn new(copy: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Box::pin(copy))
    }
}

impl Future for MirrorTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for MirrorTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MirrorTask").finish_non_exhaustive()
    }
}
