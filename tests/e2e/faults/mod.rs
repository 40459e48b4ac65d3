//! One fault at a time, on purpose: `docs/faults.md` lists them all.

mod broker;
mod crashes;
mod database;
mod hostile;
mod load;
mod network;
mod refusals;
mod sessions;
mod targets;
