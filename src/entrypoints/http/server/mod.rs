//! Accepts connections, and bounds what each may cost.
//!
//! A connection has a place among a bounded number of [`connections`], and notes its [`activity`]
//! there: who asks nothing, or takes too long, has to go. What a request may be is in [`limits`].

mod activity;
mod bodies;
mod connection;
mod connections;
mod limits;
mod refusals;
#[cfg(test)]
mod tests;
mod watched;

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
use limits::limited;
use refusals::Refusal;

/// Longest wait for the answers that are under way when the worker stops.
const LAST_ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// A place where HTTP is answered.
#[derive(Debug)]
pub struct Server {
    listener: std::net::TcpListener,
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
        let listener = TcpListener::bind(address).await?.into_std()?;
        Ok(Self { address: listener.local_addr()?, listener })
    }

    /// Answers until `stop` is cancelled, then finishes the answers that are under way.
    ///
    /// What comes in is read on a thread of its own: with many clients that ask much, the worker's
    /// tasks would otherwise stand in one line with all of theirs. What the routes do runs beside
    /// the worker's tasks, where the connections to database and broker are at home.
    pub async fn run(self, app: App, stop: CancellationToken) {
        let connections = Connections::default();
        let metrics = app.health.metrics().clone();
        let routes = limited(routes::routes(&app), Handle::current(), &connections.refusals)
            .layer(from_fn_with_state(metrics, measure));
        let (jobs, stopping) = (app.jobs.clone(), stop.clone());
        let (told_in, told) = oneshot::channel::<()>();
        let answering = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let answer = answer(self.listener, connections, routes, stop);
            if let Err(error) = runtime.and_then(|runtime| runtime.block_on(answer)) {
                tracing::error!(%error, "HTTP is not answered");
            }
            drop(told_in);
        };
        match std::thread::Builder::new().name("http".to_owned()).spawn(answering) {
            Ok(_) => {
                stopping.cancelled().await;
                let last_jobs = async {
                    jobs.end().await;
                    // The worker lasts as long as the app: what the jobs publish finds the broker.
                    drop(app);
                };
                // The thread tells nothing but its end.
                let (_, ()) = tokio::join!(told, last_jobs);
            }
            Err(error) => tracing::error!(%error, "HTTP is not answered"),
        }
    }
}

/// Answers, on the runtime that runs this.
async fn answer(
    listener: std::net::TcpListener,
    connections: Connections,
    routes: Router,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let graceful = GracefulShutdown::new();
    tokio::select! {
        () = accept(&listener, &connections, &graceful, routes, &stop) => {}
        () = connections.sweep(false) => {}
        () = stop.cancelled() => {}
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = connections.sweep(true) => {}
        () = tokio::time::sleep(LAST_ANSWERS_WITHIN) => {}
    }
    connections.close_all();
    connections.all_ended().await;
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
        connections.room().await;
        if let Ok((stream, peer)) = listener.accept().await {
            // An answer is one write.
            let _ = stream.set_nodelay(true);
            let (place, watcher) = (connections.enter(), graceful.watcher());
            tokio::spawn(serve((stream, peer), place, routes.clone(), watcher, stop.clone()));
        } else {
            // Out of file descriptors, most likely: others have to be closed first.
            connections.refusals.note(Refusal::Unaccepted);
            connections.close_one();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
