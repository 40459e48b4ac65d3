//! Values in a path.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::entrypoints::http::Problem;

/// The values in a path, percent signs decoded.
#[derive(Debug)]
pub struct InPath<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Path::<T>::from_request_parts(parts, state).await;
        let read = read.map(|Path(values)| Self(values));
        read.map_err(|rejection| Problem::new(rejection.status(), "the path is not UTF-8"))
    }
}
