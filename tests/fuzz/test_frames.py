"""Frames and handshakes of every kind, behind each server.

However a client misbehaves: the process lives, connections beside it go on, every ``connect`` has
its ``disconnect``, nothing is left in any table, and the log shows no secret and cannot be forged.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.raw import BINARY, CLOSE, PING, TEXT, Frame, RawClient, close, text
from tests.fuzz.seeds import SPLITTERS
from tests.fuzz.servers import COMMANDS, Site, serving
from tests.property.examples import VALUES

SECRETS = {"cookie": "c00kie-value", "token": "t0ken-value", "password": "pa55-w0rd"}
OTHERS = [name for name in COMMANDS if name != "uvicorn"]
SECONDS = 300

each_server = pytest.mark.parametrize(
    "site",
    ["uvicorn", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)],
    indirect=True,
)


@pytest.fixture(scope="module")
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    name: str = request.param
    with serving(name, tmp_path_factory.mktemp(name)) as running:
        yield running


class Company:
    """Connections that do nothing wrong, beside those that do. Each is asked after every attack."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._said = 0
        self._clients: list[tuple[RawClient, str]] = []

    def __enter__(self) -> "Company":
        for path, word in (("/witness/", "{}"), ("/json/", '"{}"'), ("/room/", "word {}")):
            client = RawClient(self.site.port)
            assert client.handshake(path) == 101
            self._clients.append((client, word))
        self.check()
        return self

    def check(self) -> None:
        self._said += 1
        for client, word in self._clients:
            client.echo(word.format(f"n{self._said}"))

    def __exit__(self, *_: object) -> None:
        for client, _word in self._clients:
            client.write(close(1000).encode())
            client.drain()
            client.__exit__(None, None, None)


def check_what_is_left(site: Site, before: dict[str, Any]) -> None:
    """Everybody has gone: what the site holds, and what it logged."""
    assert site.alive()
    after = site.until(lambda state: state["connected"] == state["disconnected"])
    assert after["groups"] == 0
    site.until(lambda state: state["channels"] <= before["channels"])
    site.until(lambda state: state["tasks"] <= before["tasks"])
    assert site.state()["threads"] <= before["threads"] + 45  # a pool of 40, and what servers have
    log = site.log
    for kind, secret in SECRETS.items():
        assert secret not in log, f"the log shows the {kind}"
    forged = [line for line in log.splitlines() if line.startswith("LOG CRITICAL")]
    assert not forged


# Frames.

CONTENTS = st.one_of(
    st.binary(max_size=200),
    st.text(st.characters(codec=None), max_size=50).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    ),
    st.recursive(
        st.none() | st.integers() | st.text(st.characters(codec=None), max_size=20),
        lambda children: (
            st.lists(children, max_size=4)
            | st.dictionaries(
                st.sampled_from(["type", "handled", "password"]), children, max_size=3
            )
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode()),
    st.sampled_from([125, 126, 127, 65535, 65536, 70_000]).map(lambda size: b"x" * size),
    st.sampled_from([300, 700, 5000]).map(lambda depth: b"[" * depth + b"]" * depth),
    st.sampled_from([b'{"password": "pa55-w0rd",}', b"9" * 5000, b"NaN", b'"\\ud800"']),
)
FRAMES = st.builds(
    Frame,
    opcode=st.sampled_from([TEXT, TEXT, TEXT, BINARY, 0, CLOSE, PING, 10, 3, 11, 15]),
    payload=CONTENTS,
    final=st.sampled_from([True, True, True, False]),
    reserved=st.sampled_from([0, 0, 0, 0, 4, 2, 1, 7]),
    masked=st.sampled_from([True, True, True, True, False]),
    claimed=st.one_of(
        st.none(), st.none(), st.none(), st.integers(0, 300), st.sampled_from([2**31, 2**63 - 1])
    ),
)
PIECES = st.one_of(
    FRAMES.map(Frame.encode),
    FRAMES.map(Frame.encode),
    st.builds(close, st.one_of(st.none(), st.integers(0, 65535)), st.binary(max_size=130)).map(
        Frame.encode
    ),
    st.builds(text, st.text(max_size=50)).map(Frame.encode),
    st.binary(max_size=20),
)
ROOMS = ["/json/", "/sync/", "/room/", "/polite/", "/witness/", "/named/a-room/"]
ENDS = ["wait", "vanish", "leave", "close"]


def attack(site: Site, path: str, pieces: list[bytes], end: str) -> None:
    with RawClient(site.port) as client:
        headers = [
            ("Cookie", f"sessionid={SECRETS['cookie']}; other={SECRETS['cookie']}"),
            ("Authorization", f"Bearer {SECRETS['token']}"),
        ]
        assert client.handshake(f"{path}?token={SECRETS['token']}", headers) == 101
        for piece in pieces:
            if not client.write(piece):
                break
        if end == "close":
            client.write(close(1000).encode())
        if end in {"close", "leave"}:
            client.leave()
        if end == "vanish":
            client.vanish()
        elif end in {"close", "leave"}:
            # Hypercorn leaves the TCP connection open to a client that closed its own half.
            client.drain(patience=0.2)


@pytest.mark.timeout(SECONDS)
@each_server
def test_frames_of_every_kind(site: Site) -> None:
    before = site.state() | {"channels": 1}

    with Company(site) as company:

        @settings(VALUES, suppress_health_check=list(HealthCheck))
        @given(st.sampled_from(ROOMS), st.lists(PIECES, max_size=5), st.sampled_from(ENDS))
        def check(path: str, pieces: list[bytes], end: str) -> None:
            attack(site, path, pieces, end)
            company.check()

        check()
    check_what_is_left(site, before)


@pytest.mark.timeout(SECONDS)
@each_server
def test_messages_as_long_as_the_server_takes_and_longer(site: Site) -> None:
    before = site.state() | {"channels": 1}
    with Company(site) as company:
        for path in ROOMS:
            for size in (1000_000, 1048_576, 1048_577, 3_000_000):
                attack(site, path, [text(b"x" * size).encode()], "leave")
                company.check()
    check_what_is_left(site, before)


@pytest.mark.timeout(SECONDS)
@each_server
@pytest.mark.parametrize("depth", [100, 400, 480, 900, 100_000])
def test_deep_json_ends_nobody_elses_connection(site: Site, depth: int) -> None:
    with Company(site) as company:
        for begin, end in ((b"[", b"]"), (b'{"a":', b"}")):
            frame = text(begin * depth + b"1" + end * depth).encode()
            for path in ("/json/", "/sync/", "/room/"):
                attack(site, path, [frame], "leave")
                company.check()


# Handshakes.

# No control characters: uvicorn's WebSocket protocol never answers a request that has some.
VALUE_BYTES = st.binary(max_size=60).map(
    lambda value: bytes(b for b in value if b > 31 and b != 127)
)
SPLITTING = quote(SPLITTERS)
TARGETS = st.one_of(
    st.sampled_from(
        [
            "/", "/nowhere/", f"/nowhere/{SPLITTING}", "/json/%00", "/number/" + "9" * 5000 + "/",
            "/%ff%fe/", "/..//../json/", "/" + "a/" * 500, "/pattern/%E2%80%A8/", "*",
            f"/json/?{SPLITTING}", "http://127.0.0.1/json/", "/json/", "/room/", "/polite/",
        ]
    ),
    st.text(max_size=30).map(lambda path: "/" + quote(path)),
    st.binary(max_size=30).map(lambda path: "/" + quote(path)),
)  # fmt: skip
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["Cookie", "Origin", "Sec-WebSocket-Protocol", "X-Forwarded-For", "Forwarded",
             "Sec-WebSocket-Extensions", "User-Agent", "X-Own", "Authorization"]
        ),
        st.one_of(
            VALUE_BYTES,
            st.sampled_from(
                [
                    b"http://127.0.0.1", b"http://evil.test", b"null", b"http://[", b"",
                    b'sessionid="abcdefgh\\000"', b"sessionid=" + b"\xff" * 40, b"a" * 5000,
                    b"chat, superchat", b"permessage-deflate; server_max_window_bits=1",
                    b"permessage-deflate; client_max_window_bits", b"1.2.3.4, unknown, ::1",
                    "user=ключ, ::1".encode(),
                ]
            ),
        ),
    ),
    max_size=4,
)  # fmt: skip


@pytest.mark.timeout(SECONDS)
@each_server
def test_handshakes_of_every_kind(site: Site) -> None:
    before = site.state() | {"channels": 1}

    with Company(site) as company:

        @settings(VALUES, suppress_health_check=list(HealthCheck))
        @given(TARGETS, HEADERS, st.booleans())
        def check(target: str, headers: list[tuple[str, bytes]], upgrade: bool) -> None:
            known = len(site.log)
            with RawClient(site.port) as client:
                ask = client.handshake if upgrade else client.request
                status = ask(target, [*headers, ("X-Token", SECRETS["token"])])
                # Servers fail for some inputs before the application sees them.
                assert status != 500 or "channels/" not in site.log[known:], site.log[known:]
            company.check()

        check()
    check_what_is_left(site, before)


@pytest.mark.timeout(SECONDS)
@each_server
@pytest.mark.parametrize(
    ("target", "headers", "statuses", "reason"),
    [
        (f"/nowhere/{SPLITTING}", [], {403, 404}, "WebSocket denied, no route for path"),
        ("/json/", [("Origin", "http://evil.test")], {403}, "WebSocket denied: the Origin"),
        ("/json/", [("Origin", "\x85LOG CRITICAL")], {400, 403}, "WebSocket denied: the Origin"),
        ("/named/a%E2%80%A8LOG%20CRITICAL%20forged/", [], {403, 500}, "Group name must be a valid"),
    ],
)
def test_a_rejection_has_a_reason_in_the_log(
    site: Site, target: str, headers: Any, statuses: set[int], reason: str
) -> None:
    said = site.log.count(reason)
    with RawClient(site.port) as client:
        status = client.handshake(target, headers)
    assert status in statuses
    if status == 400:
        return  # the server itself did not take it for a request
    site.until(lambda _: site.log.count(reason) > said or "Origin" in reason)
    assert reason in site.log
    assert not [line for line in site.log.splitlines() if line.startswith("LOG CRITICAL")]


@pytest.mark.timeout(SECONDS)
@each_server
@pytest.mark.parametrize("path", ["/json/", "/sync/"])
@pytest.mark.parametrize("frame", [text('{"password": "pa55-w0rd"'), Frame(BINARY, b"pa55-w0rd")])
def test_bad_json_has_a_reason_in_the_log_and_none_of_its_content(
    site: Site, path: str, frame: Frame
) -> None:
    # Granian prints no notes of an error, so the first line has to do.
    words = "JSONDecodeError" if frame.opcode == TEXT else "No text section for incoming WebSocket"
    said = site.log.count(words)
    with RawClient(site.port) as client:
        assert client.handshake(path) == 101
        client.write(frame.encode())
        end = client.drain()
    assert end is not None
    site.until(lambda _: site.log.count(words) > said)
    assert SECRETS["password"] not in site.log
