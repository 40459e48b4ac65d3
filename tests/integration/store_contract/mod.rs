//! The contract of every store: one test per claim, on each kind of database.

pub mod backlog;
pub mod idempotency;
pub mod numbers;
pub mod outbox;
pub mod pages;
pub mod queries;
pub mod round_trips;
pub mod transactions;

use std::sync::Arc;

use order_worker::domain::Order;
use order_worker::messages::{BatchResult, Message, Outcome};
use order_worker::service_layer::{
    BacklogProbe, Clock, Health, InFlight, MessageBus, OrderHistory, OrderQueries, RelayStore,
    Store,
};

use crate::support::clock::TickingClock;
use crate::support::messages::id;

/// A database for a single test.
pub trait TestDatabase {
    type Store: Store + 'static;
    type Queries: OrderQueries;
    type Relay: RelayStore;
    type Backlog: BacklogProbe;

    async fn start() -> Self;
    fn store(&self) -> Self::Store;
    fn queries(&self) -> Self::Queries;
    fn relay(&self) -> Self::Relay;
    fn backlog_probe(&self) -> Self::Backlog;

    /// Makes the database refuse to insert this order.
    async fn poison(&self, order_id: &str);

    /// Makes the outbox rows of this order unreadable.
    async fn garble_outbox(&self, order_id: &str);

    async fn finish(self);
}

pub fn bus_on<D: TestDatabase>(database: &D) -> MessageBus {
    bus_with_clock(database, Arc::new(TickingClock::default()))
}

pub fn bus_with_clock<D: TestDatabase>(database: &D, clock: Arc<dyn Clock>) -> MessageBus {
    MessageBus::new(Box::new(database.store()), clock, Health::default(), InFlight::default())
}

/// Handles the messages in one batch, on a new message bus.
pub async fn handle<D: TestDatabase>(database: &D, messages: &[Message]) -> BatchResult {
    bus_on(database).handle_batch(messages).await
}

/// The same; returns only the outcomes.
pub async fn outcomes<D: TestDatabase>(database: &D, messages: &[Message]) -> Vec<Outcome> {
    handle(database, messages).await.outcomes
}

pub async fn find<D: TestDatabase>(database: &D, order_id: &str) -> Option<OrderHistory> {
    database.queries().order(&id(order_id)).await.unwrap()
}

/// An order that must exist.
pub async fn order<D: TestDatabase>(database: &D, order_id: &str) -> Order {
    find(database, order_id).await.expect("the order exists").order
}

pub fn words(outcomes: &[Outcome]) -> Vec<&'static str> {
    outcomes.iter().map(Outcome::as_str).collect()
}

/// The code of a dead letter.
pub fn dead_letter_code(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::DeadLetter(dead) => dead.code.as_str(),
        other => panic!("{other:?} is not a dead letter"),
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
            transactions::one_poison_message_among_many_is_the_only_one_that_fails,
            transactions::a_large_batch_commits_whole,
            transactions::orders_with_too_many_items_are_not_loaded_together,
            idempotency::the_same_message_id_twice_is_a_duplicate,
            idempotency::five_copies_in_one_batch_have_one_effect,
            idempotency::the_same_id_with_another_body_is_a_reuse,
            idempotency::two_units_of_work_with_the_same_message_have_one_effect,
            idempotency::two_units_of_work_that_place_the_same_order_have_one_effect,
            idempotency::a_replayed_dead_letter_is_not_a_duplicate,
            idempotency::placing_the_same_order_again_is_a_duplicate,
            idempotency::placing_another_order_under_a_known_id_is_a_reuse,
            idempotency::known_orders_among_new_ones_are_found,
            idempotency::a_rejected_message_keeps_its_code,
            numbers::assigned_numbers_never_collide_with_given_ones,
            numbers::a_long_run_of_used_numbers_is_skipped,
            numbers::concurrent_assignments_get_different_numbers,
            outbox::the_outbox_contains_what_was_committed,
            outbox::removing_what_was_published_empties_the_outbox,
            outbox::published_messages_leave_the_outbox_with_the_next_commit,
            outbox::a_commit_returns_earlier_messages_of_its_orders,
            outbox::a_rejection_is_published_after_earlier_messages_of_its_order,
            outbox::events_behind_too_many_earlier_rows_are_left_to_the_relay,
            outbox::an_unreadable_row_holds_back_only_later_events_of_its_order,
            outbox::the_relay_sees_unreadable_rows,
            outbox::the_relay_reads_in_the_order_of_keys,
            outbox::the_relay_skips_recent_messages,
            outbox::only_one_relay_runs_at_a_time,
            backlog::the_outbox_is_counted,
            backlog::the_age_of_the_outbox_is_that_of_its_oldest_message,
            round_trips::text_round_trips_exactly,
            round_trips::money_round_trips_exactly,
            round_trips::timestamps_round_trip_exactly,
            round_trips::five_hundred_items_keep_their_order,
            round_trips::the_history_records_the_cause_of_each_change,
            round_trips::a_message_can_be_looked_up,
            queries::orders_of_a_customer_come_by_status_then_newest_first,
            queries::incomplete_orders_leave_out_the_completed,
            queries::completed_orders_are_only_the_completed,
            queries::orders_in_a_status_come_newest_first,
            queries::a_period_includes_both_its_ends,
            queries::a_period_without_orders_is_empty,
            queries::filters_combine,
            queries::orders_placed_at_the_same_time_are_sorted_by_order_id,
            queries::unknown_ids_and_customers_find_nothing,
            pages::a_page_keeps_to_its_limit,
            pages::pages_together_give_each_order_once_and_in_order,
            pages::orders_placed_at_the_same_time_are_paged_by_order_id,
            pages::orders_placed_meanwhile_repeat_none_and_hide_none,
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
