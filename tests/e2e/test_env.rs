//! Real servers, with names and tables for one test alone, and the program as a process on them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use uuid::Uuid;

/// For workers of which each event is to come once: their relays take none for left over that is on
/// its way, however slowly, from themselves or from another worker.
pub const PATIENT_RELAY: &str = "--relay-interval-seconds=30";

/// Held for reading by tests that use the servers, for writing by those that stop them.
static SERVERS: RwLock<()> = RwLock::const_new(());

/// Whether other tests may use the servers meanwhile.
pub enum Turn {
    Shared { _guard: RwLockReadGuard<'static, ()> },
    Alone { _guard: RwLockWriteGuard<'static, ()> },
}

impl Turn {
    /// Beside others, while nobody stops the servers.
    pub async fn shared() -> Self {
        Self::Shared { _guard: SERVERS.read().await }
    }

    async fn alone() -> Self {
        Self::Alone { _guard: SERVERS.write().await }
    }
}

/// Names of exchanges, queues and a schema that nobody else uses.
pub struct TestEnv {
    _turn: Turn,
    name: String,
    pub amqp_url: String,
    pub database_url: String,
    folder: tempfile::TempDir,
    /// Whether workers move dead letters into the table.
    collects: bool,
}

/// A running worker; killed when dropped.
pub struct Worker {
    process: std::process::Child,
    log: PathBuf,
}

/// A client that runs beside the test.
pub struct Script(std::process::Child);

impl Script {
    pub fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// What it printed, once it has ended.
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
        let turn = Turn::shared().await;
        Self::at(turn, &variable("AMQP_URL"), &variable("DATABASE_URL")).await
    }

    /// The same, with workers that move dead letters into the table.
    pub async fn collecting() -> Self {
        Self { collects: true, ..Self::new().await }
    }

    /// From the next worker on.
    pub fn collect_from_now_on(&mut self) {
        self.collects = true;
    }

    /// On servers at these addresses, such as those of relays of the test's own.
    pub async fn at_addresses(amqp_url: &str, database_url: &str) -> Self {
        let turn = Turn::shared().await;
        Self::at(turn, amqp_url, database_url).await
    }

    /// On servers at these addresses, for a test that takes them away.
    pub async fn alone_at(amqp_url: &str, database_url: &str) -> Self {
        let turn = Turn::alone().await;
        Self::at(turn, amqp_url, database_url).await
    }

    async fn at(turn: Turn, amqp_url: &str, database_url: &str) -> Self {
        let name = format!("test_{}", Uuid::now_v7().simple());
        execute(&format!("create schema {name}")).await;
        let separator = if database_url.contains('?') { '&' } else { '?' };
        Self {
            _turn: turn,
            amqp_url: amqp_url.to_owned(),
            // The name of the sessions tells those of this test's worker from all others.
            database_url: format!(
                "{database_url}{separator}options[search_path]={name}&application_name={name}"
            ),
            folder: tempfile::tempdir().unwrap(),
            collects: false,
            name,
        }
    }

    /// The settings of the worker, and of clients that are not ours.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let name = |part: &str| format!("{}.{part}", self.name);
        vec![
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
        ]
    }

    /// One of the names above.
    pub fn name_of(&self, variable: &str) -> String {
        self.environment().into_iter().find(|(name, _)| *name == variable).unwrap().1
    }

    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut command = program(arguments, self.folder.path());
        command.envs(self.environment());
        command
    }

    /// Starts a worker and waits until the broker counts it as a consumer.
    pub async fn start_worker(&self) -> Worker {
        self.start_worker_with(&[]).await
    }

    /// Tables, exchanges and queues, before there is a worker.
    pub fn prepare(&self) {
        printed(&self.program(&["migrate"]).output().unwrap());
        printed(&self.program(&["topology", "apply"]).output().unwrap());
    }

    pub async fn start_worker_with(&self, options: &[&str]) -> Worker {
        let worker = self.spawn_worker_with(options);
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.program(&["healthcheck"]).output().unwrap().status.success() {
            assert!(Instant::now() < deadline, "no consumer after 30 s:\n{}", worker.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        worker
    }

    pub fn spawn_worker(&self) -> Worker {
        self.spawn_worker_with(&[])
    }

    pub fn spawn_worker_with(&self, options: &[&str]) -> Worker {
        self.spawn(self.program(&["run"]).args(options))
    }

    /// A worker that dies when it comes to a point (of `src/kill_points.rs`) for the n-th time:
    /// `<point>:<n>`.
    pub fn spawn_worker_that_dies_at(&self, point: &str, options: &[&str]) -> Worker {
        self.spawn(self.program(&["run"]).args(options).env("ORDER_WORKER_KILL_AT", point))
    }

    fn spawn(&self, command: &mut Command) -> Worker {
        let log = self.folder.path().join(format!("worker-{}.log", Uuid::now_v7().simple()));
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Worker { process, log }
    }

    /// Runs the store of `tests/e2e/clients` and returns what it printed.
    pub fn foreign_client(&self, arguments: &[&str]) -> String {
        self.foreign_script("store.py", arguments)
    }

    /// Runs a script of `tests/e2e/clients` and returns what it printed.
    pub fn foreign_script(&self, script: &str, arguments: &[&str]) -> String {
        printed(&self.script(script, arguments).output().unwrap())
    }

    /// Starts a script of `tests/e2e/clients`, with further variables.
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
        // Past any relay: the client is not what is tested.
        command.env("AMQP_URL", variable("AMQP_URL"));
        command
    }

    /// What a query answers, as text; nulls are empty.
    pub async fn ask(&self, query: &str) -> Vec<String> {
        let mut connection = self.foreign_session().await;
        let query = format!("select coalesce(answer::text, '') from ({query}) as q (answer)");
        sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(&mut connection).await.unwrap()
    }

    pub async fn count(&self, table: &str) -> usize {
        self.ask(&format!("select count(*) from {table}")).await[0].parse().unwrap()
    }

    /// Statements on the tables of the worker.
    pub async fn execute(&self, statements: &str) {
        execute(&format!("set search_path to {}; {statements}", self.name)).await;
    }

    /// Has the database do something before each order that is placed; `nextval('passages')` counts
    /// them. Ends with `drop trigger passage on orders`.
    pub async fn before_each_order(&self, statement: &str) {
        self.execute(&format!(
            "create sequence passages;
             create function pass() returns trigger language plpgsql as
             $$ begin {statement}; return new; end $$;
             create trigger passage before insert on orders for each row execute function pass()"
        ))
        .await;
    }

    /// Counts the sessions of the worker of which a condition on `pg_stat_activity` holds.
    pub async fn sessions(&self, condition: &str) -> usize {
        self.count(&format!(
            "pg_stat_activity where application_name = '{}' and ({condition})",
            self.name
        ))
        .await
    }

    /// Ends all sessions of the worker; answers how many there were.
    pub async fn terminate_sessions(&self) -> usize {
        self.count(&format!(
            "(select pg_terminate_backend(pid, 10000) from pg_stat_activity
              where application_name = '{}') as t",
            self.name
        ))
        .await
    }

    /// A session beside the worker's, with the worker's tables.
    pub async fn foreign_session(&self) -> PgConnection {
        let mut connection = connect().await;
        let statement = format!("set search_path to {}", self.name);
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        connection
    }

    pub async fn remove(self) {
        execute(&format!("drop schema {} cascade", self.name)).await;
    }
}

/// The program, without any of this process's settings.
pub fn program(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_order-worker"));
    command.args(arguments).current_dir(folder);
    command.env_remove("AMQP_URL").env_remove("DATABASE_URL").env_remove("RUST_LOG");
    // A test that asks over HTTP names an address.
    command.env("HTTP_ADDR", "none");
    command
}

/// Standard output of a program that must have succeeded.
pub fn printed(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{errors}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Waits until something is so.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so().await {
        assert!(Instant::now() < deadline, "after 60 s it is still not so that {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

impl Worker {
    /// Without a chance to do anything more.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    pub fn tell_to_stop(&self) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// Waits for the end of a worker that was told to stop.
    pub async fn ended(mut self) -> std::process::ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "still running after 60 s:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Tells it to stop, and asserts that it did so in good order and said nothing that it should
    /// not.
    pub async fn stop(self) {
        self.stopped().await;
    }

    /// Stops it, and returns what it logged.
    pub async fn stopped(self) -> String {
        self.tell_to_stop();
        let log = self.log.clone();
        let status = self.ended().await;
        let log = std::fs::read_to_string(log).unwrap();
        assert!(status.success(), "{status}:\n{log}");
        for word in ["panicked", "@example.com", "Grace"] {
            assert!(!log.contains(word), "{word} in the log:\n{log}");
        }
        log
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn connect() -> PgConnection {
    PgConnection::connect(&variable("DATABASE_URL")).await.unwrap()
}

async fn execute(statements: &str) {
    let mut connection = connect().await;
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
