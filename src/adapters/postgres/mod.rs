//! The store on PostgreSQL (13 or later).
//!
//! A lane holds one connection of its own: a pool would ping it before each use. A transaction
//! takes four round trips, however many messages its batch has: begin, load, write, commit.

mod connection;
mod dead_letters;
mod disclosures;
mod load;
mod numbers;
mod order_rows;
mod pages;
mod queries;
mod relay;
mod stock;
mod store;
mod write;

pub use connection::PgDatabase;
pub use dead_letters::{PgDeadLetters, PgLetterTransaction};
pub use disclosures::PgDisclosures;
pub use queries::PgQueries;
pub use relay::PgRelayStore;
pub use stock::PgStock;
pub use store::{PgStore, PgTransaction};
