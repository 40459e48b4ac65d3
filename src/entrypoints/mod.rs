//! The ways into the worker: commands and dead letters from queues, HTTP, and the command line.

pub mod amqp;
pub mod cli;
pub mod dead_letters;
pub mod http;
pub mod order_body;
mod parked;
mod printable;
pub mod requests;
pub mod schemas;
