"""Where a connection comes from: what a client writes into a header is never believed."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from channels.limits.addresses import Proxies, counted_as, parsed, trusted

CLIENT = "8.8.4.4"
FORGED = "1.1.1.1"


def scope(peer: str | None, *headers: tuple[str, str]) -> dict[str, Any]:
    return {
        "type": "websocket",
        "client": None if peer is None else (peer, 1234),
        "headers": [(name.encode(), value.encode("latin1")) for name, value in headers],
    }


def seen(proxies: Proxies, peer: str | None, *headers: tuple[str, str]) -> str | None:
    address = proxies.client(scope(peer, *headers))
    return None if address is None else str(address)


XFF = "x-forwarded-for"


def test_without_proxies_headers_are_not_looked_at() -> None:
    assert seen(Proxies(), CLIENT, (XFF, FORGED)) == CLIENT
    assert seen(trusted(None, "X-Forwarded-For"), CLIENT, (XFF, FORGED)) == CLIENT
    assert seen(trusted([], "X-Forwarded-For"), "127.0.0.1", (XFF, FORGED)) == "127.0.0.1"
    assert seen(Proxies(), None, (XFF, FORGED)) is None
    assert Proxies().client({"type": "websocket"}) is None


BEHIND_TWO = trusted(["127.0.0.1", "10.0.0.0/8", "unix"], "X-Forwarded-For")


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("10.1.2.3", [CLIENT], CLIENT),
        ("10.1.2.3", [f"{CLIENT}, 10.9.9.9"], CLIENT),
        # What the client wrote itself stands further to the left.
        ("10.1.2.3", [f"{FORGED}, {CLIENT}"], CLIENT),
        ("10.1.2.3", [f"10.0.0.1, {FORGED}, {CLIENT}, 10.9.9.9"], CLIENT),
        ("10.1.2.3", [FORGED, CLIENT], CLIENT),
        ("10.1.2.3", [f"{FORGED},{CLIENT} "], CLIENT),
        # Not a proxy: it may write what it likes.
        (CLIENT, [FORGED], CLIENT),
        (CLIENT, ["10.0.0.1"], CLIENT),
        # Nothing or nothing that can be read: the last that is known.
        ("10.1.2.3", [], "10.1.2.3"),
        ("10.1.2.3", [""], "10.1.2.3"),
        ("10.1.2.3", [f"{FORGED}, unknown"], "10.1.2.3"),
        ("10.1.2.3", [f"{FORGED}, evil\n, 10.9.9.9"], "10.9.9.9"),
        # All of them proxies of ours: a connection of one of them.
        ("10.1.2.3", ["10.0.0.7, 10.9.9.9"], "10.0.0.7"),
        (None, [CLIENT], CLIENT),
        ("10.1.2.3", [f"{CLIENT}:5678"], CLIENT),
        ("10.1.2.3", ["[2a00::1]:443"], "2a00::1"),
        ("10.1.2.3", ["2a00::1"], "2a00::1"),
        ("::ffff:10.1.2.3", [CLIENT], CLIENT),
        ("10.1.2.3", ["," * 100_000], "10.1.2.3"),
        ("10.1.2.3", [f"{FORGED}," * 10_000 + CLIENT], CLIENT),
    ],
)
def test_behind_proxies(peer: str | None, headers: list[str], expected: str) -> None:
    assert seen(BEHIND_TWO, peer, *((XFF, value) for value in headers)) == expected


@pytest.mark.parametrize(
    ("hops", "header", "expected"),
    [
        (1, CLIENT, CLIENT),
        (1, f"{FORGED}, {CLIENT}", CLIENT),
        (2, f"{CLIENT}, 172.16.0.9", CLIENT),
        (2, f"{FORGED}, {CLIENT}, 172.16.0.9", CLIENT),
        (2, FORGED, "172.16.0.1"),
        (1, "garbage", "172.16.0.1"),
        (1, "", "172.16.0.1"),
        (3, f"{FORGED}, 172.16.0.9", "172.16.0.1"),
    ],
)
def test_by_number_of_proxies(hops: int, header: str, expected: str) -> None:
    assert seen(trusted(hops, "X-Forwarded-For"), "172.16.0.1", (XFF, header)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"for={CLIENT}", CLIENT),
        (f"for={CLIENT};proto=https;by=10.0.0.1", CLIENT),
        (f'proto=https; For="{CLIENT}:80"', CLIENT),
        ('for="[2a00::1]:443"', "2a00::1"),
        (f"for={FORGED}, for={CLIENT}, for=10.0.0.2", CLIENT),
        # A quoted string may hold what else separates, and the client may leave one open.
        (f'for={CLIENT};host="x,for={FORGED}"', CLIENT),
        (f'for={CLIENT};host="x;for={FORGED}"', CLIENT),
        (f'for={CLIENT};host="a\\"b,for={FORGED}"', CLIENT),
        (f'for={FORGED};host="x, for={CLIENT}', CLIENT),
        (f'for={FORGED}", for={CLIENT};host="h"', CLIENT),
        (f'for={FORGED};host="\\, for={CLIENT}', CLIENT),
        (f"for={CLIENT};for={FORGED}", "10.1.2.3"),
        (f'"for={FORGED}', "10.1.2.3"),
        ("for=_hidden", "10.1.2.3"),
        ("proto=https", "10.1.2.3"),
        ("for=unknown, for=10.0.0.2", "10.0.0.2"),
    ],
)
def test_forwarded_of_rfc_7239(value: str, expected: str) -> None:
    proxies = trusted(["10.0.0.0/8"], "Forwarded")
    assert seen(proxies, "10.1.2.3", ("forwarded", value), (XFF, FORGED)) == expected


def test_a_header_of_ones_own() -> None:
    proxies = trusted(["10.0.0.0/8"], "X-Real-IP")
    assert seen(proxies, "10.1.2.3", ("x-real-ip", CLIENT), (XFF, FORGED)) == CLIENT


@pytest.mark.parametrize(
    "value", [0, -1, True, "10.0.0.0/8", ["ten"], [""], {"a": 1}, 1.5, ["10.0.0.0/99"], [None]]
)
def test_what_is_no_list_of_proxies(value: Any) -> None:
    with pytest.raises(ValueError):
        trusted(value, "X-Forwarded-For")


@pytest.mark.parametrize(
    "text",
    ["", "a.b.c.d", "1.2.3", "1.2.3.4.5", "[1", "[::1", "::1]", "1.2.3.4:x:y", "é", "1" * 99],
)
def test_what_is_no_address(text: str) -> None:
    assert parsed(text) is None


def test_zones_are_cut_off() -> None:
    assert parsed("fe80::1%eth0") == ip_address("fe80::1")


def test_a_household_counts_as_one() -> None:
    one, other = ip_address("2a00:1:2:3::1"), ip_address("2a00:1:2:3:ffff::9")
    assert counted_as(one) == counted_as(other) == ip_network("2a00:1:2:3::/64")
    assert counted_as(ip_address("2a00:1:2:4::1")) != counted_as(one)
    assert counted_as(ip_address(CLIENT)) == ip_address(CLIENT)
