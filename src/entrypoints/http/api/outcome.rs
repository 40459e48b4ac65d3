//! From the outcome of a command to its response.
//!
//! A command over HTTP never becomes a dead letter: its client gets the error.

use axum::http::StatusCode;

use crate::domain::{CommandKind, MessageId, OrderId, Rejection};
use crate::entrypoints::http::auth::Caller;
use crate::entrypoints::http::{App, Problem};
use crate::messages::{DeadLetterCode, DeadLetterReason, Outcome, RetryReason};
use crate::service_layer::InboxOutcome;

/// A command that took effect.
#[derive(Debug, PartialEq, Eq)]
pub struct Done {
    pub order_id: OrderId,
    /// It took effect before.
    pub is_repeat: bool,
}

/// # Errors
/// When the command took no effect.
pub fn to_result(outcome: Outcome) -> Result<Done, Problem> {
    match outcome {
        Outcome::Accepted(order) => Ok(Done { order_id: order.order_id, is_repeat: false }),
        Outcome::Duplicate(Some(order)) => Ok(Done { order_id: order.order_id, is_repeat: true }),
        Outcome::Duplicate(None) => Err(internal_error()),
        Outcome::Rejected(_, rejection) => Err(rejected(rejection)),
        Outcome::RetryLater(RetryReason::OrderNotFound { .. }) => Err(order_not_found()),
        Outcome::DeadLetter(reason) => Err(dead_lettered(reason)),
    }
}

/// The problem for what would be a dead letter if it came from the queue.
pub fn dead_lettered(reason: DeadLetterReason) -> Problem {
    let DeadLetterReason { code, detail, field } = reason;
    let problem =
        |status, detail| Problem { field, ..Problem::new(status, detail).with_code(code.as_str()) };
    match code {
        DeadLetterCode::EmptyBody
        | DeadLetterCode::NotUtf8
        | DeadLetterCode::UnsupportedEncoding
        | DeadLetterCode::UnsupportedEnvelope
        | DeadLetterCode::MalformedJson
        | DeadLetterCode::DuplicateKey
        | DeadLetterCode::MissingField
        | DeadLetterCode::InvalidField
        | DeadLetterCode::UnknownCommand
        | DeadLetterCode::CommandMismatch
        | DeadLetterCode::MessageIdMissing => problem(StatusCode::BAD_REQUEST, detail),
        DeadLetterCode::TooLarge => problem(StatusCode::PAYLOAD_TOO_LARGE, detail),
        DeadLetterCode::MessageIdReused => {
            let detail = "this key (or message id) was used before with another request";
            problem(StatusCode::UNPROCESSABLE_ENTITY, detail.to_owned())
        }
        DeadLetterCode::OrderIdReused => {
            let detail = "an order with this id and other content was placed before";
            problem(StatusCode::CONFLICT, detail.to_owned())
        }
        DeadLetterCode::OrderNotFound => order_not_found(),
        DeadLetterCode::InternalError => internal_error(),
    }
}

fn rejected(rejection: Rejection) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, rejection.to_string()).with_code(rejection.code())
}

fn order_not_found() -> Problem {
    Problem::not_found("the order does not exist").with_code(DeadLetterCode::OrderNotFound.as_str())
}

fn internal_error() -> Problem {
    let detail = "the worker could not handle the command; the reason is in its log";
    let code = DeadLetterCode::InternalError.as_str();
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).with_code(code)
}

/// The result that a repeated command had the first time, which may have been a rejection.
///
/// # Errors
/// When a rule rejected it the first time, or the database is unavailable.
pub async fn first_result(app: &App, done: Done, message_id: &MessageId) -> Result<Done, Problem> {
    let first = app.database()?.orders().message(message_id).await?;
    match first.map(|first| first.outcome) {
        Some(InboxOutcome::Rejected(code)) => {
            let detail = "the rule rejected this command the first time";
            Err(Problem::new(StatusCode::BAD_REQUEST, detail).with_code(code))
        }
        Some(InboxOutcome::Accepted | InboxOutcome::Duplicate) | None => Ok(done),
    }
}

pub fn log(
    outcome: &Outcome,
    command: CommandKind,
    message_id: Option<&MessageId>,
    caller: &Caller,
) {
    let (command, caller) = (command.name(), caller.name.as_str());
    let message_id = message_id.map(tracing::field::display);
    match outcome {
        Outcome::Accepted(order) | Outcome::Duplicate(Some(order)) => {
            let (order_id, outcome) = (&order.order_id, outcome.as_str());
            tracing::debug!(message_id, command, caller, %order_id, outcome, "Command handled");
        }
        Outcome::Rejected(order, rejection) => {
            let (order_id, code) = (&order.order_id, rejection.code());
            tracing::info!(message_id, command, caller, %order_id, code, "Command rejected");
        }
        Outcome::RetryLater(reason) => {
            tracing::debug!(message_id, command, caller, %reason, "Command refused");
        }
        Outcome::DeadLetter(DeadLetterReason {
            code: DeadLetterCode::InternalError,
            detail,
            ..
        }) => {
            tracing::error!(message_id, command, caller, detail, "Command could not be handled");
        }
        Outcome::DeadLetter(reason) => {
            let code = reason.code.as_str();
            tracing::info!(message_id, command, caller, code, "Command refused");
        }
        Outcome::Duplicate(None) => {
            tracing::error!(message_id, command, caller, "A duplicate command has no order");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Status;
    use crate::messages::OrderState;

    fn order() -> OrderState {
        OrderState { order_id: OrderId::new("7").unwrap(), status: Status::Shipping }
    }

    #[test]
    fn a_repeat_is_distinguished_from_a_first_effect() {
        let done = |is_repeat| Ok(Done { order_id: order().order_id, is_repeat });

        assert_eq!(to_result(Outcome::Accepted(order())).map_err(drop), done(false));
        assert_eq!(to_result(Outcome::Duplicate(Some(order()))).map_err(drop), done(true));
    }

    #[test]
    fn each_reason_has_its_status_and_its_code() {
        let order_id = order().order_id;
        let rejected = Outcome::Rejected(order(), Rejection::AlreadyCompleted);
        let missing = Outcome::RetryLater(RetryReason::OrderNotFound { order_id });
        let dead_letter = |code| Outcome::DeadLetter(DeadLetterReason::new(code, "detail"));
        for (outcome, status, code) in [
            (rejected, 400, "OrderAlreadyCompleted"),
            (missing, 404, "order_not_found"),
            (dead_letter(DeadLetterCode::MalformedJson), 400, "malformed_json"),
            (dead_letter(DeadLetterCode::TooLarge), 413, "too_large"),
            (dead_letter(DeadLetterCode::MessageIdReused), 422, "message_id_reused"),
            (dead_letter(DeadLetterCode::OrderIdReused), 409, "order_id_reused"),
            (dead_letter(DeadLetterCode::InternalError), 500, "internal_error"),
            (Outcome::Duplicate(None), 500, "internal_error"),
        ] {
            let problem = to_result(outcome).unwrap_err();
            assert_eq!((problem.status.as_u16(), problem.code.as_deref()), (status, Some(code)));
        }
    }

    #[test]
    fn a_command_that_cannot_be_decoded_names_the_field() {
        let field = "items[3].quantity".to_owned();
        let reason =
            DeadLetterReason::of_field(DeadLetterCode::InvalidField, field.clone(), "is invalid");

        let problem = dead_lettered(reason);

        assert_eq!(
            (problem.detail.as_str(), problem.field),
            ("items[3].quantity is invalid", Some(field))
        );
    }

    #[test]
    fn a_database_error_is_not_shown_to_the_client() {
        let error = DeadLetterReason::new(DeadLetterCode::InternalError, "SQLSTATE 23514 orders");

        assert!(!dead_lettered(error).detail.contains("SQLSTATE"));
    }
}
