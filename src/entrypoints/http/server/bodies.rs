//! Bodies of requests and responses that report to an [`Activity`] when they end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{CONTENT_TYPE, EXPECT};
use axum::http::{Request, Response};
use futures_util::future::poll_fn;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::activity::Activity;

/// Limits for reading a body that the handler did not read to its end.
const MAX_DISCARDED_BYTES: u64 = 32 * 1024 * 1024;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

struct RequestBody {
    body: Option<Incoming>,
    activity: Activity,
    /// The client waits for `100 Continue` before it sends the body, so there is nothing to discard.
    expects_continue: bool,
}

struct ResponseBody {
    body: Body,
    activity: Activity,
    /// For a stream of events, which has no end of its own.
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

/// Tracks a request and its body.
pub fn track_request(request: Request<Incoming>, activity: &Activity) -> Request<Body> {
    let (parts, body) = request.into_parts();
    activity.request_started(!body.is_end_stream());
    let expects_continue = parts.headers.contains_key(EXPECT);
    let body = RequestBody { body: Some(body), activity: activity.clone(), expects_continue };
    Request::from_parts(parts, Body::new(body))
}

/// Tracks a response. A stream of events ends when the worker stops.
pub fn track_response(
    response: Response<Body>,
    activity: &Activity,
    stop: &CancellationToken,
) -> Response<Body> {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let is_endless = content_type.is_some_and(|it| it.starts_with("text/event-stream"));
    let stop = is_endless.then(|| Box::pin(stop.clone().cancelled_owned()));
    response.map(|body| Body::new(ResponseBody { body, activity: activity.clone(), stop }))
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, HttpBody::size_hint)
    }
}

impl Drop for RequestBody {
    /// Reads the rest of the body, within limits: closing the connection while the client still sends
    /// resets it, and the client may never see the response.
    fn drop(&mut self) {
        self.activity.body_received();
        let rest = self.body.take().filter(|body| !body.is_end_stream() && !self.expects_continue);
        if let (Some(rest), Ok(runtime)) = (rest, tokio::runtime::Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(DISCARD_TIMEOUT, discard(rest)));
        }
    }
}

async fn discard(mut body: Incoming) {
    let mut bytes: u64 = 0;
    while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        bytes += frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
        if bytes > MAX_DISCARDED_BYTES {
            return;
        }
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(stop) = &mut self.stop
            && stop.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.activity.response_sent();
    }
}
