//! Label values are bounded, whatever messages and requests contain.

use std::collections::BTreeSet;
use std::time::Duration;

use order_worker::metrics::{DeviationCounts, MAX_PUBLISHERS, Metrics};

use super::scrape;
use crate::scrape::Scrape;

const UNKNOWN: &str = "order_worker_unknown_fields_total";

fn values_of<'a>(seen: &'a Scrape, sample: &str, label: &str) -> BTreeSet<&'a str> {
    seen.samples[sample].keys().map(|labels| labels[label].as_str()).collect()
}

fn one() -> DeviationCounts {
    DeviationCounts { unknown_fields: 1, ..DeviationCounts::default() }
}

#[test]
fn publishers_beyond_the_limit_share_one_label() {
    let metrics = Metrics::new();

    for publisher in 0..100 {
        metrics.deviations.count(Some(&format!("shop {publisher}")), one());
    }
    metrics.deviations.count(Some("shop 7"), one());

    let seen = scrape(&metrics);
    assert_eq!(values_of(&seen, UNKNOWN, "publisher").len(), MAX_PUBLISHERS + 2);
    assert_eq!(seen.value(UNKNOWN, &[("publisher", "shop 7")]), Some(2.0));
    assert_eq!(seen.value(UNKNOWN, &[("publisher", "other")]), Some(80.0));
    assert_eq!(metrics.deviations.totals().unknown_fields, 101);
}

#[test]
fn any_publisher_name_becomes_a_valid_label() {
    let metrics = Metrics::new();

    for name in ["", "\"}\n# TYPE x", "back\\slash", "\u{1b}[31m", &"ü".repeat(500)] {
        metrics.deviations.count(Some(name), one());
    }

    let seen = scrape(&metrics);
    let publishers = values_of(&seen, UNKNOWN, "publisher");
    assert!(publishers.iter().all(|name| name.chars().count() <= 64), "{publishers:?}");
    assert!(!publishers.iter().any(|name| name.contains(char::is_control)), "{publishers:?}");
    assert_eq!(
        seen.value(UNKNOWN, &[("publisher", "none")]),
        Some(1.0),
        "an empty name counts as none"
    );
}

#[test]
fn request_labels_are_bounded() {
    let metrics = Metrics::new();
    let soon = Duration::from_millis(1);

    metrics.http.ended(Some("/api/orders/{id}"), "GET", Some(200), soon);
    for (method, status) in [("BREW", 404), ("brew", 418), ("GET", 404), ("GET", 503)] {
        metrics.http.ended(None, method, Some(status), soon);
    }
    metrics.http.ended(None, "GET", None, soon);

    let (requests, seen) = ("order_worker_http_requests_total", scrape(&metrics));
    assert_eq!(values_of(&seen, requests, "route"), ["/api/orders/{id}", "none"].into());
    assert_eq!(values_of(&seen, requests, "method"), ["GET", "other"].into());
    assert_eq!(values_of(&seen, requests, "status"), ["2xx", "4xx", "5xx", "none"].into());
    let seconds = "order_worker_http_request_duration_seconds_count";
    assert_eq!(seen.value(seconds, &[("route", "none")]), Some(5.0));
}
