//! What every store must do, whatever it is made of.

pub mod idempotency;
pub mod numbers;
pub mod outbox;
pub mod pages;
pub mod queries;
pub mod round_trips;
pub mod stock;
pub mod transactions;

use std::sync::Arc;

use order_worker::domain::Order;
use order_worker::service_layer::{
    BacklogProbe, BatchResult, Clock, Health, InFlight, Message, MessageBus, OrderHistory,
    OrderQueries, Outcome, RelayStore, Store,
};

use crate::support::clock::TickingClock;
use crate::support::messages::id;

/// A database that one test has for itself.
pub trait TestDatabase {
    type Store: Store + 'static;
    type Queries: OrderQueries;
    type Relay: RelayStore;
    type Backlog: BacklogProbe;

    async fn start() -> Self;
    fn store(&self) -> Self::Store;
    fn queries(&self) -> Self::Queries;
    fn relay(&self) -> Self::Relay;
    fn stock(&self) -> Self::Backlog;

    /// From now on refuses to place this order.
    async fn poison(&self, order_id: &str);

    /// From now on what the outbox holds of this order cannot be read.
    async fn garble_outbox(&self, order_id: &str);

    async fn finish(self);
}

pub fn bus_on<D: TestDatabase>(database: &D) -> MessageBus {
    bus_with_clock(database, Arc::new(TickingClock::default()))
}

pub fn bus_with_clock<D: TestDatabase>(database: &D, clock: Arc<dyn Clock>) -> MessageBus {
    MessageBus::new(Box::new(database.store()), clock, Health::default(), InFlight::default())
}

/// Handles the messages in one batch, on a lane of its own.
pub async fn handle<D: TestDatabase>(database: &D, messages: &[Message]) -> BatchResult {
    bus_on(database).handle_batch(messages).await
}

/// As above, for the outcomes alone.
pub async fn outcomes<D: TestDatabase>(database: &D, messages: &[Message]) -> Vec<Outcome> {
    handle(database, messages).await.outcomes
}

pub async fn find<D: TestDatabase>(database: &D, order_id: &str) -> Option<OrderHistory> {
    database.queries().order(&id(order_id)).await.unwrap()
}

/// An order that must be there.
pub async fn order<D: TestDatabase>(database: &D, order_id: &str) -> Order {
    find(database, order_id).await.expect("the order exists").order
}

pub fn words(outcomes: &[Outcome]) -> Vec<&'static str> {
    outcomes.iter().map(Outcome::as_str).collect()
}

/// The slug of a dead letter.
pub fn dead_letter_code(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::DeadLetter(dead) => dead.code.as_str(),
        other => panic!("{other:?} is no dead letter"),
    }
}

/// Makes a test of each claim, for one kind of database.
macro_rules! store_contract {
    ($database:ty $(, #[$attribute:meta])*) => {
        $crate::store_contract::claims! { store_contract, $database, [$(#[$attribute])*],
            transactions::a_commit_is_visible_to_others,
            transactions::a_dropped_unit_of_work_leaves_nothing,
            transactions::a_dropped_begin_leaves_the_next_transaction_clean,
            transactions::a_batch_dropped_midway_takes_effect_once,
            transactions::a_dry_run_changes_nothing,
            transactions::two_units_of_work_on_one_order_both_take_effect,
            transactions::one_poison_among_many_is_the_only_one_that_fails,
            transactions::a_large_batch_commits_whole,
            transactions::orders_with_too_many_items_are_not_loaded_together,
            idempotency::the_same_message_id_twice_is_a_duplicate,
            idempotency::five_copies_in_one_batch_have_one_effect,
            idempotency::the_same_id_with_another_body_is_a_reuse,
            idempotency::two_units_of_work_with_the_same_message_have_one_effect,
            idempotency::two_units_of_work_that_place_the_same_order_have_one_effect,
            idempotency::a_dead_letter_may_come_again,
            idempotency::placing_the_same_order_again_is_a_duplicate,
            idempotency::placing_another_order_under_a_known_id_is_a_reuse,
            idempotency::what_is_known_among_new_orders_is_found,
            idempotency::a_refused_message_keeps_its_code,
            numbers::assigned_numbers_never_collide_with_given_ones,
            numbers::a_long_run_of_taken_numbers_is_passed,
            numbers::concurrent_assignments_get_different_numbers,
            outbox::the_outbox_holds_just_what_the_commit_left,
            outbox::removing_what_was_published_empties_the_outbox,
            outbox::what_was_published_leaves_with_the_next_commit,
            outbox::a_commit_returns_earlier_messages_of_its_orders,
            outbox::a_refusal_goes_behind_what_the_outbox_holds_of_its_order,
            outbox::behind_more_than_a_commit_returns_events_are_left_to_the_relay,
            outbox::a_row_that_cannot_be_read_holds_back_the_later_events_of_its_order_alone,
            outbox::the_relay_sees_rows_that_cannot_be_read,
            outbox::the_relay_reads_in_the_order_of_keys,
            outbox::the_relay_leaves_young_messages_alone,
            outbox::there_is_one_relay_at_a_time,
            stock::the_outbox_is_counted,
            stock::the_oldest_message_of_the_outbox_has_its_age,
            round_trips::text_round_trips_exactly,
            round_trips::money_round_trips_exactly,
            round_trips::moments_round_trip_exactly,
            round_trips::five_hundred_items_keep_their_order,
            round_trips::the_history_tells_what_caused_each_change,
            round_trips::a_message_can_be_looked_up,
            queries::orders_of_a_customer_come_by_status_then_newest_first,
            queries::incomplete_orders_leave_out_the_completed,
            queries::completed_orders_are_just_the_completed,
            queries::orders_in_a_status_come_newest_first,
            queries::a_period_includes_both_its_ends,
            queries::a_period_without_orders_is_empty,
            queries::the_parts_of_a_query_combine,
            queries::orders_of_one_moment_come_by_order_id,
            queries::what_is_not_there_is_not_found,
            pages::a_page_keeps_to_its_limit,
            pages::pages_together_give_each_order_once_and_in_order,
            pages::orders_of_one_moment_are_paged_by_order_id,
            pages::orders_that_come_meanwhile_repeat_none_and_hide_none,
            pages::a_page_behind_the_last_order_is_empty,
        }
    };
}

macro_rules! claims {
    ($contract:ident, $database:ty, $attributes:tt, $($topic:ident::$claim:ident,)*) => {
        $($crate::store_contract::claim! { $contract, $database, $attributes, $topic::$claim })*
    };
}

macro_rules! claim {
    ($contract:ident, $database:ty, [$(#[$attribute:meta])*], $topic:ident::$claim:ident) => {
        #[tokio::test]
        $(#[$attribute])*
        async fn $claim() {
            let database = <$database as $crate::store_contract::TestDatabase>::start().await;
            $crate::$contract::$topic::$claim(&database).await;
            $crate::store_contract::TestDatabase::finish(database).await;
        }
    };
}

pub(crate) use {claim, claims, store_contract};
