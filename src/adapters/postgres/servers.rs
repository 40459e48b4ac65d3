//! Connects to one of the servers of an address.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};

use super::address::{Address, TargetSession};
use super::session::{check_client, is_writable, with_timeout};

/// The servers of an address, with the run-time parameters of the sessions on them. Clones share which
/// server is tried first.
#[derive(Debug, Clone)]
pub(super) struct Servers {
    options: Vec<PgConnectOptions>,
    target: TargetSession,
    connect_timeout: Duration,
    /// The index of the server that accepted the last session: the others may not respond.
    first: Arc<AtomicUsize>,
}

impl From<Address> for Servers {
    fn from(address: Address) -> Self {
        let Address { servers: options, target, connect_timeout } = address;
        Self { options, target, connect_timeout, first: Arc::default() }
    }
}

impl Servers {
    /// The same servers, with other options for sessions.
    pub(super) fn with(&self, change: impl Fn(&PgConnectOptions) -> PgConnectOptions) -> Self {
        let options = self.options.iter().map(change).collect();
        Self { options, ..self.clone() }
    }

    /// A new session on the first server that accepts it.
    pub(super) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut read_only = None;
        let mut failures = Vec::new();
        let first = self.first.load(Ordering::Relaxed);
        for index in (first..self.options.len()).chain(0..first) {
            match self.connect_to(index).await {
                Ok(Opened::Accepted(connection)) => {
                    self.first.store(index, Ordering::Relaxed);
                    return Ok(connection);
                }
                Ok(Opened::ReadOnly(connection)) => {
                    failures.push((index, is_read_only()));
                    read_only.get_or_insert(connection);
                }
                Err(error) => failures.push((index, error)),
            }
        }
        match (self.target, read_only) {
            (TargetSession::Any, Some(connection)) => Ok(connection),
            _ => Err(self.failed(failures)),
        }
    }

    async fn connect_to(&self, index: usize) -> Result<Opened, sqlx::Error> {
        let is_only_choice = self.options.len() == 1 && self.target == TargetSession::Any;
        with_timeout(self.connect_timeout, async {
            let mut connection = self.options[index].connect().await?;
            check_client(&mut connection).await?;
            if is_only_choice || is_writable(&mut connection).await {
                Ok(Opened::Accepted(connection))
            } else {
                Ok(Opened::ReadOnly(connection))
            }
        })
        .await
    }

    /// The error of the only server, or one that names each of them.
    fn failed(&self, mut failures: Vec<(usize, sqlx::Error)>) -> sqlx::Error {
        if failures.len() == 1 {
            return failures.remove(0).1;
        }
        let may_pass = failures.iter().any(|(_, error)| may_pass(error));
        let reason = |(index, error): &(usize, sqlx::Error)| {
            let options = &self.options[*index];
            format!("{}:{}: {error}", options.get_host(), options.get_port())
        };
        let reasons: Vec<_> = failures.iter().map(reason).collect();
        let kind = if may_pass { ErrorKind::ConnectionRefused } else { ErrorKind::Other };
        io::Error::new(kind, reasons.join("; ")).into()
    }
}

/// A session, by whether its server accepts writes.
#[derive(Debug)]
enum Opened {
    Accepted(PgConnection),
    ReadOnly(PgConnection),
}

/// The error of a server that does not accept writes.
fn is_read_only() -> sqlx::Error {
    io::Error::new(ErrorKind::ConnectionRefused, "the server is read-only").into()
}

/// Whether the next attempt may succeed: the server starts, fails over or has no free connection.
pub(super) fn may_pass(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| ["53300", "57P03"].contains(&&*code))
        }
        _ => false,
    }
}
