//! Implementations of the ports of the service layer.

pub mod clock;
mod dead_letters;
pub mod in_process;
pub mod postgres;
mod process_name;
pub mod rabbitmq;
mod rows;
mod schema_version;
pub mod sqlite;

pub use schema_version::{SchemaMismatch, SchemaVersion};
