//! The connections that there are: a bounded number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::activity::{Activity, Phase};
use super::refusals::{Refusal, Refusals};

/// Most connections at a time. Together with those to database and broker they fit into the 1,024
/// open files that a process usually may have.
pub const MAX_CONNECTIONS: usize = 512;

/// Time between two looks for those who take too long.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// All connections of a server; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    table: Arc<Mutex<Table>>,
    /// Signalled when one ends.
    ended: Arc<Notify>,
    pub refusals: Refusals,
}

#[derive(Debug, Default)]
struct Table {
    activities: HashMap<u64, Activity>,
    /// Counts all that ever were.
    last: u64,
}

/// A connection's place among them, until it is dropped.
#[derive(Debug)]
pub struct Place {
    connections: Connections,
    number: u64,
    pub activity: Activity,
}

impl Connections {
    /// Waits until there is room for one more. When there is none, closes who asks nothing, or takes
    /// long to ask: a crowd that only holds connections keeps nobody out.
    pub async fn room(&self) {
        loop {
            let ended = self.ended.notified();
            if self.lock().activities.len() < MAX_CONNECTIONS {
                return;
            }
            self.close_one();
            let _ = tokio::time::timeout(Duration::from_millis(20), ended).await;
        }
    }

    /// Closes the one whose turn it is, if there is any.
    pub fn close_one(&self) {
        let table = self.lock();
        let turns = table.activities.values().filter_map(|it| Some((it.turn_to_go()?, it)));
        if let Some((_, first)) = turns.min_by_key(|(turn, _)| *turn) {
            first.close();
            self.refusals.note(Refusal::Crowded);
        }
    }

    pub fn enter(&self) -> Place {
        let activity = Activity::default();
        let mut table = self.lock();
        table.last += 1;
        let number = table.last;
        table.activities.insert(number, activity.clone());
        Place { connections: self.clone(), number, activity }
    }

    /// Closes those who take too long, again and again. Runs until dropped.
    pub async fn sweep(&self, stopping: bool) {
        loop {
            for activity in self.lock().activities.values() {
                match activity.overdue(stopping) {
                    None => continue,
                    Some(Phase::Fresh | Phase::Idle) => {}
                    Some(Phase::Head | Phase::Body | Phase::Answer) => {
                        self.refusals.note(Refusal::TooSlow);
                    }
                }
                activity.close();
            }
            self.refusals.tell();
            tokio::time::sleep(SWEEP_EVERY).await;
        }
    }

    /// Waits until there is none.
    pub async fn all_ended(&self) {
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

impl Place {
    pub fn refuse(&self, refusal: Refusal) {
        self.connections.refusals.note(refusal);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.lock().activities.remove(&self.number);
        self.connections.ended.notify_waiters();
    }
}
