//! The console in a real browser.

mod browser;
mod dead_letter_screenshots;
mod dead_letters;
mod journeys;
mod keys;
mod looks;
mod outages;
mod screenshots;
mod site;
mod webdriver;
