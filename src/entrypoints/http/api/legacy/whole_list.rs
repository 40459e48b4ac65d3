//! All orders of a query as one JSON array.
//!
//! They are read page by page while the response is sent, so that a list of any length takes the memory
//! of one page, and a slow client holds no database connection.

use std::sync::Arc;

use axum::BoxError;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::stream::{self, Stream};

use super::order::StoreOrder;
use crate::domain::Order;
use crate::entrypoints::http::Problem;
use crate::entrypoints::http::api::response::{json, json_body};
use crate::service_layer::{OrderCursor, OrderQueries, OrderQuery, Page, StoreError};

/// Maximum number of orders read at a time.
const PAGE_SIZE: u32 = 500;

/// Expected size of an order, in bytes.
const ORDER_BYTES: usize = 400;

/// # Errors
/// When the database is unavailable. If it fails in the middle of a long list, the connection is closed
/// before the end of the body.
pub async fn respond(
    queries: Arc<dyn OrderQueries>,
    query: OrderQuery,
) -> Result<Response, Problem> {
    let orders = queries.orders(&query, &Page::first(PAGE_SIZE)).await?;
    if is_last(&orders) {
        let list: Vec<_> = orders.iter().map(StoreOrder::from).collect();
        return json(StatusCode::OK, &list, ORDER_BYTES * orders.len() + 2);
    }
    let list = LongList { queries, query, next: Next::First(orders) };
    Ok(json_body(StatusCode::OK, Body::from_stream(list.into_chunks())))
}

/// A list that is being sent.
struct LongList {
    queries: Arc<dyn OrderQueries>,
    query: OrderQuery,
    next: Next,
}

enum Next {
    First(Vec<Order>),
    After(OrderCursor),
    End,
}

impl LongList {
    fn into_chunks(self) -> impl Stream<Item = Result<Bytes, BoxError>> {
        stream::try_unfold(self, Self::next_chunk)
    }

    async fn next_chunk(mut self) -> Result<Option<(Bytes, Self)>, BoxError> {
        let (opening, orders) = match std::mem::replace(&mut self.next, Next::End) {
            Next::First(orders) => ("[", orders),
            Next::After(cursor) => (",", self.page_after(cursor).await?),
            Next::End => return Ok(None),
        };
        if let Some(last) = orders.last().filter(|_| !is_last(&orders)) {
            self.next = Next::After(OrderCursor::of(last));
        }
        Ok(Some((chunk(opening, &orders)?, self)))
    }

    async fn page_after(&self, cursor: OrderCursor) -> Result<Vec<Order>, StoreError> {
        let page = Page::after(cursor, PAGE_SIZE);
        let orders = self.queries.orders(&self.query, &page).await;
        orders.inspect_err(|error| tracing::warn!(%error, "A list of orders was cut off"))
    }
}

fn is_last(page: &[Order]) -> bool {
    page.len() < PAGE_SIZE as usize
}

/// A page as a part of the array, which ends with the last page.
fn chunk(opening: &str, orders: &[Order]) -> serde_json::Result<Bytes> {
    let mut text = Vec::with_capacity(ORDER_BYTES * orders.len() + 2);
    let mut separator = opening;
    for order in orders {
        text.extend_from_slice(separator.as_bytes());
        serde_json::to_writer(&mut text, &StoreOrder::from(order))?;
        separator = ",";
    }
    if is_last(orders) {
        text.push(b']');
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use serde_json::Value;

    use super::*;
    use crate::bootstrap::{Database, system_clock};
    use crate::config::DatabaseUrl;
    use crate::domain::Customer;
    use crate::domain::{
        Command, CustomerId, Email, Item, Money, Name, OrderId, PlaceOrder, ProductId, Quantity,
    };
    use crate::messages::Message;
    use crate::service_layer::{Health, InFlight, MessageBus};

    fn place(order_id: String) -> Message {
        let item = Item {
            product_id: ProductId::new("1").unwrap(),
            name: Name::default(),
            quantity: Quantity::try_from(1).unwrap(),
            price_per_unit: Money::ZERO,
        };
        let customer = Customer {
            customer_id: CustomerId::new("14").unwrap(),
            name: Name::default(),
            email: Email::default(),
        };
        let command = Command::PlaceOrder(PlaceOrder {
            order_id: Some(OrderId::new(order_id).unwrap()),
            customer,
            items: vec![item].try_into().unwrap(),
            total: Money::ZERO,
        });
        Message {
            command,
            idempotency_key: None,
            correlation_id: None,
            reply_to: None,
            traceparent: None,
        }
    }

    async fn listed(database: &Database) -> Vec<i64> {
        let response = respond(database.orders(), OrderQuery::all()).await.unwrap();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let list: Vec<Value> = serde_json::from_slice(&body).unwrap();
        list.iter().map(|order| order["id"].as_i64().unwrap()).collect()
    }

    #[tokio::test]
    async fn a_list_of_any_length_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("orders.db").display());
        let url = DatabaseUrl::Sqlite(url.parse().unwrap());
        let database = Database::at(&url).await.unwrap();
        database.migrate().await.unwrap();
        let mut bus = MessageBus::new(
            database.store(),
            system_clock(),
            Health::default(),
            InFlight::default(),
        );
        let mut placed = 0;
        for count in [0, 1, 499, 500, 501, 1_000, 1_200] {
            let new: Vec<Message> =
                (placed..count).map(|n| place(format!("{}", n + 1_000))).collect();
            bus.handle_batch(&new).await;
            placed = count;

            let mut ids = listed(&database).await;

            ids.sort_unstable();
            assert_eq!(ids, (1_000..1_000 + count).collect::<Vec<i64>>(), "{count} orders");
        }
    }
}
