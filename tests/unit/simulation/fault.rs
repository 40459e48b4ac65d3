//! The kinds of trouble.

/// A kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    ChannelLost,
    ConsumerCancelled,
    AcksLate,
    /// They were on their way when the channel ended.
    AcksLost,
    /// The broker takes a message for one that kills workers.
    DeliveryLimitReached,
    ConfirmsLate,
    /// The broker took the whole window, and nobody hears of it.
    ConfirmsLost,
    /// The broker took the beginning of a window only.
    WindowCut,
    /// A nack for a message that is nowhere.
    RefusedUntaken,
    /// A nack for a message that is in its queue all the same.
    RefusedTaken,
    /// A subscriber's queue is full for long: it refuses all events of a routing key.
    SubscriberFull,
    /// The queue for dead letters is full for long.
    DeadLettersFull,
    /// The queue for a reply never confirms.
    ReplyUnconfirmed,
    EventUnroutable,
    /// The queue for retries or dead letters is missing.
    CopyUnroutable,
    /// A memory or disk alarm.
    PublishingBlocked,
    BeginFailed,
    /// Committed, but the answer is lost.
    CommitUnknown,
    CommitNotDone,
    /// A deadlock or a serialization failure.
    Conflict,
    /// Somebody else has one of the orders.
    OrderLocked,
    DatabaseSlow,
    /// It does not answer for so long that nobody waits any more.
    DatabaseAway,
    /// A constraint does not take one of the orders.
    OrderRefused,
    /// Rows left the outbox, but the answer is lost.
    RemovalUnknown,
    RemovalNotDone,
    /// The relay cannot read the outbox.
    RelayBlind,
    ClockJumped,
    /// SIGKILL.
    Killed,
    /// SIGTERM.
    Stopped,
    /// SIGTERM, when the next worker is there already.
    Relieved,
    /// A stop took longer than its grace period.
    HandedBack,
    /// A client did not wait for its outcome.
    ClientHungUp,
    /// A client's command may or may not take effect.
    AnsweredTooLate,
}

impl Fault {
    pub const ALL: [Self; 34] = [
        Self::ChannelLost,
        Self::ConsumerCancelled,
        Self::AcksLate,
        Self::AcksLost,
        Self::DeliveryLimitReached,
        Self::ConfirmsLate,
        Self::ConfirmsLost,
        Self::WindowCut,
        Self::RefusedUntaken,
        Self::RefusedTaken,
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
        Self::DatabaseAway,
        Self::OrderRefused,
        Self::RemovalUnknown,
        Self::RemovalNotDone,
        Self::RelayBlind,
        Self::ClockJumped,
        Self::Killed,
        Self::Stopped,
        Self::Relieved,
        Self::HandedBack,
        Self::ClientHungUp,
        Self::AnsweredTooLate,
    ];

    /// The highest rate, per mille of the occasions. Those that follow from others have none.
    pub fn most(self) -> u16 {
        match self {
            Self::AcksLost
            | Self::DeliveryLimitReached
            | Self::HandedBack
            | Self::OrderRefused
            | Self::AnsweredTooLate => 0,
            Self::ChannelLost | Self::ConsumerCancelled | Self::AcksLate => 900,
            Self::Conflict => 800,
            Self::CommitUnknown
            | Self::CommitNotDone
            | Self::BeginFailed
            | Self::OrderLocked
            | Self::DatabaseSlow
            | Self::RemovalUnknown
            | Self::RemovalNotDone
            | Self::RelayBlind
            | Self::ConfirmsLate
            | Self::ConfirmsLost
            | Self::WindowCut => 400,
            Self::RefusedUntaken
            | Self::RefusedTaken
            | Self::EventUnroutable
            | Self::CopyUnroutable
            | Self::ClockJumped
            | Self::ReplyUnconfirmed
            | Self::ClientHungUp => 300,
            Self::SubscriberFull => 50,
            Self::DeadLettersFull => 80,
            Self::PublishingBlocked | Self::Killed | Self::Stopped | Self::Relieved => 100,
            Self::DatabaseAway => 20,
        }
    }
}
