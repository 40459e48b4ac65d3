//! One message at a time, on a worker that has nothing else to do.
#![expect(clippy::float_arithmetic, reason = "times")]

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use order_worker::service_layer::Publication;

use crate::Failure;
use crate::amqp::{properties_of, routing_key_of};
use crate::backlog::finish_work;
use crate::check::check_all_but_events;
use crate::options::Options;
use crate::results::Percentiles;
use crate::servers::Servers;
use crate::site::{Site, on_a_site};
use crate::statistics::{percentiles, sorted};
use crate::worker_process::WorkerProcess;
use crate::workload::{Mix, workload};

/// Until the worker has cleaned up behind a message and is idle again.
const PAUSE: Duration = Duration::from_millis(100);

/// At the beginning, when connections and plans are made.
const UNMEASURED: usize = 10;

/// From just before a message is published until its event is with a subscriber.
pub async fn measure(servers: &Servers, options: &Options) -> Result<Percentiles, Failure> {
    let messages = if options.quick { 60 } else { 410 };
    let times = on_a_site(servers, async |site| times_on(site, messages, options).await).await?;
    Ok(percentiles(&sorted(times.into_iter().skip(UNMEASURED))))
}

async fn times_on(
    site: &Site<'_>,
    messages: usize,
    options: &Options,
) -> Result<Vec<f64>, Failure> {
    let workload = workload(Mix::Placing, messages, 1, options.seed);
    let mut workers = vec![WorkerProcess::spawn(&options.shipped(), site, &[])?];
    WorkerProcess::all_consume(&mut workers, site).await?;
    let (shop, mut events) = (site.channel().await?, subscribe(site).await?);
    let exchange = site.topology().commands_exchange;
    let mut times = Vec::with_capacity(messages);
    for command in &workload.commands {
        tokio::time::sleep(PAUSE).await;
        times.push(time_of(command, &shop, &exchange, &mut events).await?);
    }
    finish_work(site, workers, &workload.expected).await?;
    check_all_but_events(site, &workload.expected, 0).await?;
    Ok(times)
}

async fn subscribe(site: &Site<'_>) -> Result<Consumer, Failure> {
    let channel = site.channel().await?;
    let (queue, arguments) = (site.subscriber(), FieldTable::default());
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    Ok(channel.basic_consume(queue.as_str().into(), "".into(), options, arguments).await?)
}

/// In milliseconds.
async fn time_of(
    command: &Publication,
    shop: &Channel,
    exchange: &str,
    events: &mut Consumer,
) -> Result<f64, Failure> {
    let (options, properties) = (BasicPublishOptions::default(), properties_of(command));
    let (exchange, key) = (exchange.into(), routing_key_of(command).into());
    let sent = Instant::now();
    shop.basic_publish(exchange, key, options, &command.body, properties).await?;
    let event = events.next().await.ok_or("the broker ended the subscription")??;
    let time = sent.elapsed().as_secs_f64() * 1e3;
    let cause = event.properties.correlation_id().as_ref().map(|id| id.as_str().to_owned());
    if cause != command.properties.message_id {
        return Err("the run was wrong: an event of another message came".into());
    }
    Ok(time)
}
