"""ProtocolTypeRouter, URLRouter, ChannelNameRouter, get_default_application."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test.utils import override_settings
from django.urls import URLPattern, include, path, re_path
from django.urls.exceptions import Resolver404

from channels.consumer import AsyncConsumer
from channels.routing import (
    ChannelNameRouter,
    ProtocolTypeRouter,
    URLRouter,
    get_default_application,
)
from tests.behaviours.lines import behaviour, differs, expected, only
from tests.behaviours.tools import Message, run, seen_by


class App:
    """An application that keeps the scope of its last call and returns its name."""

    def __init__(self, name: str = "app") -> None:
        self.name, self.scope = name, dict[str, Any]()

    async def __call__(self, scope: Message, receive: Any, send: Any) -> str:
        self.scope = scope
        return self.name


async def ask(app: Any, path_: str, **scope: Any) -> Any:
    return await app({"type": "http", "path": path_, **scope}, None, None)


# ProtocolTypeRouter


@behaviour("Routing: ProtocolTypeRouter hands the connection to the application of its type")
async def test_protocol_types() -> None:
    router = ProtocolTypeRouter({"http": App("web"), "websocket": App("socket")})
    assert await router({"type": "http"}, None, None) == "web"
    assert await router({"type": "websocket"}, None, None) == "socket"


@behaviour("Routing: ProtocolTypeRouter's error text for a type without an application")
async def test_unknown_protocol() -> None:
    with pytest.raises(ValueError) as caught:
        await ProtocolTypeRouter({})({"type": "odd"}, None, None)
    assert str(caught.value) == "No application configured for scope type 'odd'"


@behaviour("Routing: ProtocolTypeRouter.application_mapping is the mapping that was given")
def test_application_mapping() -> None:
    mapping = {"http": App()}
    assert ProtocolTypeRouter(mapping).application_mapping is mapping


@behaviour("Routing: ProtocolTypeRouter.__init__ may be overridden around super()'s")
async def test_protocol_router_subclass() -> None:
    class Own(ProtocolTypeRouter):
        def __init__(self, name: str) -> None:
            super().__init__({"http": App(name)})

    assert await Own("mine")({"type": "http"}, None, None) == "mine"


@behaviour("Routing: lifespan without an application for it")
@differs(upstream="is ValueError", ours="is answered by the router")
async def test_lifespan() -> None:
    client = await run(
        ProtocolTypeRouter({}),
        {"type": "lifespan"},
        {"type": "lifespan.startup"},
        {"type": "lifespan.shutdown"},
    )
    problem = None
    try:
        await client.wait()
    except ValueError as error:
        problem = str(error)
    assert problem == expected(
        upstream="No application configured for scope type 'lifespan'", ours=None
    )
    answers = [client.output_queue.get_nowait() for _ in range(client.output_queue.qsize())]
    assert [answer["type"] for answer in answers] == expected(
        upstream=[], ours=["lifespan.startup.complete", "lifespan.shutdown.complete"]
    )


@behaviour("Routing: a lifespan application that the mapping names is used")
async def test_own_lifespan() -> None:
    assert await ProtocolTypeRouter({"lifespan": App("mine")})(
        {"type": "lifespan"}, None, None
    ) == ("mine")


# URLRouter


@behaviour("Routing: url_route is {'args': tuple, 'kwargs': dict} from path() and its converters")
async def test_path_kwargs() -> None:
    app = App()
    await ask(URLRouter([path("room/<str:name>/<int:n>/", app)]), "/room/red/7/")
    assert app.scope["url_route"] == {"args": (), "kwargs": {"name": "red", "n": 7}}


@behaviour("Routing: re_path() gives positional or named groups")
async def test_re_path_groups() -> None:
    app = App()
    router = URLRouter([re_path(r"^n/(\d+)/$", app), re_path(r"^w/(?P<word>\w+)/$", app)])
    await ask(router, "/n/12/")
    assert app.scope["url_route"] == {"args": ("12",), "kwargs": {}}
    await ask(router, "/w/hello/")
    assert app.scope["url_route"] == {"args": (), "kwargs": {"word": "hello"}}


@behaviour("Routing: default arguments of path(...) are in kwargs and win over captured ones")
async def test_default_args() -> None:
    app = App()
    await ask(URLRouter([path("a/<str:name>/", app, {"colour": "blue"})]), "/a/x/")
    assert app.scope["url_route"]["kwargs"] == {"name": "x", "colour": "blue"}
    await ask(URLRouter([path("a/<str:name>/", app, {"name": "fixed"})]), "/a/x/")
    assert app.scope["url_route"]["kwargs"] == {"name": "fixed"}


@behaviour("Routing: path_remaining holds what the route did not take")
async def test_path_remaining() -> None:
    app = App()
    await ask(URLRouter([path("whole/", app)]), "/whole/")
    assert app.scope["path_remaining"] == ""
    await ask(URLRouter([re_path(r"^part/", app)]), "/part/rest/")
    assert app.scope["path_remaining"] == "rest/"


@behaviour("Routing: url_route is merged through nested routers")
async def test_nested_merge() -> None:
    app = App()
    inner = URLRouter([re_path(r"^(\d+)/$", app), path("<str:word>/", app, {"inner": 1})])
    router = URLRouter([path("<str:room>/", inner, {"outer": 2}), re_path(r"^r-(\d+)/", inner)])
    await ask(router, "/red/seven/")
    assert app.scope["url_route"] == {
        "args": (),
        "kwargs": {"room": "red", "outer": 2, "word": "seven", "inner": 1},
    }
    assert app.scope["path_remaining"] == ""


@behaviour("Routing: positional arguments of nested routers are joined, the outer's first")
async def test_nested_args() -> None:
    app = App()
    router = URLRouter([re_path(r"^(\d+)/", URLRouter([re_path(r"^(\w+)/$", app)]))])
    await ask(router, "/1/two/")
    assert app.scope["url_route"] == {"args": ("1", "two"), "kwargs": {}}


@behaviour("Routing: the routes are tried in order, and the first match serves")
async def test_order() -> None:
    router = URLRouter([path("a/", App("first")), re_path(r"^a/", App("second"))])
    assert await ask(router, "/a/") == "first"
    assert await ask(router, "/a/b") == "second"


@behaviour("Routing: path() routes to a non-router match the whole path, like Django's")
async def test_endpoint() -> None:
    router = URLRouter([path("a/", App())])
    with pytest.raises(ValueError, match="No route found"):
        await ask(router, "/a/b")


@behaviour("Routing: the outermost URLRouter raises ValueError('No route found for path ...')")
async def test_no_route() -> None:
    with pytest.raises(ValueError) as caught:
        await ask(URLRouter([path("a/", App())]), "/b/")
    assert str(caught.value) == "No route found for path 'b/'."


@behaviour("Routing: an inner URLRouter raises Resolver404 for a missing route")
async def test_inner_404() -> None:
    with pytest.raises(Resolver404):
        await ask(URLRouter([path("a/", App())]), "/x/b/", path_remaining="b/")


@behaviour("Routing: after an inner router's missing route the outer tries its next route")
async def test_backtracking() -> None:
    router = URLRouter(
        [
            path("a/", URLRouter([path("one/", App("one"))])),
            path("a/", URLRouter([path("two/", App("two"))])),
        ]
    )
    assert await ask(router, "/a/two/") == "two"
    with pytest.raises(ValueError) as caught:
        await ask(router, "/a/three/")
    assert str(caught.value) == "No route found for path 'a/three/'."


@behaviour("Routing: a consumer's own Resolver404")
@differs(
    upstream="is taken for a missing route, and the next route is tried",
    ours="leaves as it came",
)
async def test_foreign_404() -> None:
    async def raises(scope: Message, receive: Any, send: Any) -> None:
        raise Resolver404("mine")

    router = URLRouter([path("a/", raises), re_path(r"^a/", App("next"))])
    got: Any
    try:
        got = await ask(router, "/a/")
    except Resolver404 as error:
        got = error.args
    assert got == expected(upstream="next", ours=("mine",))


@behaviour("Routing: URLRouter rejects include()")
def test_include() -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        URLRouter([path("a/", include([path("b/", App())]))])
    assert (
        "include() is not supported in URLRouter. Use nested URLRouter instances instead."
        in str(caught.value)
    )


@behaviour("Routing: root_path is taken off the path before the routes are tried")
async def test_root_path() -> None:
    app = App()
    router = URLRouter([path("a/", app)])
    await ask(router, "/mount/a/", root_path="/mount")
    assert app.scope["path_remaining"] == ""
    assert app.scope["path"] == "/mount/a/"
    await ask(router, "/a/", root_path="")


@behaviour(
    "Routing: a path outside root_path is the missing route, with the whole path in the text"
)
async def test_outside_root_path() -> None:
    with pytest.raises(ValueError) as caught:
        await ask(URLRouter([path("a/", App())]), "/a/", root_path="/mount")
    assert str(caught.value) == "No route found for path '/a/'."


@behaviour("Routing: a scope without a path is ValueError")
async def test_no_path() -> None:
    with pytest.raises(ValueError) as caught:
        await URLRouter([])({"type": "http"}, None, None)
    assert str(caught.value) == "No 'path' key in connection scope, cannot route URLs"


@behaviour("Routing: the scope given to the application is a copy with two more keys")
async def test_scope_copied() -> None:
    app, scope = App(), {"type": "http", "path": "/a/", "colour": "blue"}
    await URLRouter([path("a/", app)])(scope, None, None)
    assert scope == {"type": "http", "path": "/a/", "colour": "blue"}
    assert app.scope == {
        **scope,
        "path_remaining": "",
        "url_route": {"args": (), "kwargs": {}},
    }


@behaviour("Routing: URLRouter.routes, each route's .pattern and .callback, can be walked")
def test_routes_walk() -> None:
    class Consumer(AsyncConsumer): ...

    inner = URLRouter([path("b/<int:n>/", Consumer.as_asgi(), name="leaf")])
    routes = [path("a/", inner)]
    router = URLRouter(routes)
    assert router.routes is routes
    assert isinstance(router.routes[0], URLPattern)
    assert str(router.routes[0].pattern) == "a/"
    assert router.routes[0].callback is inner
    assert isinstance(router.routes[0].callback, URLRouter)
    leaf = inner.routes[0]
    assert str(leaf.pattern) == "b/<int:n>/"
    assert leaf.name == "leaf"
    assert leaf.callback.consumer_class is Consumer


@behaviour("Routing: a route list used by two routers works in both")
async def test_routes_reused() -> None:
    app = App()
    routes = [path("a/", URLRouter([path("b/", app)])), path("c/", app)]
    for router in (URLRouter(routes), URLRouter(routes)):
        assert await ask(router, "/a/b/") == "app"
        assert await ask(router, "/c/") == "app"


@behaviour("Routing: building a router changes the patterns of the routes it is given")
@differs(upstream="replaces .pattern of routes to nested routers", ours="changes nothing")
def test_routes_untouched() -> None:
    route = path("a/", URLRouter([path("b/", App())]))
    before = route.pattern
    URLRouter([route])
    assert (route.pattern is before) is expected(upstream=False, ours=True)


@pytest.mark.parametrize("marker", [True, False])
@behaviour("Routing: _path_routing = True marks an application that routes the rest of the path")
async def test_path_routing_marker(marker: bool) -> None:
    app = App()
    app._path_routing = marker  # type: ignore[attr-defined]
    router = URLRouter([path("a/", app)])
    if marker:
        await ask(router, "/a/rest/")
        assert app.scope["path_remaining"] == "rest/"
    else:
        with pytest.raises(ValueError, match="No route found"):
            await ask(router, "/a/rest/")


@behaviour("Routing: an unknown WebSocket path")
@differs(
    upstream="leaves ProtocolTypeRouter as ValueError (the server answers 500)",
    ours="is denied by ProtocolTypeRouter; URLRouter alone still raises ValueError",
)
async def test_unknown_websocket_path() -> None:
    router = ProtocolTypeRouter({"websocket": URLRouter([path("a/", App())])})
    scope = {"type": "websocket", "path": "/nope/", "headers": [], "subprotocols": []}
    client = await run(router, scope, {"type": "websocket.connect"})
    problem = None
    try:
        await client.wait()
    except ValueError as error:
        problem = str(error)
    assert problem == expected(upstream="No route found for path 'nope/'.", ours=None)
    answers = [client.output_queue.get_nowait() for _ in range(client.output_queue.qsize())]
    assert [answer["type"] for answer in answers] == expected(upstream=[], ours=["websocket.close"])
    with pytest.raises(ValueError) as caught:
        await router.application_mapping["websocket"](scope, None, None)
    assert str(caught.value).startswith("No route found for path")


@behaviour("Routing: an unknown WebSocket path is a 404 where the server offers denial responses")
@only("ours", because="upstream never sends a denial response")
async def test_unknown_websocket_path_404() -> None:
    router = ProtocolTypeRouter({"websocket": URLRouter([])})
    scope = {
        "type": "websocket",
        "path": "/nope/",
        "headers": [],
        "extensions": {"websocket.http.response": {}},
    }
    client = await run(router, scope, {"type": "websocket.connect"})
    start = await client.receive_output()
    assert start["type"] == "websocket.http.response.start"
    assert start["status"] == 404
    await client.wait()


@behaviour("Routing: any other ValueError of an application passes through the protocol router")
async def test_other_errors_pass() -> None:
    boom = ValueError("mine")

    async def raises(scope: Message, receive: Any, send: Any) -> None:
        raise boom

    router = ProtocolTypeRouter({"websocket": URLRouter([path("a/", raises)])})
    with pytest.raises(ValueError) as caught:
        await router({"type": "websocket", "path": "/a/"}, None, None)
    assert caught.value is boom


# ChannelNameRouter


@behaviour("Routing: ChannelNameRouter picks the application of scope['channel']")
async def test_channel_names() -> None:
    router = ChannelNameRouter({"mail": App("mail"), "thumbs": App("thumbs")})
    assert await router({"type": "channel", "channel": "thumbs"}, None, None) == "thumbs"
    assert set(router.application_mapping) == {"mail", "thumbs"}


@behaviour("Routing: ChannelNameRouter's error texts")
async def test_channel_name_errors() -> None:
    router = ChannelNameRouter({})
    with pytest.raises(ValueError) as caught:
        await seen_by(router, {"type": "channel", "channel": "odd"})
    assert str(caught.value) == "No application configured for channel name 'odd'"
    with pytest.raises(ValueError) as caught:
        await seen_by(router, {"type": "channel"})
    assert str(caught.value) == (
        "ChannelNameRouter got a scope without a 'channel' key. "
        "Did you make sure it's only being used for 'channel' type messages?"
    )


# get_default_application

application = App("default")


@behaviour("Routing: get_default_application() reads ASGI_APPLICATION")
def test_default_application() -> None:
    with override_settings(ASGI_APPLICATION=f"{__name__}.application"):
        assert get_default_application() is application


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        (None, "Cannot find ASGI_APPLICATION setting."),
        ("nodots", "Cannot find ASGI_APPLICATION setting."),
        ("no_such_module.application", "Cannot import ASGI_APPLICATION module 'no_such_module'"),
        (f"{__name__}.nothing", f"Cannot find 'nothing' in ASGI_APPLICATION module {__name__}"),
    ],
)
@behaviour("Routing: get_default_application() raises ImproperlyConfigured and says why")
def test_default_application_errors(setting: str | None, text: str) -> None:
    with override_settings(ASGI_APPLICATION=setting):
        with pytest.raises(ImproperlyConfigured) as caught:
            get_default_application()
    assert str(caught.value) == text
