//! What comes from the broker, before the client library reads it.
//!
//! Whoever may publish a message decides what is in it, and the client reads all of it: a header of
//! some thousand lists within each other ends its thread by a stack overflow, and with it the process;
//! a property that is not UTF-8 ends the connection; large bodies fill the memory, as a prefetch
//! counts messages, not bytes. So a connection hands the client only [frames that it can read], and
//! [lets messages in](GateKeeper) as far as there are bytes for them.
//!
//! [frames that it can read]: FrameFilter

mod broker_version;
mod content_header;
mod field_table;
mod frames;
mod gate;
mod runtime;
mod stream;

pub use broker_version::BrokerVersion;
pub use content_header::UNREADABLE;
pub use frames::FrameFilter;
pub use gate::GateKeeper;
pub use runtime::connect;
pub use stream::FilteredStream;
