"""Test cases on a live server. They run under pytest, and under Django's runner in processes."""

from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import override_settings

from channels.layers import get_channel_layer
from channels.testing import ChannelsLiveServerTestCase
from channels.testing.live import LiveServerProcess
from tests.testing.site.clients import LONG, get, socket


class ServerCases:
    """What holds for every server."""

    def test_pages_see_the_rows_of_the_test(self):
        User.objects.create(username="ann")
        assert get(f"{self.live_server_url}/names/") == (200, "ann")
        assert get(f"{self.live_server_url}/anames/") == (200, "ann")

    def test_consumers_and_the_test_see_each_others_rows(self):
        User.objects.create(username="ann")
        with socket(f"{self.live_server_ws_url}/sync/") as sync:
            sync.send("bob")
            assert sync.recv(LONG) == "ann,bob"
            with socket(f"{self.live_server_ws_url}/async/") as other:
                other.send("cas")
                assert other.recv(LONG) == "ann,bob,cas"
        assert User.objects.count() == 3

    def test_the_next_test_begins_with_no_rows(self):
        assert get(f"{self.live_server_url}/names/") == (200, "")

    def test_static_files_are_served(self):
        assert get(f"{self.live_server_url}/static/probe.txt") == (200, "a static file\n")

    def test_unknown_pages_are_not_found(self):
        assert get(f"{self.live_server_url}/nothing/")[0] == 404


class ThreadTests(ServerCases, ChannelsLiveServerTestCase):
    def test_the_channel_layer_is_shared(self):
        with socket(f"{self.live_server_ws_url}/async/") as client:
            # An answer says that the consumer is in its group.
            client.send("ann")
            client.recv(LONG)
            layer = get_channel_layer()
            async_to_sync(layer.group_send)("everybody", {"type": "note", "text": "from the test"})
            assert client.recv(LONG) == "from the test"

    def test_settings_of_one_test_reach_the_server(self):
        with override_settings(GREETING="good day"):
            assert get(f"{self.live_server_url}/greeting/") == (200, "good day")
        assert get(f"{self.live_server_url}/greeting/") == (200, "hello")


class NoStaticTests(ChannelsLiveServerTestCase):
    serve_static = False

    def test_static_files_are_not_served(self):
        assert get(f"{self.live_server_url}/static/probe.txt")[0] == 404


@override_settings(GREETING="good morning")
class ProcessTests(ServerCases, ChannelsLiveServerTestCase):
    ProtocolServerProcess = LiveServerProcess

    def test_settings_of_the_class_reach_the_server(self):
        assert get(f"{self.live_server_url}/greeting/") == (200, "good morning")

    def test_it_is_a_process(self):
        assert self._server_process.pid
        assert self._server_process.is_alive()


@override_settings(ASGI_APPLICATION="tests.testing.site.broken.application")
class BrokenProcessTests(ChannelsLiveServerTestCase):
    ProtocolServerProcess = LiveServerProcess

    def test_nothing(self):
        pass
