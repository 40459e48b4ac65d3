//! A worker to be attacked, and clients that send it bytes of their own.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use order_worker::entrypoints::http::auth::{Role, Token};

use crate::test_env::{eventually, program};

/// On an SQLite file and the broker within the process. Killed when dropped.
pub struct Target {
    process: Child,
    pub address: String,
    _folder: tempfile::TempDir,
}

impl Target {
    /// Open to this machine.
    pub async fn new() -> Self {
        Self::start("").await
    }

    /// The same, and the secret of its only token: one of an operator.
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
        eventually("the worker tells its address", || async { address().is_some() }).await;
        Self { process, address: address().unwrap(), _folder: folder }
    }

    /// Everything that it answers to these bytes until it closes the connection.
    pub fn answer_to(&self, request: impl AsRef<[u8]>) -> String {
        answer_to(&self.address, request)
    }

    /// A request that is as it should be, with these headers.
    pub fn ask(&self, method: &str, path: &str, headers: &[&str], body: &str) -> String {
        let host = format!("Host: {}", self.address);
        self.answer_to(request(method, path, &[&[&*host], headers].concat(), body))
    }

    /// The ids of all orders.
    pub fn orders(&self, headers: &[&str]) -> Vec<String> {
        let answer = self.ask("GET", "/api/orders", headers, "");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let list: serde_json::Value = serde_json::from_str(body).unwrap();
        let orders = list["orders"].as_array().unwrap_or_else(|| panic!("{answer}"));
        orders.iter().map(|order| order["order_id"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address that a worker's log tells.
pub fn address_in(log: &str) -> Option<String> {
    let (_, rest) = log.split_once(" http=")?;
    rest.split_whitespace().next().map(str::to_owned)
}

/// The last request on its connection.
pub fn request(method: &str, path: &str, headers: &[&str], body: &str) -> String {
    let headers = headers.join("\r\n");
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\n{headers}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

pub fn answer_to(address: &str, request: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // It may be refused before all of it is sent, and the connection reset after the answer.
    let _ = stream.write_all(request.as_ref());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of the first answer; 0 for a connection that was closed without any.
pub fn status(answer: &str) -> u16 {
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_default()
}
