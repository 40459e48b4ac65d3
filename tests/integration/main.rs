//! The contracts of the stores, on real databases and in memory, and the pages of the console.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod builders;
mod console;
mod dead_letter_contract;
mod in_memory;
mod pii_access_contract;
mod postgres;
mod schema_contract;
mod sqlite;
mod stopped_replay;
mod store_contract;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the unit tests use more of it")]
mod support;
