//! The console: HTML pages for operators, served by the worker.
//!
//! [`layout::page`] renders a page for a [`CurrentUser`] from [`components`]. Forms are extracted by
//! [`Submitted`], which rejects viewers and forms of other sites. Pages load nothing from other
//! servers, and all but the live events work without script.

mod assets;
pub mod components;
mod current_user;
mod dead_letters;
mod doctor;
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
        .route(overview::FIGURES_PATH, get(overview::figures))
        .merge(orders::routes())
        .merge(events::routes())
        .route("/settings", get(settings::show))
        .route("/doctor", get(doctor::show))
        .route("/demo", post(onboarding::run_demo))
        .merge(dead_letters::routes())
        .route("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/assets/{name}", get(assets::serve))
        .layer(map_response(headers::protect))
}
