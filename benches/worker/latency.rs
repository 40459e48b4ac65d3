//! Latency of single messages under an open-loop load, from the time at which each message was due to
//! be sent.
#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "times and rates")]

use std::time::Duration;

use fastrand::Rng;
use futures_util::future::try_join_all;
use lapin::PublisherConfirm;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use order_worker::adapters::clock::SystemClock;
use order_worker::messages::Publication;
use order_worker::service_layer::Clock;
use tokio::time::{Instant, sleep_until};

use crate::Failure;
use crate::amqp::{properties_of, routing_key_of};
use crate::backlog::{finish, until};
use crate::bench_env::{BenchEnv, with_bench_env};
use crate::options::Options;
use crate::progress::Progress;
use crate::results::Latency;
use crate::servers::Servers;
use crate::statistics::{median, percentile, percentiles, rounded, sorted};
use crate::variants::Variant;
use crate::worker_process::{Program, WorkerProcess};
use crate::workload::{Mix, workload};

/// Percent of the throughput from a backlog.
const LOADS: [u32; 3] = [25, 50, 80];

/// At the beginning, while connections and query plans are made.
const UNMEASURED: Duration = Duration::from_secs(1);

/// Points of the curve, in per mille.
const CURVE: [usize; 12] = [10, 100, 250, 500, 750, 900, 950, 980, 990, 995, 998, 999];

/// Times of a message in microseconds since 1970.
#[derive(Debug, Clone, Copy)]
struct Times {
    /// When it was due to be sent.
    sent: i64,
    committed: i64,
    confirmed: i64,
}

/// A load and its measurements of all rounds.
struct Load {
    percent: u32,
    rate: f64,
    reached: Vec<f64>,
    times: Vec<Times>,
}

/// `full` is the throughput from a backlog, in messages per second.
pub async fn measure(
    servers: &Servers,
    options: &Options,
    full: f64,
) -> Result<Vec<Latency>, Failure> {
    let seconds = if options.quick { 3 } else { 11 };
    let mut loads = LOADS.map(|percent| Load {
        percent,
        rate: full * f64::from(percent) / 100.0,
        reached: Vec::new(),
        times: Vec::new(),
    });
    let mut rng = Rng::with_seed(options.seed);
    let mut progress = Progress::of(LOADS.len() * options.rounds() as usize);
    for _ in 0..options.rounds() {
        let mut order: Vec<usize> = (0..loads.len()).collect();
        rng.shuffle(&mut order);
        for number in order {
            let load = &mut loads[number];
            load.run(servers, seconds, options.seed).await?;
            let what = format!("open loop at {} %, {:.0}/s", load.percent, load.rate);
            progress.step(&what, &format!("{} messages timed", load.times.len()));
        }
    }
    Ok(loads.into_iter().map(Load::summed_up).collect())
}

impl Load {
    async fn run(&mut self, servers: &Servers, seconds: u32, seed: u64) -> Result<(), Failure> {
        let rate = self.rate;
        let times =
            with_bench_env(servers, async |env| times_on(env, rate, seconds, seed).await).await?;
        let (Some(first), Some(last)) = (
            times.iter().map(|times| times.sent).min(),
            times.iter().map(|times| times.confirmed).max(),
        ) else {
            return Err("no message was timed".into());
        };
        self.reached.push(times.len() as f64 / ((last - first) as f64 / 1e6));
        let measured_from = first + i64::try_from(UNMEASURED.as_micros())?;
        self.times.extend(times.into_iter().filter(|times| times.sent >= measured_from));
        Ok(())
    }

    fn summed_up(self) -> Latency {
        let milliseconds = |from: fn(&Times) -> i64, to: fn(&Times) -> i64| {
            sorted(self.times.iter().map(|times| (to(times) - from(times)) as f64 / 1e3))
        };
        let sent_to_confirmed = milliseconds(|times| times.sent, |times| times.confirmed);
        let point =
            |per_mille: usize| (per_mille as f64 / 10.0, percentile(&sent_to_confirmed, per_mille));
        Latency {
            load: self.percent,
            rate: rounded(self.rate, 0),
            reached: rounded(median(self.reached), 0),
            sent_to_committed: percentiles(&milliseconds(
                |times| times.sent,
                |times| times.committed,
            )),
            committed_to_confirmed: percentiles(&milliseconds(
                |times| times.committed,
                |times| times.confirmed,
            )),
            sent_to_confirmed: percentiles(&sent_to_confirmed),
            curve: CURVE.map(point).to_vec(),
        }
    }
}

async fn times_on(
    env: &BenchEnv<'_>,
    rate: f64,
    seconds: u32,
    seed: u64,
) -> Result<Vec<Times>, Failure> {
    let messages = rounded(rate * f64::from(seconds), 0).to_string().parse()?;
    let workload = workload(Mix::Placing, messages, 1, seed);
    env.servers.checkpoint().await;
    env.servers.wait_until_idle().await;
    let mut workers = vec![WorkerProcess::spawn(&Program::Variant(Variant::Stopwatch), env, &[])?];
    WorkerProcess::all_consume(&mut workers, env).await?;
    let sent = send(env, &workload.commands, rate).await?;
    until(env, &mut workers, messages).await?;
    let printed = finish(env, workers, &workload.expected, 0).await?;
    let times: Option<Vec<Times>> = printed.lines().map(|line| joined(line, &sent)).collect();
    let times = times.ok_or("the worker printed times that cannot be read")?;
    crate::check::ensure_equal("messages timed", times.len(), messages)?;
    Ok(times)
}

/// A line of the worker: order, committed, confirmed. Orders are numbered from 1.
fn joined(line: &str, sent: &[i64]) -> Option<Times> {
    let numbers: Vec<i64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [order, committed, confirmed] = numbers[..] else { return None };
    let sent = *sent.get(usize::try_from(order).ok()?.checked_sub(1)?)?;
    Some(Times { sent, committed, confirmed })
}

/// Sends each message when it is due, regardless of the servers; returns when each was due. A timer of
/// 1 ms checks what is due: its delay counts as part of the message's latency.
async fn send(
    env: &BenchEnv<'_>,
    commands: &[Publication],
    rate: f64,
) -> Result<Vec<i64>, Failure> {
    const TICK: Duration = Duration::from_millis(1);
    let channel = env.channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let exchange = env.topology().commands_exchange;
    let (start, start_of_day) = (Instant::now(), SystemClock.now().timestamp_micros());
    let after = |number: usize| Duration::from_secs_f64(number as f64 / rate);
    let mut confirms: Vec<PublisherConfirm> = Vec::with_capacity(commands.len());
    let mut tick = start;
    while confirms.len() < commands.len() {
        tick += TICK;
        sleep_until(tick).await;
        let passed = start.elapsed();
        let rest = &commands[confirms.len()..];
        let due = (confirms.len()..commands.len()).take_while(|number| after(*number) <= passed);
        let window = rest.iter().take(due.count()).map(|command| {
            let options = BasicPublishOptions { mandatory: true, immediate: false };
            let (properties, body) = (properties_of(command), command.body.as_slice());
            let (exchange, key) = (exchange.as_str().into(), routing_key_of(command).into());
            channel.basic_publish(exchange, key, options, body, properties)
        });
        confirms.extend(try_join_all(window).await?);
    }
    try_join_all(confirms).await?;
    let due_at = |number| Ok(start_of_day + i64::try_from(after(number).as_micros())?);
    (0..commands.len()).map(due_at).collect()
}
