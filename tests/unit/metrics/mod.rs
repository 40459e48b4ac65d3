//! Each metric moves when what it measures happens.

#![expect(clippy::float_cmp, reason = "counts are whole numbers, which a float holds exactly")]

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

pub fn scrape(metrics: &Metrics) -> Scrape {
    Scrape::parse(&metrics.text())
}
