//! Commands over HTTP, decoded and handled like those from the queue.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::Value;
use uuid::Uuid;

use super::outcome::{self, Done};
use super::{request_body, response};
use crate::domain::{CommandKind, MessageId};
use crate::entrypoints::deviations;
use crate::entrypoints::http::auth::{Authenticated, Caller};
use crate::entrypoints::http::{App, Problem};
use crate::messages::{DeadLetterCode, Envelope, HeaderValue, Headers, Properties};
use crate::service_layer::ByteReservation;
use crate::service_layer::decode::{self, Decoded};
use crate::telemetry;

/// Identifies a repeated request. It is used as the message id.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// Copied to the events.
pub const CORRELATION_ID: &str = "X-Correlation-ID";

/// W3C trace context; copied to the events.
pub const TRACEPARENT: &str = "traceparent";

/// A request with a command.
#[derive(Debug)]
pub struct CommandRequest {
    caller: Caller,
    key: Option<MessageId>,
    correlation_id: Option<String>,
    traceparent: Option<String>,
    /// A body that cannot be read is an error only for endpoints that use it.
    body: Result<Vec<u8>, Problem>,
    /// Memory reserved for the body until the command is handled.
    reservation: Option<ByteReservation>,
}

impl FromRequest<App> for CommandRequest {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let headers = request.headers();
        let key = text(headers, IDEMPOTENCY_KEY)?.map(message_id).transpose()?;
        let correlation_id = text(headers, CORRELATION_ID)?.map(str::to_owned);
        // A malformed one is ignored rather than refusing an order for it.
        let traceparent = text(headers, TRACEPARENT).ok().flatten().map(str::to_owned);
        let (mut parts, body) = request.into_parts();
        let Authenticated(caller) = Authenticated::from_request_parts(&mut parts, app).await?;
        // Only after authentication, so that other clients cannot use up the memory for bodies.
        let body = request_body::read(Request::from_parts(parts, body), &app.body_bytes).await;
        let (body, reservation) = match body {
            Ok(body) => (Ok(body.bytes), body.reservation),
            Err(problem) => (Err(problem), None),
        };
        Ok(Self { caller, key, correlation_id, traceparent, body, reservation })
    }
}

impl CommandRequest {
    /// Waits until the command is handled.
    ///
    /// # Errors
    /// When the command has no effect, or its outcome is unknown.
    pub async fn handle(mut self, app: &App, kind: CommandKind) -> Result<Done, Problem> {
        let _reservation = self.reservation.take();
        let body = std::mem::replace(&mut self.body, Ok(Vec::new()))?;
        let (envelope, decoded, has_message_id) = self.decode(kind, body);
        deviations::count(decoded.deviations, &envelope.properties, app.health.metrics());
        let message = decoded.result.map_err(outcome::dead_lettered)?;
        let message_id = message.message_id().cloned();
        let handled = app.requests.handle(message).await?;
        outcome::log(&handled, kind, message_id.as_ref(), &self.caller);
        let done = outcome::to_result(handled)?;
        match message_id.filter(|_| has_message_id && done.is_repeat) {
            Some(message_id) => outcome::first_result(app, done, &message_id).await,
            None => Ok(done),
        }
    }

    /// Handles a command for the order in the path.
    ///
    /// # Errors
    /// As [`handle`](Self::handle).
    pub async fn change_order(
        self,
        app: &App,
        kind: CommandKind,
        order_id: &str,
    ) -> Result<Response, Problem> {
        let body = self.body.map(|body| with_order_id(body, order_id));
        let done = Self { body, ..self }.handle(app, kind).await?;
        Ok(response::no_content(&done))
    }

    /// Replaces the body that the client sent.
    pub fn with_body(self, body: &Value) -> Self {
        Self { body: Ok(body.to_string().into_bytes()), ..self }
    }

    /// The decoded command, and whether the client gave it a message id. Without one, it gets a new
    /// one that contains the caller's name.
    fn decode(&self, kind: CommandKind, body: Vec<u8>) -> (Envelope, Decoded, bool) {
        let mut envelope = self.envelope(kind, body);
        let mut decoded = decode::decode(&envelope);
        let has_message_id = has_message_id(&decoded);
        if !has_message_id {
            let generated = format!("http-{}-{}", self.caller.name, Uuid::now_v7());
            envelope.properties.message_id = Some(generated);
            decoded = decode::decode(&envelope);
        }
        (envelope, decoded, has_message_id)
    }

    fn envelope(&self, kind: CommandKind, body: Vec<u8>) -> Envelope {
        let traceparent = telemetry::current_traceparent().or_else(|| self.traceparent.clone());
        let traceparent = traceparent.as_deref().map(HeaderValue::from);
        let headers = traceparent.map(|it| (TRACEPARENT.to_owned(), it));
        Envelope {
            properties: Properties {
                kind: Some(kind.name().to_owned()),
                message_id: self.key.as_ref().map(ToString::to_string),
                correlation_id: self.correlation_id.clone(),
                app_id: Some(self.caller.name.clone()),
                headers: headers.into_iter().collect::<Headers>(),
                ..Properties::default()
            },
            body,
            ..Envelope::default()
        }
    }
}

/// Adds the order id as the first field. A body that is not an object stays as it is, and is refused
/// when decoded. The body is not parsed, so that a second `order_id` is found as a duplicate key.
fn with_order_id(body: Vec<u8>, order_id: &str) -> Vec<u8> {
    let trimmed = body.trim_ascii();
    let rest = if trimmed.is_empty() { Some(&b"}"[..]) } else { trimmed.strip_prefix(b"{") };
    let Some(rest) = rest else { return body };
    let separator = if rest.trim_ascii_start().starts_with(b"}") { "" } else { "," };
    let opening = format!("{{\"order_id\":{}{separator}", Value::from(order_id));
    [opening.as_bytes(), rest].concat()
}

/// Whether the message id is in a header or in the body.
fn has_message_id(decoded: &Decoded) -> bool {
    match &decoded.result {
        Ok(message) => message.message_id().is_some(),
        Err(dead) => dead.code != DeadLetterCode::MessageIdMissing,
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(in_header(name, "must not be repeated"));
    }
    let text = value.map(|value| value.to_str()).transpose();
    let text = text.map_err(|_| in_header(name, "must be printable ASCII"))?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// A key may be bare, or a quoted string of a structured field (RFC 9651), as in
/// `draft-ietf-httpapi-idempotency-key-header`. Both are the same key.
fn message_id(key: &str) -> Result<MessageId, Problem> {
    let quoted = key.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let key = quoted.map_or(key.to_owned(), |it| it.replace("\\\"", "\"").replace("\\\\", "\\"));
    MessageId::new(key).map_err(|error| in_header(IDEMPOTENCY_KEY, &error.to_string()))
}

fn in_header(name: &str, rule: &str) -> Problem {
    let code = DeadLetterCode::InvalidField.as_str();
    Problem::new(StatusCode::BAD_REQUEST, format!("{name} {rule}")).with_code(code).with_field(name)
}

#[cfg(test)]
mod tests {

    use super::*;

    fn request(key: Option<&str>) -> CommandRequest {
        CommandRequest {
            caller: Caller { name: "shop".to_owned(), ..Caller::local() },
            key: key.map(|key| message_id(key).unwrap()),
            correlation_id: Some("cart-9".to_owned()),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
            body: Ok(Vec::new()),
            reservation: None,
        }
    }

    fn place(more: &str) -> Vec<u8> {
        let customer = r#"{"customer_id": 14, "name": "", "email": ""}"#;
        let items = r#"[{"product_id": 1, "name": "", "quantity": 1, "price_per_unit": 1}]"#;
        format!(r#"{{"order_customer": {customer}, "items": {items} {more}}}"#).into_bytes()
    }

    fn message_id_of(key: Option<&str>, more: &str) -> (String, bool) {
        let (_, decoded, has_message_id) =
            request(key).decode(CommandKind::PlaceOrder, place(more));
        let message = decoded.result.unwrap();
        (message.message_id().unwrap().to_string(), has_message_id)
    }

    #[test]
    fn the_key_takes_precedence_over_the_message_id_of_the_body() {
        assert_eq!(message_id_of(Some("k-1"), ""), ("k-1".to_owned(), true));
        assert_eq!(
            message_id_of(Some("k-1"), r#", "message_id": "b-1""#),
            ("k-1".to_owned(), true)
        );
        assert_eq!(message_id_of(None, r#", "message_id": "b-1""#), ("b-1".to_owned(), true));
    }

    #[test]
    fn a_generated_message_id_contains_the_callers_name() {
        for more in ["", r#", "order_id": 7"#] {
            let (first, from_client) = message_id_of(None, more);
            let (second, _) = message_id_of(None, more);

            assert!(first.starts_with("http-shop-") && !from_client, "{first}");
            assert_ne!(first, second);
        }
    }

    #[test]
    fn a_quoted_key_is_the_same_key() {
        for (written, key) in
            [("k", "k"), ("\"k\"", "k"), (r#""a\"b\\c""#, r#"a"b\c"#), ("\"", "\"")]
        {
            assert_eq!(message_id(written).unwrap().as_str(), key);
        }
        assert_eq!(message_id("\"\"").unwrap_err().field.as_deref(), Some(IDEMPOTENCY_KEY));
        assert!(message_id(&"x".repeat(256)).is_err());
    }

    #[test]
    fn the_order_id_of_the_path_becomes_a_field_of_the_body() {
        for (body, whole) in [
            ("", r#"{"order_id":"a\"b"}"#),
            (" { } ", r#"{"order_id":"a\"b" }"#),
            (r#"{"status": 4}"#, r#"{"order_id":"a\"b","status": 4}"#),
            ("{,}", r#"{"order_id":"a\"b",,}"#),
            ("[1]", "[1]"),
            ("\u{feff}{}", "\u{feff}{}"),
        ] {
            let with_id = with_order_id(body.into(), "a\"b");
            assert_eq!(String::from_utf8(with_id).unwrap(), whole);
        }
    }

    #[test]
    fn headers_of_the_request_are_kept_with_the_command() {
        let (_, decoded, _) = request(None).decode(CommandKind::PlaceOrder, place(""));
        let message = decoded.result.unwrap();

        assert_eq!(message.correlation(), Some("cart-9"));
        assert_eq!(message.traceparent, request(None).traceparent);
        assert_eq!(message.reply_to, None);
    }
}
