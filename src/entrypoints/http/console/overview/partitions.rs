//! The partitions of the commands: what waits in each, and which this worker receives.

use std::time::Duration;

use maud::{Markup, html};

use super::numbers::{UNKNOWN, age, whole};
use super::recent_metrics::RecentMetrics;

/// A partition from which a command came within this time counts as active here. AMQP does not show
/// which consumer is active.
const ACTIVE_WITHIN: Duration = Duration::from_mins(1);

/// Nothing with a single partition.
pub fn partitions(metrics: &RecentMetrics) -> Markup {
    let Some(latest) = metrics.latest() else { return html! {} };
    let depths = &latest.latest_samples.partitions;
    let partitions = depths.len().max(latest.last_deliveries.len());
    if partitions == 0 {
        return html! {};
    }
    html! {
        section .panel aria-labelledby="partitions" {
            h2 #partitions { "Partitions" }
            table .compact {
                thead {
                    tr {
                        th scope="col" { "Partition" }
                        th .number scope="col" { "Backlog" }
                        th .number scope="col" { "Active consumers" }
                        th .number scope="col" { "Last delivery here" }
                    }
                }
                tbody {
                    @for partition in 0..partitions {
                        @let depth = depths.get(partition);
                        @let delivered = latest.last_deliveries.get(partition).copied().flatten();
                        @let ago = delivered.map(|delivered| latest.at.duration_since(delivered));
                        tr {
                            th scope="row" {
                                (partition)
                                @if ago.is_some_and(|ago| ago < ACTIVE_WITHIN) { " " span .badge.good { "active here" } }
                            }
                            td .number { (depth.map_or(UNKNOWN.to_owned(), |depth| whole(depth.ready))) }
                            td .number { (depth.map_or(UNKNOWN.to_owned(), |depth| whole(depth.consumers))) }
                            td .number { (ago.map_or(UNKNOWN.to_owned(), age)) }
                        }
                    }
                }
            }
            p .hint { "Active here: this worker received a command within the last minute." }
        }
    }
}
