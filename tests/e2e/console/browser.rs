//! What people do with a browser.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::webdriver::{Refused, WebDriver};
use crate::test_env::eventually;

/// Somebody's browser at one worker.
pub struct Browser {
    driver: WebDriver,
    address: String,
}

impl Browser {
    /// A browser that knows nothing of the worker at `http://127.0.0.1:PORT`.
    pub async fn at(address: &str) -> Self {
        let browser = Self { driver: WebDriver::start().await, address: address.to_owned() };
        browser.resize(1200, 900, false).await;
        browser
    }

    pub async fn open(&self, path: &str) {
        let url = format!("{}{path}", self.address);
        self.driver.post("/url", json!({"url": url})).await.unwrap();
    }

    /// Presses the button, or follows the link, on which this stands.
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

    /// Presses what leads to another page, and waits until that is there in full.
    pub async fn follow(&self, name: &str) {
        self.run("window.isLeft = true").await;
        self.click(name).await;
        let is_there = "return !window.isLeft && document.readyState === 'complete'";
        eventually(&format!("{name} leads to another page"), || async {
            // Between two pages no script can be run.
            self.driver.run(is_there).await.is_ok_and(|is_there| is_there == json!(true))
        })
        .await;
    }

    /// Writes into the field with this label, or chooses what stands in it.
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

    /// Waits until this can be read on the page.
    pub async fn sees(&self, text: &str) {
        eventually(&format!("{text} is on the page"), || async {
            self.text().await.contains(text)
        })
        .await;
    }

    /// All that can be read on the page.
    pub async fn text(&self) -> String {
        let driver = &self.driver;
        until("the page is there", || async { driver.text(&driver.find("//body").await?).await })
            .await
    }

    /// The names of all buttons and fields.
    pub async fn controls(&self) -> Vec<String> {
        let script = "return [...document.querySelectorAll('button, input:not([type=hidden]), \
            select, textarea')].map(it => it.textContent.trim() || it.name)";
        serde_json::from_value(self.run(script).await).unwrap()
    }

    pub async fn sign_in(&self, token: &str) {
        self.open("/").await;
        self.fill("Token", token).await;
        self.click("Sign in").await;
        self.sees("Sign out").await;
    }

    /// From now on in another tab; the names of tabs are for [`Self::go_to_tab`].
    pub async fn open_tab(&self) -> String {
        let tab = self.driver.post("/window/new", json!({"type": "tab"})).await.unwrap();
        let tab = tab["handle"].as_str().unwrap().to_owned();
        self.go_to_tab(&tab).await;
        tab
    }

    pub async fn present_tab(&self) -> String {
        self.driver.get("/window").await.unwrap().as_str().unwrap().to_owned()
    }

    pub async fn go_to_tab(&self, tab: &str) {
        self.driver.post("/window", json!({"handle": tab})).await.unwrap();
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub async fn press(&self, key: char) {
        let actions = json!([{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]);
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.driver.post("/actions", json!({"actions": [keyboard]})).await.unwrap();
    }

    /// Where the focus is: what stands there.
    pub async fn focused(&self) -> String {
        let script = "const it = document.activeElement; \
            return it.textContent.trim() || it.name || it.tagName";
        self.run(script).await.as_str().unwrap().to_owned()
    }

    pub async fn run(&self, script: &str) -> Value {
        self.driver.run(script).await.unwrap()
    }

    /// No page may run a script from now on.
    pub async fn without_script(&self) {
        let off = json!({"value": true});
        self.driver.browser_command("Emulation.setScriptExecutionDisabled", off).await;
    }

    pub async fn in_the_dark(&self, dark: bool) {
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

    /// What the window shows, as a PNG.
    pub async fn picture(&self) -> Vec<u8> {
        let picture = self.driver.get("/screenshot").await.unwrap();
        BASE64_STANDARD.decode(picture.as_str().unwrap()).unwrap()
    }

    /// The browser had nothing to complain of: no violated policy, no error of a script.
    pub async fn assert_no_complaints(&self) {
        let log = self.driver.post("/se/log", json!({"type": "browser"})).await.unwrap();
        assert_eq!(log, json!([]));
    }
}

/// Tries again until the browser does it: a page may be on its way, or has just replaced a part.
async fn until<T, F: Future<Output = Result<T, Refused>>>(
    what: &str,
    mut attempt: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(Refused(why)) if Instant::now() > deadline => {
                panic!("after 60 s it is still not so that {what}: {why}");
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
