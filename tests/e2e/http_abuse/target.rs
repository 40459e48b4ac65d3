//! A worker under attack, and clients that send raw bytes.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use order_worker::entrypoints::http::auth::{Role, Token};

use crate::test_env::{eventually, program};

/// A worker with SQLite and the in-process broker. Killed when dropped.
pub struct Target {
    process: Child,
    pub address: String,
    _folder: tempfile::TempDir,
}

impl Target {
    /// Without tokens: localhost has full access.
    pub async fn new() -> Self {
        Self::start("").await
    }

    /// With one token of an operator, whose secret is returned.
    pub async fn with_a_token() -> (Self, String) {
        let token = Token::new("ada", Role::Operator).unwrap();
        (Self::start(&token.line).await, token.secret)
    }

    async fn start(tokens: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut command = program(&["run", "--http-addr=127.0.0.1:0"], folder.path());
        command.env("HTTP_TOKENS", tokens);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        let process = command.spawn().unwrap();
        let address = || address_in(&std::fs::read_to_string(&log).unwrap());
        eventually("the worker logs its address", || async { address().is_some() }).await;
        Self { process, address: address().unwrap(), _folder: folder }
    }

    /// Sends these bytes and reads until the connection is closed.
    pub fn response_to(&self, request: impl AsRef<[u8]>) -> String {
        response_to(&self.address, request)
    }

    /// Sends a well-formed request with these headers.
    pub fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> String {
        let host = format!("Host: {}", self.address);
        self.response_to(request(method, path, &[&[&*host], headers].concat(), body))
    }

    /// The ids of all orders.
    pub fn orders(&self, headers: &[&str]) -> Vec<String> {
        let response = self.send("GET", "/api/orders", headers, "");
        let (_, body) = response.split_once("\r\n\r\n").unwrap();
        let list: serde_json::Value = serde_json::from_str(body).unwrap();
        let orders = list["orders"].as_array().unwrap_or_else(|| panic!("{response}"));
        orders.iter().map(|order| order["order_id"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address in a worker's log.
pub fn address_in(log: &str) -> Option<String> {
    let (_, rest) = log.split_once(" http=")?;
    rest.split_whitespace().next().map(str::to_owned)
}

/// A request with `Connection: close`.
pub fn request(method: &str, path: &str, headers: &[&str], body: &str) -> String {
    let headers = headers.join("\r\n");
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\n{headers}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

pub fn response_to(address: &str, request: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // The worker may refuse it before all is sent, and reset the connection after the response.
    let _ = stream.write_all(request.as_ref());
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response);
    String::from_utf8_lossy(&response).into_owned()
}

/// The status of the first response; 0 if the connection was closed without one.
pub fn status(response: &str) -> u16 {
    let status = response.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_default()
}
