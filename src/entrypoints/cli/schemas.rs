//! `schemas`: prints or writes the JSON Schemas of all messages.

use std::path::PathBuf;

use clap::Args;

use super::CommandFailed;
use super::output::print_line;
use crate::entrypoints::schemas;

#[derive(Debug, Args)]
pub struct Schemas {
    /// Write each schema to a file in this directory, by default `schemas`, instead of printing them.
    #[arg(long, value_name = "DIRECTORY", num_args = 0..=1, default_missing_value = "schemas")]
    write: Option<PathBuf>,
}

impl Schemas {
    pub fn run(self) -> Result<(), CommandFailed> {
        let schemas = schemas::all();
        let Some(directory) = self.write else {
            let documents: Vec<String> = schemas.iter().map(schemas::MessageSchema::text).collect();
            return print_line(documents.concat().trim_end());
        };
        std::fs::create_dir_all(&directory)?;
        for schema in schemas {
            let path = directory.join(&schema.file_name);
            std::fs::write(&path, schema.text())?;
            print_line(&path.display().to_string())?;
        }
        Ok(())
    }
}
