//! From outcome to settlement: a total function, free of any broker.

use crate::service_layer::{DeadLetterReason, Outcome};

/// What happens to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// It is done with: acknowledge it.
    Ack,
    /// Put a copy into the delay before retry `attempt`, then acknowledge it.
    Retry { attempt: u32 },
    /// Put a copy with the reason into the dead letters, then acknowledge it.
    DeadLetter { reason: DeadLetterReason, attempts: u32 },
}

/// Decides by the outcome of the present attempt, after `failed` failed ones, of `max_attempts` in
/// all.
pub fn settle(outcome: &Outcome, failed: u32, max_attempts: u32) -> Settlement {
    let attempts = failed.saturating_add(1);
    match outcome {
        Outcome::Accepted(_) | Outcome::Duplicate(_) | Outcome::Rejected(..) => Settlement::Ack,
        Outcome::RetryLater(_) if attempts < max_attempts => {
            Settlement::Retry { attempt: attempts }
        }
        Outcome::RetryLater(reason) => {
            Settlement::DeadLetter { reason: reason.clone().into(), attempts }
        }
        Outcome::DeadLetter(reason) => Settlement::DeadLetter { reason: reason.clone(), attempts },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{OrderId, Rejection, Status};
    use crate::service_layer::{DeadLetterCode, OrderState, RetryReason};

    fn order_not_found() -> Outcome {
        let order_id = OrderId::new("7").unwrap();
        Outcome::RetryLater(RetryReason::OrderNotFound { order_id })
    }

    #[test]
    fn what_is_done_with_is_acknowledged() {
        let order = OrderState { order_id: OrderId::new("7").unwrap(), status: Status::Cancelled };
        for outcome in [
            Outcome::Accepted(order.clone()),
            Outcome::Duplicate(Some(order.clone())),
            Outcome::Rejected(order, Rejection::AlreadyCancelled),
        ] {
            assert_eq!(settle(&outcome, 0, 4), Settlement::Ack);
        }
    }

    #[test]
    fn a_missing_order_is_retried_three_times_of_four_attempts() {
        let settlements: Vec<_> =
            (0..4).map(|failed| settle(&order_not_found(), failed, 4)).collect();

        assert_eq!(settlements[0], Settlement::Retry { attempt: 1 });
        assert_eq!(settlements[2], Settlement::Retry { attempt: 3 });
        let Settlement::DeadLetter { reason, attempts } = &settlements[3] else { panic!() };
        assert_eq!((reason.code, *attempts), (DeadLetterCode::OrderNotFound, 4));
    }

    #[test]
    fn a_forged_count_of_attempts_ends_in_the_dead_letters_not_in_a_loop() {
        let settlement = settle(&order_not_found(), u32::MAX, 4);

        assert!(matches!(settlement, Settlement::DeadLetter { .. }));
    }
}
