//! What pages are made of.
//!
//! A table is plain markup: `table .cards`, with `data-label="Total"` on each `td`, becomes a list
//! of cards on a phone; `.number` aligns to the right. A list of terms is a `dl .terms`, code that
//! scrolls a `pre .code`, a part beside others a `section .panel`.

pub mod address;
mod badge;
pub mod confirm;
pub mod email;
pub mod form;
pub mod notice;
mod pages;
mod timestamp;

pub use badge::{dead_letter_state, order_status};
pub use pages::pages;
pub use timestamp::timestamp;
