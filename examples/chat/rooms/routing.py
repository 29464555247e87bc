from django.urls import path

from rooms.consumers import ChatConsumer

websocket_urlpatterns = [
    path("ws/<str:group_name>/", ChatConsumer.as_asgi()),
]
