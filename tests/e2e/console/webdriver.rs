//! A client of the W3C WebDriver protocol.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::test_env::variable;

/// The key of an element reference in the protocol.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A headless browser without background requests to other servers.
const ARGUMENTS: [&str; 10] = [
    "--headless=new",
    // Required as root, as in containers.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// A browser and its driver; both end when it is dropped.
pub struct WebDriver {
    driver: Child,
    /// Kept open because the driver still writes to it.
    _driver_output: BufReader<ChildStdout>,
    address: SocketAddr,
    session: String,
    profile: TempDir,
}

/// An element of the current page.
#[derive(Debug, Clone)]
pub struct Element(String);

/// A failed command, such as `no such element`.
#[derive(Debug, Clone)]
pub struct Failed(pub String);

impl WebDriver {
    pub async fn start() -> Self {
        let mut driver = Command::new(variable("ORDER_WORKER_TEST_CHROMEDRIVER"))
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(driver.stdout.take().unwrap());
        let address = SocketAddr::from(([127, 0, 0, 1], port(&mut output)));
        let profile = tempfile::tempdir().unwrap();
        let mut started =
            Self { driver, _driver_output: output, address, session: String::new(), profile };
        let session = started.request("POST", "/session", &started.capabilities()).await.unwrap();
        session["sessionId"].as_str().unwrap().clone_into(&mut started.session);
        started
    }

    fn capabilities(&self) -> Value {
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let arguments: Vec<&str> = ARGUMENTS.into_iter().chain([profile.as_str()]).collect();
        json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}})
    }

    /// A command of this session.
    pub async fn post(&self, path: &str, body: Value) -> Result<Value, Failed> {
        self.request("POST", &format!("/session/{}{path}", self.session), &body).await
    }

    pub async fn get(&self, path: &str) -> Result<Value, Failed> {
        self.request("GET", &format!("/session/{}{path}", self.session), &Value::Null).await
    }

    /// A command of the Chrome DevTools protocol.
    pub async fn browser_command(&self, name: &str, parameters: Value) -> Value {
        let body = json!({"cmd": name, "params": parameters});
        self.post("/goog/cdp/execute", body).await.unwrap()
    }

    pub async fn find(&self, xpath: &str) -> Result<Element, Failed> {
        let found = self.post("/element", json!({"using": "xpath", "value": xpath})).await?;
        Ok(Element(found[ELEMENT].as_str().unwrap().to_owned()))
    }

    pub async fn click(&self, element: &Element) -> Result<(), Failed> {
        self.post(&format!("/element/{}/click", element.0), json!({})).await.map(drop)
    }

    /// Replaces the text of a field.
    pub async fn fill(&self, element: &Element, text: &str) -> Result<(), Failed> {
        self.post(&format!("/element/{}/clear", element.0), json!({})).await?;
        let body = json!({"text": text});
        self.post(&format!("/element/{}/value", element.0), body).await.map(drop)
    }

    /// Its visible text.
    pub async fn text(&self, element: &Element) -> Result<String, Failed> {
        let text = self.get(&format!("/element/{}/text", element.0)).await?;
        Ok(text.as_str().unwrap().to_owned())
    }

    pub async fn run_script(&self, script: &str) -> Result<Value, Failed> {
        self.post("/execute/sync", json!({"script": script, "args": []})).await
    }

    async fn request(&self, method: &str, path: &str, body: &Value) -> Result<Value, Failed> {
        let stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let request = request.header("content-length", body.len()).body(Body::from(body)).unwrap();
        let response = sender.send_request(request).await.unwrap();
        let is_good = response.status().is_success();
        let response = to_bytes(Body::new(response.into_body()), usize::MAX).await.unwrap();
        let value = serde_json::from_slice::<Value>(&response).unwrap()["value"].take();
        if is_good { Ok(value) } else { Err(Failed(format!("{method} {path}: {value}"))) }
    }
}

/// Reads the port from the output of the driver.
fn port(output: &mut impl BufRead) -> u16 {
    let mut line = String::new();
    while output.read_line(&mut line).unwrap() > 0 {
        let port = line.split("successfully on port ").nth(1);
        if let Some(port) = port.and_then(|port| port.trim().trim_end_matches('.').parse().ok()) {
            return port;
        }
        line.clear();
    }
    panic!("chromedriver has exited");
}

impl Drop for WebDriver {
    /// Ends the session first: a killed driver would leave the browser running.
    fn drop(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(self.address) {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let request = format!(
                "DELETE /session/{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                self.session
            );
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.read_to_end(&mut Vec::new());
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
