//! What a message costs the database: write-ahead log, commits, round trips.
#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "shares")]

use crate::Failure;
use crate::backlog::{finish_work, until};
use crate::bench_env::{BenchEnv, with_bench_env};
use crate::check::check;
use crate::counting_proxy::CountingProxy;
use crate::options::Options;
use crate::results::Database;
use crate::servers::Servers;
use crate::statistics::rounded;
use crate::worker_process::WorkerProcess;
use crate::workload::{Mix, workload};

const WAL: &str = "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint";
const COMMITS: &str = "select xact_commit from pg_stat_database where datname = current_database()";

/// Drains a backlog of PlaceOrder, with the worker's sessions through a counting proxy.
pub async fn measure(servers: &Servers, options: &Options) -> Result<Database, Failure> {
    with_bench_env(servers, async |env| database_on(env, options).await).await
}

async fn database_on(env: &BenchEnv<'_>, options: &Options) -> Result<Database, Failure> {
    let workload = workload(Mix::Placing, options.messages(), 1, options.seed);
    env.publish(&workload.commands).await?;
    env.servers.checkpoint().await;
    env.servers.wait_until_idle().await;
    let proxy = CountingProxy::to(&env.database_url()).await?;
    let settings = [("DATABASE_URL", proxy.url().to_owned())];
    let (wal, commits) = (env.count(WAL).await?, env.count(COMMITS).await?);
    let mut workers = vec![WorkerProcess::spawn(&options.shipped(), env, &settings)?];
    until(env, &mut workers, workload.expected.events()).await?;
    let wal_after = env.count(WAL).await?;
    finish_work(env, workers, &workload.expected).await?;
    // A session reports its commits when it ends.
    let commits_after = env.count(COMMITS).await?;
    check(env, &workload.expected, 0).await?;
    let (round_trips, bytes_sent) = proxy.counts();
    let each = |count: u64| rounded(count as f64 / workload.commands.len() as f64, 4);
    Ok(Database {
        wal_bytes: rounded(each((wal_after - wal).cast_unsigned()), 0),
        commits: each((commits_after - commits).cast_unsigned()),
        round_trips: each(round_trips),
        bytes_sent: rounded(each(bytes_sent), 0),
    })
}
