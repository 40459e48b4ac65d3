//! The subcommands of `orders`.

use clap::{Args, Subcommand};

use super::output::{print_json, print_line, printable, table};
use super::{CommandFailed, migrated_database};
use crate::config::Settings;
use crate::domain::{Order, OrderId, Status};
use crate::entrypoints::order_body::OrderBody;
use crate::messages::wire::format_moment;
use crate::service_layer::{HistoryEntry, InvalidQuery, OrderQuery, OrderQueryText, Page};

#[derive(Debug, Subcommand)]
pub enum OrdersAction {
    /// List the orders that match all options: newest first, with --customer by status and then newest
    /// first.
    List(List),
    /// Show an order with its items and the history of its status.
    Show(Show),
}

#[derive(Debug, Args)]
pub struct List {
    /// Only orders of this customer (customer_id).
    #[arg(long, value_name = "CUSTOMER_ID")]
    customer: Option<String>,
    /// Only orders that are not Completed.
    #[arg(long)]
    incomplete: bool,
    /// Only Completed orders.
    #[arg(long, conflicts_with_all = ["incomplete", "status"])]
    completed: bool,
    /// Only orders in this status, by name or code.
    #[arg(long, conflicts_with = "incomplete")]
    status: Option<String>,
    /// Only orders created on or after this day or time, such as 2026-11-20 or 2026-11-20T09:30:00Z.
    #[arg(long, alias = "start")]
    from: Option<String>,
    /// Only orders created on or before this day or time.
    #[arg(long, alias = "end")]
    until: Option<String>,
    /// Maximum orders to list.
    #[arg(long, default_value_t = 1000, value_name = "N")]
    limit: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Show {
    /// The order_id.
    order_id: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl OrdersAction {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        match self {
            Self::List(list) => list.run(settings).await,
            Self::Show(show) => show.run(settings).await,
        }
    }
}

impl List {
    async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        let query = self.query()?;
        let database = migrated_database(settings).await?;
        let orders = database.orders().orders(&query, &Page::first(self.limit)).await?;
        if self.json {
            return print_json(&orders.iter().map(OrderBody::from).collect::<Vec<_>>());
        }
        let mut table =
            table(["order", "status", "customer", "name", "items", "total", "created", "version"]);
        for order in &orders {
            table.add_row([
                printable(order.order_id().as_str()),
                order.status().to_string(),
                printable(order.customer().customer_id.as_str()),
                printable(order.customer().name.as_str()),
                order.items().iter().len().to_string(),
                order.total().to_string(),
                order.created_at().format("%Y-%m-%d %H:%M:%S").to_string(),
                order.version().to_string(),
            ]);
        }
        print_line(&table.to_string())?;
        let more =
            if orders.len() == self.limit as usize { " (there may be more: --limit)" } else { "" };
        print_line(&format!("{} orders{more}", orders.len()))
    }

    fn query(&self) -> Result<OrderQuery, InvalidQuery> {
        let completed = self.completed.then_some(Status::Completed.name());
        OrderQueryText {
            customer: self.customer.as_deref(),
            status: self.status.as_deref().or(completed),
            incomplete: self.incomplete,
            from: self.from.as_deref(),
            until: self.until.as_deref(),
        }
        .read()
    }
}

impl Show {
    async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        let order_id = OrderId::new(self.order_id.as_str())
            .map_err(|error| InvalidQuery { argument: "order_id", problem: error.to_string() })?;
        let found = migrated_database(settings).await?.orders().order(&order_id).await?;
        let Some(found) = found else {
            return Err(CommandFailed::Message(format!(
                "there is no order {}",
                printable(&self.order_id)
            )));
        };
        if self.json {
            return print_json(&OrderBody::from(&found));
        }
        print_order(&found.order)?;
        print_line(&history_table(&found.history))
    }
}

/// Two lines: the order, and its customer.
pub fn order_summary(order: &Order) -> String {
    let customer = order.customer();
    format!(
        "Order {}: {}, version {}, created {}, total {}\nCustomer {}: {} <{}>",
        printable(order.order_id().as_str()),
        order.status(),
        order.version(),
        format_moment(order.created_at()),
        order.total(),
        printable(customer.customer_id.as_str()),
        printable(customer.name.as_str()),
        printable(customer.email.as_str()),
    )
}

fn print_order(order: &Order) -> Result<(), CommandFailed> {
    print_line(&order_summary(order))?;
    let mut items = table(["product", "name", "quantity", "price per unit"]);
    for item in order.items() {
        items.add_row([
            printable(item.product_id.as_str()),
            printable(item.name.as_str()),
            item.quantity.get().to_string(),
            item.price_per_unit.to_string(),
        ]);
    }
    print_line(&items.to_string())
}

/// The history of an order as a table.
pub fn history_table(history: &[HistoryEntry]) -> String {
    let mut changes = table(["version", "changed", "status", "command", "caused by", "reason"]);
    for entry in history {
        let status = match entry.previous {
            Some(previous) => format!("{previous} → {}", entry.status),
            None => entry.status.to_string(),
        };
        changes.add_row([
            entry.version.to_string(),
            format_moment(entry.at),
            status,
            printable(&entry.cause.command),
            printable(entry.cause.message_id.as_deref().unwrap_or("")),
            printable(entry.cause.reason.as_deref().unwrap_or("")),
        ]);
    }
    changes.to_string()
}
