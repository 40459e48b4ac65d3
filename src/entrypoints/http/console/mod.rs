//! The console: pages for operators, answered by the worker itself.
//!
//! A page is made by [`layout::page`] for a [`Visitor`], of [`pieces`]. What a page submits comes
//! through [`Submitted`], which keeps out what another site sent. Nothing is loaded from elsewhere,
//! and no page needs its script.

mod assets;
mod dead_letters;
mod events;
mod headers;
pub mod layout;
mod newcomer;
mod orders;
mod overview;
pub mod pieces;
mod problems;
mod sessions;
mod settings;
mod sign_in;
mod state;
mod submitted;
mod visitor;

use axum::Router;
use axum::middleware::map_response;
use axum::routing::{get, post};

use super::App;

pub use problems::as_pages;
pub use state::Console;
pub use submitted::Submitted;
pub use visitor::Visitor;

pub fn routes(_app: &App) -> Router<App> {
    Router::new()
        .route("/", get(overview::show))
        .route(overview::FIGURES, get(overview::figures))
        .merge(orders::routes())
        .merge(events::routes())
        .route("/settings", get(settings::show))
        .route("/demo", post(newcomer::feed))
        .merge(dead_letters::routes())
        .route("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/assets/{name}", get(assets::serve))
        .layer(map_response(headers::protect))
}
