//! Any message properties, from the broker's frames to the row of a dead letter: never a panic, never a
//! deep stack, and lapin can always parse what the filter passes on.

#![no_main]

use std::task::{Context, Poll, Waker};

use amq_protocol::frame::AMQPFrame;
use amq_protocol::frame::parsing::parse_frame;
use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use order_worker::adapters::rabbitmq::intake::FrameFilter;
use order_worker::adapters::rabbitmq::properties;
use order_worker::service_layer::dead_letters::{properties_from_json, properties_to_json, read};
use order_worker::service_layer::decode::decode;
use order_worker::messages::Envelope;
use order_worker::service_layer::{Delivery, DeliveryTag};

fuzz_target!(|input: &[u8]| {
    // As frames, as message properties, as headers alone, and as the payload of a method frame.
    let length = u32::try_from(input.len()).unwrap_or(0).to_be_bytes();
    let fixed: &[u8] = &[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    feed(input);
    feed(&frame(2, &[fixed, input].concat()));
    feed(&frame(2, &[fixed, &[0x20, 0], &length, input].concat()));
    feed(&frame(1, &[&[0, 60, 0, 60][..], input].concat()));
});

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    [&[kind, 0, 1], &length[..], payload, &[0xCE]].concat()
}

fn feed(bytes: &[u8]) {
    let mut filter = FrameFilter::new(None, None);
    filter.input().extend_from_slice(bytes);
    let advanced = filter.poll_filter(&mut Context::from_waker(Waker::noop()));
    assert!(advanced.is_ready(), "nothing waits without a gate");
    let mut out = vec![0; bytes.len() * 4 + 1024];
    let count = filter.read_into(&mut out);
    let mut rest = &out[..count];
    if rest.starts_with(b"AMQP") || matches!(advanced, Poll::Ready(Err(_))) {
        return;
    }
    while let Ok((after, frame)) = parse_frame(rest) {
        rest = after;
        if let AMQPFrame::Header(_, header) = frame {
            handle(&header.properties);
        }
    }
}

fn handle(received: &lapin::BasicProperties) {
    let (properties, properties_error) = properties::received(received);
    let envelope = Envelope {
        routing_key: "order.place".to_owned(),
        properties,
        properties_error,
        body: b"{}".to_vec(),
        ..Envelope::default()
    };
    if let Err(dead) = decode(&envelope).result {
        assert!(dead.detail.len() <= 1024, "{dead}");
    }
    let tag = DeliveryTag { channel: 1, number: 1 };
    let delivery = Delivery { tag, redelivered: false, envelope, reservation: None };
    let dead_letter = read(delivery, DateTime::UNIX_EPOCH);
    let stored = properties_to_json(&dead_letter.properties);
    properties_from_json(&stored).expect("stored properties can be read back");
    let _ = properties::to_lapin(&dead_letter.properties);
}
