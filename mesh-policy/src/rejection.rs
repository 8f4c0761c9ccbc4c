//! From an error to what the caller sees: status, flag, details and text of Envoy's local reply.
//!
//! Layers return errors, because only the edge of a stack knows what a response is made of there. The edge
//! asks [`Rejection::of`] once and needs to know no layer by name.

use crate::FailureKind;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use mesh_core::response_flag::{ResponseFlag, ResponseFlags};
use std::borrow::Cow;
use std::error::Error;

/// What a policy's error says to the caller and to the access log.
pub trait Reject: Error {
    /// Status of the local reply.
    fn status(&self) -> StatusCode;
    /// Envoy's response flag; `None` where Envoy sets none.
    fn flag(&self) -> Option<ResponseFlag>;
    /// Envoy's `%RESPONSE_CODE_DETAILS%`.
    fn details(&self) -> Cow<'static, str>;
    /// Text of the local reply.
    fn body(&self) -> Cow<'static, str>;

    /// Status for a gRPC caller; by default the one that gRPC maps [`status`](Self::status) to.
    fn grpc_status(&self) -> u32 {
        crate::grpc::from_http(self.status())
    }

    /// Whether Envoy marks the reply with `x-envoy-overloaded: true`: dropped by a local limit.
    fn overloaded(&self) -> bool {
        false
    }

    /// Headers that the reply has beside these, such as `www-authenticate`.
    fn headers(&self) -> HeaderMap {
        HeaderMap::new()
    }

    /// What retry, outlier detection and circuits make of it; by default that it is a verdict on the request,
    /// which no other attempt would change and no endpoint is to blame for.
    fn kind(&self) -> FailureKind {
        FailureKind::Final
    }
}

/// The first cause of type `E` in an error's chain, the error itself included.
pub fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// An error and its causes, outermost first.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> + 'a {
    std::iter::successors(Some(error), |&e| e.source())
}

/// The flags that the errors of this crate carry, anywhere in an error's chain.
///
/// More than [`Rejection::of`] where the error itself is foreign: a connection failure after an injected
/// delay and exhausted retries has `DI` and `URX`. Only what happened to this request has a flag: what an
/// authorizer or a rate-limit service failed of happened to another.
pub fn flags_of(error: &(dyn Error + 'static)) -> ResponseFlags {
    let mut flags = ResponseFlags::default();
    for cause in causes(error) {
        let reply = own(cause);
        if let Some(flag) = reply.and_then(Reject::flag).or_else(|| annotation(cause)) {
            flags.insert(flag);
        }
        if reply.is_some() {
            break;
        }
    }
    flags
}

/// The parts of a local reply.
///
/// ```
/// use mesh_policy::{BoxError, Rejection};
///
/// fn respond(error: BoxError) -> http::Response<String> {
///     match Rejection::of(&*error) {
///         Some(rejection) => rejection.into_response(false),
///         None => Rejection::internal().into_response(false),
///     }
/// }
/// # assert_eq!(respond("boom".into()).status(), 500);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Status for an HTTP caller.
    pub status: StatusCode,
    /// Status for a gRPC caller.
    pub grpc_status: u32,
    /// Response flags, of this error and of what it went through.
    pub flags: ResponseFlags,
    /// Envoy's `%RESPONSE_CODE_DETAILS%`.
    pub details: Cow<'static, str>,
    /// Text of the body, or of `grpc-message`.
    pub body: Cow<'static, str>,
    /// Whether to say `x-envoy-overloaded: true`.
    pub overloaded: bool,
    /// Further headers; a content type among them replaces that of the text.
    pub headers: Option<Box<HeaderMap>>,
}

impl Rejection {
    /// The rejection that an error of this crate stands for, wherever it is in the chain.
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let reject = causes(error).find_map(own)?;
        Some(Self { flags: flags_of(error), ..Self::from_reject(reject) })
    }

    /// The rejection of one error.
    pub fn from_reject<R: Reject + ?Sized>(reject: &R) -> Self {
        Self {
            status: reject.status(),
            grpc_status: reject.grpc_status(),
            flags: reject.flag().map_or_else(ResponseFlags::default, Into::into),
            details: reject.details(),
            body: reject.body(),
            overloaded: reject.overloaded(),
            headers: Some(reject.headers()).filter(|headers| !headers.is_empty()).map(Box::new),
        }
    }

    /// For an error that is nobody's: 500 without further words.
    pub fn internal() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            grpc_status: crate::grpc::INTERNAL,
            flags: ResponseFlags::default(),
            details: "internal_error".into(),
            body: "".into(),
            overloaded: false,
            headers: None,
        }
    }

    /// The local reply: plain text, or for a gRPC caller 200 with `grpc-status` in its only headers.
    ///
    /// The flags are in its extensions.
    pub fn into_response<B: From<String>>(self, grpc: bool) -> Response<B> {
        let mut headers = self.headers.map_or_else(HeaderMap::new, |headers| *headers);
        let (status, body) = if grpc {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(crate::grpc::STATUS, HeaderValue::from(self.grpc_status));
            if let Ok(message) = HeaderValue::try_from(crate::grpc::encode_message(&self.body)) {
                headers.insert(crate::grpc::MESSAGE, message);
            }
            (StatusCode::OK, String::new())
        } else {
            let text = HeaderValue::from_static("text/plain");
            headers.entry(header::CONTENT_TYPE).or_insert(text);
            (self.status, self.body.into_owned())
        };
        if self.overloaded {
            headers.insert("x-envoy-overloaded", HeaderValue::from_static("true"));
        }
        let mut response = Response::new(B::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        if !self.flags.is_empty() {
            response.extensions_mut().insert(self.flags);
        }
        response
    }
}

/// Notes a flag on a response, in its extensions.
pub fn add_flag<B>(response: &mut Response<B>, flag: ResponseFlag) {
    let extensions = response.extensions_mut();
    match extensions.get_mut::<ResponseFlags>() {
        Some(flags) => flags.insert(flag),
        None => {
            extensions.insert(ResponseFlags::from(flag));
        }
    }
}

/// The one list of this crate's errors that are local replies; a test holds it against the sources.
macro_rules! own_errors {
    ($($feature:literal: $($error:ident)::+;)*) => {
        /// An error of this crate that is a local reply.
        pub(crate) fn own<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a dyn Reject> {
            $(#[cfg(feature = $feature)]
            if let Some(own) = error.downcast_ref::<crate::$($error)::+>() {
                return Some(own);
            })*
            let _ = error;
            None
        }

        #[cfg(test)]
        const OWN: &[&str] = &[$(stringify!($($error)::+)),*];
    };
}

own_errors! {
    "timeout": timeout::Elapsed;
    "fault": fault::Aborted;
    "breaker": breaker::Overflow;
    "breaker": breaker::classic::CircuitOpen;
    "authz": authz::Denied;
    "authz": authz::CustomDenied;
    "authz": authz::InvalidPath;
    "jwt": jwt::JwtError;
    "ratelimit": ratelimit::RateLimited;
    "ratelimit": ratelimit::RateLimitServiceFailed;
    "limits": limits::TooLarge;
    "shed": shed::Shed;
}

/// The flag of an error of this crate that only says what a foreign error went through.
fn annotation(error: &(dyn Error + 'static)) -> Option<ResponseFlag> {
    #[cfg(feature = "fault")]
    if error.is::<crate::fault::Delayed>() {
        return Some(ResponseFlag::DelayInjected);
    }
    #[cfg(feature = "retry")]
    if let Some(e) = error.downcast_ref::<crate::retry::GaveUp>() {
        return e.flag();
    }
    let _ = error;
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BoxError, Failure};

    #[test]
    fn an_error_of_nobodys_is_no_rejection() {
        let error: BoxError = Failure::new(FailureKind::Reset, "boom").into();
        assert_eq!(Rejection::of(&*error), None);
        assert!(flags_of(&*error).is_empty());
        assert_eq!(find::<Failure>(&*error).unwrap().kind(), FailureKind::Reset);
        assert!(find::<std::io::Error>(&*error).is_none());
    }

    /// The names of the types that a folder's sources make a [`Reject`].
    fn rejects(folder: &std::path::Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                rejects(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let lines = text.lines().filter(|line| line.starts_with("impl"));
                let named =
                    lines.filter_map(|line| line.split_once("Reject for ")?.1.split([' ', '<']).next());
                found.extend(named.map(str::to_owned));
            }
        }
    }

    #[test]
    fn no_error_that_is_a_local_reply_is_missing_in_the_list() {
        let mut found = Vec::new();
        rejects(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        found.sort_unstable();
        let mut listed: Vec<&str> =
            OWN.iter().filter_map(|path| path.rsplit("::").next()).map(str::trim).collect();
        listed.sort_unstable();
        assert_eq!(found, listed);
    }

    #[test]
    fn flags_of_one_response_add_up() {
        let mut response = Response::new(());
        add_flag(&mut response, ResponseFlag::DelayInjected);
        add_flag(&mut response, ResponseFlag::UpstreamRetryLimitExceeded);
        assert_eq!(response.extensions().get::<ResponseFlags>().unwrap().to_string(), "DI,URX");
    }

    #[test]
    fn a_reply_speaks_the_callers_protocol() {
        let rejection = Rejection { overloaded: true, body: "über".into(), ..Rejection::internal() };
        let http: Response<String> = rejection.clone().into_response(false);
        assert_eq!((http.status().as_u16(), http.body().as_str()), (500, "über"));
        assert_eq!(http.headers()[header::CONTENT_TYPE], "text/plain");
        assert!(http.extensions().is_empty());
        let grpc: Response<String> = rejection.into_response(true);
        assert_eq!((grpc.status(), grpc.body().as_str()), (StatusCode::OK, ""));
        assert_eq!(crate::grpc::status(grpc.headers()), Some(crate::grpc::INTERNAL));
        assert_eq!(grpc.headers()["grpc-message"], "%C3%BCber");
        assert_eq!(grpc.headers()["x-envoy-overloaded"], "true");
    }
}
