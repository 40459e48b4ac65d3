//! The page of one dead letter.

use axum::http::StatusCode;
use order_worker::messages::Properties;

use super::fixtures::TOO_PRECISE;
use crate::console::worker::Console;
use crate::support::messages::place;

const MARKUP: &str = "<img src=x onerror=alert(1)>";
const ESCAPED: &str = "&lt;img src=x onerror=alert(1)&gt;";

#[tokio::test]
async fn a_dead_letter_shows_its_reason_and_order() {
    let console = Console::without_tokens().await;
    console.handle(place("14")).await;
    let id = console.dead_letter("order.place", TOO_PRECISE).await;

    let page = console.browser().get(&format!("/dead-letters/{id}")).await;

    page.assert_contains("items[0].price_per_unit must have at most 2 decimals");
    page.assert_contains("&quot;price_per_unit&quot;: &quot;9.505&quot;");
    page.assert_contains("&quot;order-worker-code&quot;: &quot;invalid_field&quot;");
    page.assert_contains("href=\"/order?id=14\"");
    page.assert_contains("<span class=\"badge status-received\">Received</span>");
}

#[tokio::test]
async fn binary_bodies_are_shown_as_a_hex_dump() {
    let console = Console::without_tokens().await;
    let id = console.dead_letter("order.place", b"\xff\xfe<order/>").await;

    let page = console.browser().get(&format!("/dead-letters/{id}")).await;

    page.assert_contains("000000  ff fe 3c 6f 72 64 65 72 2f 3e");
    page.assert_contains("Not valid UTF-8 from byte 0 ");
}

#[tokio::test]
async fn markup_in_any_part_of_a_dead_letter_is_escaped() {
    let console = Console::without_tokens().await;
    let properties = Properties {
        app_id: Some(MARKUP.to_owned()),
        message_id: Some(MARKUP.to_owned()),
        headers: [(MARKUP.to_owned(), MARKUP.into())].into(),
        ..Properties::default()
    };
    let body = format!(r#"{{"order_id": "{MARKUP}", "{MARKUP}": "{MARKUP}"}}"#);
    let id = console.dead_letter_with("order.cancel", body, properties).await;
    let browser = console.browser();
    let one = browser.get(&format!("/dead-letters/{id}")).await;
    let edited = browser.edit_page(id).await;
    let groups = browser.get("/dead-letters").await;
    let list = browser.get("/dead-letters?view=list").await;
    let replay = browser.press("/dead-letters", "/dead-letters/replay", &[("which", "all")]).await;

    for (page, times) in [(&one, 7), (&edited, 3), (&groups, 0), (&list, 3), (&replay, 0)] {
        assert_eq!(page.status, StatusCode::OK);
        assert!(!page.body.contains("<img"), "{}", page.body);
        assert!(page.body.matches(ESCAPED).count() >= times, "{}", page.body);
    }
}

#[tokio::test]
async fn markup_in_a_search_for_dead_letters_is_escaped() {
    let console = Console::without_tokens().await;
    console.premature_commands(1).await;
    for field in ["state", "code", "command", "text", "pattern", "older", "after", "view"] {
        let path = format!("/dead-letters?{field}=%22%3E%3Cimg%20src=x%3E");
        let page = console.browser().get(&path).await;
        assert!(!page.body.contains("<img"), "{field}: {}", page.body);
    }
}

#[tokio::test]
async fn a_dead_letter_that_does_not_exist_is_not_found() {
    let console = Console::without_tokens().await;
    for path in ["/dead-letters/14", "/dead-letters/x", "/dead-letters/jobs/x"] {
        assert_eq!(console.browser().get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
