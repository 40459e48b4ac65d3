//! Shared by unit and integration tests.

pub mod clock;
pub mod in_memory;
pub mod messages;
