//! The stores on PostgreSQL (14 or later).
//!
//! Each lane has its own session, because a pool would ping it before each use. A transaction takes
//! four round trips, whatever the size of its batch: begin, load, write, commit.

mod address;
mod backlog;
mod connection;
mod dead_letters;
mod errors;
mod load;
mod numbers;
mod options;
mod order_rows;
mod pages;
mod pii_access;
mod pool;
mod queries;
mod relay;
mod relay_lock;
mod response;
mod server_facts;
mod servers;
mod session;
mod store;
mod write;

pub use backlog::PgBacklogProbe;
pub use connection::PgDatabase;
pub use dead_letters::{PgDeadLetterTransaction, PgDeadLetters};
pub use pii_access::PgPiiAccessLog;
pub use queries::PgQueries;
pub use relay::PgRelayStore;
pub use server_facts::WORKER_PRIVILEGES;
pub use store::{PgStore, PgTransaction};
