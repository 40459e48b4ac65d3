//! What the servers know for certain, and the promises that are checked against it at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use order_worker::domain::OrderId;
use order_worker::service_layer::{
    BodyHash, Changes, DeadLetterCode, OutboxKey, OutboxMessage, Publication, PublishStatus, Target,
};
use tokio::time::Instant;
use uuid::Uuid;

use super::intents::IdempotencyKey;

/// When a row came into the outbox: the moment, and its place among all that ever did.
#[derive(Debug, Clone, Copy)]
pub struct Commit {
    pub at: Instant,
    pub place: usize,
}

/// Facts of one schedule; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    /// By label.
    intents: BTreeMap<String, IdempotencyKey>,
    /// Committed: the inbox, and the labels of what events and answers were about.
    handled: BTreeMap<String, BodyHash>,
    told: BTreeSet<String>,
    commits: BTreeMap<Uuid, Commit>,
    /// The pipeline heard that the broker is done with these.
    judged: BTreeSet<Uuid>,
    /// How many copies of an intent were confirmed, and how many deliveries settled on their ground.
    copies: BTreeMap<String, u32>,
    settled_by_copy: BTreeMap<String, u32>,
    /// Sent over HTTP alone.
    requested: BTreeSet<String>,
    /// Their clients know that they have no effect.
    let_be: BTreeSet<String>,
    refused: BTreeMap<String, DeadLetterCode>,
    /// Events in the order in which they were sent to the broker, each copy.
    sent: Vec<Publication>,
    violations: Vec<String>,
}

impl Ledger {
    /// Somebody publishes the intent, or sends it as a request.
    pub fn publishes(&self, intent: &IdempotencyKey, as_request: bool) {
        let mut book = self.lock();
        let is_first = book.intents.insert(intent.label.clone(), intent.clone()).is_none();
        if !as_request {
            book.requested.remove(&intent.label);
        } else if is_first {
            book.requested.insert(intent.label.clone());
        }
    }

    /// A client learns that its command had its effect: not before that is committed.
    pub fn answers_request(&self, label: &str) {
        let mut book = self.lock();
        if !book.is_done(label) {
            book.violations.push(format!("I5: {label} was answered before its commit"));
        }
    }

    /// A client learns that its command can have no effect.
    pub fn refuses(&self, label: &str, code: DeadLetterCode) {
        self.lock().refused.insert(label.to_owned(), code);
    }

    /// A client no longer asks for an order that is not there.
    pub fn lets_be(&self, label: &str) {
        self.lock().let_be.insert(label.to_owned());
    }

    pub fn refused(&self) -> BTreeMap<String, DeadLetterCode> {
        self.lock().refused.clone()
    }

    /// Whether the only one who wanted it knows that it has no effect.
    pub fn is_let_be(&self, label: &str) -> bool {
        let book = self.lock();
        book.requested.contains(label)
            && (book.let_be.contains(label) || book.refused.contains_key(label))
    }

    pub fn committed(&self, changes: &Changes) {
        let mut book = self.lock();
        for handled in &changes.handled {
            book.handled.insert(handled.message_id.to_string(), handled.body_hash);
        }
        for outgoing in &changes.outgoing {
            book.told.extend(outgoing.correlation_id.clone());
            let commit = Commit { at: Instant::now(), place: book.commits.len() };
            book.commits.insert(outgoing.key.event_id, commit);
        }
    }

    pub fn commit_of(&self, event_id: Uuid) -> Commit {
        self.lock().commits[&event_id]
    }

    /// Sorts messages as their keys do, but without the chance that is in event ids.
    pub fn sort(&self, messages: &mut [OutboxMessage]) {
        messages.sort_by_cached_key(|message| self.sort_key(&message.key));
    }

    pub fn sort_key(&self, key: &OutboxKey) -> (OrderId, i32, usize) {
        (key.order_id.clone(), key.version, self.commit_of(key.event_id).place)
    }

    /// A row leaves the outbox: not before the broker answered for it.
    pub fn removes(&self, keys: &[OutboxKey]) {
        let mut book = self.lock();
        for OutboxKey { order_id, version, event_id } in keys {
            if !book.judged.contains(event_id) {
                let what = format!("I5: {order_id} v{version} left the outbox unconfirmed");
                book.violations.push(what);
            }
        }
    }

    pub fn sends(&self, publication: &Publication) {
        if let Target::Events { .. } = publication.target {
            self.lock().sent.push(publication.clone());
        }
    }

    /// The pipeline learns what became of a message.
    pub fn answers(
        &self,
        publication: &Publication,
        status: PublishStatus,
        keeps_unroutable: bool,
    ) {
        let mut book = self.lock();
        match (&publication.target, status) {
            // A reply may be lost, once it was tried.
            (Target::Queue { .. }, _) | (Target::Events { .. }, PublishStatus::Confirmed) => {
                book.judged.extend(event_id_of(publication));
            }
            (Target::Events { .. }, PublishStatus::Unroutable) if !keeps_unroutable => {
                book.judged.extend(event_id_of(publication));
            }
            (Target::Retry { .. } | Target::DeadLetters { .. }, PublishStatus::Confirmed) => {
                *book.copies.entry(label_of(publication)).or_default() += 1;
            }
            (
                Target::Events { .. }
                | Target::Commands { .. }
                | Target::Retry { .. }
                | Target::DeadLetters { .. },
                _,
            ) => {}
        }
    }

    /// A delivery is settled: not before its effect is committed, or a copy of it is confirmed.
    pub fn settles(&self, label: &str) {
        let mut book = self.lock();
        if book.is_done(label) {
            return;
        }
        let settled = book.settled_by_copy.entry(label.to_owned()).or_default();
        *settled += 1;
        let settled = *settled;
        if settled > book.copies.get(label).copied().unwrap_or(0) {
            book.violations.push(format!("I5: {label} was settled before its commit or its copy"));
        }
    }

    pub fn is_done(&self, label: &str) -> bool {
        self.lock().is_done(label)
    }

    pub fn intents(&self) -> Vec<IdempotencyKey> {
        self.lock().intents.values().cloned().collect()
    }

    pub fn intent(&self, label: &str) -> Option<IdempotencyKey> {
        self.lock().intents.get(label).cloned()
    }

    pub fn sent(&self) -> Vec<Publication> {
        self.lock().sent.clone()
    }

    pub fn violated(&self, what: String) {
        self.lock().violations.push(what);
    }

    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap()
    }
}

impl Book {
    /// Whether the intent's effect is in the database.
    fn is_done(&self, label: &str) -> bool {
        let Some(intent) = self.intents.get(label) else { return false };
        let handled = intent.message_id.as_ref().and_then(|id| self.handled.get(id));
        self.told.contains(label) || handled.is_some() && handled.copied() == intent.body_hash()
    }
}

/// Whose copy a message is.
pub fn label_of(publication: &Publication) -> String {
    publication.properties.correlation_id.clone().unwrap_or_default()
}

fn event_id_of(publication: &Publication) -> Option<Uuid> {
    publication.properties.message_id.as_deref()?.parse().ok()
}
