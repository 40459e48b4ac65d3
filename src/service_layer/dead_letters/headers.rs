//! The headers of dead letters and of their replays.

pub const CODE: &str = "order-worker-code";
pub const DETAIL: &str = "order-worker-detail";
pub const FAILED_AT: &str = "order-worker-failed-at";
pub const ATTEMPTS: &str = "order-worker-attempts";
/// Tells one dead letter from another with the same content.
pub const DEAD_LETTER_ID: &str = "order-worker-dead-letter-id";
/// The key of the dead letter that was replayed, in hexadecimal digits, and which replay it is.
pub const REPLAY_OF: &str = "order-worker-replay-of";
pub const REPLAY: &str = "order-worker-replay";
/// The same as code and detail, for other tools.
pub const EXCEPTION_MESSAGE: &str = "x-exception-message";
pub const ORIGINAL_EXCHANGE: &str = "x-original-exchange";
pub const ORIGINAL_ROUTING_KEY: &str = "x-original-routingKey";

/// Headers by which brokers record a message's way. A copy begins a new way.
pub fn is_about_the_way(name: &str) -> bool {
    ["x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Headers with the reason of a dead letter. A copy has its own, or none.
pub fn is_a_reason(name: &str) -> bool {
    [CODE, DETAIL, FAILED_AT, DEAD_LETTER_ID, EXCEPTION_MESSAGE].contains(&name)
}
