//! One connection.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::server::graceful::Watcher;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::bodies::{track_request, track_response};
use super::connections::Slot;
use super::refusals::Refusal;
use super::tracked_stream::TrackedStream;

/// Maximum size of a request head, in bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;

const MAX_HEADERS: usize = 64;

/// Serves requests one after the other until the client disconnects, the server stops, or the
/// connection is closed to make room for others.
pub async fn serve(
    (stream, peer): (TcpStream, SocketAddr),
    slot: Slot,
    routes: Router,
    watcher: Watcher,
    stop: CancellationToken,
) {
    let activity = &slot.activity;
    let service = service_fn(move |request| {
        let mut request = track_request(request, activity);
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(activity.clone());
        let response = routes.clone().oneshot(request);
        let stop = stop.clone();
        async move {
            let response =
                response.await.unwrap_or_else(|impossible: Infallible| match impossible {});
            Ok::<_, Infallible>(track_response(response, activity, &stop))
        }
    });
    let connection = http1::Builder::new()
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TrackedStream::new(stream, activity.clone()), service);
    let mut connection = pin!(watcher.watch(connection));
    let served = tokio::select! {
        served = &mut connection => served,
        () = activity.closed() => return,
    };
    // Other errors are the client's: it disconnected, or reset the connection.
    if let Some(refusal) = served.err().as_ref().and_then(Refusal::of_connection) {
        slot.record(refusal);
    }
}
