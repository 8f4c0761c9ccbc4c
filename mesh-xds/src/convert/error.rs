//! Why a foreign resource was not taken: where in it, and what is wrong there.

use std::fmt;

/// A resource cannot be expressed in the snapshot's model.
///
/// The path is that of the protobuf, as its JSON form spells it:
/// `virtual_hosts[2].routes[0].route.timeout: negative duration`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvertError {
    path: String,
    message: String,
}

impl std::error::Error for ConvertError {}

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl ConvertError {
    /// An error at the message that is being read; callers add the way there.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { path: String::new(), message: message.into() }
    }

    /// A field is set that we know and cannot honour.
    pub(crate) fn unsupported(field: &str) -> Self {
        Self::new("is not supported").within(field)
    }

    /// A field that must be there is not.
    pub(crate) fn missing(field: &str) -> Self {
        Self::new("is missing").within(field)
    }

    /// The path of the field; empty if the resource as a whole is meant.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong there.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same error, seen from the message that holds this field.
    pub(crate) fn within(mut self, field: &str) -> Self {
        if !self.path.is_empty() && !self.path.starts_with('[') {
            self.path.insert(0, '.');
        }
        self.path.insert_str(0, field);
        self
    }
}

/// Adds a field to the path of an error on its way out.
pub(crate) trait At {
    /// Within this field.
    fn at(self, field: &str) -> Self;
}

impl<T> At for Result<T, ConvertError> {
    fn at(self, field: &str) -> Self {
        self.map_err(|e| e.within(field))
    }
}

/// Reads every item of a list; an error carries the index.
pub(crate) fn each<S, T>(
    items: impl IntoIterator<Item = S>,
    mut read: impl FnMut(S) -> Result<T, ConvertError>,
) -> Result<Vec<T>, ConvertError> {
    let indexed = items.into_iter().enumerate();
    indexed.map(|(i, item)| read(item).map_err(|e| e.within(&format!("[{i}]")))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_grows_from_the_inside_out() {
        let inner: Result<Vec<()>, _> = each([1, 2], |n| match n {
            2 => Err(ConvertError::new("negative duration").within("timeout")),
            _ => Ok(()),
        });
        let error = inner.at("routes").map_err(|e| e.within("[0]")).at("virtual_hosts").unwrap_err();
        assert_eq!(error.to_string(), "virtual_hosts[0].routes[1].timeout: negative duration");
        assert_eq!(
            (error.path(), error.message()),
            ("virtual_hosts[0].routes[1].timeout", "negative duration")
        );
    }
}
