//! A message as received: routing, properties, body.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strum::EnumCount;

/// A message as its publisher sent it, from a queue, HTTP, or the table of dead letters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Envelope {
    pub exchange: String,
    pub routing_key: String,
    pub properties: Properties,
    /// Set if the properties are not as they were sent.
    pub properties_error: Option<PropertiesError>,
    pub body: Vec<u8>,
}

/// Why the properties of a message could not be decoded completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount)]
pub enum PropertiesError {
    /// Headers are nested more than 32 levels deep.
    TooDeep,
    /// Headers contain more than 256 tables and lists.
    TooMany,
    /// The properties do not fit into a frame; headers were left out.
    TooLarge,
    /// A property, or the name of a header, is not UTF-8.
    NotUtf8,
    /// A header has an unknown type or is truncated.
    Malformed,
}

impl PropertiesError {
    pub const ALL: [Self; Self::COUNT] =
        [Self::TooDeep, Self::TooMany, Self::TooLarge, Self::NotUtf8, Self::Malformed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooDeep => "too_deep",
            Self::TooMany => "too_many",
            Self::TooLarge => "too_large",
            Self::NotUtf8 => "not_utf8",
            Self::Malformed => "malformed",
        }
    }
}

/// The properties of a message, named as in AMQP 0-9-1. Also a JSON format.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Properties {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Seconds since 1970, as set by the publisher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u64>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
}

/// The header table of a message.
pub type Headers = BTreeMap<String, HeaderValue>;

/// A value in a header table. Integers of all types are widened to 64 bits.
#[derive(Debug, Clone, PartialEq)]
pub enum HeaderValue {
    Void,
    Bool(bool),
    Int(i64),
    Float(f32),
    Double(f64),
    /// The value is `mantissa / 10^scale`.
    Decimal {
        scale: u8,
        mantissa: u32,
    },
    Text(String),
    /// A long string that is not UTF-8.
    Binary(Vec<u8>),
    ByteArray(Vec<u8>),
    /// Seconds since 1970.
    Timestamp(u64),
    List(Vec<HeaderValue>),
    Table(Headers),
}

impl HeaderValue {
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }
}

impl From<&str> for HeaderValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for HeaderValue {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}
