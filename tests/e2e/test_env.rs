//! The environment of one test: its own names and schema on real servers, and the program as a process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use uuid::Uuid;

/// For tests that expect each event exactly once: the relay waits 30 s, so it does not republish events
/// that a worker is still publishing.
pub const PATIENT_RELAY: &str = "--relay-interval-seconds=30";

/// What the worker logs; tests wait for it or assert that it did not happen.
pub mod logged {
    pub const DATABASE_OUTAGE: &str = "Database is unavailable";
    pub const DATABASE_BACK: &str = "Database is available again";
    pub const COMMANDS_STOPPED: &str = "Cannot consume commands";
    pub const COMMANDS_RESUMED: &str = "Consuming commands again";
    pub const PUBLISHING_STOPPED: &str = "Cannot publish messages";
    pub const PUBLISHING_RESUMED: &str = "Publishing messages again";
    pub const EVENTS_REFUSED: &str = "Events were not confirmed";
    pub const COPIES_REFUSED: &str = "Copies of commands were not confirmed";
    /// The outage goes on, for another reason.
    pub const DATABASE_REASON: &str = "Database is still unavailable";
    pub const COMMANDS_REASON: &str = "Still cannot consume commands";
    pub const URL_READ_AGAIN: &str = "Read again: new connections use this URL";
    /// Commands or dead letters.
    pub const CONSUMING_STOPPED: &str = "Cannot consume";
    /// Each starts an outage of a server.
    pub const OUTAGES: [&str; 3] = [DATABASE_OUTAGE, CONSUMING_STOPPED, PUBLISHING_STOPPED];
}

/// Read-locked by tests that use the servers, write-locked by tests that stop them.
static SERVERS: RwLock<()> = RwLock::const_new(());

/// Access to the servers.
pub enum ServerAccess {
    Shared { _guard: RwLockReadGuard<'static, ()> },
    Exclusive { _guard: RwLockWriteGuard<'static, ()> },
}

impl ServerAccess {
    /// Together with other tests; no test stops the servers meanwhile.
    pub async fn shared() -> Self {
        Self::Shared { _guard: SERVERS.read().await }
    }

    /// No other test uses the servers meanwhile.
    async fn exclusive() -> Self {
        Self::Exclusive { _guard: SERVERS.write().await }
    }
}

/// Exchanges, queues and a schema of one test.
pub struct TestEnv {
    _access: ServerAccess,
    name: String,
    pub amqp_url: String,
    pub database_url: String,
    /// The database for the test itself.
    direct_url: String,
    folder: tempfile::TempDir,
    /// Whether workers collect dead letters into the table.
    collects: bool,
    /// Further settings of workers and clients.
    settings: Vec<(&'static str, String)>,
}

/// A running worker; killed when dropped.
pub struct Worker {
    process: std::process::Child,
    log: PathBuf,
}

/// A client, or a command of the program, that runs in the background.
pub struct Script(std::process::Child);

impl Script {
    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Waits for its end; returns its standard output.
    pub fn printed(self) -> String {
        printed(&self.0.wait_with_output().unwrap())
    }
}

#[expect(clippy::disallowed_methods, reason = "which servers the tests may use is no setting")]
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `make test`"))
}

impl TestEnv {
    pub async fn new() -> Self {
        let access = ServerAccess::shared().await;
        Self::at(access, &variable("AMQP_URL"), &variable("DATABASE_URL")).await
    }

    /// With workers that collect dead letters into the table.
    pub async fn collecting() -> Self {
        Self { collects: true, ..Self::new().await }
    }

    /// With another setting from now on.
    pub fn with(mut self, variable: &'static str, value: &str) -> Self {
        self.settings.push((variable, value.to_owned()));
        self
    }

    /// Workers that start from now on collect dead letters.
    pub fn enable_collector(&mut self) {
        self.collects = true;
    }

    /// On servers at these URLs, for example those of a [`TcpProxy`](crate::tcp_proxy::TcpProxy).
    pub async fn at_addresses(amqp_url: &str, database_url: &str) -> Self {
        let access = ServerAccess::shared().await;
        Self::at(access, amqp_url, database_url).await
    }

    /// On servers at these URLs, for a test that makes them unavailable to all tests.
    pub async fn exclusive_at(amqp_url: &str, database_url: &str) -> Self {
        let access = ServerAccess::exclusive().await;
        Self::at(access, amqp_url, database_url).await
    }

    /// On a database whose URL is not one for the test itself, such as one with several hosts.
    pub async fn with_direct_url(database_url: &str, direct_url: &str) -> Self {
        let access = ServerAccess::shared().await;
        Self::on(access, &variable("AMQP_URL"), database_url, direct_url).await
    }

    /// From now on, the test itself uses the database at this URL.
    pub fn use_direct_url(&mut self, direct_url: &str) {
        direct_url.clone_into(&mut self.direct_url);
    }

    async fn at(access: ServerAccess, amqp_url: &str, database_url: &str) -> Self {
        Self::on(access, amqp_url, database_url, &variable("DATABASE_URL")).await
    }

    async fn on(
        access: ServerAccess,
        amqp_url: &str,
        database_url: &str,
        direct_url: &str,
    ) -> Self {
        let name = format!("test_{}", Uuid::now_v7().simple());
        execute(direct_url, &format!("create schema {name}")).await;
        let separator = if database_url.contains('?') { '&' } else { '?' };
        Self {
            _access: access,
            amqp_url: amqp_url.to_owned(),
            // The application name identifies the sessions of this test's worker.
            database_url: format!(
                "{database_url}{separator}options[search_path]={name}&application_name={name}"
            ),
            direct_url: direct_url.to_owned(),
            folder: tempfile::tempdir().unwrap(),
            collects: false,
            settings: Vec::new(),
            name,
        }
    }

    /// The environment variables of workers and clients.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let name = |part: &str| format!("{}.{part}", self.name);
        let mut environment = vec![
            ("AMQP_URL", self.amqp_url.clone()),
            ("DATABASE_URL", self.database_url.clone()),
            ("COMMANDS_EXCHANGE", name("commands")),
            ("COMMANDS_QUEUE", name("commands")),
            ("EVENTS_EXCHANGE", name("events")),
            ("DEAD_LETTER_EXCHANGE", name("dead-letter")),
            ("DEAD_LETTER_QUEUE", name("dead-letter")),
            ("RETRY_DELAY_MS", "50".to_owned()),
            ("RELAY_INTERVAL_SECONDS", "1".to_owned()),
            ("COLLECT_DEAD_LETTERS", self.collects.to_string()),
        ];
        environment.extend(self.settings.clone());
        environment
    }

    /// The value of one of these variables.
    pub fn name_of(&self, variable: &str) -> String {
        self.environment().into_iter().find(|(name, _)| *name == variable).unwrap().1
    }

    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut command = program(arguments, self.folder.path());
        command.envs(self.environment());
        command
    }

    /// Starts the program for something else than a worker.
    pub fn spawn_program(&self, arguments: &[&str]) -> Script {
        let mut command = self.program(arguments);
        Script(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Starts a worker and waits until it is ready.
    pub async fn start_worker(&self) -> Worker {
        self.start_worker_with(&[]).await
    }

    /// Creates tables, exchanges and queues without starting a worker.
    pub fn prepare(&self) {
        printed(&self.program(&["migrate"]).output().unwrap());
        printed(&self.program(&["topology", "apply"]).output().unwrap());
    }

    pub async fn start_worker_with(&self, options: &[&str]) -> Worker {
        let worker = self.spawn_worker_with(options);
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.is_ready() {
            assert!(Instant::now() < deadline, "not ready after 30 s:\n{}", worker.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        worker
    }

    /// Whether `healthcheck` reports a ready worker.
    pub fn is_ready(&self) -> bool {
        self.program(&["healthcheck"]).output().unwrap().status.success()
    }

    pub fn spawn_worker(&self) -> Worker {
        self.spawn_worker_with(&[])
    }

    pub fn spawn_worker_with(&self, options: &[&str]) -> Worker {
        self.spawn(self.program(&["run"]).args(options))
    }

    /// A worker that aborts when it reaches a point of `src/kill_points.rs` for the n-th time:
    /// `<point>:<n>`.
    pub fn spawn_worker_that_crashes_at(&self, point: &str, options: &[&str]) -> Worker {
        self.spawn(self.program(&["run"]).args(options).env("ORDER_WORKER_KILL_AT", point))
    }

    /// Starts a worker with this command, and its log in a file.
    pub fn spawn(&self, command: &mut Command) -> Worker {
        let log = self.folder.path().join(format!("worker-{}.log", Uuid::now_v7().simple()));
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Worker { process, log }
    }

    /// Runs `tests/e2e/clients/store.py` and returns its standard output.
    pub fn python_client(&self, arguments: &[&str]) -> String {
        self.python_script("store.py", arguments)
    }

    /// Runs a script of `tests/e2e/clients` and returns its standard output.
    pub fn python_script(&self, script: &str, arguments: &[&str]) -> String {
        printed(&self.script(script, arguments).output().unwrap())
    }

    /// Starts a script of `tests/e2e/clients`, with more environment variables.
    pub fn spawn_script(
        &self,
        script: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Script {
        let mut command = self.script(script, arguments);
        command.envs(variables.iter().copied());
        Script(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn script(&self, script: &str, arguments: &[&str]) -> Command {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/clients"));
        let mut command = Command::new(variable("ORDER_WORKER_TEST_PYTHON"));
        command.arg(folder.join(script)).args(arguments).envs(self.environment());
        // Not through a proxy: the client is not what is tested.
        command.env("AMQP_URL", variable("AMQP_URL"));
        command
    }

    /// The rows of a query with one column, as text; null is an empty string.
    pub async fn ask(&self, query: &str) -> Vec<String> {
        let mut connection = self.database_session().await;
        let query = format!("select coalesce(value::text, '') from ({query}) as q (value)");
        sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(&mut connection).await.unwrap()
    }

    /// Counts the rows of a table, or of any `from` clause.
    pub async fn count(&self, table: &str) -> usize {
        self.ask(&format!("select count(*) from {table}")).await[0].parse().unwrap()
    }

    /// Waits until a table, or any `from` clause, has this many rows.
    pub async fn wait_for_count(&self, table: &str, count: usize) {
        let what = format!("{count} rows in {table}");
        eventually(&what, || async { self.count(table).await == count }).await;
    }

    /// Executes statements in the schema of this test.
    pub async fn execute(&self, statements: &str) {
        let statements = format!("set search_path to {}; {statements}", self.name);
        execute(&self.direct_url, &statements).await;
    }

    /// The same with statements that may fail.
    pub async fn try_execute(&self, statements: &str) -> Result<(), sqlx::Error> {
        let mut session = self.database_session().await;
        let statements = AssertSqlSafe(statements.to_owned());
        sqlx::raw_sql(statements).execute(&mut session).await.map(drop)
    }

    /// Runs a PL/pgSQL statement before each insert into `orders`; `nextval('order_inserts')` counts the
    /// inserts. `drop trigger before_order on orders` ends it.
    pub async fn before_each_order(&self, statement: &str) {
        self.execute(&format!(
            "create sequence order_inserts;
             create function before_order() returns trigger language plpgsql as
             $$ begin {statement}; return new; end $$;
             create trigger before_order before insert on orders
             for each row execute function before_order()"
        ))
        .await;
    }

    /// Counts the worker's sessions that match a condition on `pg_stat_activity`.
    pub async fn sessions(&self, condition: &str) -> usize {
        self.count(&format!(
            "pg_stat_activity where application_name = '{}' and ({condition})",
            self.name
        ))
        .await
    }

    /// Terminates all sessions of the worker; returns their number.
    pub async fn terminate_sessions(&self) -> usize {
        self.count(&format!(
            "(select pg_terminate_backend(pid, 10000) from pg_stat_activity
              where application_name = '{}') as t",
            self.name
        ))
        .await
    }

    /// A session of the test itself, in the worker's schema.
    pub async fn database_session(&self) -> PgConnection {
        let mut connection = connect(&self.direct_url).await;
        let statement = format!("set search_path to {}", self.name);
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        connection
    }

    pub async fn remove(self) {
        execute(&self.direct_url, &format!("drop schema {} cascade", self.name)).await;
    }
}

/// The program, without this process's settings.
pub fn program(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_order-worker"));
    command.args(arguments).current_dir(folder);
    command.env_remove("AMQP_URL").env_remove("DATABASE_URL").env_remove("RUST_LOG");
    // A test that uses HTTP sets an address.
    command.env("HTTP_ADDR", "none");
    // Most tests have nothing to drain, and would only wait.
    command.env("HTTP_DRAIN_SECONDS", "0");
    command
}

/// The standard output of a program; asserts that it succeeded.
pub fn printed(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{errors}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Waits until a condition holds, at most 60 s.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < deadline, "not within 60 s: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Worker {
    /// Kills it with SIGKILL.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    pub fn send_sigterm(&self) {
        self.send_signal("TERM");
    }

    /// Sends a signal by its name without SIG.
    pub fn send_signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for the end of the process.
    pub async fn wait_for_exit(mut self) -> std::process::ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "still running after 60 s:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops it with SIGTERM; asserts that it exits with 0 and logs neither a panic nor personal data.
    pub async fn stop(self) {
        self.stop_and_read_log().await;
    }

    /// Like [`Self::stop`]; returns the log.
    pub async fn stop_and_read_log(self) -> String {
        self.send_sigterm();
        let log = self.log.clone();
        let status = self.wait_for_exit().await;
        let log = std::fs::read_to_string(log).unwrap();
        assert!(status.success(), "{status}:\n{log}");
        for word in ["panicked", "@example.com", "Grace"] {
            assert!(!log.contains(word), "{word:?} in the log:\n{log}");
        }
        log
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until the log contains a text.
    pub async fn wait_for_log(&self, text: &str) {
        let what = format!("{text:?} in the log");
        eventually(&what, || async { self.log().contains(text) }).await;
    }

    /// The peak resident memory, in MiB.
    pub fn peak_memory_mib(&self) -> usize {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

async fn execute(url: &str, statements: &str) {
    let mut connection = connect(url).await;
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
