//! The backlog.

use std::time::Duration;

use order_worker::messages::OutboxBacklog;
use order_worker::service_layer::{BacklogProbe, Store};

use super::{TestDatabase, handle};
use crate::support::messages::place;

pub async fn the_outbox_is_counted<D: TestDatabase>(database: &D) {
    assert_eq!(outbox(database).await, OutboxBacklog { count: 0, oldest: None });
    let outgoing = handle(database, &[place("14"), place("15"), place("16")]).await.to_publish;

    database.store().remove_published(&[outgoing[0].key.clone()]).await.unwrap();

    assert_eq!(outbox(database).await.count, 2);
}

pub async fn the_age_of_the_outbox_is_that_of_its_oldest_message<D: TestDatabase>(database: &D) {
    handle(database, &[place("14")]).await;
    let young = outbox(database).await.oldest.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    handle(database, &[place("15")]).await;

    let older = outbox(database).await.oldest.unwrap();

    assert!(older >= young + Duration::from_millis(20), "{young:?} {older:?}");
    assert!(older < Duration::from_hours(1), "{older:?}");
}

async fn outbox<D: TestDatabase>(database: &D) -> OutboxBacklog {
    database.backlog_probe().backlog().await.unwrap().outbox
}
