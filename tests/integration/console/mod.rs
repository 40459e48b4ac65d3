//! The pages of the console, without a browser: on an in-process broker and SQLite.

mod dead_letters;
mod doctor;
mod email_masking;
mod escaping;
mod events;
mod forms;
mod layout;
mod onboarding;
mod orders;
mod overview;
mod sign_in;
mod worker;
