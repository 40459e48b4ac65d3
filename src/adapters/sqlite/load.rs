//! Loads the orders and handled messages of a batch.

use futures_util::TryStreamExt;
use sqlx::SqliteConnection;

use super::errors::store_error;
use super::rows::{handled_columns, handled_from, order_columns, order_from};
use super::statement::{json_list, rows_for};
use crate::domain::{MessageId, OrderId};
use crate::service_layer::{BatchLookup, BatchState, MAX_LOADED_ITEMS, StoreError};

const LOAD_HANDLED: &str = concat!(
    "select ",
    handled_columns!(),
    " from json_each(?1) as named
      join handled_messages h on h.message_id = named.value
      left join orders o on o.order_id = h.order_id"
);

const LOAD_ORDERS: &str = concat!(
    "select ",
    order_columns!(),
    " from json_each(?1) as named join orders o on o.order_id = named.value"
);

pub(super) async fn load(
    connection: &mut SqliteConnection,
    needs: &BatchLookup,
) -> Result<BatchState, StoreError> {
    if needs.assume_new {
        return Ok(BatchState::default());
    }
    let message_ids = json_list(needs.message_ids.iter().map(MessageId::as_str));
    let order_ids = json_list(needs.order_ids.iter().map(OrderId::as_str));
    let mut loaded = BatchState::default();
    for row in rows_for(connection, LOAD_HANDLED, message_ids).await? {
        let handled = handled_from(&row)?;
        loaded.handled.insert(handled.message_id.clone(), handled);
    }
    if needs.order_ids.is_empty() {
        return Ok(loaded);
    }
    let mut items = 0;
    let mut rows = sqlx::query(LOAD_ORDERS).bind(order_ids).fetch(connection);
    while let Some(row) = rows.try_next().await.map_err(|error| store_error(&error))? {
        let order = order_from(&row)?;
        items += order.items().iter().count();
        if items > MAX_LOADED_ITEMS && needs.order_ids.len() > 1 {
            return Err(StoreError::TooLarge);
        }
        loaded.orders.push(order);
    }
    Ok(loaded)
}
