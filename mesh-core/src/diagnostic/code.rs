//! The codes of findings. They are stable: people silence, count and look up findings by them.
//!
//! `IST` codes mean what they mean in `istioctl analyze`; `MESH` codes are this project's own.
//!
//! | Code | Meaning |
//! |---|---|
//! | `IST0101` | a host, subset, gateway or port that does not exist is referred to |
//! | `IST0106` | a field that Istio's schema or validation refuses |
//! | `MESH0001` | a text that is not YAML, or exceeds a bound |
//! | `MESH0002` | a document that is not a resource: `apiVersion`, `kind` or `metadata.name` is missing |
//! | `MESH0003` | a kind that does not exist in a group that the mesh reads |
//! | `MESH0004` | a kind that no mesh reads |
//! | `MESH0005` | a resource that is declared twice |
//! | `MESH0006` | a file that cannot be read |
//! | `MESH0007` | a field that the mesh does not honour yet |
//! | `MESH0008` | resources that contradict each other, one of which wins |
//! | `MESH0009` | a field that has no meaning in this mesh |

/// Refers to something that does not exist.
pub const REFERENCE: &str = "IST0101";
/// Refused by the schema or by validation.
pub const SCHEMA: &str = "IST0106";
/// Not YAML, or beyond a bound.
pub const SYNTAX: &str = "MESH0001";
/// Not a resource.
pub const NOT_A_RESOURCE: &str = "MESH0002";
/// No such kind.
pub const UNKNOWN_KIND: &str = "MESH0003";
/// A kind that no mesh reads.
pub const UNREAD_KIND: &str = "MESH0004";
/// Declared twice.
pub const DUPLICATE: &str = "MESH0005";
/// The file cannot be read.
pub const UNREADABLE: &str = "MESH0006";
/// A known field that is not honoured yet.
pub const NOT_HONOURED: &str = "MESH0007";
/// Contradicts another resource.
pub const CONFLICT: &str = "MESH0008";
/// A known field about something that is not here.
pub const NO_MEANING: &str = "MESH0009";
