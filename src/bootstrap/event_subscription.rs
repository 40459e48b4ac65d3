//! A subscription to all events, whatever the broker.

use tokio::sync::mpsc;

use super::Broker;
use crate::adapters::in_process::InProcessBroker;
use crate::adapters::rabbitmq::RabbitMq;
use crate::service_layer::Backoff;

/// What a subscriber receives.
#[derive(Debug)]
pub enum SubscriptionEvent {
    /// The body of an event.
    Event(Vec<u8>),
    /// The subscription is open.
    Listening,
    /// The subscription was lost, for this reason; it is retried.
    Disconnected(String),
}

/// The receiver was dropped.
struct NoListeners;

async fn send(
    sender: &mpsc::Sender<SubscriptionEvent>,
    event: SubscriptionEvent,
) -> Result<(), NoListeners> {
    sender.send(event).await.map_err(|_| NoListeners)
}

/// Sends the events of the broker until the receiver is dropped. Reconnects after an outage.
pub async fn subscribe_to_events(broker: Broker, sender: mpsc::Sender<SubscriptionEvent>) {
    let ended = match broker {
        Broker::RabbitMq(rabbitmq) => from_rabbitmq(&rabbitmq, &sender).await,
        Broker::InProcess(broker) => from_in_process(&broker, &sender).await,
    };
    // The in-process broker has stopped with the worker, or the receiver was dropped.
    let (Ok(()) | Err(NoListeners)) = ended;
}

async fn from_in_process(
    broker: &InProcessBroker,
    sender: &mpsc::Sender<SubscriptionEvent>,
) -> Result<(), NoListeners> {
    let mut events = broker.subscribe();
    send(sender, SubscriptionEvent::Listening).await?;
    while let Some(event) = events.recv().await {
        send(sender, SubscriptionEvent::Event(event.body)).await?;
    }
    Ok(())
}

async fn from_rabbitmq(
    rabbitmq: &RabbitMq,
    sender: &mpsc::Sender<SubscriptionEvent>,
) -> Result<(), NoListeners> {
    let mut backoff = Backoff::for_broker();
    loop {
        let error = match rabbitmq.subscribe(&["#".to_owned()]).await {
            Ok(mut subscription) => {
                backoff.reset();
                send(sender, SubscriptionEvent::Listening).await?;
                loop {
                    match subscription.next().await {
                        Ok(event) => send(sender, SubscriptionEvent::Event(event.body)).await?,
                        Err(error) => break error,
                    }
                }
            }
            Err(error) => error,
        };
        send(sender, SubscriptionEvent::Disconnected(error.to_string())).await?;
        backoff.pause().await;
    }
}
