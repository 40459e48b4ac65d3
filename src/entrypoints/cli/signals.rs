//! Graceful shutdown on the first signal, exit on the second.

use std::process;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code for SIGTERM, by the convention of shells.
const TERMINATED: i32 = 128 + 15;

/// A token that the first SIGTERM or SIGINT (Ctrl-C) cancels. The second exits at once, which loses
/// nothing: unacknowledged deliveries are redelivered.
///
/// # Errors
/// When the handlers of signals cannot be installed.
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
        tracing::warn!("Exiting at once, without finishing work in progress");
        process::exit(TERMINATED);
    });
    Ok(stop)
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
