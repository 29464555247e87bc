from channels.generic.websocket import AsyncJsonWebsocketConsumer


class RoomConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.group = "room-" + self.scope["url_route"]["kwargs"]["room"]
        self.name = self.scope["user"].get_username() or "a guest"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        await self.tell_others("has entered")

    async def disconnect(self, code):
        await self.tell_others("has left")

    async def receive_json(self, content):
        match content:
            case {"text": str(text)} if text.strip():
                await self.channel_layer.group_send(self.group, self.line(text.strip()))

    async def room_line(self, event):
        await self.send_json({"name": event["name"], "text": event["text"]})

    async def tell_others(self, text):
        await self.channel_layer.group_send(
            self.group, self.line(text), exclude=[self.channel_name]
        )

    def line(self, text):
        return {"type": "room.line", "name": self.name, "text": text}
