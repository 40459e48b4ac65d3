//! A browser that is driven by the W3C WebDriver protocol, and its console log.

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

/// The key under which the protocol names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser without a window. Whatever it would look for elsewhere is turned off.
const ARGUMENTS: [&str; 10] = [
    "--headless=new",
    // For root, as which containers run.
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
    /// Kept open: the driver may still write to it.
    _driver_says: BufReader<ChildStdout>,
    address: SocketAddr,
    session: String,
    profile: TempDir,
}

/// An element of the present page.
#[derive(Debug, Clone)]
pub struct Element(String);

/// What the browser did not do, such as `no such element`.
#[derive(Debug, Clone)]
pub struct Refused(pub String);

impl WebDriver {
    pub async fn start() -> Self {
        let mut driver = Command::new(variable("ORDER_WORKER_TEST_CHROMEDRIVER"))
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut says = BufReader::new(driver.stdout.take().unwrap());
        let address = SocketAddr::from(([127, 0, 0, 1], port(&mut says)));
        let profile = tempfile::tempdir().unwrap();
        let mut started =
            Self { driver, _driver_says: says, address, session: String::new(), profile };
        let session = started.ask("POST", "/session", &started.capabilities()).await.unwrap();
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

    /// A command of the protocol, for this session.
    pub async fn post(&self, path: &str, body: Value) -> Result<Value, Refused> {
        self.ask("POST", &format!("/session/{}{path}", self.session), &body).await
    }

    pub async fn get(&self, path: &str) -> Result<Value, Refused> {
        self.ask("GET", &format!("/session/{}{path}", self.session), &Value::Null).await
    }

    /// A command of the browser's own protocol.
    pub async fn browser_command(&self, name: &str, parameters: Value) -> Value {
        let body = json!({"cmd": name, "params": parameters});
        self.post("/goog/cdp/execute", body).await.unwrap()
    }

    pub async fn find(&self, xpath: &str) -> Result<Element, Refused> {
        let found = self.post("/element", json!({"using": "xpath", "value": xpath})).await?;
        Ok(Element(found[ELEMENT].as_str().unwrap().to_owned()))
    }

    pub async fn click(&self, element: &Element) -> Result<(), Refused> {
        self.post(&format!("/element/{}/click", element.0), json!({})).await.map(drop)
    }

    /// Writes into a field, in place of what was there.
    pub async fn fill(&self, element: &Element, text: &str) -> Result<(), Refused> {
        self.post(&format!("/element/{}/clear", element.0), json!({})).await?;
        let body = json!({"text": text});
        self.post(&format!("/element/{}/value", element.0), body).await.map(drop)
    }

    /// What can be seen of it.
    pub async fn text(&self, element: &Element) -> Result<String, Refused> {
        let text = self.get(&format!("/element/{}/text", element.0)).await?;
        Ok(text.as_str().unwrap().to_owned())
    }

    pub async fn run(&self, script: &str) -> Result<Value, Refused> {
        self.post("/execute/sync", json!({"script": script, "args": []})).await
    }

    async fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value, Refused> {
        let stream = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let request = request.header("content-length", body.len()).body(Body::from(body)).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let is_good = answer.status().is_success();
        let answer = to_bytes(Body::new(answer.into_body()), usize::MAX).await.unwrap();
        let value = serde_json::from_slice::<Value>(&answer).unwrap()["value"].take();
        if is_good { Ok(value) } else { Err(Refused(format!("{method} {path}: {value}"))) }
    }
}

/// The port that the driver says it has.
fn port(says: &mut impl BufRead) -> u16 {
    let mut line = String::new();
    while says.read_line(&mut line).unwrap() > 0 {
        let said = line.split("successfully on port ").nth(1);
        if let Some(port) = said.and_then(|said| said.trim().trim_end_matches('.').parse().ok()) {
            return port;
        }
        line.clear();
    }
    panic!("the driver has ended");
}

impl Drop for WebDriver {
    /// Has the driver end the browser: killed itself, it would leave it behind.
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
