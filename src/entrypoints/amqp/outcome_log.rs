//! Logs the outcomes of messages.

use crate::domain::CommandKind;
use crate::messages::Outcome;

/// Logs an outcome: accepted commands and duplicates at level debug, others above.
pub fn log(kind: Option<CommandKind>, message_id: Option<&str>, outcome: &Outcome) {
    let command = kind.map(CommandKind::name);
    match outcome {
        Outcome::Accepted(order) => {
            tracing::debug!(message_id, command, order_id = %order.order_id, "Command accepted");
        }
        Outcome::Duplicate(order) => {
            let order_id = order.as_ref().map(|order| tracing::field::display(&order.order_id));
            tracing::debug!(message_id, command, order_id, "Command is a duplicate");
        }
        Outcome::Rejected(order, rejection) => {
            tracing::info!(message_id, command, order_id = %order.order_id, code = rejection.code(), "Command rejected");
        }
        Outcome::RetryLater(reason) => {
            tracing::info!(message_id, command, %reason, "Command will be retried");
        }
        Outcome::DeadLetter(reason) => {
            tracing::warn!(
                message_id,
                command,
                code = reason.code.as_str(),
                detail = reason.detail,
                "Message dead-lettered"
            );
        }
    }
}
