import asyncio
import logging
import sys
import threading
import types
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from django.urls import include, path, re_path
from django.urls.exceptions import Resolver404
from django.urls.resolvers import LocalePrefixPattern, URLPattern
from django.utils import translation
from django.utils.functional import lazy, lazystr
from django.utils.translation import get_language

from channels.layers.senders import Sender, sender
from channels.middleware import BaseMiddleware
from channels.routing import (
    ChannelNameRouter,
    ProtocolTypeRouter,
    URLRouter,
    get_default_application,
)
from channels.threads import current_strand
from channels.typing import ASGIApplication, Receive, Scope, Send
from tests.wire import Wire, call, http, websocket


async def seen(scope: Scope, receive: Receive, send: Send) -> Any:
    """Answers with what routers put into its scope."""
    return scope["url_route"]["args"], scope["url_route"]["kwargs"], scope["path_remaining"]


def named(name: str) -> Any:
    async def application(scope: Scope, receive: Receive, send: Send) -> str:
        return name

    return application


async def strand_in_use(scope: Scope, receive: Receive, send: Send) -> Any:
    return current_strand()


def notes(error: BaseException) -> str:
    return "\n".join(getattr(error, "__notes__", ()))


class TestProtocolTypeRouter:
    async def test_chooses_by_type(self) -> None:
        router = ProtocolTypeRouter({"http": named("page"), "websocket": named("socket")})
        assert await call(router, http()) == "page"
        assert await call(router, websocket()) == "socket"

    def test_shows_its_mapping(self) -> None:
        mapping = {"http": named("page")}
        assert ProtocolTypeRouter(mapping).application_mapping is mapping

    @pytest.mark.parametrize("kind", ["http", "websocket", "channel", "mqtt"])
    async def test_unknown_type(self, kind: str) -> None:
        router = ProtocolTypeRouter({"smoke": named("signals")})
        with pytest.raises(ValueError) as caught:
            await call(router, {"type": kind})
        assert str(caught.value) == f"No application configured for scope type {kind!r}"
        assert "'smoke'" in notes(caught.value)
        assert f"add {kind!r}" in notes(caught.value)

    async def test_unknown_type_in_an_empty_mapping(self) -> None:
        with pytest.raises(ValueError) as caught:
            await call(ProtocolTypeRouter({}), http())
        assert "knows no protocol at all" in notes(caught.value)
        assert "get_asgi_application()" in notes(caught.value)

    @pytest.mark.parametrize("kind", ["http", "websocket", "channel"])
    async def test_gives_each_connection_a_strand_of_its_own(self, kind: str) -> None:
        router = ProtocolTypeRouter({kind: strand_in_use})
        first = await call(router, {"type": kind})
        second = await call(router, {"type": kind})
        assert first is not None
        assert second is not None
        assert first is not second
        assert current_strand() is None

    def test_leaves_sync_code_in_the_callers_thread_under_async_to_sync(self) -> None:
        router = ProtocolTypeRouter({"http": strand_in_use})
        assert async_to_sync(call)(router, http()) is None

    async def test_passes_exceptions_on(self) -> None:
        async def broken(scope: Scope, receive: Receive, send: Send) -> None:
            raise KeyError("mine")

        for scope in (http(), websocket()):
            wire = Wire({"type": "websocket.connect"})
            with pytest.raises(KeyError, match="mine"):
                await wire.serve(ProtocolTypeRouter({scope["type"]: broken}), scope)
            assert wire.sent == []


class TestLifespan:
    async def test_is_answered_where_nobody_else_does(self) -> None:
        wire = Wire({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
        assert await wire.serve(ProtocolTypeRouter({}), {"type": "lifespan"}) is None
        assert wire.sent == [
            {"type": "lifespan.startup.complete"},
            {"type": "lifespan.shutdown.complete"},
        ]

    async def test_is_left_to_the_application_of_the_mapping(self) -> None:
        async def own(scope: Scope, receive: Receive, send: Send) -> Any:
            return "own", current_strand(), await receive()

        wire = Wire({"type": "lifespan.startup"})
        answer = await wire.serve(ProtocolTypeRouter({"lifespan": own}), {"type": "lifespan"})
        assert answer == ("own", None, {"type": "lifespan.startup"})
        assert wire.sent == []


class TestDenial:
    """A WebSocket without a route, seen from the server."""

    @pytest.fixture
    def router(self) -> ProtocolTypeRouter:
        routes = URLRouter([path("known/", named("known"))])
        return ProtocolTypeRouter({"websocket": BaseMiddleware(routes), "http": routes})

    async def test_is_a_404_where_the_server_can_say_so(self, router: ProtocolTypeRouter) -> None:
        wire = Wire({"type": "websocket.connect"})
        scope = websocket("/unknown/", extensions={"websocket.http.response": {}})
        assert await wire.serve(router, scope) is None
        assert wire.events == []
        start, body = wire.sent
        assert start["type"] == "websocket.http.response.start"
        assert start["status"] == 404
        assert (b"content-length", b"9") in start["headers"]
        assert body == {"type": "websocket.http.response.body", "body": b"Not Found"}

    @pytest.mark.parametrize("extensions", [{}, {"extensions": None}, {"extensions": {"tls": {}}}])
    async def test_is_a_close_elsewhere(
        self, router: ProtocolTypeRouter, extensions: dict[str, Any]
    ) -> None:
        wire = Wire({"type": "websocket.connect"})
        assert await wire.serve(router, websocket("/unknown/", **extensions)) is None
        assert wire.events == []
        assert wire.sent == [{"type": "websocket.close"}]

    async def test_is_one_line_of_info(
        self, router: ProtocolTypeRouter, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            path = "/unknown/\nWARNING forged" + "x" * 1000
            await Wire({"type": "websocket.connect"}).serve(router, websocket(path))
        (record,) = [r for r in caplog.records if r.name.startswith("django.channels")]
        assert record.levelno == logging.INFO
        assert record.name == "django.channels.routing"
        assert "'/unknown/\\nWARNING forged" in record.getMessage()
        assert "\n" not in record.getMessage()
        assert len(record.getMessage()) < 300

    async def test_sends_nothing_to_a_client_that_has_left(
        self, router: ProtocolTypeRouter
    ) -> None:
        wire = Wire({"type": "websocket.disconnect", "code": 1006})
        assert await wire.serve(router, websocket("/unknown/")) is None
        assert wire.sent == []

    async def test_survives_a_client_that_leaves_meanwhile(
        self, router: ProtocolTypeRouter
    ) -> None:
        async def gone(message: Any) -> None:
            raise ConnectionResetError

        wire = Wire({"type": "websocket.connect"})
        assert await router(websocket("/unknown/"), wire.receive, gone) is None

    async def test_covers_a_path_outside_root_path(self, router: ProtocolTypeRouter) -> None:
        wire = Wire({"type": "websocket.connect"})
        await wire.serve(router, websocket("/known/", root_path="/app"))
        assert wire.sent == [{"type": "websocket.close"}]

    async def test_is_for_websockets_alone(self, router: ProtocolTypeRouter) -> None:
        wire = Wire({"type": "http.request"})
        with pytest.raises(ValueError, match=r"^No route found for path 'unknown/'"):
            await wire.serve(router, http("/unknown/"))
        assert wire.sent == []
        assert len(wire.events) == 1

    async def test_is_not_for_other_errors_of_the_same_look(self) -> None:
        async def imitates(scope: Scope, receive: Receive, send: Send) -> None:
            raise ValueError("No route found for path 'x'.")

        async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
            raise Resolver404("No route found for path 'x'.")

        for application, kind in ((imitates, ValueError), (not_found, Resolver404)):
            wire = Wire({"type": "websocket.connect"})
            router = ProtocolTypeRouter({"websocket": URLRouter([path("", application)])})
            with pytest.raises(kind, match="No route found"):
                await wire.serve(router, websocket("/"))
            assert wire.sent == []

    async def test_is_not_for_a_connection_that_somebody_listened_to(self) -> None:
        """Middleware accepted and then found no route: the client has its handshake."""
        inner = URLRouter([])

        async def accepts_first(scope: Scope, receive: Receive, send: Send) -> Any:
            assert await receive() == {"type": "websocket.connect"}
            await send({"type": "websocket.accept"})
            return await inner(scope, receive, send)

        wire = Wire({"type": "websocket.connect"}, {"type": "websocket.receive"})
        with pytest.raises(ValueError, match="No route found for path 'unknown'"):
            await wire.serve(
                ProtocolTypeRouter({"websocket": accepts_first}), websocket("/unknown")
            )
        assert wire.sent == [{"type": "websocket.accept"}]
        assert len(wire.events) == 1


class TestURLRouter:
    @pytest.mark.parametrize(
        ("route", "requested", "args", "kwargs"),
        [
            (path("", seen), "/", (), {}),
            (path("a/b/", seen), "/a/b/", (), {}),
            (path("a/", seen), "//a/", (), {}),
            (path("n/<int:n>/", seen), "/n/7/", (), {"n": 7}),
            (path("n/<slug:s>", seen, {"page": 1}), "/n/x-y", (), {"s": "x-y", "page": 1}),
            (path("n/<int:n>/", seen, {"n": "default"}), "/n/7/", (), {"n": "default"}),
            (path(lazystr("lazy/"), seen), "/lazy/", (), {}),
            (re_path(r"^r/(\d+)/(\w+)$", seen), "/r/7/x", ("7", "x"), {}),
            (re_path(r"^r/(\d+)/(?P<w>\w+)$", seen), "/r/7/x", (), {"w": "x"}),
            (re_path(r"^r/(?P<a>\d)?(?P<b>\w)$", seen), "/r/x", (), {"b": "x"}),
        ],
    )
    async def test_matches_as_django_does(
        self, route: URLPattern, requested: str, args: Any, kwargs: Any
    ) -> None:
        assert await call(URLRouter([route]), websocket(requested)) == (args, kwargs, "")

    async def test_leaves_the_rest_of_an_open_pattern(self) -> None:
        assert await call(URLRouter([re_path("^a/", seen)]), http("/a/b/c")) == ((), {}, "b/c")

    async def test_takes_the_first_route_that_matches(self) -> None:
        router = URLRouter([path("x/", named("x")), re_path("", named("any")), path("y/", seen)])
        assert await call(router, websocket("/x/")) == "x"
        assert await call(router, websocket("/y/")) == "any"

    async def test_keeps_the_scope_of_its_caller(self) -> None:
        scope = websocket("/x/", user="ada")
        before = {**scope}

        async def application(scope: Scope, receive: Receive, send: Send) -> Any:
            return scope["user"], scope["path"]

        assert await call(URLRouter([path("x/", application)]), scope) == ("ada", "/x/")
        assert scope == before

    @pytest.mark.parametrize("kind", ["websocket", "http"])
    async def test_missing_route(self, kind: str) -> None:
        router = URLRouter([path("a/<int:n>/", seen), re_path("^b$", seen)])
        with pytest.raises(ValueError) as caught:
            await call(router, {"type": kind, "path": "/a/b/"})
        assert str(caught.value) == "No route found for path 'a/b/'."
        assert "'a/<int:n>/', '^b$'" in notes(caught.value)
        assert "a slash at the end counts" in notes(caught.value)

    async def test_the_note_of_a_missing_route_is_bounded(self) -> None:
        router = URLRouter([path(f"r{n}/", seen) for n in range(500)])
        with pytest.raises(ValueError) as caught:
            await call(router, websocket("/x"))
        assert "and 480 more" in notes(caught.value)
        assert len(notes(caught.value)) < 1000

    async def test_a_scope_without_a_path(self) -> None:
        with pytest.raises(ValueError) as caught:
            await call(URLRouter([]), {"type": "channel"})
        assert str(caught.value) == "No 'path' key in connection scope, cannot route URLs"
        assert "'channel'" in notes(caught.value)
        assert "ChannelNameRouter" in notes(caught.value)

    @pytest.mark.parametrize(
        ("root", "requested"),
        [("/app", "/app/a/"), ("/app/", "/app/a/"), ("", "/a/"), ("/", "/a/")],
    )
    async def test_root_path_is_taken_off(self, root: str, requested: str) -> None:
        router = URLRouter([path("a/", named("a"))])
        assert await call(router, websocket(requested, root_path=root)) == "a"

    async def test_root_path_itself(self) -> None:
        router = URLRouter([path("", named("root"))])
        assert await call(router, websocket("/app", root_path="/app")) == "root"

    @pytest.mark.parametrize("requested", ["/a/", "/apple/a/"])
    async def test_a_path_outside_root_path(self, requested: str) -> None:
        router = URLRouter([path("a/", seen), path("le/a/", seen)])
        with pytest.raises(ValueError) as caught:
            await call(router, websocket(requested, root_path="/app"))
        assert str(caught.value) == f"No route found for path {requested!r}."
        assert "root_path, '/app'" in notes(caught.value)

    async def test_root_path_counts_in_the_outermost_router_alone(self) -> None:
        inner = URLRouter([path("a/", named("a"))])
        router = URLRouter([path("x/", inner)])
        assert await call(router, websocket("/app/x/a/", root_path="/app")) == "a"

    async def test_what_the_application_raises_is_not_a_missing_route(self) -> None:
        async def own_404(scope: Scope, receive: Receive, send: Send) -> None:
            raise Resolver404("mine")

        inner = URLRouter([path("a/", own_404), re_path("", named("next inner"))])
        router = URLRouter([path("x/", inner), re_path("", named("next outer"))])
        with pytest.raises(Resolver404, match="mine"):
            await call(router, websocket("/x/a/"))


class TestNestedURLRouter:
    async def test_matches_of_all_levels_add_up(self) -> None:
        leaf = URLRouter([path("c/<str:last>", seen, {"more": 1})])
        middle = URLRouter([path("b/<int:n>/", leaf, {"level": 2})])
        router = URLRouter([path("a/<slug:first>/", middle)])
        assert await call(router, websocket("/a/one/b/2/c/three")) == (
            (),
            {"first": "one", "level": 2, "n": 2, "last": "three", "more": 1},
            "",
        )

    async def test_args_add_up_in_order(self) -> None:
        router = URLRouter([re_path(r"^(\d)/", URLRouter([re_path(r"^(\d)/(\d)$", seen)]))])
        assert await call(router, http("/1/2/3")) == (("1", "2", "3"), {}, "")

    async def test_an_inner_match_wins_over_the_outer_one_of_the_same_name(self) -> None:
        router = URLRouter([path("<int:n>/", URLRouter([path("<str:n>", seen)]))])
        assert await call(router, http("/1/x")) == ((), {"n": "x"}, "")

    async def test_the_outer_router_tries_its_next_route(self) -> None:
        router = URLRouter(
            [
                path("x/", URLRouter([path("a/", named("first"))])),
                path("x/", URLRouter([path("b/", named("second"))])),
                path("x/c/", named("third")),
            ]
        )
        assert await call(router, websocket("/x/a/")) == "first"
        assert await call(router, websocket("/x/b/")) == "second"
        assert await call(router, websocket("/x/c/")) == "third"

    async def test_the_route_before_leaves_no_trace(self) -> None:
        router = URLRouter(
            [path("<int:n>/", URLRouter([path("a/", seen)])), path("<str:s>/b/", seen)]
        )
        assert await call(router, websocket("/1/b/")) == ((), {"s": "1"}, "")

    async def test_missing_everywhere(self) -> None:
        router = URLRouter([path("x/", URLRouter([path("a/", seen)]))])
        with pytest.raises(ValueError) as caught:
            await call(router, websocket("/x/b/"))
        assert str(caught.value) == "No route found for path 'x/b/'."

    async def test_missing_in_a_router_that_is_nested_by_hand(self) -> None:
        with pytest.raises(Resolver404) as caught:
            await call(URLRouter([path("a/", seen)]), {"path": "/x/b", "path_remaining": "b"})
        assert str(caught.value) == "No route found for path 'b'."
        assert not isinstance(caught.value, ValueError)

    async def test_inside_middleware(self) -> None:
        inner = BaseMiddleware(URLRouter([path("a/", named("a"))]))
        router = URLRouter([re_path("^x/", inner), path("x/b/", named("b"))])
        assert await call(router, websocket("/x/a/")) == "a"
        assert await call(router, websocket("/x/b/")) == "b"

    async def test_an_application_of_the_same_kind_matches_a_prefix_too(self) -> None:
        class Mount:
            _path_routing = True

            async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
                return scope["path_remaining"]

        assert await call(URLRouter([path("m/", Mount())]), http("/m/rest")) == "rest"


class TestRoutes:
    """What is passed to URLRouter, and what it leaves of it."""

    def test_are_shown_as_given(self) -> None:
        nested = URLRouter([])
        routes = [path("a/", nested), path("b/", seen)]
        router = URLRouter(routes)
        assert router.routes is routes
        assert router.routes[0].callback is nested
        assert [str(route.pattern) for route in router.routes] == ["a/", "b/"]

    async def test_serve_two_routers_unchanged(self) -> None:
        nested = URLRouter([path("b/", named("b"))])
        routes = [path("a/<int:n>/", nested), re_path("^r/$", nested)]
        patterns = [route.pattern for route in routes]
        first, second = URLRouter(routes), URLRouter(routes)
        assert [route.pattern for route in routes] == patterns
        assert routes[0].resolve("a/1/b/") is None
        for router in (first, second):
            assert await call(router, websocket("/a/1/b/")) == "b"

    async def test_a_lazy_route_of_a_nested_router_stays_lazy(self) -> None:
        route = path(lazy(lambda: f"{get_language()}/", str)(), URLRouter([path("a/", named("a"))]))
        with translation.override("en"):
            router = URLRouter([route])
            assert await call(router, websocket("/en/a/")) == "a"
        with translation.override("de"):
            assert await call(router, websocket("/de/a/")) == "a"

    async def test_changed_routes_count(self) -> None:
        routes = [path("a/", named("a"))]
        router = URLRouter(routes)
        routes.append(path("b/", named("b")))
        assert await call(router, websocket("/b/")) == "b"

    def test_include_is_refused(self) -> None:
        with pytest.raises(ImproperlyConfigured) as caught:
            URLRouter([path("a/", include([path("b/", seen)]))])
        assert "a/" in str(caught.value)
        assert str(caught.value).endswith(
            ": include() is not supported in URLRouter. Use nested URLRouter instances instead."
        )

    def test_a_pattern_of_another_kind_cannot_lead_to_a_router(self) -> None:
        with pytest.raises(ValueError, match=r"Unsupported pattern type: .*LocalePrefixPattern"):
            URLRouter([URLPattern(LocalePrefixPattern(), URLRouter([]))])

    @pytest.mark.parametrize("wrong", ["a/", ("a/", seen), None])
    def test_what_is_no_route(self, wrong: Any) -> None:
        with pytest.raises(ImproperlyConfigured, match="is not a route"):
            URLRouter([wrong])

    def test_a_consumer_class_instead_of_its_application(self) -> None:
        class Consumer:
            @classmethod
            def as_asgi(cls) -> ASGIApplication:
                return named("consumer")

        with pytest.raises(ImproperlyConfigured, match=r"pass Consumer\.as_asgi\(\)\.$"):
            URLRouter([path("a/", Consumer)])
        URLRouter([path("a/", Consumer.as_asgi())])


class TestChannelNameRouter:
    async def test_chooses_by_channel(self) -> None:
        mapping = {"thumbnails": named("t"), "mail": named("m")}
        router = ChannelNameRouter(mapping)
        assert router.application_mapping is mapping
        assert await call(router, {"type": "channel", "channel": "mail"}) == "m"

    async def test_unknown_channel(self) -> None:
        router = ChannelNameRouter({"mail": named("m")})
        with pytest.raises(ValueError) as caught:
            await call(router, {"type": "channel", "channel": "x"})
        assert str(caught.value) == "No application configured for channel name 'x'"
        assert "'mail'" in notes(caught.value)

    async def test_no_channel(self) -> None:
        with pytest.raises(ValueError) as caught:
            await call(ChannelNameRouter({}), http())
        assert str(caught.value) == (
            "ChannelNameRouter got a scope without a 'channel' key. "
            "Did you make sure it's only being used for 'channel' type messages?"
        )
        assert "'http'" in notes(caught.value)


class TestGetDefaultApplication:
    @pytest.fixture(autouse=True)
    def module(self, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
        module = types.ModuleType("routed_site")
        module.application = named("the site")  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "routed_site", module)
        return module

    def test_is_what_the_setting_names(self, module: types.ModuleType) -> None:
        with override_settings(ASGI_APPLICATION="routed_site.application"):
            assert get_default_application() is module.application

    @pytest.mark.parametrize("value", [None, "", "application", ".application", 7])
    def test_no_dotted_path(self, value: Any) -> None:
        with override_settings(ASGI_APPLICATION=value):
            with pytest.raises(ImproperlyConfigured) as caught:
                get_default_application()
        assert str(caught.value) == "Cannot find ASGI_APPLICATION setting."
        assert f"ASGI_APPLICATION is {value!r}" in notes(caught.value)

    def test_no_setting(self) -> None:
        with override_settings():
            from django.conf import settings

            if hasattr(settings, "ASGI_APPLICATION"):
                del settings.ASGI_APPLICATION
            with pytest.raises(ImproperlyConfigured, match=r"^Cannot find ASGI_APPLICATION"):
                get_default_application()

    def test_a_module_that_cannot_be_imported(self) -> None:
        with override_settings(ASGI_APPLICATION="no_such_site.asgi.application"):
            with pytest.raises(ImproperlyConfigured) as caught:
                get_default_application()
        assert str(caught.value) == "Cannot import ASGI_APPLICATION module 'no_such_site.asgi'"
        assert "No module named 'no_such_site'" in notes(caught.value)
        assert isinstance(caught.value.__cause__, ImportError)

    def test_a_module_without_that_name(self) -> None:
        with override_settings(ASGI_APPLICATION="routed_site.app"):
            with pytest.raises(ImproperlyConfigured) as caught:
                get_default_application()
        assert str(caught.value) == "Cannot find 'app' in ASGI_APPLICATION module routed_site"


async def test_sync_code_of_an_application_runs_in_its_strand() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> str:
        return await sync_to_async(lambda: threading.current_thread().name)()

    router = ProtocolTypeRouter({"websocket": URLRouter([path("", application)])})
    assert (await call(router, websocket("/"))).startswith("channels-sync-")


async def test_each_call_is_a_sender_of_its_own() -> None:
    """However much the server's own task has sent before."""
    found: list[Sender] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        found.append(sender())

    router = ProtocolTypeRouter({"http": application})

    async def server() -> None:
        await router({"type": "http"}, None, None)

    found.append(sender())
    for _ in range(2):
        await asyncio.create_task(server())
    assert len(set(found)) == 3
