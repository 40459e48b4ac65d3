//! Signing in and sessions.

use std::net::SocketAddr;

use axum::http::StatusCode;
use order_worker::entrypoints::http::auth::{Role, Token};

use super::worker::{Console, within_a_minute};

#[tokio::test]
async fn without_a_session_the_sign_in_page_leads_to_the_requested_page() {
    let console = Console::with_tokens().await;
    let browser = console.browser();
    let asked = browser.get("/orders?status=received").await;
    assert_eq!(asked.redirect(), "/sign-in?next=/orders%3Fstatus%3Dreceived");

    let fields = [("token", console.secret(Role::Viewer)), ("next", "/orders?status=received")];
    let signed_in = browser.submit("/sign-in", &fields).await;

    assert_eq!(signed_in.redirect(), "/orders?status=received");
    assert_eq!(browser.get("/orders").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_cookie_is_same_site_and_http_only() {
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
async fn a_forged_cookie_is_not_a_session() {
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
async fn signing_in_again_ends_the_previous_session() {
    let console = Console::with_tokens().await;
    let browser = console.signed_in(Role::Operator).await;
    let thief = console.browser();
    (*thief.cookie.lock().unwrap()).clone_from(&browser.cookie.lock().unwrap());
    assert_eq!(thief.get("/orders").await.status, StatusCode::OK);

    browser.submit("/sign-in", &[("token", console.secret(Role::Operator))]).await.redirect();

    assert_eq!(thief.get("/orders").await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.get("/orders").await.status, StatusCode::OK);
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let console = Console::with_tokens().await;
    let browser = console.signed_in(Role::Viewer).await;
    let before = browser.cookie.lock().unwrap().clone();

    let response = browser.press("/orders", "/sign-out", &[]).await;

    assert_eq!(response.redirect(), "/sign-in");
    assert!(response.header("set-cookie").contains("Max-Age=0"));
    *browser.cookie.lock().unwrap() = before;
    assert_eq!(browser.get("/orders").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn replacing_a_token_ends_its_sessions() {
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

    let response = console.browser().submit("/sign-in", &fields).await;

    assert_eq!(response.status, StatusCode::FORBIDDEN);
    assert_eq!(response.header("set-cookie"), "");
}

#[tokio::test]
async fn after_too_many_wrong_tokens_an_address_has_to_wait() {
    let console = Console::with_tokens().await;
    let browser = console.browser();
    for _ in 0..10 {
        let wrong = browser.submit("/sign-in", &[("token", "owt_guess")]).await;
        assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    }
    let right = [("token", console.secret(Role::Viewer))];

    let response = browser.submit("/sign-in", &right).await;

    assert_eq!(response.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(response.header("retry-after").parse::<u32>().unwrap() > 0);
    let mut elsewhere = console.browser();
    elsewhere.peer = SocketAddr::from(([192, 0, 2, 7], 50_000));
    assert_eq!(elsewhere.submit("/sign-in", &right).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_link_on_another_site_works_despite_the_strict_cookie() {
    let console = Console::with_tokens().await;
    let mut browser = console.browser();
    browser.headers.push(("sec-fetch-site", "cross-site".to_owned()));

    let response = browser.get("/order?id=14").await;

    assert_eq!(response.status, StatusCode::OK);
    assert!(response.body.contains("content=\"0; url=/order?id=14\""), "{}", response.body);
}

#[tokio::test]
async fn without_tokens_localhost_needs_no_sign_in_and_others_are_rejected() {
    let console = Console::without_tokens().await;
    let local = console.browser();
    let mut remote = console.browser();
    remote.peer = SocketAddr::from(([192, 0, 2, 7], 50_000));

    assert_eq!(local.get("/orders").await.status, StatusCode::OK);
    assert_eq!(local.get("/sign-in").await.redirect(), "/");
    assert_eq!(remote.get("/orders").await.status, StatusCode::UNAUTHORIZED);
}
