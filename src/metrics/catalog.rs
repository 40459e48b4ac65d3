//! Every metric: its name, its labels, what it means.
//!
//! docs/monitoring.md shows this list, and a test holds the two together.

use super::Definition;

/// From a fraction of a millisecond to what somebody would call standing still.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// From what cannot be told from nothing to a message that lay about for a day.
const WHOLE_SECONDS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 21_600.0, 86_400.0];

const SIZES: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0];

pub const RECEIVED: Definition = Definition::counter(
    "order_worker_messages_received_total",
    &["source"],
    "Commands that came, by what they came from: queue or http.",
);

pub const REDELIVERED: Definition = Definition::counter(
    "order_worker_messages_redelivered_total",
    &[],
    "Commands that the broker had handed out before.",
);

pub const HANDLED: Definition = Definition::counter(
    "order_worker_messages_total",
    &["source", "command", "outcome"],
    "Commands by what became of them. A duplicate had its effect before. Over HTTP, retry_later \
     and dead_lettered are refused and go nowhere.",
);

pub const REJECTED: Definition = Definition::counter(
    "order_worker_rejections_total",
    &["rule"],
    "Commands that a rule of the business refused.",
);

pub const RETRIES: Definition = Definition::counter(
    "order_worker_retries_total",
    &["reason"],
    "Commands of the queue that wait for another attempt.",
);

pub const RETRIES_RETURNED: Definition = Definition::counter(
    "order_worker_retries_returned_total",
    &[],
    "Commands that came back from a retry queue.",
);

pub const BATCH_MESSAGES: Definition = Definition::histogram(
    "order_worker_batch_messages",
    SIZES,
    &["source"],
    "Messages in a batch.",
);

pub const BATCH_SECONDS: Definition = Definition::histogram(
    "order_worker_batch_duration_seconds",
    SECONDS,
    &["source"],
    "From taking up a batch until all its effects are committed, with all waits for the database.",
);

pub const COMMIT_SECONDS: Definition = Definition::histogram(
    "order_worker_commit_duration_seconds",
    SECONDS,
    &["source"],
    "Writing and committing one transaction.",
);

pub const CONFLICTS: Definition = Definition::counter(
    "order_worker_conflicts_total",
    &["source"],
    "Transactions that were tried again because another one was faster.",
);

pub const PARKED: Definition = Definition::gauge(
    "order_worker_parked_messages",
    &["source"],
    "Commands that wait because another transaction has locked their order, or the database keeps failing at them; others go on.",
);

pub const END_TO_END_SECONDS: Definition = Definition::histogram(
    "order_worker_end_to_end_seconds",
    WHOLE_SECONDS,
    &[],
    "From the publisher's timestamp to the commit, for commands of the queue that are done with. \
     AMQP timestamps are whole seconds, so is this, and it compares two clocks.",
);

pub const CONFIRM_SECONDS: Definition = Definition::histogram(
    "order_worker_confirm_duration_seconds",
    SECONDS,
    &[],
    "From a batch's commit until the broker has judged the events that one publisher had of it.",
);

pub const PUBLISHED: Definition = Definition::counter(
    "order_worker_events_published_total",
    &["type"],
    "Events and replies that the broker confirmed, with copies.",
);

pub const UNROUTABLE: Definition = Definition::counter(
    "order_worker_events_unroutable_total",
    &["type"],
    "Events without a subscriber, and replies to a queue that does not exist.",
);

pub const EVENTS_KEPT: Definition = Definition::counter(
    "order_worker_events_kept_total",
    &["reason"],
    "Attempts at an event that a subscriber's queue refused or did not confirm; the event stays in \
     the outbox and is tried again.",
);

pub const REPLIES_DROPPED: Definition = Definition::counter(
    "order_worker_replies_dropped_total",
    &["reason"],
    "Replies that were given up.",
);

pub const COPIES_KEPT: Definition = Definition::counter(
    "order_worker_copies_kept_total",
    &["reason"],
    "Attempts to put a command into a retry queue or the dead letters that failed; the command stays \
     with the broker meanwhile.",
);

pub const RELAYED: Definition = Definition::counter(
    "order_worker_events_relayed_total",
    &[],
    "Events and replies that the relay took out of the outbox: left by a crash, or not taken before.",
);

pub const DEAD_LETTERS: Definition = Definition::counter(
    "order_worker_dead_letters_total",
    &["code"],
    "Messages that went to the dead letters.",
);

pub const DEAD_LETTERS_OPEN: Definition = Definition::gauge(
    "order_worker_dead_letters_open",
    &["code"],
    "Dead letters in the table that nobody has decided on, counted up to 100000 in all. Sampled.",
);

pub const DEAD_LETTERS_AGE: Definition = Definition::gauge(
    "order_worker_dead_letters_oldest_age_seconds",
    &[],
    "Since the failure of the open dead letter that failed longest ago, among those counted; 0 \
     without any. Sampled.",
);

pub const OUTBOX_MESSAGES: Definition = Definition::gauge(
    "order_worker_outbox_messages",
    &[],
    "Messages in the outbox, counted up to 100000. Sampled.",
);

pub const OUTBOX_AGE: Definition = Definition::gauge(
    "order_worker_outbox_oldest_age_seconds",
    &[],
    "Since the commit of the oldest message in the outbox, among those counted; 0 without any. \
     Sampled.",
);

pub const QUEUE_MESSAGES: Definition = Definition::gauge(
    "order_worker_queue_messages_ready",
    &["queue"],
    "Messages that wait in a queue, those in the hands of consumers not counted. Sampled.",
);

pub const QUEUE_CONSUMERS: Definition = Definition::gauge(
    "order_worker_queue_consumers",
    &["queue"],
    "Consumers of a queue, of all workers, by the broker's own count. Sampled.",
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
    "Looks at database or broker that found nothing: their sampled metrics are absent meanwhile.",
);

pub const UNKNOWN_FIELDS: Definition = Definition::counter(
    "order_worker_unknown_fields_total",
    &["publisher"],
    "Fields of commands that no rule knows; they are ignored.",
);

pub const COERCED_FIELDS: Definition = Definition::counter(
    "order_worker_coerced_fields_total",
    &["publisher"],
    "Whole numbers of commands that came as text or with a fraction; they are taken.",
);

pub const DIFFERING_TOTALS: Definition = Definition::counter(
    "order_worker_differing_totals_total",
    &["publisher"],
    "Orders whose total is not the sum of their items; they are taken.",
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
    "Whether the broker has confirmed this worker as a consumer of the queue.",
);

pub const PAUSED: Definition = Definition::gauge(
    "order_worker_paused",
    &["reason"],
    "Whether this keeps the worker from its work. Trouble with collecting concerns dead letters only.",
);

pub const PAUSES: Definition = Definition::counter(
    "order_worker_pauses_total",
    &["reason"],
    "How often this began to keep the worker from its work, lost connections among them.",
);

pub const BROKER_CONNECTIONS: Definition = Definition::counter(
    "order_worker_broker_connections_total",
    &["purpose"],
    "Connections made to RabbitMQ; each after the first of its purpose is a reconnect.",
);

pub const HTTP_REQUESTS: Definition = Definition::counter(
    "order_worker_http_requests_total",
    &["route", "method", "status"],
    "Requests over HTTP by the pattern of their path and the class of their status.",
);

pub const HTTP_SECONDS: Definition = Definition::histogram(
    "order_worker_http_request_duration_seconds",
    SECONDS,
    &["route"],
    "From a request's head to its answer's head, or to the end of its client.",
);

pub const BUILD_INFO: Definition = Definition::gauge(
    "order_worker_build_info",
    &["version"],
    "1, with the version of the program.",
);

pub const RESIDENT_MEMORY: Definition =
    Definition::gauge("process_resident_memory_bytes", &[], "Resident memory. Linux only.");

pub const CPU_SECONDS: Definition = Definition::counter(
    "process_cpu_seconds_total",
    &[],
    "Processor time of user and system. Linux only.",
);

pub const START_TIME: Definition = Definition::gauge(
    "process_start_time_seconds",
    &[],
    "When the process began, in seconds since 1970. Linux only.",
);

/// All of them, in the order in which they are documented.
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
