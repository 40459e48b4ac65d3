//! Lists of dead letters and of groups.

use order_worker::messages::Properties;

use super::fixtures::TOO_PRECISE;
use crate::console::worker::Console;

#[tokio::test]
async fn similar_dead_letters_are_one_group() {
    let console = Console::without_tokens().await;
    console.premature_commands(3).await;
    let malformed = console.dead_letter("order.place", "{").await;
    let browser = console.browser();

    let page = browser.get("/dead-letters").await;

    page.assert_contains("order … does not exist (yet)");
    page.assert_contains("<span class=\"count\">4</span>");
    page.assert_contains(&format!("href=\"/dead-letters/{malformed}\""));
    let group = page.body.split("scope=\"row\"><a href=\"").nth(1).unwrap();
    let list = browser.get(&group.split('"').next().unwrap().replace("&amp;", "&")).await;
    assert_eq!(list.body.matches("name=\"id\"").count(), 3, "{}", list.body);
}

#[tokio::test]
async fn each_field_of_the_search_filters() {
    let console = Console::without_tokens().await;
    let shop = Properties { app_id: Some("shop".to_owned()), ..Properties::default() };
    let wanted = console.dead_letter_with("order.place", TOO_PRECISE, shop).await;
    let other = console.dead_letter("order.cancel", "{").await;
    for search in [
        "code=invalid_field",
        "command=PlaceOrder",
        "order=14",
        "customer=c-9",
        "publisher=shop",
        "text=at%20most%202%20DECIMALS",
        "younger=7d&command=PlaceOrder",
        "state=any&code=invalid_field",
    ] {
        let page = console.browser().get(&format!("/dead-letters?view=list&{search}")).await;
        page.assert_contains(&format!("href=\"/dead-letters/{wanted}\""));
        assert!(!page.body.contains(&format!("href=\"/dead-letters/{other}\"")), "{search}");
    }
    for search in ["older=7d", "state=discarded"] {
        let page = console.browser().get(&format!("/dead-letters?view=list&{search}")).await;
        assert!(!page.body.contains("name=\"id\""), "{search}");
    }
}

#[tokio::test]
async fn a_group_without_a_command_contains_no_others() {
    let console = Console::without_tokens().await;
    let nameless = console.dead_letter("order.whatever", "{}").await;
    console.premature_commands(1).await;

    let page = console.browser().get("/dead-letters?view=list&command=unreadable").await;

    page.assert_contains(&format!("href=\"/dead-letters/{nameless}\""));
    assert_eq!(page.body.matches("name=\"id\"").count(), 1, "{}", page.body);
}

#[tokio::test]
async fn a_long_list_of_dead_letters_has_pages() {
    let console = Console::without_tokens().await;
    console.premature_commands(51).await;
    let browser = console.browser();
    let ids = |page: &str| page.matches("name=\"id\"").count();

    let first = browser.get("/dead-letters?view=list").await.body;
    let (_, next) = first.rsplit_once("<a class=\"button\" href=\"/dead-letters?").unwrap();
    let next = next.split_once('"').unwrap().0.replace("&amp;", "&");
    let second = browser.get(&format!("/dead-letters?{next}")).await;

    assert_eq!((ids(&first), ids(&second.body)), (50, 1));
    second.assert_contains("href=\"/dead-letters?view=list\" rel=\"first\"");
}

#[tokio::test]
async fn an_invalid_search_for_dead_letters_shows_an_error() {
    let console = Console::without_tokens().await;
    for (search, error) in [
        ("older=yesterday", "older: must be a number and s, m, h or d"),
        ("state=lost", "state: must be open, replaying, replayed or discarded"),
        ("view=list&after=x", "after: invalid cursor"),
    ] {
        console.browser().get(&format!("/dead-letters?{search}")).await.assert_contains(error);
    }
}

#[tokio::test]
async fn without_dead_letters_the_page_shows_that_there_are_none() {
    let console = Console::without_tokens().await;

    let page = console.browser().get("/dead-letters").await;

    page.assert_contains("No dead letters");
}
