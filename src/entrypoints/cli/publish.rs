//! `publish`: commands from JSON lines.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::CommandFailed;
use super::ndjson::parse_line;
use super::output::{print_json, print_line};
use super::topology::rabbitmq;
use crate::config::Settings;
use crate::messages::{Envelope, Publication, PublishStatus, Target};
use crate::service_layer::{Publisher, decode, set_order_id};

/// Messages that are published and confirmed together.
const BATCH_SIZE: usize = 500;

#[derive(Debug, Args)]
pub struct Publish {
    /// The file of commands, one JSON object a line; - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print the counts as JSON.
    #[arg(long)]
    json: bool,
}

/// The outcomes of the lines.
#[derive(Debug, Default, Serialize)]
struct Counts {
    confirmed: usize,
    /// No queue is bound for their routing key.
    unroutable: usize,
    /// The broker refused them, or did not confirm them.
    refused: usize,
    /// Not commands, and not published.
    invalid: usize,
    /// Published, but the connection failed before the confirm: they may be in the queue or not.
    unknown: usize,
}

/// Messages and the numbers of their lines.
#[derive(Default)]
struct Batch {
    publications: Vec<Publication>,
    lines: Vec<usize>,
}

impl Publish {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        let rabbitmq = rabbitmq(settings, false)?;
        let mut publisher = rabbitmq.publisher();
        let (mut input, progress) = open(&self.file)?;
        let mut counts = Counts::default();
        let mut number = 0;
        let ended = loop {
            match read_batch(&mut input, &mut number, &mut counts, &progress)? {
                batch if batch.publications.is_empty() => break Ok(()),
                batch => {
                    if let Err(error) = publish(&mut publisher, &batch, &mut counts).await {
                        break Err(error);
                    }
                }
            }
            progress.set_message(format!("{} confirmed", counts.confirmed));
        };
        progress.finish_and_clear();
        rabbitmq.close().await;
        let reported = self.report(&counts);
        ended.and(reported)
    }

    fn report(&self, counts: &Counts) -> Result<(), CommandFailed> {
        if self.json {
            print_json(counts)?;
        } else {
            let Counts { confirmed, unroutable, refused, invalid, unknown } = counts;
            print_line(&format!(
                "{confirmed} confirmed, {unroutable} unroutable, {refused} refused, {invalid} invalid, {unknown} unknown"
            ))?;
        }
        match counts.unroutable + counts.refused + counts.invalid + counts.unknown {
            0 => Ok(()),
            failed => Err(CommandFailed::Message(format!("{failed} lines were not confirmed"))),
        }
    }
}

fn open(path: &Path) -> Result<(Box<dyn BufRead>, ProgressBar), CommandFailed> {
    let described =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let bar = |bytes: u64| {
        let style = "{bar:30} {bytes}/{total_bytes} {msg} {elapsed}, {eta} left";
        let style =
            ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
        if io::stderr().is_terminal() {
            ProgressBar::new(bytes).with_style(style)
        } else {
            ProgressBar::hidden()
        }
    };
    if path == Path::new("-") {
        let spinner = if io::stderr().is_terminal() {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        return Ok((Box::new(BufReader::new(io::stdin())), spinner));
    }
    let file = File::open(path).map_err(described)?;
    let bytes = file.metadata().map_err(described)?.len();
    Ok((Box::new(BufReader::new(file)), bar(bytes)))
}

/// Reads until the batch is full or the input ends. Reports lines that are not commands.
fn read_batch(
    input: &mut impl BufRead,
    number: &mut usize,
    counts: &mut Counts,
    progress: &ProgressBar,
) -> Result<Batch, CommandFailed> {
    let mut batch = Batch::default();
    let mut line = Vec::new();
    while batch.publications.len() < BATCH_SIZE {
        line.clear();
        let bytes = input.read_until(b'\n', &mut line)?;
        if bytes == 0 {
            break;
        }
        *number += 1;
        progress.inc(bytes as u64);
        let text = String::from_utf8_lossy(&line);
        if text.trim().is_empty() {
            continue;
        }
        match parse_line(&text) {
            Ok(command) => {
                let target = Target::Commands { routing_key: command.routing_key };
                let publication =
                    Publication { target, properties: command.properties, body: command.body };
                batch.publications.push(with_order_id(publication));
                batch.lines.push(*number);
            }
            Err(invalid) => {
                counts.invalid += 1;
                progress.suspend(|| eprintln!("line {number} {invalid}"));
            }
        }
    }
    Ok(batch)
}

/// Names the order in the header that the partitions go by.
fn with_order_id(publication: Publication) -> Publication {
    let Publication { target, mut properties, body } = publication;
    let envelope = Envelope {
        routing_key: target.name().into_owned(),
        properties: properties.clone(),
        body,
        ..Envelope::default()
    };
    if let Ok(message) = decode::decode(&envelope).result
        && let Some(order_id) = message.command.order_id()
    {
        set_order_id(&mut properties, order_id);
    }
    Publication { target, properties, body: envelope.body }
}

async fn publish(
    publisher: &mut dyn Publisher,
    batch: &Batch,
    counts: &mut Counts,
) -> Result<(), CommandFailed> {
    let confirmations = match publisher.publish(&batch.publications).await {
        Ok(confirmations) => confirmations,
        Err(error) => {
            counts.unknown += batch.lines.len();
            let (first, last) =
                (batch.lines.first().unwrap_or(&0), batch.lines.last().unwrap_or(&0));
            return Err(CommandFailed::Message(format!(
                "{error}; lines {first} to {last} may have been published, later ones were not"
            )));
        }
    };
    for (confirmation, line) in confirmations.into_iter().zip(&batch.lines) {
        match confirmation {
            PublishStatus::Confirmed => counts.confirmed += 1,
            PublishStatus::Unroutable => {
                counts.unroutable += 1;
                eprintln!("line {line} is unroutable: no queue is bound for this routing key");
            }
            PublishStatus::Refused => {
                counts.refused += 1;
                eprintln!("line {line} was refused by the broker");
            }
            PublishStatus::Unconfirmed => {
                counts.refused += 1;
                eprintln!(
                    "line {line} was not confirmed by the broker: it may have been published"
                );
            }
            PublishStatus::OwnQueue => counts.refused += 1,
        }
    }
    Ok(())
}
