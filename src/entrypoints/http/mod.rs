//! HTTP: the API, the console, health, metrics.
//!
//! [`Server`] accepts connections; the routes are put together in `routes`, each behind the
//! [`Permission`](auth::Permission) that it takes. Commands go to the lane of
//! [`requests`](super::command_client), questions to the database.

mod api;
mod app;
pub mod auth;
mod console;
mod health;
mod metrics;
mod problem;
mod routes;
mod server;
mod watch;

pub use app::App;
pub use problem::Problem;
pub use routes::routes;
pub use server::Server;
pub use watch::watch;
