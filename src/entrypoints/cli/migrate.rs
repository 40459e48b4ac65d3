//! `migrate`: the schema of the database.

use super::CommandFailed;
use super::output::print_line;
use crate::bootstrap::Database;
use crate::config::Settings;

pub async fn run(settings: &Settings) -> Result<(), CommandFailed> {
    let version = Database::open(settings).await?.migrate().await?;
    match version.applied {
        Some(applied) if version.is_newer() => print_line(&format!(
            "Nothing to migrate: the database has schema version {applied}, this program knows \
             version {} and can use it.",
            version.known
        )),
        _ => print_line(&format!("The database has schema version {}.", version.known)),
    }
}
