//! The program as its users meet it: a process, real servers, clients that are not ours.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod amqp_client;
mod backlog;
mod command_line;
mod console;
mod console_dead_letters;
mod dead_letters;
mod embedded;
mod faults;
mod http_abuse;
mod http_api;
mod messages;
mod outages;
mod relay;
mod schemas;
#[cfg(feature = "otlp")]
mod telemetry;
mod test_env;
mod transport;
mod workload;
