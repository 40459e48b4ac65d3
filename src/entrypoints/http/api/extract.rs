//! Values in a query string.

use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::endpoint::Parameter;
use crate::entrypoints::http::Problem;

/// The pairs of a query string, percent signs decoded.
#[derive(Debug)]
pub struct InQuery(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for InQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let read = read.map(|Query(pairs)| Self(pairs));
        read.map_err(|rejection| Problem::new(rejection.status(), "the query cannot be read"))
    }
}

impl InQuery {
    /// Makes sure that each pair is one of the parameters, and comes once.
    ///
    /// # Errors
    /// Naming the one that is not, or does not.
    pub fn ensure_known(&self, parameters: &[Parameter]) -> Result<(), Problem> {
        for (place, (name, _)) in self.0.iter().enumerate() {
            if !parameters.iter().any(|parameter| parameter.name == name) {
                let names: Vec<&str> = parameters.iter().map(|it| it.name).collect();
                let detail = format!("there is no such parameter; there are {}", names.join(", "));
                return Err(wrong(name, &detail));
            }
            if self.0[..place].iter().any(|(other, _)| other == name) {
                return Err(wrong(name, "the parameter is there twice"));
            }
        }
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// A parameter that cannot be. A name that is none of ours may be long.
pub fn wrong(name: &str, detail: &str) -> Problem {
    let shown: String = name.chars().take(64).collect();
    Problem::new(StatusCode::BAD_REQUEST, detail).with_field(shown)
}
