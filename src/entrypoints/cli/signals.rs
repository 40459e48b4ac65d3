//! Stopping in good order: the first signal asks, the second insists.

use std::process;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code of a program that was killed by SIGTERM, by the shell's convention.
const KILLED: i32 = 128 + 15;

/// A token that the first SIGTERM or Ctrl-C cancels; the second ends the process at once, which
/// loses nothing: what is not settled comes again.
///
/// # Errors
/// When the process may not listen to signals.
pub fn stop_on_signal() -> std::io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        either(&mut terminate, &mut interrupt).await;
        tracing::info!("Stopping: no new commands are consumed, work in progress is finished");
        stopped.cancel();
        either(&mut terminate, &mut interrupt).await;
        tracing::warn!("Stopping at once");
        process::exit(KILLED);
    });
    Ok(stop)
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
