//! The overview: throughput, latency, backlog and outcomes of this worker in the last five minutes.

mod cards;
mod chart;
mod numbers;
mod panels;
mod partitions;
mod recent_metrics;
mod tables;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Html;
use maud::{Markup, html};

use super::layout::{self, Section, page};
use super::{CurrentUser, onboarding};
use crate::entrypoints::http::App;
use crate::service_layer::{OrderQuery, Outages, Page};
use recent_metrics::RecentMetrics;

/// The path that the script requests to refresh the page.
pub const FIGURES_PATH: &str = "/overview/figures";

pub async fn show(
    mut user: CurrentUser,
    State(app): State<App>,
    headers: HeaderMap,
) -> layout::Page {
    let body = refreshing(&content(&user, &app, &headers).await);
    // The content shows them, because only the content is refreshed.
    user.outages = Outages::default();
    page(&user, Section::Overview, "Overview", body)
}

/// The part of the page that is refreshed.
pub async fn figures(
    user: CurrentUser,
    State(app): State<App>,
    headers: HeaderMap,
) -> Html<String> {
    Html(refreshing(&content(&user, &app, &headers).await).into_string())
}

/// Both the page and each refresh have `data-refresh`: the script stops without it.
fn refreshing(content: &Markup) -> Markup {
    let seconds = crate::metrics::SNAPSHOT_INTERVAL.as_secs();
    html! {
        div #overview data-refresh=(seconds) data-refresh-from=(FIGURES_PATH) { (content) }
    }
}

async fn content(user: &CurrentUser, app: &App, headers: &HeaderMap) -> Markup {
    if has_no_orders(app).await {
        return html! {
            (panels::outage_notices(&user.outages))
            (onboarding::first_steps(user, app, headers))
        };
    }
    let metrics = RecentMetrics::new(&app.health.metrics().recent.snapshots());
    panels::overview(&metrics, &user.outages)
}

/// Whether there is no order yet. False if the database is unavailable: it may have some.
async fn has_no_orders(app: &App) -> bool {
    let metrics = app.health.metrics();
    if metrics.commands.total_received() > 0 {
        return false;
    }
    if let Some(backlog) = metrics.sampled.latest_samples().backlog {
        return !backlog.has_orders;
    }
    let Ok(database) = app.database() else { return false };
    let orders = database.orders().orders(&OrderQuery::all(), &Page::first(1)).await;
    orders.is_ok_and(|orders| orders.is_empty())
}
