//! The lane of HTTP commands, whose clients wait for the outcome.

mod lane;
mod locked;
mod outages;
mod outcomes;
mod publishing;
