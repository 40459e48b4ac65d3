//! Checks of the dead letters and their codes.

use order_worker::messages::{DeadLetterCode, HeaderValue};

use super::{Action, DeadLettered, Intent, Ledger};

/// I6: a dead letter has the publisher's bytes and properties, and a code that is right.
pub fn check(ledger: &Ledger, dead_letter: &DeadLettered, refused: Option<&str>) {
    let DeadLettered { properties, body, by_broker } = dead_letter;
    let label = properties.correlation_id.clone().unwrap_or_default();
    let Some(intent) = ledger.intent(&label) else {
        return ledger.violated(format!("I6: dead letter of unknown {label:?}"));
    };
    let original = intent.properties();
    if (body, &properties.message_id, &properties.reply_to)
        != (&intent.body, &original.message_id, &original.reply_to)
    {
        ledger.violated(format!("I6: the dead letter of {label} is not what was published"));
    }
    let code = properties.headers.get("order-worker-code").and_then(HeaderValue::as_text);
    let fits = match code {
        None => *by_broker,
        Some(code) => is_expected_code(ledger, &intent, code, refused),
    };
    if !fits {
        ledger.violated(format!("I6: {label} {:?} is a dead letter for {code:?}", intent.action));
    }
}

/// The same for the codes that HTTP clients received.
pub fn check_refused(ledger: &Ledger, refused: Option<&str>) {
    for (label, code) in ledger.refused() {
        let fits = ledger
            .intent(&label)
            .is_some_and(|intent| is_expected_code(ledger, &intent, code.as_str(), refused));
        if !fits {
            ledger.violated(format!("I6: {label} was refused for {code:?}"));
        }
    }
}

fn is_expected_code(ledger: &Ledger, intent: &Intent, code: &str, refused: Option<&str>) -> bool {
    let Some(code) = DeadLetterCode::ALL.into_iter().find(|known| known.as_str() == code) else {
        return false;
    };
    let shares = |other: &Intent| {
        other.label != intent.label
            && other.message_id.is_some()
            && other.message_id == intent.message_id
    };
    match (intent.action, code) {
        (Action::Invalid(expected), code) => code.as_str() == expected,
        (_, DeadLetterCode::MessageIdReused) => ledger.intents().iter().any(shares),
        (_, DeadLetterCode::InternalError) => {
            refused.is_some() && intent.order_id.as_deref() == refused
        }
        (Action::Place, DeadLetterCode::OrderIdReused) => true,
        (action, DeadLetterCode::OrderNotFound) => action != Action::Place,
        _ => false,
    }
}
