//! The pages of the console, without a browser: on an in-process broker and SQLite.

mod addresses;
mod dead_letters;
mod events;
mod forms;
mod frame;
mod newcomers;
mod orders;
mod overview;
mod signing_in;
mod text;
mod worker;
