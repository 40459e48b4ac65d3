//! How often somebody may be wrong.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use tokio::time::Instant;

/// Most wrong tokens from one address within [`PERIOD`].
const MAX_FAILURES: u32 = 10;

const PERIOD: Duration = Duration::from_secs(60);

/// Most addresses that are remembered; one more has the oldest forgotten.
const MAX_ADDRESSES: usize = 1_000;

/// Wrong tokens by address.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<IpAddr, Failures>>);

#[derive(Debug)]
struct Failures {
    count: u32,
    since: Instant,
}

impl Attempts {
    /// How long an address has to wait before it may try again.
    pub fn wait_of(&self, address: IpAddr) -> Option<Duration> {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = failures.get(&address).filter(|it| it.count >= MAX_FAILURES)?;
        PERIOD.checked_sub(failures.since.elapsed()).filter(|wait| !wait.is_zero())
    }

    pub fn note_failure(&self, address: IpAddr) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, it| it.since.elapsed() < PERIOD);
        if failures.len() >= MAX_ADDRESSES && !failures.contains_key(&address) {
            let oldest = failures.iter().min_by_key(|(_, it)| it.since).map(|(key, _)| *key);
            oldest.map(|oldest| failures.remove(&oldest));
        }
        let fresh = Failures { count: 0, since: Instant::now() };
        failures.entry(address).or_insert(fresh).count += 1;
    }
}

/// The address that asks: the peer's, or the one that a proxy nearby names.
pub fn origin_of(parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let peer =
        peer.map_or(IpAddr::from([0, 0, 0, 0]), |ConnectInfo(peer)| peer.ip().to_canonical());
    let is_near = match peer {
        IpAddr::V4(it) => it.is_loopback() || it.is_private(),
        IpAddr::V6(it) => it.is_loopback() || it.is_unique_local(),
    };
    let forwarded = parts.headers.get("x-forwarded-for").and_then(|it| it.to_str().ok());
    // The last one is what the nearest proxy saw; those before are hearsay.
    let named =
        forwarded.and_then(|all| all.rsplit(',').next()).and_then(|it| it.trim().parse().ok());
    named.filter(|_| is_near).unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[tokio::test(start_paused = true)]
    async fn ten_wrong_tokens_cost_a_minute() {
        let attempts = Attempts::default();
        for _ in 0..MAX_FAILURES {
            assert_eq!(attempts.wait_of(ADDRESS), None);
            attempts.note_failure(ADDRESS);
        }

        assert_eq!(attempts.wait_of(ADDRESS), Some(PERIOD));

        tokio::time::advance(PERIOD).await;
        assert_eq!(attempts.wait_of(ADDRESS), None);
    }

    #[tokio::test(start_paused = true)]
    async fn many_addresses_do_not_fill_the_memory() {
        let attempts = Attempts::default();
        for number in 0..10_000_u32 {
            attempts.note_failure(IpAddr::V4(number.into()));
        }
        assert_eq!(attempts.0.lock().unwrap().len(), MAX_ADDRESSES);
    }

    #[test]
    fn only_a_proxy_nearby_may_name_another_address() {
        let asked = |peer: [u8; 4]| {
            let request =
                axum::http::Request::builder().header("x-forwarded-for", "1.1.1.1, 192.0.2.1");
            let (mut parts, ()) = request.body(()).unwrap().into_parts();
            parts.extensions.insert(ConnectInfo(SocketAddr::from((peer, 1))));
            origin_of(&parts)
        };
        assert_eq!(asked([10, 0, 0, 1]), ADDRESS);
        assert_eq!(asked([203, 0, 113, 1]), IpAddr::from([203, 0, 113, 1]));
    }
}
