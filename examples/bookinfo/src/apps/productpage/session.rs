//! Who has logged in: a cookie with a name, nothing to keep a secret with. Any password will do.

use super::super::reply::{self, Reply};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

const COOKIE: &str = "user";
/// The longest form that is read.
const MAX_FORM: usize = 4096;

/// The user of a request: the session's, or the one that a caller named in `end-user`.
pub(super) fn user(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    let session = cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| decode(value));
    let named = || headers.get(super::END_USER)?.to_str().ok().map(str::to_owned);
    session.or_else(named).filter(|user| !user.is_empty())
}

pub(super) async fn login(request: Request<Incoming>) -> Reply {
    let Ok(form) = Limited::new(request.into_body(), MAX_FORM).collect().await else {
        return reply::with(StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", "the form is too long\n");
    };
    let form = form.to_bytes();
    let form = String::from_utf8_lossy(&form);
    let user = form.split('&').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == "username");
    back(&format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Lax", encode(&decode(user.map_or("", |u| u.1)))))
}

pub(super) fn logout() -> Reply {
    back(&format!("{COOKIE}=; Path=/; Max-Age=0"))
}

/// Sends the browser to the page, with a cookie.
fn back(cookie: &str) -> Reply {
    let mut reply = reply::with(StatusCode::FOUND, "text/plain; charset=utf-8", "");
    reply.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/productpage"));
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        reply.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    reply
}

/// Percent-decodes; a plus sign is a space, as forms write it. What is not UTF-8 is replaced.
fn decode(text: &str) -> String {
    let hex = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match (first, hex(tail.first()), hex(tail.get(1))) {
            (b'%', Some(high), Some(low)) => {
                out.push(high * 16 + low);
                rest = tail.get(2..).unwrap_or_default();
            }
            (b'+', _, _) => out.push(b' '),
            (other, _, _) => out.push(*other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_the_cookie() {
        for name in ["jason", "Jörg & Söhne; x=y", "100%", "a+b c"] {
            let mut headers = HeaderMap::new();
            let cookie = format!("theme=dark; {COOKIE}={}", encode(name));
            headers.insert(header::COOKIE, HeaderValue::from_str(&cookie).unwrap());
            assert_eq!(user(&headers).as_deref(), Some(name));
        }
    }

    #[test]
    fn a_broken_escape_is_kept_as_it_is() {
        assert_eq!(decode("%zz%4"), "%zz%4");
        assert_eq!(decode("%ff"), "\u{fffd}");
    }

    #[test]
    fn without_a_session_the_header_names_the_user() {
        let mut headers = HeaderMap::new();
        headers.insert("end-user", HeaderValue::from_static("jason"));
        assert_eq!(user(&headers).as_deref(), Some("jason"));
        headers.insert(header::COOKIE, HeaderValue::from_static("user="));
        assert_eq!(user(&headers), None, "an empty session is nobody");
    }
}
