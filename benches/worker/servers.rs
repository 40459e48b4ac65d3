//! The two servers and their CPU time.
#![expect(clippy::float_arithmetic, reason = "CPU seconds")]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use lapin::uri::AMQPUri;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::processes::{cpu_seconds, listening_on, parent_named};
use crate::results::Versions;
use crate::{Failure, progress};

/// CPU seconds so far; `None` for a server whose processes are not in `/proc`.
#[derive(Debug, Clone, Copy)]
pub struct ServerCpu {
    pub broker: Option<f64>,
    pub database: Option<f64>,
}

/// The servers to measure on.
#[derive(Debug)]
pub struct Servers {
    pub amqp_url: String,
    pub database_url: String,
    broker_process: Option<u32>,
    database_process: Option<u32>,
    /// The names of the [`BenchEnv`](crate::bench_env::BenchEnv)s that exist on them.
    pub environments: Mutex<BTreeSet<String>>,
}

impl Servers {
    pub async fn at((amqp_url, database_url): (&str, &str)) -> Result<Self, Failure> {
        let servers = Self {
            amqp_url: amqp_url.to_owned(),
            database_url: database_url.to_owned(),
            broker_process: broker_process(amqp_url),
            database_process: database_process(database_url).await?,
            environments: Mutex::default(),
        };
        if servers.cpu_seconds().broker.is_none() {
            progress::log("CPU of RabbitMQ: not measured, its process is not in /proc");
        }
        if servers.cpu_seconds().database.is_none() {
            progress::log("CPU of PostgreSQL: not measured, its processes are not in /proc");
        }
        Ok(servers)
    }

    pub fn cpu_seconds(&self) -> ServerCpu {
        ServerCpu {
            broker: self.broker_process.and_then(cpu_seconds),
            database: self.database_process.and_then(cpu_seconds),
        }
    }

    /// Starts each run with the same state of the write-ahead log.
    pub async fn checkpoint(&self) {
        if self.execute("checkpoint").await.is_err() {
            progress::log("no checkpoint before the run: the database user lacks the permission");
        }
    }

    /// Waits until both servers are idle, at most 10 s.
    pub async fn wait_until_idle(&self) {
        const POLL_INTERVAL: Duration = Duration::from_millis(250);
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut before = self.cpu_seconds();
        loop {
            tokio::time::sleep(POLL_INTERVAL).await;
            let now = self.cpu_seconds();
            if is_quiet(before, now) || Instant::now() > deadline {
                return;
            }
            before = now;
        }
    }

    pub async fn session(&self) -> Result<PgConnection, Failure> {
        Ok(PgConnection::connect(&self.database_url).await?)
    }

    pub async fn execute(&self, statements: &str) -> Result<(), Failure> {
        let mut session = self.session().await?;
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut session).await?;
        Ok(session.close().await?)
    }

    pub async fn setting(&self, name: &str) -> Result<String, Failure> {
        let query = sqlx::query_scalar("select current_setting($1)").bind(name);
        Ok(query.fetch_one(&mut self.session().await?).await?)
    }

    pub async fn versions(&self) -> Result<Versions, Failure> {
        let postgresql = self.setting("server_version").await?;
        Ok(Versions {
            order_worker: env!("CARGO_PKG_VERSION").to_owned(),
            commit: commit(),
            rabbitmq: broker_version(&self.amqp_url),
            postgresql: postgresql.split(' ').next().unwrap_or_default().to_owned(),
        })
    }
}

/// Whether both used less than a tenth of a core between two checks.
fn is_quiet(before: ServerCpu, now: ServerCpu) -> bool {
    let quiet = |before: Option<f64>, now: Option<f64>| match (before, now) {
        (Some(before), Some(now)) => now <= before + 0.025,
        _ => true,
    };
    quiet(before.broker, now.broker) && quiet(before.database, now.database)
}

/// The process that listens on the URL's port, if the host is this machine.
fn broker_process(url: &str) -> Option<u32> {
    let uri: AMQPUri = url.parse().ok()?;
    let address = &uri.authority;
    let mut places = (address.host.as_str(), address.port).to_socket_addrs().ok()?;
    places.next()?.ip().is_loopback().then(|| listening_on(address.port, "beam"))?
}

/// The parent of the process that serves a connection: the ancestor of all server processes.
async fn database_process(url: &str) -> Result<Option<u32>, Failure> {
    let mut session = PgConnection::connect(url).await?;
    let query = sqlx::query_scalar("select pg_backend_pid()");
    let pid: i32 = query.fetch_one(&mut session).await?;
    Ok(parent_named(pid.cast_unsigned(), "postgres"))
}

/// The version in the broker's first frame.
fn broker_version(url: &str) -> Option<String> {
    const GREETING: &[u8] = b"AMQP\0\0\x09\x01";
    let uri: AMQPUri = url.parse().ok()?;
    let mut stream = TcpStream::connect((uri.authority.host.as_str(), uri.authority.port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(GREETING).ok()?;
    let mut frame = vec![0; 4096];
    let length = stream.read(&mut frame).ok()?;
    long_string(&frame[..length], b"\x07versionS")
}

/// The text after a key of an AMQP table: four bytes of length, then the bytes.
fn long_string(frame: &[u8], key: &[u8]) -> Option<String> {
    let place = frame.windows(key.len()).position(|bytes| bytes == key)? + key.len();
    let length = u32::from_be_bytes(frame.get(place..place + 4)?.try_into().ok()?) as usize;
    String::from_utf8(frame.get(place + 4..place + 4 + length)?.to_vec()).ok()
}

fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let changed =
        !git(&["status", "--porcelain", "--untracked-files=no", "src", "Cargo.lock"])?.is_empty();
    Some(git(&["rev-parse", "--short", "HEAD"])? + if changed { "+" } else { "" })
}
