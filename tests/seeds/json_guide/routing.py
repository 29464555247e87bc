# fmt: off
from django.urls import path

from .consumers import MyConsumer

websocket_urlpatterns = [
    path('ws/<str:group_name>/', MyConsumer.as_asgi()),
]
