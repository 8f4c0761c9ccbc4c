//! What a layer answers with instead of sending the request on.

use crate::BoxError;
use std::task::Poll;

/// An error, given once: what the future of a refused request holds.
#[derive(Debug)]
pub(crate) struct Refused<E>(Option<E>);

impl<E> Refused<E> {
    pub(crate) fn new(error: E) -> Self {
        Self(Some(error))
    }

    /// The answer.
    pub(crate) fn poll<T>(&mut self) -> Poll<Result<T, BoxError>>
    where
        E: Into<BoxError>,
    {
        match self.0.take() {
            Some(error) => Poll::Ready(Err(error.into())),
            // Only if polled after it was ready, which no caller may do.
            None => Poll::Pending,
        }
    }
}
