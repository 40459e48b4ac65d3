//! HTTP: the API, the console, health checks and metrics.
//!
//! [`Server`] accepts connections. [`routes`](routes()) protects each route with the
//! [`Permission`](auth::Permission) that it requires. Commands are sent to their lane with the
//! [`command_client`](super::command_client); queries go to the database.

mod api;
mod app;
pub mod auth;
mod console;
mod health;
mod metrics;
mod problem;
mod routes;
mod server;

pub use app::App;
pub use metrics::record_history;
pub use problem::Problem;
pub use routes::routes;
pub use server::Server;
