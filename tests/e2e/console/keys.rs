//! Without a mouse.

use super::browser::Browser;
use super::site::Site;
use crate::test_env::eventually;

const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';

/// Goes on with the tabulator until the focus is there.
async fn tab_to(browser: &Browser, name: &str) {
    for _ in 0..40 {
        if browser.focused().await == name {
            return;
        }
        browser.press(TAB).await;
    }
    panic!("{name} cannot be reached:\n{}", browser.text().await);
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn an_order_is_found_and_moved_by_keys_alone() {
    let site = Site::with_an_order("14").await;
    let browser = site.stranger().await;
    browser.open("/orders").await;
    eventually("the field for the token has the focus", || async {
        browser.focused().await == "token"
    })
    .await;
    for key in site.operator_token().chars().chain([ENTER]) {
        browser.press(key).await;
    }
    browser.sees("Created from").await;

    tab_to(&browser, "order").await;
    for key in ['1', '4', ENTER] {
        browser.press(key).await;
    }
    browser.sees("Order 14").await;
    tab_to(&browser, "Move to Processing").await;
    browser.press(ENTER).await;

    browser.sees("The order is now Processing.").await;
    drop(browser);
    site.close().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn the_first_key_leads_past_the_navigation() {
    let site = Site::open().await;
    let browser = site.viewer().await;
    browser.open("/orders").await;

    browser.press(TAB).await;
    assert_eq!(browser.focused().await, "Skip to the content");
    browser.press(ENTER).await;
    browser.press(TAB).await;

    assert_eq!(browser.focused().await, "order");
    drop(browser);
    site.close().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn what_gets_the_focus_while_fresh_figures_are_on_their_way_stays() {
    let site = Site::with_an_order("14").await;
    let browser = site.operator().await;
    browser.open("/orders/14").await;
    browser.sees("Order 14").await;

    // The page is replaced, if it is, before the next task begins.
    browser
        .run(
            "const ask = window.fetch; \
             window.fetch = async (...question) => { \
                const answer = await ask(...question); \
                const text = await answer.text(); \
                answer.text = async () => { \
                    const buttons = [...document.querySelectorAll('#order button')]; \
                    buttons.find(it => it.textContent.trim() === 'Move to Processing').focus(); \
                    setTimeout(() => { window.isDone = true; }); \
                    return text; \
                }; \
                return answer; \
             }",
        )
        .await;

    eventually("the page was asked for again", || async {
        browser.run("return window.isDone === true").await == true
    })
    .await;
    assert_eq!(browser.focused().await, "Move to Processing");
    drop(browser);
    site.close().await;
}
