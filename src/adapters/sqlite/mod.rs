//! The stores on SQLite, in one file.
//!
//! SQLite allows one writer at a time, so all lanes share one connection for writing, behind a
//! mutex. Readers have their own small pool: in WAL mode, readers and the writer do not block each
//! other.

mod backlog;
mod database;
mod dead_letters;
mod errors;
mod load;
mod numbers;
mod outbox;
mod pii_access;
mod queries;
mod relay;
mod rows;
mod server_facts;
mod statement;
mod store;
mod write;
mod writer;

pub use backlog::SqliteBacklogProbe;
pub use database::SqliteDatabase;
pub use dead_letters::{SqliteDeadLetterTransaction, SqliteDeadLetters};
pub use pii_access::SqlitePiiAccessLog;
pub use queries::SqliteQueries;
pub use relay::SqliteRelayStore;
pub use store::{SqliteStore, SqliteTransaction};
