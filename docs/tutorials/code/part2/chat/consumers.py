from asgiref.sync import async_to_sync
from channels.generic.websocket import JsonWebsocketConsumer


class RoomConsumer(JsonWebsocketConsumer):
    def connect(self):
        self.group = "room-" + self.scope["url_route"]["kwargs"]["room"]
        async_to_sync(self.channel_layer.group_add)(self.group, self.channel_name)
        self.accept()

    def receive_json(self, content):
        match content:
            case {"text": str(text)} if text.strip():
                event = {"type": "room.line", "text": text.strip()}
                async_to_sync(self.channel_layer.group_send)(self.group, event)

    def room_line(self, event):
        self.send_json({"text": event["text"]})
