//! Answers with and without a body.

use std::fmt::Write;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::outcome::Done;
use crate::domain::OrderId;
use crate::entrypoints::http::Problem;

/// Says that the command had its effect before.
pub const REPLAYED: &str = "idempotent-replayed";

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A value as JSON; `size` is about how many bytes that makes.
pub fn json(status: StatusCode, value: &impl Serialize, size: usize) -> Result<Response, Problem> {
    let mut body = Vec::with_capacity(size);
    match serde_json::to_writer(&mut body, value) {
        Ok(()) => Ok(json_body(status, body)),
        Err(error) => {
            tracing::error!(%error, "An answer cannot be written");
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be written"))
        }
    }
}

/// A body that is JSON already. Nobody keeps a copy: it is about customers.
pub fn json_body(status: StatusCode, body: impl Into<Body>) -> Response {
    let headers = [(CONTENT_TYPE, JSON), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (status, headers, body.into()).into_response()
}

/// A new order; `placed` names it.
pub fn created(done: &Done, placed: &impl Serialize) -> Result<Response, Problem> {
    let mut response = json(StatusCode::CREATED, placed, 100)?;
    let headers = response.headers_mut();
    headers.extend(replayed(done));
    // Text of percent signs, letters and digits is always a header.
    if let Ok(location) = path_of(&done.order_id).try_into() {
        headers.insert(LOCATION, location);
    }
    Ok(response)
}

fn path_of(order_id: &OrderId) -> String {
    let mut path = "/api/orders/".to_owned();
    for byte in order_id.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            path.push(byte.into());
        } else {
            // Writing into a text does not fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}

/// A change without anything to tell.
pub fn no_content(done: &Done) -> Response {
    (StatusCode::NO_CONTENT, replayed(done)).into_response()
}

/// The header of a repeat.
fn replayed(done: &Done) -> HeaderMap {
    let name = HeaderName::from_static(REPLAYED);
    let header = (name, HeaderValue::from_static("true"));
    done.is_repeat.then_some(header).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_order_leads_back_to_it_whatever_its_id() {
        for (order_id, path) in [
            ("1000001", "1000001"),
            ("GS-1_a.b~", "GS-1_a.b~"),
            ("a/b?c#d%2F", "a%2Fb%3Fc%23d%252F"),
            ("ü ", "%C3%BC%20"),
        ] {
            let order_id = OrderId::new(order_id).unwrap();
            assert_eq!(path_of(&order_id), format!("/api/orders/{path}"));
        }
    }
}
