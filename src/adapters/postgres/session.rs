//! Sessions: how one begins, how long it may be silent, and when it is trusted no more.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection, Row};
use tokio::time::Instant;

use super::errors::store_error;
use crate::service_layer::StoreError;

/// Longest wait for a connection.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait for the answer to a statement of a batch. The server gives up by itself after half of
/// it; this is for a server that can no longer be heard.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Longest wait for the answer to a reader, who sits before a screen.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A session that has been idle for so long is asked for a sign of life before it is used: a firewall
/// may have dropped it without a word. The client library sets no keepalives of TCP.
pub(super) const IDLE: Duration = Duration::from_secs(5);

/// Longest wait for that sign.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// Notices a client that has gone also in the middle of a statement. Not among the options of the
/// session: servers on some systems refuse it.
const CHECK_CLIENT: &str = "set client_connection_check_interval = '5s'";

/// Which sessions are still good; clones share it. Where one has gone silent, or its server takes no
/// writes any more, the others that are as old are given up as well, each before its next use.
#[derive(Debug, Clone, Default)]
pub(super) struct Trust(Arc<Mutex<Option<Instant>>>);

impl Trust {
    /// No session that is there now is good any more.
    pub(super) fn lose(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a session of this age is good.
    pub(super) fn holds(&self, age: Duration) -> bool {
        let lost_at = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lost_at.is_none_or(|lost_at| age < lost_at.elapsed())
    }
}

/// The one session of a lane: made when it is needed, and checked after it was idle.
#[derive(Debug)]
pub(super) struct Session {
    options: PgConnectOptions,
    trust: Trust,
    /// Empty while somebody has the connection. It comes back only after a clean end, so who is
    /// dropped midway takes the connection along, and the server rolls back.
    idle: Option<Idle>,
}

#[derive(Debug)]
struct Idle {
    connection: Taken,
    since: Instant,
}

/// A connection in use.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) connection: PgConnection,
    made_at: Instant,
}

impl Session {
    pub(super) fn new(options: PgConnectOptions, trust: Trust) -> Self {
        Self { options, trust, idle: None }
    }

    /// The connection, or a new one where it is not good any more.
    pub(super) async fn take(&mut self) -> Result<Taken, StoreError> {
        if let Some(Idle { mut connection, since }) = self.idle.take()
            && self.trust.holds(connection.made_at.elapsed())
        {
            if since.elapsed() < IDLE || is_writable(&mut connection.connection).await {
                return Ok(connection);
            }
            self.trust.lose();
        }
        let connection = connect(&self.options).await?;
        Ok(Taken { connection, made_at: Instant::now() })
    }

    pub(super) fn give_back(&mut self, connection: Taken) {
        self.idle = Some(Idle { connection, since: Instant::now() });
    }
}

/// Whether the server answers soon, and takes writes.
pub(super) async fn is_writable(connection: &mut PgConnection) -> bool {
    let question = sqlx::raw_sql("show transaction_read_only").fetch_one(connection);
    let answer = tokio::time::timeout(CHECK_TIMEOUT, question).await;
    answer.is_ok_and(|row| {
        row.is_ok_and(|row| row.try_get::<&str, _>(0).is_ok_and(|read_only| read_only == "off"))
    })
}

pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let connecting = async {
        let mut connection = options.connect().await?;
        check_client(&mut connection).await?;
        Ok(connection)
    };
    // Whatever keeps a session from beginning, no message has part in it.
    let connection = answered(CONNECT_TIMEOUT, connecting).await;
    connection.map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// Has the server look after the client, where it can.
pub(super) async fn check_client(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    match sqlx::raw_sql(CHECK_CLIENT).execute(connection).await {
        Ok(_) | Err(sqlx::Error::Database(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Awaits an answer of the database for at most `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    answered(limit, answer).await.map_err(|error| store_error(&error))
}

/// The same, with the error as it is.
pub(super) async fn answered<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| {
        let text = format!("no answer within {} s", limit.as_secs());
        Err(std::io::Error::new(std::io::ErrorKind::TimedOut, text).into())
    })
}
