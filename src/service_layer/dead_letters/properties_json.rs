//! Properties as JSON without loss, for the table of dead letters and for exports.
//!
//! Header values that JSON has are plain: text, true and false, integers, null, lists. All others are
//! an object with one tag: `{"binary": "/wA="}`, `{"bytes": "/wA="}`, `{"timestamp": 1}`,
//! `{"float": "1.5"}`, `{"double": "NaN"}`, `{"decimal": {"scale": 2, "mantissa": 995}}`,
//! `{"table": {…}}`.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::messages::{HeaderValue, Headers, Properties};

/// Maximum nesting of tables and lists. serde_json reads at most 128 levels, and a table takes two.
const MAX_LEVELS: usize = 48;

/// Properties as one line. Values below 48 levels of tables and lists are replaced by null.
///
/// # Panics
/// Never: text and integers are always JSON.
pub fn properties_to_json(properties: &Properties) -> String {
    let json = if properties.headers.values().all(|value| fits(value, MAX_LEVELS)) {
        serde_json::to_string(properties)
    } else {
        let headers = cut(&properties.headers, MAX_LEVELS);
        serde_json::to_string(&Properties { headers, ..properties.clone() })
    };
    json.expect("text and integers are always JSON")
}

/// # Errors
/// When the text is not what [`properties_to_json`] writes.
pub fn properties_from_json(json: &str) -> Result<Properties, serde_json::Error> {
    serde_json::from_str(json)
}

fn fits(value: &HeaderValue, levels: usize) -> bool {
    match value {
        HeaderValue::List(_) | HeaderValue::Table(_) if levels == 0 => false,
        HeaderValue::List(values) => values.iter().all(|value| fits(value, levels - 1)),
        HeaderValue::Table(table) => table.values().all(|value| fits(value, levels - 1)),
        _ => true,
    }
}

fn cut(headers: &Headers, levels: usize) -> Headers {
    headers.iter().map(|(name, value)| (name.clone(), cut_value(value, levels))).collect()
}

fn cut_value(value: &HeaderValue, levels: usize) -> HeaderValue {
    match value {
        HeaderValue::List(_) | HeaderValue::Table(_) if levels == 0 => HeaderValue::Void,
        HeaderValue::List(values) => {
            HeaderValue::List(values.iter().map(|value| cut_value(value, levels - 1)).collect())
        }
        HeaderValue::Table(table) => HeaderValue::Table(cut(table, levels - 1)),
        other => other.clone(),
    }
}

/// Bytes, as text in base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base64<'a>(pub Cow<'a, [u8]>);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64<'static> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(|bytes| Self(bytes.into())).map_err(D::Error::custom)
    }
}

/// A value of a type that JSON lacks. Fractions are text: JSON has no NaN and no infinity.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Tagged<'a> {
    Binary(Base64<'a>),
    Bytes(Base64<'a>),
    Timestamp(u64),
    Float(String),
    Double(String),
    Decimal { scale: u8, mantissa: u32 },
    Table(&'a Headers),
}

/// The same, for deserialization.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum OwnedTagged {
    Binary(Base64<'static>),
    Bytes(Base64<'static>),
    Timestamp(u64),
    Float(String),
    Double(String),
    Decimal { scale: u8, mantissa: u32 },
    Table(Headers),
}

impl Serialize for HeaderValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tagged = match self {
            Self::Void => return serializer.serialize_unit(),
            Self::Bool(value) => return serializer.serialize_bool(*value),
            Self::Int(number) => return serializer.serialize_i64(*number),
            Self::Text(text) => return serializer.serialize_str(text),
            Self::List(values) => return values.serialize(serializer),
            Self::Binary(bytes) => Tagged::Binary(Base64(bytes.into())),
            Self::ByteArray(bytes) => Tagged::Bytes(Base64(bytes.into())),
            Self::Timestamp(seconds) => Tagged::Timestamp(*seconds),
            Self::Float(number) => Tagged::Float(number.to_string()),
            Self::Double(number) => Tagged::Double(number.to_string()),
            Self::Decimal { scale, mantissa } => {
                Tagged::Decimal { scale: *scale, mantissa: *mantissa }
            }
            Self::Table(table) => Tagged::Table(table),
        };
        tagged.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for HeaderValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = HeaderValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, an integer, true, false, null, a list, or an object with one tag")
    }

    fn visit_unit<E>(self) -> Result<HeaderValue, E> {
        Ok(HeaderValue::Void)
    }

    fn visit_bool<E>(self, value: bool) -> Result<HeaderValue, E> {
        Ok(HeaderValue::Bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<HeaderValue, E> {
        Ok(HeaderValue::Int(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<HeaderValue, E> {
        i64::try_from(number).map(HeaderValue::Int).map_err(E::custom)
    }

    fn visit_str<E>(self, text: &str) -> Result<HeaderValue, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<HeaderValue, E> {
        Ok(HeaderValue::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<HeaderValue, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(HeaderValue::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HeaderValue, A::Error> {
        Ok(match OwnedTagged::deserialize(MapAccessDeserializer::new(map))? {
            OwnedTagged::Binary(bytes) => HeaderValue::Binary(bytes.0.into_owned()),
            OwnedTagged::Bytes(bytes) => HeaderValue::ByteArray(bytes.0.into_owned()),
            OwnedTagged::Timestamp(seconds) => HeaderValue::Timestamp(seconds),
            OwnedTagged::Float(text) => HeaderValue::Float(text.parse().map_err(A::Error::custom)?),
            OwnedTagged::Double(text) => {
                HeaderValue::Double(text.parse().map_err(A::Error::custom)?)
            }
            OwnedTagged::Decimal { scale, mantissa } => HeaderValue::Decimal { scale, mantissa },
            OwnedTagged::Table(table) => HeaderValue::Table(table),
        })
    }
}
