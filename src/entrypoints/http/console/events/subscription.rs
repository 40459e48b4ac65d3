//! The one subscription for all who watch.

use tokio::sync::mpsc;

use crate::adapters::in_process::InProcessBroker;
use crate::adapters::rabbitmq::RabbitMq;
use crate::bootstrap::Broker;
use crate::service_layer::Backoff;

/// What comes from it.
#[derive(Debug)]
pub enum Passed {
    /// The body of an event.
    Event(Vec<u8>),
    /// Events come from now on.
    Listening,
    /// None come until it listens again.
    Trouble(String),
}

/// Nobody takes what passes any more.
struct NobodyWatches;

async fn hand_on(passed: &mpsc::Sender<Passed>, what: Passed) -> Result<(), NobodyWatches> {
    passed.send(what).await.map_err(|_| NobodyWatches)
}

/// Hands on what the broker's subscribers get, until nobody takes it; comes back after an outage.
pub async fn subscribe(broker: Broker, passed: mpsc::Sender<Passed>) {
    let ended = match broker {
        Broker::RabbitMq(rabbitmq) => from_rabbitmq(&rabbitmq, &passed).await,
        Broker::InProcess(broker) => from_this_process(&broker, &passed).await,
    };
    // Either the broker has gone with the worker, or whoever watched.
    let (Ok(()) | Err(NobodyWatches)) = ended;
}

async fn from_this_process(
    broker: &InProcessBroker,
    passed: &mpsc::Sender<Passed>,
) -> Result<(), NobodyWatches> {
    let mut events = broker.subscribe();
    hand_on(passed, Passed::Listening).await?;
    while let Some(event) = events.recv().await {
        hand_on(passed, Passed::Event(event.body)).await?;
    }
    Ok(())
}

async fn from_rabbitmq(
    rabbitmq: &RabbitMq,
    passed: &mpsc::Sender<Passed>,
) -> Result<(), NobodyWatches> {
    let mut backoff = Backoff::for_broker();
    loop {
        let error = match rabbitmq.subscribe(&["#".to_owned()]).await {
            Ok(mut subscription) => {
                backoff.reset();
                hand_on(passed, Passed::Listening).await?;
                loop {
                    match subscription.next().await {
                        Ok(event) => hand_on(passed, Passed::Event(event.body)).await?,
                        Err(error) => break error,
                    }
                }
            }
            Err(error) => error,
        };
        hand_on(passed, Passed::Trouble(error.to_string())).await?;
        backoff.pause().await;
    }
}
