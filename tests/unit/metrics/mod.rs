//! Each metric moves when what it measures happens.

mod bounds;
mod catalog;
mod files;
mod going_out;
mod handling;
mod line;
mod requests;
mod sampling;
mod state;

use order_worker::metrics::Metrics;

use crate::scrape::Scrape;

fn scrape(metrics: &Metrics) -> Scrape {
    Scrape::parse(&metrics.text())
}
