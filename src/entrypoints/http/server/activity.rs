//! What a connection is busy with, and for how long it may be.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Longest wait for the next request. Longer than the 60 s after which proxies usually give up a
/// connection that they keep open: whoever closes last never closes under a request.
const IDLE: Duration = Duration::from_secs(75);

/// Longest time from the first byte of a head to its last.
const HEAD: Duration = Duration::from_secs(10);

/// Longest time for a body. Beyond the time in which a request is answered: most slow bodies are
/// told so.
const BODY: Duration = Duration::from_secs(40);

/// Longest time in which a client takes nothing of an answer.
const STALLED: Duration = Duration::from_secs(30);

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nobody has looked yet whether a request is there.
    Fresh,
    /// Nothing of a request is there.
    Idle,
    /// A head has begun.
    Head,
    /// A body is to come.
    Body,
    /// The routes are at work, or the answer is on its way.
    Answer,
}

/// What one connection is busy with; clones share it.
#[derive(Debug, Clone)]
pub struct Activity {
    state: Arc<Mutex<State>>,
    close: CancellationToken,
}

#[derive(Debug, Clone, Copy)]
struct State {
    phase: Phase,
    since: Instant,
    /// Since when the client takes nothing.
    stalled: Option<Instant>,
}

impl Default for Activity {
    fn default() -> Self {
        let state = State { phase: Phase::Fresh, since: Instant::now(), stalled: None };
        Self { state: Arc::new(Mutex::new(state)), close: CancellationToken::new() }
    }
}

impl Activity {
    /// Has the connection closed.
    pub fn close(&self) {
        self.close.cancel();
    }

    pub async fn closed(&self) {
        self.close.cancelled().await;
    }

    /// There was nothing to be read.
    pub fn looked_in_vain(&self) {
        self.turn(&[Phase::Fresh], Phase::Idle);
    }

    /// There was something to be read.
    pub fn heard(&self) {
        self.turn(&[Phase::Fresh, Phase::Idle], Phase::Head);
    }

    /// A request begins: its head is here.
    pub fn asked(&self, has_body: bool) {
        let phase = if has_body { Phase::Body } else { Phase::Answer };
        self.turn(&[Phase::Fresh, Phase::Idle, Phase::Head], phase);
    }

    /// Nobody waits for more of a body.
    pub fn received(&self) {
        self.turn(&[Phase::Body], Phase::Answer);
    }

    /// The answer is given out.
    pub fn answered(&self) {
        self.turn(&[Phase::Body, Phase::Answer], Phase::Fresh);
    }

    /// The client takes something of an answer, or nothing.
    pub fn sent(&self, something: bool) {
        let mut state = self.lock();
        state.stalled = match state.stalled {
            since @ Some(_) if !something => since,
            _ => (!something).then(Instant::now),
        };
    }

    pub fn is_receiving(&self) -> bool {
        self.lock().phase == Phase::Body
    }

    /// Where it stands, if that takes longer than anybody may. A worker that stops has less patience.
    pub fn overdue(&self, stopping: bool) -> Option<Phase> {
        let State { phase, since, stalled } = *self.lock();
        let longest = match (phase, stopping) {
            (Phase::Fresh | Phase::Idle, false) => Some(IDLE),
            (Phase::Head, false) => Some(HEAD),
            (Phase::Body, false) => Some(BODY),
            (Phase::Fresh | Phase::Idle | Phase::Head, true) => Some(Duration::from_secs(1)),
            (Phase::Body, true) => Some(Duration::from_secs(5)),
            (Phase::Answer, _) => None,
        };
        let is_overdue = longest.is_some_and(|longest| since.elapsed() >= longest)
            || stalled.is_some_and(|since| since.elapsed() >= STALLED);
        (is_overdue && !self.close.is_cancelled()).then_some(phase)
    }

    /// Who has to go first when there is no room: those who ask nothing, then those who are slow to
    /// ask; the oldest of them. None for whoever is being answered, and for a moment after they
    /// came: a usual client needs less than that.
    pub fn turn_to_go(&self) -> Option<(u8, Instant)> {
        let State { phase, since, .. } = *self.lock();
        let (turn, moment) = match phase {
            Phase::Idle => (0, Duration::from_millis(200)),
            Phase::Head => (1, Duration::from_millis(500)),
            Phase::Body => (2, Duration::from_secs(2)),
            Phase::Fresh | Phase::Answer => return None,
        };
        (since.elapsed() >= moment && !self.close.is_cancelled()).then_some((turn, since))
    }

    fn turn(&self, from: &[Phase], to: Phase) {
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
        activity.looked_in_vain();
        activity
    }

    fn asking(has_body: bool) -> Activity {
        let activity = idle();
        activity.heard();
        activity.asked(has_body);
        activity
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_may_be_idle_for_longer_than_a_proxy_keeps_it() {
        let activity = idle();
        advance(Duration::from_secs(60)).await;
        assert_eq!(activity.overdue(false), None);
        advance(IDLE).await;
        assert_eq!(activity.overdue(false), Some(Phase::Idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_comes_byte_by_byte_has_its_time_all_the_same() {
        let activity = idle();
        advance(IDLE / 2).await;
        for _ in 0..10 {
            activity.heard();
            assert_eq!(activity.overdue(false), None);
            advance(HEAD / 10).await;
        }
        assert_eq!(activity.overdue(false), Some(Phase::Head));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_takes_as_long_as_it_takes_while_the_client_takes_some_of_it() {
        let activity = asking(false);
        for _ in 0..10 {
            activity.sent(false);
            advance(STALLED / 2).await;
            assert_eq!(activity.overdue(false), None);
            activity.sent(true);
        }
        activity.sent(false);
        advance(STALLED).await;
        assert_eq!(activity.overdue(false), Some(Phase::Answer));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answered_request_makes_way_for_the_next() {
        let activity = asking(true);
        activity.received();
        activity.answered();
        activity.looked_in_vain();
        advance(BODY).await;
        assert_eq!(activity.overdue(false), None);
        assert!(activity.turn_to_go().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_nothing_go_first_and_whoever_is_answered_stays() {
        let (receiving, answered) = (asking(true), asking(false));
        let head = idle();
        head.heard();
        let older = idle();
        advance(Duration::from_secs(3)).await;
        let younger = idle();
        advance(Duration::from_secs(1)).await;
        let fresh = Activity::default();

        assert_eq!(answered.turn_to_go(), None);
        assert_eq!(fresh.turn_to_go(), None);
        let turns = [older, younger, head, receiving].map(|it| it.turn_to_go().unwrap());
        assert!(turns.is_sorted(), "{turns:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_goes_twice_or_before_a_usual_client_has_asked() {
        let activity = idle();
        assert_eq!(activity.turn_to_go(), None);
        advance(Duration::from_secs(1)).await;
        assert!(activity.turn_to_go().is_some());
        activity.close();
        assert_eq!(activity.turn_to_go(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_stops_waits_for_answers_only() {
        let (idle, answered) = (idle(), asking(false));
        advance(Duration::from_secs(1)).await;
        assert_eq!(idle.overdue(true), Some(Phase::Idle));
        assert_eq!(answered.overdue(true), None);
    }
}
