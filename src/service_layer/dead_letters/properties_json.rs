//! Properties of a message as JSON, without any loss.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::service_layer::{HeaderValue, Headers, Properties};

/// The properties by their AMQP names; those that are absent are left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PropertiesJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_encoding: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, HeaderJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<u64>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_id: Option<String>,
}

/// A header's value: as it is where JSON has its type, else an object that names the type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum HeaderJson {
    Void(()),
    Bool(bool),
    Int(i64),
    Text(String),
    List(Vec<HeaderJson>),
    Typed(Typed),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Typed {
    /// The bits of an `f32`: NaN and infinities have no number in JSON.
    FloatBits(u32),
    DoubleBits(u64),
    Decimal {
        scale: u8,
        mantissa: u32,
    },
    /// A long string that is not UTF-8, in Base64.
    Binary(String),
    ByteArray(String),
    /// In whole seconds since 1970.
    Timestamp(u64),
    Table(BTreeMap<String, HeaderJson>),
}

impl From<&Properties> for PropertiesJson {
    fn from(properties: &Properties) -> Self {
        let properties = properties.clone();
        Self {
            content_type: properties.content_type,
            content_encoding: properties.content_encoding,
            headers: table_of(&properties.headers),
            priority: properties.priority,
            correlation_id: properties.correlation_id,
            reply_to: properties.reply_to,
            expiration: properties.expiration,
            message_id: properties.message_id,
            timestamp: properties.timestamp,
            kind: properties.kind,
            user_id: properties.user_id,
            app_id: properties.app_id,
        }
    }
}

impl From<PropertiesJson> for Properties {
    fn from(json: PropertiesJson) -> Self {
        Self {
            content_type: json.content_type,
            content_encoding: json.content_encoding,
            headers: headers_of(json.headers),
            priority: json.priority,
            correlation_id: json.correlation_id,
            reply_to: json.reply_to,
            expiration: json.expiration,
            message_id: json.message_id,
            timestamp: json.timestamp,
            kind: json.kind,
            user_id: json.user_id,
            app_id: json.app_id,
        }
    }
}

fn table_of(headers: &Headers) -> BTreeMap<String, HeaderJson> {
    headers.iter().map(|(name, value)| (name.clone(), value.into())).collect()
}

fn headers_of(table: BTreeMap<String, HeaderJson>) -> Headers {
    table.into_iter().map(|(name, value)| (name, value.into())).collect()
}

impl From<&HeaderValue> for HeaderJson {
    fn from(value: &HeaderValue) -> Self {
        match value {
            HeaderValue::Void => Self::Void(()),
            HeaderValue::Bool(value) => Self::Bool(*value),
            HeaderValue::Int(value) => Self::Int(*value),
            HeaderValue::Text(text) => Self::Text(text.clone()),
            HeaderValue::List(values) => Self::List(values.iter().map(Self::from).collect()),
            HeaderValue::Float(value) => Self::Typed(Typed::FloatBits(value.to_bits())),
            HeaderValue::Double(value) => Self::Typed(Typed::DoubleBits(value.to_bits())),
            HeaderValue::Decimal { scale, mantissa } => {
                Self::Typed(Typed::Decimal { scale: *scale, mantissa: *mantissa })
            }
            HeaderValue::Binary(bytes) => Self::Typed(Typed::Binary(BASE64_STANDARD.encode(bytes))),
            HeaderValue::ByteArray(bytes) => {
                Self::Typed(Typed::ByteArray(BASE64_STANDARD.encode(bytes)))
            }
            HeaderValue::Timestamp(seconds) => Self::Typed(Typed::Timestamp(*seconds)),
            HeaderValue::Table(table) => Self::Typed(Typed::Table(table_of(table))),
        }
    }
}

impl From<HeaderJson> for HeaderValue {
    fn from(json: HeaderJson) -> Self {
        match json {
            HeaderJson::Void(()) => Self::Void,
            HeaderJson::Bool(value) => Self::Bool(value),
            HeaderJson::Int(value) => Self::Int(value),
            HeaderJson::Text(text) => Self::Text(text),
            HeaderJson::List(values) => Self::List(values.into_iter().map(Self::from).collect()),
            HeaderJson::Typed(typed) => typed.into(),
        }
    }
}

impl From<Typed> for HeaderValue {
    fn from(typed: Typed) -> Self {
        // Written by this program; what a person broke by hand is kept as text.
        let bytes = |text: String| BASE64_STANDARD.decode(&text).map_err(|_| Self::Text(text));
        match typed {
            Typed::FloatBits(bits) => Self::Float(f32::from_bits(bits)),
            Typed::DoubleBits(bits) => Self::Double(f64::from_bits(bits)),
            Typed::Decimal { scale, mantissa } => Self::Decimal { scale, mantissa },
            Typed::Binary(text) => bytes(text).map_or_else(|text| text, Self::Binary),
            Typed::ByteArray(text) => bytes(text).map_or_else(|text| text, Self::ByteArray),
            Typed::Timestamp(seconds) => Self::Timestamp(seconds),
            Typed::Table(table) => Self::Table(headers_of(table)),
        }
    }
}
