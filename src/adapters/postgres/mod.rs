//! The store on PostgreSQL (14 or later).
//!
//! A lane holds one connection of its own: a pool would ping it before each use. A transaction
//! takes four round trips, however many messages its batch has: begin, load, write, commit.

mod connection;
mod dead_letters;
mod disclosures;
mod errors;
mod load;
mod numbers;
mod options;
mod order_rows;
mod pages;
mod pool;
mod queries;
mod relay;
mod relay_lock;
mod session;
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
