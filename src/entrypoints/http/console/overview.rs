//! The first page.

use maud::html;

use super::Visitor;
use super::layout::{Page, Section, page};

pub async fn show(visitor: Visitor) -> Page {
    page(&visitor, Section::Overview, "Overview", html! { h1 { "Overview" } })
}
