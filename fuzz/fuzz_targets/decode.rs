//! Any bytes as the body of any command: never a panic, and an error detail of at most 1024 bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use order_worker::service_layer::decode::decode;
use order_worker::messages::Envelope;

const ROUTING_KEYS: [&str; 4] =
    ["order.place", "order.cancel", "order.set_status", "order.set_next_status"];

fuzz_target!(|input: &[u8]| {
    // The first byte selects the command, so that one corpus covers all four.
    let Some((&choice, body)) = input.split_first() else {
        return;
    };
    let envelope = Envelope {
        routing_key: ROUTING_KEYS[usize::from(choice) % ROUTING_KEYS.len()].to_owned(),
        body: body.to_vec(),
        ..Envelope::default()
    };
    if let Err(dead) = decode(&envelope).result {
        assert!(dead.detail.len() <= 1024, "{dead}");
    }
});
