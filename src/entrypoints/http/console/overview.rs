//! The first page.

use axum::extract::State;
use axum::http::HeaderMap;
use maud::html;

use super::layout::{self, Section, page};
use super::{Visitor, newcomer};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::{OrderQueries, OrderQuery, Page};

/// Seconds between two looks at the figures.
const REFRESH_SECONDS: u32 = 2;

pub async fn show(
    visitor: Visitor,
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<layout::Page, Problem> {
    let orders = app.database()?.orders(&OrderQuery::all(), &Page::first(1)).await?;
    let content = if orders.is_empty() {
        newcomer::welcome(&visitor, &app, &headers)
    } else {
        html! { h1 { "Overview" } }
    };
    let body = html! { div #overview data-refresh=(REFRESH_SECONDS) { (content) } };
    Ok(page(&visitor, Section::Overview, "Overview", body))
}
