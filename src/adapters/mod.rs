//! The ports of the service layer, on real things.

pub mod clock;
mod dead_letters;
pub mod in_process;
pub mod postgres;
pub mod rabbitmq;
mod rows;
pub mod sqlite;
