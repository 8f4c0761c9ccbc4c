//! `details`: what is known of a book.

use super::below;
use super::reply::{self, Reply};
use http::{Method, Request, StatusCode};
use serde_json::json;

pub(super) fn answer<B>(request: &Request<B>) -> Reply {
    let path = request.uri().path();
    match (request.method(), path) {
        (&Method::GET, "/health") => reply::json(StatusCode::OK, &json!({"status": "Details is healthy"})),
        (&Method::GET, path) => match below(path, "/details/").map(str::parse::<u64>) {
            Some(Ok(id)) => reply::json(StatusCode::OK, &book(id)),
            Some(Err(_)) => {
                reply::json(StatusCode::BAD_REQUEST, &json!({"error": "please provide numeric product id"}))
            }
            None => reply::not_found(),
        },
        _ => reply::not_found(),
    }
}

fn book(id: u64) -> serde_json::Value {
    json!({
        "id": id,
        "author": "William Shakespeare",
        "year": 1595,
        "type": "paperback",
        "pages": 200,
        "publisher": "PublisherA",
        "language": "English",
        "ISBN-10": "1234567890",
        "ISBN-13": "123-1234567890",
    })
}
