//! The console in a real browser.

mod browser;
mod dead_letter_screenshots;
mod dead_letters;
mod journeys;
mod keyboard;
mod outages;
mod readability;
mod screenshots;
mod site;
mod webdriver;
