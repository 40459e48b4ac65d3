//! Who is turned away, told without a line for each: a flood of requests is no flood of lines.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::time::Instant;

/// Shortest time between two lines about the same reason.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Why somebody is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No token, a wrong one, or one of another role.
    NotAllowed,
    /// A head, a body or an answer that takes too long.
    TooSlow,
    TooLarge,
    /// Bytes that are no request.
    Malformed,
    /// Closed while it asked nothing, to make room for others.
    Crowded,
    /// The system has no room for one more connection.
    Unaccepted,
    /// The worker could not answer in time.
    SubmitError,
    /// A bug of ours.
    Panicked,
}

/// Counts by reason; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Refusals(Arc<Mutex<[Tally; Refusal::ALL.len()]>>);

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    /// Since the last line.
    count: u64,
    told_at: Option<Instant>,
}

impl Refusal {
    const ALL: [Self; 8] = [
        Self::NotAllowed,
        Self::TooSlow,
        Self::TooLarge,
        Self::Malformed,
        Self::Crowded,
        Self::Unaccepted,
        Self::SubmitError,
        Self::Panicked,
    ];

    /// What an answer with this status says, if it turns somebody away.
    pub fn of_status(status: StatusCode) -> Option<Self> {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Some(Self::NotAllowed),
            StatusCode::REQUEST_TIMEOUT => Some(Self::TooSlow),
            StatusCode::PAYLOAD_TOO_LARGE => Some(Self::TooLarge),
            StatusCode::SERVICE_UNAVAILABLE => Some(Self::SubmitError),
            StatusCode::INTERNAL_SERVER_ERROR => Some(Self::Panicked),
            _ => None,
        }
    }

    pub fn of_connection(error: &hyper::Error) -> Option<Self> {
        if error.is_parse_too_large() {
            Some(Self::TooLarge)
        } else {
            error.is_parse().then_some(Self::Malformed)
        }
    }

    fn tell(self, count: u64) {
        match self {
            Self::NotAllowed => {
                tracing::info!(count, "HTTP requests were refused: not allowed");
            }
            Self::TooSlow => tracing::info!(count, "HTTP clients were too slow"),
            Self::TooLarge => tracing::info!(count, "HTTP requests were too large"),
            Self::Malformed => tracing::info!(count, "HTTP clients sent what is no request"),
            Self::Crowded => {
                tracing::warn!(count, "HTTP connections that asked nothing made room for others");
            }
            Self::Unaccepted => {
                tracing::warn!(
                    count,
                    "HTTP connections could not be accepted: too many open files?"
                );
            }
            Self::SubmitError => tracing::warn!(count, "HTTP requests could not be answered"),
            Self::Panicked => tracing::error!(count, "HTTP requests broke their handlers"),
        }
    }
}

impl Refusals {
    pub fn note(&self, refusal: Refusal) {
        let mut tallies = self.lock();
        let tally = &mut tallies[refusal as usize];
        tally.count += 1;
        tally.tell(refusal);
    }

    /// Tells what was only counted, where that is due.
    pub fn tell(&self) {
        for (refusal, tally) in Refusal::ALL.into_iter().zip(self.lock().iter_mut()) {
            tally.tell(refusal);
        }
    }

    fn lock(&self) -> MutexGuard<'_, [Tally; Refusal::ALL.len()]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn tell(&mut self, refusal: Refusal) {
        let is_due = self.told_at.is_none_or(|told_at| told_at.elapsed() >= TELL_EVERY);
        if is_due && self.count > 0 {
            refusal.tell(std::mem::take(&mut self.count));
            self.told_at = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(refusals: &Refusals, refusal: Refusal) -> u64 {
        refusals.lock()[refusal as usize].count
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_told_once_a_minute() {
        let refusals = Refusals::default();
        for _ in 0..1_000 {
            refusals.note(Refusal::NotAllowed);
        }
        // The first was told.
        assert_eq!(waiting(&refusals, Refusal::NotAllowed), 999);

        tokio::time::advance(TELL_EVERY).await;
        refusals.tell();

        assert_eq!(waiting(&refusals, Refusal::NotAllowed), 0);
    }

    #[test]
    fn each_reason_has_a_place_of_its_own() {
        for (place, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, place);
        }
    }
}
