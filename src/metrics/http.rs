//! Metrics of HTTP requests.

use std::time::Duration;

use prometheus::{HistogramVec, IntCounterVec, Registry};

use super::catalog;

/// The methods with a label of their own; clients could send any others, which are `other`.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The metrics of HTTP requests.
#[derive(Debug)]
pub struct Http {
    requests: IntCounterVec,
    seconds: HistogramVec,
}

impl Http {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            requests: catalog::HTTP_REQUESTS.counters(registry),
            seconds: catalog::HTTP_SECONDS.histograms(registry),
        }
    }

    /// Counts a request. `route` is the path pattern, such as `/api/orders/{id}`, or `None` for an
    /// unknown path. `status` is `None` if the client disconnected before the response.
    pub fn ended(&self, route: Option<&str>, method: &str, status: Option<u16>, took: Duration) {
        let route = route.unwrap_or("none");
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("other");
        self.requests.with_label_values(&[route, method, class_of(status)]).inc();
        self.seconds.with_label_values(&[route]).observe(took.as_secs_f64());
    }
}

fn class_of(status: Option<u16>) -> &'static str {
    match status {
        Some(100..=199) => "1xx",
        Some(200..=299) => "2xx",
        Some(300..=399) => "3xx",
        Some(400..=499) => "4xx",
        Some(_) => "5xx",
        None => "none",
    }
}
