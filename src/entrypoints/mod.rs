//! The entrypoints: the commands queue, HTTP, and the command line.

pub mod amqp;
mod body_format;
pub mod cli;
pub mod command_client;
pub mod deviations;
pub mod http;
pub mod lane;
pub mod order_body;
mod printable;
pub mod schemas;
mod worker;

pub use worker::{Worker, WorkerFailed};
