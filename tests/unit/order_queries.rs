//! Valid and invalid order queries.

use order_worker::domain::{CustomerId, Status};
use order_worker::service_layer::{OrderQuery, OrderQueryText, Sort, StatusFilter};

use crate::support::clock::moment;

#[test]
fn without_any_part_all_orders_are_asked_for() {
    assert_eq!(OrderQueryText::default().read(), Ok(OrderQuery::all()));
}

#[test]
fn a_customer_id_must_be_an_identifier() {
    for customer_id in ["", "a\nb", &"x".repeat(65)] {
        assert_eq!(fault(of(customer_id)), "customer", "{customer_id:?}");
    }
}

#[test]
fn a_status_must_be_one_of_the_six() {
    for status in ["", "0", "7", "Paid"] {
        assert_eq!(fault(in_status(status)), "status", "{status:?}");
    }
    assert_eq!(in_status("2").read(), Ok(OrderQuery::in_status(Status::Processing)));
}

#[test]
fn a_status_cannot_stand_beside_incomplete() {
    let both = OrderQueryText { incomplete: true, ..in_status("Received") };

    assert_eq!(fault(both), "incomplete");
}

#[test]
fn a_beginning_must_be_a_day_or_a_moment() {
    for from in [
        "",
        "yesterday",
        "2026-13-01",
        "2026-02-30",
        "20.11.2026",
        "1763631037",
        "-4800-01-01",
        "+10000-01-01",
    ] {
        assert_eq!(fault(between(from, "2026-11-20")), "from", "{from:?}");
    }
}

#[test]
fn an_end_must_be_a_day_or_a_moment() {
    for until in ["", "tomorrow", "2026-11-20T25:00:00Z", "2026-11-20T09:30:00"] {
        assert_eq!(fault(between("2026-11-20", until)), "until", "{until:?}");
    }
}

#[test]
fn an_end_must_not_lie_before_the_beginning() {
    assert_eq!(fault(between("2026-11-21", "2026-11-20")), "until");
}

#[test]
fn a_day_is_whole_and_in_utc() {
    let query = between("2026-11-20", "2026-11-20").read();

    let from = moment("2026-11-20T00:00:00Z");
    let until = moment("2026-11-20T23:59:59.999999Z");
    assert_eq!(query, Ok(OrderQuery::created_between(from, until)));
}

#[test]
fn a_moment_counts_with_its_offset() {
    let text = "2026-11-20T09:30:00+02:00";

    let query = between(text, text).read();

    let at = moment("2026-11-20T07:30:00Z");
    assert_eq!(query, Ok(OrderQuery::created_between(at, at)));
}

#[test]
fn a_period_may_be_open() {
    let query = OrderQueryText { until: Some("2026-11-20"), ..of("14") }.read().unwrap();

    assert_eq!(query.from, None);
    assert_eq!(query.until, Some(moment("2026-11-20T23:59:59.999999Z")));
    assert_eq!(query.customer_id, Some(CustomerId::new("14").unwrap()));
}

#[test]
fn the_orders_of_a_customer_come_by_status_unless_it_is_given() {
    let ada = || CustomerId::new("Ada").unwrap();
    let incomplete = OrderQuery { status: Some(StatusFilter::Incomplete), ..OrderQuery::default() };
    for (query, sort) in [
        (OrderQuery::of_customer(ada()), Sort::ByStatus),
        (OrderQuery::incomplete_of(ada()), Sort::ByStatus),
        (OrderQuery::completed_of(ada()), Sort::NewestFirst),
        (incomplete, Sort::NewestFirst),
        (OrderQuery::all(), Sort::NewestFirst),
    ] {
        assert_eq!(query.sort(), sort, "{query:?}");
    }
}

fn of(customer: &str) -> OrderQueryText<'_> {
    OrderQueryText { customer: Some(customer), ..OrderQueryText::default() }
}

fn in_status(status: &str) -> OrderQueryText<'_> {
    OrderQueryText { status: Some(status), ..OrderQueryText::default() }
}

fn between<'a>(from: &'a str, until: &'a str) -> OrderQueryText<'a> {
    OrderQueryText { from: Some(from), until: Some(until), ..OrderQueryText::default() }
}

/// The argument that an error names; its text must name it too.
fn fault(query: OrderQueryText<'_>) -> &'static str {
    let error = query.read().unwrap_err();
    assert!(error.to_string().starts_with(error.argument), "{error}");
    error.argument
}
