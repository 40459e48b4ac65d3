//! Values are read back as they were written.

use order_worker::domain::{Command, MessageId, Order, Status};
use order_worker::messages::Message;
use order_worker::service_layer::{InboxOutcome, OrderQueries};

use super::{TestDatabase, find, order, outcomes, words};
use crate::builders::WithContent;
use crate::support::clock::moment;
use crate::support::messages::{With, cancel, next_status, place};

pub async fn text_round_trips_exactly<D: TestDatabase>(database: &D) {
    let texts = [
        "",
        " ",
        "null",
        "14",
        "1e3",
        "\"quoted\" 'twice'",
        r"back\slash \u0041",
        "{a,\"b\"} {}",
        "<script>alert(1)</script>",
        "Robert'); drop table orders; --",
        "🎮 e\u{301} 你好 \u{202e}",
        "a\r\nb\tc\u{1b}\u{7f}",
        "%s $1 ?1 :name @x",
        "[1]",
    ];
    for text in texts {
        let order_id = format!("order {}", text.replace(char::is_control, "_"));
        let placed = place(&order_id).with_texts(text);

        outcomes(database, std::slice::from_ref(&placed)).await;

        assert!(is_as_placed(&order(database, &order_id).await, &placed), "{text:?}");
        // The store compares it as equal, too.
        assert_eq!(words(&outcomes(database, &[placed]).await), ["duplicate"], "{text:?}");
    }
}

pub async fn money_round_trips_exactly<D: TestDatabase>(database: &D) {
    for amount in ["0", "0.01", "0.1", "0.29", "1.15", "4503599627.37", "9999999999.99"] {
        let placed = place(amount).with_total(amount).with_price(amount);

        outcomes(database, std::slice::from_ref(&placed)).await;

        assert!(is_as_placed(&order(database, amount).await, &placed), "{amount}");
    }
}

pub async fn timestamps_round_trip_exactly<D: TestDatabase>(database: &D) {
    outcomes(database, &[place("14")]).await;
    outcomes(database, &[next_status("14")]).await;

    let found = find(database, "14").await.unwrap();

    assert_eq!(found.order.created_at(), moment("2026-11-20T09:30:00.123456Z"));
    assert_eq!(found.history[1].at, found.order.last_updated());
}

pub async fn five_hundred_items_keep_their_order<D: TestDatabase>(database: &D) {
    let placed = place("14").with_items((1..=500).rev());

    outcomes(database, std::slice::from_ref(&placed)).await;

    assert!(is_as_placed(&order(database, "14").await, &placed));
    assert_eq!(words(&outcomes(database, &[placed]).await), ["duplicate"]);
}

pub async fn the_history_records_the_cause_of_each_change<D: TestDatabase>(database: &D) {
    let cancelled = cancel("14").because("changed my mind; 'really'").with_id("m2");
    outcomes(database, &[place("14").with_id("m1"), cancelled]).await;

    let history = find(database, "14").await.unwrap().history;

    let causes = history.iter().map(|entry| {
        let cause = &entry.cause;
        (cause.command.as_str(), cause.message_id.as_deref(), cause.reason.as_deref())
    });
    let placed = ("PlaceOrder", Some("m1"), None);
    let cancelled = ("CancelOrder", Some("m2"), Some("changed my mind; 'really'"));
    assert_eq!(causes.collect::<Vec<_>>(), [placed, cancelled]);
    let statuses =
        history.iter().map(|entry| (entry.previous.map(Status::word), entry.status.word()));
    assert!(statuses.eq([(None, "received"), (Some("received"), "cancelled")]));
}

pub async fn a_message_can_be_looked_up<D: TestDatabase>(database: &D) {
    let message = place("14").with_id("'; --");
    outcomes(database, &[message.clone(), next_status("14")]).await;

    let message_id = MessageId::new("'; --").unwrap();
    let handled = database.queries().message(&message_id).await.unwrap().unwrap();

    let key = message.idempotency_key.unwrap();
    assert_eq!((handled.message_id, handled.body_hash), (key.message_id, key.body_hash));
    assert_eq!(handled.command, message.command.kind());
    assert_eq!(handled.outcome, InboxOutcome::Accepted);
    assert_eq!(handled.order.status.name(), "Processing", "the current status");
    assert_eq!(handled.handled_at, moment("2026-11-20T09:30:00.123456Z"));
}

fn is_as_placed(order: &Order, message: &Message) -> bool {
    let Command::PlaceOrder(place) = &message.command else {
        return false;
    };
    order.was_placed_as(place) && Some(order.order_id()) == place.order_id.as_ref()
}
