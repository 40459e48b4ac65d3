//! Reading what a batch names, in one round trip.

use serde::de::DeserializeOwned;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::connection::{ANSWER_TIMEOUT, store_error, within};
use crate::adapters::rows::{HandledRow, OrderRow};
use crate::domain::{MessageId, OrderId};
use crate::service_layer::{Loaded, Needs, StoreError};

/// The columns of [`HandledRow`] for the message ids `$1`.
macro_rules! handled_rows {
    () => {
        "(select json_agg(json_build_object(
            'message_id', h.message_id, 'body_hash', encode(h.body_hash, 'hex'),
            'command', h.command, 'order_id', h.order_id, 'status', o.status,
            'outcome', h.outcome, 'code', h.code, 'handled_at', h.handled_at))
         from handled_messages h left join orders o on o.order_id = h.order_id
         where h.message_id = any($1))::text as handled"
    };
}

/// The columns of [`OrderRow`] for the orders in `found`, sorted by its column `place`.
macro_rules! order_rows {
    () => {
        "(select json_agg(json_build_object(
            'order_id', f.order_id, 'customer_id', f.customer_id,
            'customer_name', f.customer_name, 'customer_email', f.customer_email,
            'total_cents', (f.total * 100)::bigint, 'status', f.status,
            'created_at', f.created_at, 'last_updated', f.last_updated, 'version', f.version,
            'items', (
                select json_agg(json_build_object(
                    'product_id', i.product_id, 'name', i.name, 'quantity', i.quantity,
                    'price_cents', (i.price_per_unit * 100)::bigint) order by i.line)
                from order_items i where i.order_id = f.order_id)) order by f.place)
         from found f)::text as orders"
    };
}

/// The orders are locked in the order of their ids, so that two batches cannot wait for each other.
/// Items never change after placing, so the statement's snapshot is good for them even when a lock
/// had to be waited for; the orders themselves are read again after the wait.
const LOAD: &str = concat!(
    "with found as (
        select *, 0 as place from orders where order_id = any($2) order by order_id for update
    ) select ",
    handled_rows!(),
    ", ",
    order_rows!()
);

pub(super) const HANDLED: &str = concat!("select ", handled_rows!());

pub(super) async fn load(
    connection: &mut PgConnection,
    needs: &Needs,
) -> Result<Loaded, StoreError> {
    let message_ids: Vec<&str> = needs.message_ids.iter().map(MessageId::as_str).collect();
    let order_ids: Vec<&str> = needs.order_ids.iter().map(OrderId::as_str).collect();
    let query = sqlx::query(LOAD).bind(message_ids).bind(order_ids);
    let row = within(ANSWER_TIMEOUT, query.fetch_one(connection)).await?;
    let mut loaded = Loaded::default();
    for handled in parsed::<HandledRow>(&row, "handled")? {
        let handled = handled.into_handled()?;
        loaded.handled.insert(handled.message_id.clone(), handled);
    }
    for order in parsed::<OrderRow>(&row, "orders")? {
        loaded.orders.push(order.into_order()?);
    }
    Ok(loaded)
}

/// Rows that came as one JSON list, null when there are none.
pub(super) fn parsed<T: DeserializeOwned>(row: &PgRow, column: &str) -> Result<Vec<T>, StoreError> {
    let json: Option<&str> = row.try_get(column).map_err(|error| store_error(&error))?;
    let rows = json.map_or(Ok(Vec::new()), serde_json::from_str);
    // The place of the fault is enough; its text could hold values.
    rows.map_err(|error| {
        StoreError::Refused(format!(
            "{column} cannot be read: column {} of the answer",
            error.column()
        ))
    })
}
