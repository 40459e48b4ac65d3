//! Events as they pass.
//!
//! While somebody watches, one subscription is open for all who do. What it brings is gathered for a
//! moment, and only some of it is shown when there is much: whoever watches must not slow the worker
//! down.

mod batch;
mod hub;
mod line;
mod page;
mod stream;
mod subscription;

use axum::Router;
use axum::routing::get;

use crate::entrypoints::http::App;

pub use hub::Hub;

pub fn routes() -> Router<App> {
    Router::new().route("/events", get(page::show)).route("/events/stream", get(stream::stream))
}
