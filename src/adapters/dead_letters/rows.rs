//! Reads rows of the dead letter tables. An invalid row is an error, not a panic.

use std::fmt::Display;

use chrono::{DateTime, Utc};

use super::Columns;
use crate::service_layer::StoreError;
use crate::service_layer::dead_letters::{
    AuditAction, AuditEntry, DeadLetter, DeadLetterCount, DeadLetterGroup, DeadLetterKey,
    DeadLetterRecord, DeadLetterState, DeadLetterSummary, Reason, Subject, properties_from_json,
};

/// The code of a state in the tables.
pub fn state_code(state: DeadLetterState) -> i64 {
    match state {
        DeadLetterState::Open => 1,
        DeadLetterState::Replaying => 2,
        DeadLetterState::Replayed => 3,
        DeadLetterState::Discarded => 4,
    }
}

pub fn state(row: &impl Columns) -> Result<DeadLetterState, StoreError> {
    let code = int(row, "state")?;
    let state = DeadLetterState::ALL.into_iter().find(|state| state_code(*state) == code);
    state.ok_or_else(|| invalid("state", &"is unknown"))
}

pub fn dead_letter_record(row: &impl Columns) -> Result<DeadLetterRecord, StoreError> {
    Ok(DeadLetterRecord {
        id: int(row, "id")?,
        dead_letter: dead_letter(row)?,
        state: state(row)?,
        first_failed_at: timestamp(row, "first_failed_at")?,
        failures: count(row, "failures")?,
        replays: count(row, "replays")?,
        revision: count(row, "revision")?,
        original_body: row.bytes("original_body")?,
        changed_at: timestamp(row, "changed_at")?,
    })
}

fn dead_letter(row: &impl Columns) -> Result<DeadLetter, StoreError> {
    let properties = properties_from_json(&text(row, "properties")?);
    let replay_of = row.bytes("replay_of")?.map(|bytes| key("replay_of", &bytes)).transpose()?;
    Ok(DeadLetter {
        key: key("key", &bytes(row, "key")?)?,
        exchange: text(row, "exchange")?,
        routing_key: text(row, "routing_key")?,
        properties: properties.map_err(|error| invalid("properties", &error))?,
        body: bytes(row, "body")?,
        reason: reason(row)?,
        subject: subject(row)?,
        failed_at: timestamp(row, "last_failed_at")?,
        attempts: count(row, "attempts")?,
        replay_of: replay_of.map(|key| Ok((key, count(row, "replay")?))).transpose()?,
    })
}

fn reason(row: &impl Columns) -> Result<Reason, StoreError> {
    Ok(Reason {
        code: text(row, "code")?,
        detail: text(row, "detail")?,
        pattern: text(row, "pattern")?,
    })
}

fn subject(row: &impl Columns) -> Result<Subject, StoreError> {
    Ok(Subject {
        command: row.text("command")?,
        order_id: row.text("order_id")?,
        customer_id: row.text("customer_id")?,
    })
}

pub fn dead_letter_summary(row: &impl Columns) -> Result<DeadLetterSummary, StoreError> {
    Ok(DeadLetterSummary {
        id: int(row, "id")?,
        state: state(row)?,
        reason: reason(row)?,
        subject: subject(row)?,
        message_id: row.text("message_id")?,
        app_id: row.text("app_id")?,
        first_failed_at: timestamp(row, "first_failed_at")?,
        failed_at: timestamp(row, "last_failed_at")?,
        attempts: count(row, "attempts")?,
        failures: count(row, "failures")?,
        replays: count(row, "replays")?,
        revision: count(row, "revision")?,
        changed_at: timestamp(row, "changed_at")?,
    })
}

pub fn dead_letter_count(row: &impl Columns) -> Result<DeadLetterCount, StoreError> {
    let (state, code) = (state(row)?, text(row, "code")?);
    Ok(DeadLetterCount { state, code, count: count(row, "letters")?.into() })
}

pub fn dead_letter_group(row: &impl Columns) -> Result<DeadLetterGroup, StoreError> {
    Ok(DeadLetterGroup {
        code: text(row, "code")?,
        command: row.text("command")?,
        pattern: text(row, "pattern")?,
        count: count(row, "letters")?.into(),
        first_failed_at: timestamp(row, "first_failed_at")?,
        last_failed_at: timestamp(row, "last_failed_at")?,
        example: int(row, "example")?,
    })
}

pub fn audit_entry(row: &impl Columns) -> Result<AuditEntry, StoreError> {
    let what = text(row, "what")?;
    let what = AuditAction::ALL.into_iter().find(|action| action.as_str() == what);
    Ok(AuditEntry {
        at: timestamp(row, "done_at")?,
        who: text(row, "who")?,
        what: what.ok_or_else(|| invalid("what", &"is unknown"))?,
        why: row.text("why")?,
        verdict: text(row, "verdict")?,
    })
}

fn key(column: &str, bytes: &[u8]) -> Result<DeadLetterKey, StoreError> {
    bytes.try_into().map_err(|_| invalid(column, &"must have 16 bytes"))
}

pub fn count(row: &impl Columns, column: &str) -> Result<u32, StoreError> {
    u32::try_from(int(row, column)?).map_err(|error| invalid(column, &error))
}

pub fn int(row: &impl Columns, column: &str) -> Result<i64, StoreError> {
    not_null(column, row.int(column)?)
}

pub fn bytes(row: &impl Columns, column: &str) -> Result<Vec<u8>, StoreError> {
    not_null(column, row.bytes(column)?)
}

fn text(row: &impl Columns, column: &str) -> Result<String, StoreError> {
    not_null(column, row.text(column)?)
}

fn timestamp(row: &impl Columns, column: &str) -> Result<DateTime<Utc>, StoreError> {
    not_null(column, row.timestamp(column)?)
}

fn not_null<T>(column: &str, value: Option<T>) -> Result<T, StoreError> {
    value.ok_or_else(|| invalid(column, &"is null"))
}

fn invalid(column: &str, problem: &dyn Display) -> StoreError {
    StoreError::Refused(format!("a row of dead letters is invalid: {column} {problem}"))
}
