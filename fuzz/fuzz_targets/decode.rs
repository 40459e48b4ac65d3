//! Any bytes as the body of any command: never a panic, and an error detail of at most 1024 bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use order_worker::domain::CommandKind;
use order_worker::messages::Envelope;
use order_worker::service_layer::decode::decode;

fuzz_target!(|input: &[u8]| {
    // The first byte selects the command, so that one corpus covers all.
    let Some((&choice, body)) = input.split_first() else {
        return;
    };
    let kind = CommandKind::ALL[usize::from(choice) % CommandKind::ALL.len()];
    let envelope = Envelope {
        routing_key: format!("order.{}", kind.word()),
        body: body.to_vec(),
        ..Envelope::default()
    };
    if let Err(dead) = decode(&envelope).result {
        assert!(dead.detail.len() <= 1024, "{dead}");
    }
});
