from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import F
from django.shortcuts import get_object_or_404, redirect, render

from . import order_service
from .models import Game, ShoppingCart


@login_required
def cart(request):
    own, _ = ShoppingCart.objects.get_or_create(user=request.user)
    return render(request, "main/cart.html", {"items": own.items.select_related("game")})


@login_required
def add_to_cart(request, game_id):
    game = get_object_or_404(Game, pk=game_id)
    own, _ = ShoppingCart.objects.get_or_create(user=request.user)
    price = game.pricelist.price_per_unit
    item, is_new = own.items.get_or_create(game=game, defaults={"price_per_unit": price})
    if not is_new:
        item.quantity = F("quantity") + 1
        item.save()
    return redirect("user-cart")


@login_required
def send_cart(request):
    own = ShoppingCart.objects.get(user=request.user)
    response = order_service.place(own)
    if response.status_code == HTTPStatus.CREATED:
        own.items.all().delete()
        order_id = response.json()["order_id"]
        messages.info(request, f"We received your order! ORDER ID: {order_id}")
    else:
        messages.error(request, "Unfortunately, we could not receive your order. Try again later.")
    return redirect("user-cart")


@login_required
def my_orders(request):
    response = order_service.orders_of(request.user)
    orders = []
    if response.status_code == HTTPStatus.OK:
        orders = response.json()
    else:
        messages.error(request, "Unfortunately, we could not retrieve your orders. Try again later.")
    return render(request, "main/my-orders.html", {"orders": orders})
