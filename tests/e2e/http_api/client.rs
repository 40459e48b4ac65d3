//! A client of the API that checks each response against the OpenAPI document.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

/// Sends requests to one address, with one token or none.
#[derive(Clone)]
pub struct Client {
    pub address: String,
    token: Option<String>,
}

#[derive(Clone)]
pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn get(path: &str) -> Self {
        Self { method: "GET", path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub fn post(path: &str) -> Self {
        Self { method: "POST", ..Self::get(path) }
    }

    /// With a JSON body.
    #[expect(clippy::needless_pass_by_value, reason = "most bodies are made for one request")]
    pub fn json(self, body: impl ToString) -> Self {
        let request = Self { body: body.to_string().into_bytes(), ..self };
        request.header("Content-Type", "application/json")
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn key(self, key: &str) -> Self {
        self.header("Idempotency-Key", key)
    }
}

impl Response {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The status and the code of a problem.
    pub fn problem(&self) -> (u16, String) {
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        (self.status, problem["code"].as_str().unwrap_or_default().to_owned())
    }

    /// The status and the invalid field of a problem.
    pub fn invalid_field(&self) -> (u16, String) {
        let (status, _) = self.problem();
        (status, self.json()["field"].as_str().unwrap_or_default().to_owned())
    }
}

impl Client {
    /// A client for the first address in a log.
    pub fn of_log(log: &str) -> Option<Self> {
        let (_, rest) = log.split_once(" http=")?;
        let address = rest.split_whitespace().next()?.to_owned();
        Some(Self { address, token: None })
    }

    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    pub fn get(&self, path: &str) -> Response {
        self.send(&Request::get(path))
    }

    pub fn post(&self, path: &str) -> Response {
        self.send(&Request::post(path))
    }

    /// Sends a request. The response must be documented.
    pub fn send(&self, request: &Request) -> Response {
        let response = self.exchange(request);
        if let Some(operation) = operation(self.document(), request) {
            assert_documented(self.document(), operation, request, &response);
        }
        response
    }

    fn document(&self) -> &'static Value {
        // The same for all workers of this program.
        static DOCUMENT: OnceLock<Value> = OnceLock::new();
        DOCUMENT.get_or_init(|| self.exchange(&Request::get("/api/openapi.json")).json())
    }

    /// Sends a request as HTTP 1.0, in which the end of the connection is the end of the response.
    pub fn exchange(&self, request: &Request) -> Response {
        let Request { method, path, headers, body } = request;
        let mut head = vec![format!("{method} {path} HTTP/1.0"), format!("Host: {}", self.address)];
        head.extend(self.token.as_ref().map(|token| format!("Authorization: Token {token}")));
        head.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
        head.push(format!("Content-Length: {}\r\n\r\n", body.len()));
        let head = head.join("\r\n");
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // The response may arrive, and the connection be closed, before all is sent.
        let _ = stream.write_all(&[head.as_bytes(), body].concat());
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        parsed(&String::from_utf8(text).unwrap())
    }
}

fn parsed(text: &str) -> Response {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Response { status, headers, body: body.to_owned() }
}

/// The documented operation of a request, if its path is one of the API.
fn operation<'d>(document: &'d Value, request: &Request) -> Option<&'d Value> {
    let path = request.path.split('?').next().unwrap();
    let paths = document["paths"].as_object().unwrap();
    let matching = paths.iter().filter(|(template, _)| matches(template, path));
    // The most specific template: the one with the fewest parameters.
    let (_, found) = matching.min_by_key(|(template, _)| template.matches('{').count())?;
    found.get(request.method.to_lowercase())
}

fn matches(template: &str, path: &str) -> bool {
    let (template, path) = (template.trim_end_matches('/'), path.trim_end_matches('/'));
    let parts: Vec<_> = template.split('/').zip(path.split('/')).collect();
    template.matches('/').count() == path.matches('/').count()
        && parts.iter().all(|(named, part)| named.starts_with('{') || named == part)
}

fn assert_documented(document: &Value, operation: &Value, request: &Request, response: &Response) {
    let request_line = format!("{} {}", request.method, request.path);
    let documented = &operation["responses"][response.status.to_string()];
    assert!(
        documented.is_object(),
        "{request_line}: {} is not documented: {response:?}",
        response.status
    );
    let Some(content) = documented["content"].as_object() else {
        assert_eq!(response.body, "", "{request_line}: undocumented body");
        return;
    };
    let media_type = response.header("content-type").unwrap();
    let schema = &content.get(media_type).unwrap_or_else(|| panic!("{request_line}: {media_type}"))
        ["schema"];
    let whole = json!({ "allOf": [schema], "components": document["components"] });
    let validator = jsonschema::validator_for(&whole).unwrap();
    if let Err(error) = validator.validate(&response.json()) {
        panic!("{request_line}: {error} in {}", response.body);
    }
}
