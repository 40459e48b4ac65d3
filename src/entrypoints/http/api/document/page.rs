//! The API as an HTML page.

use maud::{DOCTYPE, Markup, html};

use super::example;
use crate::entrypoints::http::api::endpoint::{Endpoint, Group, Parameter, ParameterPlace};
use crate::entrypoints::http::api::endpoints;

pub fn page() -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "The API of order-worker" }
                link rel="stylesheet" href="/api/page.css";
            }
            body {
                header {
                    h1 { "The API of order-worker" }
                    (introduction())
                    nav aria-label="Contents" { (contents()) }
                }
                main {
                    @for group in Group::ALL {
                        section id=(anchor(group.title())) {
                            h2 { (group.title()) }
                            p { (group.about()) }
                            @for endpoint in endpoints_of(group) { (section_of(endpoint)) }
                        }
                    }
                }
            }
        }
    }
}

fn introduction() -> Markup {
    html! {
        p {
            "The same for programs: " a href="/api/openapi.json" { "an OpenAPI document" } ". \
             The examples take the token from the variable " code { "TOKEN" } "; "
            code { "order-worker token new" } " makes one. Without tokens, the worker accepts requests \
            from localhost only, and needs none."
        }
        p {
            "A command over HTTP is handled like one from the queue: the same rules, the same \
             events. Errors are " code { "application/problem+json" } ", with " code { "detail" }
            " for people, " code { "code" } " for programs, and " code { "field" }
            " if one field or parameter is wrong."
        }
    }
}

fn endpoints_of(group: Group) -> impl Iterator<Item = &'static Endpoint> {
    endpoints().filter(move |endpoint| endpoint.group == group)
}

fn contents() -> Markup {
    html! {
        @for group in Group::ALL {
            p { a href={ "#" (anchor(group.title())) } { (group.title()) } }
            ul {
                @for endpoint in endpoints_of(group) {
                    li {
                        a href={ "#" (endpoint.name) } { (methods(endpoint)) " " code { (endpoint.path) } }
                        " " span { (endpoint.summary) }
                    }
                }
            }
        }
    }
}

fn anchor(title: &str) -> String {
    title.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-")
}

fn methods(endpoint: &Endpoint) -> Markup {
    html! {
        @for (index, method) in endpoint.methods.iter().enumerate() {
            @if index > 0 { " or " }
            b class=(method.as_str().to_lowercase()) { (method.as_str()) }
        }
    }
}

fn section_of(endpoint: &Endpoint) -> Markup {
    html! {
        article id=(endpoint.name) {
            h3 { (methods(endpoint)) " " code { (endpoint.path) } }
            p { strong { (endpoint.summary) "." } " " (endpoint.about) }
            p class="roles" { "Requires the role " (endpoint.roles()) "." }
            @if !endpoint.parameters.is_empty() { (parameters(endpoint.parameters)) }
            h4 { "Example" }
            pre tabindex="0" { code { (example::curl(endpoint)) } }
            h4 { "Responses" }
            (responses(endpoint))
        }
    }
}

fn parameters(parameters: &[Parameter]) -> Markup {
    html! {
        h4 { "Parameters" }
        dl {
            @for parameter in parameters {
                dt { code { (parameter.name) } " " span { (place(parameter.place)) } }
                dd { (parameter.about) " Example: " code { (parameter.example) } "." }
            }
        }
    }
}

fn place(place: ParameterPlace) -> &'static str {
    match place {
        ParameterPlace::Path => "in the path",
        ParameterPlace::Query => "in the query, optional",
        ParameterPlace::Header => "header, optional",
    }
}

fn responses(endpoint: &Endpoint) -> Markup {
    let success = &endpoint.success;
    html! {
        dl class="responses" {
            dt class="good" { (success.status) }
            dd {
                (success.about)
                @if let Some(body) = &success.body {
                    pre tabindex="0" { code { (body.example) } }
                }
            }
            @for (status, about) in endpoint.problems {
                dt { (status) }
                dd { (about) }
            }
        }
    }
}
