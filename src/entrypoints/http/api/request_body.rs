//! Reads request bodies within the memory budget.

use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::entrypoints::http::Problem;
use crate::messages::DeadLetterCode;
use crate::service_layer::decode::MAX_BODY_BYTES;
use crate::service_layer::{ByteBudget, ByteReservation};

/// Maximum wait for memory for received bytes.
const MEMORY_TIMEOUT: Duration = Duration::from_secs(5);

/// A body with the memory reserved for it.
#[derive(Debug, Default)]
pub struct RequestBody {
    pub bytes: Vec<u8>,
    pub reservation: Option<ByteReservation>,
}

/// Reads a body. Memory is reserved for the bytes received, not for `Content-Length`, so that clients
/// that announce large bodies and send nothing do not keep out others.
///
/// # Errors
/// When the body is too large, not JSON by its headers or incomplete, or no memory is free within 5 s.
pub async fn read(request: Request, memory: &ByteBudget) -> Result<RequestBody, Problem> {
    let headers = request.headers();
    if content_length(headers).is_some_and(|length| length > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    let format = ensure_json(headers);
    let mut body = RequestBody::default();
    let mut chunks = request.into_body().into_data_stream();
    while let Some(data) = chunks.next().await {
        let data =
            data.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body is incomplete"))?;
        if body.bytes.len() + data.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        let reserved = reserve(data.len(), memory).await?;
        match &mut body.reservation {
            Some(reservation) => reservation.merge(reserved),
            None => body.reservation = Some(reserved),
        }
        body.bytes.extend_from_slice(&data);
    }
    // An empty body may have any content type.
    if body.bytes.is_empty() { Ok(body) } else { format.map(|()| body) }
}

async fn reserve(bytes: usize, memory: &ByteBudget) -> Result<ByteReservation, Problem> {
    timeout(MEMORY_TIMEOUT, memory.clone().reserve(bytes)).await.map_err(|_| {
        let detail = "the memory for request bodies is full; retry later";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    })
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Accepts JSON, and bodies without a content type.
fn ensure_json(headers: &HeaderMap) -> Result<(), Problem> {
    let header = |name| headers.get(name).map(|it| it.to_str().unwrap_or_default());
    if !header(CONTENT_TYPE).is_none_or(is_json) {
        return Err(unsupported("Content-Type", "must be application/json"));
    }
    if !header(CONTENT_ENCODING).is_none_or(|it| it.eq_ignore_ascii_case("identity")) {
        return Err(unsupported(
            "Content-Encoding",
            "must be absent: compressed bodies are not supported",
        ));
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
    let detail = format!("the body is larger than {MAX_BODY_BYTES} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).with_code(DeadLetterCode::TooLarge.as_str())
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

    /// Reads with memory for ten bodies.
    async fn read(request: Request) -> Result<Vec<u8>, Problem> {
        let memory = ByteBudget::new(10 * MAX_BODY_BYTES);
        super::read(request, &memory).await.map(|body| body.bytes)
    }

    async fn refused(headers: &[(&str, &str)], body: impl Into<Body>) -> u16 {
        read(request(headers, body)).await.unwrap_err().status.as_u16()
    }

    #[tokio::test]
    async fn json_media_types_are_accepted() {
        for kind in ["application/json", "APPLICATION/JSON; charset=utf-8", "application/ld+json"] {
            let read = read(request(&[("content-type", kind)], "{}")).await;
            assert_eq!(read.unwrap(), b"{}", "{kind}");
        }
        assert_eq!(read(request(&[], "{}")).await.unwrap(), b"{}");
    }

    #[tokio::test]
    async fn other_media_types_and_encodings_are_refused() {
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/xml", "json"] {
            assert_eq!(refused(&[("content-type", kind)], "{}").await, 415, "{kind}");
        }
        assert_eq!(refused(&[("content-encoding", "gzip")], "{}").await, 415);
    }

    #[tokio::test]
    async fn the_content_type_of_an_empty_body_does_not_matter() {
        let read = read(request(&[("content-type", "text/plain")], "")).await;

        assert_eq!(read.unwrap(), b"");
    }

    #[tokio::test]
    async fn a_body_may_have_256_kib_and_not_one_byte_more() {
        assert!(read(request(&[], vec![b' '; MAX_BODY_BYTES])).await.is_ok());
        assert_eq!(refused(&[], vec![b' '; MAX_BODY_BYTES + 1]).await, 413);
        assert_eq!(refused(&[], vec![b' '; 10 * MAX_BODY_BYTES]).await, 413);
    }

    #[tokio::test]
    async fn a_content_length_that_is_too_large_is_refused_at_once() {
        let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();

        let refused = refused(&[("content-length", "16777216")], Body::from_stream(never)).await;

        assert_eq!(refused, 413);
    }

    #[tokio::test]
    async fn an_incomplete_body_is_a_400() {
        let broken = [Ok("{".to_owned()), Err(std::io::Error::other("gone"))];

        let body = Body::from_stream(futures_util::stream::iter(broken));

        assert_eq!(refused(&[], body).await, 400);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_waits_for_memory_for_a_limited_time() {
        let memory = ByteBudget::new(1_000);
        let first = super::read(request(&[], vec![b' '; 500]), &memory).await.unwrap();
        let _other = super::read(request(&[], vec![b' '; 400]), &memory).await.unwrap();
        let second = || request(&[], vec![b' '; 200]);

        let refused = super::read(second(), &memory).await.unwrap_err();

        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(memory.reserved(), 900);
        let second = super::read(second(), &memory);
        let (second, ()) = tokio::join!(second, async { drop(first) });
        assert!(second.is_ok());
    }

    #[tokio::test]
    async fn a_body_reserves_memory_for_the_bytes_received() {
        let memory = ByteBudget::new(1_000);
        let begun = futures_util::stream::iter([Ok::<_, std::io::Error>("{\"")]);
        let stalled = begun.chain(futures_util::stream::pending());
        let length = MAX_BODY_BYTES.to_string();
        let stalled = request(&[("content-length", &length)], Body::from_stream(stalled));

        let reading = tokio::spawn({
            let memory = memory.clone();
            async move { super::read(stalled, &memory).await }
        });

        while memory.reserved() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(memory.reserved(), 2);
        reading.abort();
        assert!(reading.await.unwrap_err().is_cancelled());
        assert_eq!(memory.reserved(), 0);
    }
}
