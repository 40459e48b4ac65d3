//! The nodes of the cluster.

use std::collections::BTreeMap;

use crate::outages::control;
use crate::tcp_proxy::host_of;
use crate::test_env::variable;

const NODES: usize = 3;

/// The three nodes of a private cluster. All of them run again when this is dropped, whatever the
/// test did to them.
pub struct Nodes {
    ctl: String,
    urls: Vec<String>,
}

impl Nodes {
    /// # Panics
    /// When the servers are no cluster of three nodes.
    pub fn three() -> Self {
        let urls: Vec<String> =
            variable("ORDER_WORKER_TEST_AMQP_URLS").split(' ').map(str::to_owned).collect();
        assert_eq!(urls.len(), NODES, "run this test with `scripts/with-servers --nodes {NODES}`");
        Self { ctl: variable("ORDER_WORKER_TEST_SERVERS_CTL"), urls }
    }

    /// The addresses of the nodes, one each.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// One URL that names all nodes.
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.urls.iter().map(|url| host_of(url)).collect();
        self.urls[0].replacen(&hosts[0], &hosts.join(","), 1)
    }

    /// The node that leads a quorum queue, by number from 1.
    pub fn leader_of(&self, queue: &str) -> usize {
        control(&self.ctl, "rabbitmq", &["leader", queue]).trim().parse().unwrap()
    }

    /// Another node than this one.
    pub fn next_to(node: usize) -> usize {
        node % NODES + 1
    }

    /// The queues whose names begin with a prefix, and on how many nodes each of them is.
    pub fn replicas(&self, prefix: &str) -> BTreeMap<String, usize> {
        let listed = ["ctl", "-q", "list_queues", "--no-table-headers", "name", "members"];
        let queues = control(&self.ctl, "rabbitmq", &listed);
        let queues = queues.lines().filter_map(|line| line.split_once('\t'));
        queues
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(name, members)| (name.to_owned(), members.matches("@localhost").count()))
            .collect()
    }

    /// Sends SIGKILL.
    pub fn kill(&self, node: usize) {
        self.control(node, "kill");
    }

    /// Stops it in good order.
    pub fn stop(&self, node: usize) {
        self.control(node, "stop");
    }

    pub fn start(&self, node: usize) {
        self.control(node, "start");
    }

    /// Starts all that do not run, at the same time.
    pub fn start_all(&self) {
        control(&self.ctl, "rabbitmq", &["start"]);
    }

    /// Its connections stay open, and it replies to nothing.
    pub fn freeze(&self, node: usize) {
        self.control(node, "freeze");
    }

    pub fn thaw(&self, node: usize) {
        self.control(node, "thaw");
    }

    fn control(&self, node: usize, action: &str) {
        control(&self.ctl, &format!("rabbitmq:{node}"), &[action]);
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for node in 1..=NODES {
            // A test that has failed goes on to the next one, which needs all nodes.
            if control(&self.ctl, &format!("rabbitmq:{node}"), &["status"]).trim() == "frozen" {
                self.thaw(node);
            }
        }
        self.start_all();
    }
}
