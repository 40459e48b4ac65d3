//! The bodies of requests and answers, with an eye on when they end.

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

/// Most bytes that are read of a body that nobody wants, and the longest time for that.
const UNWANTED_BYTES: u64 = 32 * 1024 * 1024;
const UNWANTED_WITHIN: Duration = Duration::from_secs(5);

/// A body on its way in.
struct Arriving {
    body: Option<Incoming>,
    activity: Activity,
    /// The client asks first whether it may send the body: if nobody wants it, it is not sent.
    asks_first: bool,
}

/// A body on its way out.
struct Leaving {
    body: Body,
    activity: Activity,
    /// Where the answer has no end of its own.
    stop: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

/// The request for the routes.
pub fn arriving(request: Request<Incoming>, activity: &Activity) -> Request<Body> {
    let (parts, body) = request.into_parts();
    activity.asked(!body.is_end_stream());
    let asks_first = parts.headers.contains_key(EXPECT);
    let body = Arriving { body: Some(body), activity: activity.clone(), asks_first };
    Request::from_parts(parts, Body::new(body))
}

/// The answer for the client. A stream of events ends with the worker.
pub fn leaving(
    answer: Response<Body>,
    activity: &Activity,
    stop: &CancellationToken,
) -> Response<Body> {
    let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_endless = kind.is_some_and(|kind| kind.starts_with("text/event-stream"));
    let stop = is_endless.then(|| Box::pin(stop.clone().cancelled_owned()));
    answer.map(|body| Body::new(Leaving { body, activity: activity.clone(), stop }))
}

impl HttpBody for Arriving {
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

impl Drop for Arriving {
    /// What is left of the body is still read, within bounds: a connection that is closed on a
    /// client that sends is reset, and the client may never see its answer.
    fn drop(&mut self) {
        self.activity.received();
        let left = self.body.take().filter(|body| !body.is_end_stream() && !self.asks_first);
        if let (Some(left), Ok(runtime)) = (left, tokio::runtime::Handle::try_current()) {
            runtime.spawn(tokio::time::timeout(UNWANTED_WITHIN, discard(left)));
        }
    }
}

async fn discard(mut body: Incoming) {
    let mut bytes: u64 = 0;
    while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        bytes += frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
        if bytes > UNWANTED_BYTES {
            return;
        }
    }
}

impl HttpBody for Leaving {
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

impl Drop for Leaving {
    fn drop(&mut self) {
        self.activity.answered();
    }
}
