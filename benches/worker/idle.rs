//! Latency of one message at a time on an idle worker.
#![expect(clippy::float_arithmetic, reason = "times")]

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use order_worker::messages::Publication;

use crate::Failure;
use crate::amqp::{properties_of, routing_key_of};
use crate::backlog::finish_work;
use crate::bench_env::{BenchEnv, with_bench_env};
use crate::check::check_all_but_events;
use crate::options::Options;
use crate::results::Percentiles;
use crate::servers::Servers;
use crate::statistics::{percentiles, sorted};
use crate::worker_process::WorkerProcess;
use crate::workload::{Mix, workload};

/// For the worker to delete the event from the outbox and be idle again.
const PAUSE: Duration = Duration::from_millis(100);

/// First messages, while connections and query plans are made.
const UNMEASURED: usize = 10;

/// From just before a message is published until a subscriber receives its event.
pub async fn measure(servers: &Servers, options: &Options) -> Result<Percentiles, Failure> {
    let messages = if options.quick { 60 } else { 410 };
    let times = with_bench_env(servers, async |env| times_on(env, messages, options).await).await?;
    Ok(percentiles(&sorted(times.into_iter().skip(UNMEASURED))))
}

async fn times_on(
    env: &BenchEnv<'_>,
    messages: usize,
    options: &Options,
) -> Result<Vec<f64>, Failure> {
    let workload = workload(Mix::Placing, messages, 1, options.seed);
    let mut workers = vec![WorkerProcess::spawn(&options.shipped(), env, &[])?];
    WorkerProcess::all_consume(&mut workers, env).await?;
    let (publisher, mut events) = (env.channel().await?, subscribe(env).await?);
    let exchange = env.topology().commands_exchange;
    let mut times = Vec::with_capacity(messages);
    for command in &workload.commands {
        tokio::time::sleep(PAUSE).await;
        times.push(time_of(command, &publisher, &exchange, &mut events).await?);
    }
    finish_work(env, workers, &workload.expected).await?;
    check_all_but_events(env, &workload.expected, 0).await?;
    Ok(times)
}

async fn subscribe(env: &BenchEnv<'_>) -> Result<Consumer, Failure> {
    let channel = env.channel().await?;
    let (queue, arguments) = (env.subscriber(), FieldTable::default());
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    Ok(channel.basic_consume(queue.as_str().into(), "".into(), options, arguments).await?)
}

/// In milliseconds.
async fn time_of(
    command: &Publication,
    publisher: &Channel,
    exchange: &str,
    events: &mut Consumer,
) -> Result<f64, Failure> {
    let (options, properties) = (BasicPublishOptions::default(), properties_of(command));
    let (exchange, key) = (exchange.into(), routing_key_of(command).into());
    let sent = Instant::now();
    publisher.basic_publish(exchange, key, options, &command.body, properties).await?;
    let event = events.next().await.ok_or("the broker ended the consumer")??;
    let time = sent.elapsed().as_secs_f64() * 1e3;
    let cause = event.properties.correlation_id().as_ref().map(|id| id.as_str().to_owned());
    if cause != command.properties.message_id {
        return Err("the run was wrong: received an event of another message".into());
    }
    Ok(time)
}
