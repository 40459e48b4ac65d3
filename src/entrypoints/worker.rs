//! A worker and its background tasks.

use chrono::TimeDelta;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::bootstrap::{Broker, Database, Failure, system_clock};
use crate::config::{InvalidSetting, Settings};
use crate::entrypoints::amqp::{
    self, ConsumerDeps, ConsumerSettings, EVENT_PUBLISHERS, LaneDied, LanePorts,
};
use crate::entrypoints::command_client::{self, CommandLaneDeps, CommandQueue};
use crate::messages::ConsumedQueue;
use crate::service_layer::dead_letters::{RetentionPeriods, collect, prune_forever};
use crate::service_layer::{ByteBudget, Health, InFlight, IntakeBounds, Relay};

/// Maximum unacknowledged dead letters.
const DEAD_LETTER_PREFETCH: u16 = 200;

/// Why a worker stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum WorkerFailed {
    #[error(transparent)]
    Component(#[from] Failure),
    #[error(transparent)]
    LaneDied(#[from] LaneDied),
}

/// Tasks besides processing commands: storing dead letters, and deleting old rows.
#[derive(Debug)]
struct BackgroundTasks {
    stop: CancellationToken,
    pruning: JoinHandle<()>,
    collecting: Option<[JoinHandle<()>; 2]>,
}

impl BackgroundTasks {
    /// Stops them after the delivered dead letters are stored.
    async fn stop(self) {
        self.pruning.abort();
        self.stop.cancel();
        for task in self.collecting.into_iter().flatten() {
            // The task returns nothing; the panic hook reports a panic.
            let _ = task.await;
        }
    }
}

/// A worker that is ready to run.
#[derive(Debug)]
pub struct Worker {
    pub settings: Settings,
    pub database: Database,
    pub broker: Broker,
    pub health: Health,
}

impl Worker {
    /// Runs until `stop` is cancelled and all work in progress is settled and published. `requests`
    /// are processed even while the broker is unavailable; the worker ends after the last
    /// [`CommandClient`](crate::entrypoints::command_client::CommandClient) is dropped.
    ///
    /// # Errors
    /// When the topology of the broker is wrong, or a lane died.
    pub async fn run(
        &self,
        requests: Option<CommandQueue>,
        stop: CancellationToken,
    ) -> Result<(), WorkerFailed> {
        let in_flight = InFlight::default();
        let serving = async {
            if let Some(requests) = requests {
                let deps = self.command_lane_deps(in_flight.for_command_client());
                Box::pin(command_client::serve(requests, deps, stop.clone())).await;
            }
        };
        let replies = self.broker.for_replies();
        let consuming = async {
            let consumed = self.consume(&replies, in_flight.clone(), stop.clone()).await;
            // If consuming ends with an error, the other components stop as well.
            stop.cancel();
            consumed
        };
        // Boxed, as these futures are large.
        let (consumed, ()) = tokio::join!(Box::pin(consuming), Box::pin(serving));
        replies.close().await;
        self.broker.close().await;
        consumed
    }

    async fn consume(
        &self,
        replies: &Broker,
        in_flight: InFlight,
        stop: CancellationToken,
    ) -> Result<(), WorkerFailed> {
        tokio::select! {
            ready = self.broker.ready(&self.health) => ready?,
            () = stop.cancelled() => return Ok(()),
        }
        let background = self.start_background_tasks().map_err(Failure::from)?;
        let health = self.health.clone();
        let bounds = IntakeBounds { prefetch: self.settings.prefetch, bytes: self.byte_budget() };
        let (source, source_task) =
            self.broker.consume(ConsumedQueue::Commands, bounds, health.clone(), stop.clone());
        let relay = self.start_relay(in_flight.clone());
        let lane = |_| LanePorts {
            store: self.database.store(),
            event_publishers: (0..EVENT_PUBLISHERS).map(|_| self.broker.publisher()).collect(),
        };
        let lanes = (0..self.settings.lanes).map(lane).collect();
        let deps = ConsumerDeps {
            source,
            lanes,
            republisher: self.broker.publisher(),
            reply_publisher: replies.publisher(),
            reroute_publisher: self.broker.is_partitioned().then(|| self.broker.publisher()),
            clock: system_clock(),
            health,
            in_flight,
        };
        let consumed = amqp::run(deps, self.consumer_settings()).await;
        relay.abort();
        // The lanes have ended: the source returns unsettled deliveries to the queue.
        stop.cancel();
        // The task returns nothing; the panic hook reports a panic.
        let _ = source_task.await;
        background.stop().await;
        Ok(consumed?)
    }

    fn byte_budget(&self) -> ByteBudget {
        ByteBudget::new(self.settings.byte_share())
    }

    fn consumer_settings(&self) -> ConsumerSettings {
        ConsumerSettings {
            batch_max: self.settings.batch_max.into(),
            max_attempts: self.settings.max_attempts,
            keep_unroutable_events: self.settings.keep_unroutable_events,
            reply_bytes: self.byte_budget(),
        }
    }

    fn command_lane_deps(&self, in_flight: InFlight) -> CommandLaneDeps {
        CommandLaneDeps {
            store: self.database.store(),
            publisher: self.broker.publisher(),
            clock: system_clock(),
            health: self.health.clone(),
            in_flight,
            batch_max: self.settings.batch_max.into(),
            keep_unroutable_events: self.settings.keep_unroutable_events,
            max_waiting_bytes: command_client::MAX_WAITING_BYTES,
        }
    }

    fn start_relay(&self, in_flight: InFlight) -> JoinHandle<()> {
        let keep_unroutable = self.settings.keep_unroutable_events;
        let health = self.health.clone();
        let relay = Relay::new(
            self.database.relay(),
            self.broker.publisher(),
            health,
            in_flight,
            keep_unroutable,
        );
        tokio::spawn(relay.run(self.settings.relay_interval()))
    }

    fn start_background_tasks(&self) -> Result<BackgroundTasks, InvalidSetting> {
        self.settings.check_retention()?;
        let retention = retention_periods(&self.settings);
        let clock = system_clock();
        let pruning =
            tokio::spawn(prune_forever(self.database.dead_letters(), retention, clock.clone()));
        let stop = CancellationToken::new();
        let collecting = self.settings.collect_dead_letters.then(|| {
            let health = self.health.clone();
            let bounds = IntakeBounds { prefetch: DEAD_LETTER_PREFETCH, bytes: self.byte_budget() };
            let (dead_letters, source_task) =
                self.broker.consume(ConsumedQueue::DeadLetters, bounds, health, stop.clone());
            [tokio::spawn(collect(dead_letters, self.database.dead_letters(), clock)), source_task]
        });
        Ok(BackgroundTasks { stop, pruning, collecting })
    }
}

fn retention_periods(settings: &Settings) -> RetentionPeriods {
    let days = |days: u32| TimeDelta::days(days.into());
    RetentionPeriods {
        dead_letters: days(settings.dead_letter_retention_days),
        handled_messages: settings
            .collect_dead_letters
            .then(|| days(settings.message_retention_days)),
        history: (settings.history_retention_days > 0)
            .then(|| days(settings.history_retention_days)),
    }
}
