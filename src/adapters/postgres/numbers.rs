//! Numbers for orders that come without a name.

use sqlx::PgConnection;

use super::session::{ANSWER_TIMEOUT, within};
use crate::domain::OrderId;
use crate::service_layer::{BatchLookup, StoreError};

/// A sequence gives each number once; those that stores have used as names are left out. Each is
/// looked up by the key: as `not exists`, all would be joined with a scan of all orders.
const UNUSED: &str = "
with candidates as materialized (
    select nextval('order_numbers')::text as number from generate_series(1, $1)
)
select number from candidates c
where (select o.order_id from orders o where o.order_id = c.number) is null";

/// As many unused numbers as the batch needs. Asks for twice as many each time, so that a long run
/// of taken numbers is passed in few round trips; numbers that are left over stay unused for ever.
pub(super) async fn unused(
    connection: &mut PgConnection,
    needs: &BatchLookup,
) -> Result<Vec<OrderId>, StoreError> {
    let mut numbers = Vec::with_capacity(needs.new_orders);
    let mut ask = i32::try_from(needs.new_orders).unwrap_or(i32::MAX);
    while numbers.len() < needs.new_orders {
        let query = sqlx::query_scalar(UNUSED).bind(ask);
        let candidates: Vec<String> =
            within(ANSWER_TIMEOUT, query.fetch_all(&mut *connection)).await?;
        let candidates = candidates.into_iter().filter_map(|number| OrderId::new(number).ok());
        let free = candidates.filter(|number| needs.order_ids.binary_search(number).is_err());
        numbers.extend(free.take(needs.new_orders - numbers.len()));
        ask = ask.saturating_mul(2).min(1 << 20);
    }
    Ok(numbers)
}
