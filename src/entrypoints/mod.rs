//! The ways into the worker: commands from a queue, and the command line.

pub mod amqp;
pub mod cli;
pub mod schemas;
