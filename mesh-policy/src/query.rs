//! Parameters of a query, as the application will read them.

use std::borrow::Cow;

/// Keys and values, encoded as they are.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Percent-encoding undone; what is none stays as it is.
pub(crate) fn decoded(text: &str) -> Cow<'_, [u8]> {
    percent_encoding::percent_decode_str(text).into()
}
