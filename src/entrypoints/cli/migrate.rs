//! `migrate`: the schema of the database.

use super::CommandFailed;
use super::output::print_line;
use crate::bootstrap::Database;
use crate::config::Settings;

pub async fn run(settings: &Settings) -> Result<(), CommandFailed> {
    Database::open(settings).await?.migrate().await?;
    print_line("The database is migrated.")
}
