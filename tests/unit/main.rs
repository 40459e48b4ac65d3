//! The rules of the business and the message bus, without a server.

mod message_bus;
mod order_queries;
mod order_rules;
#[path = "../support/mod.rs"]
mod support;
