//! The facts of a schedule, and the invariants that are checked against them immediately.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use order_worker::domain::OrderId;
use order_worker::messages::{
    BodyHash, DeadLetterCode, OutboxKey, OutboxMessage, Publication, PublishStatus, Target,
};
use order_worker::service_layer::Changes;
use tokio::time::Instant;
use uuid::Uuid;

use super::intents::Intent;

/// When a row was committed to the outbox, and its position among all commits.
#[derive(Debug, Clone, Copy)]
pub struct Commit {
    pub at: Instant,
    pub place: usize,
}

/// Facts of one schedule; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// By label.
    intents: BTreeMap<String, Intent>,
    /// Committed inbox entries, and the labels of committed events and replies.
    handled: BTreeMap<String, BodyHash>,
    announced: BTreeSet<String>,
    commits: BTreeMap<Uuid, Commit>,
    transactions: usize,
    /// Events that may leave the outbox: the pipeline knows their publish status.
    released: BTreeSet<Uuid>,
    /// How many copies of an intent were confirmed, and how many deliveries were settled because of them.
    copies: BTreeMap<String, u32>,
    settled_by_copy: BTreeMap<String, u32>,
    /// Intents in the order in which they were first published.
    published: Vec<String>,
    /// The commit in which each intent first took effect, by its position among all commits.
    effects: BTreeMap<String, usize>,
    /// Intents of which a copy was sent to a retry queue or the dead letters.
    copied: BTreeSet<String>,
    /// Sent over HTTP at least once; only.
    ever_requested: BTreeSet<String>,
    requested: BTreeSet<String>,
    /// Their clients gave up, knowing that they have no effect.
    abandoned: BTreeSet<String>,
    refused: BTreeMap<String, DeadLetterCode>,
    /// All copies of events, in the order of sending.
    sent: Vec<Publication>,
    violations: Vec<String>,
}

impl Ledger {
    /// A publisher sends the intent, over AMQP or HTTP.
    pub fn publishes(&self, intent: &Intent, as_request: bool) {
        let mut state = self.lock();
        let is_first = state.intents.insert(intent.label.clone(), intent.clone()).is_none();
        if is_first {
            state.published.push(intent.label.clone());
        }
        if as_request {
            state.ever_requested.insert(intent.label.clone());
        }
        if !as_request {
            state.requested.remove(&intent.label);
        } else if is_first {
            state.requested.insert(intent.label.clone());
        }
    }

    /// A client learns that its command took effect. I5: only after the commit.
    pub fn responds_to_request(&self, label: &str) {
        let mut state = self.lock();
        if !state.is_done(label) {
            state.violations.push(format!("I5: {label} was answered before its commit"));
        }
    }

    /// A client learns that its command is rejected.
    pub fn rejects(&self, label: &str, code: DeadLetterCode) {
        self.lock().refused.insert(label.to_owned(), code);
    }

    /// A client gives up on a missing order.
    pub fn abandons(&self, label: &str) {
        self.lock().abandoned.insert(label.to_owned());
    }

    pub fn refused(&self) -> BTreeMap<String, DeadLetterCode> {
        self.lock().refused.clone()
    }

    /// Whether it was sent over HTTP only, and its client knows that it has no effect.
    pub fn is_abandoned(&self, label: &str) -> bool {
        let state = self.lock();
        state.requested.contains(label)
            && (state.abandoned.contains(label) || state.refused.contains_key(label))
    }

    pub fn committed(&self, changes: &Changes) {
        let mut state = self.lock();
        state.transactions += 1;
        for handled in &changes.handled {
            let message_id = handled.message_id.to_string();
            if let Some(label) = state.label_of(&message_id, handled.body_hash) {
                state.takes_effect(label);
            }
            state.handled.insert(message_id, handled.body_hash);
        }
        for label in changes.outbox.iter().filter_map(|message| message.correlation_id.clone()) {
            state.takes_effect(label);
        }
        for outgoing in &changes.outbox {
            state.announced.extend(outgoing.correlation_id.clone());
            let commit = Commit { at: Instant::now(), place: state.commits.len() };
            state.commits.insert(outgoing.key.event_id, commit);
        }
    }

    pub fn commit_of(&self, event_id: Uuid) -> Commit {
        self.lock().commits[&event_id]
    }

    /// Sorts messages like their keys, but by commit instead of the random event id.
    pub fn sort(&self, messages: &mut [OutboxMessage]) {
        messages.sort_by_cached_key(|message| self.sort_key(&message.key));
    }

    pub fn sort_key(&self, key: &OutboxKey) -> (OrderId, i32, usize) {
        (key.order_id.clone(), key.version, self.commit_of(key.event_id).place)
    }

    /// Rows are deleted from the outbox. I5: only after the broker's confirm.
    pub fn removes(&self, keys: &[OutboxKey]) {
        let mut state = self.lock();
        for OutboxKey { order_id, version, event_id } in keys {
            if !state.released.contains(event_id) {
                let what = format!("I5: {order_id} v{version} left the outbox unconfirmed");
                state.violations.push(what);
            }
        }
    }

    pub fn sends(&self, publication: &Publication) {
        match publication.target {
            Target::Events { .. } => self.lock().sent.push(publication.clone()),
            Target::Retry { .. } | Target::DeadLetters { .. } => {
                self.lock().copied.insert(label_of(publication));
            }
            Target::Commands { .. } | Target::Partition { .. } | Target::Queue { .. } => {}
        }
    }

    /// The pipeline learns the publish status of a message.
    pub fn publish_result(
        &self,
        publication: &Publication,
        status: PublishStatus,
        keeps_unroutable: bool,
    ) {
        let mut state = self.lock();
        match (&publication.target, status) {
            // A reply may be lost once it was attempted.
            (Target::Queue { .. }, _) | (Target::Events { .. }, PublishStatus::Confirmed) => {
                state.released.extend(event_id_of(publication));
            }
            (Target::Events { .. }, PublishStatus::Unroutable) if !keeps_unroutable => {
                state.released.extend(event_id_of(publication));
            }
            (
                Target::Partition { .. } | Target::Retry { .. } | Target::DeadLetters { .. },
                PublishStatus::Confirmed,
            ) => {
                *state.copies.entry(label_of(publication)).or_default() += 1;
            }
            (
                Target::Events { .. }
                | Target::Commands { .. }
                | Target::Partition { .. }
                | Target::Retry { .. }
                | Target::DeadLetters { .. },
                _,
            ) => {}
        }
    }

    /// A delivery is settled. I5: only after its commit, or the confirm of its copy.
    pub fn settles(&self, label: &str) {
        let mut state = self.lock();
        if state.is_done(label) {
            return;
        }
        let settled = state.settled_by_copy.entry(label.to_owned()).or_default();
        *settled += 1;
        let settled = *settled;
        if settled > state.copies.get(label).copied().unwrap_or(0) {
            state.violations.push(format!("I5: {label} was settled before its commit or its copy"));
        }
    }

    pub fn is_done(&self, label: &str) -> bool {
        self.lock().is_done(label)
    }

    pub fn intents(&self) -> Vec<Intent> {
        self.lock().intents.values().cloned().collect()
    }

    /// What became of the intents, in the order in which they were first published.
    pub fn journeys(&self) -> Vec<Journey> {
        let state = self.lock();
        let journey = |label: &String| Journey {
            intent: state.intents[label].clone(),
            first_effect: state.effects.get(label).copied(),
            stayed_in_order: !state.ever_requested.contains(label) && !state.copied.contains(label),
        };
        state.published.iter().map(journey).collect()
    }

    /// The order of the command with this message id.
    pub fn order_of(&self, message_id: &str) -> Option<String> {
        let state = self.lock();
        let is_it = |intent: &&Intent| intent.message_id.as_deref() == Some(message_id);
        state.intents.values().find(is_it).and_then(|intent| intent.order_id.clone())
    }

    pub fn intent(&self, label: &str) -> Option<Intent> {
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    /// The intent with this message id and body.
    fn label_of(&self, message_id: &str, body_hash: BodyHash) -> Option<String> {
        let is_it = |intent: &&Intent| {
            intent.message_id.as_deref() == Some(message_id)
                && intent.body_hash() == Some(body_hash)
        };
        self.intents.values().find(is_it).map(|intent| intent.label.clone())
    }

    fn takes_effect(&mut self, label: String) {
        let transaction = self.transactions;
        self.effects.entry(label).or_insert(transaction);
    }

    /// Whether the intent's effect is in the database.
    fn is_done(&self, label: &str) -> bool {
        let Some(intent) = self.intents.get(label) else { return false };
        let handled = intent.message_id.as_ref().and_then(|id| self.handled.get(id));
        self.announced.contains(label)
            || handled.is_some() && handled.copied() == intent.body_hash()
    }
}

/// How an intent got to its effect.
#[derive(Debug)]
pub struct Journey {
    pub intent: Intent,
    /// The position of the transaction in which it first took effect.
    pub first_effect: Option<usize>,
    /// Whether it came by the queue only, and the worker sent no copy of it to a retry queue or the
    /// dead letters.
    pub stayed_in_order: bool,
}

/// The label of the intent to which a message belongs.
pub fn label_of(publication: &Publication) -> String {
    publication.properties.correlation_id.clone().unwrap_or_default()
}

fn event_id_of(publication: &Publication) -> Option<Uuid> {
    publication.properties.message_id.as_deref()?.parse().ok()
}
