//! The pages of dead letters.

mod access;
mod detail;
mod discard_and_restore;
mod dry_run;
mod edit;
mod email_masking;
mod fixtures;
mod lists;
mod replay;
