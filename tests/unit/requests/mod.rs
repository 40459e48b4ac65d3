//! The lane of commands whose senders wait.

mod answering;
mod in_trouble;
mod lane;
mod locked;
mod publishing;
