//! What signals do.

use std::process;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code for SIGTERM, by the convention of shells.
const TERMINATED: i32 = 128 + 15;

/// Signals without a meaning here. By default, each would end the process at once.
const IGNORED: [(SignalKind, &str); 2] =
    [(SignalKind::user_defined1(), "SIGUSR1"), (SignalKind::user_defined2(), "SIGUSR2")];

/// The tokens that signals cancel.
#[derive(Debug, Clone)]
pub struct Shutdown {
    /// No more commands are consumed. Cancelled by the first SIGTERM or Ctrl-C, or by the worker itself
    /// when it ends.
    pub stop: CancellationToken,
    /// HTTP ends. Cancelled together with `stop`; after SIGTERM, at the end of the drain period, in which
    /// load balancers notice that the worker is not ready any more.
    pub stop_http: CancellationToken,
}

/// A token that the first SIGTERM or SIGINT (Ctrl-C) cancels. The second exits at once.
///
/// # Errors
/// When the handlers of signals cannot be installed.
pub fn stop_on_signal() -> std::io::Result<CancellationToken> {
    shutdown_on_signal(Duration::ZERO).map(|shutdown| shutdown.stop)
}

/// Starts a shutdown with the first SIGTERM or SIGINT (Ctrl-C). The second exits at once, which loses
/// nothing: unacknowledged deliveries are redelivered.
///
/// # Errors
/// When the handlers of signals cannot be installed.
pub fn shutdown_on_signal(http_drain: Duration) -> std::io::Result<Shutdown> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let shutdown = Shutdown { stop: CancellationToken::new(), stop_http: CancellationToken::new() };
    let Shutdown { stop, stop_http } = shutdown.clone();
    tokio::spawn(async move {
        let drain = tokio::select! {
            _ = terminate.recv() => http_drain,
            _ = interrupt.recv() => Duration::ZERO,
            () = stop.cancelled() => Duration::ZERO,
        };
        if !stop.is_cancelled() {
            tracing::info!("Stopping: no new commands are consumed, work in progress is finished");
        }
        stop.cancel();
        let drained = async {
            tokio::time::sleep(drain).await;
            stop_http.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = either(&mut terminate, &mut interrupt) => {}
            () = drained => {}
        }
        tracing::warn!("Exiting at once, without finishing work in progress");
        process::exit(TERMINATED);
    });
    Ok(shutdown)
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Logs signals that have no meaning to the worker, instead of ending by them.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn ignore_other_signals() -> std::io::Result<()> {
    for (kind, name) in IGNORED {
        let mut received = signal(kind)?;
        tokio::spawn(async move {
            while received.recv().await.is_some() {
                tracing::info!("{name} is ignored");
            }
        });
    }
    Ok(())
}

/// Calls `reload` at each SIGHUP.
///
/// # Errors
/// When the handler cannot be installed.
pub fn reload_on_hangup(reload: impl Fn() + Send + 'static) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            reload();
        }
    });
    Ok(())
}
