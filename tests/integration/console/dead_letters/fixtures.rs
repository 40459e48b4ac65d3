//! Dead letters for tests.

use std::time::Duration;

use order_worker::adapters::in_process::Submitted;
use order_worker::bootstrap::Broker;
use order_worker::messages::Properties;
use order_worker::service_layer::dead_letters::{
    AuditAction, AuditEntry, DeadLetterFilter, DeadLetterRecord, DeadLetterState,
};

use crate::console::worker::{Browser, Console, Page, within_a_minute};

/// An order whose price has too many decimals.
pub const TOO_PRECISE: &str = r#"{"order_id": "14", "order_customer": {"customer_id": "c-9", "name": "Ada", "email": "ada@example.com"}, "items": [{"product_id": 1, "name": "Chess", "quantity": 2, "price_per_unit": "9.505"}]}"#;

impl Console {
    /// Sends a message that becomes a dead letter, and waits until it is collected. Returns its id.
    pub async fn dead_letter(&self, routing_key: &str, body: impl AsRef<[u8]>) -> i64 {
        self.dead_letter_with(routing_key, body, Properties::default()).await
    }

    pub async fn dead_letter_with(
        &self,
        routing_key: &str,
        body: impl AsRef<[u8]>,
        properties: Properties,
    ) -> i64 {
        let known = self.dead_letter_ids().await.len();
        self.send(routing_key, body, properties);
        within_a_minute(async {
            loop {
                let ids = self.dead_letter_ids().await;
                if ids.len() > known {
                    return ids[known];
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
    }

    /// Sends status changes for orders that do not exist yet, each of which becomes a dead letter. Returns
    /// their ids.
    pub async fn premature_commands(&self, count: usize) -> Vec<i64> {
        for number in 0..count {
            let body = format!(r#"{{"order_id": "o-{number}", "status": 2}}"#);
            self.send("order.set_status", body, Properties::default());
        }
        within_a_minute(async {
            while self.dead_letter_ids().await.len() < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        self.dead_letter_ids().await
    }

    pub fn send(&self, routing_key: &str, body: impl AsRef<[u8]>, properties: Properties) {
        let Broker::InProcess(broker) = &self.broker else {
            panic!("the tests use the in-process broker")
        };
        let (routing_key, body) = (routing_key.to_owned(), body.as_ref().to_vec());
        broker.submit(Submitted { routing_key, properties, body });
    }

    async fn dead_letter_ids(&self) -> Vec<i64> {
        self.database
            .dead_letters()
            .dead_letter_ids(&DeadLetterFilter::default(), 10_000)
            .await
            .unwrap()
    }

    pub async fn record(&self, id: i64) -> DeadLetterRecord {
        self.database.dead_letters().dead_letter(id).await.unwrap().expect("the dead letter exists")
    }

    pub async fn state(&self, id: i64) -> DeadLetterState {
        self.record(id).await.state
    }

    pub async fn audit_log(&self, id: i64) -> Vec<AuditEntry> {
        self.database.dead_letters().dead_letter_actions(id).await.unwrap()
    }

    /// The actions in the audit log, without revealed e-mail addresses.
    pub async fn actions_taken(&self, id: i64) -> Vec<AuditAction> {
        let kinds = self.audit_log(id).await.into_iter().map(|action| action.what);
        kinds.filter(|kind| *kind != AuditAction::Disclose).collect()
    }
}

impl Browser<'_> {
    /// Opens a dead letter in the editor.
    pub async fn edit_page(&self, id: i64) -> Page {
        let action = format!("/dead-letters/{id}/edit");
        self.press(&format!("/dead-letters/{id}"), &action, &[]).await
    }

    /// Replays a dead letter. Returns the page of the job when it has ended.
    pub async fn replay(&self, id: i64, fields: &[(&str, &str)]) -> Page {
        let page = format!("/dead-letters/{id}");
        let confirmation = self.press(&page, "/dead-letters/replay", &[]).await;
        self.start(&confirmation, "/dead-letters/replay/start", fields).await
    }

    /// Submits a confirmation page. Returns the page of the job when it has ended.
    pub async fn start(&self, confirmation: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
        let started = self.submit_from(confirmation, action, action, fields).await;
        self.job_ended(started.redirect()).await
    }

    /// The page of a job when it has ended.
    pub async fn job_ended(&self, page: &str) -> Page {
        within_a_minute(async {
            loop {
                let page = self.get(page).await;
                if !page.body.contains("data-refresh") {
                    return page;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
    }
}

impl Page {
    /// A count on the page of a job; 0 if it is not there.
    pub fn count(&self, label: &str) -> usize {
        let label = format!("<p class=\"label\">{label}</p><p class=\"value\">");
        let number = self.body.split(&label).nth(1).and_then(|rest| rest.split('<').next());
        number.map_or(0, |number| number.parse().unwrap())
    }

    pub fn assert_contains(&self, text: &str) {
        assert!(self.body.contains(text), "{text} is not in {} {}", self.status, self.body);
    }
}
