//! What to do with a delivery, as a pure function of the outcome.

use crate::messages::{DeadLetterReason, Outcome};

/// What to do with a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// Acknowledge it.
    Ack,
    /// Publish a copy to the queue of retry `attempt`, then acknowledge it.
    Retry { attempt: u32 },
    /// Publish a copy with the reason to the dead letters, then acknowledge it.
    DeadLetter { reason: DeadLetterReason, attempts: u32 },
}

/// Decides by the outcome of this attempt, after `failed` failed ones.
pub fn dispose(outcome: &Outcome, failed: u32, max_attempts: u32) -> Disposition {
    let attempts = failed.saturating_add(1);
    match outcome {
        Outcome::Accepted(_) | Outcome::Duplicate(_) | Outcome::Rejected(..) => Disposition::Ack,
        Outcome::RetryLater(_) if attempts < max_attempts => {
            Disposition::Retry { attempt: attempts }
        }
        Outcome::RetryLater(reason) => {
            Disposition::DeadLetter { reason: reason.clone().into(), attempts }
        }
        Outcome::DeadLetter(reason) => Disposition::DeadLetter { reason: reason.clone(), attempts },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{OrderId, Rejection, Status};
    use crate::messages::{DeadLetterCode, OrderState, RetryReason};

    fn order_not_found() -> Outcome {
        let order_id = OrderId::new("7").unwrap();
        Outcome::RetryLater(RetryReason::OrderNotFound { order_id })
    }

    #[test]
    fn final_outcomes_are_acknowledged() {
        let order = OrderState { order_id: OrderId::new("7").unwrap(), status: Status::Cancelled };
        for outcome in [
            Outcome::Accepted(order.clone()),
            Outcome::Duplicate(Some(order.clone())),
            Outcome::Rejected(order, Rejection::AlreadyCancelled),
        ] {
            assert_eq!(dispose(&outcome, 0, 4), Disposition::Ack);
        }
    }

    #[test]
    fn a_missing_order_is_retried_three_times_of_four_attempts() {
        let dispositions: Vec<_> =
            (0..4).map(|failed| dispose(&order_not_found(), failed, 4)).collect();

        assert_eq!(dispositions[0], Disposition::Retry { attempt: 1 });
        assert_eq!(dispositions[2], Disposition::Retry { attempt: 3 });
        let Disposition::DeadLetter { reason, attempts } = &dispositions[3] else { panic!() };
        assert_eq!((reason.code, *attempts), (DeadLetterCode::OrderNotFound, 4));
    }

    #[test]
    fn a_forged_count_of_attempts_ends_in_the_dead_letters_not_in_a_loop() {
        let disposition = dispose(&order_not_found(), u32::MAX, 4);

        assert!(matches!(disposition, Disposition::DeadLetter { .. }));
    }
}
