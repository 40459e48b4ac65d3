from django.contrib.auth.models import User
from django.db import models


class Game(models.Model):
    name = models.CharField(max_length=100)


class PriceList(models.Model):
    game = models.OneToOneField(Game, on_delete=models.CASCADE, primary_key=True)
    price_per_unit = models.DecimalField(max_digits=9, decimal_places=2, default=0)


class ShoppingCart(models.Model):
    user = models.ForeignKey(User, on_delete=models.CASCADE)


class ShoppingCartItem(models.Model):
    cart = models.ForeignKey(ShoppingCart, on_delete=models.CASCADE, related_name="items")
    game = models.ForeignKey(Game, on_delete=models.CASCADE)
    quantity = models.IntegerField(default=1)
    price_per_unit = models.DecimalField(max_digits=9, decimal_places=2, default=0)
