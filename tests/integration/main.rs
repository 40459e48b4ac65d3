//! The stores, on real databases and in memory: one contract for all of them, and one for dead
//! dead letters. The pages of the console.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod builders;
mod console;
mod dead_letter_contract;
mod in_memory;
mod pii_access_contract;
mod postgres;
mod sqlite;
mod stopped_replay;
mod store_contract;
#[path = "../support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the unit tests use more of it")]
mod support;
