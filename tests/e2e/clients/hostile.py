"""A hostile publisher with permission to write to the commands exchange (pika).

    hostile.py nested EXCHANGE LEVELS BODY   a message with a header of LEVELS nested lists
    hostile.py not-utf8 BODY                 a message whose id, type, routing key and headers are not UTF-8
    hostile.py large COUNT BYTES             COUNT bodies of BYTES bytes
    hostile.py attack SEED SECONDS           random attacks for SECONDS; prints how many of each

The environment variables are those of the worker, and REPLY_QUEUES: queues for `reply_to`, separated by
commas.
"""

import collections
import json
import os
import random
import struct
import sys
import time

import pika
from pika import data

COMMANDS = os.environ["COMMANDS_EXCHANGE"]
ROUTING_KEYS = ["order.place", "order.cancel", "order.set_status", "order.set_next_status"]

encode_table = data.encode_table


class Raw(bytes):
    """An encoded header table that the client library would refuse to encode."""

    def __bool__(self):
        return True


def encode_raw_table(pieces, table):
    if not isinstance(table, Raw):
        return encode_table(pieces, table)
    pieces += [struct.pack(">I", len(table)), bytes(table)]
    return 4 + len(table)


def encode_any_short_string(pieces, text):
    """Bytes that are not UTF-8 are passed as text with surrogates."""
    encoded = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    pieces += [struct.pack("B", len(encoded)), encoded]
    return 1 + len(encoded)


data.encode_table = encode_raw_table
data.encode_short_string = encode_any_short_string


def nested(levels, kind=b"A"):
    value = b"V"
    for _ in range(levels):
        content = value if kind == b"A" else b"\x01k" + value
        value = kind + struct.pack(">I", len(content)) + content
    return Raw(b"\x04deep" + value)


def place(order_id, items=1, name="Chess", **more):
    item = {"product_id": 1, "name": name, "quantity": 2, "price_per_unit": "12.50"}
    customer = {"customer_id": 666, "name": "M. Allory", "email": "m@example.com"}
    return json.dumps(
        {"order_id": order_id, "order_customer": customer, "items": [item] * items, **more}
    ).encode()


class Attack:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.seed = seed
        self.sent = collections.Counter()
        self.replies = [it for it in os.environ.get("REPLY_QUEUES", "").split(",") if it]
        self.connect()

    def connect(self):
        self.connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()

    def send(self, what, body, key=None, exchange=COMMANDS, **properties):
        self.sent[what] += 1
        key = key or self.random.choice(ROUTING_KEYS)
        properties = pika.BasicProperties(delivery_mode=2, **properties)
        try:
            self.channel.basic_publish(exchange, key, body, properties)
        except pika.exceptions.AMQPError:
            # The broker has limits of its own; what it refuses does not reach the worker.
            self.sent["refused by the broker"] += 1
            if self.connection.is_open:
                self.connection.close()
            self.connect()

    def headers(self):
        depth = self.random.choice([1, 31, 32, 33, 100, 1_000, 8_000, 20_000])
        kind = self.random.choice([b"A", b"F"])
        body = self.random.choice([b"", b"[", place(f"h-{self.seed}-{self.random.random()}")])
        self.send("nested headers", body, headers=nested(depth, kind))

    def large_headers(self):
        size = self.random.choice([10_000, 60_000, 100_000, 130_000])
        one = Raw(b"\x05large" + b"S" + struct.pack(">I", size) + b"x" * size)
        many = {f"header-{n}": "value" for n in range(size // 20)}
        self.send("large headers", b"{", headers=self.random.choice([one, many]))

    def forged_headers(self):
        forged = {
            "x-death": [{"count": 10**9, "reason": "expired", "queue": "orders"}],
            "x-delivery-count": 10**9,
            "order-worker-attempts": self.random.choice([-1, 0, 2**62]),
            "order-worker-code": "order_not_found",
            "order-worker-unreadable": "too_deep",
            "order-worker-replay-of": "00" * 32,
            "order-id": "\x00",
        }
        self.send("forged headers", b'{"order_id": "missing"}', headers=forged, priority=9)

    def not_utf8(self):
        bad = "bad-\udcff\udcfe"
        field = self.random.choice(["message_id", "type", "reply_to", "correlation_id", "app_id"])
        self.send("not UTF-8", place("bad"), **{field: bad})
        self.send("not UTF-8", place("bad"), key="order." + bad)
        self.send("not UTF-8", b"\xff\xfe" * 100, headers={"\udcff": 1})

    def large_bodies(self):
        size = self.random.choice([256 * 1024, 256 * 1024 + 1, 1024 * 1024, 8 * 1024 * 1024])
        for _ in range(self.random.randrange(1, 6)):
            self.send("large bodies", b"{" + b" " * (size - 2) + b"}")

    def large_orders(self):
        name = self.random.choice(["x" * 200, "\U0001f3b2" * 200, '"' * 200])
        for _ in range(self.random.randrange(1, 20)):
            order_id = f"large-{self.seed}-{self.random.randrange(50)}"
            self.send("large orders", place(order_id, 500, name)[: 256 * 1024], "order.place")
            self.send("changes of large orders", json.dumps(
                {"order_id": order_id, "status": self.random.randrange(1, 5)}
            ).encode(), "order.set_status")

    def nesting(self):
        levels = self.random.choice([33, 1_000, 100_000])
        opening = self.random.choice([b"[", b'{"a":'])
        self.send("nested bodies", opening * min(levels, 262_144 // len(opening)))

    def reply(self):
        own = [os.environ[it] for it in ("COMMANDS_QUEUE", "DEAD_LETTER_QUEUE")]
        own += [own[0] + ".retry.1", "no-such-queue", "x" * 255, "amq.rabbitmq.reply-to"]
        queue = self.random.choice(self.replies * 4 + own)
        order_id = f"reply-{self.seed}-{self.random.randrange(30)}"
        for body, key in [
            (place(order_id), "order.place"),
            (json.dumps({"order_id": order_id, "status": 2}).encode(), "order.set_status"),
            (b"{", "order.place"),
        ]:
            self.send("replies", body, key, reply_to=queue, correlation_id="c" * 255)

    def ids(self):
        message_id = self.random.choice(["same", "x" * 255, "\u0000", "'; drop table orders"])
        self.send("ids", place(f"ids-{self.seed}"), "order.place", message_id=message_id)
        self.send("ids", json.dumps({"order_id": "x" * 65, "status": 2}).encode())

    def one_order(self):
        order_id = f"one-{self.seed}"
        for status in self.random.choices(range(1, 5), k=50):
            body = json.dumps({"order_id": order_id, "status": status}).encode()
            self.send("one order", body, "order.set_status")

    def flood(self):
        for _ in range(200):
            self.send("flood", self.random.choice([b"", b"{", b"null", b"\x00"]))

    def run(self, seconds):
        attacks = [
            self.headers, self.large_headers, self.forged_headers, self.not_utf8, self.large_bodies,
            self.large_orders, self.nesting, self.reply, self.ids, self.one_order, self.flood,
        ]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.random.choice(attacks)()


def main(command, *arguments):
    attack = Attack(arguments[0] if command == "attack" else 0)
    if command == "nested":
        exchange, levels, body = arguments
        attack.send("", body.encode(), "order.place", exchange, headers=nested(int(levels)))
    elif command == "not-utf8":
        bad = "bad-\udcff"
        for field in ("message_id", "type", "correlation_id"):
            attack.send("", arguments[0].encode(), "order.place", **{field: bad})
        attack.send("", arguments[0].encode(), "order." + bad)
        attack.send("", arguments[0].encode(), "order.place", headers={bad: 1})
    elif command == "large":
        count, size = map(int, arguments)
        body = b" " * size
        for _ in range(count):
            attack.send("", body, "order.place")
    elif command == "attack":
        attack.run(float(arguments[1]))
        print(json.dumps(attack.sent))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
