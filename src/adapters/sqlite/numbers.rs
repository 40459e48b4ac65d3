//! Assigns numbers to orders that are placed without an id, from a counter.

use sqlx::SqliteConnection;

use super::errors::store_error;
use crate::domain::OrderId;
use crate::service_layer::{BatchLookup, StoreError};

const LAST: &str = "select last_number from order_numbers";

const UNUSED: &str = "
with recursive candidates (number) as (
    values (?1) union all select number + 1 from candidates where number < ?2
)
select number from candidates
where not exists (select 1 from orders where order_id = cast(number as text))
order by number";

const SAVE_LAST: &str = "update order_numbers set last_number = ?1";

/// As many unused numbers as the batch needs. Checks twice as many candidates each time, so that a
/// long run of used numbers takes few statements.
///
/// A rollback releases the numbers: no other transaction can have taken them.
pub(super) async fn unused(
    connection: &mut SqliteConnection,
    needs: &BatchLookup,
) -> Result<Vec<OrderId>, StoreError> {
    if needs.new_orders == 0 {
        return Ok(Vec::new());
    }
    find_and_save(connection, needs).await.map_err(|error| store_error(&error))
}

async fn find_and_save(
    connection: &mut SqliteConnection,
    needs: &BatchLookup,
) -> Result<Vec<OrderId>, sqlx::Error> {
    let mut numbers = Vec::with_capacity(needs.new_orders);
    let mut last: i64 = sqlx::query_scalar(LAST).fetch_one(&mut *connection).await?;
    let mut next = last + 1;
    let mut count = i64::try_from(needs.new_orders).unwrap_or(i64::MAX);
    while numbers.len() < needs.new_orders {
        let query = sqlx::query_scalar(UNUSED).bind(next).bind(next + count - 1);
        let candidates: Vec<i64> = query.fetch_all(&mut *connection).await?;
        for number in candidates {
            if numbers.len() == needs.new_orders {
                break;
            }
            last = number;
            let order_id = OrderId::from_number(number.unsigned_abs());
            if needs.order_ids.binary_search(&order_id).is_err() {
                numbers.push(order_id);
            }
        }
        next += count;
        count *= 2;
    }
    sqlx::query(SAVE_LAST).bind(last).execute(connection).await?;
    Ok(numbers)
}
