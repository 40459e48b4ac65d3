"""A publisher that never waits for the worker, and needs its commands to take effect in their order.

    ordered.py ORDERS ROUNDS SECONDS HEADER    places ORDERS orders, then sets the status of each twice in
                                               each of ROUNDS rounds, in at least SECONDS; HEADER is
                                               "order-id", or "none" for commands without a header

Both commands of a round follow each other at once, which is when competing consumers reorder them. Message
ids sort in the order of publication: the order id, then a number. Each command is confirmed and routed
before the next one is published. The environment variables are those of the worker.
"""

import json
import os
import random
import sys
import time

import pika


def main():
    orders, rounds, seconds = (int(argument) for argument in sys.argv[1:4])
    header = sys.argv[4]
    order_ids = [f"o-{number}" for number in range(orders)]
    with pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])) as connection:
        channel = connection.channel()
        channel.confirm_delivery()

        def send(routing_key, order_id, number, body):
            properties = pika.BasicProperties(
                message_id=f"{order_id}-{number:03}",
                delivery_mode=2,
                headers=None if header == "none" else {header: order_id},
            )
            body = json.dumps({"order_id": order_id, **body})
            channel.basic_publish(os.environ["COMMANDS_EXCHANGE"], routing_key, body, properties, mandatory=True)

        for order_id in order_ids:
            customer = {"customer_id": 14, "name": "Grace Hopper", "email": "grace@example.com"}
            items = [{"product_id": 1, "name": "Chess", "quantity": 1, "price_per_unit": "12.50"}]
            send("order.place", order_id, 0, {"order_customer": customer, "items": items})
        for number in range(rounds):
            random.Random(number).shuffle(order_ids)
            for order_id in order_ids:
                send("order.set_status", order_id, 2 * number + 1, {"status": "Shipping"})
                send("order.set_status", order_id, 2 * number + 2, {"status": "Received"})
            time.sleep(seconds / rounds)


if __name__ == "__main__":
    main()
