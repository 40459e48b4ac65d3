//! Which reasons of an outage are logged.

use std::time::Duration;

use tokio::time::Instant;

/// How long a reason has to last to be logged again after another one.
const LASTING: Duration = Duration::from_secs(30);

/// Reasons that are logged at once. Further ones have to last, like those that come back.
const MAX_AT_ONCE: usize = 8;

/// The reasons of one outage. An outage is retried every few seconds, often with alternating errors, so
/// each reason is logged when it is new, and again when it has come back and lasts.
#[derive(Debug)]
pub struct OutageReasons {
    logged: Vec<String>,
    last_logged: String,
    current: String,
    since: Instant,
}

impl OutageReasons {
    /// An outage with its first reason, which is logged by the caller.
    pub fn new(reason: &str) -> Self {
        let shape = shape_of(reason);
        Self {
            logged: vec![shape.clone()],
            last_logged: shape.clone(),
            current: shape,
            since: Instant::now(),
        }
    }

    /// Whether to log this reason of the next attempt.
    pub fn is_news(&mut self, reason: &str) -> bool {
        let shape = shape_of(reason);
        if shape != self.current {
            self.current.clone_from(&shape);
            self.since = Instant::now();
        }
        if shape == self.last_logged {
            return false;
        }
        let is_new = self.logged.len() < MAX_AT_ONCE && !self.logged.contains(&shape);
        if !is_new && self.since.elapsed() < LASTING {
            return false;
        }
        if is_new {
            self.logged.push(shape.clone());
        }
        self.last_logged = shape;
        true
    }
}

/// The reason without its numbers: ports, process ids and durations differ between attempts.
fn shape_of(reason: &str) -> String {
    let mut shape = String::with_capacity(reason.len());
    for character in reason.chars() {
        if !character.is_ascii_digit() {
            shape.push(character);
        } else if !shape.ends_with('#') {
            shape.push('#');
        }
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_new_reason_is_logged_once_and_its_repeats_are_not() {
        let mut reasons = OutageReasons::new("connection refused");

        let news = ["connection refused", "password", "password", "password"]
            .map(|reason| reasons.is_news(reason));

        assert_eq!(news, [false, true, false, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn numbers_make_no_other_reason() {
        let mut reasons = OutageReasons::new("no reply from 10.0.0.1:40001 within 10 s");

        assert!(!reasons.is_news("no reply from 10.0.0.2:40002 within 9 s"));
    }

    #[tokio::test(start_paused = true)]
    async fn alternating_reasons_are_logged_once_each() {
        let mut reasons = OutageReasons::new("refused");
        let mut logged = 0;

        for _ in 0..1_000 {
            logged += u32::from(reasons.is_news("reset")) + u32::from(reasons.is_news("refused"));
            tokio::time::advance(Duration::from_secs(5)).await;
        }

        assert_eq!(logged, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reason_that_comes_back_and_lasts_is_logged_again() {
        let mut reasons = OutageReasons::new("refused");
        assert!(reasons.is_news("password"));
        assert!(!reasons.is_news("refused"));

        tokio::time::advance(LASTING).await;

        assert!(reasons.is_news("refused"));
        assert!(!reasons.is_news("refused"));
    }

    #[tokio::test(start_paused = true)]
    async fn ever_other_reasons_do_not_fill_the_log() {
        let mut reasons = OutageReasons::new("reason");
        let logged = (0..100).filter(|n| reasons.is_news(&"x".repeat(*n))).count();

        assert_eq!(logged, MAX_AT_ONCE - 1);
    }
}
