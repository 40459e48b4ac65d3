//! What cannot be asked.

use order_worker::domain::Status;
use order_worker::service_layer::{InvalidQuery, OrderQuery};

use crate::support::clock::moment;

#[test]
fn a_customer_id_must_be_an_identifier() {
    for customer_id in ["", "a\nb", &"x".repeat(65)] {
        assert_eq!(fault(OrderQuery::customer(customer_id)), "customer_id", "{customer_id:?}");
    }
}

#[test]
fn a_status_must_be_one_of_the_six() {
    for status in ["", "0", "7", "Paid"] {
        assert_eq!(fault(OrderQuery::in_status(status)), "status", "{status:?}");
    }
    assert_eq!(OrderQuery::in_status("2"), Ok(OrderQuery::InStatus(Status::Processing)));
}

#[test]
fn a_start_must_be_a_day_or_a_moment() {
    for start in ["", "yesterday", "2026-13-01", "2026-02-30", "20.11.2026", "1763631037"] {
        assert_eq!(fault(OrderQuery::created_between(start, "2026-11-20")), "start", "{start:?}");
    }
}

#[test]
fn an_end_must_be_a_day_or_a_moment() {
    for end in ["", "tomorrow", "2026-11-20T25:00:00Z", "2026-11-20T09:30:00"] {
        assert_eq!(fault(OrderQuery::created_between("2026-11-20", end)), "end", "{end:?}");
    }
}

#[test]
fn an_end_must_not_lie_before_the_start() {
    assert_eq!(fault(OrderQuery::created_between("2026-11-21", "2026-11-20")), "end");
}

#[test]
fn a_day_is_whole_and_in_utc() {
    let query = OrderQuery::created_between("2026-11-20", "2026-11-20").unwrap();

    let start = moment("2026-11-20T00:00:00Z");
    let end = moment("2026-11-20T23:59:59.999999Z");
    assert_eq!(query, OrderQuery::CreatedBetween { start, end });
}

#[test]
fn a_moment_counts_with_its_offset() {
    let at = "2026-11-20T09:30:00+02:00";

    let query = OrderQuery::created_between(at, at).unwrap();

    let at = moment("2026-11-20T07:30:00Z");
    assert_eq!(query, OrderQuery::CreatedBetween { start: at, end: at });
}

/// The argument that an error names, as its text does.
fn fault<T: std::fmt::Debug>(query: Result<T, InvalidQuery>) -> &'static str {
    let error = query.unwrap_err();
    assert!(error.to_string().starts_with(error.argument), "{error}");
    error.argument
}
