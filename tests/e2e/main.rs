//! End-to-end tests: the program as a process, real servers, and clients in other languages.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod amqp_client;
mod backlog;
mod cluster;
mod command_line;
mod console;
mod console_dead_letters;
mod credentials;
mod dead_letters;
mod doctor;
mod embedded;
mod failover;
mod faults;
mod http_abuse;
mod http_api;
mod messages;
mod ordering;
mod outages;
mod permissions;
mod schemas;
mod shutdown;
mod tcp_proxy;
#[cfg(feature = "otlp")]
mod telemetry;
mod test_env;
mod transport;
mod versions;
mod workload;
