//! A query of orders, and its parser.

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};

use crate::domain::{CustomerId, Order, Status};

/// Years with four digits, whose timestamps both databases can store.
pub(super) const YEARS: RangeInclusive<i32> = 0..=9999;

/// Selects the orders that match all given criteria; all orders if there are none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrderQuery {
    pub customer_id: Option<CustomerId>,
    pub status: Option<StatusFilter>,
    /// Created at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Created at this time or earlier.
    pub until: Option<DateTime<Utc>>,
}

/// Selects orders by status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFilter {
    Only(Status),
    /// Every status but Completed.
    Incomplete,
}

/// The sort order of a list; ties are sorted by order id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// By status, then newest first.
    ByStatus,
    NewestFirst,
}

/// The arguments of a query as text.
#[derive(Debug, Clone, Copy, Default)]
pub struct OrderQueryText<'a> {
    pub customer: Option<&'a str>,
    /// By name or code.
    pub status: Option<&'a str>,
    pub incomplete: bool,
    /// An RFC 3339 timestamp, or a day in UTC (`2026-11-20`), which means its start.
    pub from: Option<&'a str>,
    /// As `from`, but a day means its end.
    pub until: Option<&'a str>,
}

/// An invalid argument of a query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{argument}: {problem}")]
pub struct InvalidQuery {
    pub argument: &'static str,
    pub problem: String,
}

impl OrderQuery {
    pub fn all() -> Self {
        Self::default()
    }

    /// All orders of a customer.
    pub fn of_customer(customer_id: CustomerId) -> Self {
        Self { customer_id: Some(customer_id), ..Self::default() }
    }

    /// A customer's orders in every status but Completed.
    pub fn incomplete_of(customer_id: CustomerId) -> Self {
        Self { status: Some(StatusFilter::Incomplete), ..Self::of_customer(customer_id) }
    }

    pub fn completed_of(customer_id: CustomerId) -> Self {
        Self { customer_id: Some(customer_id), ..Self::in_status(Status::Completed) }
    }

    pub fn in_status(status: Status) -> Self {
        Self { status: Some(StatusFilter::Only(status)), ..Self::default() }
    }

    /// The orders created in a period, including both ends.
    pub fn created_between(from: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Self { from: Some(from), until: Some(until), ..Self::default() }
    }

    /// By status if the query has a customer but not a single status; otherwise newest first.
    pub fn sort(&self) -> Sort {
        match (&self.customer_id, self.status) {
            (Some(_), None | Some(StatusFilter::Incomplete)) => Sort::ByStatus,
            (Some(_), Some(StatusFilter::Only(_))) | (None, _) => Sort::NewestFirst,
        }
    }

    /// Whether the order matches the query.
    pub fn matches(&self, order: &Order) -> bool {
        let created_at = order.created_at();
        self.customer_id.as_ref().is_none_or(|it| *it == order.customer().customer_id)
            && self.status.is_none_or(|filter| filter.includes(order.status()))
            && self.from.is_none_or(|from| from <= created_at)
            && self.until.is_none_or(|until| created_at <= until)
    }
}

impl StatusFilter {
    pub fn includes(self, status: Status) -> bool {
        match self {
            Self::Only(only) => status == only,
            Self::Incomplete => status != Status::Completed,
        }
    }
}

impl OrderQueryText<'_> {
    /// # Errors
    /// Names the argument that is not a customer id, status, day or timestamp; `until` if it is before
    /// `from`; `incomplete` if it is combined with a `status`.
    pub fn read(&self) -> Result<OrderQuery, InvalidQuery> {
        let customer_id = self.customer.map(CustomerId::new).transpose();
        let from = self.from.map(|text| period_of("from", text)).transpose()?;
        let until = self.until.map(|text| period_of("until", text)).transpose()?;
        let query = OrderQuery {
            customer_id: customer_id
                .map_err(|error| InvalidQuery::new("customer", error.to_string()))?,
            status: self.status_filter()?,
            from: from.map(|(first, _)| first),
            until: until.map(|(_, last)| last),
        };
        if let (Some(from), Some(until)) = (query.from, query.until)
            && until < from
        {
            return Err(InvalidQuery::new("until", "must not be before from"));
        }
        Ok(query)
    }

    fn status_filter(&self) -> Result<Option<StatusFilter>, InvalidQuery> {
        let Some(text) = self.status else {
            return Ok(self.incomplete.then_some(StatusFilter::Incomplete));
        };
        if self.incomplete {
            return Err(InvalidQuery::new("incomplete", "cannot be combined with a status"));
        }
        let status = text.parse().map_err(|error: crate::domain::UnknownStatus| {
            InvalidQuery::new("status", error.to_string())
        })?;
        Ok(Some(StatusFilter::Only(status)))
    }
}

impl InvalidQuery {
    pub fn new(argument: &'static str, problem: impl Into<String>) -> Self {
        Self { argument, problem: problem.into() }
    }
}

/// The first and the last timestamp of a day; twice the same for a single timestamp.
fn period_of(
    argument: &'static str,
    text: &str,
) -> Result<(DateTime<Utc>, DateTime<Utc>), InvalidQuery> {
    if let Ok(timestamp) = DateTime::parse_from_rfc3339(text) {
        return Ok((timestamp.to_utc(), timestamp.to_utc()));
    }
    let day = text.parse::<NaiveDate>().ok().filter(|day| YEARS.contains(&day.year()));
    let day = day.ok_or_else(|| {
        let problem =
            "must be a day such as 2026-11-20 or a timestamp such as 2026-11-20T09:30:00Z";
        InvalidQuery::new(argument, problem)
    })?;
    let last =
        day.and_hms_micro_opt(23, 59, 59, 999_999).expect("every day has a last microsecond");
    Ok((day.and_time(NaiveTime::MIN).and_utc(), last.and_utc()))
}
