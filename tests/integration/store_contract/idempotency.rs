//! Repeats have one effect.

use order_worker::domain::Status;
use order_worker::messages::Outcome;
use order_worker::service_layer::{OrderQueries, OrderQuery, Page};

use super::{TestDatabase, bus_on, dead_letter_code, find, handle, order, outcomes, words};
use crate::builders::WithContent;
use crate::support::messages::{With, cancel, next_status, place, place_without_id, set_status};

pub async fn the_same_message_id_twice_is_a_duplicate<D: TestDatabase>(database: &D) {
    outcomes(database, &[place("14"), next_status("14").with_id("m")]).await;

    let outcomes = outcomes(database, &[next_status("14").with_id("m")]).await;

    let [Outcome::Duplicate(Some(state))] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!((state.order_id.as_str(), state.status), ("14", Status::Processing));
    assert_eq!(order(database, "14").await.version(), 2);
}

pub async fn five_copies_in_one_batch_have_one_effect<D: TestDatabase>(database: &D) {
    let copies: Vec<_> = (0..5).map(|_| place_without_id().with_id("m")).collect();

    let outcomes = outcomes(database, &copies).await;

    assert_eq!(words(&outcomes)[..2], ["accepted", "duplicate"]);
    let orders = database.queries().orders(&OrderQuery::all(), &Page::first(10)).await.unwrap();
    assert_eq!((outcomes.len(), orders.len()), (5, 1));
}

pub async fn the_same_id_with_another_body_is_a_reuse<D: TestDatabase>(database: &D) {
    outcomes(database, &[place("14"), next_status("14").with_id("m")]).await;

    let outcomes = outcomes(database, &[cancel("14").with_id("m")]).await;

    assert_eq!(dead_letter_code(&outcomes[0]), "message_id_reused");
    assert_eq!(order(database, "14").await.status(), Status::Processing);
}

pub async fn two_units_of_work_with_the_same_message_have_one_effect<D: TestDatabase>(
    database: &D,
) {
    outcomes(database, &[place("14")]).await;
    let (mut one_bus, mut other_bus) = (bus_on(database), bus_on(database));

    let message = [next_status("14").with_id("m")];
    let (one, other) =
        tokio::join!(one_bus.handle_batch(&message), other_bus.handle_batch(&message));

    let mut words = words(&[one.outcomes, other.outcomes].concat());
    words.sort_unstable();
    assert_eq!(words, ["accepted", "duplicate"]);
    assert_eq!(order(database, "14").await.version(), 2);
}

pub async fn two_units_of_work_that_place_the_same_order_have_one_effect<D: TestDatabase>(
    database: &D,
) {
    outcomes(database, &[place("a"), place("b")]).await;
    let (mut one_bus, mut other_bus) = (bus_on(database), bus_on(database));

    for n in 0..20 {
        let order = place(&n.to_string());
        // The first ten are assumed to be new. The others are looked up, because of another order in
        // their batch.
        let [one_batch, other_batch] = ["a", "b"].map(|own| match n {
            0..10 => vec![order.clone()],
            _ => vec![order.clone(), set_status(own, Status::Received)],
        });
        let (one, other) =
            tokio::join!(one_bus.handle_batch(&one_batch), other_bus.handle_batch(&other_batch));

        let mut words = words(&[one.outcomes[0].clone(), other.outcomes[0].clone()]);
        words.sort_unstable();
        assert_eq!(words, ["accepted", "duplicate"], "order {n}");
    }
}

pub async fn a_replayed_dead_letter_is_not_a_duplicate<D: TestDatabase>(database: &D) {
    outcomes(database, &[place("14").with_total("1.00")]).await;
    let misnamed = place("14").with_total("2.00").with_id("m");
    let refused = outcomes(database, std::slice::from_ref(&misnamed)).await;
    assert_eq!(dead_letter_code(&refused[0]), "order_id_reused");

    let again = outcomes(database, &[misnamed]).await;

    assert_eq!(dead_letter_code(&again[0]), "order_id_reused");
}

pub async fn placing_the_same_order_again_is_a_duplicate<D: TestDatabase>(database: &D) {
    outcomes(database, &[place("14"), next_status("14")]).await;

    let outcomes = outcomes(database, &[place("14")]).await;

    let [Outcome::Duplicate(Some(state))] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!(state.status, Status::Processing);
    assert_eq!(order(database, "14").await.version(), 2);
}

pub async fn placing_another_order_under_a_known_id_is_a_reuse<D: TestDatabase>(database: &D) {
    outcomes(database, &[place("14").with_total("1.00")]).await;

    let outcomes = outcomes(database, &[place("14").with_total("1.01")]).await;

    assert_eq!(dead_letter_code(&outcomes[0]), "order_id_reused");
    assert_eq!(order(database, "14").await.total().to_string(), "1.00");
}

pub async fn known_orders_among_new_ones_are_found<D: TestDatabase>(database: &D) {
    let unnamed = place_without_id().with_id("m2");
    outcomes(database, &[place("14").with_id("m1"), unnamed.clone()]).await;

    let reuse = place("16").with_id("m1");
    let batch = [place("15").with_id("m3"), unnamed, place("14"), reuse, place("17")];
    let handled = handle(database, &batch).await;

    let expected = ["accepted", "duplicate", "duplicate", "dead_lettered", "accepted"];
    assert_eq!(words(&handled.outcomes), expected);
    assert_eq!(dead_letter_code(&handled.outcomes[3]), "message_id_reused");
    assert_eq!((handled.to_publish.len(), handled.conflicts), (2, 0));
    let orders = database.queries().orders(&OrderQuery::all(), &Page::first(10)).await.unwrap();
    assert_eq!(orders.len(), 4);
}

pub async fn a_rejected_message_keeps_its_code<D: TestDatabase>(database: &D) {
    let completed = set_status("14", Status::Completed);
    let outcomes = outcomes(database, &[place("14"), completed, cancel("14").with_id("m")]).await;
    assert_eq!(words(&outcomes), ["accepted", "accepted", "rejected"]);

    let message_id = "m".to_owned().try_into().unwrap();
    let handled = database.queries().message(&message_id).await.unwrap().unwrap();

    assert_eq!(handled.outcome.as_str(), "rejected");
    assert_eq!(handled.outcome.code(), Some("OrderCannotBeCancelled"));
    assert_eq!(find(database, "14").await.unwrap().history.len(), 2);
}
