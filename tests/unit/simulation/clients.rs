//! Clients that send commands over HTTP, wait for the outcome, and do not give up easily.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use order_worker::entrypoints::command_client::{CommandClient, SubmitError};
use order_worker::entrypoints::decode;
use order_worker::service_layer::{Delivery, Message, Outcome};
use tokio::time::{sleep, timeout};

use super::chance::Chance;
use super::fault::Fault;
use super::intents::IdempotencyKey;
use super::ledger::Ledger;

/// How often a client asks for an order that is not there before it lets that be.
const MAX_ATTEMPTS: u32 = 4;

const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(3);

/// All clients, and the address at which they find the worker; clones share them.
#[derive(Debug, Clone)]
pub struct Clients {
    address: Arc<Mutex<Option<CommandClient>>>,
    waiting: Arc<Mutex<usize>>,
    chance: Chance,
    ledger: Ledger,
}

impl Clients {
    pub fn new(chance: Chance, ledger: Ledger) -> Self {
        Self { address: Arc::default(), waiting: Arc::default(), chance, ledger }
    }

    /// From now on they ask this worker, or find none.
    pub fn find(&self, worker: Option<CommandClient>) {
        *self.address.lock().unwrap() = worker;
    }

    /// How many have no outcome yet.
    pub fn waiting(&self) -> usize {
        *self.waiting.lock().unwrap()
    }

    /// One more client sends its command, again and again until it has an outcome.
    pub fn submit(&self, intent: &IdempotencyKey) {
        *self.waiting.lock().unwrap() += 1;
        let (client, intent) = (self.clone(), intent.clone());
        tokio::spawn(async move {
            client.insist(&intent).await;
            *client.waiting.lock().unwrap() -= 1;
        });
    }

    async fn insist(&self, intent: &IdempotencyKey) {
        let mut attempts = 0;
        loop {
            match self.ask(intent).await {
                Some(Outcome::RetryLater(_)) => {
                    attempts += 1;
                    if attempts == MAX_ATTEMPTS {
                        self.chance.note(&format!("{} has no order", intent.label));
                        return self.ledger.lets_be(&intent.label);
                    }
                }
                Some(Outcome::DeadLetter(reason)) => {
                    self.chance.note(&format!("{} is refused: {reason}", intent.label));
                    return self.ledger.refuses(&intent.label, reason.code);
                }
                Some(outcome) => {
                    self.chance.note(&format!("{} is answered: {}", intent.label, outcome.word()));
                    return self.ledger.answers_request(&intent.label);
                }
                None => {}
            }
            sleep(self.chance.wait(BETWEEN_ATTEMPTS)).await;
        }
    }

    /// The outcome, if there is one before the client hangs up.
    async fn ask(&self, intent: &IdempotencyKey) -> Option<Outcome> {
        let worker = self.address.lock().unwrap().clone()?;
        let answer = worker.handle(message(intent));
        let answer = if self.chance.fires(Fault::ClientHungUp) {
            timeout(self.chance.wait(PATIENCE), answer).await.ok()?
        } else {
            answer.await
        };
        if answer == Err(SubmitError::TooLate) {
            self.chance.happened(Fault::AnsweredTooLate);
        }
        answer.ok()
    }
}

/// What the API makes of the words.
fn message(intent: &IdempotencyKey) -> Message {
    let delivery = Delivery {
        properties: intent.properties(),
        body: intent.body.clone(),
        ..Delivery::default()
    };
    decode::decode(&delivery).result.expect("nonsense does not get so far")
}
