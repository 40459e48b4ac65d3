//! Tests without servers: the domain, the service layer and the entrypoints on fakes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod dead_letter_jobs;
mod decode;
mod deploy;
mod docs;
mod doctor;
mod failing_store;
mod intake;
mod layers;
mod message_bus;
mod metrics;
mod migrations;
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
