//! What the pages share.

use super::sessions::{Attempts, Sessions};

/// Who is signed in.
#[derive(Debug, Default)]
pub struct Console {
    pub(super) sessions: Sessions,
    pub(super) attempts: Attempts,
}
