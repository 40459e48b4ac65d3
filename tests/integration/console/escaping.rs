//! Untrusted text is escaped.

use super::worker::Console;
use crate::builders::WithContent;
use crate::support::messages::{cancel, place};

const MARKUP: &str = "<img src=x onerror=alert(1)>\"'&";
const ESCAPED: &str = "&lt;img src=x onerror=alert(1)&gt;&quot;'&amp;";

#[tokio::test]
async fn markup_in_any_field_of_an_order_is_escaped() {
    let console = Console::without_tokens().await;
    console.handle(place(MARKUP).of_customer(MARKUP).with_texts(MARKUP)).await;
    console.handle(cancel(MARKUP).because(MARKUP)).await;
    let browser = console.browser();
    let found = browser.get("/orders").await.body;
    let (_, link) = found.split_once("href=\"/order?id=").unwrap();
    let path = format!("/order?id={}", link.split_once('"').unwrap().0);

    let order = browser.get(&path).await.body;
    let asked = browser.get(&path.replace("/order", "/order/cancel")).await.body;

    for (page, times) in [(&found, 3), (&order, 5), (&asked, 2)] {
        assert!(!page.contains("<img") && !page.contains("\"'&"), "{page}");
        assert!(page.matches(ESCAPED).count() >= times, "{page}");
    }
}

#[tokio::test]
async fn markup_in_a_search_is_escaped() {
    let console = Console::without_tokens().await;
    let markup = "%22%3E%3Cimg%20src=x%3E";
    for path in ["/orders?order=", "/orders?customer=", "/orders?from=", "/sign-in?next=", "/"] {
        let page = console.browser().get(&format!("{path}{markup}")).await.body;
        assert!(!page.contains("<img"), "{path}: {page}");
    }
}
