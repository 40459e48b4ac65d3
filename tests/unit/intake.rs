//! The frame filter passes on only frames that lapin can parse, whatever was published.

use std::task::{Context, Poll, Waker};

use amq_protocol::frame::AMQPFrame;
use amq_protocol::frame::parsing::parse_frame;
use amq_protocol::protocol::basic::AMQPProperties;
use amq_protocol::types::{AMQPValue, FieldTable, LongString};
use order_worker::adapters::rabbitmq::intake::{FrameFilter, GateHandle, UNREADABLE_HEADER};
use order_worker::service_layer::ByteBudget;
use proptest::collection::vec;
use proptest::prelude::*;

const SMALL_FRAME_MAX: u32 = 16 * 1024;
const LARGE_FRAME_MAX: u32 = 128 * 1024;

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[kind, 0, 1], &length[..], payload, &[0xCE]].concat()
}

fn text(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [&[u8::try_from(text.len()).unwrap()], text].concat()
}

fn with_length(content: &[u8]) -> Vec<u8> {
    [&u32::try_from(content.len()).unwrap().to_be_bytes()[..], content].concat()
}

fn deliver(tag: u8, routing_key: &[u8]) -> Vec<u8> {
    let arguments =
        [text("consumer"), vec![0, 0, 0, 0, 0, 0, 0, tag, 0], text("orders"), text(routing_key)];
    frame(1, &[vec![0, 60, 0, 60], arguments.concat()].concat())
}

/// `connection.close` or `channel.close`, with a reply text.
fn close(method: [u8; 4], reply_text: &[u8]) -> Vec<u8> {
    frame(1, &[&method[..], &[1, 150], &text(reply_text), &[0, 60, 0, 40]].concat())
}

fn content_header(body_bytes: u64, flags: u16, properties: &[u8]) -> Vec<u8> {
    let fixed = [&[0, 60, 0, 0], &body_bytes.to_be_bytes()[..], &flags.to_be_bytes()].concat();
    frame(2, &[&fixed, properties].concat())
}

const HEADERS: u16 = 1 << 13;
const MESSAGE_ID: u16 = 1 << 7;

fn with_headers(table: &[u8]) -> Vec<u8> {
    content_header(2, HEADERS, &with_length(table))
}

fn nested_arrays(levels: usize) -> Vec<u8> {
    let inner = (0..levels).fold(vec![b'V'], |inner, _| [&b"A"[..], &with_length(&inner)].concat());
    [text("deep"), inner].concat()
}

/// The filtered bytes, when they arrive in chunks.
fn filtered_in_chunks(filter: &mut FrameFilter, bytes: &[u8], chunk_size: usize) -> Vec<u8> {
    let mut context = Context::from_waker(Waker::noop());
    let (mut out, mut room) = (Vec::new(), [0; 4096]);
    for chunk in bytes.chunks(chunk_size) {
        filter.input().extend_from_slice(chunk);
        let filtered = filter.poll_filter(&mut context);
        while let count @ 1.. = filter.read_into(&mut room) {
            out.extend_from_slice(&room[..count]);
        }
        if matches!(filtered, Poll::Ready(Err(_))) {
            return out;
        }
    }
    out
}

fn filtered(bytes: &[u8]) -> Vec<u8> {
    filtered_in_chunks(&mut FrameFilter::new(Some(LARGE_FRAME_MAX), None), bytes, 1_000)
}

/// The frames, parsed by lapin's parser.
fn frames(mut bytes: &[u8]) -> Vec<AMQPFrame> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (rest, frame) = parse_frame(bytes).expect("lapin can parse it");
        frames.push(frame);
        bytes = rest;
    }
    frames
}

fn properties(bytes: &[u8]) -> AMQPProperties {
    match frames(&filtered(bytes)).pop() {
        Some(AMQPFrame::Header(_, header)) => header.properties,
        other => panic!("{other:?}"),
    }
}

fn headers(bytes: &[u8]) -> FieldTable {
    properties(bytes).headers().clone().unwrap()
}

fn error_in(headers: &FieldTable) -> Option<String> {
    match headers.inner().get(UNREADABLE_HEADER) {
        Some(AMQPValue::LongString(error)) => Some(error.to_string()),
        _ => None,
    }
}

#[test]
fn parsable_frames_pass_unchanged() {
    let table = [text("a"), vec![b't', 1], nested_arrays(32)].concat();
    let message =
        [deliver(1, b"order.place"), with_headers(&table), frame(3, b"{}"), frame(8, b"")].concat();

    assert_eq!(filtered(&message), message);
}

#[test]
fn deeply_nested_headers_become_byte_arrays() {
    for levels in [33, 1_000, 8_000, 25_000] {
        let table =
            [text("shop"), b"S".to_vec(), with_length(b"eu"), nested_arrays(levels)].concat();

        let headers = headers(&with_headers(&table));

        assert_eq!(error_in(&headers).as_deref(), Some("too_deep"));
        assert_eq!(headers.inner()["shop"], AMQPValue::LongString(LongString::from("eu")));
        let Some(AMQPValue::ByteArray(deep)) = headers.inner().get("deep") else { panic!() };
        assert_eq!(deep.as_slice(), &nested_arrays(levels)[5..]);
    }
}

#[test]
fn the_original_bytes_of_a_property_that_is_not_utf8_are_kept() {
    let message = content_header(2, MESSAGE_ID, &text(b"order-\xff"));

    let properties = properties(&message);

    let headers = properties.headers().clone().unwrap();
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), "order-\u{fffd}");
    assert_eq!(error_in(&headers).as_deref(), Some("not_utf8"));
    let original = &headers.inner()["order-worker-original-message-id"];
    assert_eq!(*original, AMQPValue::ByteArray(b"order-\xff"[..].into()));
}

#[test]
fn header_names_and_routing_keys_may_be_any_bytes() {
    let odd = [deliver(1, b"order.\xff"), with_headers(&[text(b"\xfe"), b"V".to_vec()].concat())];

    let frames = frames(&filtered(&odd.concat()));

    assert!(format!("{:?}", frames[0]).contains("order.\u{fffd}"), "{:?}", frames[0]);
    let AMQPFrame::Header(_, header) = &frames[1] else { panic!() };
    let headers = header.properties.headers().clone().unwrap();
    assert_eq!(error_in(&headers).as_deref(), Some("not_utf8"));
    assert_eq!(headers.inner()["\u{fffd}"], AMQPValue::Void);
}

#[test]
fn a_reply_text_cut_off_within_a_character_becomes_utf8() {
    for method in [[0, 10, 0, 50], [0, 20, 0, 40]] {
        let closed = frames(&filtered(&close(method, b"no queue 'caf\xC3")));

        assert!(format!("{closed:?}").contains("no queue 'caf\u{FFFD}"), "{closed:?}");
    }
}

#[test]
fn cut_off_and_unknown_values_are_kept_as_bytes() {
    let table = [text("good"), b"V".to_vec(), text("odd"), b"z??".to_vec()].concat();

    let headers = headers(&with_headers(&table));

    assert_eq!(error_in(&headers).as_deref(), Some("malformed"));
    assert_eq!(headers.inner()["good"], AMQPValue::Void);
    assert!(headers.inner().contains_key("order-worker-original-properties"));
}

#[test]
fn a_repaired_frame_does_not_exceed_frame_max() {
    let mut filter = FrameFilter::new(Some(LARGE_FRAME_MAX), None);
    let tune = [&[0, 10, 0, 30, 0, 0], &SMALL_FRAME_MAX.to_be_bytes()[..], &[0, 10]].concat();
    filtered_in_chunks(&mut filter, &frame(1, &tune), 1_000);
    let fits = usize::try_from(SMALL_FRAME_MAX).unwrap() - 8;
    // As large as a frame may be, so that there is no room for an additional header.
    let filling = fits - 14 - 4 - nested_arrays(2_000).len() - 9;
    let filler = [text("fill"), b"x".to_vec()[..1].to_vec(), with_length(&vec![7; filling - 1])];
    let table = [filler.concat(), nested_arrays(2_000)].concat();
    let message = with_headers(&table);

    let out = filtered_in_chunks(&mut filter, &message, 1_000);

    assert!(out.len() <= message.len().max(fits + 8), "{} of {}", out.len(), message.len());
    let AMQPFrame::Header(_, header) = &frames(&out)[0] else { panic!() };
    assert_eq!(
        error_in(header.properties.headers().as_ref().unwrap()).as_deref(),
        Some("too_deep")
    );
}

#[test]
fn properties_that_do_not_fit_into_a_frame_lose_their_headers() {
    let large = [text("large"), b"x".to_vec(), with_length(&vec![7; 140 * 1024])].concat();
    let message =
        content_header(2, HEADERS | MESSAGE_ID, &[with_length(&large), text("order-1")].concat());

    let properties = properties(&message);

    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), "order-1");
    let headers = properties.headers().clone().unwrap();
    assert_eq!((error_in(&headers).as_deref(), headers.inner().len()), (Some("too_large"), 1));
}

#[test]
fn a_larger_frame_reaches_a_client_that_reconnects_for_it() {
    let message = with_headers(&[text("a"), b"x".to_vec(), with_length(&vec![7; 20_000])].concat());
    let filter = || FrameFilter::new(Some(SMALL_FRAME_MAX), None);

    assert_eq!(filtered_in_chunks(&mut filter().with_frame_growth(true), &message, 1_000), message);
    assert_ne!(filtered_in_chunks(&mut filter(), &message, 1_000), message);
}

#[test]
fn too_many_small_tables_become_a_byte_array() {
    let tables = [b"F".to_vec(), with_length(&[0, b'V'])].concat().repeat(300);
    let table = [text("many"), b"A".to_vec(), with_length(&tables)].concat();

    let headers = headers(&with_headers(&table));

    assert_eq!(error_in(&headers).as_deref(), Some("too_many"));
    assert!(matches!(headers.inner()["many"], AMQPValue::ByteArray(_)));
}

#[test]
fn a_forged_unreadable_header_does_not_hide_the_real_one() {
    let forged = [text(UNREADABLE_HEADER), b"S".to_vec(), with_length(b"x")].concat();
    let message =
        content_header(2, HEADERS | MESSAGE_ID, &[with_length(&forged), text(b"\xff")].concat());

    assert_eq!(error_in(&headers(&message)).as_deref(), Some("not_utf8"));
}

#[tokio::test]
async fn bodies_pass_within_the_byte_budget_and_are_dropped_after_discard() {
    let gate = GateHandle::new(ByteBudget::new(1_000));
    let mut filter = FrameFilter::new(None, Some(gate.builder().gate()));
    let message = |tag: u8| {
        let parts =
            [deliver(tag, b"order.place"), content_header(400, 0, b""), frame(3, &[tag; 400])];
        parts.concat()
    };

    let two = [message(1), message(2)].concat();
    let first = filtered_in_chunks(&mut filter, &two, 100);
    let waiting = filtered_in_chunks(&mut filter, &message(3), 10_000);

    assert_eq!(first, two);
    assert_eq!(frames(&waiting).len(), 1, "the third body waits: {waiting:?}");
    gate.discard();
    let rest = filtered_in_chunks(&mut filter, &message(4), 10_000);
    let sizes = |frame: &AMQPFrame| match frame {
        AMQPFrame::Header(_, header) => Some(header.body_size),
        AMQPFrame::Body(..) => panic!("bodies are dropped"),
        _ => None,
    };
    let sizes: Vec<u64> = frames(&rest).iter().filter_map(sizes).collect();
    assert_eq!(sizes, [0, 0]);
    assert!(gate.has_discarded(3) && !gate.has_discarded(2));
}

/// Valid values, and some that no broker would deliver.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        Just(b"V".to_vec()),
        any::<[u8; 2]>().prop_map(|it| [&b"s"[..], &it].concat()),
        any::<[u8; 8]>().prop_map(|it| [&b"l"[..], &it].concat()),
        vec(any::<u8>(), 0..20).prop_map(|it| [&b"S"[..], &with_length(&it)].concat()),
        vec(any::<u8>(), 1..20),
    ];
    leaf.prop_recursive(40, 60, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3)
                .prop_map(|it| [&b"A"[..], &with_length(&it.concat())].concat()),
            vec((vec(any::<u8>(), 0..9), inner), 0..3).prop_map(|entries| {
                let entries =
                    entries.iter().map(|(name, value)| [&text(name), &value[..]].concat());
                [&b"F"[..], &with_length(&entries.collect::<Vec<_>>().concat())].concat()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_properties_become_parsable(
        flags in any::<u16>(),
        texts in vec(any::<u8>(), 0..60),
        entries in vec((vec(any::<u8>(), 0..9), value()), 0..5),
    ) {
        let entries = entries.iter().map(|(name, value)| [&text(name), &value[..]].concat());
        let table = with_length(&entries.collect::<Vec<_>>().concat());
        let whole = content_header(9, HEADERS, &table);
        let mixed = content_header(9, flags, &[&texts[..], &table].concat());
        for message in [whole, mixed] {
            prop_assert_eq!(frames(&filtered(&message)).len(), 1);
        }
    }

    #[test]
    fn no_bytes_make_the_filter_panic(
        bytes in vec(any::<u8>(), 0..200),
        kind in 1..4_u8,
        chunk_size in 1..50_usize,
    ) {
        let _ = filtered_in_chunks(&mut FrameFilter::new(None, None), &bytes, chunk_size);
        let out = filtered_in_chunks(&mut FrameFilter::new(None, None), &frame(kind, &bytes), chunk_size);
        prop_assert!(out.len() <= bytes.len() * 4 + 200);
    }

    #[test]
    fn the_result_does_not_depend_on_how_bytes_are_chunked(
        levels in 0..40_usize,
        chunk_size in 1..50_usize,
    ) {
        let message = [deliver(1, b"order.place"), with_headers(&nested_arrays(levels))].concat();
        let mut filter = FrameFilter::new(None, None);
        prop_assert_eq!(filtered_in_chunks(&mut filter, &message, chunk_size), filtered(&message));
    }
}
