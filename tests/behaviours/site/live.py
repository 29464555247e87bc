"""Test cases on a live server; tests of the behaviours suite run them with Django's runner."""

from functools import partial

from django.contrib.contenttypes.models import ContentType
from django.test.utils import modify_settings

from channels.testing import ChannelsLiveServerTestCase
from channels.testing.live import make_application, set_database_connection
from tests.behaviours.site.wire import get, wire


class LiveTests(ChannelsLiveServerTestCase):
    def test_urls(self) -> None:
        assert self.live_server_url == f"http://{self.host}:{self._port}"
        assert self.live_server_ws_url == f"ws://{self.host}:{self._port}"
        assert self.host == "localhost"
        assert self._port > 0

    def test_http(self) -> None:
        assert get(self.live_server_url + "/hello/") == (200, b"hello ")

    def test_websocket(self) -> None:
        with wire(self.live_server_ws_url + "/echo/") as client:
            assert client.handshake()[0] == 101
            client.send("hi")
            assert client.text() == "hi"

    def test_database(self) -> None:
        ContentType.objects.create(app_label="live", model="one")
        with wire(self.live_server_ws_url + "/count/") as client:
            client.handshake()
            client.send("live")
            assert client.text() == "1"
            ContentType.objects.create(app_label="live", model="two")
            client.send("live")
            assert client.text() == "2"

    def test_static_files(self) -> None:
        assert get(self.live_server_url + "/static/probe.txt") == (200, b"static probe\n")

    def test_internals(self) -> None:
        assert isinstance(self._live_server_modified_settings, modify_settings)
        process = self._server_process
        assert process.ready.wait(timeout=1)
        assert process.is_alive()
        assert process.port.value == self._port
        assert callable(process.terminate)
        assert callable(process.join)


class WithoutStaticTests(ChannelsLiveServerTestCase):
    serve_static = False

    def test_static_files(self) -> None:
        assert get(self.live_server_url + "/static/probe.txt")[0] == 404


class OwnServerTests(ChannelsLiveServerTestCase):
    """Several servers from the same parts, as others build them."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.second = cls.ProtocolServerProcess(
            cls.host,
            partial(make_application, static_wrapper=cls.static_wrapper),
            setup=set_database_connection,
        )
        cls.second.start()
        cls.addClassCleanup(cls._stop_second)
        assert cls.second.ready.wait(timeout=20)

    @classmethod
    def _stop_second(cls) -> None:
        cls.second.terminate()
        cls.second.join()
        assert not cls.second.is_alive()

    def test_both_serve(self) -> None:
        assert self.second.port.value != self._port
        for port in (self._port, self.second.port.value):
            assert get(f"http://{self.host}:{port}/hello/") == (200, b"hello ")
