from django.urls import path

from main import views

urlpatterns = [
    path("cart/", views.cart, name="user-cart"),
    path("cart/add/<int:game_id>/", views.add_to_cart),
    path("cart/send", views.send_cart),
    path("my-orders/", views.my_orders),
]
