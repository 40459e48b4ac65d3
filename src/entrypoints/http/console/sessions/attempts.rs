//! Limits failed sign-ins per address.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use tokio::time::Instant;

/// Maximum number of wrong tokens from one address within [`PERIOD`].
const MAX_FAILURES: u32 = 10;

const PERIOD: Duration = Duration::from_secs(60);

/// Maximum number of addresses; one more replaces the oldest.
const MAX_ADDRESSES: usize = 1_000;

/// Failed sign-ins by address.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<IpAddr, Failures>>);

#[derive(Debug)]
struct Failures {
    count: u32,
    since: Instant,
}

impl Attempts {
    /// The time until an address may try again, if it has to wait.
    pub fn retry_after(&self, address: IpAddr) -> Option<Duration> {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = failures.get(&address).filter(|it| it.count >= MAX_FAILURES)?;
        PERIOD.checked_sub(failures.since.elapsed()).filter(|wait| !wait.is_zero())
    }

    pub fn record_failure(&self, address: IpAddr) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, it| it.since.elapsed() < PERIOD);
        if failures.len() >= MAX_ADDRESSES && !failures.contains_key(&address) {
            let oldest = failures.iter().min_by_key(|(_, it)| it.since).map(|(key, _)| *key);
            oldest.map(|oldest| failures.remove(&oldest));
        }
        let none = Failures { count: 0, since: Instant::now() };
        failures.entry(address).or_insert(none).count += 1;
    }
}

/// The client's address: the peer's, or the one that a proxy in a private network reports.
pub fn client_address(parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let peer =
        peer.map_or(IpAddr::from([0, 0, 0, 0]), |ConnectInfo(peer)| peer.ip().to_canonical());
    let is_private = match peer {
        IpAddr::V4(it) => it.is_loopback() || it.is_private(),
        IpAddr::V6(it) => it.is_loopback() || it.is_unique_local(),
    };
    let forwarded = parts.headers.get("x-forwarded-for").and_then(|it| it.to_str().ok());
    // The last address was added by the nearest proxy; those before it can be forged.
    let reported =
        forwarded.and_then(|all| all.rsplit(',').next()).and_then(|it| it.trim().parse().ok());
    reported.filter(|_| is_private).unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[tokio::test(start_paused = true)]
    async fn after_ten_wrong_tokens_an_address_waits_a_minute() {
        let attempts = Attempts::default();
        for _ in 0..MAX_FAILURES {
            assert_eq!(attempts.retry_after(ADDRESS), None);
            attempts.record_failure(ADDRESS);
        }

        assert_eq!(attempts.retry_after(ADDRESS), Some(PERIOD));

        tokio::time::advance(PERIOD).await;
        assert_eq!(attempts.retry_after(ADDRESS), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_addresses_is_limited() {
        let attempts = Attempts::default();
        for number in 0..10_000_u32 {
            attempts.record_failure(IpAddr::V4(number.into()));
        }
        assert_eq!(attempts.0.lock().unwrap().len(), MAX_ADDRESSES);
    }

    #[test]
    fn only_a_proxy_in_a_private_network_may_report_another_address() {
        let address_from = |peer: [u8; 4]| {
            let request =
                axum::http::Request::builder().header("x-forwarded-for", "1.1.1.1, 192.0.2.1");
            let (mut parts, ()) = request.body(()).unwrap().into_parts();
            parts.extensions.insert(ConnectInfo(SocketAddr::from((peer, 1))));
            client_address(&parts)
        };
        assert_eq!(address_from([10, 0, 0, 1]), ADDRESS);
        assert_eq!(address_from([203, 0, 113, 1]), IpAddr::from([203, 0, 113, 1]));
    }
}
