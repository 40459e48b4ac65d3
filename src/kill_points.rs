//! Points at which a test can have the process die, as if it were killed just there.
//!
//! Only builds with debug assertions have them: in a release [`reached`] is empty, and the variable
//! has no meaning.

/// Dies here if `ORDER_WORKER_KILL_AT` says so: `<point>`, or `<point>:<n>` for its n-th passage.
#[inline]
pub fn reached(point: &str) {
    #[cfg(debug_assertions)]
    armed::die_if_it_is(point);
    #[cfg(not(debug_assertions))]
    let _ = point;
}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[derive(Debug)]
    struct Armed {
        point: String,
        passages_left: AtomicU64,
    }

    static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| {
        #[expect(clippy::disallowed_methods, reason = "where a test kills is no setting")]
        let wish = std::env::var("ORDER_WORKER_KILL_AT").ok()?;
        let (point, passages) = wish.split_once(':').unwrap_or((&wish, "1"));
        let passages_left = AtomicU64::new(passages.parse().unwrap_or(1));
        Some(Armed { point: point.to_owned(), passages_left })
    });

    pub fn die_if_it_is(point: &str) {
        let Some(armed) = ARMED.as_ref().filter(|armed| armed.point == point) else { return };
        if armed.passages_left.fetch_sub(1, Ordering::SeqCst) == 1 {
            // Like SIGKILL it leaves nothing time to finish: no destructor, no flush.
            std::process::abort();
        }
    }
}
