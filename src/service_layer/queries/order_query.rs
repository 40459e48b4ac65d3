//! Which orders somebody asks for.

use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};

use crate::domain::{CustomerId, Order, Status};

/// The years that have four digits: every database has a place for their moments.
pub(super) const YEARS: RangeInclusive<i32> = 0..=9999;

/// The orders that meet every part that is given; all orders when none is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrderQuery {
    pub customer_id: Option<CustomerId>,
    pub status: Option<StatusFilter>,
    /// Created at this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Created at this moment or earlier.
    pub until: Option<DateTime<Utc>>,
}

/// Which statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFilter {
    Only(Status),
    /// Every status but Completed.
    Incomplete,
}

/// The order of a list; ties go by order id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// By status, then newest first.
    ByStatus,
    NewestFirst,
}

/// The parts of a query as somebody wrote them.
#[derive(Debug, Clone, Copy, Default)]
pub struct OrderQueryText<'a> {
    pub customer: Option<&'a str>,
    /// By name or code.
    pub status: Option<&'a str>,
    pub incomplete: bool,
    /// An RFC 3339 moment, or a day (`2026-11-20`, in UTC) from its beginning.
    pub from: Option<&'a str>,
    /// As `from`; a day to its end.
    pub until: Option<&'a str>,
}

/// An argument of a query that means nothing.
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

    /// The orders of a period, both ends included.
    pub fn created_between(from: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Self { from: Some(from), until: Some(until), ..Self::default() }
    }

    /// By status where a customer is named and no single status; else newest first.
    pub fn sort(&self) -> Sort {
        match (&self.customer_id, self.status) {
            (Some(_), None | Some(StatusFilter::Incomplete)) => Sort::ByStatus,
            (Some(_), Some(StatusFilter::Only(_))) | (None, _) => Sort::NewestFirst,
        }
    }

    /// Whether an order is one of them.
    pub fn asks_for(&self, order: &Order) -> bool {
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
    /// Naming the argument that is no customer id, status, day or moment; `until` when it lies
    /// before `from`; `incomplete` beside a `status`.
    pub fn read(&self) -> Result<OrderQuery, InvalidQuery> {
        let customer_id = self.customer.map(CustomerId::new).transpose();
        let from = self.from.map(|text| moments("from", text)).transpose()?;
        let until = self.until.map(|text| moments("until", text)).transpose()?;
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
            return Err(InvalidQuery::new("until", "must not lie before from"));
        }
        Ok(query)
    }

    fn status_filter(&self) -> Result<Option<StatusFilter>, InvalidQuery> {
        let Some(text) = self.status else {
            return Ok(self.incomplete.then_some(StatusFilter::Incomplete));
        };
        if self.incomplete {
            return Err(InvalidQuery::new("incomplete", "cannot stand beside a status"));
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

/// The first and the last moment that a text names: both the same, but for a whole day.
fn moments(
    argument: &'static str,
    text: &str,
) -> Result<(DateTime<Utc>, DateTime<Utc>), InvalidQuery> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok((moment.to_utc(), moment.to_utc()));
    }
    let day = text.parse::<NaiveDate>().ok().filter(|day| YEARS.contains(&day.year()));
    let day = day.ok_or_else(|| {
        let problem = "must be a day such as 2026-11-20 or a moment such as 2026-11-20T09:30:00Z";
        InvalidQuery::new(argument, problem)
    })?;
    let last =
        day.and_hms_micro_opt(23, 59, 59, 999_999).expect("every day has a last microsecond");
    Ok((day.and_time(NaiveTime::MIN).and_utc(), last.and_utc()))
}
