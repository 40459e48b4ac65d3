//! State shared by the pages.

use chrono::{DateTime, Utc};

use super::events::Hub;
use super::sessions::{Attempts, Sessions};

#[derive(Debug)]
pub struct Console {
    pub(super) started_at: DateTime<Utc>,
    pub(super) sessions: Sessions,
    pub(super) attempts: Attempts,
    pub(super) events: Hub,
}

impl Console {
    pub fn new(started_at: DateTime<Utc>) -> Self {
        Self {
            started_at,
            sessions: Sessions::default(),
            attempts: Attempts::default(),
            events: Hub::default(),
        }
    }
}
