"""The calls of the order service."""

import json

import requests
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import DecimalField, F, Sum

from gamestore import settings


def _headers():
    return {
        "Authorization": f"Token {settings.ORDER_SERVICE_AUTHTOKEN}",
        "Content-type": "application/json",
    }


def place(cart):
    """Sends a cart; the encoder writes amounts as text."""
    return requests.post(
        f"{settings.ORDER_SERVICE_BASEURL}/api/order/add/",
        headers=_headers(),
        data=json.dumps(_order_of(cart), cls=DjangoJSONEncoder),
    )


def orders_of(user):
    return requests.get(
        f"{settings.ORDER_SERVICE_BASEURL}/api/customer/{user.id}/orders/get/",
        headers=_headers(),
    )


def _order_of(cart):
    cost = Sum(F("price_per_unit") * F("quantity"), output_field=DecimalField(decimal_places=2))
    customer = cart.user
    return {
        "items": [
            {
                "name": item.game.name,
                "price_per_unit": item.price_per_unit,
                "product_id": item.game.id,
                "quantity": item.quantity,
            }
            for item in cart.items.select_related("game").order_by("id")
        ],
        "order_customer": {
            "customer_id": customer.id,
            "email": customer.email,
            "name": f"{customer.first_name} {customer.last_name}",
        },
        "total": cart.items.aggregate(total=cost)["total"],
    }
