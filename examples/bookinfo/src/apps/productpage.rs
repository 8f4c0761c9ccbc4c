//! `productpage`: the page that people see, put together from `details` and `reviews`, and the same as JSON.

mod page;
mod session;

use super::reply::{self, Reply};
use super::{Service, forwarded};
use http::{HeaderMap, HeaderName, Method, Request, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};
use std::time::Duration;

/// How long it waits for another service.
const TIMEOUT: Duration = Duration::from_secs(3);
const END_USER: HeaderName = HeaderName::from_static("end-user");

pub(super) async fn answer(service: &Service, request: Request<Incoming>) -> Reply {
    let path = request.uri().path().to_owned();
    match (request.method().clone(), path.as_str()) {
        (Method::GET, "/" | "/index.html") => reply::html(StatusCode::OK, page::index()),
        (Method::GET, "/health") => {
            reply::with(StatusCode::OK, "text/plain; charset=utf-8", "Product page is healthy")
        }
        (Method::GET, "/productpage") => productpage(service, request.headers()).await,
        (Method::GET, "/static/bookinfo.css") => {
            reply::with(StatusCode::OK, "text/css; charset=utf-8", page::STYLE)
        }
        (Method::POST, "/login") => session::login(request).await,
        (Method::GET, "/logout") => session::logout(),
        (Method::GET, "/api/v1/products") => reply::json(StatusCode::OK, &json!([page::product()])),
        (Method::GET, path) => match path.strip_prefix("/api/v1/products/") {
            Some(rest) => api(service, rest, &outgoing(request.headers())).await,
            None => reply::not_found(),
        },
        _ => reply::not_found(),
    }
}

/// Headers for the calls that one request leads to; `end-user` is who has logged in.
fn outgoing(incoming: &HeaderMap) -> HeaderMap {
    let mut headers = forwarded(incoming);
    if let Some(user) = session::user(incoming).and_then(|u| u.parse().ok()) {
        headers.insert(END_USER, user);
    }
    headers
}

async fn productpage(service: &Service, incoming: &HeaderMap) -> Reply {
    let headers = outgoing(incoming);
    let (details, reviews) = tokio::join!(details(service, "0", &headers), reviews(service, "0", &headers));
    let user = session::user(incoming);
    reply::html(StatusCode::OK, page::productpage(user.as_deref(), &details, &reviews))
}

/// `{id}`, `{id}/reviews` or `{id}/ratings`, each with the status that the other service gave.
async fn api(service: &Service, rest: &str, headers: &HeaderMap) -> Reply {
    let (id, part) = match rest.split_once('/') {
        Some((id, part)) => (id, Some(part)),
        None => (rest, None),
    };
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit()) {
        return reply::not_found();
    }
    let (status, body) = match part {
        None => details(service, id, headers).await,
        Some("reviews") => reviews(service, id, headers).await,
        Some("ratings") => fetch(service, "ratings", id, headers).await,
        Some(_) => return reply::not_found(),
    };
    reply::json(status, &body)
}

async fn details(service: &Service, id: &str, headers: &HeaderMap) -> (StatusCode, Value) {
    fetch(service, "details", id, headers).await
}

/// The sample tries twice. With a timeout for each that is shorter than what `reviews` allows itself, this
/// hides small faults and meets large ones.
pub(super) async fn reviews(service: &Service, id: &str, headers: &HeaderMap) -> (StatusCode, Value) {
    let first = fetch(service, "reviews", id, headers).await;
    if first.0 == StatusCode::OK { first } else { fetch(service, "reviews", id, headers).await }
}

async fn fetch(service: &Service, what: &str, id: &str, headers: &HeaderMap) -> (StatusCode, Value) {
    let url = format!("http://{what}:9080/{what}/{id}");
    let status = match service.client.get(&url, headers.clone(), TIMEOUT).await {
        Ok(answer) if answer.status == StatusCode::OK => match serde_json::from_slice(&answer.body) {
            Ok(body) => return (StatusCode::OK, body),
            Err(error) => {
                tracing::debug!(%error, what, "its answer is no JSON");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        },
        Ok(answer) => answer.status,
        Err(error) => {
            tracing::debug!(%error, what, "it cannot be reached");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    (status, json!({"error": format!("Sorry, product {what} are currently unavailable for this book.")}))
}
