//! How the edges hand over what they learnt: the newest value, and a wake-up when it changes.
//!
//! A source writes a World, the xDS client a Snapshot, the CA client a Credential; everything else holds
//! a [`Watch`] and never asks where the value came from. Readers on the request path do not use it: a
//! worker compiles what changed once and keeps its own copy.

use std::sync::Arc;
use tokio::sync::watch;

/// The writing end.
#[derive(Debug)]
pub struct Sender<T>(watch::Sender<Option<Arc<T>>>);

/// The reading end; clones see the same value and are woken each on its own.
#[derive(Debug)]
pub struct Watch<T>(watch::Receiver<Option<Arc<T>>>);

/// The writing end is gone; the last value stays readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the source of this value has ended")]
pub struct Closed;

/// A pair whose reader waits until the first [`Sender::send`].
pub fn channel<T>() -> (Sender<T>, Watch<T>) {
    let (tx, rx) = watch::channel(None);
    (Sender(tx), Watch(rx))
}

impl<T> Sender<T> {
    /// Replaces the value and wakes every reader.
    pub fn send(&self, value: Arc<T>) {
        self.0.send_replace(Some(value));
    }

    /// Replaces the value only if it differs, so that a no-op change wakes nobody.
    pub fn send_if_changed(&self, value: Arc<T>) -> bool
    where
        T: PartialEq,
    {
        self.0.send_if_modified(|current| {
            let changed = current.as_deref() != Some(&*value);
            if changed {
                *current = Some(value);
            }
            changed
        })
    }

    /// Another reader of this value.
    pub fn subscribe(&self) -> Watch<T> {
        Watch(self.0.subscribe())
    }

    /// Whether anybody reads.
    pub fn has_readers(&self) -> bool {
        !self.0.is_closed()
    }

    /// Waits until no reader is left.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

impl<T> Watch<T> {
    /// A watch whose value is there from the start and never changes.
    pub fn fixed(value: Arc<T>) -> Self {
        Self(watch::channel(Some(value)).1)
    }

    /// The newest value, if there has been one.
    pub fn current(&self) -> Option<Arc<T>> {
        self.0.borrow().clone()
    }

    /// Waits until there is a value, and returns it as seen.
    ///
    /// # Errors
    /// [`Closed`] if the source ended before it sent one.
    pub async fn ready(&mut self) -> Result<Arc<T>, Closed> {
        loop {
            if let Some(value) = self.0.borrow_and_update().clone() {
                return Ok(value);
            }
            self.0.changed().await.map_err(|_| Closed)?;
        }
    }

    /// Waits for the next value after the one last seen by this handle.
    ///
    /// # Errors
    /// [`Closed`] if there will be none.
    pub async fn changed(&mut self) -> Result<Arc<T>, Closed> {
        loop {
            self.0.changed().await.map_err(|_| Closed)?;
            if let Some(value) = self.0.borrow_and_update().clone() {
                return Ok(value);
            }
        }
    }
}

impl<T> Clone for Watch<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_waits_for_the_first_value_and_is_woken_by_the_next() {
        let (tx, mut rx) = channel();
        assert!(rx.current().is_none());
        tx.send(Arc::new(1));
        assert_eq!(*rx.ready().await.unwrap(), 1);
        tx.send(Arc::new(2));
        assert_eq!(*rx.changed().await.unwrap(), 2);
        assert!(!tx.send_if_changed(Arc::new(2)));
        drop(tx);
        assert_eq!(rx.changed().await, Err(Closed));
        assert_eq!(rx.current().as_deref(), Some(&2));
    }
}
