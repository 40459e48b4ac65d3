//! Reads DATABASE_URL. In addition to what sqlx reads, it may name several servers, as in libpq:
//! `postgres://user:password@one:5432,two:5432/orders?target_session_attrs=read-write`.

use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use sqlx::postgres::PgConnectOptions;

/// Timeout for a session on the only server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The same for each of several: a server that does not respond delays the next one.
const CONNECT_TIMEOUT_OF_SEVERAL: Duration = Duration::from_secs(3);

/// The parameters that sqlx reads. It would ignore any other, and log it with its value.
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Which servers to connect to.
#[derive(Debug, Clone)]
pub(super) struct Address {
    /// At least one, in the order in which they are tried.
    pub(super) servers: Vec<PgConnectOptions>,
    pub(super) target: TargetSession,
    /// For each server.
    pub(super) connect_timeout: Duration,
}

/// `target_session_attrs`: which sessions are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TargetSession {
    /// Those of a server that accepts writes; if there is none, any.
    Any,
    ReadWrite,
}

/// Why an address is not usable. It never contains values, which may be secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidAddress {
    #[error(
        "not a PostgreSQL address, such as postgres://user:password@host:5432/database \
         (special characters in the password must be percent-encoded)"
    )]
    Malformed,
    #[error("unknown parameter {0:?}")]
    UnknownParameter(String),
    #[error("target_session_attrs must be any or read-write, as the worker has to write")]
    TargetSession,
    #[error("connect_timeout must be a number of seconds from 1 to 60")]
    ConnectTimeout,
    #[error("several hosts belong before the database: postgres://one:5432,two:5432/database")]
    HostsInParameter,
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let (url, _fragment) = url.split_once('#').unwrap_or((url, ""));
        let (before, query) = url.split_once('?').unwrap_or((url, ""));
        let (scheme, rest) = before.split_once("://").ok_or(InvalidAddress::Malformed)?;
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let mut target = TargetSession::Any;
        let mut connect_timeout = None;
        let mut of_sqlx = Vec::new();
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            match &*name {
                "target_session_attrs" => target = value.parse()?,
                "connect_timeout" => connect_timeout = Some(timeout(&value)?),
                "host" | "hostaddr" | "port" if value.contains(',') => {
                    return Err(InvalidAddress::HostsInParameter);
                }
                known if PARAMETERS.contains(&known) || is_option(known) => of_sqlx.push(parameter),
                // Behind an unencoded `?` in a password, it would be a part of it.
                _ if user.is_empty() && query.contains('@') => {
                    return Err(InvalidAddress::Malformed);
                }
                _ => return Err(InvalidAddress::UnknownParameter(name)),
            }
        }
        let query = of_sqlx.join("&");
        let server = |host| {
            PgConnectOptions::from_str(&format!("{scheme}://{user}{host}/{database}?{query}"))
        };
        let servers: Result<Vec<_>, _> = hosts.split(',').map(server).collect();
        let servers = servers.map_err(|_| InvalidAddress::Malformed)?;
        let default_timeout =
            if servers.len() == 1 { CONNECT_TIMEOUT } else { CONNECT_TIMEOUT_OF_SEVERAL };
        let connect_timeout = connect_timeout.unwrap_or(default_timeout);
        Ok(Self { servers, target, connect_timeout })
    }
}

impl FromStr for TargetSession {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "any" => Ok(Self::Any),
            "read-write" => Ok(Self::ReadWrite),
            _ => Err(InvalidAddress::TargetSession),
        }
    }
}

/// Whether the parameter is a run-time parameter of the session: `options[name]`.
fn is_option(name: &str) -> bool {
    name.starts_with("options[") && name.ends_with(']')
}

fn timeout(seconds: &str) -> Result<Duration, InvalidAddress> {
    match seconds.parse() {
        Ok(seconds @ 1..=60) => Ok(Duration::from_secs(seconds)),
        _ => Err(InvalidAddress::ConnectTimeout),
    }
}

fn decoded(text: &str) -> Result<String, InvalidAddress> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| InvalidAddress::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(url: &str) -> Vec<(String, u16)> {
        let servers = url.parse::<Address>().unwrap().servers;
        servers.iter().map(|it| (it.get_host().to_owned(), it.get_port())).collect()
    }

    fn invalid(url: &str) -> InvalidAddress {
        url.parse::<Address>().unwrap_err()
    }

    #[test]
    fn one_server_may_be_named() {
        let address: Address =
            "postgres://shop:secret@db:5433/orders?sslmode=disable".parse().unwrap();

        assert_eq!(places("postgres://shop:secret@db:5433/orders"), [("db".to_owned(), 5433)]);
        assert_eq!(address.servers[0].get_username(), "shop");
        assert_eq!(address.servers[0].get_database(), Some("orders"));
        assert_eq!(address.target, TargetSession::Any);
        assert_eq!(address.connect_timeout, Duration::from_secs(10));
    }

    #[test]
    fn several_servers_share_user_database_and_parameters() {
        let address: Address = "postgresql://shop:p@ss,word@one:5433,[::1]:5434/orders\
             ?options[search_path]=shop&target_session_attrs=read-write&application_name=a%20b"
            .parse()
            .unwrap();

        assert_eq!(address.servers.len(), 2);
        for server in &address.servers {
            assert_eq!(server.get_username(), "shop");
            assert_eq!(server.get_database(), Some("orders"));
            assert_eq!(server.get_application_name(), Some("a b"));
            assert_eq!(server.get_options(), Some("-c search_path=shop"));
        }
        assert_eq!(address.servers[0].get_host(), "one");
        assert_eq!((address.servers[1].get_host(), address.servers[1].get_port()), ("[::1]", 5434));
        assert_eq!(address.target, TargetSession::ReadWrite);
        assert_eq!(address.connect_timeout, Duration::from_secs(3));
    }

    #[test]
    fn the_port_of_each_server_may_be_left_out() {
        let ports: Vec<u16> =
            places("postgres://u@one,two:5433,three/orders").into_iter().map(|it| it.1).collect();

        assert_eq!(ports[1], 5433);
        assert_eq!(ports[0], ports[2]);
    }

    #[test]
    fn a_timeout_for_each_server_may_be_given() {
        let timeout = |url: &str| url.parse::<Address>().map(|address| address.connect_timeout);

        assert_eq!(timeout("postgres://a,b/o?connect_timeout=7"), Ok(Duration::from_secs(7)));
        for seconds in ["0", "61", "soon", "-1", ""] {
            let url = format!("postgres://a,b/o?connect_timeout={seconds}");
            assert_eq!(timeout(&url), Err(InvalidAddress::ConnectTimeout), "{seconds}");
        }
    }

    #[test]
    fn unknown_parameters_are_errors_that_name_them_without_their_values() {
        let error = invalid("postgres://u:hidden@db/orders?sslmode=disable&api%5Fkey=hidden");

        assert_eq!(error, InvalidAddress::UnknownParameter("api_key".to_owned()));
        assert!(!error.to_string().contains("hidden"), "{error}");
        for url in
            ["postgres://db/o?options%5Bx=1", "postgres://db/o?SSLMODE=x", "postgres://db/o?=x"]
        {
            assert!(matches!(invalid(url), InvalidAddress::UnknownParameter(_)), "{url}");
        }
    }

    #[test]
    fn other_target_sessions_of_libpq_are_errors_that_name_the_supported_ones() {
        for value in ["primary", "standby", "read-only", "prefer-standby", "", "READ-WRITE"] {
            let url = format!("postgres://a,b/o?target_session_attrs={value}");
            let error = invalid(&url);
            assert_eq!(error, InvalidAddress::TargetSession, "{value}");
            assert!(error.to_string().contains("any or read-write"), "{error}");
        }
    }

    #[test]
    fn malformed_addresses_are_errors_without_their_text() {
        for url in [
            "hidden",
            "postgres:hidden",
            "postgres://u:hidden@a:notaport,b/orders",
            "postgres://u:hidden@a,b/orders?sslmode=hidden",
            "postgres://u:hidden@a,b/orders?sslmode=%ff",
            "postgres://u:any?hidden@db/orders",
            "postgres://u:any?some&hidden=hidden@db/orders?sslmode=disable",
            "postgres://u:any#hidden@db/orders",
            "postgres://u:any/hidden@db/orders",
        ] {
            let error = invalid(url);
            assert_eq!(error, InvalidAddress::Malformed, "{url}");
            assert!(!error.to_string().contains("hidden"), "{error}");
        }
    }

    #[test]
    fn several_hosts_in_a_parameter_are_an_error_that_shows_where_they_belong() {
        for url in ["postgres:///o?host=a,b", "postgres://a/o?port=5432%2C5433"] {
            assert_eq!(invalid(url), InvalidAddress::HostsInParameter, "{url}");
        }
        assert_eq!(places("postgres:///orders?host=db&port=5433"), [("db".to_owned(), 5433)]);
    }
}
