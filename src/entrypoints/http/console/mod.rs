//! The console: pages for operators, answered by the worker itself.
//!
//! A page is made by [`layout::page`] for a [`CurrentUser`], of [`components`]. What a page submits comes
//! through [`Submitted`], which keeps out what another site sent. Nothing is loaded from elsewhere,
//! and no page needs its script.

mod assets;
pub mod components;
mod current_user;
mod dead_letters;
mod events;
mod headers;
pub mod layout;
mod onboarding;
mod orders;
mod overview;
mod problems;
mod sessions;
mod settings;
mod sign_in;
mod state;
mod submitted;

use axum::Router;
use axum::middleware::map_response;
use axum::routing::{get, post};

use super::App;

pub use current_user::CurrentUser;
pub use problems::as_pages;
pub use state::Console;
pub use submitted::Submitted;

pub fn routes(_app: &App) -> Router<App> {
    Router::new()
        .route("/", get(overview::show))
        .route(overview::FIGURES, get(overview::figures))
        .merge(orders::routes())
        .merge(events::routes())
        .route("/settings", get(settings::show))
        .route("/demo", post(onboarding::feed))
        .merge(dead_letters::routes())
        .route("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/assets/{name}", get(assets::serve))
        .layer(map_response(headers::protect))
}
