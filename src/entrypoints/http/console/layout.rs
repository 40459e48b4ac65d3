//! The frame of every page: header, navigation, notices, footer.

use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::CurrentUser;
use super::assets::{ICON, SCRIPT, STYLE};
use super::components::{form, notice};
use crate::service_layer::Outages;

/// An HTML document.
#[derive(Debug)]
pub struct Page(Markup);

/// An entry of the navigation, which is highlighted on its pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Overview,
    Orders,
    DeadLetters,
    Events,
    Settings,
    /// For error pages.
    None,
}

impl Section {
    /// In the order of the navigation, with path and title.
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Overview, "/", "Overview"),
        (Self::Orders, "/orders", "Orders"),
        (Self::DeadLetters, "/dead-letters", "Dead letters"),
        (Self::Events, "/events", "Events"),
        (Self::Settings, "/settings", "Settings"),
    ];
}

/// A page for a user. The body starts with its `h1`.
#[expect(clippy::needless_pass_by_value, reason = "callers pass `html!` directly")]
pub fn page(user: &CurrentUser, section: Section, title: &str, body: Markup) -> Page {
    let main = html! {
        (outage_notices(&user.outages))
        @if let Some(flash) = user.take_flash() { (notice::flash(&flash)) }
        (body)
    };
    Page(document(title, &top(user, section), &main))
}

/// A page for someone who is not signed in.
#[expect(clippy::needless_pass_by_value, reason = "callers pass `html!` directly")]
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
                a .skip href="#main" { "Skip to content" }
                (top)
                main #main tabindex="-1" { (main) }
                footer .bottom {
                    p { "order-worker " (env!("CARGO_PKG_VERSION")) " · all times are in UTC" }
                }
            }
        }
    }
}

fn top(user: &CurrentUser, section: Section) -> Markup {
    let caller = user.caller();
    html! {
        header .top {
            div .inner {
                (brand())
                nav aria-label="Main" {
                    ul {
                        @for (shown, path, name) in Section::ALL {
                            li { a href=(path) aria-current=[(shown == section).then_some("page")] { (name) } }
                        }
                    }
                }
                div .account {
                    span { (caller.name) " " span .role { (caller.role) } }
                    @if user.signed_in() {
                        (form::post(user, "/sign-out", &html! {
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

fn outage_notices(all: &Outages) -> Markup {
    html! {
        @for (outage, reason) in outages(all) {
            (notice::error(&html! { strong { (outage) "." } " " (reason) }))
        }
    }
}

/// The outages that pause the worker, each with its reason.
pub fn outages(outages: &Outages) -> impl Iterator<Item = (&'static str, &str)> {
    let all = [
        ("Paused: database unavailable", &outages.database),
        ("Not consuming commands", &outages.consuming),
        ("Not collecting dead letters", &outages.collecting),
        ("Not publishing events", &outages.publishing),
        ("Publishing blocked by the broker", &outages.blocked),
    ];
    all.into_iter().filter_map(|(outage, reason)| Some((outage, reason.as_deref()?)))
}
