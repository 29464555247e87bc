"""The live server as a pytest fixture."""

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User

from tests.testing.site.clients import LONG, get, socket
from tests.testing.test_live import SITE

if TYPE_CHECKING:
    from channels.testing.fixtures import LiveServer

pytest_plugins = ["channels.testing.fixtures"]


@pytest.fixture(autouse=True)
def _site(settings: object) -> None:
    for name, value in SITE.items():
        setattr(settings, name, value)


@pytest.mark.parametrize("number", [1, 2])
def test_server_and_test_share_the_rows(channels_live_server: "LiveServer", number: int) -> None:
    User.objects.create(username="ann")
    assert get(f"{channels_live_server.url}/names/") == (200, "ann")
    assert get(f"{channels_live_server.url}/static/probe.txt")[0] == 200
    with socket(f"{channels_live_server.ws_url}/async/") as client:
        client.send("bob")
        assert client.recv(LONG) == "ann,bob"
    assert User.objects.count() == 2
