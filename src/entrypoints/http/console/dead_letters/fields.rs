//! The fields of a submitted form.

use axum::http::StatusCode;
use serde::Deserialize;

use crate::entrypoints::http::Problem;

/// As they came; a name may be there more than once.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// The first of a name; empty without one.
    pub fn text(&self, name: &'static str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    pub fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    pub fn is_ticked(&self, name: &'static str) -> bool {
        self.all(name).next().is_some()
    }

    /// A number from 1; none for an empty field.
    ///
    /// # Errors
    /// When it is something else.
    pub fn number(&self, name: &'static str) -> Result<Option<u32>, Problem> {
        match self.text(name).trim() {
            "" => Ok(None),
            text => match text.parse() {
                Ok(number @ 1..) => Ok(Some(number)),
                Ok(0) | Err(_) => Err(wrong(name, "must be a whole number from 1")),
            },
        }
    }
}

/// A field that means nothing.
pub fn wrong(field: &str, problem: impl std::fmt::Display) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("{field}: {problem}")).with_field(field)
}
