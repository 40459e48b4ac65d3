//! What the tests of more than one kind need.

pub mod clock;
pub mod in_memory;
pub mod messages;
