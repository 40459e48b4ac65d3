//! Implements the port `DeadLetterStore` for every [`DeadLetterDatabase`].

use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::rows::{
    audit_entry, dead_letter_count, dead_letter_group, dead_letter_record, dead_letter_summary,
    int, state_code,
};
use super::{DeadLetterDatabase, DeadLetterTransaction, Statement, collect, sql};
use crate::domain::MessageId;
use crate::service_layer::StoreError;
use crate::service_layer::dead_letters::{
    AuditEntry, DeadLetter, DeadLetterCount, DeadLetterCursor, DeadLetterFilter, DeadLetterGroup,
    DeadLetterRecord, DeadLetterStore, DeadLetterSummary, Pruned, Retention, Revision,
};

#[async_trait]
impl<D: DeadLetterDatabase + Debug> DeadLetterStore for D {
    async fn collect(
        &self,
        dead_letters: &[DeadLetter],
        now: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let mut transaction = self.begin().await?;
        let mut changed = 0;
        for dead_letter in dead_letters {
            changed += collect::collect_one(&mut transaction, dead_letter, now).await?;
        }
        transaction.commit().await?;
        Ok(changed)
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<DeadLetterCursor>,
        limit: u32,
    ) -> Result<Vec<DeadLetterSummary>, StoreError> {
        let dead_letters = matching(sql::DEAD_LETTERS, filter)
            .timestamp(after.map(|cursor| cursor.failed_at))
            .optional_int(after.map(|cursor| cursor.id))
            .int(limit);
        let found = self.read(dead_letters).await?;
        found.iter().map(dead_letter_summary).collect()
    }

    async fn dead_letter_ids(
        &self,
        filter: &DeadLetterFilter,
        limit: u32,
    ) -> Result<Vec<i64>, StoreError> {
        let found = self.read(matching(sql::DEAD_LETTER_IDS, filter).int(limit)).await?;
        found.iter().map(|row| int(row, "id")).collect()
    }

    async fn dead_letter_groups(
        &self,
        filter: &DeadLetterFilter,
        limit: u32,
    ) -> Result<Vec<DeadLetterGroup>, StoreError> {
        let found = self.read(matching(sql::DEAD_LETTER_GROUPS, filter).int(limit)).await?;
        found.iter().map(dead_letter_group).collect()
    }

    async fn dead_letter_counts(
        &self,
        filter: &DeadLetterFilter,
        limit: u32,
    ) -> Result<Vec<DeadLetterCount>, StoreError> {
        let found = self.read(matching(sql::DEAD_LETTER_COUNTS, filter).int(limit)).await?;
        found.iter().map(dead_letter_count).collect()
    }

    async fn dead_letter(&self, id: i64) -> Result<Option<DeadLetterRecord>, StoreError> {
        let found = self.read(Statement::new(sql::DEAD_LETTER).int(id)).await?;
        found.first().map(dead_letter_record).transpose()
    }

    async fn dead_letter_of_message(
        &self,
        message_id: &MessageId,
    ) -> Result<Option<DeadLetterRecord>, StoreError> {
        let query = Statement::new(sql::DEAD_LETTER_OF_MESSAGE).text(message_id.as_str());
        self.read(query).await?.first().map(dead_letter_record).transpose()
    }

    async fn dead_letter_actions(&self, id: i64) -> Result<Vec<AuditEntry>, StoreError> {
        let found = self.read(Statement::new(sql::ACTIONS).int(id)).await?;
        found.iter().map(audit_entry).collect()
    }

    async fn claim_dead_letter(
        &self,
        id: i64,
        max_replays: u32,
        abandoned_before: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Option<DeadLetterRecord>, StoreError> {
        let claim = Statement::new(sql::CLAIM).int(id).int(max_replays);
        let mut transaction = self.begin().await?;
        let claimed = transaction.rows(claim.timestamp(abandoned_before).timestamp(now)).await?;
        let claimed = claimed.first().map(dead_letter_record).transpose()?;
        transaction.commit().await?;
        Ok(claimed)
    }

    async fn finish_replay(
        &self,
        id: i64,
        replay: u32,
        confirmed: bool,
        action: &AuditEntry,
    ) -> Result<(), StoreError> {
        let finish = if confirmed { sql::CONFIRM_REPLAY } else { sql::UNDO_REPLAY };
        let mut transaction = self.begin().await?;
        transaction
            .execute(Statement::new(finish).int(id).int(replay).timestamp(action.at))
            .await?;
        transaction.execute(insert_action(id, action)).await?;
        transaction.commit().await
    }

    async fn revise_dead_letter(
        &self,
        id: i64,
        revision: u32,
        revised: &Revision,
        action: &AuditEntry,
    ) -> Result<bool, StoreError> {
        change_and_audit(self, revision_of(id, revision, revised, action.at), id, action).await
    }

    async fn discard_dead_letter(&self, id: i64, action: &AuditEntry) -> Result<bool, StoreError> {
        change_and_audit(
            self,
            Statement::new(sql::DISCARD).int(id).timestamp(action.at),
            id,
            action,
        )
        .await
    }

    async fn restore_dead_letter(&self, id: i64, action: &AuditEntry) -> Result<bool, StoreError> {
        change_and_audit(
            self,
            Statement::new(sql::RESTORE).int(id).timestamp(action.at),
            id,
            action,
        )
        .await
    }

    async fn record_action(&self, id: i64, action: &AuditEntry) -> Result<bool, StoreError> {
        change_and_audit(self, Statement::new(sql::LOCK).int(id), id, action).await
    }

    async fn prune(&self, retention: &Retention, limit: u32) -> Result<Pruned, StoreError> {
        self.prune_rows(retention, limit).await
    }
}

/// Changes a dead letter and adds the audit entry, in one transaction.
async fn change_and_audit(
    database: &impl DeadLetterDatabase,
    change: Statement<'_>,
    id: i64,
    action: &AuditEntry,
) -> Result<bool, StoreError> {
    let mut transaction = database.begin().await?;
    let changed = transaction.execute(change).await? > 0;
    if changed {
        transaction.execute(insert_action(id, action)).await?;
    }
    transaction.commit().await?;
    Ok(changed)
}

fn insert_action(id: i64, action: &AuditEntry) -> Statement<'_> {
    Statement::new(sql::INSERT_ACTION)
        .int(id)
        .timestamp(action.at)
        .text(action.who.as_str())
        .text(action.what.as_str())
        .text(action.why.as_deref())
        .text(action.verdict.as_str())
}

fn revision_of(id: i64, revision: u32, revised: &Revision, at: DateTime<Utc>) -> Statement<'_> {
    let Revision { body, subject, reason } = revised;
    let reason = reason.as_ref();
    Statement::new(sql::REVISE)
        .int(id)
        .int(revision)
        .bytes(&body[..])
        .text(subject.command.as_deref())
        .text(subject.order_id.as_deref())
        .text(subject.customer_id.as_deref())
        .text(reason.map(|reason| reason.code.as_str()))
        .text(reason.map(|reason| reason.detail.as_str()))
        .text(reason.map(|reason| reason.pattern.as_str()))
        .owned_text(reason.map(|reason| reason.detail.to_lowercase()))
        .timestamp(at)
}

/// A statement with a filter; its other parameters start at `$11`.
fn matching<'a>(text: &'static str, filter: &'a DeadLetterFilter) -> Statement<'a> {
    Statement::new(text)
        .optional_int(filter.state.map(state_code))
        .text(filter.code.as_deref())
        .text(filter.command.as_deref())
        .text(filter.order_id.as_deref())
        .text(filter.customer_id.as_deref())
        .owned_text(filter.text.as_deref().map(containing))
        .text(filter.publisher.as_deref())
        .text(filter.pattern.as_deref())
        .timestamp(filter.failed_until)
        .timestamp(filter.failed_from)
}

/// The `like` pattern for text that contains this one; wildcards in it are escaped.
fn containing(text: &str) -> String {
    let mut like = String::from("%");
    for character in text.to_lowercase().chars() {
        if matches!(character, '%' | '_' | '\\') {
            like.push('\\');
        }
        like.push(character);
    }
    like.push('%');
    like
}
