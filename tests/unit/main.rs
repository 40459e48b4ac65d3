//! The rules of the business and the message bus, without a server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod dead_letter_jobs;
mod docs;
mod edge;
mod intake;
mod layers;
mod message_bus;
mod metrics;
mod obstructed;
mod order_queries;
mod order_rules;
mod parking;
mod performance;
mod properties_json;
mod publishing;
mod relay;
mod requests;
mod schemas;
#[path = "../support/scrape.rs"]
mod scrape;
mod simulation;
#[path = "../support/mod.rs"]
mod support;
