//! Pagination.

use std::sync::Arc;

use order_worker::domain::{OrderId, Status};
use order_worker::messages::Message;
use order_worker::service_layer::{OrderCursor, OrderQueries, OrderQuery, Page};

use super::queries::{customer, handle_each, place_sample_orders};
use super::{TestDatabase, bus_with_clock, outcomes};
use crate::builders::WithContent;
use crate::support::clock::TickingClock;
use crate::support::messages::{place, set_status};

pub async fn a_page_keeps_to_its_limit<D: TestDatabase>(database: &D) {
    place_sample_orders(database).await;

    let (first, place) = page(database, &OrderQuery::all(), None, 2).await;
    let (second, _) = page(database, &OrderQuery::all(), place, 3).await;

    assert_eq!(first, ["6", "5"]);
    assert_eq!(second, ["4", "3", "2"]);
}

pub async fn pages_together_give_each_order_once_and_in_order<D: TestDatabase>(database: &D) {
    place_sample_orders(database).await;
    let from = database.queries().order(&OrderId::new("2").unwrap()).await.unwrap();
    let from = from.map(|found| found.order.created_at());

    for query in [
        OrderQuery::all(),
        OrderQuery::of_customer(customer("Ada")),
        OrderQuery::incomplete_of(customer("Ada")),
        OrderQuery::in_status(Status::Received),
        OrderQuery { from, until: None, ..OrderQuery::all() },
        OrderQuery { customer_id: None, ..OrderQuery::incomplete_of(customer("Ada")) },
    ] {
        let (whole, _) = page(database, &query, None, 100).await;
        for limit in 1..=3 {
            assert_eq!(all_pages(database, &query, limit).await, whole, "{limit}: {query:?}");
        }
    }
}

pub async fn orders_placed_at_the_same_time_are_paged_by_order_id<D: TestDatabase>(database: &D) {
    let moments = [["5", "b", "10"], ["9", "B", "a"], ["7", "é", "'"]]
        .map(|ids| ids.map(|order_id| place(order_id).of_customer("Ada")));
    handle_each(database, moments.iter().map(<[Message; 3]>::as_slice)).await;
    let shipped = ["B", "a", "b"].map(|order_id| set_status(order_id, Status::Shipping));
    outcomes(database, &shipped).await;

    let all = all_pages(database, &OrderQuery::all(), 2).await;
    let of_ada = all_pages(database, &OrderQuery::of_customer(customer("Ada")), 2).await;

    assert_eq!(all, ["'", "7", "é", "9", "B", "a", "10", "5", "b"]);
    assert_eq!(of_ada, ["'", "7", "é", "9", "10", "5", "B", "a", "b"]);
}

pub async fn orders_placed_meanwhile_repeat_none_and_hide_none<D: TestDatabase>(database: &D) {
    place_sample_orders(database).await;
    let queries = [OrderQuery::all(), OrderQuery::of_customer(customer("Ada"))];

    let later = TickingClock::from("2026-11-20T10:30:00Z");
    let mut bus = bus_with_clock(database, Arc::new(later));

    for (new, query) in ["7", "8"].into_iter().zip(queries) {
        let (whole, _) = page(database, &query, None, 100).await;
        let (mut seen, last) = page(database, &query, None, 2).await;
        bus.handle_batch(&[place(new).of_customer("Ada")]).await;
        let (rest, _) = page(database, &query, last, 100).await;
        seen.extend(rest);
        assert_eq!(seen, whole, "{query:?}");
    }
}

pub async fn a_page_behind_the_last_order_is_empty<D: TestDatabase>(database: &D) {
    place_sample_orders(database).await;
    let (_, last) = page(database, &OrderQuery::all(), None, 6).await;

    let (rest, place) = page(database, &OrderQuery::all(), last, 6).await;

    assert_eq!((rest, place), (vec![], None));
}

/// The ids on a page, and the cursor of its last order, as a client passes it back.
async fn page<D: TestDatabase>(
    database: &D,
    query: &OrderQuery,
    after: Option<OrderCursor>,
    limit: u32,
) -> (Vec<String>, Option<OrderCursor>) {
    let orders = database.queries().orders(query, &Page { after, limit }).await.unwrap();
    let place = orders.last().map(|order| OrderCursor::of(order).to_string().parse().unwrap());
    (orders.iter().map(|order| order.order_id().to_string()).collect(), place)
}

async fn all_pages<D: TestDatabase>(database: &D, query: &OrderQuery, limit: u32) -> Vec<String> {
    let (mut all, mut last) = (Vec::new(), None);
    loop {
        let (ids, place) = page(database, query, last, limit).await;
        assert!(ids.len() <= limit as usize);
        all.extend(ids);
        match place {
            Some(place) => last = Some(place),
            None => return all,
        }
    }
}
