//! Converts message properties between lapin's types and the worker's, and limits the size of
//! headers that are published.

use std::borrow::Cow;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, ByteArray, DecimalValue, FieldArray, FieldTable, ShortString};

use super::intake;
use crate::messages::{HeaderValue, Headers, Properties, PropertiesError};

/// Persistent: the broker writes the message to disk.
const DELIVERY_MODE_PERSISTENT: u8 = 2;

/// Maximum size of the headers of a published message, in bytes. All properties must fit into one
/// frame, at most 128 KiB by default; a larger frame would close the connection.
const MAX_HEADER_BYTES: usize = 96 * 1024;

/// The header with the names of headers that were left out because they did not fit.
const HEADERS_LEFT_OUT: &str = "order-worker-headers-left-out";

/// Maximum length of the list of their names, in bytes.
const MAX_NAMES_BYTES: usize = 1024;

/// The properties of a delivery, and the reason if the [frame filter](super::intake) rewrote them.
pub fn received(properties: &BasicProperties) -> (Properties, Option<PropertiesError>) {
    let mut properties = from_lapin(properties);
    let reason = properties.headers.remove(intake::UNREADABLE_HEADER);
    let reason = reason.as_ref().and_then(HeaderValue::as_text);
    let properties_error = reason
        .and_then(|reason| PropertiesError::ALL.into_iter().find(|error| error.as_str() == reason));
    (properties, properties_error)
}

/// Converts lapin's properties.
pub fn from_lapin(properties: &BasicProperties) -> Properties {
    let text = |value: &Option<ShortString>| value.as_ref().map(|text| text.as_str().to_owned());
    Properties {
        content_type: text(properties.content_type()),
        content_encoding: text(properties.content_encoding()),
        headers: properties.headers().as_ref().map(table_from).unwrap_or_default(),
        priority: *properties.priority(),
        correlation_id: text(properties.correlation_id()),
        reply_to: text(properties.reply_to()),
        expiration: text(properties.expiration()),
        message_id: text(properties.message_id()),
        timestamp: *properties.timestamp(),
        kind: text(properties.kind()),
        user_id: text(properties.user_id()),
        app_id: text(properties.app_id()),
    }
}

/// The properties of a published message: always persistent, and without priority, expiration and
/// user id, which concern only the original publisher and its broker.
pub fn to_lapin(properties: &Properties) -> BasicProperties {
    let mut out = BasicProperties::default().with_delivery_mode(DELIVERY_MODE_PERSISTENT);
    macro_rules! copy {
        ($($field:ident => $with:ident),*) => {
            $(if let Some(text) = properties.$field.as_deref().and_then(short) { out = out.$with(text); })*
        };
    }
    copy!(
        content_type => with_content_type,
        content_encoding => with_content_encoding,
        correlation_id => with_correlation_id,
        reply_to => with_reply_to,
        message_id => with_message_id,
        kind => with_type,
        app_id => with_app_id
    );
    if let Some(seconds) = properties.timestamp {
        out = out.with_timestamp(seconds);
    }
    if !properties.headers.is_empty() {
        out = out.with_headers(table_to(&fitting(&properties.headers)));
    }
    out
}

/// An AMQP short string; `None` when the text has more than 255 bytes.
fn short(text: &str) -> Option<ShortString> {
    ShortString::try_new(text).ok()
}

/// The headers that fit into [`MAX_HEADER_BYTES`]: the worker's own first, then the smallest. The
/// names of the others go into a header.
fn fitting(headers: &Headers) -> Cow<'_, Headers> {
    let mut sized: Vec<(bool, usize, &String, &HeaderValue)> = headers
        .iter()
        .map(|(name, value)| (is_foreign(name), name.len() + 6 + size_of(value), name, value))
        .collect();
    if sized.iter().map(|(_, size, ..)| size).sum::<usize>() <= MAX_HEADER_BYTES {
        return Cow::Borrowed(headers);
    }
    sized.sort_unstable_by_key(|&(foreign, size, ..)| (foreign, size));
    let mut bytes = 0;
    let mut fits = |&(_, size, ..): &(bool, usize, &String, &HeaderValue)| {
        bytes += size;
        bytes <= MAX_HEADER_BYTES
    };
    let count = sized.iter().take_while(|header| fits(header)).count();
    let (kept, left_out) = sized.split_at(count);
    let mut kept: Headers =
        kept.iter().map(|(.., name, value)| ((*name).clone(), (*value).clone())).collect();
    kept.insert(HEADERS_LEFT_OUT.to_owned(), HeaderValue::Text(names_of(left_out)));
    Cow::Owned(kept)
}

/// Whether the content comes from the publisher. That includes the original bytes of properties
/// that the frame filter rewrote.
fn is_foreign(name: &str) -> bool {
    !name.starts_with("order-worker-") || name.starts_with("order-worker-original-")
}

/// The names, those of the largest headers first, up to [`MAX_NAMES_BYTES`].
fn names_of(headers: &[(bool, usize, &String, &HeaderValue)]) -> String {
    let mut names = String::new();
    for (position, (.., name, _)) in headers.iter().rev().enumerate() {
        if names.len() + name.len() > MAX_NAMES_BYTES {
            return format!("{names} and {} more", headers.len() - position);
        }
        if position > 0 {
            names.push_str(", ");
        }
        names.push_str(name);
    }
    names
}

fn size_of(value: &HeaderValue) -> usize {
    match value {
        HeaderValue::Void => 0,
        HeaderValue::Bool(_) => 1,
        HeaderValue::Float(_) => 4,
        HeaderValue::Decimal { .. } => 5,
        HeaderValue::Int(_) | HeaderValue::Double(_) | HeaderValue::Timestamp(_) => 8,
        HeaderValue::Text(text) => 4 + text.len(),
        HeaderValue::Binary(bytes) | HeaderValue::ByteArray(bytes) => 4 + bytes.len(),
        HeaderValue::List(values) => {
            4 + values.iter().map(|value| 1 + size_of(value)).sum::<usize>()
        }
        HeaderValue::Table(table) => {
            4 + table.iter().map(|(name, value)| name.len() + 2 + size_of(value)).sum::<usize>()
        }
    }
}

fn table_from(table: &FieldTable) -> Headers {
    table
        .inner()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value_from(value)))
        .collect()
}

fn table_to(headers: &Headers) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in headers {
        if let Some(name) = short(name) {
            table.insert(name, value_to(value));
        }
    }
    table
}

fn value_from(value: &AMQPValue) -> HeaderValue {
    match value {
        AMQPValue::Boolean(value) => HeaderValue::Bool(*value),
        AMQPValue::ShortShortInt(value) => HeaderValue::Int((*value).into()),
        AMQPValue::ShortShortUInt(value) => HeaderValue::Int((*value).into()),
        AMQPValue::ShortInt(value) => HeaderValue::Int((*value).into()),
        AMQPValue::ShortUInt(value) => HeaderValue::Int((*value).into()),
        AMQPValue::LongInt(value) => HeaderValue::Int((*value).into()),
        AMQPValue::LongUInt(value) => HeaderValue::Int((*value).into()),
        AMQPValue::LongLongInt(value) => HeaderValue::Int(*value),
        AMQPValue::Float(value) => HeaderValue::Float(*value),
        AMQPValue::Double(value) => HeaderValue::Double(*value),
        AMQPValue::DecimalValue(value) => {
            HeaderValue::Decimal { scale: value.scale, mantissa: value.value }
        }
        AMQPValue::ShortString(text) => HeaderValue::Text(text.as_str().to_owned()),
        AMQPValue::LongString(bytes) => match std::str::from_utf8(bytes.as_bytes()) {
            Ok(text) => HeaderValue::Text(text.to_owned()),
            Err(_) => HeaderValue::Binary(bytes.as_bytes().to_vec()),
        },
        AMQPValue::FieldArray(values) => {
            HeaderValue::List(values.as_slice().iter().map(value_from).collect())
        }
        AMQPValue::Timestamp(seconds) => HeaderValue::Timestamp(*seconds),
        AMQPValue::FieldTable(table) => HeaderValue::Table(table_from(table)),
        AMQPValue::ByteArray(bytes) => HeaderValue::ByteArray(bytes.as_slice().to_vec()),
        AMQPValue::Void => HeaderValue::Void,
    }
}

fn value_to(value: &HeaderValue) -> AMQPValue {
    match value {
        HeaderValue::Void => AMQPValue::Void,
        HeaderValue::Bool(value) => AMQPValue::Boolean(*value),
        HeaderValue::Int(value) => AMQPValue::LongLongInt(*value),
        HeaderValue::Float(value) => AMQPValue::Float(*value),
        HeaderValue::Double(value) => AMQPValue::Double(*value),
        HeaderValue::Decimal { scale, mantissa } => {
            AMQPValue::DecimalValue(DecimalValue { scale: *scale, value: *mantissa })
        }
        HeaderValue::Text(text) => AMQPValue::LongString(text.as_bytes().into()),
        HeaderValue::Binary(bytes) => AMQPValue::LongString(bytes.as_slice().into()),
        HeaderValue::ByteArray(bytes) => AMQPValue::ByteArray(ByteArray::from(bytes.as_slice())),
        HeaderValue::Timestamp(seconds) => AMQPValue::Timestamp(*seconds),
        HeaderValue::List(values) => {
            AMQPValue::FieldArray(FieldArray::from(values.iter().map(value_to).collect::<Vec<_>>()))
        }
        HeaderValue::Table(table) => AMQPValue::FieldTable(table_to(table)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip() {
        let headers: Headers = [
            ("flag".to_owned(), HeaderValue::Bool(true)),
            ("number".to_owned(), HeaderValue::Int(-7)),
            ("none".to_owned(), HeaderValue::Void),
            ("text".to_owned(), "grüße".into()),
            ("bytes".to_owned(), HeaderValue::Binary(vec![0xff, 0])),
            ("list".to_owned(), HeaderValue::List(vec!["a".into(), HeaderValue::Timestamp(1)])),
            ("table".to_owned(), HeaderValue::Table(Headers::from([("x".to_owned(), 1.into())]))),
        ]
        .into();
        let properties = Properties { headers, ..Properties::default() };

        assert_eq!(from_lapin(&to_lapin(&properties)), properties);
    }

    #[test]
    fn headers_larger_than_a_frame_are_left_out_except_the_workers_own() {
        let mut headers: Headers =
            (0..10_000).map(|n| (format!("header-{n}"), "some twenty characters".into())).collect();
        headers.insert("order-worker-code".to_owned(), "invalid_field".into());

        let kept = fitting(&headers);

        assert!(kept.values().map(size_of).sum::<usize>() < MAX_HEADER_BYTES);
        assert!(kept.contains_key("order-worker-code"));
        let left_out = kept[HEADERS_LEFT_OUT].as_text().unwrap();
        assert!(left_out.starts_with("header-") && left_out.ends_with(" more"), "{left_out}");
    }

    #[test]
    fn the_largest_headers_are_left_out_and_named() {
        let headers: Headers = [
            ("order-worker-code", 14),
            ("order-worker-original-cc", 100_000),
            ("large", 120_000),
            ("shop", 2),
        ]
        .map(|(name, bytes)| (name.to_owned(), HeaderValue::Text("x".repeat(bytes))))
        .into();

        let kept = fitting(&headers);

        let names: Vec<&str> = kept.keys().map(String::as_str).collect();
        assert_eq!(names, ["order-worker-code", HEADERS_LEFT_OUT, "shop"]);
        let left_out = kept[HEADERS_LEFT_OUT].as_text();
        assert_eq!(left_out, Some("large, order-worker-original-cc"));
    }

    #[test]
    fn priority_expiration_and_user_id_are_not_published() {
        let out = to_lapin(&Properties {
            priority: Some(9),
            expiration: Some("1".to_owned()),
            user_id: Some("guest".to_owned()),
            ..Properties::default()
        });

        assert_eq!((out.priority(), out.expiration(), out.user_id()), (&None, &None, &None));
        assert_eq!(out.delivery_mode(), &Some(2));
    }
}
