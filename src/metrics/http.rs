//! Requests over HTTP.

use std::time::Duration;

use prometheus::{HistogramVec, IntCounterVec, Registry};

use super::catalog;

/// What a client may call the method of a request; others are `other`.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// For requests.
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

    /// A request has its answer. `route` is the pattern of the path, such as `/api/orders/{id}`;
    /// none for a path of no route.
    pub fn answered(&self, route: Option<&str>, method: &str, status: u16, took: Duration) {
        let route = route.unwrap_or("none");
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("other");
        let class = usize::from(status / 100).checked_sub(1).and_then(|class| CLASSES.get(class));
        let class = class.copied().unwrap_or("other");
        self.requests.with_label_values(&[route, method, class]).inc();
        self.seconds.with_label_values(&[route]).observe(took.as_secs_f64());
    }
}
