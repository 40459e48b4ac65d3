//! The first page: what this worker has done in the last five minutes, and what waits.
//!
//! [`Figures`] are taken from the looks that the metrics keep; `panels` shows them, with `chart`.

mod cards;
mod chart;
mod figures;
mod numbers;
mod panels;
mod tables;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Html;
use maud::{Markup, html};

use super::layout::{self, Section, page};
use super::{CurrentUser, onboarding};
use crate::entrypoints::http::App;
use crate::service_layer::{OrderQuery, Outages, Page};
use figures::Figures;

/// Where the script of a page asks for the figures alone.
pub const FIGURES: &str = "/overview/figures";

pub async fn show(
    mut visitor: CurrentUser,
    State(app): State<App>,
    headers: HeaderMap,
) -> layout::Page {
    let seconds = crate::metrics::LOOK_AGAIN.as_secs();
    let content = content(&visitor, &app, &headers).await;
    let body = html! {
        div #overview data-refresh=(seconds) data-refresh-from=(FIGURES) { (content) }
    };
    // They are shown where they stay fresh.
    visitor.troubles = Outages::default();
    page(&visitor, Section::Overview, "Overview", body)
}

/// The same part of the page, for its script.
pub async fn figures(
    visitor: CurrentUser,
    State(app): State<App>,
    headers: HeaderMap,
) -> Html<String> {
    let part = html! { div #overview { (content(&visitor, &app, &headers).await) } };
    Html(part.into_string())
}

async fn content(visitor: &CurrentUser, app: &App, headers: &HeaderMap) -> Markup {
    if is_new(app).await {
        return html! {
            (panels::troubles(&visitor.troubles))
            (onboarding::welcome(visitor, app, headers))
        };
    }
    let figures = Figures::of(&app.health.metrics().recent.looks());
    panels::overview(&figures, &visitor.troubles)
}

/// Whether there has never been an order, as far as it is known: a database that does not answer may
/// well have some.
async fn is_new(app: &App) -> bool {
    let metrics = app.health.metrics();
    if metrics.messages.all_received() > 0 {
        return false;
    }
    if let Some(stock) = metrics.sampled.last_answers().stock {
        return !stock.has_orders;
    }
    let Ok(database) = app.database() else { return false };
    let orders = database.orders().orders(&OrderQuery::all(), &Page::first(1)).await;
    orders.is_ok_and(|orders| orders.is_empty())
}
