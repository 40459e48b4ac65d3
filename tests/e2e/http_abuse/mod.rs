//! Hostile clients over HTTP.

mod crowds;
mod forgeries;
mod load;
mod paths;
mod shapes;
mod target;
