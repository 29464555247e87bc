"""What can be imported from where, documented or not."""

import importlib
import importlib.util
import inspect
import os
import subprocess
import sys
from typing import Any

import pytest

import channels
from channels.consumer import AsyncConsumer
from channels.generic.http import AsyncHttpConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from tests.behaviours.lines import behaviour, differs, expected

DOCUMENTED = """
channels.consumer: AsyncConsumer SyncConsumer
channels.generic.websocket: WebsocketConsumer AsyncWebsocketConsumer JsonWebsocketConsumer
channels.generic.websocket: AsyncJsonWebsocketConsumer
channels.generic.http: AsyncHttpConsumer
channels.routing: ProtocolTypeRouter URLRouter ChannelNameRouter get_default_application
channels.layers: get_channel_layer channel_layers ChannelLayerManager BaseChannelLayer
channels.layers: InMemoryChannelLayer
channels.sessions: CookieMiddleware SessionMiddleware SessionMiddlewareStack
channels.auth: get_user login logout UserLazyObject AuthMiddleware AuthMiddlewareStack
channels.middleware: BaseMiddleware
channels.db: database_sync_to_async DatabaseSyncToAsync aclose_old_connections
channels.exceptions: StopConsumer AcceptConnection DenyConnection InvalidChannelLayerError
channels.exceptions: ChannelFull MessageTooLarge RequestAborted RequestTimeout
channels.security.websocket: OriginValidator AllowedHostsOriginValidator WebsocketDenier
channels.worker: Worker
channels.testing: ApplicationCommunicator HttpCommunicator WebsocketCommunicator
channels.testing: ChannelsLiveServerTestCase
"""
UNDOCUMENTED = """
channels: DEFAULT_CHANNEL_LAYER __version__
channels.apps: ChannelsConfig
channels.auth: _get_user_session_key get_user_model
channels.consumer: get_handler_name database_sync_to_async get_channel_layer
channels.consumer: aclose_old_connections
channels.db: close_old_connections
channels.generic.http: aclose_old_connections
channels.generic.websocket: aclose_old_connections
channels.management.commands.runworker: Command
channels.sessions: InstanceSessionWrapper
channels.testing.application: ApplicationCommunicator
channels.testing.http: HttpCommunicator
channels.testing.live: ChannelsLiveServerTestCase DaphneProcess make_application
channels.testing.live: set_database_connection
channels.testing.websocket: WebsocketCommunicator
channels.utils: await_many_dispatch
"""


def rows(table: str) -> list[tuple[str, str]]:
    lines = (line.split(": ") for line in table.strip().splitlines())
    return [(module, name) for module, names in lines for name in names.split()]


@pytest.mark.parametrize(("module", "name"), rows(DOCUMENTED))
@behaviour("Names: everything documented is importable from where it always was")
def test_documented(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize(("module", "name"), rows(UNDOCUMENTED))
@behaviour("Names: what published packages take beyond the documentation is importable")
def test_undocumented(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)


@behaviour("Names: channels.__version__ sorts at or above '4.0.0' as a string")
def test_version() -> None:
    assert channels.__version__ >= "4.0.0"
    assert channels.__version__ == "4.3.2"


@pytest.mark.parametrize("module", ["channels.http", "channels.staticfiles", "channels.asgi"])
@behaviour("Names: what Channels 4 took out stays out, because others take its absence as a sign")
def test_absent_modules(module: str) -> None:
    assert importlib.util.find_spec(module) is None


@behaviour("Names: channels.layers.get_channel_layers is not there")
def test_absent_names() -> None:
    layers = importlib.import_module("channels.layers")
    assert not hasattr(layers, "get_channel_layers")


@behaviour("Names: the consumers carry the names that typing stubs and packages rely on")
def test_consumer_members() -> None:
    for owner, names in (
        (AsyncConsumer, "_sync channel_layer_alias __call__ dispatch send as_asgi"),
        (AsyncWebsocketConsumer, "groups connect accept receive send close disconnect"),
        (AsyncWebsocketConsumer, "websocket_connect websocket_receive websocket_disconnect"),
        (
            AsyncHttpConsumer,
            "send_headers send_body send_response handle disconnect http_request http_disconnect",
        ),
    ):
        for name in names.split():
            assert hasattr(owner, name), (owner, name)


def parameters(function: Any) -> list[tuple[str, Any]]:
    return [
        (parameter.name, parameter.default)
        for parameter in inspect.signature(function).parameters.values()
    ]


@behaviour("Names: the parameters of accept, send and close have upstream's names, order, defaults")
@pytest.mark.parametrize("family", ["WebsocketConsumer", "AsyncWebsocketConsumer"])
def test_websocket_signatures(family: str) -> None:
    consumer = getattr(importlib.import_module("channels.generic.websocket"), family)
    none = inspect.Parameter.empty
    assert parameters(consumer.accept) == [
        ("self", none),
        ("subprotocol", None),
        ("headers", None),
    ]
    assert parameters(consumer.close)[:3] == [("self", none), ("code", None), ("reason", None)]
    assert parameters(consumer.send) == [
        ("self", none),
        ("text_data", None),
        ("bytes_data", None),
        ("close", False),
    ]
    assert parameters(consumer.receive)[:3] == [
        ("self", none),
        ("text_data", None),
        ("bytes_data", None),
    ]


@behaviour("Names: importing channels.testing where daphne is not installed")
@differs(upstream="fails: it imports daphne at once", ours="works")
def test_testing_without_daphne() -> None:
    code = "import sys; sys.modules['daphne'] = None; import channels.testing"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode == 0) is expected(upstream=False, ours=True), done.stderr
