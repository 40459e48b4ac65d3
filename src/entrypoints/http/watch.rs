//! Keeps the figures of the last minutes, for the console.

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::App;
use crate::metrics::LOOK_AGAIN;

/// Looks at the counters, and whether the broker blocks those that publish, until `stop` is cancelled.
pub async fn watch(app: App, stop: CancellationToken) {
    let mut next = interval(LOOK_AGAIN);
    next.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(next.tick()).await.is_some() {
        app.look_whether_blocked();
        let metrics = app.health.metrics();
        metrics.recent.push(metrics.look());
    }
}
