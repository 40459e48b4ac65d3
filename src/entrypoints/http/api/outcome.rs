//! From the outcome of a command to its answer.
//!
//! Nothing that is asked over HTTP becomes a dead letter: whoever asked has the answer.

use axum::http::StatusCode;

use crate::domain::{CommandKind, MessageId, OrderId, Rejection};
use crate::entrypoints::http::auth::Caller;
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::{DeadLetterCode, DeadLetterReason, InboxOutcome, Outcome, RetryReason};

/// A command that has had its effect.
#[derive(Debug, PartialEq, Eq)]
pub struct Done {
    pub order_id: OrderId,
    /// It had its effect before.
    pub is_repeat: bool,
}

/// Tells effects from reasons why there are none.
///
/// # Errors
/// With the reason.
pub fn answer(outcome: Outcome) -> Result<Done, Problem> {
    match outcome {
        Outcome::Accepted(order) => Ok(Done { order_id: order.order_id, is_repeat: false }),
        Outcome::Duplicate(Some(order)) => Ok(Done { order_id: order.order_id, is_repeat: true }),
        Outcome::Duplicate(None) => Err(internal_error()),
        Outcome::Rejected(_, refusal) => Err(rejected(refusal)),
        Outcome::RetryLater(RetryReason::OrderNotFound { .. }) => Err(order_not_found()),
        Outcome::DeadLetter(dead) => Err(refused(dead)),
    }
}

/// A command that was refused at the edge or by what is known of it.
pub fn refused(dead: DeadLetterReason) -> Problem {
    let DeadLetterReason { code, detail, field } = dead;
    let problem =
        |status, detail| Problem { field, ..Problem::new(status, detail).with_code(code.as_str()) };
    match code {
        DeadLetterCode::EmptyBody
        | DeadLetterCode::NotUtf8
        | DeadLetterCode::MalformedJson
        | DeadLetterCode::DuplicateKey
        | DeadLetterCode::MissingField
        | DeadLetterCode::InvalidField
        | DeadLetterCode::UnknownCommand
        | DeadLetterCode::MessageIdMissing => problem(StatusCode::BAD_REQUEST, detail),
        DeadLetterCode::TooLarge => problem(StatusCode::PAYLOAD_TOO_LARGE, detail),
        DeadLetterCode::MessageIdReused => {
            let detail = "this key (or message id) came before with another request";
            problem(StatusCode::UNPROCESSABLE_ENTITY, detail.to_owned())
        }
        DeadLetterCode::OrderIdReused => {
            let detail = "an order of this id was placed before with other content";
            problem(StatusCode::CONFLICT, detail.to_owned())
        }
        DeadLetterCode::OrderNotFound => order_not_found(),
        DeadLetterCode::InternalError => internal_error(),
    }
}

fn rejected(refusal: Rejection) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, refusal.to_string()).with_code(refusal.code())
}

fn order_not_found() -> Problem {
    Problem::not_found("there is no such order").with_code(DeadLetterCode::OrderNotFound.as_str())
}

fn internal_error() -> Problem {
    let detail = "the worker could not handle the command; its log says why";
    let code = DeadLetterCode::InternalError.as_str();
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).with_code(code)
}

/// The answer that a repeat had when it came first: it may have been refused by a rule.
///
/// # Errors
/// With that rule; when the database does not answer.
pub async fn as_the_first_time(
    app: &App,
    done: Done,
    message_id: &MessageId,
) -> Result<Done, Problem> {
    let first = app.database()?.orders().message(message_id).await?;
    match first.map(|first| first.outcome) {
        Some(InboxOutcome::Rejected(code)) => {
            let detail = "the rule refused this command when it came first";
            Err(Problem::new(StatusCode::BAD_REQUEST, detail).with_code(code))
        }
        Some(InboxOutcome::Accepted | InboxOutcome::Duplicate) | None => Ok(done),
    }
}

/// One line for what an operator may want to know.
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
            tracing::debug!(message_id, command, caller, %order_id, outcome, "Request handled");
        }
        Outcome::Rejected(order, refusal) => {
            let (order_id, code) = (&order.order_id, refusal.code());
            tracing::info!(message_id, command, caller, %order_id, code, "Command rejected");
        }
        Outcome::RetryLater(reason) => {
            tracing::debug!(message_id, command, caller, %reason, "Request refused");
        }
        Outcome::DeadLetter(DeadLetterReason {
            code: DeadLetterCode::InternalError,
            detail,
            ..
        }) => {
            tracing::error!(message_id, command, caller, detail, "Request could not be handled");
        }
        Outcome::DeadLetter(dead) => {
            let code = dead.code.as_str();
            tracing::info!(message_id, command, caller, code, "Request refused");
        }
        Outcome::Duplicate(None) => {
            tracing::error!(message_id, command, caller, "A duplicate of nothing");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Status;
    use crate::service_layer::OrderState;

    fn order() -> OrderState {
        OrderState { order_id: OrderId::new("7").unwrap(), status: Status::Shipping }
    }

    #[test]
    fn an_effect_is_told_from_a_repeat() {
        let done = |is_repeat| Ok(Done { order_id: order().order_id, is_repeat });

        assert_eq!(answer(Outcome::Accepted(order())).map_err(drop), done(false));
        assert_eq!(answer(Outcome::Duplicate(Some(order()))).map_err(drop), done(true));
    }

    #[test]
    fn each_reason_has_its_status_and_its_code() {
        let order_id = order().order_id;
        let rejected = Outcome::Rejected(order(), Rejection::AlreadyCompleted);
        let missing = Outcome::RetryLater(RetryReason::OrderNotFound { order_id });
        let dead = |code| Outcome::DeadLetter(DeadLetterReason::new(code, "detail"));
        for (outcome, status, code) in [
            (rejected, 400, "OrderAlreadyCompleted"),
            (missing, 404, "order_not_found"),
            (dead(DeadLetterCode::MalformedJson), 400, "malformed_json"),
            (dead(DeadLetterCode::TooLarge), 413, "too_large"),
            (dead(DeadLetterCode::MessageIdReused), 422, "message_id_reused"),
            (dead(DeadLetterCode::OrderIdReused), 409, "order_id_reused"),
            (dead(DeadLetterCode::InternalError), 500, "internal_error"),
            (Outcome::Duplicate(None), 500, "internal_error"),
        ] {
            let problem = answer(outcome).unwrap_err();
            assert_eq!((problem.status.as_u16(), problem.code.as_deref()), (status, Some(code)));
        }
    }

    #[test]
    fn a_refusal_of_the_edge_names_the_field() {
        let field = "items[3].quantity".to_owned();
        let dead =
            DeadLetterReason::of_field(DeadLetterCode::InvalidField, field.clone(), "is odd");

        let problem = refused(dead);

        assert_eq!(
            (problem.detail.as_str(), problem.field),
            ("items[3].quantity is odd", Some(field))
        );
    }

    #[test]
    fn trouble_of_the_database_stays_in_the_log() {
        let trouble = DeadLetterReason::new(DeadLetterCode::InternalError, "SQLSTATE 23514 orders");

        assert!(!refused(trouble).detail.contains("SQLSTATE"));
    }
}
