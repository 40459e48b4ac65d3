//! Points in the code at which a test can kill the process.
//!
//! They exist only in builds with debug assertions; in a release build, [`reached`] is empty and
//! `ORDER_WORKER_KILL_AT` is ignored.

/// Aborts the process if `ORDER_WORKER_KILL_AT` is `<point>`, or `<point>:<n>` at the n-th call.
#[inline]
pub fn reached(point: &str) {
    #[cfg(debug_assertions)]
    armed::abort_if_reached(point);
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
        calls_left: AtomicU64,
    }

    static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| {
        #[expect(clippy::disallowed_methods, reason = "only for tests, not a setting")]
        let value = std::env::var("ORDER_WORKER_KILL_AT").ok()?;
        let (point, calls) = value.split_once(':').unwrap_or((&value, "1"));
        let calls_left = AtomicU64::new(calls.parse().unwrap_or(1));
        Some(Armed { point: point.to_owned(), calls_left })
    });

    pub fn abort_if_reached(point: &str) {
        let Some(armed) = ARMED.as_ref().filter(|armed| armed.point == point) else { return };
        if armed.calls_left.fetch_sub(1, Ordering::SeqCst) == 1 {
            // Like SIGKILL: no destructors run, nothing is flushed.
            std::process::abort();
        }
    }
}
