//! Admits messages to the client within a budget of bytes, before their bodies are read.
//!
//! The frame filter asks the [`Gate`] for each delivery: it reserves the bytes, or leaves the
//! connection unread until they are free. The consumer holds the [`GateHandle`], takes over the
//! reservations, and can end a pause by having further messages discarded.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use crate::service_layer::{ByteBudget, ByteReservation};

/// Whether a message reaches the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Its bytes are reserved.
    Admitted,
    /// Its body is dropped as it arrives.
    Discarded,
}

/// The frame filter's side of the gate of one connection.
pub struct Gate {
    shared: Arc<Shared>,
    /// The reservation that the current message waits for.
    waiting: Option<Pin<Box<dyn Future<Output = ByteReservation> + Send>>>,
}

/// The consumer's side of the gate. Once it is dropped, all further messages are discarded.
#[derive(Debug)]
pub struct GateHandle(Arc<Shared>);

/// Creates the [`Gate`] when a connection is opened.
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
    /// Admitted deliveries that are not claimed yet, in the order of their tags.
    admitted: VecDeque<(u64, ByteReservation)>,
    paused_since: Option<Instant>,
    /// Woken when discarding starts.
    reader: Option<Waker>,
    is_discarding: bool,
    first_discarded: Option<u64>,
}

impl GateHandle {
    pub fn new(budget: ByteBudget) -> Self {
        Self(Arc::new(Shared { budget, state: Mutex::default() }))
    }

    /// For the frame filter of the connection.
    pub fn builder(&self) -> GateBuilder {
        GateBuilder(self.0.clone())
    }

    /// Takes over the reservation of an admitted delivery, and drops those of earlier ones.
    pub fn claim(&self, delivery_tag: u64) -> Option<ByteReservation> {
        let mut state = self.0.lock();
        while let Some((tag, reservation)) = state.admitted.pop_front() {
            if tag == delivery_tag {
                return Some(reservation);
            }
        }
        None
    }

    /// How long the connection has been left unread because a message waits for free bytes.
    pub fn paused_for(&self) -> Duration {
        self.0.lock().paused_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Drops all further bodies as they arrive, so that the connection is read again.
    pub fn discard(&self) {
        let mut state = self.0.lock();
        state.is_discarding = true;
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    /// Whether the body of a delivery was dropped.
    pub fn has_discarded(&self, delivery_tag: u64) -> bool {
        self.0.lock().first_discarded.is_some_and(|first| delivery_tag >= first)
    }
}

impl Drop for GateHandle {
    fn drop(&mut self) {
        self.discard();
        self.0.lock().admitted.clear();
    }
}

impl Gate {
    /// Admits a delivery once its bytes are free; pending until then.
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
        let free = if self.waiting.is_none() { budget.try_reserve(bytes) } else { None };
        let reservation = if let Some(reservation) = free {
            reservation
        } else {
            let waiting =
                self.waiting.get_or_insert_with(|| Box::pin(budget.clone().reserve(bytes)));
            let Poll::Ready(reservation) = waiting.as_mut().poll(context) else {
                state.paused_since.get_or_insert_with(Instant::now);
                state.reader = Some(context.waker().clone());
                return Poll::Pending;
            };
            reservation
        };
        self.waiting = None;
        state.paused_since = None;
        state.admitted.push_back((delivery_tag, reservation));
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
    async fn a_message_waits_until_its_bytes_are_free() {
        let handle = GateHandle::new(ByteBudget::new(100));
        let mut gate = handle.builder().gate();
        assert_eq!(admit(&mut gate, 1, 50), Poll::Ready(Admission::Admitted));
        assert_eq!(admit(&mut gate, 0, 40), Poll::Ready(Admission::Admitted));
        let first = handle.claim(1);

        assert_eq!(admit(&mut gate, 2, 50), Poll::Pending);
        drop(first);
        assert_eq!(admit(&mut gate, 2, 50), Poll::Ready(Admission::Admitted));
        assert!(handle.claim(2).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_ends_when_messages_are_discarded() {
        let handle = GateHandle::new(ByteBudget::new(100));
        let mut gate = handle.builder().gate();
        assert_eq!(admit(&mut gate, 0, 100), Poll::Ready(Admission::Admitted));
        assert_eq!(admit(&mut gate, 1, 100), Poll::Ready(Admission::Admitted));
        assert_eq!(admit(&mut gate, 2, 1), Poll::Pending);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(handle.paused_for(), Duration::from_secs(3));

        handle.discard();

        assert_eq!(admit(&mut gate, 2, 1), Poll::Ready(Admission::Discarded));
        assert!(!handle.has_discarded(1) && handle.has_discarded(2));
        assert_eq!(handle.paused_for(), Duration::ZERO);
    }

    #[tokio::test]
    async fn unclaimed_reservations_are_released_with_the_handle() {
        let budget = ByteBudget::new(100);
        let handle = GateHandle::new(budget.clone());
        assert_eq!(admit(&mut handle.builder().gate(), 1, 100), Poll::Ready(Admission::Admitted));

        drop(handle);

        assert_eq!(budget.reserved(), 0);
    }
}
