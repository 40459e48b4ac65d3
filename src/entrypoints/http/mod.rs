//! HTTP: the API, the console, health, metrics.
//!
//! [`Server`] accepts connections; the routes are put together in `routes`, each behind the
//! [`Permission`](access::Permission) that it takes. Commands go to the lane of
//! [`requests`](super::requests), questions to the database.

pub mod access;
mod api;
mod app;
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
