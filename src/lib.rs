//! `order-worker` consumes order commands from RabbitMQ, applies them in batches, and publishes
//! the changes of the orders.
//!
//! The layers, as in *Architecture Patterns with Python* (Percival, Gregory):
//!
//! - [`domain`]: orders and their rules; pure.
//! - [`messages`]: value types: envelopes, commands, outcomes, messages to publish.
//! - [`service_layer`]: the message bus, handlers, the unit of work, and the ports they need.
//! - [`adapters`]: implementations of the ports for PostgreSQL, SQLite, RabbitMQ and in-process channels.
//! - [`entrypoints`]: the consumer of commands, HTTP, and the command line.
//! - [`config`]: the settings; [`bootstrap`]: creates and connects the components.
//! - [`metrics`]: Prometheus metrics.
//! - [`kill_points`]: where tests kill the process; empty in a release build.
//! - [`telemetry`]: logs, and spans for OpenTelemetry.
//!
//! Imports point one way: `entrypoints → service_layer → messages → domain` and
//! `adapters → service_layer`. All of them use `metrics`, which imports only `messages` and `domain`.

pub mod adapters;
pub mod bootstrap;
pub mod config;
pub mod domain;
pub mod entrypoints;
pub mod kill_points;
pub mod messages;
pub mod metrics;
pub mod service_layer;
pub mod telemetry;
