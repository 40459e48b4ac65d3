//! R1: consuming and acknowledging.

use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;

use super::{BATCH, Stopwatch};
use crate::Failure;
use crate::backlog::Sample;
use crate::bench_env::BenchEnv;
use crate::check::ensure_equal;

/// The worker's default.
const PREFETCH: u16 = 2000;

pub async fn run(env: &BenchEnv<'_>, messages: usize) -> Result<Sample, Failure> {
    let channel = env.channel().await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let queue = env.topology().commands_queue;
    let clock = Stopwatch::start(env.servers).await;
    let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
    let mut consumer =
        channel.basic_consume(queue.as_str().into(), "".into(), options, arguments).await?;
    for number in 1..=messages {
        let delivery = consumer.next().await.ok_or("the broker ended the consumer")??;
        if number.is_multiple_of(BATCH) || number == messages {
            let options = BasicAckOptions { multiple: true };
            channel.basic_ack(delivery.delivery_tag, options).await?;
        }
    }
    // Closing waits until the broker has read the last acknowledgement.
    channel.close(200, "done".into()).await?;
    let sample = clock.stop(messages);
    ensure_equal("messages left in the queue", env.depth(&queue).await?, 0)?;
    Ok(sample)
}
