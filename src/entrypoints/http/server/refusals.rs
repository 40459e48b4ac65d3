//! Log lines about refused requests and connections: at most one a minute for each reason, so that a
//! flood of requests does not flood the log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use strum::EnumCount;
use tokio::time::Instant;

/// Minimum time between two lines with the same reason.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Why a request or connection was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumCount)]
pub enum Refusal {
    /// No token, an unknown one, or one whose role lacks the permission.
    Unauthorized,
    /// The client took too long to send a head or body, or to read a response.
    TimedOut,
    TooLarge,
    /// The bytes are not an HTTP request.
    Malformed,
    /// Closed before it sent a request, to make room for other connections.
    Evicted,
    /// `accept` failed.
    NotAccepted,
    /// A 503: the database is unavailable, or the handler took too long.
    Unavailable,
    /// A 500: a handler panicked, or another bug of the worker.
    InternalError,
}

/// Counts refusals by reason; clones share the counts.
#[derive(Debug, Clone, Default)]
pub struct RefusalLog(Arc<Mutex<[Tally; Refusal::ALL.len()]>>);

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    /// Since the last log line.
    count: u64,
    logged_at: Option<Instant>,
}

impl Refusal {
    const ALL: [Self; Self::COUNT] = [
        Self::Unauthorized,
        Self::TimedOut,
        Self::TooLarge,
        Self::Malformed,
        Self::Evicted,
        Self::NotAccepted,
        Self::Unavailable,
        Self::InternalError,
    ];

    /// The reason behind a response status, for statuses that refuse a request.
    pub fn of_status(status: StatusCode) -> Option<Self> {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Some(Self::Unauthorized),
            StatusCode::REQUEST_TIMEOUT => Some(Self::TimedOut),
            StatusCode::PAYLOAD_TOO_LARGE => Some(Self::TooLarge),
            StatusCode::SERVICE_UNAVAILABLE => Some(Self::Unavailable),
            StatusCode::INTERNAL_SERVER_ERROR => Some(Self::InternalError),
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

    fn log(self, count: u64) {
        match self {
            Self::Unauthorized => {
                tracing::info!(count, "HTTP requests refused: no valid token, or no permission");
            }
            Self::TimedOut => tracing::info!(count, "HTTP clients timed out"),
            Self::TooLarge => tracing::info!(count, "HTTP requests refused: too large"),
            Self::Malformed => tracing::info!(count, "HTTP requests refused: malformed"),
            Self::Evicted => {
                tracing::warn!(count, "Idle HTTP connections closed: the maximum number is open");
            }
            Self::NotAccepted => {
                tracing::warn!(
                    count,
                    "HTTP connections not accepted; check the limit of open files"
                );
            }
            Self::Unavailable => tracing::warn!(
                count,
                "HTTP requests failed: database unavailable or response too slow"
            ),
            Self::InternalError => tracing::error!(count, "HTTP requests failed: internal error"),
        }
    }
}

impl RefusalLog {
    pub fn record(&self, refusal: Refusal) {
        let mut tallies = self.lock();
        let tally = &mut tallies[refusal as usize];
        tally.count += 1;
        tally.log(refusal);
    }

    /// Logs the refusals counted since the last line, where the interval has passed.
    pub fn flush(&self) {
        for (refusal, tally) in Refusal::ALL.into_iter().zip(self.lock().iter_mut()) {
            tally.log(refusal);
        }
    }

    fn lock(&self) -> MutexGuard<'_, [Tally; Refusal::ALL.len()]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn log(&mut self, refusal: Refusal) {
        let is_due = self.logged_at.is_none_or(|at| at.elapsed() >= LOG_INTERVAL);
        if is_due && self.count > 0 {
            refusal.log(std::mem::take(&mut self.count));
            self.logged_at = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(refusals: &RefusalLog, refusal: Refusal) -> u64 {
        refusals.lock()[refusal as usize].count
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_logged_once_a_minute() {
        let refusals = RefusalLog::default();
        for _ in 0..1_000 {
            refusals.record(Refusal::Unauthorized);
        }
        // The first was logged at once.
        assert_eq!(pending(&refusals, Refusal::Unauthorized), 999);

        tokio::time::advance(LOG_INTERVAL).await;
        refusals.flush();

        assert_eq!(pending(&refusals, Refusal::Unauthorized), 0);
    }

    #[test]
    fn each_reason_has_its_own_tally() {
        for (index, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, index);
        }
    }
}
