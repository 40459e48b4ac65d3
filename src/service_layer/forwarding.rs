//! The way of messages that are not done with: their copies go to a retry queue or to the dead
//! letters, and the broker gets its own back when those are safe.

use tokio::sync::mpsc;

use super::{
    ByteHold, DeadLetterCode, Health, Publication, Publisher, Settlement, Settlements, Tag,
    publish_all,
};

/// Copies of a message (and answers about it) that must be confirmed before it is acknowledged.
#[derive(Debug)]
pub struct Forward {
    pub tag: Tag,
    pub copies: Vec<Publication>,
    /// What the message becomes with them, if they make a dead letter of it.
    pub dead_letter: Option<DeadLetterCode>,
    /// The bytes that the message takes of the budget.
    pub hold: Option<ByteHold>,
}

/// Publishes the forwards of all lanes. They do not wait behind events: as long as a message is not
/// acknowledged, all that came after it can only be acknowledged one by one.
#[derive(Debug)]
pub struct Forwarding<P> {
    pub publisher: P,
    pub health: Health,
    pub settlements: Settlements,
    /// Those of one batch at a time.
    pub forwards: mpsc::Receiver<Vec<Forward>>,
}

impl<P: Publisher> Forwarding<P> {
    /// Runs until the lanes have ended and all that they left is published.
    pub async fn run(mut self) {
        while let Some(forwards) = self.forwards.recv().await {
            self.publish(forwards).await;
        }
    }

    async fn publish(&mut self, forwards: Vec<Forward>) {
        let mut publications = Vec::with_capacity(forwards.len());
        let mut acks = Vec::with_capacity(forwards.len());
        let mut dead_letters = Vec::new();
        let mut holds = Vec::new();
        for Forward { tag, copies, dead_letter, hold } in forwards {
            publications.extend(copies);
            acks.push(Settlement::Ack(tag));
            dead_letters.extend(dead_letter);
            holds.extend(hold);
        }
        publish_all(&mut self.publisher, &self.health, publications).await;
        drop(holds);
        for code in dead_letters {
            self.health.metrics().publishing.dead_lettered(code);
        }
        // Without a source to take it, the message comes again: a copy more, none less.
        let _ = self.settlements.send(acks);
    }
}
