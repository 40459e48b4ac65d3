//! The insert through the worker's own store, with everything that its guarantees need.

use order_worker::messages::OutboxKey;
use order_worker::service_layer::Store;

use super::Stopwatch;
use super::prepared::Batch;
use crate::Failure;
use crate::backlog::Sample;
use crate::bench_env::BenchEnv;
use crate::check::ensure_equal;

pub async fn run(env: &BenchEnv<'_>, batches: Vec<Batch>) -> Result<Sample, Failure> {
    let mut store = env.database.store();
    let orders = batches.iter().map(|batch| batch.changes.placed.len()).sum();
    let clock = Stopwatch::start(env.servers).await;
    let mut published: Vec<OutboxKey> = Vec::new();
    for Batch { needs, mut changes } in batches {
        changes.published = std::mem::take(&mut published);
        let (_, transaction) = store.begin(&needs).await?;
        transaction.commit(&changes).await?;
        published = changes.outbox.into_iter().map(|outgoing| outgoing.key).collect();
    }
    store.remove_published(&published).await?;
    let sample = clock.stop(orders);
    let found = env.count("select count(*) from orders").await?;
    ensure_equal("orders", usize::try_from(found)?, orders)?;
    Ok(sample)
}
