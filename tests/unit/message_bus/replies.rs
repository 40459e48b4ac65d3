//! Replies to commands with `reply_to`.

use order_worker::messages::{Message, OutboxMessageKind};
use serde_json::{Value, json};

use super::{body, outgoing};
use crate::support::messages::{With, cancel, next_status, place, place_without_id};

#[tokio::test]
async fn the_reply_to_an_accepted_command_has_the_assigned_order_id() {
    let replies = replies(&[place_without_id().with_reply_to("replies")]).await;

    let expected = json!({
        "outcome": "accepted", "order_id": "1000001", "status": "Received", "code": null,
        "detail": null,
    });
    assert_eq!(replies, [("replies".to_owned(), expected)]);
}

#[tokio::test]
async fn the_reply_to_a_duplicate_has_the_present_status() {
    let first = place("14").with_id("m");

    let replies =
        replies(&[first.clone(), next_status("14"), first.with_reply_to("replies")]).await;

    let expected = json!({
        "outcome": "duplicate", "order_id": "14", "status": "Processing", "code": null,
        "detail": null,
    });
    assert_eq!(replies, [("replies".to_owned(), expected)]);
}

#[tokio::test]
async fn the_reply_to_a_rejected_command_names_the_rule() {
    let replies =
        replies(&[place("14"), cancel("14"), cancel("14").with_reply_to("replies")]).await;

    let expected = json!({
        "outcome": "rejected", "order_id": "14", "status": "Cancelled",
        "code": "OrderAlreadyCancelled", "detail": "the order is already cancelled",
    });
    assert_eq!(replies, [("replies".to_owned(), expected)]);
}

/// The replies: the queue and the body of each.
async fn replies(messages: &[Message]) -> Vec<(String, Value)> {
    let outgoing = outgoing(messages).await;
    let replies = outgoing.iter().filter(|message| message.kind == OutboxMessageKind::Reply);
    replies.map(|reply| (reply.routing_key.clone(), body(reply))).collect()
}
