"""A customer of the store, who uses its pages.

    visit.py buy GAME…      puts games into the cart and sends it
    visit.py look           shows the orders

Prints the last page. The customer is always number 14.
"""

import os
import sys

import django
from django.core.management import call_command

os.environ["DJANGO_SETTINGS_MODULE"] = "gamestore.settings"
django.setup()

from django.contrib.auth.models import User  # noqa: E402  (needs the set-up)
from django.test import Client  # noqa: E402

from main.models import Game, PriceList  # noqa: E402

PRICES = {"Bayonetta 3": "59.99", "Chess": "12.50", "Tom & Jerry's <Race>": "0.10"}


def open_store():
    call_command("migrate", run_syncdb=True, verbosity=0)
    for name, price in PRICES.items():
        PriceList.objects.create(game=Game.objects.create(name=name), price_per_unit=price)
    return User.objects.create_user(
        id=14, username="ada", first_name="Ada", last_name="Lovelace", email="ada@shop.example"
    )


def main(action, games):
    visitor = Client()
    visitor.force_login(open_store())
    if action == "buy":
        visitor.get("/cart/")
        for name in games:
            game = Game.objects.get(name=name)
            assert visitor.get(f"/cart/add/{game.id}/").status_code == 302
        page = visitor.get("/cart/send", follow=True)
    else:
        page = visitor.get("/my-orders/")
    assert page.status_code == 200, page
    print(page.content.decode())


main(sys.argv[1], sys.argv[2:])
