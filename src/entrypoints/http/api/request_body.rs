//! The body of a request that may have one.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};

use crate::entrypoints::decode::MAX_BODY_BYTES;
use crate::entrypoints::http::Problem;
use crate::service_layer::DeadLetterCode;

/// # Errors
/// When it is too large, says that it is no JSON, or breaks off.
pub async fn read(request: Request) -> Result<Vec<u8>, Problem> {
    let headers = request.headers();
    if content_length(headers).is_some_and(|length| length > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    let form = ensure_json(headers);
    let body = Bytes::from_request(request, &()).await.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => Problem::new(StatusCode::BAD_REQUEST, "the body broke off"),
    })?;
    match body.len() {
        // What has no body has no form that could be wrong.
        0 => Ok(Vec::new()),
        1..=MAX_BODY_BYTES => form.map(|()| body.into()),
        _ => Err(too_large()),
    }
}

/// How long the body says that it is.
pub fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// JSON, or nothing said about it.
fn ensure_json(headers: &HeaderMap) -> Result<(), Problem> {
    let header = |name| headers.get(name).map(|it| it.to_str().unwrap_or_default());
    if !header(CONTENT_TYPE).is_none_or(is_json) {
        return Err(unsupported("Content-Type", "must be application/json"));
    }
    if !header(CONTENT_ENCODING).is_none_or(|it| it.eq_ignore_ascii_case("identity")) {
        return Err(unsupported("Content-Encoding", "must be absent: bodies are read as they are"));
    }
    Ok(())
}

/// `application/json` or `application/…+json`, whatever its parameters.
fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let subtype = kind.strip_prefix("application/").unwrap_or_default();
    subtype == "json" || subtype.ends_with("+json")
}

fn too_large() -> Problem {
    let detail = format!("the body has more than {MAX_BODY_BYTES} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).with_code(DeadLetterCode::TooLarge.slug())
}

fn unsupported(header: &str, rule: &str) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("{header} {rule}")).with_field(header)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(headers: &[(&str, &str)], body: impl Into<Body>) -> Request {
        let request = Request::builder();
        let request = headers.iter().fold(request, |it, (name, value)| it.header(*name, *value));
        request.body(body.into()).unwrap()
    }

    async fn refused(headers: &[(&str, &str)], body: impl Into<Body>) -> u16 {
        read(request(headers, body)).await.unwrap_err().status.as_u16()
    }

    #[tokio::test]
    async fn json_is_taken_however_it_is_called() {
        for kind in ["application/json", "APPLICATION/JSON; charset=utf-8", "application/ld+json"] {
            let read = read(request(&[("content-type", kind)], "{}")).await;
            assert_eq!(read.unwrap(), b"{}", "{kind}");
        }
        assert_eq!(read(request(&[], "{}")).await.unwrap(), b"{}");
    }

    #[tokio::test]
    async fn what_says_that_it_is_no_json_is_refused() {
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/xml", "json"] {
            assert_eq!(refused(&[("content-type", kind)], "{}").await, 415, "{kind}");
        }
        assert_eq!(refused(&[("content-encoding", "gzip")], "{}").await, 415);
    }

    #[tokio::test]
    async fn without_a_body_its_form_does_not_matter() {
        let read = read(request(&[("content-type", "text/plain")], "")).await;

        assert_eq!(read.unwrap(), b"");
    }

    #[tokio::test]
    async fn a_body_of_256_kib_is_taken_and_one_byte_more_is_not() {
        assert!(read(request(&[], vec![b' '; MAX_BODY_BYTES])).await.is_ok());
        assert_eq!(refused(&[], vec![b' '; MAX_BODY_BYTES + 1]).await, 413);
        assert_eq!(refused(&[], vec![b' '; 10 * MAX_BODY_BYTES]).await, 413);
    }

    #[tokio::test]
    async fn a_body_that_says_how_large_it_is_is_not_waited_for() {
        let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();

        let refused = refused(&[("content-length", "16777216")], Body::from_stream(never)).await;

        assert_eq!(refused, 413);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_told_from_a_large_one() {
        let broken = [Ok("{".to_owned()), Err(std::io::Error::other("gone"))];

        let body = Body::from_stream(futures_util::stream::iter(broken));

        assert_eq!(refused(&[], body).await, 400);
    }
}
