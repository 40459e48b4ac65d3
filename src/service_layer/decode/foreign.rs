//! Recognizes common bodies that are not the plain JSON of the contract, for a reason that names what
//! they are. It is asked only about bodies that were refused, so that it can refuse none itself.

use serde_json::Value;

use super::MAX_BODY_BYTES;
use crate::messages::{DeadLetterCode, DeadLetterReason, Properties};

/// Names of `content_encoding` that mean "as it is".
const PLAIN: [&str; 6] = ["", "utf-8", "utf8", "identity", "binary", "us-ascii"];

/// Names of `content_encoding` that a detail may show.
const ENCODINGS: [&str; 7] = ["gzip", "deflate", "br", "zstd", "compress", "lz4", "base64"];

/// The reason for a refused body that is compressed, encoded twice, or in the envelope of a framework.
pub(super) fn recognize(properties: &Properties, body: &[u8]) -> Option<DeadLetterReason> {
    if !(1..=MAX_BODY_BYTES).contains(&body.len()) {
        return None;
    }
    let Ok(value) = serde_json::from_slice(body) else {
        let encoding = encoding(properties, body)?;
        let detail = format!("the body is encoded with {encoding}; send plain JSON");
        return Some(DeadLetterReason::new(DeadLetterCode::UnsupportedEncoding, detail));
    };
    if is_encoded_twice(&value) {
        let detail = "the body is a JSON text that contains JSON: it was encoded twice";
        return Some(DeadLetterReason::new(DeadLetterCode::UnsupportedEncoding, detail));
    }
    let envelope = envelope(&value)?;
    let detail = format!("the body is an envelope of {envelope}; send the command alone");
    Some(DeadLetterReason::new(DeadLetterCode::UnsupportedEnvelope, detail))
}

fn encoding(properties: &Properties, body: &[u8]) -> Option<&'static str> {
    let name = properties.content_encoding.as_deref().unwrap_or_default().trim();
    let name = name.to_ascii_lowercase();
    if !PLAIN.contains(&name.as_str()) {
        let known = ENCODINGS.into_iter().find(|known| name.trim_start_matches("x-") == *known);
        return Some(known.unwrap_or("the content_encoding that it names"));
    }
    // The first bytes of RFC 1952 and RFC 8878. Neither is UTF-8.
    match body {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        _ => None,
    }
}

fn is_encoded_twice(value: &Value) -> bool {
    let Value::String(text) = value else { return false };
    matches!(serde_json::from_str(text), Ok(Value::Object(_) | Value::Array(_)))
}

fn envelope(value: &Value) -> Option<&'static str> {
    let has = |name: &str| value.get(name).is_some();
    // https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
    if has("specversion") && (has("data") || has("data_base64")) {
        return Some("CloudEvents");
    }
    // https://masstransit.io/documentation/configuration/serialization
    if has("messageType") && has("message") {
        return Some("MassTransit");
    }
    // https://docs.celeryq.dev/en/stable/internals/protocol.html: [args, kwargs, embed]
    let is_celery = match value.as_array().map(Vec::as_slice) {
        Some([Value::Array(_), Value::Object(_), embed]) => embed.get("callbacks").is_some(),
        _ => has("task") && has("args") && has("kwargs"),
    };
    is_celery.then_some("Celery")
}
