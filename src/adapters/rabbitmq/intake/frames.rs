//! Splits the incoming bytes into AMQP 0-9-1 frames and checks or rewrites each before lapin reads
//! it.
//!
//! Method frames get their short strings made UTF-8, content headers pass the gate and are repaired
//! where lapin could not parse them, and the body frames of a discarded message are dropped. The
//! buffer has two parts: bytes that lapin may read, and bytes that are still to be checked.

use std::collections::HashMap;
use std::io;
use std::task::{Context, Poll, ready};

use super::broker_version::BrokerVersion;
use super::gate::{Admission, Gate};
use super::{content_header, field_table};

/// Frame type (1 byte), channel (2) and payload length (4).
const FRAME_HEADER_BYTES: usize = 7;
const FRAME_END: u8 = 0xCE;

const METHOD: u8 = 1;
const CONTENT_HEADER: u8 = 2;
const CONTENT_BODY: u8 = 3;
const HEARTBEAT: u8 = 8;

/// A longer frame means that the server does not speak AMQP 0-9-1. RabbitMQ's frames have at most
/// 128 KiB by default, except for the properties of messages published with AMQP 1.0, which can be
/// as large as a message.
const MAX_FRAME_BYTES: usize = 512 * 1024 * 1024;

// Class id and method id.
const START: [u8; 4] = [0, 10, 0, 10];
const TUNE: [u8; 4] = [0, 10, 0, 30];
const CONNECTION_CLOSE: [u8; 4] = [0, 10, 0, 50];
const CHANNEL_CLOSE: [u8; 4] = [0, 20, 0, 40];
const RETURN: [u8; 4] = [0, 60, 0, 50];
const DELIVER: [u8; 4] = [0, 60, 0, 60];
const GET_OK: [u8; 4] = [0, 60, 0, 71];

/// Filters the frames of one connection.
#[derive(Debug, Default)]
pub struct FrameFilter {
    /// Bytes received and not read by lapin yet.
    buffer: Vec<u8>,
    /// How many bytes of the buffer are checked: lapin may read them.
    checked: usize,
    /// The negotiated maximum frame size: what both sides accept.
    frame_max: usize,
    /// The maximum frame size that the broker proposed.
    broker_frame_max: usize,
    /// Whether the caller reconnects with larger frames when lapin refuses one.
    may_grow: bool,
    /// Admits messages by their bytes; without a gate, all are admitted.
    gate: Option<Gate>,
    channels: HashMap<[u8; 2], Content>,
    broker_version: BrokerVersion,
}

/// The message that is being received on a channel.
#[derive(Debug, Default)]
struct Content {
    /// Set between a `basic.deliver` and its content header.
    delivery_tag: Option<u64>,
    /// How many bytes of its body are still to be dropped.
    body_to_drop: u64,
}

/// A complete frame in the buffer.
#[derive(Debug, Clone, Copy)]
struct Frame {
    kind: u8,
    channel: [u8; 2],
    /// Where its payload starts.
    start: usize,
    /// One past its end byte.
    end: usize,
}

impl FrameFilter {
    /// For a client that accepts frames of up to `frame_max` bytes; without a maximum, as large as
    /// the broker proposes.
    pub fn new(frame_max: Option<u32>, gate: Option<Gate>) -> Self {
        let frame_max = frame_max.and_then(|bytes| usize::try_from(bytes).ok());
        Self {
            // 0 means no limit.
            frame_max: frame_max.filter(|&bytes| bytes > 0).unwrap_or(MAX_FRAME_BYTES),
            broker_frame_max: MAX_FRAME_BYTES,
            gate,
            ..Self::default()
        }
    }

    /// Passes on larger content headers as well, if the caller reconnects with larger frames when
    /// lapin refuses one.
    pub fn with_frame_growth(self, may_grow: bool) -> Self {
        Self { may_grow, ..self }
    }

    /// Stores the version that the broker reports.
    pub fn with_broker_version(self, broker_version: BrokerVersion) -> Self {
        Self { broker_version, ..self }
    }

    /// The buffer to which bytes from the broker are appended.
    pub fn input(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Moves checked bytes into `out`, as many as fit; returns how many.
    pub fn read_into(&mut self, out: &mut [u8]) -> usize {
        let count = self.checked.min(out.len());
        out[..count].copy_from_slice(&self.buffer[..count]);
        self.buffer.drain(..count);
        self.checked -= count;
        count
    }

    /// Checks all complete frames in the buffer. Ready when more bytes are needed. Pending while a
    /// message waits for the gate: its frame is checked again on the next call.
    ///
    /// # Errors
    /// When the bytes are not AMQP 0-9-1.
    pub fn poll_filter(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A broker that speaks another protocol version answers with a protocol header, then
        // closes.
        if self.buffer[self.checked..].starts_with(b"AMQP") {
            self.checked = self.buffer.len();
        }
        while let Some(frame) = self.next_frame()? {
            match frame.kind {
                METHOD => self.method(frame),
                CONTENT_HEADER => ready!(self.content_header(frame, context))?,
                CONTENT_BODY => self.content_body(frame),
                _ => self.pass(frame.end),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn next_frame(&self) -> io::Result<Option<Frame>> {
        let rest = &self.buffer[self.checked..];
        let Some((&[kind, high, low, a, b, c, d], _)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([a, b, c, d]);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if !matches!(kind, METHOD | CONTENT_HEADER | CONTENT_BODY | HEARTBEAT)
            || length > MAX_FRAME_BYTES
        {
            return Err(invalid("the server does not speak AMQP 0-9-1"));
        }
        let start = self.checked + FRAME_HEADER_BYTES;
        let end = start + length;
        match self.buffer.get(end) {
            None => Ok(None),
            Some(&FRAME_END) => Ok(Some(Frame { kind, channel: [high, low], start, end: end + 1 })),
            Some(_) => Err(invalid("a frame does not end with 0xCE")),
        }
    }

    fn payload(&self, frame: Frame) -> &[u8] {
        &self.buffer[frame.start..frame.end - 1]
    }

    fn pass(&mut self, end: usize) {
        self.checked = end;
    }

    /// Replaces the payload of a frame and passes it.
    fn pass_rewritten(&mut self, frame: Frame, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
        self.buffer.splice(frame.start - 4..frame.end - 1, length.iter().chain(payload).copied());
        self.checked = frame.start + payload.len() + 1;
    }

    fn method(&mut self, frame: Frame) {
        let payload = self.payload(frame);
        let Some((&method, arguments)) = payload.split_first_chunk::<4>() else {
            return self.pass(frame.end);
        };
        // Where the short strings start, and how many there are.
        let short_strings = match method {
            START => {
                self.broker_version.set(server_version(arguments));
                return self.pass(frame.end);
            }
            TUNE => {
                if let Some(&[_, _, a, b, c, d]) = arguments.first_chunk() {
                    self.set_broker_frame_max(u32::from_be_bytes([a, b, c, d]));
                }
                return self.pass(frame.end);
            }
            // Reply code; reply text, which RabbitMQ may cut off within a character.
            CONNECTION_CLOSE | CHANNEL_CLOSE => Some((2, 1)),
            // Reply code; reply text, exchange, routing key.
            RETURN => Some((2, 3)),
            // Consumer tag, delivery tag, redelivered; exchange, routing key.
            DELIVER => arguments.first().map(|length| (1 + usize::from(*length) + 9, 2)),
            // Delivery tag, redelivered; exchange, routing key.
            GET_OK => Some((9, 2)),
            _ => return self.pass(frame.end),
        };
        let Some((offset, count)) = short_strings.filter(|(offset, _)| arguments.len() >= *offset)
        else {
            return self.pass(frame.end);
        };
        if method == DELIVER {
            let delivery_tag =
                arguments[offset - 9..].first_chunk().map(|tag| u64::from_be_bytes(*tag));
            self.channels.entry(frame.channel).or_default().delivery_tag = delivery_tag;
        }
        let payload = self.payload(frame);
        match with_utf8_strings(payload, 4 + offset, count) {
            Some(rewritten) => self.pass_rewritten(frame, &rewritten),
            None => self.pass(frame.end),
        }
    }

    fn set_broker_frame_max(&mut self, frame_max: u32) {
        // 0 means no limit.
        if let Some(frame_max) = usize::try_from(frame_max).ok().filter(|&bytes| bytes > 0) {
            self.frame_max = self.frame_max.min(frame_max);
            self.broker_frame_max = frame_max;
        }
    }

    fn content_header(&mut self, frame: Frame, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let payload = &self.buffer[frame.start..frame.end - 1];
        let Some(body_size) = content_header::body_size(payload) else {
            return Poll::Ready(Err(invalid("a content header is cut off")));
        };
        let content = self.channels.entry(frame.channel).or_default();
        if let (Some(gate), Some(delivery_tag)) = (&mut self.gate, content.delivery_tag) {
            let body = usize::try_from(body_size).unwrap_or(usize::MAX);
            let bytes = body.saturating_add(payload.len());
            match ready!(gate.poll_admit(context, delivery_tag, bytes)) {
                Admission::Admitted => {}
                Admission::Discarded => {
                    content.body_to_drop = body_size;
                    content.delivery_tag = None;
                    let header = content_header::without_content(payload);
                    self.pass_rewritten(frame, &header);
                    return Poll::Ready(Ok(()));
                }
            }
        }
        content.delivery_tag = None;
        let max_bytes = self.max_header_frame().saturating_sub(FRAME_HEADER_BYTES + 1);
        match content_header::repaired(payload, max_bytes) {
            Some(repaired) => self.pass_rewritten(frame, &repaired),
            None => self.pass(frame.end),
        }
        Poll::Ready(Ok(()))
    }

    /// lapin waits forever for a frame that is larger than its read buffer, which has room for 32
    /// frames.
    fn max_header_frame(&self) -> usize {
        if self.may_grow {
            self.broker_frame_max.min(self.frame_max.saturating_mul(16))
        } else {
            self.frame_max
        }
    }

    fn content_body(&mut self, frame: Frame) {
        let length = u64::try_from(frame.end - 1 - frame.start).unwrap_or(u64::MAX);
        match self.channels.get_mut(&frame.channel) {
            Some(content) if content.body_to_drop > 0 => {
                content.body_to_drop = content.body_to_drop.saturating_sub(length);
                self.buffer.drain(self.checked..frame.end);
            }
            _ => self.pass(frame.end),
        }
    }
}

/// The `version` among the server properties, which follow the protocol version (2 bytes) in the
/// arguments of `connection.start`.
fn server_version(arguments: &[u8]) -> Option<&str> {
    let (length, properties) = arguments.get(2..)?.split_first_chunk::<4>()?;
    let mut properties = properties.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    while let Some(entry) = field_table::take_entry(&mut properties) {
        if entry.name == b"version" {
            return std::str::from_utf8(entry.value.get(5..)?).ok();
        }
    }
    None
}

/// The payload of a method whose `count` short strings from `start` on are made UTF-8; `None` when
/// they are UTF-8 already or cut off.
fn with_utf8_strings(payload: &[u8], start: usize, count: usize) -> Option<Vec<u8>> {
    let mut rewritten = payload[..start].to_vec();
    let mut rest = &payload[start..];
    let mut is_changed = false;
    for _ in 0..count {
        let (&length, after) = rest.split_first()?;
        let (text, after) = after.split_at_checked(length.into())?;
        let lossy = String::from_utf8_lossy(text);
        is_changed |= lossy.as_bytes() != text;
        rewritten.extend_from_slice(&content_header::short_string(&lossy));
        rest = after;
    }
    rewritten.extend_from_slice(rest);
    is_changed.then_some(rewritten)
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
