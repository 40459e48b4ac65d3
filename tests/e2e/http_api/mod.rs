//! The API as seen by its clients.

mod access;
pub mod client;
mod commands;
mod document;
mod legacy_paths;
mod lists;
mod messages;
mod order_paths;
mod refusals;
mod servers;
mod store_site;
pub mod test_worker;

pub use client::{Client, Request};
