//! Accepts connections and limits what each may cost.
//!
//! The number of [`connections`] is limited. Each reports its [`activity`], so that idle and slow ones
//! can be closed. [`limits`] apply to each request.

mod activity;
mod bodies;
mod connection;
mod connections;
mod limits;
mod refusals;
#[cfg(test)]
mod tests;
mod tracked_stream;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::metrics::measure;
use super::{App, routes};
use crate::config::{DEFAULT_HTTP_ADDR, HttpAddr, InvalidSetting, Settings};
use connection::serve;
use connections::Connections;
use limits::with_limits;
use refusals::Refusal;

/// Maximum wait for requests in progress when the worker stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(20);

/// The HTTP server, bound to its address.
#[derive(Debug)]
pub struct Server {
    listener: std::net::TcpListener,
    pub address: SocketAddr,
}

impl Server {
    /// Binds to the address in the settings. `None` when HTTP is switched off, or when no address is set
    /// and the default one is in use.
    ///
    /// # Errors
    /// When the address that is set cannot be bound.
    pub async fn bind(settings: &Settings) -> Result<Option<Self>, InvalidSetting> {
        let address = match &settings.http_addr {
            Some(HttpAddr::Disabled) => return Ok(None),
            Some(HttpAddr::Listen(address)) => address,
            None => DEFAULT_HTTP_ADDR,
        };
        match Self::at(address).await {
            Ok(server) => Ok(Some(server)),
            Err(error) if settings.http_addr.is_none() => {
                tracing::warn!(address, %error, "No console and no API: the default address is not available; set HTTP_ADDR");
                Ok(None)
            }
            Err(error) => {
                let problem = format!("{address} cannot be bound: {error}");
                Err(InvalidSetting { variable: "HTTP_ADDR", problem })
            }
        }
    }

    async fn at(address: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?.into_std()?;
        Ok(Self { address: listener.local_addr()?, listener })
    }

    /// Serves until `stop` is cancelled, then finishes the requests in progress.
    ///
    /// Connections are read on a thread of their own, so that many busy clients do not delay the
    /// worker's tasks. Handlers run on the worker's runtime, which owns the connections to database and
    /// broker.
    pub async fn run(self, app: App, stop: CancellationToken) {
        let connections = Connections::default();
        let metrics = app.health.metrics().clone();
        let routes = with_limits(routes::routes(&app), Handle::current(), &connections.refusals)
            .layer(from_fn_with_state(metrics, measure));
        let (jobs, stopping) = (app.jobs.clone(), stop.clone());
        let (finished_tx, finished) = oneshot::channel::<()>();
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let serving = serve_until_stopped(self.listener, connections, routes, stop);
            if let Err(error) = runtime.and_then(|runtime| runtime.block_on(serving)) {
                tracing::error!(%error, "The HTTP server has failed");
            }
            drop(finished_tx);
        };
        match std::thread::Builder::new().name("http".to_owned()).spawn(serve) {
            Ok(_) => {
                stopping.cancelled().await;
                let last_jobs = async {
                    jobs.end().await;
                    // The worker stops when the last App is dropped: until here the jobs can publish.
                    drop(app);
                };
                // The thread drops the sender when it ends; it sends no value.
                let (_, ()) = tokio::join!(finished, last_jobs);
            }
            Err(error) => tracing::error!(%error, "The HTTP server has failed"),
        }
    }
}

async fn serve_until_stopped(
    listener: std::net::TcpListener,
    connections: Connections,
    routes: Router,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let graceful = GracefulShutdown::new();
    tokio::select! {
        () = accept(&listener, &connections, &graceful, routes, &stop) => {}
        () = connections.close_timed_out(false) => {}
        () = stop.cancelled() => {}
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = connections.close_timed_out(true) => {}
        () = tokio::time::sleep(SHUTDOWN_TIMEOUT) => {}
    }
    connections.close_all();
    connections.wait_until_none().await;
    Ok(())
}

/// Accepts connections until dropped.
async fn accept(
    listener: &TcpListener,
    connections: &Connections,
    graceful: &GracefulShutdown,
    routes: Router,
    stop: &CancellationToken,
) {
    loop {
        connections.wait_for_slot().await;
        if let Ok((stream, peer)) = listener.accept().await {
            // A response is one write: waiting for more data would only delay it.
            let _ = stream.set_nodelay(true);
            let (slot, watcher) = (connections.register(), graceful.watcher());
            tokio::spawn(serve((stream, peer), slot, routes.clone(), watcher, stop.clone()));
        } else {
            // Most likely out of file descriptors: close a connection to free one.
            connections.refusals.record(Refusal::NotAccepted);
            connections.evict_one();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
