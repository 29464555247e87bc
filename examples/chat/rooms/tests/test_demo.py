import socket
import tempfile
from io import StringIO
from pathlib import Path
from unittest import mock

from django.core.management import CommandError, call_command
from django.test import SimpleTestCase
from django.utils.autoreload import DJANGO_AUTORELOAD_ENV

from config.secret import secret_key

DEMO = "rooms.management.commands.demo"


class DemoTests(SimpleTestCase):
    def run_demo(self, *arguments, **environment):
        """Return what was printed and the commands that the demo called, without running them."""
        output = StringIO()
        with (
            mock.patch.dict("os.environ", {"PORT": "", **environment}),
            mock.patch(f"{DEMO}.call_command") as called,
        ):
            call_command("demo", *arguments, stdout=output, no_color=True)
        return output.getvalue(), called.mock_calls

    def test_migrates_and_serves(self):
        with free_port() as port:
            pass
        printed, calls = self.run_demo(PORT=str(port))
        self.assertIn(f"http://127.0.0.1:{port}/", printed)
        self.assertEqual(
            calls,
            [
                mock.call("migrate", verbosity=0),
                mock.call("runserver", f"127.0.0.1:{port}", use_reloader=True),
            ],
        )

    def test_the_argument_is_stronger_than_the_environment(self):
        with free_port() as port:
            pass
        printed, _ = self.run_demo(str(port), PORT="1")
        self.assertIn(f"http://127.0.0.1:{port}/", printed)

    def test_the_autoreloaders_child_only_serves(self):
        with free_port() as port:
            printed, calls = self.run_demo(str(port), **{DJANGO_AUTORELOAD_ENV: "true"})
        self.assertEqual(printed, "")
        self.assertEqual(calls, [mock.call("runserver", f"127.0.0.1:{port}", use_reloader=True)])

    def test_a_port_that_is_none(self):
        for port in ("0", "65536", "eighty", "8000x", "²", " "):
            message = f"The port is {port!r}; it must be a number from 1 to 65535."
            with self.subTest(port), self.assertRaisesMessage(CommandError, message):
                self.run_demo(PORT=port)

    def test_a_port_in_use(self):
        with free_port() as port, self.assertRaises(CommandError) as raised:
            self.run_demo(str(port))
        self.assertRegex(
            str(raised.exception),
            rf"Cannot serve on 127\.0\.0\.1:{port}: Address already in use.*PORT=\d+",
        )


class free_port:
    """The number of a port that is taken inside the block and free after it."""

    def __enter__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen()
        return self.socket.getsockname()[1]

    def __exit__(self, *exc):
        self.socket.close()


class SecretKeyTests(SimpleTestCase):
    def test_made_once_for_its_owner_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "key"
            key = secret_key(path)
            self.assertGreaterEqual(len(key), 50)
            self.assertEqual(secret_key(path), key)
            self.assertEqual(path.stat().st_mode & 0o777, 0o600)
            self.assertEqual(list(path.parent.iterdir()), [path])
