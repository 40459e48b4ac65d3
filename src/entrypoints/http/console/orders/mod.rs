//! Pages of orders: list, detail, status changes.

mod actions;
mod cancel;
mod commands;
mod detail;
mod history;
mod list;
mod reveal_email;
mod search;

use axum::Router;
use axum::extract::Path;
use axum::response::Redirect;
use axum::routing::{get, post};

use super::components::address;
use crate::domain::OrderId;
use crate::entrypoints::http::{App, Problem};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/orders", get(list::show))
        .route("/orders/{id}", get(by_path))
        .route("/order", get(detail::show))
        .route("/order/next", post(actions::next_status))
        .route("/order/set-status", post(actions::set_status))
        .route("/order/cancel", get(cancel::ask).post(cancel::cancel))
        .route("/order/email", get(reveal_email::back_to_order).post(reveal_email::show))
}

/// For typed URLs.
async fn by_path(Path(id): Path<String>) -> Redirect {
    Redirect::to(&address::order(&id))
}

fn parse_order_id(text: &str) -> Result<OrderId, Problem> {
    OrderId::new(text).map_err(|_| Problem::not_found("invalid order id"))
}
