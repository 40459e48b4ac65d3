//! Lets messages in as far as there are bytes for them.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use crate::service_layer::{ByteBudget, ByteHold};

/// What becomes of a message that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Its bytes are held.
    Admitted,
    /// Its body is dropped as it comes.
    Discarded,
}

/// The gate of one connection, as the reader of its frames sees it.
pub struct Gate {
    shared: Arc<Shared>,
    /// Waits for the bytes of the message that comes.
    waiting: Option<Pin<Box<dyn Future<Output = ByteHold> + Send>>>,
}

/// The gate as the consumer of the messages sees it. When it is dropped, nothing more is let in.
#[derive(Debug)]
pub struct GateKeeper(Arc<Shared>);

/// Makes the gate of a connection that is opened.
#[derive(Debug, Clone)]
pub struct GateBuilder(Arc<Shared>);

impl GateBuilder {
    pub fn gate(&self) -> Gate {
        Gate { shared: self.0.clone(), waiting: None }
    }
}

#[derive(Debug)]
struct Shared {
    budget: ByteBudget,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Deliveries that are let in and not claimed yet, in the order of their tags.
    admitted: VecDeque<(u64, ByteHold)>,
    paused_since: Option<Instant>,
    /// Woken when messages are to be discarded.
    reader: Option<Waker>,
    is_discarding: bool,
    first_discarded: Option<u64>,
}

impl GateKeeper {
    pub fn new(budget: ByteBudget) -> Self {
        Self(Arc::new(Shared { budget, state: Mutex::default() }))
    }

    /// For the reader of the connection.
    pub fn builder(&self) -> GateBuilder {
        GateBuilder(self.0.clone())
    }

    /// The bytes of a delivery that was let in.
    pub fn claim(&self, delivery_tag: u64) -> Option<ByteHold> {
        let mut state = self.0.lock();
        while let Some((tag, hold)) = state.admitted.pop_front() {
            if tag == delivery_tag {
                return Some(hold);
            }
        }
        None
    }

    /// How long the connection has not been read, because a message waits to be let in.
    pub fn paused_for(&self) -> Duration {
        self.0.lock().paused_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// From now on all bodies are dropped as they come, so that the connection is read again.
    pub fn discard(&self) {
        let mut state = self.0.lock();
        state.is_discarding = true;
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    /// Whether a delivery came without its body.
    pub fn has_discarded(&self, delivery_tag: u64) -> bool {
        self.0.lock().first_discarded.is_some_and(|first| delivery_tag >= first)
    }
}

impl Drop for GateKeeper {
    fn drop(&mut self) {
        self.discard();
        self.0.lock().admitted.clear();
    }
}

impl Gate {
    /// Lets a delivery in when its bytes are free; pending until then.
    pub fn poll_admit(
        &mut self,
        context: &mut Context<'_>,
        delivery_tag: u64,
        bytes: usize,
    ) -> Poll<Admission> {
        let mut state = self.shared.lock();
        if state.is_discarding {
            self.waiting = None;
            state.paused_since = None;
            state.first_discarded.get_or_insert(delivery_tag);
            return Poll::Ready(Admission::Discarded);
        }
        let budget = &self.shared.budget;
        let is_free = if self.waiting.is_none() { budget.try_hold(bytes) } else { None };
        let hold = if let Some(hold) = is_free {
            hold
        } else {
            let waiting = self.waiting.get_or_insert_with(|| Box::pin(budget.clone().hold(bytes)));
            let Poll::Ready(hold) = waiting.as_mut().poll(context) else {
                state.paused_since.get_or_insert_with(Instant::now);
                state.reader = Some(context.waker().clone());
                return Poll::Pending;
            };
            hold
        };
        self.waiting = None;
        state.paused_since = None;
        state.admitted.push_back((delivery_tag, hold));
        Poll::Ready(Admission::Admitted)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Gate").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn admit(gate: &mut Gate, delivery_tag: u64, bytes: usize) -> Poll<Admission> {
        gate.poll_admit(&mut Context::from_waker(Waker::noop()), delivery_tag, bytes)
    }

    #[tokio::test]
    async fn a_message_waits_until_there_are_bytes_for_it() {
        let keeper = GateKeeper::new(ByteBudget::new(100));
        let mut gate = keeper.builder().gate();
        assert_eq!(admit(&mut gate, 1, 50), Poll::Ready(Admission::Admitted));
        assert_eq!(admit(&mut gate, 0, 40), Poll::Ready(Admission::Admitted));
        let first = keeper.claim(1);

        assert_eq!(admit(&mut gate, 2, 50), Poll::Pending);
        drop(first);
        assert_eq!(admit(&mut gate, 2, 50), Poll::Ready(Admission::Admitted));
        assert!(keeper.claim(2).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_ends_when_messages_are_discarded() {
        let keeper = GateKeeper::new(ByteBudget::new(100));
        let mut gate = keeper.builder().gate();
        assert_eq!(admit(&mut gate, 0, 100), Poll::Ready(Admission::Admitted));
        assert_eq!(admit(&mut gate, 1, 100), Poll::Ready(Admission::Admitted));
        assert_eq!(admit(&mut gate, 2, 1), Poll::Pending);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(keeper.paused_for(), Duration::from_secs(3));

        keeper.discard();

        assert_eq!(admit(&mut gate, 2, 1), Poll::Ready(Admission::Discarded));
        assert!(!keeper.has_discarded(1) && keeper.has_discarded(2));
        assert_eq!(keeper.paused_for(), Duration::ZERO);
    }

    #[tokio::test]
    async fn what_nobody_claimed_is_free_again_with_the_session() {
        let budget = ByteBudget::new(100);
        let keeper = GateKeeper::new(budget.clone());
        assert_eq!(admit(&mut keeper.builder().gate(), 1, 100), Poll::Ready(Admission::Admitted));

        drop(keeper);

        assert_eq!(budget.held(), 0);
    }
}
