//! The stream of events.

use axum::body::{Body, BodyDataStream};
use axum::http::Request;
use futures_util::StreamExt;
use order_worker::entrypoints::http::auth::Role;

use super::worker::{Browser, Console, within_a_minute};
use crate::support::messages::{cancel, place};

async fn stream(browser: &Browser<'_>) -> BodyDataStream {
    let response = browser.response(Request::get("/events/stream"), Body::empty()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response.into_body().into_data_stream()
}

/// Reads until the text has arrived.
async fn until(stream: &mut BodyDataStream, what: &str) -> String {
    within_a_minute(async {
        let mut read = String::new();
        while !read.contains(what) {
            let bytes = stream.next().await.expect("the stream has not ended").unwrap();
            read.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        read
    })
    .await
}

#[tokio::test]
async fn events_are_streamed_without_customer_data() {
    let console = Console::without_tokens().await;
    let browser = console.browser();
    let mut stream = stream(&browser).await;
    until(&mut stream, "event: listening").await;

    console.handle(place("14")).await;
    console.handle(cancel("14")).await;
    console.handle(cancel("14")).await;

    let read = until(&mut stream, "OrderAlreadyCancelled").await;
    assert!(read.contains("/order?id=14") && read.contains("placed for 190.00"), "{read}");
    assert!(!read.contains("ada@") && !read.contains("Ada"), "{read}");
}

#[tokio::test]
async fn all_streams_get_the_same_events() {
    let console = Console::without_tokens().await;
    let browser = console.browser();
    let mut streams = vec![stream(&browser).await, stream(&browser).await];
    for stream in &mut streams {
        until(stream, "event: listening").await;
    }

    console.handle(place("14")).await;

    for stream in &mut streams {
        until(stream, "/order?id=14").await;
    }
}

#[tokio::test]
async fn a_stream_can_be_opened_after_the_last_one_has_closed() {
    let console = Console::without_tokens().await;
    let browser = console.browser();
    until(&mut stream(&browser).await, "event: listening").await;

    let mut again = stream(&browser).await;
    until(&mut again, "event: listening").await;
    console.handle(place("14")).await;

    until(&mut again, "/order?id=14").await;
}

#[tokio::test]
async fn signing_out_ends_the_stream() {
    let console = Console::with_tokens().await;
    let browser = console.signed_in(Role::Viewer).await;
    let mut stream = stream(&browser).await;
    until(&mut stream, "event: ").await;

    browser.press("/orders", "/sign-out", &[]).await.redirect();

    within_a_minute(async { while stream.next().await.is_some() {} }).await;
}

#[tokio::test]
async fn a_stream_requires_signing_in() {
    let console = Console::with_tokens().await;

    assert_eq!(
        console.browser().get("/events/stream").await.redirect(),
        "/sign-in?next=/events/stream"
    );
}
