//! Accepts connections, and bounds what each may cost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{App, routes};
use crate::config::{DEFAULT_HTTP_ADDR, HttpAddr, InvalidSetting, Settings};
use crate::entrypoints::amqp::edge::MAX_BODY_BYTES;

/// Most connections at a time; further ones wait to be accepted.
const MOST_CONNECTIONS: usize = 1_000;

/// Longest wait for a request's head, on a connection that is kept open as well.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// Largest head of a request.
const HEAD_BYTES: usize = 16 * 1024;

/// Most headers of a request.
const MOST_HEADERS: usize = 64;

/// Longest wait for the answers that are under way when the worker stops.
const LAST_ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// A place where HTTP is answered.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    pub address: SocketAddr,
}

impl Server {
    /// Takes the address that the settings name; none when they name none, or name none and the
    /// default address is taken.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn bind(settings: &Settings) -> Result<Option<Self>, InvalidSetting> {
        let address = match &settings.http_addr {
            Some(HttpAddr::Nowhere) => return Ok(None),
            Some(HttpAddr::At(address)) => address,
            None => DEFAULT_HTTP_ADDR,
        };
        match Self::at(address).await {
            Ok(server) => Ok(Some(server)),
            Err(error) if settings.http_addr.is_none() => {
                tracing::warn!(address, %error, "No console and no API: set HTTP_ADDR");
                Ok(None)
            }
            Err(error) => {
                let problem = format!("{address} cannot be had: {error}");
                Err(InvalidSetting { variable: "HTTP_ADDR", problem })
            }
        }
    }

    async fn at(address: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { address: listener.local_addr()?, listener })
    }

    /// Answers until `stop` is cancelled, then finishes the answers that are under way.
    pub async fn run(self, app: App, stop: CancellationToken) {
        let routes = routes::routes(&app).layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
        let streams = app.streams();
        let jobs = app.jobs.clone();
        drop(app);
        let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.accept(&room) => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer, permit)) => {
                    let connection = serve(stream, peer, routes.clone(), &graceful);
                    tokio::spawn(async move {
                        connection.await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: others have to be closed first.
                    tracing::warn!(%error, "A connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        streams.end();
        let answers = tokio::time::timeout(LAST_ANSWERS_WITHIN, graceful.shutdown());
        // The worker lasts as long as the routes: what the jobs publish still finds the broker.
        let _ = tokio::join!(answers, jobs.end());
    }

    async fn accept(
        &self,
        room: &Arc<Semaphore>,
    ) -> std::io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let permit = room.clone().acquire_owned().await.map_err(std::io::Error::other)?;
        let (stream, peer) = self.listener.accept().await?;
        // An answer is one write.
        stream.set_nodelay(true)?;
        Ok((stream, peer, permit))
    }
}

/// One connection, until its client has gone or the server stops.
fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    routes: Router,
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + 'static {
    let service = routes.map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let connection = graceful.watch(connection);
    async move {
        // What breaks a connection is the client's business.
        let _ = connection.await;
    }
}
