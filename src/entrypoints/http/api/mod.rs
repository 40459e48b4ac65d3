//! The API for programs.
//!
//! [`endpoint::Endpoint`] is the one table: the router and the [`document`] are both made of it.
//! A command goes the way of those from the queue ([`command`]), and its outcome becomes an answer
//! ([`outcome`]); a question goes to the database.

mod command;
mod document;
mod endpoint;
mod in_path;
mod in_query;
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

/// All of them, in the order of the document.
fn endpoints() -> impl Iterator<Item = &'static Endpoint> {
    orders::ENDPOINTS.iter().chain(&legacy::ENDPOINTS)
}
