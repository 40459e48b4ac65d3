//! A browser, controlled as a user does.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::webdriver::{Failed, WebDriver};
use crate::test_env::eventually;

/// A browser for the console of one worker.
pub struct Browser {
    driver: WebDriver,
    address: String,
}

impl Browser {
    /// Starts a browser without cookies, for the worker at `http://127.0.0.1:PORT`.
    pub async fn at(address: &str) -> Self {
        let browser = Self { driver: WebDriver::start().await, address: address.to_owned() };
        browser.resize(1200, 900, false).await;
        browser
    }

    pub async fn open(&self, path: &str) {
        let url = format!("{}{path}", self.address);
        self.driver.post("/url", json!({"url": url})).await.unwrap();
    }

    /// Clicks the button or link with this text.
    pub async fn click(&self, name: &str) {
        let xpath = format!(
            "//button[normalize-space()='{name}'] | //main//a[normalize-space()='{name}']
             | //nav//a[normalize-space()='{name}']"
        );
        let driver = &self.driver;
        until(&format!("{name} is clicked"), || async {
            driver.click(&driver.find(&xpath).await?).await
        })
        .await;
    }

    /// Clicks what leads to another page, and waits until that has loaded.
    pub async fn follow(&self, name: &str) {
        self.run_script("window.isOldPage = true").await;
        self.click(name).await;
        let is_loaded = "return !window.isOldPage && document.readyState === 'complete'";
        eventually(&format!("{name} leads to another page"), || async {
            // No script can run between two pages.
            self.driver.run_script(is_loaded).await.is_ok_and(|is_loaded| is_loaded == json!(true))
        })
        .await;
    }

    /// Fills the field with this label, or selects the option with this text.
    pub async fn fill(&self, label: &str, text: &str) {
        let field = format!("//*[@id=//label[normalize-space()='{label}']/@for]");
        let option = format!("{field}/option[normalize-space()='{text}']");
        let driver = &self.driver;
        until(&format!("{label} is filled"), || async {
            match driver.find(&option).await {
                Ok(option) => driver.click(&option).await,
                Err(_) => driver.fill(&driver.find(&field).await?, text).await,
            }
        })
        .await;
    }

    /// Waits until the page contains this text.
    pub async fn wait_for(&self, text: &str) {
        eventually(&format!("{text} is on the page"), || async {
            self.text().await.contains(text)
        })
        .await;
    }

    /// The visible text of the page.
    pub async fn text(&self) -> String {
        let driver = &self.driver;
        until("the page is there", || async { driver.text(&driver.find("//body").await?).await })
            .await
    }

    /// The texts or names of all buttons and fields.
    pub async fn controls(&self) -> Vec<String> {
        let script = "return [...document.querySelectorAll('button, input:not([type=hidden]), \
            select, textarea')].map(it => it.textContent.trim() || it.name)";
        serde_json::from_value(self.run_script(script).await).unwrap()
    }

    pub async fn sign_in(&self, token: &str) {
        self.open("/").await;
        self.fill("Token", token).await;
        self.click("Sign in").await;
        self.wait_for("Sign out").await;
    }

    /// Opens a tab and switches to it. Returns its name, for [`Self::switch_to_tab`].
    pub async fn open_tab(&self) -> String {
        let tab = self.driver.post("/window/new", json!({"type": "tab"})).await.unwrap();
        let tab = tab["handle"].as_str().unwrap().to_owned();
        self.switch_to_tab(&tab).await;
        tab
    }

    pub async fn current_tab(&self) -> String {
        self.driver.get("/window").await.unwrap().as_str().unwrap().to_owned()
    }

    pub async fn switch_to_tab(&self, tab: &str) {
        self.driver.post("/window", json!({"handle": tab})).await.unwrap();
    }

    /// Presses a key.
    pub async fn press(&self, key: char) {
        let actions = json!([{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]);
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.driver.post("/actions", json!({"actions": [keyboard]})).await.unwrap();
    }

    /// The text or name of the element that has the focus.
    pub async fn focused(&self) -> String {
        let script = "const it = document.activeElement; \
            return it.textContent.trim() || it.name || it.tagName";
        self.run_script(script).await.as_str().unwrap().to_owned()
    }

    pub async fn run_script(&self, script: &str) -> Value {
        self.driver.run_script(script).await.unwrap()
    }

    pub async fn disable_script(&self) {
        let off = json!({"value": true});
        self.driver.browser_command("Emulation.setScriptExecutionDisabled", off).await;
    }

    pub async fn set_dark_mode(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let feature = json!([{"name": "prefers-color-scheme", "value": value}]);
        let features = json!({"features": feature});
        self.driver.browser_command("Emulation.setEmulatedMedia", features).await;
    }

    pub async fn resize(&self, width: u32, height: u32, phone: bool) {
        let scale = if phone { 2 } else { 1 };
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone,
        });
        self.driver.browser_command("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// A PNG of the window.
    pub async fn screenshot(&self) -> Vec<u8> {
        let picture = self.driver.get("/screenshot").await.unwrap();
        BASE64_STANDARD.decode(picture.as_str().unwrap()).unwrap()
    }

    /// Asserts that the browser logged no policy violation and no script error.
    pub async fn assert_no_errors(&self) {
        let log = self.driver.post("/se/log", json!({"type": "browser"})).await.unwrap();
        assert_eq!(log, json!([]));
    }
}

/// Retries until it succeeds: the page may be loading or refreshing.
async fn until<T, F: Future<Output = Result<T, Failed>>>(
    what: &str,
    mut attempt: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(Failed(why)) if Instant::now() > deadline => {
                panic!("not within 60 s: {what}: {why}");
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
