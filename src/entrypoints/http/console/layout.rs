//! The frame of every page.

use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::CurrentUser;
use super::assets::{ICON, SCRIPT, STYLE};
use super::components::{form, notice};
use crate::service_layer::Outages;

/// A finished page.
#[derive(Debug)]
pub struct Page(Markup);

/// The parts of the console, as the navigation shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Overview,
    Orders,
    DeadLetters,
    Events,
    Settings,
    /// None of them.
    None,
}

impl Section {
    /// Those of the navigation, in its order.
    const SHOWN: [(Self, &'static str, &'static str); 5] = [
        (Self::Overview, "/", "Overview"),
        (Self::Orders, "/orders", "Orders"),
        (Self::DeadLetters, "/dead-letters", "Dead letters"),
        (Self::Events, "/events", "Events"),
        (Self::Settings, "/settings", "Settings"),
    ];
}

/// A page for somebody, with a body that begins with its `h1`.
#[expect(clippy::needless_pass_by_value, reason = "the body of a page is written in its place")]
pub fn page(visitor: &CurrentUser, section: Section, title: &str, body: Markup) -> Page {
    let main = html! {
        (troubles(&visitor.troubles))
        @if let Some(flash) = visitor.take_flash() { (notice::flash(&flash)) }
        (body)
    };
    Page(document(title, &top(visitor, section), &main))
}

/// A page for somebody who is not known.
#[expect(clippy::needless_pass_by_value, reason = "the body of a page is written in its place")]
pub fn bare_page(title: &str, body: Markup) -> Page {
    let top = html! { header .top { div .inner { (brand()) } } };
    Page(document(title, &top, &html! { div .narrow { (body) } }))
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        Html(self.0.into_string()).into_response()
    }
}

fn document(title: &str, top: &Markup, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · order-worker" }
                link rel="icon" type="image/svg+xml" href=(ICON.path());
                link rel="stylesheet" href=(STYLE.path());
                script src=(SCRIPT.path()) defer {}
            }
            body {
                a .skip href="#main" { "Skip to the content" }
                (top)
                main #main tabindex="-1" { (main) }
                footer .bottom {
                    p { "order-worker " (env!("CARGO_PKG_VERSION")) " · all times are in UTC" }
                }
            }
        }
    }
}

fn top(visitor: &CurrentUser, section: Section) -> Markup {
    let caller = visitor.caller();
    html! {
        header .top {
            div .inner {
                (brand())
                nav aria-label="Main" {
                    ul {
                        @for (shown, path, name) in Section::SHOWN {
                            li { a href=(path) aria-current=[(shown == section).then_some("page")] { (name) } }
                        }
                    }
                }
                div .who {
                    span { (caller.name) " " span .role { (caller.role) } }
                    @if visitor.signed_in() {
                        (form::post(visitor, "/sign-out", &html! {
                            button .quiet type="submit" { "Sign out" }
                        }))
                    }
                }
            }
        }
    }
}

fn brand() -> Markup {
    html! { a .brand href="/" { (PreEscaped(include_str!("assets/icon.svg"))) "order-worker" } }
}

fn troubles(troubles: &Outages) -> Markup {
    html! {
        @for (what, reason) in told(troubles) {
            (notice::trouble(&html! { strong { (what) "." } " " (reason) }))
        }
    }
}

/// What the worker waits for, and why.
pub fn told(troubles: &Outages) -> impl Iterator<Item = (&'static str, &str)> {
    let told = [
        ("The database does not answer", &troubles.database),
        ("Commands are not consumed", &troubles.consuming),
        ("Dead letters are not collected", &troubles.collecting),
        ("Events are not published", &troubles.publishing),
        ("The broker blocks publishing", &troubles.blocked),
    ];
    told.into_iter().filter_map(|(what, reason)| Some((what, reason.as_deref()?)))
}
