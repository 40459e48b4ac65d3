//! The log lines of outcomes.

use crate::domain::CommandKind;
use crate::messages::Outcome;

/// Logs one line for an outcome that an operator may want to know; the usual ones are at level debug.
pub fn log(kind: Option<CommandKind>, message_id: Option<&str>, outcome: &Outcome) {
    let command = kind.map(CommandKind::name);
    match outcome {
        Outcome::Accepted(order) => {
            tracing::debug!(message_id, command, order_id = %order.order_id, "Command accepted");
        }
        Outcome::Duplicate(order) => {
            let order_id = order.as_ref().map(|order| tracing::field::display(&order.order_id));
            tracing::debug!(message_id, command, order_id, "Command was a duplicate");
        }
        Outcome::Rejected(order, refusal) => {
            tracing::info!(message_id, command, order_id = %order.order_id, code = refusal.code(), "Command rejected");
        }
        Outcome::RetryLater(reason) => {
            tracing::info!(message_id, command, %reason, "Command is retried later");
        }
        Outcome::DeadLetter(reason) => {
            tracing::warn!(
                message_id,
                command,
                code = reason.code.as_str(),
                detail = reason.detail,
                "Message is dead-lettered"
            );
        }
    }
}
