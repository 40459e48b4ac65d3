//! Several servers in one address.

use std::time::{Duration, Instant};

use order_worker::adapters::postgres::PgDatabase;
use order_worker::service_layer::dead_letters::{DeadLetterFilter, DeadLetterStore};
use order_worker::service_layer::{BatchLookup, OrderQueries, RelayStore, Store, StoreError};
use tokio::net::TcpListener;

use super::{Postgres, server};
use crate::store_contract::TestDatabase;
use crate::support::messages::id;

/// A server that accepts connections but never responds.
async fn silent_server() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// A port without a server.
async fn closed_port() -> u16 {
    silent_server().await.local_addr().unwrap().port()
}

impl Postgres {
    /// The address of the database, with other servers on these ports before it.
    fn behind(&self, ports: &[u16]) -> String {
        let server = server();
        let (user, place) = server.rsplit_once('@').unwrap();
        let others: Vec<_> = ports.iter().map(|port| format!("127.0.0.1:{port},")).collect();
        let others = others.concat();
        let separator = if place.contains('?') { '&' } else { '?' };
        let schema = &self.schema;
        format!(
            "{user}@{others}{place}{separator}options[search_path]={schema}\
             &target_session_attrs=read-write&connect_timeout=5"
        )
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: make test"]
async fn the_next_server_is_used_when_one_is_down_or_does_not_respond() {
    let database = Postgres::start().await;
    let silent = silent_server().await;
    let ports = [closed_port().await, silent.local_addr().unwrap().port()];
    let began = Instant::now();

    let behind = PgDatabase::connect(&database.behind(&ports)).await.unwrap();

    // The silent server costs its timeout of 5 s once; then the one that accepted is tried first.
    let (connected_after, connected) = (began.elapsed(), Instant::now());
    assert!(behind.queries().order(&id("1")).await.unwrap().is_none());
    let filter = DeadLetterFilter::default();
    assert_eq!(behind.dead_letters().dead_letters(&filter, None, 1).await.unwrap(), []);
    assert!(behind.store().begin(&BatchLookup::default()).await.is_ok());
    assert!(behind.relay().try_become_relay().await.unwrap());
    let used_after = connected.elapsed();
    assert!(connected_after < Duration::from_secs(10), "{connected_after:?}");
    assert!(used_after < Duration::from_secs(5), "{used_after:?}");
    database.finish().await;
}

#[tokio::test]
async fn without_a_server_the_error_names_each_of_them() {
    let silent = silent_server().await;
    let ports = [closed_port().await, silent.local_addr().unwrap().port()];
    let url = format!(
        "postgres://shop:hidden@127.0.0.1:{},127.0.0.1:{}/orders?connect_timeout=1",
        ports[0], ports[1]
    );

    let error = PgDatabase::connect(&url).await.unwrap_err();

    let StoreError::Unavailable(text) = error else { panic!("{error}") };
    assert!(ports.iter().all(|port| text.contains(&format!("127.0.0.1:{port}: "))), "{text}");
    assert!(!text.contains("hidden"), "{text}");
}

#[tokio::test]
async fn an_unknown_parameter_is_an_error_without_its_value() {
    let error = PgDatabase::connect("postgres://db/orders?api_key=hidden").await.unwrap_err();

    let StoreError::Unusable(text) = error else { panic!("{error}") };
    assert_eq!(text, "DATABASE_URL: unknown parameter \"api_key\"");
}
