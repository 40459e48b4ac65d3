//! `order-worker` consumes order commands from RabbitMQ, applies them in batches, and publishes
//! the changes of the orders.
//!
//! The layers, as in *Architecture Patterns with Python* (Percival, Gregory):
//!
//! - [`domain`]: orders and their rules; pure.
//! - [`messages`]: the values that pass through: envelopes, commands, outcomes, messages to publish.
//! - [`service_layer`]: the message bus, handlers, the unit of work, and the ports they need.
//! - [`adapters`]: the ports on PostgreSQL, SQLite, memory, RabbitMQ and in-process channels.
//! - [`entrypoints`]: the consumer of commands and the command line.
//! - [`config`]: every setting; [`bootstrap`]: puts the parts together.
//! - [`metrics`]: what the worker counts and measures.
//! - [`kill_points`]: where tests have the process die; empty in a release.
//! - [`telemetry`]: log lines, and spans for a collector.
//!
//! Imports point one way: `entrypoints → service_layer → messages → domain` and
//! `adapters → service_layer`. The upper ones count in `metrics`, which knows only `messages` and
//! `domain`.

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
