//! Responses of the API.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::outcome::Done;
use crate::domain::OrderId;
use crate::entrypoints::http::Problem;

/// Header of a response to a command that took effect before.
pub const REPLAYED: &str = "idempotent-replayed";

/// Everything but the unreserved characters of RFC 3986.
const PATH_SEGMENT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A value as JSON; `size` is its expected length in bytes.
pub fn json(status: StatusCode, value: &impl Serialize, size: usize) -> Result<Response, Problem> {
    let mut body = Vec::with_capacity(size);
    match serde_json::to_writer(&mut body, value) {
        Ok(()) => Ok(json_body(status, body)),
        Err(error) => {
            tracing::error!(%error, "A response cannot be serialized");
            Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the response cannot be serialized",
            ))
        }
    }
}

/// A body that is JSON already. `no-store`, because it contains personal data.
pub fn json_body(status: StatusCode, body: impl Into<Body>) -> Response {
    let headers = [(CONTENT_TYPE, JSON), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (status, headers, body.into()).into_response()
}

/// A new order; `placed` is the body.
pub fn created(done: &Done, placed: &impl Serialize) -> Result<Response, Problem> {
    let mut response = json(StatusCode::CREATED, placed, 100)?;
    let headers = response.headers_mut();
    headers.extend(replayed(done));
    // Percent-encoded text is always a valid header value.
    if let Ok(location) = path_of(&done.order_id).try_into() {
        headers.insert(LOCATION, location);
    }
    Ok(response)
}

fn path_of(order_id: &OrderId) -> String {
    format!("/api/orders/{}", utf8_percent_encode(order_id.as_str(), PATH_SEGMENT))
}

/// A change of an order.
pub fn no_content(done: &Done) -> Response {
    (StatusCode::NO_CONTENT, replayed(done)).into_response()
}

fn replayed(done: &Done) -> HeaderMap {
    let name = HeaderName::from_static(REPLAYED);
    let header = (name, HeaderValue::from_static("true"));
    done.is_repeat.then_some(header).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_order_is_percent_encoded() {
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
