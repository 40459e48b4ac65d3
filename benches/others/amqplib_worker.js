// A worker for PlaceOrder commands with amqplib and pg, for comparison.
//
// One transaction per message; inbox and outbox as in order-worker.
'use strict';

const { createHash, randomUUID } = require('node:crypto');
const { once } = require('node:events');
const amqplib = require('amqplib');
const { Pool } = require('pg');

const COMMAND = 'PlaceOrder';
const EVENT = 'OrderStatusChanged';
const ROUTING_KEY = 'order.status.received';
const CONCURRENCY = 16;

// Named statements are prepared once per connection.
const HANDLED = {
  name: 'handled',
  text: `
    insert into handled_messages (message_id, body_hash, command, order_id, outcome, handled_at)
    values ($1, $2, $3, $4, 'accepted', $5) on conflict do nothing`,
};
const ORDER = {
  name: 'order',
  text: `
    insert into orders (order_id, customer_id, customer_name, customer_email, total, status,
                        created_at, last_updated, version)
    values ($1, $2, $3, $4, $5, 1, $6, $6, 1)`,
};
const ITEMS = {
  name: 'items',
  text: `
    insert into order_items (order_id, line, product_id, name, quantity, price_per_unit)
    select $1, * from unnest($2::smallint[], $3::text[], $4::text[], $5::integer[], $6::numeric[])`,
};
const HISTORY = {
  name: 'history',
  text: `
    insert into order_history (order_id, version, status, changed_at, command, caused_by)
    values ($1, 1, 1, $2, $3, $4)`,
};
const OUTBOX = {
  name: 'outbox',
  text: `
    insert into outbox (order_id, version, event_id, kind, routing_key, correlation_id, body)
    values ($1, 1, $2, 1, $3, $4, $5)`,
};
const UNPUBLISHED = {
  name: 'unpublished',
  text: 'select event_id, correlation_id, body from outbox where order_id = $1 and version = 1',
};
const PUBLISHED = {
  name: 'published',
  text: 'delete from outbox where order_id = $1 and version = 1 and event_id = $2',
};

async function handle(message, pool, events) {
  const { type, messageId } = message.properties;
  if (type !== COMMAND || !messageId) {
    throw new Error(`not a ${COMMAND} with a message id: ${type} ${messageId}`);
  }
  const command = JSON.parse(message.content);
  const database = await pool.connect();
  try {
    await database.query('begin');
    let event = await place(database, message, command);
    await database.query('commit');
    // A duplicate has an event to publish if a worker ended between commit and confirm.
    event ??= (await run(database, UNPUBLISHED, command.order_id)).rows[0];
    if (event) {
      await events.publish(event);
      await run(database, PUBLISHED, command.order_id, event.event_id);
    }
  } catch (error) {
    database.release(error); // closes the connection, which rolls back
    throw error;
  }
  database.release();
}

/** Writes the order; returns its event, or undefined for a duplicate. */
async function place(database, message, command) {
  const now = new Date();
  const { messageId, correlationId } = message.properties;
  const { order_id } = command;
  const bodyHash = createHash('sha256')
    .update(`${COMMAND}\0`).update(message.content).digest().subarray(0, 16);
  const handled = await run(database, HANDLED, messageId, bodyHash, COMMAND, order_id, now);
  if (handled.rowCount === 0) return undefined;

  const customer = {
    customer_id: String(command.order_customer.customer_id),
    name: command.order_customer.name,
    email: command.order_customer.email,
  };
  const items = command.items.map((item) => ({
    product_id: String(item.product_id),
    name: item.name,
    quantity: item.quantity,
    price_per_unit: amount(item.price_per_unit),
  }));
  const total = amount(command.total);
  const event_id = randomUUID();
  const body = JSON.stringify({
    event_id,
    type: EVENT,
    order_id,
    previous_status: null,
    status: 'Received',
    version: 1,
    changed_at: now.toISOString().replace('Z', '000Z'), // microseconds, as order-worker sends them
    order_customer: customer,
    items,
    total,
    caused_by: messageId,
  });
  const correlation_id = correlationId || messageId;

  await run(database, ORDER, order_id, ...Object.values(customer), total, now);
  await run(
    database,
    ITEMS,
    order_id,
    items.map((_, index) => index + 1),
    items.map((item) => item.product_id),
    items.map((item) => item.name),
    items.map((item) => item.quantity),
    items.map((item) => item.price_per_unit),
  );
  await run(database, HISTORY, order_id, now, COMMAND, messageId);
  await run(database, OUTBOX, order_id, event_id, ROUTING_KEY, correlation_id, body);
  return { event_id, correlation_id, body };
}

/** Publishes with confirms; an unroutable event is an error. */
class Events {
  #channel;
  #exchange;
  #returned = new Set();

  constructor(channel, exchange) {
    this.#channel = channel;
    this.#exchange = exchange;
    channel.on('return', (message) => this.#returned.add(message.properties.messageId));
  }

  publish({ event_id, correlation_id, body }) {
    const options = {
      persistent: true,
      mandatory: true,
      contentType: 'application/json',
      type: EVENT,
      messageId: event_id,
      correlationId: correlation_id,
      appId: 'order-worker',
      timestamp: Math.floor(Date.now() / 1000),
    };
    return new Promise((resolve, reject) => {
      // The broker sends a return before its confirm.
      const confirmed = (error) => {
        if (error) reject(error);
        else if (this.#returned.has(event_id)) reject(new Error('unroutable event'));
        else resolve();
      };
      this.#channel.publish(this.#exchange, ROUTING_KEY, Buffer.from(body), options, confirmed);
    });
  }
}

function run(database, statement, ...values) {
  return database.query({ ...statement, values });
}

function amount(value) {
  return Number(value).toFixed(2);
}

function databaseUrl() {
  // pg expects libpq's syntax instead of `options[search_path]=…`.
  return process.env.DATABASE_URL.replace(/options\[(\w+)\]=/, 'options=-c$1%3D');
}

function fail(error) {
  console.error(error);
  process.exit(1);
}

async function main() {
  const stop = once(process, 'SIGTERM');
  const pool = new Pool({ connectionString: databaseUrl(), max: CONCURRENCY });
  pool.on('error', fail);
  const broker = await amqplib.connect(process.env.AMQP_URL);
  const ended = () => fail(new Error('the broker ended the connection'));
  broker.on('error', fail).on('close', ended);
  const publishing = await broker.createConfirmChannel();
  const consuming = await broker.createChannel();
  publishing.on('error', fail);
  consuming.on('error', fail);
  const events = new Events(publishing, process.env.EVENTS_EXCHANGE);

  const inFlight = new Set();
  const take = (message) => {
    if (message === null) return ended(); // the broker cancelled the consumer
    const task = handle(message, pool, events)
      .then(() => consuming.ack(message))
      .then(() => inFlight.delete(task))
      .catch(fail);
    inFlight.add(task);
  };
  await consuming.prefetch(CONCURRENCY);
  const { consumerTag } = await consuming.consume(process.env.COMMANDS_QUEUE, take);

  await stop;
  await consuming.cancel(consumerTag);
  await Promise.all(inFlight);
  broker.off('close', ended);
  await broker.close();
  await pool.end();
}

main().catch(fail);
