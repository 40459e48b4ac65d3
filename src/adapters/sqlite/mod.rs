//! The store on SQLite, in one file.
//!
//! SQLite takes one writer at a time, so all lanes share one connection and take turns. Questions
//! go through a small pool of their own: in WAL mode readers and the writer do not wait for each
//! other.

mod database;
mod dead_letters;
mod disclosures;
mod errors;
mod load;
mod numbers;
mod outbox;
mod queries;
mod relay;
mod rows;
mod statement;
mod stock;
mod store;
mod write;
mod writer;

pub use database::SqliteDatabase;
pub use dead_letters::{SqliteDeadLetters, SqliteLetterTransaction};
pub use disclosures::SqliteDisclosures;
pub use queries::SqliteQueries;
pub use relay::SqliteRelayStore;
pub use stock::SqliteStock;
pub use store::{SqliteStore, SqliteTransaction};
