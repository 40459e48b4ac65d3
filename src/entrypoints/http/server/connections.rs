//! The open connections, limited in number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::activity::{Activity, Phase};
use super::refusals::{Refusal, RefusalLog};

/// Maximum number of open connections. Together with those to database and broker they fit into the
/// usual limit of 1,024 open files per process.
pub const MAX_CONNECTIONS: usize = 512;

/// Interval of checks for timed-out connections.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// All connections of a server; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    table: Arc<Mutex<Table>>,
    /// Notified when a connection ends.
    ended: Arc<Notify>,
    pub refusals: RefusalLog,
}

#[derive(Debug, Default)]
struct Table {
    activities: HashMap<u64, Activity>,
    /// Number of the newest connection.
    last: u64,
}

/// The place of one connection, freed when dropped.
#[derive(Debug)]
pub struct Slot {
    connections: Connections,
    number: u64,
    pub activity: Activity,
}

impl Connections {
    /// Waits for a free place. While all are taken, closes connections that are idle or slow to send a
    /// request, so that clients that only hold connections keep no others out.
    pub async fn wait_for_slot(&self) {
        loop {
            let ended = self.ended.notified();
            if self.lock().activities.len() < MAX_CONNECTIONS {
                return;
            }
            self.evict_one();
            let _ = tokio::time::timeout(Duration::from_millis(20), ended).await;
        }
    }

    /// Closes the connection with the lowest eviction key, if any has one.
    pub fn evict_one(&self) {
        let table = self.lock();
        let keyed = table.activities.values().filter_map(|it| Some((it.eviction_key()?, it)));
        if let Some((_, first)) = keyed.min_by_key(|(key, _)| *key) {
            first.close();
            self.refusals.record(Refusal::Evicted);
        }
    }

    pub fn register(&self) -> Slot {
        let activity = Activity::default();
        let mut table = self.lock();
        table.last += 1;
        let number = table.last;
        table.activities.insert(number, activity.clone());
        Slot { connections: self.clone(), number, activity }
    }

    /// Closes timed-out connections once a second. Runs until dropped.
    pub async fn close_timed_out(&self, stopping: bool) {
        loop {
            for activity in self.lock().activities.values() {
                match activity.timed_out(stopping) {
                    None => continue,
                    Some(Phase::New | Phase::Idle) => {}
                    Some(Phase::ReadingHead | Phase::ReadingBody | Phase::Responding) => {
                        self.refusals.record(Refusal::TimedOut);
                    }
                }
                activity.close();
            }
            self.refusals.flush();
            tokio::time::sleep(SWEEP_INTERVAL).await;
        }
    }

    /// Waits until no connection is open.
    pub async fn wait_until_none(&self) {
        loop {
            let ended = self.ended.notified();
            if self.lock().activities.is_empty() {
                return;
            }
            ended.await;
        }
    }

    pub fn close_all(&self) {
        self.lock().activities.values().for_each(Activity::close);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    pub fn record(&self, refusal: Refusal) {
        self.connections.refusals.record(refusal);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.lock().activities.remove(&self.number);
        self.connections.ended.notify_waiters();
    }
}
