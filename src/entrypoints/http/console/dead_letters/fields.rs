//! The fields of a submitted form.

use axum::http::StatusCode;
use serde::Deserialize;

use crate::entrypoints::http::Problem;

/// Names and values in order; a name may occur more than once.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// The first value of a name, or an empty string.
    pub fn text(&self, name: &'static str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    pub fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    pub fn is_checked(&self, name: &'static str) -> bool {
        self.all(name).next().is_some()
    }

    /// A positive whole number; `None` for an empty field.
    ///
    /// # Errors
    /// When it is not a positive whole number.
    pub fn number(&self, name: &'static str) -> Result<Option<u32>, Problem> {
        match self.text(name).trim() {
            "" => Ok(None),
            text => match text.parse() {
                Ok(number @ 1..) => Ok(Some(number)),
                Ok(0) | Err(_) => Err(invalid_field(name, "must be a positive whole number")),
            },
        }
    }
}

pub fn invalid_field(field: &str, problem: impl std::fmt::Display) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("{field}: {problem}")).with_field(field)
}
