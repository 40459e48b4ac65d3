//! The queues of the in-process broker.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::InProcessPublisher;
use crate::messages::{ConsumedQueue, Envelope, Properties, Publication, QueueDepth, Target};
use crate::service_layer::{
    ChannelEpoch, CommandSource, Delivery, DeliveryTag, QueueDepths, Settlement,
};

/// Maximum number of dead letters delivered and not collected yet.
const DEAD_LETTER_PREFETCH: usize = 100;

/// A broker in this process; clones share it.
#[derive(Debug, Clone)]
pub struct InProcessBroker {
    shared: Arc<Shared>,
    /// The delays before the first, second, … retry.
    retry_delays: Arc<[Duration]>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Notified when a command becomes ready.
    commands_changed: Notify,
    /// Notified when a command is settled.
    settled: Notify,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Submitted>,
    /// Submitted and not settled: ready, unacknowledged, or waiting for a retry.
    open: usize,
    subscribers: Vec<mpsc::UnboundedSender<Publication>>,
    reply_queues: HashMap<String, mpsc::UnboundedSender<Publication>>,
    /// Those published while there was no collector.
    dead_letters: Vec<Publication>,
    collector: Option<mpsc::UnboundedSender<Publication>>,
    /// The number of consumers of commands.
    consumers: u64,
}

/// A command as published.
#[derive(Debug, Clone)]
pub struct Submitted {
    pub routing_key: String,
    pub properties: Properties,
    pub body: Vec<u8>,
}

impl InProcessBroker {
    pub fn new(retry_delays: Vec<Duration>) -> Self {
        Self { shared: Arc::default(), retry_delays: retry_delays.into() }
    }

    /// Appends a command to the queue.
    pub fn submit(&self, command: Submitted) {
        let mut state = self.lock();
        state.open += 1;
        state.ready.push_back(command);
        drop(state);
        self.shared.commands_changed.notify_one();
    }

    /// Waits until at most `max` commands are open, so that a publisher cannot fill the memory.
    pub async fn wait_until_open_at_most(&self, max: usize) {
        loop {
            let settled = self.shared.settled.notified();
            if self.lock().open <= max {
                return;
            }
            settled.await;
        }
    }

    /// Subscribes to all events published from now on.
    pub fn subscribe(&self) -> mpsc::UnboundedReceiver<Publication> {
        let (events, subscription) = mpsc::unbounded_channel();
        self.lock().subscribers.push(events);
        subscription
    }

    /// Declares a queue for replies: a command names it as its `reply_to`.
    pub fn declare_reply_queue(&self, name: &str) -> mpsc::UnboundedReceiver<Publication> {
        let (replies, queue) = mpsc::unbounded_channel();
        self.lock().reply_queues.insert(name.to_owned(), replies);
        queue
    }

    /// The dead letters that no collector has received.
    pub fn dead_letters(&self) -> Vec<Publication> {
        self.lock().dead_letters.clone()
    }

    /// Delivers dead letters from now on. After `stop` is cancelled, ends once those published
    /// until then are delivered.
    pub fn consume_dead_letters(&self, stop: CancellationToken) -> (CommandSource, JoinHandle<()>) {
        let (dead_letters_in, dead_letters) = mpsc::unbounded_channel();
        let (deliveries_in, deliveries) = mpsc::channel(DEAD_LETTER_PREFETCH);
        let (settlements, settlements_out) = mpsc::unbounded_channel();
        let channel_epoch = ChannelEpoch::default();
        let channel = channel_epoch.next();
        self.lock().collector = Some(dead_letters_in);
        let broker = self.clone();
        let task = tokio::spawn(async move {
            let deliver = deliver_dead_letters(dead_letters, deliveries_in, channel);
            let until_stopped = async {
                stop.cancelled().await;
                broker.lock().collector = None;
            };
            tokio::join!(deliver, until_stopped);
            // Settlements have no effect: delivered dead letters are no longer in this broker.
            drop(settlements_out);
        });
        (CommandSource { deliveries, settlements, channel_epoch }, task)
    }

    pub fn publisher(&self) -> InProcessPublisher {
        InProcessPublisher::new(self.clone())
    }

    /// Starts to consume commands, with at most `prefetch` unacknowledged deliveries, until `stop`
    /// is cancelled.
    pub fn consume(
        &self,
        prefetch: u16,
        stop: CancellationToken,
    ) -> (CommandSource, JoinHandle<()>) {
        let (deliveries_in, deliveries) = mpsc::channel(prefetch.into());
        let (settlements, settlements_out) = mpsc::unbounded_channel();
        let channel_epoch = ChannelEpoch::default();
        self.lock().consumers += 1;
        let deliver = self.clone().deliver(
            deliveries_in,
            settlements_out,
            channel_epoch.next(),
            Arc::new(Semaphore::new(prefetch.into())),
            stop,
        );
        (CommandSource { deliveries, settlements, channel_epoch }, tokio::spawn(deliver))
    }

    async fn deliver(
        self,
        deliveries: mpsc::Sender<Delivery>,
        mut settlements: mpsc::UnboundedReceiver<Vec<Settlement>>,
        channel: u32,
        prefetch: Arc<Semaphore>,
        stop: CancellationToken,
    ) {
        let mut deliveries = Some(deliveries);
        let mut number = 0;
        loop {
            tokio::select! {
                settled = settlements.recv() => match settled {
                    Some(settled) => {
                        prefetch.add_permits(settled.len());
                        self.remove_settled(settled.len());
                    }
                    None => break,
                },
                command = self.next_command(&prefetch), if deliveries.is_some() => {
                    number += 1;
                    let delivery = delivery(command, DeliveryTag { channel, number });
                    if let Some(deliveries) = &deliveries {
                        // There is room up to the prefetch; fails only if the worker has ended.
                        let _ = deliveries.send(delivery).await;
                    }
                }
                () = stop.cancelled(), if deliveries.is_some() => deliveries = None,
            }
        }
        self.lock().consumers -= 1;
    }

    async fn next_command(&self, prefetch: &Semaphore) -> Submitted {
        loop {
            let changed = self.shared.commands_changed.notified();
            if let Ok(permit) = prefetch.try_acquire()
                && let Some(command) = self.lock().ready.pop_front()
            {
                permit.forget();
                return command;
            }
            if prefetch.available_permits() == 0 {
                // The caller drops this future after a settlement, and calls again.
                std::future::pending::<()>().await;
            }
            changed.await;
        }
    }

    fn remove_settled(&self, settled: usize) {
        self.lock().open -= settled;
        self.shared.settled.notify_waiters();
    }

    /// Sends an event to all subscribers; returns whether there is one.
    pub(super) fn send_to_subscribers(&self, event: &Publication) -> bool {
        let mut state = self.lock();
        state.subscribers.retain(|subscriber| subscriber.send(event.clone()).is_ok());
        !state.subscribers.is_empty()
    }

    /// Whether the queue exists and took the reply.
    pub(super) fn reply(&self, queue: &str, reply: &Publication) -> bool {
        let state = self.lock();
        state.reply_queues.get(queue).is_some_and(|queue| queue.send(reply.clone()).is_ok())
    }

    pub(super) fn add_dead_letter(&self, dead_letter: Publication) {
        let mut state = self.lock();
        let uncollected = match &state.collector {
            Some(collector) => collector.send(dead_letter).err().map(|error| error.0),
            None => Some(dead_letter),
        };
        state.dead_letters.extend(uncollected);
    }

    /// Appends the command to the queue after the delay of this retry.
    pub(super) fn submit_later(&self, attempt: u32, command: Submitted) {
        let position = usize::try_from(attempt).unwrap_or(usize::MAX).saturating_sub(1);
        let delay = self.retry_delays.get(position).copied().unwrap_or_default();
        let broker = self.clone();
        // Open while it waits: the original is settled as soon as this returns.
        self.lock().open += 1;
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            broker.lock().ready.push_back(command);
            broker.shared.commands_changed.notify_one();
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl QueueDepths for InProcessBroker {
    async fn depths(&mut self, queue: ConsumedQueue) -> Option<Vec<QueueDepth>> {
        let state = self.lock();
        let (ready, consumers) = match queue {
            ConsumedQueue::Commands => (state.ready.len(), state.consumers),
            ConsumedQueue::DeadLetters => {
                (state.dead_letters.len(), state.collector.is_some().into())
            }
        };
        Some(vec![QueueDepth { ready: ready as u64, consumers }])
    }
}

async fn deliver_dead_letters(
    mut dead_letters: mpsc::UnboundedReceiver<Publication>,
    deliveries: mpsc::Sender<Delivery>,
    channel: u32,
) {
    let mut number = 0;
    while let Some(Publication { target, properties, body }) = dead_letters.recv().await {
        number += 1;
        let routing_key = match target {
            Target::DeadLetters { routing_key } => routing_key,
            _ => String::new(),
        };
        let dead_letter = Submitted { routing_key, properties, body };
        if deliveries.send(delivery(dead_letter, DeliveryTag { channel, number })).await.is_err() {
            return;
        }
    }
}

fn delivery(command: Submitted, tag: DeliveryTag) -> Delivery {
    let envelope = Envelope {
        exchange: "in-process".to_owned(),
        routing_key: command.routing_key,
        properties: command.properties,
        body: command.body,
        ..Envelope::default()
    };
    Delivery { tag, redelivered: false, envelope, reservation: None }
}
