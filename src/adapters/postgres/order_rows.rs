//! Reads orders for the read side: one statement for the orders, a second one for their items.
//! Items never change and are committed with their order, so the two need no transaction.

use std::collections::HashMap;

use rust_decimal::Decimal;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::errors::store_error;
use super::pool::{PgQuery, Pool};
use crate::adapters::rows::{ItemRow, OrderRow};
use crate::domain::Order;
use crate::service_layer::StoreError;

/// The columns that [`order_row`] reads, by position: names would be looked up for each row.
macro_rules! order_columns {
    () => {
        "order_id, customer_id, customer_name, customer_email, total, status, created_at,
         last_updated, version"
    };
}

pub(super) use order_columns;

/// The columns that [`item_row`] reads, by position.
const ITEMS: &str = "
    select order_id, line, product_id, name, quantity, price_per_unit from order_items
    where order_id = any($1)";

/// The orders that a statement with [`order_columns`] returns, in its order.
pub(super) async fn orders_with_items(
    readers: &Pool,
    statement: impl Fn() -> PgQuery<'static>,
) -> Result<Vec<Order>, StoreError> {
    let found = readers.fetch_all(statement).await?;
    let mut orders = found
        .iter()
        .map(order_row)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| store_error(&error))?;
    if !orders.is_empty() {
        add_items(readers, &mut orders).await?;
    }
    orders.into_iter().map(OrderRow::into_order).collect()
}

async fn add_items(readers: &Pool, orders: &mut [OrderRow]) -> Result<(), StoreError> {
    let order_ids: Vec<&str> = orders.iter().map(|order| order.order_id.as_str()).collect();
    let found = readers.fetch_all(|| sqlx::query(ITEMS).bind(&order_ids)).await?;
    let mut lines: HashMap<&str, Vec<(i16, ItemRow)>> = HashMap::with_capacity(orders.len());
    for row in &found {
        let (order_id, line, item) = item_row(row).map_err(|error| store_error(&error))?;
        lines.entry(order_id).or_default().push((line, item));
    }
    for order in orders {
        let mut lines = lines.remove(order.order_id.as_str()).unwrap_or_default();
        lines.sort_unstable_by_key(|(line, _)| *line);
        order.items = lines.into_iter().map(|(_, item)| item).collect();
    }
    Ok(())
}

fn order_row(row: &PgRow) -> Result<OrderRow, sqlx::Error> {
    Ok(OrderRow {
        order_id: row.try_get(0)?,
        customer_id: row.try_get(1)?,
        customer_name: row.try_get(2)?,
        customer_email: row.try_get(3)?,
        total_cents: cents(row, 4)?,
        status: row.try_get::<i16, _>(5)?.into(),
        created_at: row.try_get(6)?,
        last_updated: row.try_get(7)?,
        version: row.try_get(8)?,
        items: Vec::new(),
    })
}

fn item_row(row: &PgRow) -> Result<(&str, i16, ItemRow), sqlx::Error> {
    let item = ItemRow {
        product_id: row.try_get(2)?,
        name: row.try_get(3)?,
        quantity: row.try_get::<i32, _>(4)?.into(),
        price_cents: cents(row, 5)?,
    };
    Ok((row.try_get(0)?, row.try_get(1)?, item))
}

/// The cents of a `numeric` column with two decimals.
fn cents(row: &PgRow, position: usize) -> Result<i64, sqlx::Error> {
    let mut amount: Decimal = row.try_get(position)?;
    amount.rescale(2);
    i64::try_from(amount.mantissa()).map_err(|error| sqlx::Error::Decode(error.into()))
}
