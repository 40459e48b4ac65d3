//! The kinds of faults.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    ChannelLost,
    ConsumerCancelled,
    /// The broker has given up a channel, and redelivers, before its worker notices.
    LossNoticedLate,
    /// A worker committed what the broker had already requeued.
    CommittedAfterRequeue,
    /// A consumer with a higher priority became active once the previous one had settled its messages.
    HandedOver,
    AcksLate,
    /// The channel was lost before the broker received them.
    AcksLost,
    /// The broker drops a message that was redelivered too often.
    DeliveryLimitReached,
    ConfirmsLate,
    /// The broker queued the whole window, but its confirms are lost.
    ConfirmsLost,
    /// The broker received only the start of a window.
    WindowTruncated,
    /// A nack for a message that is in no queue.
    NackedAndDropped,
    /// A nack for a message that is in its queue.
    NackedButQueued,
    /// A subscriber's queue is full for some time: it rejects all events of a routing key.
    SubscriberFull,
    /// The dead-letter queue is full for some time.
    DeadLettersFull,
    /// A reply queue never confirms.
    ReplyUnconfirmed,
    EventUnroutable,
    /// The retry or dead-letter queue is missing.
    CopyUnroutable,
    /// A memory or disk alarm.
    PublishingBlocked,
    BeginFailed,
    /// Committed, but the response is lost.
    CommitUnknown,
    CommitNotDone,
    /// A deadlock or a serialization failure.
    Conflict,
    /// Another transaction has locked one of the orders.
    OrderLocked,
    DatabaseSlow,
    /// No response within the timeout.
    DatabaseUnreachable,
    /// A constraint rejects one of the orders.
    OrderRefused,
    /// Rows were deleted from the outbox, but the response is lost.
    RemovalUnknown,
    RemovalNotDone,
    /// The relay cannot read the outbox.
    RelayReadFailed,
    ClockJumped,
    /// SIGKILL.
    Killed,
    /// SIGTERM.
    Stopped,
    /// SIGTERM after the next worker has started.
    RollingUpgrade,
    /// Another worker joins.
    WorkerJoined,
    /// A stop took longer than the grace period and handed deliveries back.
    GracePeriodExceeded,
    /// A client did not wait for its outcome.
    ClientHungUp,
    /// A client got no outcome in time: its command may take effect later.
    ResponseTooLate,
}

impl Fault {
    pub const ALL: [Self; 38] = [
        Self::ChannelLost,
        Self::ConsumerCancelled,
        Self::LossNoticedLate,
        Self::CommittedAfterRequeue,
        Self::HandedOver,
        Self::AcksLate,
        Self::AcksLost,
        Self::DeliveryLimitReached,
        Self::ConfirmsLate,
        Self::ConfirmsLost,
        Self::WindowTruncated,
        Self::NackedAndDropped,
        Self::NackedButQueued,
        Self::SubscriberFull,
        Self::DeadLettersFull,
        Self::ReplyUnconfirmed,
        Self::EventUnroutable,
        Self::CopyUnroutable,
        Self::PublishingBlocked,
        Self::BeginFailed,
        Self::CommitUnknown,
        Self::CommitNotDone,
        Self::Conflict,
        Self::OrderLocked,
        Self::DatabaseSlow,
        Self::DatabaseUnreachable,
        Self::OrderRefused,
        Self::RemovalUnknown,
        Self::RemovalNotDone,
        Self::RelayReadFailed,
        Self::ClockJumped,
        Self::Killed,
        Self::Stopped,
        Self::RollingUpgrade,
        Self::WorkerJoined,
        Self::GracePeriodExceeded,
        Self::ClientHungUp,
        Self::ResponseTooLate,
    ];

    /// The maximum probability per occasion, in per mille; 0 for faults that follow from others.
    pub fn max_per_mille(self) -> u16 {
        match self {
            Self::AcksLost
            | Self::CommittedAfterRequeue
            | Self::HandedOver
            | Self::DeliveryLimitReached
            | Self::GracePeriodExceeded
            | Self::OrderRefused
            | Self::ResponseTooLate => 0,
            Self::ChannelLost
            | Self::ConsumerCancelled
            | Self::LossNoticedLate
            | Self::AcksLate => 900,
            Self::Conflict => 800,
            Self::CommitUnknown
            | Self::CommitNotDone
            | Self::BeginFailed
            | Self::OrderLocked
            | Self::DatabaseSlow
            | Self::RemovalUnknown
            | Self::RemovalNotDone
            | Self::RelayReadFailed
            | Self::ConfirmsLate
            | Self::ConfirmsLost
            | Self::WindowTruncated => 400,
            Self::NackedAndDropped
            | Self::NackedButQueued
            | Self::EventUnroutable
            | Self::CopyUnroutable
            | Self::ClockJumped
            | Self::ReplyUnconfirmed
            | Self::ClientHungUp => 300,
            Self::SubscriberFull => 50,
            Self::DeadLettersFull => 80,
            Self::PublishingBlocked
            | Self::Killed
            | Self::Stopped
            | Self::RollingUpgrade
            | Self::WorkerJoined => 100,
            Self::DatabaseUnreachable => 20,
        }
    }
}
