//! The API as its clients meet it: answers, and what they change.

mod access;
pub mod client;
mod commands;
mod document;
mod here;
mod lists;
mod messages;
mod new_paths;
mod refusals;
mod servers;
mod store_paths;
mod store_site;

pub use client::{Client, Request};
