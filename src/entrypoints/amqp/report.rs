//! Telling what became of a message.

use crate::domain::CommandKind;
use crate::service_layer::Outcome;

/// What became of one message, for whoever watches.
#[derive(Debug, Clone)]
pub struct Report {
    /// None when the message did not say which command it is.
    pub kind: Option<CommandKind>,
    /// The AMQP property, or what the body says.
    pub message_id: Option<String>,
    pub outcome: Outcome,
}

impl Report {
    /// One line for what an operator may want to know, none (at the usual level) for what is as it
    /// should be.
    pub(super) fn log(&self) {
        let command = self.kind.map(CommandKind::name);
        let message_id = self.message_id.as_deref();
        match &self.outcome {
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
}
