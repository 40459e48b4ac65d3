//! What the client is given of the bytes that a broker sends.
//!
//! The client reads everything that comes, whatever that costs: it follows nested headers until its
//! stack ends, gives up a connection over a property that is not UTF-8, and holds all bodies that it
//! is sent. So every frame is looked at before it; see [`FrameFilter::advance`].

use std::collections::HashMap;
use std::io;
use std::task::{Context, Poll, ready};

use super::broker_version::BrokerVersion;
use super::gate::{Admission, Gate};
use super::{content_header, field_table};

/// Type, channel and length, before the payload.
const FRAME_HEADER_BYTES: usize = 7;
const FRAME_END: u8 = 0xCE;

const METHOD: u8 = 1;
const CONTENT_HEADER: u8 = 2;
const CONTENT_BODY: u8 = 3;
const HEARTBEAT: u8 = 8;

/// Longer frames than this are no broker's. By default RabbitMQ makes frames of at most 128 KiB, but for
/// the properties of messages that were sent by AMQP 1.0: they may be as long as a message.
const MAX_FRAME_BYTES: usize = 512 * 1024 * 1024;

/// A class and a method.
const START: [u8; 4] = [0, 10, 0, 10];
const TUNE: [u8; 4] = [0, 10, 0, 30];
const CONNECTION_CLOSE: [u8; 4] = [0, 10, 0, 50];
const CHANNEL_CLOSE: [u8; 4] = [0, 20, 0, 40];
const RETURN: [u8; 4] = [0, 60, 0, 50];
const DELIVER: [u8; 4] = [0, 60, 0, 60];
const GET_OK: [u8; 4] = [0, 60, 0, 71];

/// Goes through the frames of one connection.
#[derive(Debug, Default)]
pub struct FrameFilter {
    /// What came, from the first byte on that was not given out.
    bytes: Vec<u8>,
    /// How many of these may be given out.
    passed: usize,
    /// The largest frame that both sides take.
    frame_max: usize,
    /// The largest frame that the broker takes.
    broker_max: usize,
    /// Whether a larger frame makes the client connect again, for frames as large as the broker's.
    may_grow: bool,
    /// Which bodies of messages are let in; without one, all.
    gate: Option<Gate>,
    channels: HashMap<[u8; 2], Content>,
    broker_version: BrokerVersion,
}

/// The message that is coming on a channel.
#[derive(Debug, Default)]
struct Content {
    /// Of the delivery whose header is to come.
    delivery_tag: Option<u64>,
    /// How many bytes of its body are still to be dropped.
    to_drop: u64,
}

/// A part of a frame whose place in the buffer is known.
#[derive(Debug, Clone, Copy)]
struct Frame {
    kind: u8,
    channel: [u8; 2],
    start: usize,
    end: usize,
}

impl FrameFilter {
    /// For a client that takes frames of `frame_max` bytes, or of as many as the broker wants.
    pub fn new(frame_max: Option<u32>, gate: Option<Gate>) -> Self {
        let frame_max = frame_max.and_then(|bytes| usize::try_from(bytes).ok());
        Self {
            // 0 stands for no limit.
            frame_max: frame_max.filter(|&bytes| bytes > 0).unwrap_or(MAX_FRAME_BYTES),
            broker_max: MAX_FRAME_BYTES,
            gate,
            ..Self::default()
        }
    }

    /// The same for a client that connects again, for larger frames, when it is given one.
    pub fn that_may_grow(self, may_grow: bool) -> Self {
        Self { may_grow, ..self }
    }

    /// The same, and it notes the version that the broker says it has.
    pub fn that_notes(self, broker_version: BrokerVersion) -> Self {
        Self { broker_version, ..self }
    }

    /// Where the next bytes from the broker are to be appended.
    pub fn input(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Moves as much to `out` as may be given out and as there is room for; returns how much.
    pub fn give_out(&mut self, out: &mut [u8]) -> usize {
        let count = self.passed.min(out.len());
        out[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes.drain(..count);
        self.passed -= count;
        count
    }

    /// Looks at all frames that are here whole. Ready when more bytes are needed; pending while a
    /// message waits for bytes to be free, and then its frame is still to be looked at.
    ///
    /// # Errors
    /// When what came is not AMQP 0-9-1.
    pub fn advance(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A broker that wants another version of the protocol says so with these bytes, and closes.
        if self.bytes[self.passed..].starts_with(b"AMQP") {
            self.passed = self.bytes.len();
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
        let rest = &self.bytes[self.passed..];
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
        let start = self.passed + FRAME_HEADER_BYTES;
        let end = start + length;
        match self.bytes.get(end) {
            None => Ok(None),
            Some(&FRAME_END) => Ok(Some(Frame { kind, channel: [high, low], start, end: end + 1 })),
            Some(_) => Err(invalid("a frame has no end")),
        }
    }

    fn payload(&self, frame: Frame) -> &[u8] {
        &self.bytes[frame.start..frame.end - 1]
    }

    fn pass(&mut self, end: usize) {
        self.passed = end;
    }

    /// Passes a frame with another payload.
    fn pass_instead(&mut self, frame: Frame, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
        self.bytes.splice(frame.start - 4..frame.end - 1, length.iter().chain(payload).copied());
        self.passed = frame.start + payload.len() + 1;
    }

    fn method(&mut self, frame: Frame) {
        let payload = self.payload(frame);
        let Some((&method, arguments)) = payload.split_first_chunk::<4>() else {
            return self.pass(frame.end);
        };
        // How many bytes stand before the texts, and whether the first text is behind them.
        let texts_after = match method {
            START => {
                self.broker_version.note(version_of_server(arguments));
                return self.pass(frame.end);
            }
            TUNE => {
                if let Some(&[_, _, a, b, c, d]) = arguments.first_chunk() {
                    self.broker_takes(u32::from_be_bytes([a, b, c, d]));
                }
                return self.pass(frame.end);
            }
            // A reply code and its text, which RabbitMQ cuts off in the middle of a character.
            CONNECTION_CLOSE | CHANNEL_CLOSE => Some((2, 1)),
            // A reply code, its text, exchange and routing key.
            RETURN => Some((2, 3)),
            // The consumer's tag, delivery tag and redelivered; exchange and routing key.
            DELIVER => arguments.first().map(|length| (1 + usize::from(*length) + 9, 2)),
            // Delivery tag and redelivered; exchange and routing key.
            GET_OK => Some((9, 2)),
            _ => return self.pass(frame.end),
        };
        let Some((before, texts)) = texts_after.filter(|(before, _)| arguments.len() >= *before)
        else {
            return self.pass(frame.end);
        };
        if method == DELIVER {
            let delivery_tag =
                arguments[before - 9..].first_chunk().map(|tag| u64::from_be_bytes(*tag));
            self.channels.entry(frame.channel).or_default().delivery_tag = delivery_tag;
        }
        let payload = self.payload(frame);
        match readable_texts(payload, 4 + before, texts) {
            Some(readable) => self.pass_instead(frame, &readable),
            None => self.pass(frame.end),
        }
    }

    fn broker_takes(&mut self, frame_max: u32) {
        // 0 stands for no limit.
        if let Some(frame_max) = usize::try_from(frame_max).ok().filter(|&bytes| bytes > 0) {
            self.frame_max = self.frame_max.min(frame_max);
            self.broker_max = frame_max;
        }
    }

    fn content_header(&mut self, frame: Frame, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let payload = &self.bytes[frame.start..frame.end - 1];
        let Some(body_bytes) = content_header::body_bytes(payload) else {
            return Poll::Ready(Err(invalid("the header of a message is cut off")));
        };
        let content = self.channels.entry(frame.channel).or_default();
        if let (Some(gate), Some(delivery_tag)) = (&mut self.gate, content.delivery_tag) {
            let body = usize::try_from(body_bytes).unwrap_or(usize::MAX);
            let bytes = body.saturating_add(payload.len());
            match ready!(gate.poll_admit(context, delivery_tag, bytes)) {
                Admission::Admitted => {}
                Admission::Discarded => {
                    content.to_drop = body_bytes;
                    content.delivery_tag = None;
                    let emptied = content_header::emptied(payload);
                    self.pass_instead(frame, &emptied);
                    return Poll::Ready(Ok(()));
                }
            }
        }
        content.delivery_tag = None;
        let max_bytes = self.largest_header().saturating_sub(FRAME_HEADER_BYTES + 1);
        match content_header::repaired(payload, max_bytes) {
            Some(repaired) => self.pass_instead(frame, &repaired),
            None => self.pass(frame.end),
        }
        Poll::Ready(Ok(()))
    }

    /// The client waits for ever for a frame that is larger than its buffer, which has room for 32.
    fn largest_header(&self) -> usize {
        if self.may_grow {
            self.broker_max.min(self.frame_max.saturating_mul(16))
        } else {
            self.frame_max
        }
    }

    fn content_body(&mut self, frame: Frame) {
        let length = u64::try_from(frame.end - 1 - frame.start).unwrap_or(u64::MAX);
        match self.channels.get_mut(&frame.channel) {
            Some(content) if content.to_drop > 0 => {
                content.to_drop = content.to_drop.saturating_sub(length);
                self.bytes.drain(self.passed..frame.end);
            }
            _ => self.pass(frame.end),
        }
    }
}

/// What the arguments of the first method say: protocol version, properties of the server, and more.
fn version_of_server(arguments: &[u8]) -> Option<&str> {
    let (length, properties) = arguments.get(2..)?.split_first_chunk::<4>()?;
    let mut properties = properties.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    while let Some(entry) = field_table::take_entry(&mut properties) {
        if entry.name == b"version" {
            return std::str::from_utf8(entry.value.get(5..)?).ok();
        }
    }
    None
}

/// The payload of a method with `texts` short texts from `start` on that are UTF-8; none where they
/// are already, or are not there.
fn readable_texts(payload: &[u8], start: usize, texts: usize) -> Option<Vec<u8>> {
    let mut readable = payload[..start].to_vec();
    let mut rest = &payload[start..];
    let mut is_changed = false;
    for _ in 0..texts {
        let (&length, after) = rest.split_first()?;
        let (text, after) = after.split_at_checked(length.into())?;
        let lossy = String::from_utf8_lossy(text);
        is_changed |= lossy.as_bytes() != text;
        readable.extend_from_slice(&content_header::short_text(&lossy));
        rest = after;
    }
    readable.extend_from_slice(rest);
    is_changed.then_some(readable)
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
