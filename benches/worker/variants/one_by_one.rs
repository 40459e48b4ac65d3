//! Publishing without a window of confirms.

use async_trait::async_trait;
use order_worker::messages::{Publication, PublishStatus};
use order_worker::service_layer::{PublishError, Publisher};

/// Publishes a message once the previous one is confirmed.
#[derive(Debug)]
pub struct OneByOne(pub Box<dyn Publisher>);

#[async_trait]
impl Publisher for OneByOne {
    async fn publish(
        &mut self,
        window: &[Publication],
    ) -> Result<Vec<PublishStatus>, PublishError> {
        let mut confirmations = Vec::with_capacity(window.len());
        for publication in window {
            confirmations.extend(self.0.publish(std::slice::from_ref(publication)).await?);
        }
        Ok(confirmations)
    }
}
