//! Keyset pagination: each page starts after the last order of the previous one.

use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike, Utc};

use super::order_query::YEARS;
use super::{InvalidQuery, OrderQuery, Sort};
use crate::domain::{Order, OrderId, Status};

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Only orders after this position; `None` for the first page.
    pub after: Option<OrderCursor>,
    /// Maximum orders.
    pub limit: u32,
}

/// The position of an order in a list, for any sort order.
///
/// Its text is opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderCursor {
    pub status: Status,
    pub created_at: DateTime<Utc>,
    pub order_id: OrderId,
}

impl Page {
    /// The first orders.
    pub fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }

    /// The orders after a position.
    pub fn after(cursor: OrderCursor, limit: u32) -> Self {
        Self { after: Some(cursor), limit }
    }

    /// An upper bound of the creation times on this page.
    pub fn until(&self, query: &OrderQuery) -> Option<DateTime<Utc>> {
        let created_until = match query.sort() {
            Sort::NewestFirst => self.after.as_ref().map(|cursor| cursor.created_at),
            Sort::ByStatus => None,
        };
        query.until.into_iter().chain(created_until).min()
    }
}

impl OrderCursor {
    pub fn of(order: &Order) -> Self {
        Self {
            status: order.status(),
            created_at: order.created_at(),
            order_id: order.order_id().clone(),
        }
    }

    /// The sort key.
    pub fn key(&self, sort: Sort) -> impl Ord + use<> {
        let status = match sort {
            Sort::ByStatus => Some(self.status),
            Sort::NewestFirst => None,
        };
        (status, Reverse(self.created_at), self.order_id.clone())
    }
}

impl fmt::Display for OrderCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, created_at, order_id } = self;
        let fields = format!("{}.{}.{order_id}", status.code(), created_at.timestamp_micros());
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(fields))
    }
}

impl FromStr for OrderCursor {
    type Err = InvalidQuery;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text).ok_or_else(|| {
            InvalidQuery::new("after", "must be the value of next from an earlier response")
        })
    }
}

fn read(text: &str) -> Option<OrderCursor> {
    let fields = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let mut fields = fields.splitn(3, '.');
    let status = Status::try_from(fields.next()?.parse::<i64>().ok()?).ok()?;
    let created_at = DateTime::from_timestamp_micros(fields.next()?.parse().ok()?)?;
    let order_id = OrderId::new(fields.next()?).ok()?;
    YEARS.contains(&created_at.year()).then_some(OrderCursor { status, created_at, order_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(order_id: &str) -> OrderCursor {
        OrderCursor {
            status: Status::Shipping,
            created_at: "2026-11-20T09:30:37.123456Z".parse().unwrap(),
            order_id: OrderId::new(order_id).unwrap(),
        }
    }

    #[test]
    fn a_cursor_can_be_parsed_from_its_text() {
        for order_id in ["1", "GS.1.2", "ü/?&=", "'; --", &"ü".repeat(64)] {
            let text = cursor(order_id).to_string();

            assert_eq!(text.parse(), Ok(cursor(order_id)), "{text}");
            let is_plain = |it: u8| it.is_ascii_alphanumeric() || it == b'-' || it == b'_';
            assert!(text.bytes().all(is_plain), "{text}");
        }
    }

    #[test]
    fn an_invalid_cursor_is_rejected() {
        let encode = |fields: &str| BASE64_URL_SAFE_NO_PAD.encode(fields);
        for text in [
            String::new(),
            "14".to_owned(),
            "ü".to_owned(),
            encode("4.0"),
            encode("7.0.14"),
            encode("4.x.14"),
            encode("4.9223372036854775807.14"),
            encode("4.-1000000000000000000.14"),
            encode("4.0."),
            encode("4.0.a\0b"),
        ] {
            assert_eq!(text.parse::<OrderCursor>().unwrap_err().argument, "after", "{text:?}");
        }
    }

    #[test]
    fn the_status_counts_only_where_the_list_is_sorted_by_it() {
        let received = OrderCursor { status: Status::Received, ..cursor("2") };
        let shipping = cursor("1");

        assert!(received.key(Sort::ByStatus) < shipping.key(Sort::ByStatus));
        assert!(shipping.key(Sort::NewestFirst) < received.key(Sort::NewestFirst));
    }
}
