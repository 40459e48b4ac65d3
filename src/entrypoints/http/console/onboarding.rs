//! The overview of a worker without orders: how to place the first one.

use axum::extract::State;
use axum::http::header::HOST;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;

use super::components::form;
use super::components::notice::Flash;
use super::{CurrentUser, Submitted};
use crate::bootstrap::Broker;
use crate::entrypoints::cli::ndjson::{EXAMPLES, parse_line};
use crate::entrypoints::http::{App, Problem};
use crate::messages::{Publication, PublishStatus, Target};
use crate::service_layer::{PublishError, Publisher};

#[derive(Debug, Deserialize)]
pub struct NoFields {}

pub fn first_steps(user: &CurrentUser, app: &App, headers: &HeaderMap) -> Markup {
    html! {
        h1 { "No orders yet" }
        @if let Broker::InProcess(_) = &app.broker && user.may_operate() { (demo(user)) }
        section .panel aria-labelledby="by-http" {
            h2 #by-http { "Place an order over HTTP" }
            pre .code tabindex="0" { (curl(app, headers)) }
        }
        @match &app.broker {
            Broker::RabbitMq(_) => (publish_to_rabbitmq(app)),
            Broker::InProcess(_) => (other_sources()),
        }
    }
}

fn demo(user: &CurrentUser) -> Markup {
    html! {
        section .panel aria-labelledby="demo" {
            h2 #demo { "Try the demo" }
            p {
                (EXAMPLES.lines().count()) " sample commands: orders are placed, change their status and are cancelled; some "
                "commands are rejected, and some become dead letters."
            }
            (form::post(user, "/demo", &html! {
                button .primary type="submit" { "Run the demo" }
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

fn other_sources() -> Markup {
    html! {
        section .panel aria-labelledby="by-file" {
            h2 #by-file { "Or read commands from a file" }
            p { "At start, one command per line:" }
            pre .code tabindex="0" { "order-worker < commands.ndjson" }
            h2 { "Or connect to RabbitMQ" }
            p { "Without " code { "AMQP_URL" } ", commands and events do not leave this process." }
            pre .code tabindex="0" { "AMQP_URL=amqp://user:password@broker:5672/%2f order-worker" }
        }
    }
}

fn publish_to_rabbitmq(app: &App) -> Markup {
    html! {
        section .panel aria-labelledby="by-rabbitmq" {
            h2 #by-rabbitmq { "Or publish a command to RabbitMQ" }
            p {
                "Publish to the exchange " code { (app.settings.commands_exchange) } " with the routing key "
                code { "order.place" } ", or publish a file with one command per line:"
            }
            pre .code tabindex="0" { "order-worker publish commands.ndjson" }
        }
    }
}

/// Publishes the sample commands to the in-process broker. On a real broker, the samples would mix with
/// the orders of customers.
pub async fn run_demo(
    State(app): State<App>,
    Submitted { user, form: NoFields {} }: Submitted<NoFields>,
) -> Result<Redirect, Problem> {
    let Broker::InProcess(_) = app.broker else {
        let detail =
            "the demo requires the in-process broker: it never publishes sample orders to RabbitMQ";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    };
    tracing::info!(caller = user.caller().name, "Demo started");
    let flash = match publish(&mut *app.broker.publisher()).await {
        Ok(statuses) => published_flash(&statuses),
        Err(error) => {
            Flash::Refused(html! { "Not all commands may have been published: " (error) "." })
        }
    };
    user.set_flash(flash);
    Ok(Redirect::to("/"))
}

async fn publish(publisher: &mut dyn Publisher) -> Result<Vec<PublishStatus>, PublishError> {
    let commands = EXAMPLES.lines().filter_map(|line| parse_line(line).ok());
    let window: Vec<Publication> = commands
        .map(|command| Publication {
            target: Target::Commands { routing_key: command.routing_key },
            properties: command.properties,
            body: command.body,
        })
        .collect();
    publisher.publish(&window).await
}

fn published_flash(statuses: &[PublishStatus]) -> Flash {
    let confirmed = statuses.iter().filter(|it| **it == PublishStatus::Confirmed).count();
    if confirmed < statuses.len() {
        return Flash::Refused(html! {
            "Only " (confirmed) " of " (statuses.len()) " commands were published."
        });
    }
    Flash::Done(html! {
        (confirmed) " commands published. See the " a href="/orders" { "orders" } " and the "
        a href="/dead-letters" { "dead letters" } ". The last dead letters arrive after about 30 s, when "
        "their retries are exhausted."
    })
}
