//! What is among the dead letters, and why.

use order_worker::service_layer::{DeadLetterCode, HeaderValue};

use super::{DeadLettered, IdempotencyKey, Ledger, Wish};

/// I6: the bytes are those of the publisher, the properties too, and the code is one that fits.
pub fn check(ledger: &Ledger, dead_letter: &DeadLettered, refused: Option<&str>) {
    let DeadLettered { properties, body, by_broker } = dead_letter;
    let label = properties.correlation_id.clone().unwrap_or_default();
    let Some(intent) = ledger.intent(&label) else {
        return ledger.violated(format!("I6: whose dead letter is {label:?}?"));
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
        Some(code) => fits_code(ledger, &intent, code, refused),
    };
    if !fits {
        ledger.violated(format!("I6: {label} {:?} is dead for {code:?}", intent.wish));
    }
}

/// The same for what clients were told.
pub fn check_refused(ledger: &Ledger, refused: Option<&str>) {
    for (label, code) in ledger.refused() {
        let fits = ledger
            .intent(&label)
            .is_some_and(|intent| fits_code(ledger, &intent, code.slug(), refused));
        if !fits {
            ledger.violated(format!("I6: {label} was refused for {code:?}"));
        }
    }
}

fn fits_code(ledger: &Ledger, intent: &IdempotencyKey, code: &str, refused: Option<&str>) -> bool {
    let Some(code) = DeadLetterCode::ALL.into_iter().find(|known| known.slug() == code) else {
        return false;
    };
    let shares = |other: &IdempotencyKey| {
        other.label != intent.label
            && other.message_id.is_some()
            && other.message_id == intent.message_id
    };
    match (intent.wish, code) {
        (Wish::Nonsense(expected), code) => code.slug() == expected,
        (_, DeadLetterCode::MessageIdReused) => ledger.intents().iter().any(shares),
        (_, DeadLetterCode::InternalError) => {
            refused.is_some() && intent.order_id.as_deref() == refused
        }
        (Wish::Place, DeadLetterCode::OrderIdReused) => true,
        (wish, DeadLetterCode::OrderNotFound) => wish != Wish::Place,
        _ => false,
    }
}
