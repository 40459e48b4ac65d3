//! All sessions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::secret::secret;
use super::session::Session;
use crate::entrypoints::http::auth::{Caller, TokenHash};

/// Most sessions; one more ends the oldest.
const MAX_SESSIONS: usize = 1_000;

/// Time from signing in to the end of a session.
const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

/// Sessions by the hashes of their ids: how long a look-up takes tells nothing about an id.
#[derive(Debug)]
pub struct Sessions {
    kept: Mutex<HashMap<[u8; 32], Kept>>,
    /// The one of whoever is on this machine while there are no tokens.
    local: Arc<Session>,
}

#[derive(Debug)]
struct Kept {
    session: Arc<Session>,
    since: Instant,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { kept: Mutex::default(), local: Arc::new(Session::of(Caller::local(), None)) }
    }
}

impl Sessions {
    /// Begins a session and returns its id, which only the browser keeps.
    pub fn begin(&self, caller: Caller, token: TokenHash) -> String {
        let id = secret();
        let session = Arc::new(Session::of(caller, Some(token)));
        let mut kept = self.lock();
        kept.retain(|_, kept| kept.is_good());
        if kept.len() >= MAX_SESSIONS {
            let oldest = kept.iter().min_by_key(|(_, kept)| kept.since).map(|(key, _)| *key);
            if let Some(ended) = oldest.and_then(|oldest| kept.remove(&oldest)) {
                ended.session.over.cancel();
            }
        }
        kept.insert(key(&id), Kept { session, since: Instant::now() });
        id
    }

    pub fn find(&self, id: &str) -> Option<Arc<Session>> {
        let kept = self.lock();
        kept.get(&key(id)).filter(|kept| kept.is_good()).map(|kept| kept.session.clone())
    }

    pub fn end(&self, id: &str) {
        if let Some(ended) = self.lock().remove(&key(id)) {
            ended.session.over.cancel();
        }
    }

    pub fn local(&self) -> Arc<Session> {
        self.local.clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is_good(&self) -> bool {
        self.since.elapsed() < LIFETIME
    }
}

fn key(id: &str) -> [u8; 32] {
    Sha256::digest(id).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entrypoints::http::auth::Role;

    fn ada() -> Caller {
        Caller { name: "ada".to_owned(), role: Role::Operator }
    }

    fn begin(sessions: &Sessions) -> String {
        sessions.begin(ada(), TokenHash::of("owt_ada"))
    }

    #[test]
    fn a_session_is_found_by_its_id_until_it_is_ended() {
        let sessions = Sessions::default();
        let id = begin(&sessions);
        assert_eq!(sessions.find(&id).unwrap().caller, ada());

        sessions.end(&id);

        assert!(sessions.find(&id).is_none());
    }

    #[test]
    fn no_other_id_finds_a_session() {
        let sessions = Sessions::default();
        let id = begin(&sessions);
        for forged in ["", "local", &id[1..], &format!("{id}A"), &secret()] {
            assert!(sessions.find(forged).is_none(), "{forged}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_after_twelve_hours() {
        let sessions = Sessions::default();
        let id = begin(&sessions);

        let half = LIFETIME / 2;
        tokio::time::advance(half).await;
        assert!(sessions.find(&id).is_some());
        tokio::time::advance(half).await;
        assert!(sessions.find(&id).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_session_too_many_ends_the_oldest() {
        let sessions = Sessions::default();
        let first = begin(&sessions);
        tokio::time::advance(Duration::from_secs(1)).await;
        let others: Vec<String> = (1..MAX_SESSIONS).map(|_| begin(&sessions)).collect();
        assert!(sessions.find(&first).is_some());

        let last = begin(&sessions);

        assert!(sessions.find(&first).is_none());
        assert!(others.iter().chain([&last]).all(|id| sessions.find(id).is_some()));
    }
}
