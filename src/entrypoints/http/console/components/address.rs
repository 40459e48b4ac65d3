//! URLs of pages.

use std::fmt::Display;

use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but the unreserved characters of RFC 3986, and the slash.
const QUERY_VALUE: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A path with its query parameters, without the empty ones.
pub fn with(path: &str, parameters: &[(&str, &str)]) -> String {
    let given = parameters.iter().filter(|(_, value)| !value.is_empty());
    let pairs: Vec<_> = given.map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

/// The page of an order. The id is a query parameter: in the path, browsers would resolve `..`, and many
/// proxies mishandle an escaped slash.
pub fn order(order_id: &str) -> String {
    with("/order", &[("id", order_id)])
}

/// A link to the orders of a customer.
pub fn customer_link(customer_id: &str) -> Markup {
    let orders = with("/orders", &[("customer", customer_id)]);
    html! { a href=(orders) { bdi { (customer_id) } } }
}

/// A link to an order.
pub fn order_link(order_id: &str) -> Markup {
    html! { a href=(order(order_id)) { bdi { (order_id) } } }
}

fn escaped(text: &str) -> impl Display {
    utf8_percent_encode(text, QUERY_VALUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_parameters_are_omitted() {
        assert_eq!(with("/orders", &[("customer", ""), ("status", "")]), "/orders");
        let some = with("/orders", &[("customer", "a&b=c"), ("status", ""), ("after", "x_1")]);
        assert_eq!(some, "/orders?customer=a%26b%3Dc&after=x_1");
    }

    #[test]
    fn every_order_id_has_a_page() {
        assert_eq!(order("ORD-2026/11"), "/order?id=ORD-2026/11");
        assert_eq!(order("..#\"ü"), "/order?id=..%23%22%C3%BC");
    }
}
