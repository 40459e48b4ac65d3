//! Server-sent events for the page.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderName, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};

use super::hub::{Listener, StreamEvent};
use crate::entrypoints::http::console::CurrentUser;
use crate::entrypoints::http::{App, Problem};

/// Maximum duration of a stream. The page then reconnects, if its session is still valid.
const MAX_DURATION: Duration = Duration::from_secs(600);

/// Disables buffering in nginx.
const UNBUFFERED: (HeaderName, &str) = (HeaderName::from_static("x-accel-buffering"), "no");

pub async fn stream(user: CurrentUser, State(app): State<App>) -> Result<Response, Problem> {
    let listener = app.console.events.listen(&app.broker).ok_or_else(|| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many pages with live events are open: close one",
        )
    })?;
    let end = async move {
        tokio::select! {
            () = user.signed_out() => {}
            () = tokio::time::sleep(MAX_DURATION) => {}
        }
    };
    let events = events(listener).take_until(Box::pin(end));
    Ok(([UNBUFFERED], Sse::new(events).keep_alive(KeepAlive::default())).into_response())
}

/// Ends when the listener has fallen behind. The server ends it when the worker stops.
fn events(listener: Listener) -> impl Stream<Item = Result<Event, Infallible>> {
    let first = event(&listener.connection);
    let later = stream::unfold(listener, |mut listener| async {
        let received = listener.events.recv().await.ok()?;
        Some((event(&received), listener))
    });
    stream::iter([first]).chain(later).map(Ok)
}

fn event(event: &StreamEvent) -> Event {
    // Browsers ignore events without data.
    let (name, text) = match event {
        StreamEvent::Connecting => ("connecting", ""),
        StreamEvent::Listening => ("listening", ""),
        StreamEvent::Disconnected(reason) => ("disconnected", &**reason),
        StreamEvent::Events(lines) => ("events", &**lines),
    };
    Event::default().event(name).data(json_string(text))
}

/// JSON, because a line break would end the data of an event.
fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
