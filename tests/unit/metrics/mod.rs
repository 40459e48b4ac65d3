//! Each metric changes when what it measures happens.

#![expect(clippy::float_cmp, reason = "counts are whole numbers, which a float holds exactly")]

mod bounds;
mod catalog;
mod handling;
mod monitoring_files;
mod pipeline;
mod publishing;
mod requests;
mod sampling;
mod state;

use order_worker::metrics::Metrics;

use crate::scrape::Scrape;

pub fn scrape(metrics: &Metrics) -> Scrape {
    Scrape::parse(&metrics.text())
}
