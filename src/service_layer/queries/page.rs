//! Long lists in pages, each found by where the one before it ended.

use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Datelike, Utc};

use super::order_query::YEARS;
use super::{InvalidQuery, OrderQuery, Sort};
use crate::domain::{Order, OrderId, Status};

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Only orders behind this place; from the beginning when there is none.
    pub after: Option<Place>,
    /// Most orders.
    pub limit: u32,
}

/// Where an order stands in a list, however the list is sorted.
///
/// As text it is a name for programs to hand back, not to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub status: Status,
    pub created_at: DateTime<Utc>,
    pub order_id: OrderId,
}

impl Page {
    /// The first orders.
    pub fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }

    /// The orders behind a place.
    pub fn after(place: Place, limit: u32) -> Self {
        Self { after: Some(place), limit }
    }

    /// No order on this page was created later.
    pub fn until(&self, query: &OrderQuery) -> Option<DateTime<Utc>> {
        let place = match query.sort() {
            Sort::NewestFirst => self.after.as_ref().map(|place| place.created_at),
            Sort::ByStatus => None,
        };
        query.until.into_iter().chain(place).min()
    }
}

impl Place {
    pub fn of(order: &Order) -> Self {
        Self {
            status: order.status(),
            created_at: order.created_at(),
            order_id: order.order_id().clone(),
        }
    }

    /// What sorts places as the orders of the list are sorted.
    pub fn key(&self, sort: Sort) -> impl Ord + use<> {
        let status = match sort {
            Sort::ByStatus => Some(self.status),
            Sort::NewestFirst => None,
        };
        (status, Reverse(self.created_at), self.order_id.clone())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, created_at, order_id } = self;
        let fields = format!("{}.{}.{order_id}", status.code(), created_at.timestamp_micros());
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(fields))
    }
}

impl FromStr for Place {
    type Err = InvalidQuery;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        read(text)
            .ok_or_else(|| InvalidQuery::new("after", "must be the next of an earlier answer"))
    }
}

fn read(text: &str) -> Option<Place> {
    let fields = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let mut fields = fields.splitn(3, '.');
    let status = Status::try_from(fields.next()?.parse::<i64>().ok()?).ok()?;
    let created_at = DateTime::from_timestamp_micros(fields.next()?.parse().ok()?)?;
    let order_id = OrderId::new(fields.next()?).ok()?;
    YEARS.contains(&created_at.year()).then_some(Place { status, created_at, order_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(order_id: &str) -> Place {
        Place {
            status: Status::Shipping,
            created_at: "2026-11-20T09:30:37.123456Z".parse().unwrap(),
            order_id: OrderId::new(order_id).unwrap(),
        }
    }

    #[test]
    fn a_place_survives_being_text() {
        for order_id in ["1", "GS.1.2", "ü/?&=", "'; --", &"ü".repeat(64)] {
            let text = place(order_id).to_string();

            assert_eq!(text.parse(), Ok(place(order_id)), "{text}");
            let is_plain = |it: u8| it.is_ascii_alphanumeric() || it == b'-' || it == b'_';
            assert!(text.bytes().all(is_plain), "{text}");
        }
    }

    #[test]
    fn what_is_no_place_is_refused() {
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
            assert_eq!(text.parse::<Place>().unwrap_err().argument, "after", "{text:?}");
        }
    }

    #[test]
    fn the_status_counts_only_where_the_list_is_sorted_by_it() {
        let received = Place { status: Status::Received, ..place("2") };
        let shipping = place("1");

        assert!(received.key(Sort::ByStatus) < shipping.key(Sort::ByStatus));
        assert!(shipping.key(Sort::NewestFirst) < received.key(Sort::NewestFirst));
    }
}
