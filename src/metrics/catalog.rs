//! The definitions of all metrics.
//!
//! docs/monitoring.md contains this list; a test compares them.

use super::Definition;

/// Buckets from half a millisecond to 30 s.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Buckets from 1 s, the resolution of AMQP timestamps, to a day.
const WHOLE_SECONDS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 21_600.0, 86_400.0];

const SIZES: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0];

pub const RECEIVED: Definition = Definition::counter(
    "order_worker_messages_received_total",
    &["source"],
    "Commands received, by source: queue or http.",
);

pub const REDELIVERED: Definition = Definition::counter(
    "order_worker_messages_redelivered_total",
    &[],
    "Commands that the broker redelivered.",
);

pub const HANDLED: Definition = Definition::counter(
    "order_worker_messages_total",
    &["source", "command", "outcome"],
    "Commands by outcome. A duplicate had taken effect before. Commands over HTTP with the \
     outcome retry_later or dead_lettered are rejected: they are neither retried nor stored.",
);

pub const REJECTED: Definition = Definition::counter(
    "order_worker_rejections_total",
    &["rule"],
    "Commands rejected by a business rule.",
);

pub const RETRIES: Definition = Definition::counter(
    "order_worker_retries_total",
    &["reason"],
    "Commands from the queue that were scheduled for a retry.",
);

pub const RETRIES_RETURNED: Definition = Definition::counter(
    "order_worker_retries_returned_total",
    &[],
    "Commands that came back from a retry queue.",
);

pub const BATCH_MESSAGES: Definition =
    Definition::histogram("order_worker_batch_messages", SIZES, &["source"], "Messages per batch.");

pub const BATCH_SECONDS: Definition = Definition::histogram(
    "order_worker_batch_duration_seconds",
    SECONDS,
    &["source"],
    "Time from the start of a batch to its last commit, including waits for the database.",
);

pub const COMMIT_SECONDS: Definition = Definition::histogram(
    "order_worker_commit_duration_seconds",
    SECONDS,
    &["source"],
    "Time to write and commit one transaction.",
);

pub const CONFLICTS: Definition = Definition::counter(
    "order_worker_conflicts_total",
    &["source"],
    "Transactions that were retried because of a conflict with another transaction.",
);

pub const PARKED: Definition = Definition::gauge(
    "order_worker_parked_messages",
    &["source"],
    "Commands that are parked because another transaction has locked their order, or because \
     the database keeps failing on them. Other commands are processed.",
);

pub const END_TO_END_SECONDS: Definition = Definition::histogram(
    "order_worker_end_to_end_seconds",
    WHOLE_SECONDS,
    &[],
    "Time from the publisher's timestamp to the commit, for completed commands from the queue. \
     The resolution is one second, as AMQP timestamps are whole seconds, and clock skew is \
     included.",
);

pub const CONFIRM_SECONDS: Definition = Definition::histogram(
    "order_worker_confirm_duration_seconds",
    SECONDS,
    &[],
    "Time from a batch's commit until the broker has responded to its events, measured for each \
     of the lane's publishers.",
);

pub const PUBLISHED: Definition = Definition::counter(
    "order_worker_events_published_total",
    &["type"],
    "Events and replies that the broker confirmed, including repeated ones.",
);

pub const UNROUTABLE: Definition = Definition::counter(
    "order_worker_events_unroutable_total",
    &["type"],
    "Events without a subscriber, and replies to a queue that does not exist.",
);

pub const EVENTS_KEPT: Definition = Definition::counter(
    "order_worker_events_kept_total",
    &["reason"],
    "Attempts to publish an event that a subscriber's queue refused or did not confirm. The \
     event stays in the outbox and is retried.",
);

pub const REPLIES_DROPPED: Definition = Definition::counter(
    "order_worker_replies_dropped_total",
    &["reason"],
    "Replies that were dropped.",
);

pub const COPIES_KEPT: Definition = Definition::counter(
    "order_worker_copies_kept_total",
    &["reason"],
    "Failed attempts to copy a command to a retry queue or to the dead letters. The command \
     stays unacknowledged and the copy is retried.",
);

pub const RELAYED: Definition = Definition::counter(
    "order_worker_events_relayed_total",
    &[],
    "Events and replies that the relay removed from the outbox: left by a crash, or not \
     confirmed before.",
);

pub const DEAD_LETTERS: Definition = Definition::counter(
    "order_worker_dead_letters_total",
    &["code"],
    "Messages that were dead-lettered.",
);

pub const DEAD_LETTERS_OPEN: Definition = Definition::gauge(
    "order_worker_dead_letters_open",
    &["code"],
    "Open dead letters in the table, counted up to 100000 in total. Sampled.",
);

pub const DEAD_LETTERS_AGE: Definition = Definition::gauge(
    "order_worker_dead_letters_oldest_age_seconds",
    &[],
    "Time since the earliest failure of an open dead letter, among those counted; 0 if there \
     are none. Sampled.",
);

pub const OUTBOX_MESSAGES: Definition = Definition::gauge(
    "order_worker_outbox_messages",
    &[],
    "Messages in the outbox, counted up to 100000. Sampled.",
);

pub const OUTBOX_AGE: Definition = Definition::gauge(
    "order_worker_outbox_oldest_age_seconds",
    &[],
    "Time since the oldest message in the outbox was committed, among those counted; 0 if there \
     are none. Sampled.",
);

pub const QUEUE_MESSAGES: Definition = Definition::gauge(
    "order_worker_queue_messages_ready",
    &["queue"],
    "Messages ready for delivery in a queue; unacknowledged ones are not counted. Sampled.",
);

pub const QUEUE_CONSUMERS: Definition = Definition::gauge(
    "order_worker_queue_consumers",
    &["queue"],
    "Consumers of a queue, of all workers, as reported by the broker. Sampled.",
);

pub const PARTITION_MESSAGES: Definition = Definition::gauge(
    "order_worker_partition_messages_ready",
    &["partition"],
    "Ready messages in the queue of a partition. Only with PARTITIONS above 1. Sampled.",
);

pub const PARTITION_CONSUMERS: Definition = Definition::gauge(
    "order_worker_partition_consumers",
    &["partition"],
    "Consumers of the queue of a partition, as the broker counts them: of a single active consumer \
     and its standbys, the active one. Only with PARTITIONS above 1. Sampled.",
);

pub const PARTITION_RECEIVED: Definition = Definition::counter(
    "order_worker_partition_messages_received_total",
    &["partition"],
    "Commands that this worker received from a partition: it is the active consumer of those where \
     this increases. Only with PARTITIONS above 1.",
);

pub const SAMPLES_FAILED: Definition = Definition::counter(
    "order_worker_samples_failed_total",
    &["server"],
    "Failed samples of the database or the broker. The sampled metrics of that server are \
     absent until a sample succeeds.",
);

pub const UNKNOWN_FIELDS: Definition = Definition::counter(
    "order_worker_unknown_fields_total",
    &["publisher"],
    "Unknown fields in commands. They are ignored.",
);

pub const COERCED_FIELDS: Definition = Definition::counter(
    "order_worker_coerced_fields_total",
    &["publisher"],
    "Whole numbers in commands that were sent as text or with a fraction. They are accepted.",
);

pub const DIFFERING_TOTALS: Definition = Definition::counter(
    "order_worker_differing_totals_total",
    &["publisher"],
    "Orders whose total is not the sum of their items. They are accepted.",
);

pub const PRIORITIZED: Definition = Definition::counter(
    "order_worker_prioritized_messages_total",
    &["publisher"],
    "Commands of the queue with another priority than 4, the default: RabbitMQ 4 may deliver them \
     before or after others of their order. They are taken.",
);

pub const CONSUMING: Definition = Definition::gauge(
    "order_worker_consumer_up",
    &["queue"],
    "1 if the broker has confirmed this worker as a consumer of the queue, otherwise 0.",
);

pub const PAUSED: Definition = Definition::gauge(
    "order_worker_paused",
    &["reason"],
    "1 while this outage pauses the worker, otherwise 0. collecting affects dead letters only.",
);

pub const PAUSES: Definition = Definition::counter(
    "order_worker_pauses_total",
    &["reason"],
    "Number of times that the worker was paused, including lost connections.",
);

pub const BROKER_CONNECTIONS: Definition = Definition::counter(
    "order_worker_broker_connections_total",
    &["purpose"],
    "Connections opened to RabbitMQ. Each after the first of its purpose is a reconnect.",
);

pub const HTTP_REQUESTS: Definition = Definition::counter(
    "order_worker_http_requests_total",
    &["route", "method", "status"],
    "HTTP requests by path pattern and status class.",
);

pub const HTTP_SECONDS: Definition = Definition::histogram(
    "order_worker_http_request_duration_seconds",
    SECONDS,
    &["route"],
    "Time from receiving a request's head to sending the response's head, or until the client \
     disconnected.",
);

pub const BUILD_INFO: Definition = Definition::gauge(
    "order_worker_build_info",
    &["version"],
    "Always 1; the label is the version of the program.",
);

pub const RESIDENT_MEMORY: Definition =
    Definition::gauge("process_resident_memory_bytes", &[], "Resident memory. Linux only.");

pub const CPU_SECONDS: Definition =
    Definition::counter("process_cpu_seconds_total", &[], "User and system CPU time. Linux only.");

pub const START_TIME: Definition = Definition::gauge(
    "process_start_time_seconds",
    &[],
    "Start time of the process, in seconds since 1970. Linux only.",
);

/// All metrics, in the order of the documentation.
pub const ALL: [Definition; 44] = [
    RECEIVED,
    REDELIVERED,
    HANDLED,
    REJECTED,
    RETRIES,
    RETRIES_RETURNED,
    BATCH_MESSAGES,
    BATCH_SECONDS,
    COMMIT_SECONDS,
    CONFLICTS,
    PARKED,
    END_TO_END_SECONDS,
    CONFIRM_SECONDS,
    PUBLISHED,
    UNROUTABLE,
    EVENTS_KEPT,
    REPLIES_DROPPED,
    COPIES_KEPT,
    RELAYED,
    DEAD_LETTERS,
    DEAD_LETTERS_OPEN,
    DEAD_LETTERS_AGE,
    OUTBOX_MESSAGES,
    OUTBOX_AGE,
    QUEUE_MESSAGES,
    QUEUE_CONSUMERS,
    PARTITION_MESSAGES,
    PARTITION_CONSUMERS,
    PARTITION_RECEIVED,
    SAMPLES_FAILED,
    UNKNOWN_FIELDS,
    COERCED_FIELDS,
    DIFFERING_TOTALS,
    PRIORITIZED,
    CONSUMING,
    PAUSED,
    PAUSES,
    BROKER_CONNECTIONS,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    BUILD_INFO,
    RESIDENT_MEMORY,
    CPU_SECONDS,
    START_TIME,
];
