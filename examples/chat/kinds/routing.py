from django.urls import path

from kinds import consumers

websocket_urlpatterns = [
    path("ws/kinds/sync-echo/", consumers.SyncEchoConsumer.as_asgi()),
    path("ws/kinds/async-echo/", consumers.AsyncEchoConsumer.as_asgi()),
    path("ws/kinds/binary-echo/", consumers.BinaryEchoConsumer.as_asgi()),
]
http_urlpatterns = [
    path("kinds/events/", consumers.ClockConsumer.as_asgi()),
    path("kinds/poll/", consumers.LongPollConsumer.as_asgi()),
]
