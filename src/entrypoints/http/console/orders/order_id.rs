//! The order that an address or a form names.

use crate::domain::OrderId;
use crate::entrypoints::http::Problem;

/// # Errors
/// When no order can have this id.
pub fn order_id(text: &str) -> Result<OrderId, Problem> {
    OrderId::new(text).map_err(|_| Problem::not_found("no order can have this id"))
}
