//! All sessions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::session::Session;
use crate::entrypoints::http::auth::{Caller, TokenHash, new_secret};

/// Maximum number of sessions; one more ends the oldest.
const MAX_SESSIONS: usize = 1_000;

/// Maximum age of a session.
const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

/// Sessions by the hash of their id, so that the time of a look-up reveals nothing about an id.
#[derive(Debug)]
pub struct Sessions {
    entries: Mutex<HashMap<TokenHash, Entry>>,
    /// For all clients on this machine, if no token is required.
    local: Arc<Session>,
}

#[derive(Debug)]
struct Entry {
    session: Arc<Session>,
    since: Instant,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { entries: Mutex::default(), local: Arc::new(Session::of(Caller::local(), None)) }
    }
}

impl Sessions {
    /// Starts a session and returns its id, which only the browser stores.
    pub fn start(&self, caller: Caller, token: TokenHash) -> String {
        let id = new_secret().expect("the system has random numbers");
        let session = Arc::new(Session::of(caller, Some(token)));
        let mut entries = self.lock();
        entries.retain(|_, entry| entry.is_current());
        if entries.len() >= MAX_SESSIONS {
            let oldest = entries.iter().min_by_key(|(_, it)| it.since).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest.and_then(|oldest| entries.remove(&oldest)) {
                oldest.session.ended.cancel();
            }
        }
        entries.insert(TokenHash::of(&id), Entry { session, since: Instant::now() });
        id
    }

    pub fn find(&self, id: &str) -> Option<Arc<Session>> {
        let entries = self.lock();
        let entry = entries.get(&TokenHash::of(id)).filter(|entry| entry.is_current());
        entry.map(|entry| entry.session.clone())
    }

    pub fn end(&self, id: &str) {
        if let Some(entry) = self.lock().remove(&TokenHash::of(id)) {
            entry.session.ended.cancel();
        }
    }

    pub fn local(&self) -> Arc<Session> {
        self.local.clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenHash, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is_current(&self) -> bool {
        self.since.elapsed() < LIFETIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entrypoints::http::auth::Role;

    fn ada() -> Caller {
        Caller { name: "ada".to_owned(), role: Role::Operator }
    }

    fn start(sessions: &Sessions) -> String {
        sessions.start(ada(), TokenHash::of("owt_ada"))
    }

    #[test]
    fn a_session_is_found_by_its_id_until_it_ends() {
        let sessions = Sessions::default();
        let id = start(&sessions);
        assert_eq!(sessions.find(&id).unwrap().caller, ada());

        sessions.end(&id);

        assert!(sessions.find(&id).is_none());
    }

    #[test]
    fn no_other_id_finds_a_session() {
        let sessions = Sessions::default();
        let id = start(&sessions);
        for forged in ["", "local", &id[1..], &format!("{id}A"), &new_secret().unwrap()] {
            assert!(sessions.find(forged).is_none(), "{forged}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_after_twelve_hours() {
        let sessions = Sessions::default();
        let id = start(&sessions);

        let half = LIFETIME / 2;
        tokio::time::advance(half).await;
        assert!(sessions.find(&id).is_some());
        tokio::time::advance(half).await;
        assert!(sessions.find(&id).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_session_more_than_the_maximum_ends_the_oldest() {
        let sessions = Sessions::default();
        let first = start(&sessions);
        tokio::time::advance(Duration::from_secs(1)).await;
        let others: Vec<String> = (1..MAX_SESSIONS).map(|_| start(&sessions)).collect();
        assert!(sessions.find(&first).is_some());

        let last = start(&sessions);

        assert!(sessions.find(&first).is_none());
        assert!(others.iter().chain([&last]).all(|id| sessions.find(id).is_some()));
    }
}
