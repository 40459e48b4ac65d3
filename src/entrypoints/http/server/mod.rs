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
mod watched;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

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
        let connections = Connections::default();
        let routes = limited(routes::routes(&app), &connections.refusals);
        drop(app);
        let graceful = GracefulShutdown::new();
        tokio::select! {
            () = self.accept(&connections, &graceful, routes, &stop) => {}
            () = connections.sweep(false) => {}
            () = stop.cancelled() => {}
        }
        tokio::select! {
            () = graceful.shutdown() => {}
            () = connections.sweep(true) => {}
            () = tokio::time::sleep(LAST_ANSWERS_WITHIN) => {}
        }
        connections.close_all();
        connections.all_ended().await;
    }

    async fn accept(
        &self,
        connections: &Connections,
        graceful: &GracefulShutdown,
        routes: Router,
        stop: &CancellationToken,
    ) {
        loop {
            connections.room().await;
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    // An answer is one write.
                    let _ = stream.set_nodelay(true);
                    let (place, watcher) = (connections.enter(), graceful.watcher());
                    let routes = routes.clone();
                    tokio::spawn(serve((stream, peer), place, routes, watcher, stop.clone()));
                }
                Err(_) => {
                    // Out of file descriptors, most likely: others have to be closed first.
                    connections.refusals.note(Refusal::Unaccepted);
                    connections.close_one();
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}
