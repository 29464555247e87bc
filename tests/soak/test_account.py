"""What the soak run takes for balanced, and what not."""

from typing import Any

import pytest

from soak import account


def state(**changes: Any) -> dict[str, Any]:
    """A run in which everything went somewhere, with ``changes`` by dotted name."""
    whole: dict[str, Any] = {
        "counts": {
            "connected": 5, "disconnected": 5, "joined": 7, "left": 7,
            "offered": 100, "handled": 60, "frames": 20, "refused": 5,
        },
        "package": {"connections.opened": 6, "connections.ended": 6},
        "drops": {"expired": 4, "closed": 10},
        "rooms": {"said": 9, "missing": 0, "unexplained": 0, "repeated": 0, "gaps": 0},
        "unread": 1, "mailboxes": 0, "memberships": 0, "tasks": 4, "threads": 1, "pool": 20,
        "resident": 100 * 2**20, "blocks": 1000,
    }  # fmt: skip
    for name, value in changes.items():
        part, _, key = name.partition("__")
        if key:
            whole[part] = {**whole[part], key.replace("__", "."): value}
        else:
            whole[part] = value
    return whole


def failing(**changes: Any) -> list[str]:
    end = state(**changes)
    lines = [
        *account.connections(end),
        *account.messages(end),
        *account.tables(end),
        *account.resources(state(), end),
    ]
    return [line.what for line in lines if not line.holds]


def test_a_balanced_account() -> None:
    assert failing() == []
    assert failing(resident=104 * 2**20, blocks=1049, pool=80) == []
    assert failing(resident=50 * 2**20, tasks=3) == []


def test_a_sync_handler_that_had_no_thread_yet_explains_one_message() -> None:
    assert failing(counts__handled=58, **{"counts__never begun": 2}) == []
    assert failing(counts__handled=57, **{"counts__never begun": 2}) != []
    assert failing(counts__handled=61, **{"counts__never begun": 2}) != []


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"package__connections__ended": 5}, "connections opened = ended"),
        ({"counts__disconnected": 4}, "connect() ran = disconnect() ran"),
        ({"counts__disconnected": 6}, "connect() ran = disconnect() ran"),
        ({"counts__left": 6}, "groups joined = left"),
        ({"counts__handled": 59}, "copies sent = delivered + dropped"),
        ({"counts__frames": 21}, "copies sent = delivered + dropped"),
        ({"drops__closed": 9}, "copies sent = delivered + dropped"),
        ({"unread": 0}, "copies sent = delivered + dropped"),
        ({"rooms__unexplained": 1}, "messages taken = heard + reported gaps"),
        ({"rooms__repeated": 1}, "nothing was heard twice"),
        ({"mailboxes": 1}, "no mailbox is left"),
        ({"memberships": 1}, "no membership is left"),
        ({"tasks": 5}, "tasks are back"),
        ({"threads": 2}, "threads are back"),
        ({"pool": 81}, "threads for sync code are bounded"),
        ({"resident": 106 * 2**20}, "memory (MiB) within 5%"),
        ({"blocks": 1051}, "memory blocks of Python within 5%"),
    ],
)
def test_what_does_not_balance(changes: dict[str, Any], what: str) -> None:
    assert failing(**changes) == [what]
