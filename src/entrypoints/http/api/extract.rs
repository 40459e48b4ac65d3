//! Extractors for paths and query strings that reject with a [`Problem`].

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::endpoint::Parameter;
use crate::entrypoints::http::Problem;

/// The parameters in a path, percent-decoded.
#[derive(Debug)]
pub struct PathParameters<T>(pub T);

/// The pairs of a query string, percent-decoded.
#[derive(Debug)]
pub struct QueryParameters(Vec<(String, String)>);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathParameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let values = Path::<T>::from_request_parts(parts, state).await;
        let values = values.map(|Path(values)| Self(values));
        values.map_err(|rejection| Problem::new(rejection.status(), "the path is not UTF-8"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for QueryParameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let pairs = pairs.map(|Query(pairs)| Self(pairs));
        pairs.map_err(|rejection| Problem::new(rejection.status(), "the query string is malformed"))
    }
}

impl QueryParameters {
    /// # Errors
    /// When a name is not one of these parameters, or is repeated.
    pub fn ensure_known(&self, parameters: &[Parameter]) -> Result<(), Problem> {
        for (index, (name, _)) in self.0.iter().enumerate() {
            if !parameters.iter().any(|parameter| parameter.name == name) {
                let names: Vec<&str> = parameters.iter().map(|it| it.name).collect();
                let detail = format!("unknown parameter; known ones are {}", names.join(", "));
                return Err(invalid_parameter(name, &detail));
            }
            if self.0[..index].iter().any(|(other, _)| other == name) {
                return Err(invalid_parameter(name, "the parameter is repeated"));
            }
        }
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// A 400 that names the parameter, cut off after 64 characters: the client may have sent any name.
pub fn invalid_parameter(name: &str, detail: &str) -> Problem {
    let shown: String = name.chars().take(64).collect();
    Problem::new(StatusCode::BAD_REQUEST, detail).with_field(shown)
}
