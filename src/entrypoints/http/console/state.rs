//! State shared by the pages.

use chrono::{DateTime, Utc};

use super::doctor::LastReport;
use super::events::Hub;
use super::sessions::{Attempts, Sessions};

#[derive(Debug)]
pub struct Console {
    pub(super) started_at: DateTime<Utc>,
    pub(super) sessions: Sessions,
    pub(super) attempts: Attempts,
    pub(super) events: Hub,
    pub(super) last_report: LastReport,
}

impl Console {
    pub fn new(started_at: DateTime<Utc>) -> Self {
        Self {
            started_at,
            sessions: Sessions::default(),
            attempts: Attempts::default(),
            events: Hub::default(),
            last_report: LastReport::default(),
        }
    }
}
