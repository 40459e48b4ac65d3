//! Who gets in, and how.

use std::net::SocketAddr;

use axum::http::StatusCode;
use order_worker::entrypoints::http::auth::{Role, Token};

use super::worker::{Console, within_a_minute};

#[tokio::test]
async fn whoever_has_no_session_is_sent_to_sign_in_and_then_where_they_wanted_to_go() {
    let console = Console::with_tokens().await;
    let browser = console.browser();
    let asked = browser.get("/orders?status=received").await;
    assert_eq!(asked.leads_to(), "/sign-in?next=/orders%3Fstatus%3Dreceived");

    let fields = [("token", console.secret(Role::Viewer)), ("next", "/orders?status=received")];
    let signed_in = browser.submit("/sign-in", &fields).await;

    assert_eq!(signed_in.leads_to(), "/orders?status=received");
    assert_eq!(browser.get("/orders").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_cookie_is_for_this_site_alone_and_for_no_script() {
    let console = Console::with_tokens().await;
    let fields = [("token", console.secret(Role::Operator))];

    let plain = console.browser().submit("/sign-in", &fields).await;
    let mut behind_tls = console.browser();
    behind_tls.headers.push(("x-forwarded-proto", "https".to_owned()));
    let encrypted = behind_tls.submit("/sign-in", &fields).await;

    let cookie = plain.header("set-cookie");
    assert!(cookie.starts_with("order_worker_session="), "{cookie}");
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/"), "{cookie}");
    assert!(encrypted.header("set-cookie").contains("; Secure"));
}

#[tokio::test]
async fn no_forged_cookie_is_a_session() {
    let console = Console::with_tokens().await;
    let ada = console.signed_in(Role::Operator).await;
    let good = ada.cookie.lock().unwrap().clone().unwrap();
    let browser = console.browser();
    for forged in [
        "order_worker_session=".to_owned(),
        "order_worker_session=operator".to_owned(),
        good[..good.len() - 1].to_owned(),
        format!("{good}A"),
        good.to_lowercase(),
        format!("{good}; order_worker_session=x"),
        format!("order_worker_session={}", console.secret(Role::Operator)),
    ] {
        *browser.cookie.lock().unwrap() = Some(forged.clone());
        assert_eq!(browser.get("/orders").await.status, StatusCode::SEE_OTHER, "{forged}");
    }
    assert_eq!(ada.get("/orders").await.status, StatusCode::OK);
}

#[tokio::test]
async fn signing_in_again_ends_the_session_that_there_was() {
    let console = Console::with_tokens().await;
    let browser = console.signed_in(Role::Operator).await;
    let thief = console.browser();
    (*thief.cookie.lock().unwrap()).clone_from(&browser.cookie.lock().unwrap());
    assert_eq!(thief.get("/orders").await.status, StatusCode::OK);

    browser.submit("/sign-in", &[("token", console.secret(Role::Operator))]).await.leads_to();

    assert_eq!(thief.get("/orders").await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.get("/orders").await.status, StatusCode::OK);
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let console = Console::with_tokens().await;
    let browser = console.signed_in(Role::Viewer).await;
    let before = browser.cookie.lock().unwrap().clone();

    let answer = browser.press("/orders", "/sign-out", &[]).await;

    assert_eq!(answer.leads_to(), "/sign-in");
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    *browser.cookie.lock().unwrap() = before;
    assert_eq!(browser.get("/orders").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_token_that_is_replaced_ends_its_sessions() {
    let console = Console::with_tokens().await;
    let browser = console.signed_in(Role::Operator).await;
    let other = Token::new("operator", Role::Operator).unwrap().line;

    std::fs::write(&console.tokens_file, other).unwrap();

    within_a_minute(async {
        while browser.get("/orders").await.status == StatusCode::OK {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn stores_cannot_sign_in() {
    let console = Console::with_tokens().await;
    let fields = [("token", console.secret(Role::Store))];

    let answer = console.browser().submit("/sign-in", &fields).await;

    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.header("set-cookie"), "");
}

#[tokio::test]
async fn too_many_wrong_tokens_from_one_address_have_to_wait() {
    let console = Console::with_tokens().await;
    let browser = console.browser();
    for _ in 0..10 {
        let wrong = browser.submit("/sign-in", &[("token", "owt_guess")]).await;
        assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    }
    let right = [("token", console.secret(Role::Viewer))];

    let answer = browser.submit("/sign-in", &right).await;

    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
    let mut elsewhere = console.browser();
    elsewhere.peer = SocketAddr::from(([192, 0, 2, 7], 50_000));
    assert_eq!(elsewhere.submit("/sign-in", &right).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_link_on_another_site_leads_to_the_page_in_spite_of_the_strict_cookie() {
    let console = Console::with_tokens().await;
    let mut browser = console.browser();
    browser.headers.push(("sec-fetch-site", "cross-site".to_owned()));

    let answer = browser.get("/order?id=14").await;

    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.contains("content=\"0; url=/order?id=14\""), "{}", answer.body);
}

#[tokio::test]
async fn without_tokens_this_machine_needs_not_sign_in_and_no_other_may() {
    let console = Console::open_to_this_machine().await;
    let near = console.browser();
    let mut far = console.browser();
    far.peer = SocketAddr::from(([192, 0, 2, 7], 50_000));

    assert_eq!(near.get("/orders").await.status, StatusCode::OK);
    assert_eq!(near.get("/sign-in").await.leads_to(), "/");
    assert_eq!(far.get("/orders").await.status, StatusCode::UNAUTHORIZED);
}
