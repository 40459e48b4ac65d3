//! The ways into the worker: commands and dead letters from queues, and the command line.

pub mod amqp;
pub mod cli;
pub mod dead_letters;
pub mod schemas;
