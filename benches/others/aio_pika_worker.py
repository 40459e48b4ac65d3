"""A worker for PlaceOrder commands with aio-pika and asyncpg, for comparison.

One transaction per message; inbox and outbox as in order-worker.
"""

import asyncio
import json
import os
import re
import signal
from datetime import datetime, timezone
from decimal import Decimal
from hashlib import sha256
from uuid import uuid4

import aio_pika
import asyncpg

COMMAND = "PlaceOrder"
EVENT = "OrderStatusChanged"
ROUTING_KEY = "order.status.received"
CONCURRENCY = 16

HANDLED = """
    insert into handled_messages (message_id, body_hash, command, order_id, outcome, handled_at)
    values ($1, $2, $3, $4, 'accepted', $5) on conflict do nothing"""
ORDER = """
    insert into orders (order_id, customer_id, customer_name, customer_email, total, status,
                        created_at, last_updated, version)
    values ($1, $2, $3, $4, $5, 1, $6, $6, 1)"""
ITEMS = """
    insert into order_items (order_id, line, product_id, name, quantity, price_per_unit)
    select $1, * from unnest($2::smallint[], $3::text[], $4::text[], $5::integer[], $6::numeric[])"""
HISTORY = """
    insert into order_history (order_id, version, status, changed_at, command, caused_by)
    values ($1, 1, 1, $2, $3, $4)"""
OUTBOX = """
    insert into outbox (order_id, version, event_id, kind, routing_key, correlation_id, body)
    values ($1, 1, $2, 1, $3, $4, $5)"""
UNPUBLISHED = "select event_id, correlation_id, body from outbox where order_id = $1 and version = 1"
PUBLISHED = "delete from outbox where order_id = $1 and version = 1 and event_id = $2"


async def handle(message, pool, events):
    if message.type != COMMAND or not message.message_id:
        raise ValueError(f"not a {COMMAND} with a message id: {message.type} {message.message_id}")
    command = json.loads(message.body, parse_float=Decimal)
    order_id = command["order_id"]
    async with pool.acquire() as database:
        async with database.transaction():
            event = await place(database, message, command)
        # A duplicate has an event to publish if a worker ended between commit and confirm.
        event = event or await database.fetchrow(UNPUBLISHED, order_id)
        if event:
            event_id, correlation_id, body = event
            await publish(events, event_id, correlation_id, body)
            await database.execute(PUBLISHED, order_id, event_id)
    await message.ack()


async def place(database, message, command):
    """Writes the order; returns its event, or None for a duplicate."""
    now = datetime.now(timezone.utc)
    order_id, message_id = command["order_id"], message.message_id
    body_hash = sha256(COMMAND.encode() + b"\0" + message.body).digest()[:16]
    written = await database.execute(HANDLED, message_id, body_hash, COMMAND, order_id, now)
    if written == "INSERT 0 0":
        return None

    customer = command["order_customer"]
    customer = {
        "customer_id": str(customer["customer_id"]),
        "name": customer["name"],
        "email": customer["email"],
    }
    items = [
        {
            "product_id": str(item["product_id"]),
            "name": item["name"],
            "quantity": item["quantity"],
            "price_per_unit": amount(item["price_per_unit"]),
        }
        for item in command["items"]
    ]
    total = amount(command["total"])
    event_id = uuid4()
    event = {
        "event_id": str(event_id),
        "type": EVENT,
        "order_id": order_id,
        "previous_status": None,
        "status": "Received",
        "version": 1,
        "changed_at": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "order_customer": customer,
        "items": items,
        "total": total,
        "caused_by": message_id,
    }
    body = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    correlation_id = message.correlation_id or message_id

    await database.execute(ORDER, order_id, *customer.values(), Decimal(total), now)
    await database.execute(
        ITEMS,
        order_id,
        list(range(1, len(items) + 1)),
        [item["product_id"] for item in items],
        [item["name"] for item in items],
        [item["quantity"] for item in items],
        [Decimal(item["price_per_unit"]) for item in items],
    )
    await database.execute(HISTORY, order_id, now, COMMAND, message_id)
    await database.execute(OUTBOX, order_id, event_id, ROUTING_KEY, correlation_id, body)
    return event_id, correlation_id, body


async def publish(events, event_id, correlation_id, body):
    """Waits for the broker's confirm; raises if the event is nacked or unroutable."""
    message = aio_pika.Message(
        body.encode(),
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        type=EVENT,
        message_id=str(event_id),
        correlation_id=correlation_id,
        app_id="order-worker",
        timestamp=datetime.now(timezone.utc),
    )
    await events.publish(message, ROUTING_KEY, mandatory=True)


def amount(value):
    return f"{Decimal(value):.2f}"


def database_url():
    # asyncpg expects libpq's syntax instead of `options[search_path]=…`.
    return re.sub(r"options\[(\w+)\]=", r"options=-c\1%3D", os.environ["DATABASE_URL"])


async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with (
        asyncpg.create_pool(database_url(), min_size=CONCURRENCY, max_size=CONCURRENCY) as pool,
        await aio_pika.connect(os.environ["AMQP_URL"]) as broker,
    ):
        publishing = await broker.channel(publisher_confirms=True, on_return_raises=True)
        events = await publishing.get_exchange(os.environ["EVENTS_EXCHANGE"], ensure=False)
        consuming = await broker.channel()
        await consuming.set_qos(prefetch_count=CONCURRENCY)
        queue = await consuming.get_queue(os.environ["COMMANDS_QUEUE"], ensure=False)

        # The first task that fails cancels the others and ends the worker.
        async with asyncio.TaskGroup() as tasks:

            async def take(message):
                tasks.create_task(handle(message, pool, events))

            consumer = await queue.consume(take)
            stopping = asyncio.ensure_future(stop.wait())
            lost = [asyncio.ensure_future(channel.closed()) for channel in (publishing, consuming)]
            await asyncio.wait([stopping, *lost], return_when=asyncio.FIRST_COMPLETED)
            if not stop.is_set():
                raise ConnectionError("the broker ended the connection")
            await queue.cancel(consumer)


asyncio.run(main())
