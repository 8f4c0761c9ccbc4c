//! The HTML of the product page.

use super::super::reply::escape;
use http::StatusCode;
use serde_json::{Value, json};

pub(super) const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem}\
header{display:flex;justify-content:space-between;align-items:baseline;border-bottom:1px solid #8888}\
main{display:grid;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr));gap:2rem}\
blockquote{margin:0 0 1rem;padding-left:1rem;border-left:3px solid #8888}\
.error{color:#b00020}dt{font-weight:600}";

const TITLE: &str = "The Comedy of Errors";
const SUMMARY: &str = "<a href=\"https://en.wikipedia.org/wiki/The_Comedy_of_Errors\">Wikipedia Summary</a>: \
The Comedy of Errors is one of William Shakespeare's early plays. It is his shortest and one of his most \
farcical comedies, with a major part of the humour coming from slapstick and mistaken identity, in addition \
to puns and word play.";

/// The only product that the shop has.
pub(super) fn product() -> Value {
    json!({"id": 0, "title": TITLE, "descriptionHtml": SUMMARY})
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <link rel=\"stylesheet\" href=\"/static/bookinfo.css\">\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

pub(super) fn index() -> String {
    document(
        "Bookinfo",
        "<h1>Bookinfo</h1>\n<p>Four services in four pieces: this page, details, reviews and ratings.</p>\n\
         <p><a href=\"/productpage\">The product page</a></p>\n",
    )
}

pub(super) fn productpage(
    user: Option<&str>,
    details: &(StatusCode, Value),
    reviews: &(StatusCode, Value),
) -> String {
    let account = match user {
        Some(user) => {
            format!("<p>{} (<a href=\"/logout\">sign out</a>)</p>\n", escape(user))
        }
        None => "<form method=\"post\" action=\"/login\">\n\
                 <input name=\"username\" placeholder=\"User name\" aria-label=\"User name\">\n\
                 <input name=\"passwd\" type=\"password\" placeholder=\"Password\" aria-label=\"Password\">\n\
                 <button>Sign in</button>\n</form>\n"
            .to_owned(),
    };
    let body = format!(
        "<header>\n<h1>BookInfo Sample</h1>\n{account}</header>\n<h2>{TITLE}</h2>\n<p>Summary: {SUMMARY}</p>\n\
         <main>\n<section>\n{}</section>\n<section>\n{}</section>\n</main>\n",
        details_part(details),
        reviews_part(reviews)
    );
    document("Simple Bookstore App", &body)
}

fn failed(what: &str, body: &Value) -> String {
    let message = body.get("error").and_then(Value::as_str).unwrap_or_default();
    format!("<h4 class=\"error\">Error fetching product {what}!</h4>\n<p>{}</p>\n", escape(message))
}

/// A field as text; strings without their quotes.
fn field(of: &Value, name: &str) -> String {
    match of.get(name) {
        Some(Value::String(s)) => escape(s),
        Some(other) => escape(&other.to_string()),
        None => String::new(),
    }
}

fn details_part((status, details): &(StatusCode, Value)) -> String {
    if *status != StatusCode::OK {
        return failed("details", details);
    }
    let fields = [
        ("Type", "type"),
        ("Pages", "pages"),
        ("Publisher", "publisher"),
        ("Language", "language"),
        ("ISBN-10", "ISBN-10"),
        ("ISBN-13", "ISBN-13"),
    ];
    let list: String = fields
        .iter()
        .map(|(label, name)| format!("<dt>{label}:</dt><dd>{}</dd>\n", field(details, name)))
        .collect();
    format!("<h4>Book Details</h4>\n<dl>\n{list}</dl>\n")
}

fn reviews_part((status, reviews): &(StatusCode, Value)) -> String {
    if *status != StatusCode::OK {
        return failed("reviews", reviews);
    }
    let mut out =
        format!("<h4>Book Reviews</h4>\n<p>Reviews served by: <u>{}</u></p>\n", field(reviews, "podname"));
    for review in reviews.get("reviews").and_then(Value::as_array).into_iter().flatten() {
        let rating = match review.get("rating") {
            None => String::new(),
            Some(rating) => match rating.get("stars").and_then(Value::as_u64) {
                Some(stars) => stars_part(stars, &field(rating, "color")),
                None => format!("<p class=\"error\">{}</p>\n", field(rating, "error")),
            },
        };
        out += &format!(
            "<blockquote>\n<p>{}</p>\n<small>{}</small>\n{rating}</blockquote>\n",
            field(review, "text"),
            field(review, "reviewer")
        );
    }
    out
}

fn stars_part(stars: u64, color: &str) -> String {
    let full = usize::try_from(stars).map_or(5, |n| n.min(5));
    format!(
        "<p style=\"color:{color}\" aria-label=\"{full} of 5 stars\">{}{}</p>\n",
        "★".repeat(full),
        "☆".repeat(5 - full)
    )
}
