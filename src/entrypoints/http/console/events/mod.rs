//! The page of live events.
//!
//! While at least one page is open, all pages share one subscription to the events exchange. Events are
//! sent in batches, of which only a part is shown when there are many, so that watching does not slow
//! down the worker.

mod batch;
mod hub;
mod line;
mod page;
mod stream;

use axum::Router;
use axum::routing::get;

use crate::entrypoints::http::App;

pub use hub::Hub;

pub fn routes() -> Router<App> {
    Router::new().route("/events", get(page::show)).route("/events/stream", get(stream::stream))
}
