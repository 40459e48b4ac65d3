//! The headers of dead letters and of their replays.

pub const CODE: &str = "order-worker-code";
pub const DETAIL: &str = "order-worker-detail";
pub const FAILED_AT: &str = "order-worker-failed-at";
pub const ATTEMPTS: &str = "order-worker-attempts";
/// Distinguishes dead letters with the same content.
pub const DEAD_LETTER_ID: &str = "order-worker-dead-letter-id";
/// The key of the replayed dead letter, in hexadecimal digits, and the number of the replay.
pub const REPLAY_OF: &str = "order-worker-replay-of";
pub const REPLAY: &str = "order-worker-replay";
/// Code and detail, for other tools.
pub const EXCEPTION_MESSAGE: &str = "x-exception-message";
pub const ORIGINAL_EXCHANGE: &str = "x-original-exchange";
pub const ORIGINAL_ROUTING_KEY: &str = "x-original-routingKey";

/// Headers in which brokers record the history of a message. A copy starts without history.
pub fn is_broker_history(name: &str) -> bool {
    ["x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Headers with the reason of a dead letter. A copy has its own, or none.
pub fn is_reason(name: &str) -> bool {
    [CODE, DETAIL, FAILED_AT, DEAD_LETTER_ID, EXCEPTION_MESSAGE].contains(&name)
}
