//! The settings and their defaults; the only reader of the environment.
//!
//! Each setting is an environment variable and a command-line option of the same name. The option
//! takes precedence. An empty URL or path counts as not set.

mod deprecated;
mod shown;
mod url_file;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, ValueEnum};

pub use deprecated::DeprecatedSettings;
pub use shown::ShownSetting;
pub use url_file::UrlFile;

/// Factor between one retry delay and the next.
const RETRY_GROWTH: u32 = 5;

/// The settings as given.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings")]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent switch")]
pub struct Settings {
    /// The RabbitMQ server, such as amqp://user:password@host:5672/vhost (amqps:// for TLS). Separate
    /// the nodes of a cluster with commas: host-1:5672,host-2:5672. If not set, an in-process broker
    /// is used, which is not durable.
    #[arg(long, env, value_name = "AMQP_URL", hide_env_values = true, global = true)]
    pub amqp_url: Option<SecretUrl>,

    /// A file that contains the AMQP_URL. It is read again before each connection.
    #[arg(long, env, value_name = "AMQP_URL_FILE", global = true)]
    pub amqp_url_file: Option<PathBuf>,

    /// The database: postgres://user:password@host:5432/database, or sqlite://FILE. Several PostgreSQL
    /// hosts are allowed: host1:5432,host2:5432.
    #[arg(long, env, value_name = "DATABASE_URL", hide_env_values = true, global = true)]
    #[arg(hide_default_value = true)]
    pub database_url: Option<SecretUrl>,

    /// A file that contains the DATABASE_URL. It is read again before each connection.
    #[arg(long, env, value_name = "DATABASE_URL_FILE", global = true)]
    pub database_url_file: Option<PathBuf>,

    /// The address of the console, the API, health checks and metrics; none disables HTTP. If not
    /// set, 127.0.0.1:8080, or no HTTP if that port is in use.
    #[arg(long, env, value_name = "HTTP_ADDR", global = true)]
    pub http_addr: Option<HttpAddr>,

    /// Tokens for HTTP: the lines that `order-worker token new` prints, separated by spaces. If not
    /// set, only localhost can connect, with full access.
    #[arg(long, env, value_name = "HTTP_TOKENS", hide_env_values = true, global = true)]
    pub http_tokens: Option<TokenLines>,

    /// A file that contains the HTTP_TOKENS. Changes apply within a second. While it cannot be read,
    /// no token is valid.
    #[arg(long, env, value_name = "HTTP_TOKENS_FILE", global = true)]
    pub http_tokens_file: Option<PathBuf>,

    /// Maximum unacknowledged deliveries (AMQP prefetch).
    #[arg(long, env, value_name = "PREFETCH", default_value_t = 3000, global = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub prefetch: u16,

    /// Maximum bytes of messages in memory: a quarter each for commands from the queue, dead
    /// letters that are being stored, HTTP request bodies, and replies. A message that is larger
    /// than half of its quarter counts as half of it.
    #[arg(
        long,
        env,
        value_name = "MAX_IN_FLIGHT_BYTES",
        default_value_t = 64 * 1024 * 1024,
        global = true
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1024 * 1024..))]
    pub max_in_flight_bytes: u32,

    /// Batches that are processed concurrently, each on its own database connection. All commands of
    /// an order go through the same lane.
    #[arg(long, env, value_name = "LANES", default_value_t = 2, global = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=64))]
    pub lanes: u16,

    /// Maximum messages in one transaction.
    #[arg(long, env, value_name = "BATCH_MAX", default_value_t = 500, global = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=5000))]
    pub batch_max: u16,

    /// Queues over which the commands are spread by a hash of their order id. Each is consumed by one
    /// worker at a time, so up to this many workers share the load. Part of the declaration: `topology
    /// repartition` changes it. More than 1 needs the plugin rabbitmq_consistent_hash_exchange.
    #[arg(long, env, value_name = "PARTITIONS", default_value_t = 1, global = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=64))]
    pub partitions: u16,

    /// Let one worker at a time consume a queue of commands (single active consumer), so that the
    /// commands of an order take effect in their order. false: all workers consume it, in no order.
    #[arg(long, env, value_name = "ORDERED", default_value_t = true, global = true)]
    #[arg(action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub ordered: bool,

    /// Attempts at a command for an order that does not exist (yet) before it is dead-lettered.
    #[arg(long, env, value_name = "MAX_ATTEMPTS", default_value_t = 4, global = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10))]
    pub max_attempts: u32,

    /// Milliseconds before the first of these retries; each further delay is five times longer.
    /// Part of the declaration of the retry queues: delete them before you change it.
    #[arg(long, env, value_name = "RETRY_DELAY_MS", default_value_t = 1000, global = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub retry_delay_ms: u32,

    /// Seconds that a worker may take to finish work in progress after SIGTERM or SIGINT.
    #[arg(long, env, value_name = "SHUTDOWN_GRACE_SECONDS", default_value_t = 30, global = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub shutdown_grace_seconds: u64,

    /// Seconds for which HTTP still accepts requests after SIGTERM, with a readiness of 503, so that load
    /// balancers notice it. Part of SHUTDOWN_GRACE_SECONDS, and at most half of it.
    #[arg(long, env, value_name = "HTTP_DRAIN_SECONDS", default_value_t = 5, global = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=1800))]
    pub http_drain_seconds: u64,

    /// Seconds between two passes of the relay over the outbox, and the age from which it publishes
    /// an event that another worker left there.
    #[arg(long, env, value_name = "RELAY_INTERVAL_SECONDS", default_value_t = 30, global = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub relay_interval_seconds: u64,

    /// Keep unroutable events in the outbox and retry them, instead of dropping them.
    #[arg(
        long,
        env,
        value_name = "KEEP_UNROUTABLE_EVENTS",
        default_value_t = false,
        global = true
    )]
    pub keep_unroutable_events: bool,

    /// Declare exchanges, queues and bindings that are missing. false: only check that they exist,
    /// for a user without the configure permission.
    #[arg(long, env, value_name = "DECLARE_TOPOLOGY", default_value_t = true, global = true)]
    #[arg(action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub declare_topology: bool,

    /// Move dead letters from their queue into the table dead_letters. false: leave them in the queue.
    #[arg(long, env, value_name = "COLLECT_DEAD_LETTERS", default_value_t = true, global = true)]
    #[arg(action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub collect_dead_letters: bool,

    /// Days for which a dead letter stays in the table after its last change.
    #[arg(
        long,
        env,
        value_name = "DEAD_LETTER_RETENTION_DAYS",
        default_value_t = 30,
        global = true
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub dead_letter_retention_days: u32,

    /// Days for which the ids of processed messages are kept, to detect duplicates; must be more than
    /// DEAD_LETTER_RETENTION_DAYS. With COLLECT_DEAD_LETTERS=false, they are kept forever.
    #[arg(long, env, value_name = "MESSAGE_RETENTION_DAYS", default_value_t = 90, global = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub message_retention_days: u32,

    /// Days for which the history of completed and cancelled orders is kept; 0: forever.
    #[arg(long, env, value_name = "HISTORY_RETENTION_DAYS", default_value_t = 0, global = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=36500))]
    pub history_retention_days: u32,

    /// Apply schema migrations at start. false: only check the schema, for a user that cannot create
    /// tables.
    #[arg(long, env, value_name = "MIGRATE", default_value_t = true, global = true)]
    #[arg(action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub migrate: bool,

    /// The topic exchange to which commands are published.
    #[arg(
        long,
        env,
        value_name = "COMMANDS_EXCHANGE",
        default_value = "orders.commands",
        global = true
    )]
    pub commands_exchange: BrokerName,

    /// The quorum queue of commands. Partitions and retry queues are named after it.
    #[arg(
        long,
        env,
        value_name = "COMMANDS_QUEUE",
        default_value = "orders.commands",
        global = true
    )]
    pub commands_queue: BrokerName,

    /// The topic exchange to which events are published.
    #[arg(
        long,
        env,
        value_name = "EVENTS_EXCHANGE",
        default_value = "orders.events",
        global = true
    )]
    pub events_exchange: BrokerName,

    /// The topic exchange of dead letters.
    #[arg(
        long,
        env,
        value_name = "DEAD_LETTER_EXCHANGE",
        default_value = "orders.dead-letter",
        global = true
    )]
    pub dead_letter_exchange: BrokerName,

    /// The quorum queue of dead letters.
    #[arg(
        long,
        env,
        value_name = "DEAD_LETTER_QUEUE",
        default_value = "orders.dead-letter",
        global = true
    )]
    pub dead_letter_queue: BrokerName,

    /// Deliveries of a command that is never settled, because workers crash on it, before the broker
    /// dead-letters it. Part of the declaration of the commands queue.
    #[arg(long, env, value_name = "DELIVERY_LIMIT", default_value_t = 100, global = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub delivery_limit: u32,

    /// The OpenTelemetry collector to which spans are exported (OTLP over HTTP), such as
    /// http://collector:4318. Needs a build with the feature otlp.
    #[arg(long, env, value_name = "OTLP_ENDPOINT", hide_env_values = true, global = true)]
    pub otlp_endpoint: Option<SecretUrl>,

    /// The format of log lines.
    #[arg(long, env, value_name = "LOG_FORMAT", default_value = "text", global = true)]
    pub log_format: LogFormat,

    /// The log level or filter, such as warn or order_worker=debug.
    #[arg(
        long = "log",
        env = "RUST_LOG",
        value_name = "RUST_LOG",
        default_value = "info",
        global = true
    )]
    pub rust_log: String,

    #[command(flatten)]
    pub deprecated: DeprecatedSettings,
}

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// A URL that may contain a password. `Display` and `Debug` hide it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretUrl(String);

/// The address that HTTP listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpAddr {
    Disabled,
    /// An address with a port, `0` for any free port.
    Listen(String),
}

/// The lines of HTTP_TOKENS. `Debug` hides them.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenLines(String);

/// The name of an exchange or a queue: 1 to 200 bytes, which leaves room for the suffix of the retry
/// queues within AMQP's 255.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerName(String);

/// An invalid setting.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct InvalidSetting {
    pub variable: &'static str,
    pub problem: String,
}

/// The URL of the database, by its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    Postgres(SecretUrl),
    Sqlite(SecretUrl),
}

/// The database if DATABASE_URL is not set.
pub const DEFAULT_DATABASE_URL: &str = "sqlite://order-worker.db";

/// The address if HTTP_ADDR is not set.
pub const DEFAULT_HTTP_ADDR: &str = "127.0.0.1:8080";

impl Settings {
    /// The URL of the RabbitMQ server, if set.
    ///
    /// # Errors
    /// When it is not an AMQP URL, or its file cannot be read.
    pub fn broker_url(&self) -> Result<Option<SecretUrl>, InvalidSetting> {
        let Some(url) =
            given(self.amqp_url.as_ref(), self.amqp_url_file.as_ref(), "AMQP_URL_FILE")?
        else {
            return Ok(None);
        };
        if url.has_scheme(&["amqp", "amqps"]) {
            return Ok(Some(url));
        }
        let problem = "must begin with amqp:// or amqps://".to_owned();
        Err(InvalidSetting { variable: "AMQP_URL", problem })
    }

    /// The URL of the database, by default [`DEFAULT_DATABASE_URL`].
    ///
    /// # Errors
    /// When the scheme is not supported, or its file cannot be read.
    pub fn database(&self) -> Result<DatabaseUrl, InvalidSetting> {
        let url = given(
            self.database_url.as_ref(),
            self.database_url_file.as_ref(),
            "DATABASE_URL_FILE",
        )?
        .unwrap_or_else(|| SecretUrl(DEFAULT_DATABASE_URL.to_owned()));
        if url.has_scheme(&["postgres", "postgresql"]) {
            return Ok(DatabaseUrl::Postgres(url));
        }
        if url.has_scheme(&["sqlite"]) {
            return Ok(DatabaseUrl::Sqlite(url));
        }
        let problem = "must begin with postgres:// or sqlite://".to_owned();
        Err(InvalidSetting { variable: "DATABASE_URL", problem })
    }

    /// The collector of spans, if set.
    pub fn collector(&self) -> Option<&SecretUrl> {
        self.otlp_endpoint.as_ref().filter(|url| !url.0.is_empty())
    }

    /// The tokens for HTTP, one per line; `None` if they are not set.
    ///
    /// # Errors
    /// When their file cannot be read.
    pub fn http_token_lines(&self) -> Result<Option<String>, InvalidSetting> {
        if let Some(TokenLines(lines)) = self.given_tokens() {
            return Ok(Some(lines.clone()));
        }
        self.tokens_file().map(|path| read("HTTP_TOKENS_FILE", path)).transpose()
    }

    /// The file with the tokens; `None` if HTTP_TOKENS is set, which takes precedence.
    pub fn tokens_file(&self) -> Option<&Path> {
        let file = self.http_tokens_file.as_deref().filter(|path| !path.as_os_str().is_empty());
        file.filter(|_| self.given_tokens().is_none())
    }

    fn given_tokens(&self) -> Option<&TokenLines> {
        self.http_tokens.as_ref().filter(|tokens| !tokens.0.is_empty())
    }

    /// The delays before the retries; by default 1 s, 5 s, 25 s.
    pub fn retry_delays(&self) -> Vec<Duration> {
        let first = Duration::from_millis(self.retry_delay_ms.into());
        (0..self.max_attempts - 1)
            .map(|retry| first.saturating_mul(RETRY_GROWTH.saturating_pow(retry)))
            .collect()
    }

    /// A quarter of MAX_IN_FLIGHT_BYTES: the budget of commands, dead letters, HTTP bodies and
    /// replies, each.
    pub fn byte_share(&self) -> usize {
        usize::try_from(self.max_in_flight_bytes / 4).unwrap_or(usize::MAX)
    }

    /// # Errors
    /// When a dead letter could be kept longer than its message id: a replay could then apply a command
    /// twice.
    pub fn check_retention(&self) -> Result<(), InvalidSetting> {
        if self.message_retention_days > self.dead_letter_retention_days {
            return Ok(());
        }
        let problem = format!(
            "{} days must be more than DEAD_LETTER_RETENTION_DAYS ({}): otherwise, replaying a dead letter could apply its command twice",
            self.message_retention_days, self.dead_letter_retention_days
        );
        Err(InvalidSetting { variable: "MESSAGE_RETENTION_DAYS", problem })
    }

    pub fn shutdown_grace(&self) -> Duration {
        Duration::from_secs(self.shutdown_grace_seconds)
    }

    pub fn http_drain(&self) -> Duration {
        Duration::from_secs(self.http_drain_seconds).min(self.shutdown_grace() / 2)
    }

    pub fn relay_interval(&self) -> Duration {
        Duration::from_secs(self.relay_interval_seconds)
    }
}

/// A URL from its setting or from a file.
fn given(
    url: Option<&SecretUrl>,
    file: Option<&PathBuf>,
    file_variable: &'static str,
) -> Result<Option<SecretUrl>, InvalidSetting> {
    if let Some(url) = url.filter(|url| !url.0.is_empty()) {
        return Ok(Some(url.clone()));
    }
    let Some(path) = file.filter(|path| !path.as_os_str().is_empty()) else { return Ok(None) };
    Ok(Some(SecretUrl(read(file_variable, path)?.trim().to_owned())))
}

fn read(variable: &'static str, path: &Path) -> Result<String, InvalidSetting> {
    std::fs::read_to_string(path).map_err(|error| {
        let problem = format!("{} cannot be read: {error}", path.display());
        InvalidSetting { variable, problem }
    })
}

impl DatabaseUrl {
    pub fn into_url(self) -> SecretUrl {
        match self {
            Self::Postgres(url) | Self::Sqlite(url) => url,
        }
    }
}

impl FromStr for HttpAddr {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::Disabled),
            _ if text
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()) =>
            {
                Ok(Self::Listen(text.to_owned()))
            }
            _ => Err("must be an address with a port, such as 0.0.0.0:8080, or none"),
        }
    }
}

impl FromStr for TokenLines {
    type Err = std::convert::Infallible;

    fn from_str(lines: &str) -> Result<Self, Self::Err> {
        Ok(Self(lines.to_owned()))
    }
}

impl fmt::Debug for TokenLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenLines(…)")
    }
}

impl SecretUrl {
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The complete URL, including the password. Use it to connect only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn has_scheme(&self, schemes: &[&str]) -> bool {
        self.0.split_once("://").is_some_and(|(scheme, _)| schemes.contains(&scheme))
    }
}

impl fmt::Display for SecretUrl {
    /// Without user, password and parameters, all of which can be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.0.split(['?', '#']).next().unwrap_or_default();
        match address.split_once("://") {
            Some((scheme, rest)) => {
                let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
                write!(f, "{scheme}://{place}")
            }
            None => f.write_str("(not an address)"),
        }
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({self})")
    }
}

impl FromStr for SecretUrl {
    type Err = std::convert::Infallible;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        Ok(Self(url.to_owned()))
    }
}

impl BrokerName {
    /// The name with a prefix.
    pub fn prefixed(&self, prefix: &str) -> Self {
        Self(format!("{prefix}{}", self.0))
    }
}

impl fmt::Display for BrokerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BrokerName {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name.len() {
            1..=200 => Ok(Self(name.to_owned())),
            _ => Err("must have 1 to 200 bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        settings: Settings,
    }

    /// Ignores the environment of this process.
    pub(super) fn settings(arguments: &[&str]) -> Result<Settings, clap::Error> {
        let command = Program::command().mut_args(|argument| argument.env(None::<&str>));
        let arguments = ["order-worker"].iter().chain(arguments);
        let matches = command.try_get_matches_from(arguments)?;
        Program::from_arg_matches(&matches).map(|program| program.settings)
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = SecretUrl::new("postgres://shop:pass@word@db:5432/orders?password=x#y");

        for shown in [url.to_string(), format!("{url:?}")] {
            assert!(shown.contains("db:5432/orders"), "{shown}");
            assert!(!shown.contains("pass") && !shown.contains("shop"), "{shown}");
        }
        assert_eq!(SecretUrl::new("secret").to_string(), "(not an address)");
    }

    #[test]
    fn a_wrong_value_is_an_error_that_names_the_variable() {
        for (argument, variable) in [
            ("--prefetch=0", "PREFETCH"),
            ("--lanes=many", "LANES"),
            ("--batch-max=5001", "BATCH_MAX"),
            ("--max-attempts=0", "MAX_ATTEMPTS"),
            ("--log-format=xml", "LOG_FORMAT"),
            ("--commands-queue=", "COMMANDS_QUEUE"),
        ] {
            let error = settings(&[argument]).unwrap_err().to_string();
            assert!(error.contains(variable), "{error}");
        }
    }

    #[test]
    fn a_dead_letter_must_not_outlive_its_message_id() {
        let retention = |messages: &str| settings(&[messages]).unwrap().check_retention();

        let error = retention("--message-retention-days=30").unwrap_err().to_string();
        assert!(error.starts_with("MESSAGE_RETENTION_DAYS: "), "{error}");
        assert!(retention("--message-retention-days=31").is_ok());
    }

    #[test]
    fn an_error_about_an_unsupported_scheme_names_its_variable() {
        let given =
            settings(&["--amqp-url=http://secret@host", "--database-url=mysql://secret@host"])
                .unwrap();

        let errors = [
            given.broker_url().unwrap_err().to_string(),
            given.database().unwrap_err().to_string(),
        ];

        assert!(errors[0].starts_with("AMQP_URL: "), "{}", errors[0]);
        assert!(errors[1].starts_with("DATABASE_URL: "), "{}", errors[1]);
        assert!(!errors.concat().contains("secret"));
    }

    #[test]
    fn a_secret_can_be_read_from_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "amqp://user:secret@broker/\n").unwrap();

        let url = settings(&[&format!("--amqp-url-file={}", file.path().display())])
            .unwrap()
            .broker_url();

        assert_eq!(url.unwrap().unwrap().expose(), "amqp://user:secret@broker/");
    }

    #[test]
    fn an_error_about_a_missing_file_names_its_variable() {
        let given = settings(&["--database-url-file=/no/such/file"]).unwrap();

        let error = given.database().unwrap_err().to_string();

        assert!(error.starts_with("DATABASE_URL_FILE: /no/such/file"), "{error}");
    }

    #[test]
    fn an_empty_url_counts_as_not_set() {
        let given = settings(&["--amqp-url=", "--database-url="]).unwrap();

        assert_eq!(given.broker_url().unwrap(), None);
        assert!(matches!(given.database().unwrap(), DatabaseUrl::Sqlite(_)));
    }

    #[test]
    fn a_switch_accepts_the_usual_booleans_only() {
        let declares = |word: &str| {
            settings(&[&format!("--declare-topology={word}")]).map(|it| it.declare_topology)
        };

        assert!(settings(&[]).unwrap().declare_topology);
        assert!(["1", "true", "yes", "on"].into_iter().all(|word| declares(word).unwrap()));
        assert!(["0", "false", "no", "off"].into_iter().all(|word| !declares(word).unwrap()));
        assert!(["", "maybe"].into_iter().all(|word| declares(word).is_err()));
    }

    #[test]
    fn there_are_three_retries_after_one_five_and_twenty_five_seconds() {
        let delays = settings(&[]).unwrap().retry_delays();

        assert_eq!(delays.iter().map(Duration::as_secs).collect::<Vec<_>>(), [1, 5, 25]);
    }
}
