//! Moves dead letters from their queue into the table.

use std::sync::Arc;

use super::parse;
use crate::service_layer::dead_letters::{DeadLetter, DeadLetterStore};
use crate::service_layer::{Backoff, Clock, CommandSource, Settlement, StoreError};

/// Maximum dead letters in one transaction.
const MAX_AT_ONCE: usize = 100;

/// Collects until the source ends. A dead letter is acknowledged after its commit, never before;
/// while the database is unavailable, they stay in the queue.
pub async fn collect(
    source: CommandSource,
    store: Arc<dyn DeadLetterStore>,
    clock: Arc<dyn Clock>,
) {
    let CommandSource { mut deliveries, settlements, channel_epoch } = source;
    let mut waiting = Vec::new();
    while deliveries.recv_many(&mut waiting, MAX_AT_ONCE).await > 0 {
        let (mut tags, mut dead_letters, mut reservations) = (Vec::new(), Vec::new(), Vec::new());
        for mut delivery in waiting.drain(..) {
            if !channel_epoch.is_stale(delivery.tag) {
                tags.push(delivery.tag);
                reservations.push(delivery.reservation.take());
                dead_letters.push(parse::read(delivery, clock.now()));
            }
        }
        let kept = keep(&*store, &dead_letters, &*clock).await;
        drop((dead_letters, reservations));
        let acks = tags.into_iter().zip(kept).filter(|(_, kept)| *kept);
        // When the source has ended, the dead letters are redelivered, and the table knows them then.
        let _ = settlements.send(acks.map(|(tag, _)| Settlement::Ack(tag)).collect());
    }
}

/// Stores the dead letters, in one transaction or else one by one. Returns which are stored.
async fn keep(
    store: &dyn DeadLetterStore,
    dead_letters: &[DeadLetter],
    clock: &dyn Clock,
) -> Vec<bool> {
    if keep_all(store, dead_letters, clock).await {
        return vec![true; dead_letters.len()];
    }
    let mut kept = Vec::with_capacity(dead_letters.len());
    for dead_letter in dead_letters {
        let is_kept = keep_all(store, std::slice::from_ref(dead_letter), clock).await;
        if !is_kept {
            let code = &dead_letter.reason.code;
            tracing::error!(code, "The database rejects a dead letter, it stays in its queue");
        }
        kept.push(is_kept);
    }
    kept
}

/// Stores the dead letters in one transaction and retries while the database is unavailable.
/// Returns false when the database rejects them.
async fn keep_all(
    store: &dyn DeadLetterStore,
    dead_letters: &[DeadLetter],
    clock: &dyn Clock,
) -> bool {
    let mut backoff = Backoff::for_database();
    let mut is_logged = false;
    loop {
        match store.collect(dead_letters, clock.now()).await {
            Ok(new) => {
                if new > 0 {
                    tracing::info!(new, "Dead letters were moved into the table");
                }
                return true;
            }
            Err(StoreError::Refused(_)) => return false,
            Err(error) => {
                if !std::mem::replace(&mut is_logged, true) {
                    tracing::warn!(%error, "Dead letters stay in their queue until the database is available");
                }
                backoff.pause().await;
            }
        }
    }
}
