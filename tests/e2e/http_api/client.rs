//! A client of the API that checks each answer against the API's own document.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

/// Asks at one address, with one token or none.
#[derive(Clone)]
pub struct Client {
    pub address: String,
    token: Option<String>,
}

/// A request in the making.
#[derive(Clone)]
pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in small letters.
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

    /// With a body of JSON.
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

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
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

    /// The status and the field at fault of a problem.
    pub fn fault(&self) -> (u16, String) {
        let (status, _) = self.problem();
        (status, self.json()["field"].as_str().unwrap_or_default().to_owned())
    }
}

impl Client {
    /// The first address that a log tells.
    pub fn of_log(log: &str) -> Option<Self> {
        let (_, rest) = log.split_once(" http=")?;
        let address = rest.split_whitespace().next()?.to_owned();
        Some(Self { address, token: None })
    }

    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send(&Request::get(path))
    }

    pub fn post(&self, path: &str) -> Answer {
        self.send(&Request::post(path))
    }

    /// Sends a request; its answer must be one that the document names.
    pub fn send(&self, request: &Request) -> Answer {
        let answer = self.exchange(request);
        if let Some(operation) = operation(self.document(), request) {
            assert_documented(self.document(), operation, request, &answer);
        }
        answer
    }

    fn document(&self) -> &'static Value {
        // The same for all workers of this program.
        static DOCUMENT: OnceLock<Value> = OnceLock::new();
        DOCUMENT.get_or_init(|| self.exchange(&Request::get("/api/openapi.json")).json())
    }

    /// In HTTP 1.0 the end of the connection is the end of the answer.
    pub fn exchange(&self, request: &Request) -> Answer {
        let Request { method, path, headers, body } = request;
        let mut head = vec![format!("{method} {path} HTTP/1.0"), format!("Host: {}", self.address)];
        head.extend(self.token.as_ref().map(|token| format!("Authorization: Token {token}")));
        head.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
        head.push(format!("Content-Length: {}\r\n\r\n", body.len()));
        let head = head.join("\r\n");
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // The answer may come before all is sent, and the end of the connection with it.
        let _ = stream.write_all(&[head.as_bytes(), body].concat());
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        parsed(&String::from_utf8(text).unwrap())
    }
}

fn parsed(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Answer { status, headers, body: body.to_owned() }
}

/// What the document says of a request; nothing of one to no path of the API.
fn operation<'d>(document: &'d Value, request: &Request) -> Option<&'d Value> {
    let path = request.path.split('?').next().unwrap();
    let paths = document["paths"].as_object().unwrap();
    let written = paths.iter().filter(|(template, _)| is_of(template, path));
    // `/api/orders/{order_id}` fits less than what says more.
    let (_, found) = written.min_by_key(|(template, _)| template.matches('{').count())?;
    found.get(request.method.to_lowercase())
}

fn is_of(template: &str, path: &str) -> bool {
    let (template, path) = (template.trim_end_matches('/'), path.trim_end_matches('/'));
    let parts: Vec<_> = template.split('/').zip(path.split('/')).collect();
    template.matches('/').count() == path.matches('/').count()
        && parts.iter().all(|(named, part)| named.starts_with('{') || named == part)
}

fn assert_documented(document: &Value, operation: &Value, request: &Request, answer: &Answer) {
    let asked = format!("{} {}", request.method, request.path);
    let response = &operation["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{asked}: {} is not documented: {answer:?}", answer.status);
    let Some(content) = response["content"].as_object() else {
        assert_eq!(answer.body, "", "{asked}: a body that is not documented");
        return;
    };
    let kind = answer.header("content-type").unwrap();
    let schema = &content.get(kind).unwrap_or_else(|| panic!("{asked}: {kind}"))["schema"];
    let whole = json!({ "allOf": [schema], "components": document["components"] });
    let validator = jsonschema::validator_for(&whole).unwrap();
    if let Err(error) = validator.validate(&answer.json()) {
        panic!("{asked}: {error} in {}", answer.body);
    }
}
