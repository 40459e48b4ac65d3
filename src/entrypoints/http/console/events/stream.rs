//! The stream that a page listens to.

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

/// Longest stream. The page comes back by itself, if its session is still good.
const LONGEST: Duration = Duration::from_secs(600);

/// Has nginx pass on each event at once.
const UNBUFFERED: (HeaderName, &str) = (HeaderName::from_static("x-accel-buffering"), "no");

pub async fn stream(visitor: CurrentUser, State(app): State<App>) -> Result<Response, Problem> {
    let listener = app.console.events.listen(&app.broker).ok_or_else(|| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many pages watch events: close one")
    })?;
    let over = async move {
        tokio::select! {
            () = visitor.signed_out() => {}
            () = tokio::time::sleep(LONGEST) => {}
        }
    };
    let events = events(listener).take_until(Box::pin(over));
    Ok(([UNBUFFERED], Sse::new(events).keep_alive(KeepAlive::default())).into_response())
}

/// Ends when the listener is too slow; the server ends it when the worker stops.
fn events(listener: Listener) -> impl Stream<Item = Result<Event, Infallible>> {
    let first = event(&listener.state);
    let later = stream::unfold(listener, |mut listener| async {
        let told = listener.told.recv().await.ok()?;
        Some((event(&told), listener))
    });
    stream::iter([first]).chain(later).map(Ok)
}

fn event(told: &StreamEvent) -> Event {
    // An event without data is none to a browser.
    let (name, text) = match told {
        StreamEvent::Connecting => ("connecting", ""),
        StreamEvent::Listening => ("listening", ""),
        StreamEvent::Trouble(reason) => ("trouble", &**reason),
        StreamEvent::Events(lines) => ("events", &**lines),
    };
    Event::default().event(name).data(quoted(text))
}

/// As JSON: a line break would end the datum.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
