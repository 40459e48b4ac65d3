//! Bringing the tables up to date.

use super::CommandFailed;
use crate::bootstrap::Database;
use crate::config::Settings;

pub async fn run(settings: &Settings) -> Result<(), CommandFailed> {
    Database::open(settings).await?.migrate().await?;
    println!("The tables are up to date.");
    Ok(())
}
