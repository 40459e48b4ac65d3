//! `dead-letters export` and `dead-letters import`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::selection::FilterArguments;
use crate::adapters::clock::SystemClock;
use crate::config::Settings;
use crate::entrypoints::cli::output::print_line;
use crate::entrypoints::cli::{CommandFailed, migrated_database};
use crate::service_layer::Clock;
use crate::service_layer::dead_letters::pattern_of;
use crate::service_layer::dead_letters::{
    Base64, DeadLetter, DeadLetterRecord, Reason, Subject, properties_from_json, properties_to_json,
};

/// Maximum dead letters in one transaction.
const MAX_AT_ONCE: usize = 100;

#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    filter: FilterArguments,
}

#[derive(Debug, Args)]
pub struct Import {
    /// The output of `export`; - for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// A dead letter as a JSON line.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// In hexadecimal digits.
    key: Uuid,
    exchange: String,
    routing_key: String,
    properties: Box<RawValue>,
    /// In base64, as a body can be any bytes.
    body_base64: Base64<'static>,
    /// The same as text, if it is UTF-8. For people; ignored by the import.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    code: String,
    detail: String,
    command: Option<String>,
    order_id: Option<String>,
    customer_id: Option<String>,
    failed_at: DateTime<Utc>,
    attempts: u32,
}

impl Export {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        let database = migrated_database(settings).await?;
        let filter = self.filter.filter(&database, None).await?;
        for id in database.dead_letters().dead_letter_ids(&filter, u32::MAX).await? {
            // It may have been deleted in the meantime.
            if let Some(record) = database.dead_letters().dead_letter(id).await? {
                let line = Line::of(&record).and_then(|line| serde_json::to_string(&line));
                print_line(&line.map_err(std::io::Error::other)?)?;
            }
        }
        Ok(())
    }
}

impl Import {
    pub async fn run(self, settings: &Settings) -> Result<(), CommandFailed> {
        let database = migrated_database(settings).await?;
        let dead_letters = read(&self.file)?;
        let mut new = 0;
        for chunk in dead_letters.chunks(MAX_AT_ONCE) {
            new += database.dead_letters().collect(chunk, SystemClock.now()).await?;
        }
        let known = dead_letters.len() as u64 - new;
        print_line(&format!("{new} imported, {known} already in the table"))
    }
}

/// Reads all lines, so that an invalid one prevents the whole import.
fn read(path: &Path) -> Result<Vec<DeadLetter>, CommandFailed> {
    let input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| import_error(path, &error.to_string()))?)
    };
    let mut dead_letters = Vec::new();
    for (index, line) in BufReader::new(input).lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let dead_letter = Line::parse(&line);
        dead_letters.push(
            dead_letter
                .map_err(|error| import_error(path, &format!("line {}: {error}", index + 1)))?,
        );
    }
    Ok(dead_letters)
}

fn import_error(path: &Path, error: &str) -> CommandFailed {
    let name =
        if path == Path::new("-") { "standard input".into() } else { path.to_string_lossy() };
    CommandFailed::Message(format!("nothing was imported: {name}: {error}"))
}

impl Line {
    fn of(record: &DeadLetterRecord) -> Result<Self, serde_json::Error> {
        let dead_letter = &record.dead_letter;
        Ok(Self {
            key: Uuid::from_bytes(dead_letter.key),
            exchange: dead_letter.exchange.clone(),
            routing_key: dead_letter.routing_key.clone(),
            properties: RawValue::from_string(properties_to_json(&dead_letter.properties))?,
            body_base64: Base64(dead_letter.body.clone().into()),
            body: String::from_utf8(dead_letter.body.clone()).ok(),
            code: dead_letter.reason.code.clone(),
            detail: dead_letter.reason.detail.clone(),
            command: dead_letter.subject.command.clone(),
            order_id: dead_letter.subject.order_id.clone(),
            customer_id: dead_letter.subject.customer_id.clone(),
            failed_at: dead_letter.failed_at,
            attempts: dead_letter.attempts,
        })
    }

    fn parse(line: &str) -> Result<DeadLetter, String> {
        let line: Self = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let properties = properties_from_json(line.properties.get());
        Ok(DeadLetter {
            key: line.key.into_bytes(),
            exchange: line.exchange,
            routing_key: line.routing_key,
            properties: properties.map_err(|error| format!("properties: {error}"))?,
            body: line.body_base64.0.into_owned(),
            reason: Reason {
                code: line.code,
                pattern: pattern_of(&line.detail),
                detail: line.detail,
            },
            subject: Subject {
                command: line.command,
                order_id: line.order_id,
                customer_id: line.customer_id,
            },
            failed_at: line.failed_at,
            attempts: line.attempts,
            replay_of: None,
        })
    }
}
