//! A command that came over HTTP, on its way through the same edge as those of the queue.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use super::outcome::{self, Done};
use super::request_body;
use crate::domain::{CommandKind, MessageId};
use crate::entrypoints::deviations;
use crate::entrypoints::http::auth::{Authenticated, Caller};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::decode::{self, Decoded};
use crate::service_layer::{
    ByteReservation, DeadLetterCode, Envelope, HeaderValue, Headers, Properties,
};
use crate::telemetry;

/// The client's name for its intent, which makes a repeat recognizable.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// Goes on into the events.
pub const CORRELATION_ID: &str = "X-Correlation-ID";

/// Goes on into the events, too; W3C trace context.
pub const TRACEPARENT: &str = "traceparent";

/// A request that changes something.
#[derive(Debug)]
pub struct CommandRequest {
    caller: Caller,
    key: Option<MessageId>,
    correlation_id: Option<String>,
    traceparent: Option<String>,
    /// Why there is none is said to whoever takes it.
    body: Result<Vec<u8>, Problem>,
    /// The memory for the body, until the command is handled.
    reservation: Option<ByteReservation>,
}

impl FromRequest<App> for CommandRequest {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let headers = request.headers();
        let key = text(headers, IDEMPOTENCY_KEY)?.map(message_id).transpose()?;
        let correlation_id = text(headers, CORRELATION_ID)?.map(str::to_owned);
        // One that is malformed is no reason to refuse an order.
        let traceparent = text(headers, TRACEPARENT).ok().flatten().map(str::to_owned);
        let (mut parts, body) = request.into_parts();
        let Authenticated(caller) = Authenticated::from_request_parts(&mut parts, app).await?;
        // Only now: who may not ask takes no bytes from those who may.
        let body = request_body::read(Request::from_parts(parts, body), &app.body_bytes).await;
        let (body, reservation) = match body {
            Ok(body) => (Ok(body.bytes), body.reservation),
            Err(problem) => (Err(problem), None),
        };
        Ok(Self { caller, key, correlation_id, traceparent, body, reservation })
    }
}

impl CommandRequest {
    /// Has the command handled with the body as it came.
    ///
    /// # Errors
    /// With the reason why it has no effect, or why that is not known.
    pub async fn handle(mut self, app: &App, kind: CommandKind) -> Result<Done, Problem> {
        let body = std::mem::replace(&mut self.body, Ok(Vec::new()))?;
        self.handle_body(app, kind, body).await
    }

    /// As above, with another body.
    pub async fn handle_body(
        mut self,
        app: &App,
        kind: CommandKind,
        body: impl Into<Vec<u8>>,
    ) -> Result<Done, Problem> {
        let _reservation = self.reservation.take();
        let (envelope, decoded, is_named) = self.decoded(kind, body.into());
        deviations::count(decoded.notes, &envelope.properties, app.health.metrics());
        let message = decoded.result.map_err(outcome::refused)?;
        let message_id = message.message_id().cloned();
        let handled = app.requests.handle(message).await?;
        outcome::log(&handled, kind, message_id.as_ref(), &self.caller);
        let done = outcome::answer(handled)?;
        match message_id.filter(|_| is_named && done.is_repeat) {
            Some(message_id) => outcome::as_the_first_time(app, done, &message_id).await,
            None => Ok(done),
        }
    }

    /// The order that the path names becomes the first field of the body. What is no object stays
    /// as it is, for the edge to refuse.
    pub fn for_order(self, order_id: &str) -> Self {
        Self { body: self.body.map(|body| with_order_id(body, order_id)), ..self }
    }

    /// What the edge makes of the request, and whether it was the client that named the intent.
    fn decoded(&self, kind: CommandKind, body: Vec<u8>) -> (Envelope, Decoded, bool) {
        let mut envelope = self.envelope(kind, body);
        let mut decoded = decode::decode(&envelope);
        let is_named = !lacks_message_id(&decoded);
        if !is_named {
            let own = format!("http-{}-{}", self.caller.name, Uuid::now_v7());
            envelope.properties.message_id = Some(own);
            decoded = decode::decode(&envelope);
        }
        (envelope, decoded, is_named)
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

fn with_order_id(body: Vec<u8>, order_id: &str) -> Vec<u8> {
    let trimmed = body.trim_ascii();
    let rest = if trimmed.is_empty() { Some(&b"}"[..]) } else { trimmed.strip_prefix(b"{") };
    let Some(rest) = rest else { return body };
    let separator = if rest.trim_ascii_start().starts_with(b"}") { "" } else { "," };
    let named = format!("{{\"order_id\":{}{separator}", Value::from(order_id));
    [named.as_bytes(), rest].concat()
}

/// Neither a header nor the body names the intent.
fn lacks_message_id(decoded: &Decoded) -> bool {
    match &decoded.result {
        Ok(message) => message.message_id().is_none(),
        Err(dead) => dead.code == DeadLetterCode::MessageIdMissing,
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(in_header(name, "must be there once"));
    }
    let text = value.map(|value| value.to_str()).transpose();
    let text = text.map_err(|_| in_header(name, "must be printable ASCII"))?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// Both ways of writing a key name one intent: bare, and as the text of a structured field
/// (RFC 9651), as `draft-ietf-httpapi-idempotency-key-header` has it.
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

    fn named(key: Option<&str>, more: &str) -> (String, bool) {
        let (_, decoded, is_named) = request(key).decoded(CommandKind::PlaceOrder, place(more));
        let message = decoded.result.unwrap();
        (message.message_id().unwrap().to_string(), is_named)
    }

    #[test]
    fn the_key_is_the_message_id_whatever_the_body_says() {
        assert_eq!(named(Some("k-1"), ""), ("k-1".to_owned(), true));
        assert_eq!(named(Some("k-1"), r#", "message_id": "b-1""#), ("k-1".to_owned(), true));
        assert_eq!(named(None, r#", "message_id": "b-1""#), ("b-1".to_owned(), true));
    }

    #[test]
    fn without_a_key_the_message_id_says_who_asked() {
        for more in ["", r#", "order_id": 7"#] {
            let (first, is_named) = named(None, more);
            let (second, _) = named(None, more);

            assert!(first.starts_with("http-shop-") && !is_named, "{first}");
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
    fn the_order_of_the_path_becomes_a_field_of_the_body() {
        for (body, whole) in [
            ("", r#"{"order_id":"a\"b"}"#),
            (" { } ", r#"{"order_id":"a\"b" }"#),
            (r#"{"status": 4}"#, r#"{"order_id":"a\"b","status": 4}"#),
            ("{,}", r#"{"order_id":"a\"b",,}"#),
            ("[1]", "[1]"),
            ("\u{feff}{}", "\u{feff}{}"),
        ] {
            let named = with_order_id(body.into(), "a\"b");
            assert_eq!(String::from_utf8(named).unwrap(), whole);
        }
    }

    #[test]
    fn what_surrounds_a_command_comes_along() {
        let (_, decoded, _) = request(None).decoded(CommandKind::PlaceOrder, place(""));
        let message = decoded.result.unwrap();

        assert_eq!(message.correlation(), Some("cart-9"));
        assert_eq!(message.traceparent, request(None).traceparent);
        assert_eq!(message.reply_to, None);
    }
}
