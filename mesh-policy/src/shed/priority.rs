//! How important a request is, and how long its answer is of use.

use std::time::Duration;

/// How much would be lost by refusing a request; the classes of Google's SRE book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Criticality {
    /// Can wait, and be lost: refused first.
    Sheddable,
    /// Can wait: batch work that will be tried again.
    SheddablePlus,
    /// Somebody sees it fail.
    #[default]
    Critical,
    /// Many see it fail: refused last.
    CriticalPlus,
}

impl Criticality {
    /// All, least important first.
    pub const ALL: [Self; 4] = [Self::Sheddable, Self::SheddablePlus, Self::Critical, Self::CriticalPlus];
}

/// What a request asks of those who may refuse it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Priority {
    /// How important it is.
    pub criticality: Criticality,
    /// How long its caller will wait for the answer; `None` is not known.
    pub budget: Option<Duration>,
}

impl From<Criticality> for Priority {
    fn from(criticality: Criticality) -> Self {
        Self { criticality, budget: None }
    }
}

/// Says a request's priority; any function of the request does.
///
/// ```
/// use mesh_policy::shed::{Criticality, Prioritize, Priority};
///
/// let by_path = |request: &http::Request<()>| match request.uri().path() {
///     "/export" => Priority::from(Criticality::Sheddable),
///     _ => Priority { budget: mesh_policy::timeout::grpc_timeout(request.headers()), ..Priority::default() },
/// };
/// let request = http::Request::get("/export").body(())?;
/// assert_eq!(by_path.prioritize(&request).criticality, Criticality::Sheddable);
/// # Ok::<(), http::Error>(())
/// ```
pub trait Prioritize<Req> {
    /// The priority.
    fn prioritize(&self, request: &Req) -> Priority;
}

impl<F: Fn(&Req) -> P, P: Into<Priority>, Req> Prioritize<Req> for F {
    fn prioritize(&self, request: &Req) -> Priority {
        self(request).into()
    }
}

/// Every request is [`Criticality::Critical`], with no budget known: as in Envoy.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllCritical;

impl<Req> Prioritize<Req> for AllCritical {
    fn prioritize(&self, _: &Req) -> Priority {
        Priority::default()
    }
}
