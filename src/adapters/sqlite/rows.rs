//! Reads SQLite's rows into the row types shared with PostgreSQL.

use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::errors::store_error;
use crate::adapters::rows::{HandledRow, HistoryRecord, OrderRow};
use crate::domain::Order;
use crate::service_layer::{HistoryEntry, InboxEntry, StoreError};

/// The columns that [`order_from`] reads, from `orders o`.
macro_rules! order_columns {
    () => {
        "o.order_id, o.customer_id, o.customer_name, o.customer_email, o.total, o.status,
         o.created_at, o.last_updated, o.version, (
             select json_group_array(json_object(
                 'product_id', i.product_id, 'name', i.name, 'quantity', i.quantity,
                 'price_cents', i.price_per_unit) order by i.line)
             from order_items i where i.order_id = o.order_id) as items"
    };
}

/// The columns that [`handled_from`] reads, from `handled_messages h` joined with `orders o`.
macro_rules! handled_columns {
    () => {
        "h.message_id, hex(h.body_hash) as body_hash, h.command, h.order_id, o.status, h.outcome,
         h.code, h.handled_at"
    };
}

pub(super) use {handled_columns, order_columns};

pub(super) fn order_from(row: &SqliteRow) -> Result<Order, StoreError> {
    order_row(row).map_err(|error| store_error(&error))?.into_order()
}

pub(super) fn handled_from(row: &SqliteRow) -> Result<InboxEntry, StoreError> {
    handled_row(row).map_err(|error| store_error(&error))?.into_handled()
}

pub(super) fn entry_from(row: &SqliteRow) -> Result<HistoryEntry, StoreError> {
    history_record(row).map_err(|error| store_error(&error))?.into_entry()
}

fn order_row(row: &SqliteRow) -> Result<OrderRow, sqlx::Error> {
    let items = serde_json::from_str(row.try_get("items")?);
    Ok(OrderRow {
        order_id: row.try_get("order_id")?,
        customer_id: row.try_get("customer_id")?,
        customer_name: row.try_get("customer_name")?,
        customer_email: row.try_get("customer_email")?,
        total_cents: row.try_get("total")?,
        status: row.try_get("status")?,
        created_at: timestamp(row, "created_at")?,
        last_updated: timestamp(row, "last_updated")?,
        version: row.try_get("version")?,
        items: items.map_err(|error| undecodable("items", error))?,
    })
}

fn handled_row(row: &SqliteRow) -> Result<HandledRow, sqlx::Error> {
    Ok(HandledRow {
        message_id: row.try_get("message_id")?,
        body_hash: row.try_get("body_hash")?,
        command: row.try_get("command")?,
        order_id: row.try_get("order_id")?,
        status: row.try_get("status")?,
        outcome: row.try_get("outcome")?,
        code: row.try_get("code")?,
        handled_at: timestamp(row, "handled_at")?,
    })
}

fn history_record(row: &SqliteRow) -> Result<HistoryRecord, sqlx::Error> {
    Ok(HistoryRecord {
        version: row.try_get("version")?,
        previous_status: row.try_get("previous_status")?,
        status: row.try_get("status")?,
        changed_at: timestamp(row, "changed_at")?,
        command: row.try_get("command")?,
        caused_by: row.try_get("caused_by")?,
        reason: row.try_get("reason")?,
    })
}

fn timestamp(row: &SqliteRow, column: &str) -> Result<DateTime<Utc>, sqlx::Error> {
    let timestamp = DateTime::from_timestamp_micros(row.try_get(column)?);
    timestamp.ok_or_else(|| undecodable(column, "is out of range for a timestamp"))
}

pub(super) fn undecodable(
    column: &str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: source.into() }
}
