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

use super::bodies::{arriving, leaving};
use super::connections::Place;
use super::refusals::Refusal;
use super::watched::Watched;

/// Largest head of a request.
const HEAD_BYTES: usize = 16 * 1024;

/// Most headers of a request.
const MAX_HEADERS: usize = 64;

/// Answers requests, one after the other, until the client has gone, the server stops, or the
/// connection has to make room.
pub async fn serve(
    (stream, peer): (TcpStream, SocketAddr),
    place: Place,
    routes: Router,
    watcher: Watcher,
    stop: CancellationToken,
) {
    let activity = &place.activity;
    let service = service_fn(move |request| {
        let mut request = arriving(request, activity);
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(activity.clone());
        let answer = routes.clone().oneshot(request);
        let stop = stop.clone();
        async move {
            let answer = answer.await.unwrap_or_else(|impossible: Infallible| match impossible {});
            Ok::<_, Infallible>(leaving(answer, activity, &stop))
        }
    });
    let connection = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(Watched::new(stream, activity.clone()), service);
    let mut connection = pin!(watcher.watch(connection));
    let served = tokio::select! {
        served = &mut connection => served,
        () = activity.closed() => return,
    };
    // What else breaks a connection is the client's business.
    if let Some(refusal) = served.err().as_ref().and_then(Refusal::of_connection) {
        place.refuse(refusal);
    }
}
