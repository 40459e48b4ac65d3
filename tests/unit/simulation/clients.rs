//! HTTP clients that send commands and retry until they have an outcome.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use order_worker::entrypoints::command_client::{CommandClient, SubmitError};
use order_worker::messages::{Envelope, Message, Outcome};
use order_worker::service_layer::decode;
use tokio::time::{sleep, timeout};

use super::chance::Chance;
use super::fault::Fault;
use super::intents::Intent;
use super::ledger::Ledger;

/// How often a client sends a command for a missing order before it gives up.
const MAX_ATTEMPTS: u32 = 4;

const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(3);

/// All clients, and their connection to the worker; clones share them.
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

    /// Connects all clients to this worker, or to none.
    pub fn connect_to(&self, worker: Option<CommandClient>) {
        *self.address.lock().unwrap() = worker;
    }

    /// How many clients have no outcome yet.
    pub fn waiting(&self) -> usize {
        *self.waiting.lock().unwrap()
    }

    /// A new client sends this command until it has an outcome.
    pub fn submit(&self, intent: &Intent) {
        *self.waiting.lock().unwrap() += 1;
        let (client, intent) = (self.clone(), intent.clone());
        tokio::spawn(async move {
            client.submit_until_done(&intent).await;
            *client.waiting.lock().unwrap() -= 1;
        });
    }

    async fn submit_until_done(&self, intent: &Intent) {
        let mut attempts = 0;
        loop {
            match self.submit_once(intent).await {
                Some(Outcome::RetryLater(_)) => {
                    attempts += 1;
                    if attempts == MAX_ATTEMPTS {
                        self.chance.log(&format!("{} has no order", intent.label));
                        return self.ledger.abandons(&intent.label);
                    }
                }
                Some(Outcome::DeadLetter(reason)) => {
                    self.chance.log(&format!("{} is rejected: {reason}", intent.label));
                    return self.ledger.rejects(&intent.label, reason.code);
                }
                Some(outcome) => {
                    self.chance.log(&format!(
                        "{} has its outcome: {}",
                        intent.label,
                        outcome.as_str()
                    ));
                    return self.ledger.responds_to_request(&intent.label);
                }
                None => {}
            }
            sleep(self.chance.wait(BETWEEN_ATTEMPTS)).await;
        }
    }

    /// The outcome, if there is one before the client hangs up.
    async fn submit_once(&self, intent: &Intent) -> Option<Outcome> {
        let worker = self.address.lock().unwrap().clone()?;
        let response = worker.handle(message(intent));
        let response = if self.chance.fires(Fault::ClientHungUp) {
            timeout(self.chance.wait(TIMEOUT), response).await.ok()?
        } else {
            response.await
        };
        if response == Err(SubmitError::TooLate) {
            self.chance.happened(Fault::ResponseTooLate);
        }
        response.ok()
    }
}

/// The message that the API decodes from the request.
fn message(intent: &Intent) -> Message {
    let envelope = Envelope {
        properties: intent.properties(),
        body: intent.body.clone(),
        ..Envelope::default()
    };
    decode::decode(&envelope).result.expect("invalid commands are not sent over HTTP")
}
