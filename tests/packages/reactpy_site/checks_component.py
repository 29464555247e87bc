"""reactpy-django's consumer, by a communicator and by a real client of a live server."""

import json
import re
import uuid
from http.cookies import SimpleCookie
from typing import Any
from urllib.request import urlopen

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import Client
from reactpy_django.utils import register_component
from websockets.sync.client import connect

from channels.layers import get_channel_layer
from channels.testing import ChannelsLiveServerTestCase, WebsocketCommunicator
from tests.packages.reactpy_site.asgi import application
from tests.packages.reactpy_site.client import PATH, click_on, text_of

QUERY = "?http_pathname=/&http_search="
HEARD = {"type": "counter.heard", "text": "hello all"}


@pytest.fixture(autouse=True)
def registered() -> None:
    register_component("tests.packages.reactpy_site.components.counter")


async def until(client: WebsocketCommunicator, shows: str) -> dict[str, Any]:
    """The first layout from the component that shows the text."""
    while True:
        layout: dict[str, Any] = await client.receive_json_from(timeout=5)
        if shows in text_of(layout):
            return layout


@pytest.mark.django_db(transaction=True)
async def test_component_over_a_communicator() -> None:
    user = await User.objects.acreate(username="anna")
    http = Client()
    await http.aforce_login(user)
    cookie = SimpleCookie({"sessionid": http.cookies["sessionid"].value}).output(header="").strip()
    client = WebsocketCommunicator(
        application,
        f"{PATH}/{uuid.uuid4()}/0/{QUERY}",
        headers=[(b"cookie", cookie.partition(";")[0].encode())],
    )
    assert await client.connect(timeout=5) == (True, None)
    layout = await until(client, "user=anna users=1 count=0")
    await client.send_json_to(click_on(layout))
    layout = await until(client, "count=1")
    await client.send_json_to(click_on(layout))
    await until(client, "count=2")

    layer = get_channel_layer()
    await layer.group_send("counters", HEARD)
    await until(client, "heard=hello all")
    await client.disconnect(timeout=5)


class LiveTests(ChannelsLiveServerTestCase):
    def test_page_and_component(self) -> None:
        with urlopen(f"{self.live_server_url}/") as response:
            page = response.read().decode()
        # The page names the component, with the id under which its arguments are stored.
        stored = re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/1/", page)
        assert stored is not None, page
        url = f"{self.live_server_ws_url}{PATH}/{stored[0]}{QUERY}"
        with connect(url) as client:

            def until(shows: str) -> dict[str, Any]:
                while True:
                    layout: dict[str, Any] = json.loads(client.recv(timeout=5))
                    if shows in text_of(layout):
                        return layout

            client.send(json.dumps(click_on(until("users=0 count=5"))))
            until("count=6")
            async_to_sync(get_channel_layer().group_send)("counters", HEARD)
            until("heard=hello all")
