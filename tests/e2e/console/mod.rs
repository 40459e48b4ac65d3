//! The console in a real browser.

mod browser;
mod journeys;
mod keys;
mod looks;
mod outages;
mod screenshots;
mod site;
mod webdriver;
