//! Numbers assigned to orders that are placed without an id.

use std::collections::HashSet;

use order_worker::messages::{Message, Outcome};
use order_worker::service_layer::FIRST_NUMBER;

use super::{TestDatabase, bus_on, outcomes, words};
use crate::support::messages::{place, place_without_id};

pub async fn assigned_numbers_never_collide_with_given_ones<D: TestDatabase>(database: &D) {
    let [first, second, third, fifth] = [0, 1, 2, 4].map(|n| (FIRST_NUMBER + n).to_string());
    outcomes(database, &[place(&first), place(&third)]).await;
    let batch = [place_without_id(), place(&second), place_without_id(), place(&fifth), place("Ω")];

    let outcomes = outcomes(database, &batch).await;

    assert_eq!(words(&outcomes), ["accepted"; 5]);
    let order_ids = order_ids(&outcomes);
    assert!([first, third].iter().all(|taken| !order_ids.contains(taken)), "{order_ids:?}");
    assert_eq!(order_ids.len(), 5, "{order_ids:?}");
}

pub async fn a_long_run_of_used_numbers_is_skipped<D: TestDatabase>(database: &D) {
    let taken: Vec<Message> =
        (FIRST_NUMBER..FIRST_NUMBER + 200).map(|number| place(&number.to_string())).collect();
    outcomes(database, &taken).await;

    let outcomes = outcomes(database, &vec![place_without_id(); 5]).await;

    let numbers: Vec<u64> =
        order_ids(&outcomes).iter().map(|order_id| order_id.parse().unwrap()).collect();
    assert!(
        numbers.len() == 5 && numbers.iter().all(|number| *number >= u64::from(FIRST_NUMBER) + 200),
        "{numbers:?}"
    );
}

pub async fn concurrent_assignments_get_different_numbers<D: TestDatabase>(database: &D) {
    let (mut one_bus, mut other_bus) = (bus_on(database), bus_on(database));

    let batch = vec![place_without_id(); 5];
    let (one, other) = tokio::join!(one_bus.handle_batch(&batch), other_bus.handle_batch(&batch));

    assert_eq!(order_ids(&[one.outcomes, other.outcomes].concat()).len(), 10);
}

/// The distinct ids of the accepted orders.
fn order_ids(outcomes: &[Outcome]) -> HashSet<String> {
    let order_ids = outcomes.iter().map(|outcome| match outcome {
        Outcome::Accepted(state) => state.order_id.to_string(),
        other => panic!("{other:?} is not accepted"),
    });
    order_ids.collect()
}
