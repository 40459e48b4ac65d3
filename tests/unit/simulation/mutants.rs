//! Workers and brokers with a fault in their design. The simulation has to catch each of them.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use order_worker::messages::{Publication, PublishStatus};
use order_worker::service_layer::{
    ChannelEpoch, CommandSource, Delivery, DeliveryTag, PublishError, Publisher, Settlement,
};
use tokio::sync::mpsc;

use super::publisher::SimulatedPublisher;
use super::schedule;

/// How many schedules may pass before one catches a mutant.
const SEEDS: u64 = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// A worker that acknowledges each delivery when it gets it.
    AcksBeforeCommit,
    /// A worker that goes on with what it holds when it has lost its channel.
    IgnoresLostChannels,
    /// A worker that cancels its consumers when it is stopped, while it holds deliveries.
    CancelsWhenStopping,
    /// Retry queues that lead to one partition.
    RetriesGoElsewhere,
    /// A worker that does not wait for the confirm before it publishes the next command of an order.
    ReroutesWithoutWaiting,
    /// Queues without a single active consumer.
    ConsumersCompete,
}

#[test]
fn the_simulation_catches_a_worker_that_acknowledges_before_it_commits() {
    assert_caught(Mutant::AcksBeforeCommit, "I5: ");
}

#[test]
fn the_simulation_catches_a_worker_that_goes_on_after_its_channel_is_lost() {
    assert_caught(Mutant::IgnoresLostChannels, "a lane began ");
}

#[test]
fn the_simulation_catches_a_worker_that_cancels_its_consumer_while_it_holds_deliveries() {
    assert_caught(Mutant::CancelsWhenStopping, "I9: ");
}

#[test]
fn the_simulation_catches_a_retry_that_goes_to_another_partition() {
    assert_caught(Mutant::RetriesGoElsewhere, "a lane began ");
}

#[test]
fn the_simulation_catches_a_rerouter_that_does_not_wait_for_confirms() {
    assert_caught(Mutant::ReroutesWithoutWaiting, "I9: ");
}

#[test]
fn the_simulation_catches_consumers_that_compete_for_a_partition() {
    assert_caught(Mutant::ConsumersCompete, "I9: ");
}

/// Some schedule reports a violation of this invariant.
fn assert_caught(mutant: Mutant, invariant: &str) {
    let catches = |seed: &u64| {
        let report = schedule::run_mutant(*seed, mutant);
        report.violations.iter().any(|violation| violation.starts_with(invariant))
    };
    let caught = (0..SEEDS).find(catches);
    println!("{mutant:?} is caught by seed {caught:?}");
    assert!(caught.is_some(), "{mutant:?} is not caught by {SEEDS} schedules");
}

/// Puts a source's mutant between it and the lanes.
pub fn mutated_source(source: CommandSource, mutant: Option<Mutant>) -> CommandSource {
    match mutant {
        Some(Mutant::AcksBeforeCommit) => acks_at_once(source),
        Some(Mutant::IgnoresLostChannels) => never_stale(source),
        _ => source,
    }
}

fn acks_at_once(mut source: CommandSource) -> CommandSource {
    let (forward, deliveries) = mpsc::channel(source.deliveries.max_capacity());
    // Nobody receives the acknowledgements after the commit.
    let (settlements, _) = mpsc::unbounded_channel();
    let channel_epoch = source.channel_epoch.clone();
    tokio::spawn(async move {
        while let Some(delivery) = source.deliveries.recv().await {
            let _ = source.settlements.send(vec![Settlement::Ack(delivery.tag)]);
            if forward.send(delivery).await.is_err() {
                return;
            }
        }
    });
    CommandSource { deliveries, settlements, channel_epoch }
}

/// Hands out tags of a channel that is never lost.
fn never_stale(mut source: CommandSource) -> CommandSource {
    let (forward, deliveries) = mpsc::channel(source.deliveries.max_capacity());
    let (settlements, mut settled) = mpsc::unbounded_channel::<Vec<Settlement>>();
    let channel_epoch = ChannelEpoch::default();
    let channel = channel_epoch.next();
    tokio::spawn(async move {
        let mut tags: BTreeMap<u64, DeliveryTag> = BTreeMap::new();
        loop {
            tokio::select! {
                biased;
                acks = settled.recv() => {
                    let Some(acks) = acks else { return };
                    let real = |Settlement::Ack(tag)| Settlement::Ack(tags[&tag.number]);
                    let _ = source.settlements.send(acks.into_iter().map(real).collect());
                }
                Some(delivery) = source.deliveries.recv(), if !forward.is_closed() => {
                    let number = tags.len() as u64;
                    tags.insert(number, delivery.tag);
                    let tag = DeliveryTag { channel, number };
                    let _ = forward.send(Delivery { tag, ..delivery }).await;
                }
            }
        }
    });
    CommandSource { deliveries, settlements, channel_epoch }
}

/// Confirms at once and publishes later, each message when it likes.
#[derive(Debug)]
pub struct HastyPublisher(pub SimulatedPublisher);

#[async_trait]
impl Publisher for HastyPublisher {
    async fn publish(
        &mut self,
        window: &[Publication],
    ) -> Result<Vec<PublishStatus>, PublishError> {
        let SimulatedPublisher { broker, chance, ledger, .. } = &self.0;
        for publication in window {
            ledger.publish_result(publication, PublishStatus::Confirmed, false);
            let publication = publication.clone();
            let (broker, delay) = (broker.clone(), chance.wait(Duration::from_millis(300)));
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                broker.accept(&publication);
            });
        }
        Ok(vec![PublishStatus::Confirmed; window.len()])
    }
}
