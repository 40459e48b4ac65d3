//! Orders: finding them, looking at one, moving it.

mod cancel;
mod commands;
mod email;
mod history;
mod list;
mod moves;
mod one;
mod order_id;
mod search;

use axum::Router;
use axum::extract::Path;
use axum::response::Redirect;
use axum::routing::{get, post};

use super::pieces::address;
use crate::entrypoints::http::App;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/orders", get(list::show))
        .route("/orders/{id}", get(by_path))
        .route("/order", get(one::show))
        .route("/order/next", post(moves::next_status))
        .route("/order/set-status", post(moves::set_status))
        .route("/order/cancel", get(cancel::ask).post(cancel::cancel))
        .route("/order/email", get(email::look_away).post(email::show))
}

/// For whoever types an address.
async fn by_path(Path(id): Path<String>) -> Redirect {
    Redirect::to(&address::order(&id))
}
