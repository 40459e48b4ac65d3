//! What to do with a worker that has no orders yet.

use axum::extract::State;
use axum::http::header::HOST;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;

use super::components::form;
use super::components::notice::Flash;
use super::{CurrentUser, Submitted};
use crate::adapters::in_process::InProcessBroker;
use crate::bootstrap::Broker;
use crate::entrypoints::cli::ndjson::{EXAMPLES, parse_line};
use crate::entrypoints::http::{App, Problem};
use crate::service_layer::{Publication, PublishError, PublishStatus, Publisher, Target};

#[derive(Debug, Deserialize)]
pub struct Nothing {}

/// Three ways to a first order, and a button.
pub fn welcome(visitor: &CurrentUser, app: &App, headers: &HeaderMap) -> Markup {
    html! {
        h1 { "There are no orders yet" }
        @if let Broker::InProcess(_) = &app.broker && visitor.may_operate() { (demonstration(visitor)) }
        section .panel aria-labelledby="by-http" {
            h2 #by-http { "Place one over HTTP" }
            pre .code tabindex="0" { (curl(app, headers)) }
        }
        @match &app.broker {
            Broker::RabbitMq(_) => (by_rabbitmq(app)),
            Broker::InProcess(_) => (by_file()),
        }
    }
}

fn demonstration(visitor: &CurrentUser) -> Markup {
    html! {
        section .panel aria-labelledby="demo" {
            h2 #demo { "See it at work" }
            p {
                (EXAMPLES.lines().count()) " commands tell a short story: orders that are placed, moved "
                "and cancelled, a few that a rule refuses, and a few that nobody can read."
            }
            (form::post(visitor, "/demo", &html! {
                button .primary type="submit" { "Feed the demo" }
            }))
        }
    }
}

fn curl(app: &App, headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1:8080");
    let token = if app.tokens.are_required() { " -H 'Authorization: Token <key>'" } else { "" };
    format!(
        "curl http://{host}/api/order/add/{token} -H 'Content-Type: application/json' \\\n  \
         -d '{{\"order_customer\": {{\"customer_id\": 14, \"name\": \"Ada\", \"email\": \"ada@example.com\"}},\n       \
         \"items\": [{{\"product_id\": 1, \"name\": \"Chess\", \"quantity\": 1, \"price_per_unit\": \"12.50\"}}]}}'"
    )
}

fn by_file() -> Markup {
    html! {
        section .panel aria-labelledby="by-file" {
            h2 #by-file { "Or from a file" }
            p { "One command a line, when the worker starts:" }
            pre .code tabindex="0" { "order-worker < commands.ndjson" }
            h2 { "Or take RabbitMQ" }
            p { "Without " code { "AMQP_URL" } ", commands and events stay within this process." }
            pre .code tabindex="0" { "AMQP_URL=amqp://user:password@broker:5672/%2f order-worker" }
        }
    }
}

fn by_rabbitmq(app: &App) -> Markup {
    html! {
        section .panel aria-labelledby="by-rabbitmq" {
            h2 #by-rabbitmq { "Or publish one to RabbitMQ" }
            p {
                "To the exchange " code { (app.settings.commands_exchange) } " with the routing key "
                code { "order.place" } ", or from a file with one command a line:"
            }
            pre .code tabindex="0" { "order-worker publish commands.ndjson" }
        }
    }
}

/// Publishes the commands of the demonstration, within this process only: to a real broker they would be
/// orders among those of customers.
pub async fn feed(
    State(app): State<App>,
    Submitted { visitor, form: Nothing {} }: Submitted<Nothing>,
) -> Result<Redirect, Problem> {
    let Broker::InProcess(broker) = &app.broker else {
        let detail =
            "the demo is for the in-process broker: sample orders do not belong on a real one";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    };
    tracing::info!(caller = visitor.caller().name, "The demo is fed");
    let flash = match publish(broker).await {
        Ok(confirmations) => fed(&confirmations),
        Err(error) => Flash::Refused(html! { "Perhaps not all commands were taken: " (error) "." }),
    };
    visitor.set_flash(flash);
    Ok(Redirect::to("/"))
}

async fn publish(broker: &InProcessBroker) -> Result<Vec<PublishStatus>, PublishError> {
    let commands = EXAMPLES.lines().filter_map(|line| parse_line(line).ok());
    let window: Vec<Publication> = commands
        .map(|command| Publication {
            target: Target::Commands { routing_key: command.routing_key },
            properties: command.properties,
            body: command.body,
        })
        .collect();
    broker.publisher().publish(&window).await
}

fn fed(confirmations: &[PublishStatus]) -> Flash {
    let taken = confirmations.iter().filter(|it| **it == PublishStatus::Confirmed).count();
    if taken < confirmations.len() {
        let told = html! { "Only " (taken) " of " (confirmations.len()) " commands were taken." };
        return Flash::Refused(told);
    }
    Flash::Done(html! {
        (taken) " commands were fed. Look at the " a href="/orders" { "orders" } ", at the "
        a href="/dead-letters" { "dead letters" } " (the last ones come after half a minute, when their "
        "retries are used up), and at the history on an order’s page."
    })
}
