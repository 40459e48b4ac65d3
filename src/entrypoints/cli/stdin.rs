//! Commands from standard input, for the in-process broker.

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use super::ndjson::parse_line;
use crate::adapters::in_process::InProcessBroker;

/// Maximum commands that are read ahead of the worker.
const READ_AHEAD: usize = 5_000;

/// The lines that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineCounts {
    pub submitted: usize,
    /// Lines that are not commands; each was logged with its number.
    pub invalid: usize,
}

/// Submits the commands of all lines, and waits until each is settled.
///
/// # Errors
/// When the input cannot be read; what was submitted before is settled nevertheless.
pub async fn feed(
    mut input: impl AsyncBufRead + Unpin,
    broker: &InProcessBroker,
) -> std::io::Result<LineCounts> {
    let mut counts = LineCounts::default();
    let mut line = Vec::new();
    let mut number = 0;
    let read = loop {
        line.clear();
        number += 1;
        match input.read_until(b'\n', &mut line).await {
            Ok(0) => break Ok(()),
            Ok(_) => submit(&line, number, broker, &mut counts).await,
            Err(error) => break Err(error),
        }
    };
    broker.wait_until_open_at_most(0).await;
    read.map(|()| counts)
}

async fn submit(line: &[u8], number: usize, broker: &InProcessBroker, counts: &mut LineCounts) {
    let text = String::from_utf8_lossy(line);
    if text.trim().is_empty() {
        return;
    }
    match parse_line(&text) {
        Ok(command) => {
            broker.wait_until_open_at_most(READ_AHEAD).await;
            broker.submit(command);
            counts.submitted += 1;
        }
        Err(invalid) => {
            counts.invalid += 1;
            tracing::error!(line = number, "The line {invalid}");
        }
    }
}
