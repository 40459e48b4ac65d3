//! The URL of a server, which may change while the worker runs.

use std::fmt;
use std::sync::Arc;

/// Reads the present URL of a server. Adapters ask for it before each connection, because a file that
/// contains it may have got another password.
#[derive(Clone)]
pub struct ServerUrl(Arc<dyn Fn() -> String + Send + Sync>);

impl ServerUrl {
    pub fn new(read: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    pub fn read(&self) -> String {
        self.0()
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerUrl(…)")
    }
}
