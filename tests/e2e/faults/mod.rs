//! Injects one fault at a time; `docs/faults.md` lists them.

mod broker;
mod consumer_timeout;
mod crashes;
mod database;
mod hostile;
mod load;
mod network;
mod refusals;
mod sessions;
mod targets;
