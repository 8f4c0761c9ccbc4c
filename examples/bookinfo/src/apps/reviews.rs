//! `reviews`: what readers wrote, with stars from `ratings` in versions 2 and 3.
//!
//! Version 2 waits ten seconds for the stars, which is more than its caller waits for it: the sample keeps
//! this fault so that injecting a delay finds it. Version 3 has it mended.

use super::reply::{self, Reply};
use super::{Service, below, forwarded};
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

const TEXTS: [(&str, &str); 2] = [
    ("Reviewer1", "An extremely entertaining play by Shakespeare. The slapstick humour is refreshing!"),
    (
        "Reviewer2",
        "Absolutely fun and entertaining. The play lacks thematic depth when compared to other plays by \
         Shakespeare.",
    ),
];

/// How a version shows stars, and how long it waits for them; `None` shows none.
fn stars(version: &str) -> Option<(&'static str, Duration)> {
    match version {
        "v2" => Some(("black", Duration::from_secs(10))),
        "v3" => Some(("red", Duration::from_millis(2500))),
        _ => None,
    }
}

pub(super) async fn answer<B>(service: &Service, request: &Request<B>) -> Reply {
    let path = request.uri().path();
    match (request.method(), path) {
        (&Method::GET, "/health") => reply::json(StatusCode::OK, &json!({"status": "Reviews is healthy"})),
        (&Method::GET, path) => match below(path, "/reviews/").map(str::parse::<u64>) {
            Some(Ok(id)) => reply::json(StatusCode::OK, &reviews(service, id, request.headers()).await),
            _ => reply::not_found(),
        },
        _ => reply::not_found(),
    }
}

async fn reviews(service: &Service, id: u64, incoming: &HeaderMap) -> Value {
    let style = stars(&service.config.version);
    let ratings = match style {
        Some((_, timeout)) => ratings(service, id, incoming, timeout).await,
        None => None,
    };
    let reviews: Vec<Value> = TEXTS
        .into_iter()
        .map(|(reviewer, text)| {
            let mut review = json!({"reviewer": reviewer, "text": text});
            let given = ratings.as_ref().and_then(|r| r.get("ratings")?.get(reviewer)?.as_u64());
            if let (Some((color, _)), Some(fields)) = (style, review.as_object_mut()) {
                let rating = match given {
                    Some(stars) => json!({"stars": stars, "color": color}),
                    None => json!({"error": "Ratings service is currently unavailable"}),
                };
                fields.insert("rating".to_owned(), rating);
            }
            review
        })
        .collect();
    json!({
        "id": id.to_string(),
        "podname": service.config.pod_name,
        // The sample prints the word, and its page knows not to show it.
        "clustername": "null",
        "reviews": reviews,
    })
}

async fn ratings(service: &Service, id: u64, incoming: &HeaderMap, timeout: Duration) -> Option<Value> {
    let url = format!("http://ratings:9080/ratings/{id}");
    match service.client.get(&url, forwarded(incoming), timeout).await {
        Ok(answer) if answer.status == StatusCode::OK => serde_json::from_slice(&answer.body).ok(),
        Ok(answer) => {
            tracing::debug!(status = %answer.status, "ratings did not answer");
            None
        }
        Err(error) => {
            tracing::debug!(%error, "ratings cannot be reached");
            None
        }
    }
}
