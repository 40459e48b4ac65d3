//! The search for orders.

use maud::{Markup, html};
use serde::Deserialize;

use crate::domain::Status;
use crate::entrypoints::http::console::components::address;
use crate::service_layer::{InvalidQuery, OrderCursor, OrderQuery, OrderQueryText};

/// The value of the field `status` for every status except Completed.
const INCOMPLETE: &str = "incomplete";

/// The fields of the search form; empty ones do not filter.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    pub order: String,
    customer: String,
    status: String,
    from: String,
    until: String,
    after: String,
}

impl Search {
    /// # Errors
    /// When a field is invalid; the error names it.
    pub fn query(&self) -> Result<OrderQuery, InvalidQuery> {
        let incomplete = self.status == INCOMPLETE;
        OrderQueryText {
            customer: given(&self.customer),
            status: given(&self.status).filter(|_| !incomplete),
            incomplete,
            from: given(&self.from),
            until: given(&self.until),
        }
        .read()
    }

    /// # Errors
    /// When the cursor is invalid.
    pub fn after(&self) -> Result<Option<OrderCursor>, InvalidQuery> {
        given(&self.after).map(str::parse).transpose()
    }

    pub fn is_empty(&self) -> bool {
        let fields = [&self.customer, &self.status, &self.from, &self.until];
        fields.iter().all(|field| field.is_empty())
    }

    /// The URL of the same search from a cursor on.
    pub fn url_from(&self, after: &str) -> String {
        let Self { customer, status, from, until, .. } = self;
        let fields = [
            ("customer", customer.as_str()),
            ("status", status),
            ("from", from),
            ("until", until),
            ("after", after),
        ];
        address::with("/orders", &fields)
    }

    /// The URL of the first page, unless this is it.
    pub fn first_page_url(&self) -> Option<String> {
        (!self.after.is_empty()).then(|| self.url_from(""))
    }

    pub fn form(&self) -> Markup {
        html! {
            search {
                form .panel.filters method="get" action="/orders" {
                    (text_field("order", "Order id", &self.order))
                    (text_field("customer", "Customer id", &self.customer))
                    div {
                        label for="status" { "Status" }
                        select #status name="status" { (self.statuses()) }
                    }
                    (date_field("from", "Created from", &self.from))
                    (date_field("until", "Created until", &self.until))
                    div .actions {
                        button .primary type="submit" { "Search" }
                        a .button href="/orders" { "Clear" }
                    }
                }
            }
        }
    }

    fn statuses(&self) -> Markup {
        let option = |value: &str, name: &str| {
            html! { option value=(value) selected[value == self.status] { (name) } }
        };
        html! {
            (option("", "Any"))
            (option(INCOMPLETE, "Not completed"))
            @for status in Status::ALL { (option(status.word(), status.name())) }
        }
    }
}

fn text_field(name: &str, label: &str, value: &str) -> Markup {
    html! {
        div {
            label for=(name) { (label) }
            input id=(name) type="search" name=(name) value=(value) autocomplete="off" spellcheck="false";
        }
    }
}

fn date_field(name: &str, label: &str, value: &str) -> Markup {
    html! {
        div {
            label for=(name) { (label) }
            input id=(name) type="date" name=(name) value=(value);
        }
    }
}

fn given(field: &str) -> Option<&str> {
    Some(field.trim()).filter(|field| !field.is_empty())
}
