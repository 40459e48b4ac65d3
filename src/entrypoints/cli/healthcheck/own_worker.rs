//! Asks the worker at HTTP_ADDR for its readiness.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Check, CommandFailed};
use crate::config::HttpAddr;

/// Between the timeout of the worker for its database, 3 s, and that of a container's health check,
/// usually 5 s.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(4);

/// Maximum size of the response.
const MAX_BYTES: usize = 64 * 1024;

#[derive(Deserialize)]
struct Readiness {
    checks: Vec<Check>,
}

/// The address of the worker from this machine; none for port 0, which only the worker knows.
pub fn address(setting: &HttpAddr) -> Option<String> {
    let HttpAddr::Listen(address) = setting else { return None };
    let (host, port) = address.rsplit_once(':')?;
    match (host, port) {
        (_, port) if port.parse() == Ok(0_u16) => None,
        ("0.0.0.0", port) => Some(format!("127.0.0.1:{port}")),
        ("[::]", port) => Some(format!("[::1]:{port}")),
        (host, port) => Some(format!("{host}:{port}")),
    }
}

/// The checks of the worker, or a failed one when it does not respond.
pub async fn checks(address: &str) -> Vec<Check> {
    readiness(address)
        .await
        .unwrap_or_else(|error| vec![Check::new("worker", Err(CommandFailed::Message(error)))])
}

/// The checks of the worker.
///
/// # Errors
/// With the reason when it does not respond.
pub async fn readiness(address: &str) -> Result<Vec<Check>, String> {
    let response = match timeout(RESPONSE_TIMEOUT, get_readiness(address)).await {
        Ok(response) => response.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no response within {} s", RESPONSE_TIMEOUT.as_secs())),
    };
    let unavailable = |reason| format!("no readiness from http://{address}/health/ready: {reason}");
    response.map(|Readiness { checks }| checks).map_err(unavailable)
}

async fn get_readiness(
    address: &str,
) -> Result<Readiness, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its error, if any, also ends the response below.
    tokio::spawn(connection);
    let request = Request::get("/health/ready").header(HOST, address).body(Body::empty())?;
    let response = sender.send_request(request).await?;
    let body = to_bytes(Body::new(response.into_body()), MAX_BYTES).await?;
    Ok(serde_json::from_slice(&body)?)
}
