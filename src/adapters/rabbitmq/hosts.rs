//! The hosts of AMQP_URL: the nodes of a cluster, of which each connection uses one.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;
use std::time::Duration;

use lapin::uri::AMQPUri;

use super::errors::{RPC_TIMEOUT, RabbitError, rabbit_error};
use super::url_parameters;

/// Timeout for opening a connection to a host while there are others to try. The last one gets
/// [`RPC_TIMEOUT`], so that a cluster whose nodes are all slow can be reached too.
const HOST_TIMEOUT: Duration = Duration::from_secs(3);

/// At least one host; they have user, virtual host and parameters in common.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerHosts(Vec<AMQPUri>);

impl BrokerHosts {
    /// With this heartbeat (in seconds), unless the URL has one.
    pub fn with_default_heartbeat(mut self, heartbeat: u16) -> Self {
        for uri in &mut self.0 {
            uri.query.heartbeat.get_or_insert(heartbeat);
        }
        self
    }

    /// Tries the hosts in random order until one of them opens a connection. So connections spread
    /// over the nodes, and none of them waits for the same dead host first each time.
    pub async fn connect<T, F: Future<Output = lapin::Result<T>>>(
        &self,
        connect: impl Fn(AMQPUri) -> F,
    ) -> Result<T, RabbitError> {
        let mut order: Vec<usize> = (0..self.0.len()).collect();
        fastrand::shuffle(&mut order);
        let mut failed = Vec::new();
        while let Some(host) = order.pop() {
            let uri = &self.0[host];
            let limit = if order.is_empty() { RPC_TIMEOUT } else { HOST_TIMEOUT };
            let error = match tokio::time::timeout(limit, connect(uri.clone())).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => rabbit_error(&error),
                Err(_) => RabbitError::Unavailable("no reply in time".to_owned()),
            };
            match error {
                RabbitError::Unavailable(reason) => failed.push((host, reason)),
                error => return Err(error),
            }
        }
        // In the order of the setting: an outage whose reasons do not change has one text.
        failed.sort_unstable();
        let failed: Vec<String> = failed
            .into_iter()
            .map(|(host, reason)| format!("{}: {reason}", host_and_port(&self.0[host])))
            .collect();
        Err(RabbitError::Unavailable(failed.join("; ")))
    }
}

impl fmt::Debug for BrokerHosts {
    /// Without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(host_and_port)).finish()
    }
}

fn host_and_port(uri: &AMQPUri) -> String {
    let (host, port) = (&uri.authority.host, uri.authority.port);
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

impl FromStr for BrokerHosts {
    /// Names the position of the mistake, and nothing of the URL: what looks like a host may be a
    /// part of the password.
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let (scheme, rest) =
            url.split_once("://").ok_or("it must begin with amqp:// or amqps://")?;
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if rest.contains('@') {
            return Err(
                "there is an @ behind the hosts: in user, password and virtual host, write \
                        / as %2F, ? as %3F, # as %23 and @ as %40"
                    .to_owned(),
            );
        }
        url_parameters::ensure_valid(url)?;
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let common: AMQPUri = format!("{scheme}://{user}localhost{rest}").parse()?;
        // As lapin and other clients have it.
        let hosts = if hosts.is_empty() { "localhost" } else { hosts };
        let uris = (1..).zip(hosts.split(',')).map(|(number, host)| {
            let mut uri = common.clone();
            let default_port = common.scheme.default_port();
            let parsed = parse_host(host, default_port);
            let (host, port) = parsed.map_err(|problem| format!("host {number}: {problem}"))?;
            (uri.authority.host, uri.authority.port) = (host.to_owned(), port);
            Ok(uri)
        });
        uris.collect::<Result<_, String>>().map(Self)
    }
}

fn parse_host(host: &str, default_port: u16) -> Result<(&str, u16), &'static str> {
    let (name, port) = if let Some(rest) = host.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or("it has a [ without a ]")?;
        if address.parse::<Ipv6Addr>().is_err() {
            return Err("there is no IPv6 address between its brackets");
        }
        (address, port)
    } else {
        let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
        let is_allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if port.matches(':').count() > 1 {
            return Err("an IPv6 address needs brackets");
        }
        if name.is_empty() {
            return Err("it is empty");
        }
        if !name.chars().all(is_allowed) {
            return Err("it has a character that is not allowed in a host name");
        }
        (name, port)
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => Some(default_port),
        Some(digits) if digits.bytes().all(|it| it.is_ascii_digit()) => {
            digits.parse().ok().filter(|&port| port > 0)
        }
        _ => None,
    };
    port.map(|port| (name, port)).ok_or("its port is not a number from 1 to 65535")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio::time::Instant;

    use super::*;

    fn hosts(url: &str) -> Vec<String> {
        url.parse::<BrokerHosts>().unwrap().0.iter().map(host_and_port).collect()
    }

    fn three() -> BrokerHosts {
        "amqp://shop:secret@a,b:5673,c/orders?heartbeat=7".parse().unwrap()
    }

    fn refused() -> lapin::Error {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        lapin::ErrorKind::IOError(std::sync::Arc::new(refused)).into()
    }

    #[test]
    fn a_url_names_one_host_or_several() {
        for (url, expected) in [
            ("amqp://guest:guest@broker:5672/%2f", &["broker:5672"][..]),
            ("amqp://broker", &["broker:5672"]),
            ("amqps://broker", &["broker:5671"]),
            ("amqp://u:p,w@a:1,b,127.0.0.1:65535/v,w", &["a:1", "b:5672", "127.0.0.1:65535"]),
            ("amqps://a,[2001:db8::1]:5,[::1]", &["a:5671", "[2001:db8::1]:5", "[::1]:5671"]),
            ("amqp://", &["localhost:5672"]),
            ("amqp://u:p@/vhost", &["localhost:5672"]),
        ] {
            assert_eq!(hosts(url), expected, "{url}");
        }
    }

    #[test]
    fn user_virtual_host_and_parameters_are_those_of_each_host() {
        for uri in three().0 {
            let user = &uri.authority.userinfo;
            assert_eq!((user.username.as_str(), user.password.as_str()), ("shop", "secret"));
            assert_eq!((uri.vhost.as_str(), uri.query.heartbeat), ("orders", Some(7)));
        }
    }

    #[test]
    fn a_malformed_list_is_an_error_that_names_the_host_by_its_number_and_no_secret() {
        for (url, expected) in [
            ("amqp://u:secret@a,,c/", "host 2: it is empty"),
            ("amqp://u:secret@a,/", "host 2: it is empty"),
            ("amqp://u:secret@a, b/", "host 2: it has a character"),
            ("amqp://u:secret@a:0/", "host 1: its port is not a number"),
            ("amqp://u:secret@a,b:65536/", "host 2: its port is not a number"),
            ("amqp://u:secret@a:+1/", "host 1: its port is not a number"),
            ("amqp://u:secret@a:/", "host 1: its port is not a number"),
            ("amqp://u:secret", "host 1: its port is not a number"),
            ("amqp://u:secret@[::1/", "host 1: it has a [ without a ]"),
            ("amqp://u:secret@[a]/", "host 1: there is no IPv6 address"),
            ("amqp://u:secret@[::1]5672/", "host 1: its port is not a number"),
            ("amqp://u:secret@2001:db8::1/", "host 1: an IPv6 address needs brackets"),
            ("amqp://u:12/secret@a,b/", "write / as %2F"),
            ("amqp://u:12?secret@a,b/", "? as %3F"),
            ("amqp://u:secret@a,b/?heartbeat=secret", "must be a number from 0 to 65535"),
            ("secret", "must begin with amqp://"),
        ] {
            let error = url.parse::<BrokerHosts>().unwrap_err();
            assert!(error.contains(expected), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn no_log_line_shows_the_password() {
        assert_eq!(format!("{:?}", three()), r#"["a:5672", "b:5673", "c:5672"]"#);
    }

    #[tokio::test]
    async fn connections_spread_over_the_hosts() {
        let mut first = BTreeSet::new();
        for _ in 0..100 {
            first.insert(three().connect(async |uri| Ok(uri.authority.host)).await.unwrap());
        }
        assert_eq!(first.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_host_is_tried_when_one_refuses_or_does_not_reply() {
        for _ in 0..20 {
            let began = Instant::now();
            let hosts = three();
            let connected = hosts.connect(async |uri| match uri.authority.host.as_str() {
                "a" => Err(refused()),
                "b" => std::future::pending().await,
                host => Ok(host.to_owned()),
            });
            assert_eq!(connected.await.unwrap(), "c");
            assert!(began.elapsed() <= HOST_TIMEOUT, "{:?}", began.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slow_hosts_can_be_reached() {
        let hosts = three();
        let connected = hosts.connect(async |_| {
            tokio::time::sleep(HOST_TIMEOUT * 2).await;
            Ok(())
        });
        connected.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_names_the_hosts_tried_in_the_order_of_the_setting() {
        for _ in 0..20 {
            let hosts = three();
            let connected = hosts.connect(async |uri| match uri.authority.host.as_str() {
                "a" => std::future::pending().await,
                _ => Err::<(), _>(refused()),
            });
            assert_eq!(
                connected.await.unwrap_err().to_string(),
                "a:5672: no reply in time; b:5673: connection refused; c:5672: connection refused"
            );
        }
    }
}
