//! What strangers send to the worker, and what they get.

mod crowds;
mod forgeries;
mod load;
mod paths;
mod shapes;
mod target;
