//! Connects to one of the servers of an address.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};

use super::address::{Address, InvalidAddress, TargetSession};
use super::response::{check_client, is_writable, with_timeout};
use crate::service_layer::ServerUrl;

/// The servers of an address, with the run-time parameters of the sessions on them. Clones share which
/// server is tried first.
#[derive(Debug, Clone)]
pub(super) struct Servers {
    /// As the address has them; [`changes`](Self::changes) are made for each session.
    options: Vec<PgConnectOptions>,
    target: TargetSession,
    connect_timeout: Duration,
    /// The index of the server that accepted the last session: the others may not respond.
    first: Arc<AtomicUsize>,
    /// Read again before each session.
    current_url: Option<ServerUrl>,
    changes: Changes,
}

/// What to change of the options of an address, in this order.
#[derive(Clone, Default)]
struct Changes(Vec<Arc<Change>>);

type Change = dyn Fn(PgConnectOptions) -> PgConnectOptions + Send + Sync;

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Changes({})", self.0.len())
    }
}

impl From<Address> for Servers {
    fn from(address: Address) -> Self {
        let Address { servers: options, target, connect_timeout } = address;
        Self {
            options,
            target,
            connect_timeout,
            first: Arc::default(),
            current_url: None,
            changes: Changes::default(),
        }
    }
}

impl Servers {
    /// The same servers, with other options for sessions.
    pub(super) fn with(
        &self,
        change: impl Fn(PgConnectOptions) -> PgConnectOptions + Send + Sync + 'static,
    ) -> Self {
        let mut changes = self.changes.clone();
        changes.0.push(Arc::new(change));
        Self { changes, ..self.clone() }
    }

    /// The servers of this URL, which is read again before each session.
    pub(super) fn at_current_url(self, url: ServerUrl) -> Self {
        Self { current_url: Some(url), ..self }
    }

    pub(super) fn current_url(&self) -> Option<&ServerUrl> {
        self.current_url.as_ref()
    }

    /// The servers as the URL names them now.
    fn current(&self) -> Result<Cow<'_, Self>, sqlx::Error> {
        let Some(url) = &self.current_url else { return Ok(Cow::Borrowed(self)) };
        let address: Address = url.read().parse().map_err(|error: InvalidAddress| {
            sqlx::Error::Configuration(format!("DATABASE_URL: {error}").into())
        })?;
        let Address { servers: options, target, connect_timeout } = address;
        Ok(Cow::Owned(Self { options, target, connect_timeout, ..self.clone() }))
    }

    /// A new session on the first server that accepts it.
    pub(super) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        // Boxed, as it is large, and held by every statement of a pool.
        Box::pin(async { self.current()?.connect_to_any().await }).await
    }

    async fn connect_to_any(&self) -> Result<PgConnection, sqlx::Error> {
        let mut read_only = None;
        let mut failures = Vec::new();
        // The URL may have fewer servers now.
        let first = self.first.load(Ordering::Relaxed).min(self.options.len() - 1);
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
        let changes = self.changes.0.iter();
        let options = changes.fold(self.options[index].clone(), |options, change| change(options));
        with_timeout(self.connect_timeout, async {
            let mut connection = options.connect().await?;
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
