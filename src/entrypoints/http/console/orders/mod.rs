//! Orders: finding them, looking at one, moving it.

mod actions;
mod cancel;
mod commands;
mod detail;
mod email;
mod history;
mod list;
mod order_id;
mod search;

use axum::Router;
use axum::extract::Path;
use axum::response::Redirect;
use axum::routing::{get, post};

use super::components::address;
use crate::entrypoints::http::App;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/orders", get(list::show))
        .route("/orders/{id}", get(by_path))
        .route("/order", get(detail::show))
        .route("/order/next", post(actions::next_status))
        .route("/order/set-status", post(actions::set_status))
        .route("/order/cancel", get(cancel::ask).post(cancel::cancel))
        .route("/order/email", get(email::look_away).post(email::show))
}

/// For whoever types an address.
async fn by_path(Path(id): Path<String>) -> Redirect {
    Redirect::to(&address::order(&id))
}
