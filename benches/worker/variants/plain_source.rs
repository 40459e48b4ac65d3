//! A plain consumer: like the worker's, but it does not recover from failures, and can acknowledge each
//! message alone.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;
use lapin::message::Delivery as Incoming;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties, Consumer};
use order_worker::messages::{Envelope, Properties};
use order_worker::service_layer::{ChannelEpoch, CommandSource, Delivery, DeliveryTag, Settlement};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Source;
use crate::Failure;

/// A quorum queue processes some dozens of acknowledgements of a channel at a time and drops the rest
/// when the channel closes: time to process all of them.
const LAST_ACKS: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckMode {
    /// One frame for all deliveries before the oldest unsettled one.
    Multiple,
    Single,
}

pub struct PlainSource<'a> {
    pub url: &'a str,
    pub queue: &'a str,
    pub acks: AckMode,
}

impl PlainSource<'_> {
    pub async fn consume(self, prefetch: u16, stop: CancellationToken) -> Result<Source, Failure> {
        let connection = Connection::connect(self.url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let consumer = channel.basic_consume(self.queue.into(), "".into(), options, arguments);
        let (deliveries_in, deliveries) = mpsc::channel(prefetch.into());
        let (settlements, settlements_out) = mpsc::unbounded_channel();
        let channel_epoch = ChannelEpoch::default();
        let session = Session {
            _connection: connection,
            consumer: consumer.await?,
            channel,
            number: channel_epoch.next(),
            acks: self.acks,
            settled: BTreeSet::new(),
            oldest: 1,
        };
        let task = tokio::spawn(async move {
            if let Err(failure) = session.serve(deliveries_in, settlements_out, stop).await {
                eprintln!("the plain source failed: {failure}");
                std::process::exit(1);
            }
        });
        Ok((CommandSource { deliveries, settlements, channel_epoch }, task))
    }
}

struct Session {
    /// Keeps the connection open.
    _connection: Connection,
    channel: Channel,
    consumer: Consumer,
    number: u32,
    acks: AckMode,
    /// Settled, but newer than `oldest`.
    settled: BTreeSet<u64>,
    /// The oldest unsettled delivery tag.
    oldest: u64,
}

impl Session {
    async fn serve(
        mut self,
        deliveries: mpsc::Sender<Delivery>,
        mut settlements: mpsc::UnboundedReceiver<Vec<Settlement>>,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        let mut deliveries = Some(deliveries);
        loop {
            tokio::select! {
                settled = settlements.recv() => match settled {
                    Some(settled) => self.settle(settled, &mut settlements).await?,
                    None => break,
                },
                incoming = self.consumer.next(), if deliveries.is_some() => {
                    let incoming = incoming.ok_or("the broker ended the consumer")??;
                    if let Some(deliveries) = &deliveries {
                        // The channel has room for the whole prefetch.
                        let _ = deliveries.send(self.delivery(incoming)).await;
                    }
                }
                () = stop.cancelled(), if deliveries.is_some() => deliveries = None,
            }
        }
        tokio::time::sleep(LAST_ACKS).await;
        Ok(self.channel.close(200, "done".into()).await?)
    }

    fn delivery(&self, incoming: Incoming) -> Delivery {
        let text = |text: &Option<lapin::types::ShortString>| {
            text.as_ref().map(|text| text.as_str().to_owned())
        };
        let tag = DeliveryTag { channel: self.number, number: incoming.delivery_tag };
        let envelope = Envelope {
            exchange: incoming.exchange.as_str().to_owned(),
            routing_key: incoming.routing_key.as_str().to_owned(),
            properties: Properties {
                message_id: text(incoming.properties.message_id()),
                kind: text(incoming.properties.kind()),
                content_type: text(incoming.properties.content_type()),
                app_id: text(incoming.properties.app_id()),
                ..Properties::default()
            },
            body: incoming.data,
            ..Envelope::default()
        };
        Delivery { tag, redelivered: incoming.redelivered, envelope, reservation: None }
    }

    async fn settle(
        &mut self,
        settled: Vec<Settlement>,
        more: &mut mpsc::UnboundedReceiver<Vec<Settlement>>,
    ) -> Result<(), Failure> {
        let mut settled = settled;
        while let Ok(more) = more.try_recv() {
            settled.extend(more);
        }
        let tags = settled.into_iter().map(|Settlement::Ack(tag)| tag.number);
        match self.acks {
            AckMode::Multiple => self.ack_run(tags).await,
            AckMode::Single => {
                for tag in tags {
                    self.ack(tag, false).await?;
                }
                Ok(())
            }
        }
    }

    async fn ack_run(&mut self, tags: impl Iterator<Item = u64>) -> Result<(), Failure> {
        self.settled.extend(tags);
        let before = self.oldest;
        while self.settled.remove(&self.oldest) {
            self.oldest += 1;
        }
        if self.oldest > before { self.ack(self.oldest - 1, true).await } else { Ok(()) }
    }

    async fn ack(&self, tag: u64, multiple: bool) -> Result<(), Failure> {
        Ok(self.channel.basic_ack(tag, BasicAckOptions { multiple }).await?)
    }
}
