//! Assigns numbers to orders that are placed without an id, from a sequence.

use sqlx::PgConnection;

use super::response::{RESPONSE_TIMEOUT, within};
use crate::domain::OrderId;
use crate::service_layer::{BatchLookup, StoreError};

/// Leaves out numbers that shops have used as order ids. A scalar subquery looks each one up by
/// key; `not exists` would be planned as a join with a scan of all orders.
const UNUSED: &str = "
with candidates as materialized (
    select nextval('order_numbers')::text as number from generate_series(1, $1)
)
select number from candidates c
where (select o.order_id from orders o where o.order_id = c.number) is null";

/// As many unused numbers as the batch needs. Fetches twice as many each time, so that a long run
/// of used numbers takes few round trips; surplus numbers are never assigned.
pub(super) async fn unused(
    connection: &mut PgConnection,
    needs: &BatchLookup,
) -> Result<Vec<OrderId>, StoreError> {
    let mut numbers = Vec::with_capacity(needs.new_orders);
    let mut count = i32::try_from(needs.new_orders).unwrap_or(i32::MAX);
    while numbers.len() < needs.new_orders {
        let query = sqlx::query_scalar(UNUSED).bind(count);
        let candidates: Vec<String> =
            within(RESPONSE_TIMEOUT, query.fetch_all(&mut *connection)).await?;
        let candidates = candidates.into_iter().filter_map(|number| OrderId::new(number).ok());
        let free = candidates.filter(|number| needs.order_ids.binary_search(number).is_err());
        numbers.extend(free.take(needs.new_orders - numbers.len()));
        count = count.saturating_mul(2).min(1 << 20);
    }
    Ok(numbers)
}
