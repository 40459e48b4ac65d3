//! Asks the worker of these settings itself.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{CommandFailed, Look};
use crate::config::HttpAddr;

/// Longest wait for the answer. The worker itself gives the database 3 s, a container's health check
/// is given 5 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// Largest answer.
const MAX_BYTES: usize = 64 * 1024;

#[derive(Deserialize)]
struct Readiness {
    checks: Vec<Look>,
}

/// Where the worker can be asked from this machine; none when only the worker knows its port.
pub fn address(setting: &HttpAddr) -> Option<String> {
    let HttpAddr::At(address) = setting else { return None };
    let (host, port) = address.rsplit_once(':')?;
    match (host, port) {
        (_, port) if port.parse() == Ok(0_u16) => None,
        ("0.0.0.0", port) => Some(format!("127.0.0.1:{port}")),
        ("[::]", port) => Some(format!("[::1]:{port}")),
        (host, port) => Some(format!("{host}:{port}")),
    }
}

/// What the worker says of itself, or that it says nothing.
pub async fn looks(address: &str) -> Vec<Look> {
    let asked = match timeout(ANSWER_WITHIN, ask(address)).await {
        Ok(asked) => asked.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", ANSWER_WITHIN.as_secs())),
    };
    match asked {
        Ok(Readiness { checks }) => checks,
        Err(reason) => {
            let told = CommandFailed::Told(format!("it does not answer at {address}: {reason}"));
            vec![Look::new("worker", Err(told))]
        }
    }
}

async fn ask(address: &str) -> Result<Readiness, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its end comes with that of the answer, which says more.
    tokio::spawn(connection);
    let request = Request::get("/health/ready").header(HOST, address).body(Body::empty())?;
    let answer = sender.send_request(request).await?;
    let body = to_bytes(Body::new(answer.into_body()), MAX_BYTES).await?;
    Ok(serde_json::from_slice(&body)?)
}
