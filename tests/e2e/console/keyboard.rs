//! Use without a mouse.

use super::browser::Browser;
use super::site::Site;
use crate::test_env::eventually;

const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';

/// Presses Tab until the element has the focus.
async fn tab_to(browser: &Browser, name: &str) {
    for _ in 0..40 {
        if browser.focused().await == name {
            return;
        }
        browser.press(TAB).await;
    }
    panic!("{name} is not reachable by Tab:\n{}", browser.text().await);
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn an_order_is_found_and_moved_by_keyboard() {
    let site = Site::with_an_order("14").await;
    let browser = site.new_browser().await;
    browser.open("/orders").await;
    eventually("the field for the token has the focus", || async {
        browser.focused().await == "token"
    })
    .await;
    for key in site.operator_token().chars().chain([ENTER]) {
        browser.press(key).await;
    }
    browser.wait_for("Created from").await;

    tab_to(&browser, "order").await;
    for key in ['1', '4', ENTER] {
        browser.press(key).await;
    }
    browser.wait_for("Order 14").await;
    tab_to(&browser, "Move to Processing").await;
    browser.press(ENTER).await;

    browser.wait_for("The order is now Processing.").await;
    drop(browser);
    site.close().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn the_first_tab_skips_the_navigation() {
    let site = Site::open().await;
    let browser = site.viewer().await;
    browser.open("/orders").await;

    browser.press(TAB).await;
    assert_eq!(browser.focused().await, "Skip to content");
    browser.press(ENTER).await;
    browser.press(TAB).await;

    assert_eq!(browser.focused().await, "order");
    drop(browser);
    site.close().await;
}

#[tokio::test]
#[ignore = "needs RabbitMQ, PostgreSQL and a browser: make test"]
async fn an_element_that_gets_the_focus_during_a_refresh_keeps_it() {
    let site = Site::with_an_order("14").await;
    let browser = site.operator().await;
    browser.open("/orders/14").await;
    browser.wait_for("Order 14").await;

    // If the page is replaced, that happens before the next task.
    browser
        .run_script(
            "const originalFetch = window.fetch; \
             window.fetch = async (...arguments_) => { \
                const response = await originalFetch(...arguments_); \
                const text = await response.text(); \
                response.text = async () => { \
                    const buttons = [...document.querySelectorAll('#order button')]; \
                    buttons.find(it => it.textContent.trim() === 'Move to Processing').focus(); \
                    setTimeout(() => { window.isDone = true; }); \
                    return text; \
                }; \
                return response; \
             }",
        )
        .await;

    eventually("the page was requested again", || async {
        browser.run_script("return window.isDone === true").await == true
    })
    .await;
    assert_eq!(browser.focused().await, "Move to Processing");
    drop(browser);
    site.close().await;
}
