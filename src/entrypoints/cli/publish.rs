//! Publishing commands from lines of JSON.

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
use crate::service_layer::{
    Envelope, Publication, PublishStatus, Publisher, Target, decode, set_order_id,
};

/// Most messages that wait for their confirms together.
const WINDOW: usize = 500;

#[derive(Debug, Args)]
pub struct Publish {
    /// The file of commands, one JSON object a line; - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print the counts as JSON.
    #[arg(long)]
    json: bool,
}

/// What became of the lines.
#[derive(Debug, Default, Serialize)]
struct Counts {
    confirmed: usize,
    /// No queue took them.
    unroutable: usize,
    /// The broker could not take them.
    refused: usize,
    /// They are no commands and were not sent.
    invalid: usize,
    /// Sent, but the broker went away before it confirmed them: they may be in the queue or not.
    unknown: usize,
}

/// The lines of a window and their numbers.
#[derive(Default)]
struct Window {
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
            match read_window(&mut input, &mut number, &mut counts, &progress)? {
                window if window.publications.is_empty() => break Ok(()),
                window => {
                    if let Err(trouble) = publish(&mut publisher, &window, &mut counts).await {
                        break Err(trouble);
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
            bad => Err(CommandFailed::Told(format!("{bad} lines were not published"))),
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

/// Reads until a window is full or the input ends. Lines that are no commands are reported.
fn read_window(
    input: &mut impl BufRead,
    number: &mut usize,
    counts: &mut Counts,
    progress: &ProgressBar,
) -> Result<Window, CommandFailed> {
    let mut window = Window::default();
    let mut line = Vec::new();
    while window.publications.len() < WINDOW {
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
                window.publications.push(with_order_id(publication));
                window.lines.push(*number);
            }
            Err(invalid) => {
                counts.invalid += 1;
                progress.suspend(|| eprintln!("line {number} {invalid}"));
            }
        }
    }
    Ok(window)
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
    window: &Window,
    counts: &mut Counts,
) -> Result<(), CommandFailed> {
    let confirmations = match publisher.publish(&window.publications).await {
        Ok(confirmations) => confirmations,
        Err(error) => {
            counts.unknown += window.lines.len();
            let (first, last) =
                (window.lines.first().unwrap_or(&0), window.lines.last().unwrap_or(&0));
            return Err(CommandFailed::Told(format!(
                "{error}; lines {first} to {last} may have been published or not, later ones were not"
            )));
        }
    };
    for (confirmation, line) in confirmations.into_iter().zip(&window.lines) {
        match confirmation {
            PublishStatus::Confirmed => counts.confirmed += 1,
            PublishStatus::Unroutable => {
                counts.unroutable += 1;
                eprintln!(
                    "line {line} is unroutable: no queue takes commands with this routing key"
                );
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
