//! A SQL statement with its parameters, independent of the database driver.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

/// SQL text that both databases understand, with the values of `$1`, `$2`, …
#[derive(Debug)]
pub struct Statement<'a> {
    pub text: &'static str,
    pub values: Vec<Value<'a>>,
}

/// The value of a parameter; `None` is a typed null.
#[derive(Debug)]
pub enum Value<'a> {
    /// U+0000 is replaced by U+FFFD, because PostgreSQL cannot store it.
    Text(Option<Cow<'a, str>>),
    Bytes(Option<Cow<'a, [u8]>>),
    Int(Option<i64>),
    Timestamp(Option<DateTime<Utc>>),
}

impl<'a> Statement<'a> {
    pub fn new(text: &'static str) -> Self {
        Self { text, values: Vec::new() }
    }

    pub fn text(self, text: impl Into<Option<&'a str>>) -> Self {
        self.with(Value::Text(text.into().map(|text| without_nul(text.into()))))
    }

    pub fn owned_text(self, text: Option<String>) -> Self {
        self.with(Value::Text(text.map(|text| without_nul(text.into()))))
    }

    pub fn bytes(self, bytes: impl Into<Option<&'a [u8]>>) -> Self {
        self.with(Value::Bytes(bytes.into().map(Cow::Borrowed)))
    }

    pub fn owned_bytes(self, bytes: Vec<u8>) -> Self {
        self.with(Value::Bytes(Some(Cow::Owned(bytes))))
    }

    pub fn int(self, number: impl Into<i64>) -> Self {
        self.with(Value::Int(Some(number.into())))
    }

    pub fn optional_int(self, number: Option<impl Into<i64>>) -> Self {
        self.with(Value::Int(number.map(Into::into)))
    }

    pub fn timestamp(self, at: impl Into<Option<DateTime<Utc>>>) -> Self {
        self.with(Value::Timestamp(at.into()))
    }

    fn with(mut self, value: Value<'a>) -> Self {
        self.values.push(value);
        self
    }
}

fn without_nul(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text }
}
