//! A cluster of three nodes that are killed, frozen and restarted: `make test-cluster`.

mod guarantees;
mod nodes;
mod publishers;
mod scenarios;
