//! Three workers share eight partitions while nodes and workers go and come back.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::guarantees::{assert_guarantees, subscribe};
use super::nodes::Nodes;
use super::publishers::Publishers;
use crate::test_env::{TestEnv, Worker, eventually, variable};

/// How long a majority of the nodes is gone.
const OUTAGE: Duration = Duration::from_secs(8);

/// How long a node is frozen.
const FREEZE: Duration = Duration::from_secs(20);

/// How long all partitions may take until they go on after a fault.
const PROGRESS: Duration = Duration::from_secs(90);

/// Nodes, workers and publishers.
struct Cluster {
    nodes: Nodes,
    env: TestEnv,
    workers: Vec<Worker>,
    publishers: Publishers,
}

impl Cluster {
    async fn start() -> Self {
        let nodes = Nodes::three();
        let env = TestEnv::exclusive_at(&nodes.url(), &variable("DATABASE_URL")).await;
        let env = env.with("PARTITIONS", "8");
        env.prepare();
        subscribe(&env).await;
        let workers = vec![env.start_worker().await, env.spawn_worker(), env.spawn_worker()];
        let publishers = Publishers::start(&env, &nodes);
        let cluster = Self { nodes, env, workers, publishers };
        eventually("each order is placed", || async { cluster.env.count("orders").await == 48 })
            .await;
        cluster
    }

    fn partition(&self) -> String {
        format!("{}.0of8", self.env.name_of("COMMANDS_QUEUE"))
    }

    fn leader(&self) -> usize {
        self.nodes.leader_of(&self.partition())
    }

    /// Waits until each order has been changed twice from now on: no partition stands still.
    async fn progress(&self) {
        let versions = "select order_id || ' ' || version from orders";
        let expected = self.env.ask(versions).await.into_iter().map(|row| {
            let (order_id, version) = row.split_once(' ').unwrap();
            format!("('{order_id}', {})", version.parse::<u32>().unwrap() + 2)
        });
        let unchanged = format!(
            "select order_id from orders
             join (values {}) as expected (order_id, version) using (order_id)
             where orders.version < expected.version",
            expected.collect::<Vec<_>>().join(", ")
        );
        let deadline = Instant::now() + PROGRESS;
        loop {
            let unchanged = self.env.ask(&unchanged).await;
            if unchanged.is_empty() {
                return;
            }
            let logs = || self.workers.iter().map(Worker::log).collect::<Vec<_>>().join("\n");
            assert!(Instant::now() < deadline, "unchanged: {unchanged:?}\n{}", logs());
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn kill_worker(&mut self) {
        self.workers.remove(0).kill();
    }

    fn add_worker(&mut self) {
        self.workers.push(self.env.spawn_worker());
    }

    async fn finish(self) {
        let published = self.publishers.stop().await;
        let copies = assert_guarantees(&self.env, &published).await;
        eprintln!(
            "{} commands, {} published again, {copies} further copies of events",
            published.commands.values().sum::<usize>(),
            published.repeats
        );
        for worker in self.workers {
            let log = worker.stop_and_read_log().await;
            assert!(!log.contains("unknown delivery tag"), "{log}");
        }
        self.env.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a RabbitMQ cluster and PostgreSQL: make test-cluster"]
async fn all_queues_are_replicated() {
    let nodes = Nodes::three();
    let env = TestEnv::exclusive_at(&nodes.url(), &variable("DATABASE_URL")).await;
    let env = env.with("PARTITIONS", "8");
    env.prepare();

    let replicas = nodes.replicas(&env.name_of("COMMANDS_QUEUE"));
    // Eight partitions, three retries and the number of partitions.
    assert_eq!(replicas.len(), 12, "{replicas:?}");
    assert!(replicas.values().all(|&nodes| nodes == 3), "{replicas:?}");
    let dead_letters = env.name_of("DEAD_LETTER_QUEUE");
    assert_eq!(nodes.replicas(&dead_letters), [(dead_letters, 3)].into());
    env.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a RabbitMQ cluster and PostgreSQL: make test-cluster"]
async fn killing_the_leader_or_a_follower_of_a_queue_loses_nothing() {
    let cluster = Cluster::start().await;

    let leader = cluster.leader();
    cluster.nodes.kill(leader);
    cluster.progress().await;
    assert_ne!(cluster.leader(), leader);
    cluster.nodes.start(leader);
    cluster.progress().await;

    let follower = Nodes::next_to(cluster.leader());
    cluster.nodes.kill(follower);
    cluster.progress().await;
    cluster.nodes.start(follower);
    cluster.progress().await;

    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a RabbitMQ cluster and PostgreSQL: make test-cluster"]
async fn commands_wait_for_a_majority_of_the_nodes_and_none_is_lost() {
    let mut cluster = Cluster::start().await;

    let leader = cluster.leader();
    cluster.nodes.kill(leader);
    cluster.nodes.kill(Nodes::next_to(leader));
    sleep(OUTAGE).await;
    assert!(cluster.workers.iter_mut().all(Worker::is_running));
    cluster.nodes.start_all();
    cluster.progress().await;

    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a RabbitMQ cluster and PostgreSQL: make test-cluster"]
async fn a_frozen_leader_loses_nothing() {
    let cluster = Cluster::start().await;

    let leader = cluster.leader();
    cluster.nodes.freeze(leader);
    sleep(FREEZE).await;
    cluster.nodes.thaw(leader);
    cluster.progress().await;

    cluster.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a RabbitMQ cluster and PostgreSQL: make test-cluster"]
async fn nodes_restarted_in_turn_and_killed_workers_lose_nothing() {
    let mut cluster = Cluster::start().await;

    for node in 1..=3 {
        cluster.nodes.stop(node);
        cluster.kill_worker();
        cluster.add_worker();
        cluster.progress().await;
        cluster.nodes.start(node);
        cluster.progress().await;
    }

    cluster.finish().await;
}
