"""A game store and a notification service, on a client library other than the worker's (pika).

    store.py subscribe QUEUE                declares QUEUE and binds it to all events
    store.py publish SEED COUNT             publishes COUNT messages, prints the expected results
    store.py events QUEUE EXPECTED          reads events until EXPECTED distinct ones have come and the
                                            queue is empty, prints them (one JSON object per line)
    store.py expire COUNT                   publishes COUNT orders that expire at once
    store.py dead-letters EXPECTED          reads dead letters until EXPECTED have come and the queue is
                                            empty

The environment variables are those of the worker.
"""

import json
import os
import random
import sys
import time

import pika

COMMANDS = os.environ["COMMANDS_EXCHANGE"]
EVENTS = os.environ["EVENTS_EXCHANGE"]
DEAD_LETTERS = os.environ["DEAD_LETTER_QUEUE"]
TIMEOUT_SECONDS = 90


def connect():
    return pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))


def subscribe(queue):
    with connect() as connection:
        channel = connection.channel()
        channel.queue_declare(queue, durable=True)
        channel.queue_bind(queue, EVENTS, "order.#")


class Workload:
    """Messages and their expected results."""

    def __init__(self, seed, count):
        self.random = random.Random(seed)
        self.seed = seed
        self.messages = []
        self.versions = {}
        self.rejected = 0
        self.dead = 0
        self.duplicates = 0
        while len(self.messages) < count:
            self.add_one()

    def send(self, kind, body, message_id=None):
        self.messages.append((kind, body, message_id))

    def add_one(self):
        number = len(self.messages)
        share = self.random.random()
        if share < 0.02:
            self.add_malformed(number)
        elif share < 0.07 and number > 10:
            self.repeat()
        elif share < 0.60 or not self.versions:
            self.place(number)
        else:
            self.advance(number)

    def place(self, number):
        order_id = f"{self.seed}-{number}"
        items = [
            {
                "product_id": self.random.randrange(1, 1000),
                "name": f"Game {self.random.randrange(1, 1000)} – édition",
                "quantity": self.random.randrange(1, 5),
                "price_per_unit": f"{self.random.randrange(1, 100)}.{self.random.randrange(100):02}",
            }
            for _ in range(self.random.randrange(1, 6))
        ]
        customer = {"customer_id": self.random.randrange(1, 500), "name": "Grace Hopper", "email": "grace@example.com"}
        body = {"order_id": order_id, "order_customer": customer, "items": items}
        self.send("order.place", json.dumps(body), f"place-{order_id}")
        self.versions[order_id] = 1

    def advance(self, number):
        """SetNextStatus for a recent order; rejected once the order is completed."""
        order_id = self.random.choice(list(self.versions)[-300:])
        self.send("order.set_next_status", json.dumps({"order_id": order_id}), f"advance-{self.seed}-{number}")
        if self.versions[order_id] == 5:
            self.rejected += 1
        else:
            self.versions[order_id] += 1

    def repeat(self):
        """Sends a recent message again; malformed ones are not repeated."""
        valid = [message for message in self.messages[-200:] if message[2]]
        if valid:
            self.messages.append(self.random.choice(valid))
            self.duplicates += 1

    def add_malformed(self, number):
        bodies = ["{oops", "", '{"order_id": 1, "order_id": 2}', '{"items": []}', "\u00ff" * 10, "[]"]
        self.send("order.place", bodies[number % len(bodies)])
        self.dead += 1

    def expected(self):
        changes = sum(self.versions.values())
        return {
            "messages": len(self.messages),
            "orders": len(self.versions),
            "versions": self.versions,
            "status_changes": changes,
            "rejected": self.rejected,
            "dead_letters": self.dead,
            "duplicates": self.duplicates,
            "accepted": changes,
        }


def publish(seed, count):
    workload = Workload(int(seed), int(count))
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for routing_key, body, message_id in workload.messages:
            properties = pika.BasicProperties(message_id=message_id, delivery_mode=2, app_id="store.py")
            channel.basic_publish(COMMANDS, routing_key, body, properties, mandatory=True)
    print(json.dumps(workload.expected()))


def expire(count):
    with connect() as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for number in range(int(count)):
            properties = pika.BasicProperties(message_id=f"expired-{number}", expiration="1", app_id="store.py")
            channel.basic_publish(COMMANDS, "order.place", f"{number}", properties, mandatory=True)


def drain(queue, enough):
    """Yields messages until `enough()` and the queue is empty."""
    deadline = time.monotonic() + TIMEOUT_SECONDS  # for the next message
    with connect() as connection:
        channel = connection.channel()
        while time.monotonic() < deadline:
            method, properties, body = channel.basic_get(queue, auto_ack=True)
            if method is not None:
                deadline = time.monotonic() + TIMEOUT_SECONDS
                yield method, properties, body
            elif enough():
                return
            else:
                connection.sleep(0.1)
    sys.exit(f"store.py: waited {TIMEOUT_SECONDS} s for more messages in {queue}")


def events(queue, expected):
    seen = set()
    for method, properties, body in drain(queue, lambda: len(seen) >= int(expected)):
        event = json.loads(body)
        assert properties.message_id == event["event_id"], "the message id is the event id"
        assert properties.type == event["type"] and properties.delivery_mode == 2
        assert properties.content_type == "application/json" and properties.app_id == "order-worker"
        seen.add(event["event_id"])
        print(json.dumps({"routing_key": method.routing_key, "event": event}))


def dead_letters(expected):
    count = 0
    for _, properties, body in drain(DEAD_LETTERS, lambda: count >= int(expected)):
        count += 1
        headers = properties.headers
        print(json.dumps({"code": headers["order-worker-code"], "bytes": len(body)}))


if __name__ == "__main__":
    action = {
        "subscribe": subscribe,
        "publish": publish,
        "events": events,
        "expire": expire,
        "dead-letters": dead_letters,
    }
    action[sys.argv[1]](*sys.argv[2:])
