//! `ratings`: how many stars each reviewer gave.

use super::below;
use super::reply::{self, Reply};
use http::{Method, Request, StatusCode};
use serde_json::json;

pub(super) fn answer<B>(request: &Request<B>) -> Reply {
    let path = request.uri().path();
    match (request.method(), path) {
        (&Method::GET, "/health") => reply::json(StatusCode::OK, &json!({"status": "Ratings is healthy"})),
        (&Method::GET, path) => match below(path, "/ratings/").map(str::parse::<u64>) {
            Some(Ok(id)) => {
                let stars = json!({"id": id, "ratings": {"Reviewer1": 5, "Reviewer2": 4}});
                reply::json(StatusCode::OK, &stars)
            }
            Some(Err(_)) => {
                reply::json(StatusCode::BAD_REQUEST, &json!({"error": "please provide numeric product ID"}))
            }
            None => reply::not_found(),
        },
        _ => reply::not_found(),
    }
}
