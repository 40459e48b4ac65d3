//! The ways into the worker: commands and dead letters from queues, HTTP, and the command line.

pub mod amqp;
pub mod cli;
pub mod command_client;
pub mod dead_letters;
pub mod decode;
pub mod deviations;
pub mod http;
pub mod order_body;
mod parked;
mod printable;
pub mod schemas;
