//! Filters what the broker sends before lapin parses it.
//!
//! Every publisher chooses the properties, headers and size of its messages, and lapin parses
//! whatever arrives. Without a filter, a header of some thousand nested arrays overflows the stack
//! and aborts the process, a property that is not UTF-8 closes the connection, and large bodies
//! exhaust memory, because a prefetch counts messages and not bytes.
//!
//! ```text
//!   RabbitMQ
//!      │  TCP or TLS
//!      ▼
//!   FilteredStream::poll_read          the stream that lapin reads from, after TLS
//!      │  raw bytes
//!      ▼
//!   FrameFilter::poll_filter           one complete frame at a time
//!      ├─ method ─────────────────► makes short strings UTF-8 (deliver, return, close)
//!      ├─ content header ─┬───────► Gate: reserves the message's bytes, or pauses reading
//!      │                  └───────► content_header: rewrites properties that lapin cannot parse
//!      ├─ content body ───────────► passed on, or dropped with a discarded message
//!      └─ heartbeat ──────────────► passed on
//!      │  FrameFilter::read_into
//!      ▼
//!   lapin ──► Consumer ──► GateHandle::claim: the delivery takes over its byte reservation
//! ```
//!
//! Nothing is changed in the other direction. [`connect`] opens a lapin connection on such a
//! stream.

mod broker_version;
mod content_header;
mod field_table;
mod frames;
mod gate;
mod runtime;
mod stream;

pub use broker_version::BrokerVersion;
pub use content_header::UNREADABLE_HEADER;
pub use frames::FrameFilter;
pub use gate::GateHandle;
pub use runtime::connect;
pub use stream::FilteredStream;
