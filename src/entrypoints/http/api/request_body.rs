//! The body of a request that may have one.

use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::entrypoints::http::Problem;
use crate::service_layer::decode::MAX_BODY_BYTES;
use crate::service_layer::{ByteBudget, ByteReservation, DeadLetterCode};

/// Longest wait until there is memory for what came of a body.
const ROOM_WITHIN: Duration = Duration::from_secs(5);

/// A body, and the memory that it is allowed to take.
#[derive(Debug, Default)]
pub struct RequestBody {
    pub bytes: Vec<u8>,
    pub reservation: Option<ByteReservation>,
}

/// Reads a body, and takes memory for what has come of it: not for what it says will come, or those who
/// say much and send nothing would keep out all others.
///
/// # Errors
/// When it is too large, says that it is no JSON, breaks off, or there is no memory for it in time.
pub async fn read(request: Request, memory: &ByteBudget) -> Result<RequestBody, Problem> {
    let headers = request.headers();
    if content_length(headers).is_some_and(|length| length > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    let form = ensure_json(headers);
    let mut body = RequestBody::default();
    let mut coming = request.into_body().into_data_stream();
    while let Some(data) = coming.next().await {
        let data = data.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body broke off"))?;
        if body.bytes.len() + data.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        let room = room_for(data.len(), memory).await?;
        match &mut body.reservation {
            Some(reservation) => reservation.merge(room),
            None => body.reservation = Some(room),
        }
        body.bytes.extend_from_slice(&data);
    }
    // What has no body has no form that could be wrong.
    if body.bytes.is_empty() { Ok(body) } else { form.map(|()| body) }
}

async fn room_for(bytes: usize, memory: &ByteBudget) -> Result<ByteReservation, Problem> {
    timeout(ROOM_WITHIN, memory.clone().reserve(bytes)).await.map_err(|_| {
        let detail = "the bodies of other requests fill the memory for them: try again later";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    })
}

/// How long the body says that it is.
fn content_length(headers: &HeaderMap) -> Option<usize> {
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

    /// Read with memory for ten bodies.
    async fn read(request: Request) -> Result<Vec<u8>, Problem> {
        let memory = ByteBudget::new(10 * MAX_BODY_BYTES);
        super::read(request, &memory).await.map(|body| body.bytes)
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

    #[tokio::test(start_paused = true)]
    async fn a_body_waits_for_memory_and_not_for_long() {
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
    async fn a_body_takes_memory_for_what_came_of_it() {
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
