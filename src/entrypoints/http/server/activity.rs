//! The phase of a connection, and how long each phase may last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Maximum wait for the next request. Longer than the 60 s of keep-alive that proxies usually use, so
/// that the proxy closes first and never sends a request on a connection that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// Maximum time from the first to the last byte of a request head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum time for a request body. Longer than the response timeout of 30 s, so that a slow client
/// usually gets a 408 before its connection is closed.
const BODY_TIMEOUT: Duration = Duration::from_secs(40);

/// Maximum time in which a client reads nothing of a response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not read from yet: a request may be there.
    New,
    /// Waits for the next request.
    Idle,
    ReadingHead,
    ReadingBody,
    /// A handler runs, or its response is being sent.
    Responding,
}

/// The phase of one connection; clones share it.
#[derive(Debug, Clone)]
pub struct Activity {
    state: Arc<Mutex<State>>,
    close: CancellationToken,
}

#[derive(Debug, Clone, Copy)]
struct State {
    phase: Phase,
    since: Instant,
    /// Since when the client reads nothing of the response.
    stalled: Option<Instant>,
}

impl Default for Activity {
    fn default() -> Self {
        let state = State { phase: Phase::New, since: Instant::now(), stalled: None };
        Self { state: Arc::new(Mutex::new(state)), close: CancellationToken::new() }
    }
}

impl Activity {
    /// Asks the connection's task to close it.
    pub fn close(&self) {
        self.close.cancel();
    }

    pub async fn closed(&self) {
        self.close.cancelled().await;
    }

    /// A read found no bytes.
    pub fn read_pending(&self) {
        self.change(&[Phase::New], Phase::Idle);
    }

    /// A read found bytes.
    pub fn read_ready(&self) {
        self.change(&[Phase::New, Phase::Idle], Phase::ReadingHead);
    }

    /// The head of a request is complete.
    pub fn request_started(&self, has_body: bool) {
        let phase = if has_body { Phase::ReadingBody } else { Phase::Responding };
        self.change(&[Phase::New, Phase::Idle, Phase::ReadingHead], phase);
    }

    /// The handler needs no more of the body.
    pub fn body_received(&self) {
        self.change(&[Phase::ReadingBody], Phase::Responding);
    }

    /// The response was handed to the connection.
    pub fn response_sent(&self) {
        self.change(&[Phase::ReadingBody, Phase::Responding], Phase::New);
    }

    /// A write of response bytes made progress, or had to wait for the client.
    pub fn write_polled(&self, progressed: bool) {
        let mut state = self.lock();
        state.stalled = match state.stalled {
            since @ Some(_) if !progressed => since,
            _ => (!progressed).then(Instant::now),
        };
    }

    pub fn is_reading_body(&self) -> bool {
        self.lock().phase == Phase::ReadingBody
    }

    /// The phase, if it has lasted too long. The limits are shorter while the worker stops.
    pub fn timed_out(&self, stopping: bool) -> Option<Phase> {
        let State { phase, since, stalled } = *self.lock();
        let timeout = match (phase, stopping) {
            (Phase::New | Phase::Idle, false) => Some(IDLE_TIMEOUT),
            (Phase::ReadingHead, false) => Some(HEAD_TIMEOUT),
            (Phase::ReadingBody, false) => Some(BODY_TIMEOUT),
            (Phase::New | Phase::Idle | Phase::ReadingHead, true) => Some(Duration::from_secs(1)),
            (Phase::ReadingBody, true) => Some(Duration::from_secs(5)),
            (Phase::Responding, _) => None,
        };
        let is_over = timeout.is_some_and(|timeout| since.elapsed() >= timeout)
            || stalled.is_some_and(|since| since.elapsed() >= WRITE_TIMEOUT);
        (is_over && !self.close.is_cancelled()).then_some(phase)
    }

    /// The key by which connections are closed when all places are taken, lowest first: idle ones,
    /// then those that send a head, then a body; the oldest first. `None` while a request is handled,
    /// and during a grace period in which a usual client sends its request.
    pub fn eviction_key(&self) -> Option<(u8, Instant)> {
        let State { phase, since, .. } = *self.lock();
        let (class, grace) = match phase {
            Phase::Idle => (0, Duration::from_millis(200)),
            Phase::ReadingHead => (1, Duration::from_millis(500)),
            Phase::ReadingBody => (2, Duration::from_secs(2)),
            Phase::New | Phase::Responding => return None,
        };
        (since.elapsed() >= grace && !self.close.is_cancelled()).then_some((class, since))
    }

    fn change(&self, from: &[Phase], to: Phase) {
        let mut state = self.lock();
        if from.contains(&state.phase) {
            (state.phase, state.since) = (to, Instant::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn idle() -> Activity {
        let activity = Activity::default();
        activity.read_pending();
        activity
    }

    fn requesting(has_body: bool) -> Activity {
        let activity = idle();
        activity.read_ready();
        activity.request_started(has_body);
        activity
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_may_be_idle_longer_than_the_keep_alive_of_a_proxy() {
        let activity = idle();
        advance(Duration::from_secs(60)).await;
        assert_eq!(activity.timed_out(false), None);
        advance(IDLE_TIMEOUT).await;
        assert_eq!(activity.timed_out(false), Some(Phase::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_sent_byte_by_byte_times_out() {
        let activity = idle();
        advance(IDLE_TIMEOUT / 2).await;
        for _ in 0..10 {
            activity.read_ready();
            assert_eq!(activity.timed_out(false), None);
            advance(HEAD_TIMEOUT / 10).await;
        }
        assert_eq!(activity.timed_out(false), Some(Phase::ReadingHead));
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_may_take_long_while_the_client_reads_some_of_it() {
        let activity = requesting(false);
        for _ in 0..10 {
            activity.write_polled(false);
            advance(WRITE_TIMEOUT / 2).await;
            assert_eq!(activity.timed_out(false), None);
            activity.write_polled(true);
        }
        activity.write_polled(false);
        advance(WRITE_TIMEOUT).await;
        assert_eq!(activity.timed_out(false), Some(Phase::Responding));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_after_the_response() {
        let activity = requesting(true);
        activity.body_received();
        activity.response_sent();
        activity.read_pending();
        advance(BODY_TIMEOUT).await;
        assert_eq!(activity.timed_out(false), None);
        assert!(activity.eviction_key().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connections_are_closed_first_and_active_requests_never() {
        let (receiving, responding) = (requesting(true), requesting(false));
        let head = idle();
        head.read_ready();
        let older = idle();
        advance(Duration::from_secs(3)).await;
        let younger = idle();
        advance(Duration::from_secs(1)).await;
        let new = Activity::default();

        assert_eq!(responding.eviction_key(), None);
        assert_eq!(new.eviction_key(), None);
        let keys = [older, younger, head, receiving].map(|it| it.eviction_key().unwrap());
        assert!(keys.is_sorted(), "{keys:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_closed_once_and_not_before_its_grace_period() {
        let activity = idle();
        assert_eq!(activity.eviction_key(), None);
        advance(Duration::from_secs(1)).await;
        assert!(activity.eviction_key().is_some());
        activity.close();
        assert_eq!(activity.eviction_key(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_stops_waits_only_for_active_requests() {
        let (idle, responding) = (idle(), requesting(false));
        advance(Duration::from_secs(1)).await;
        assert_eq!(idle.timed_out(true), Some(Phase::Idle));
        assert_eq!(responding.timed_out(true), None);
    }
}
