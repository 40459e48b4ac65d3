//! The API for programs.
//!
//! Routes and [`document`] are both made from the table of [`endpoint::Endpoint`]s. A [`command`] is
//! handled like one from the queue, and its [`outcome`] becomes the response. Queries go to the
//! database.

mod command;
mod document;
mod endpoint;
mod extract;
mod legacy;
mod orders;
mod outcome;
mod parameters;
mod problems;
mod request_body;
mod response;
mod schemas;

use axum::Router;

use self::endpoint::Endpoint;
use super::App;

pub fn routes(app: &App) -> Router<App> {
    let router = endpoints().fold(Router::new(), |router, it| it.route(router, app));
    router.merge(document::routes())
}

/// In the order of the documentation.
fn endpoints() -> impl Iterator<Item = &'static Endpoint> {
    orders::ENDPOINTS.iter().chain(&legacy::ENDPOINTS)
}
