"""What the site counts while it is soaked, by itself and not with the package's own counters."""

import asyncio
import ctypes
import gc
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import channels
from channels import strands
from channels.layers import get_channel_layer
from channels.layers.delivery import Delivery
from channels.statistics import statistics

PACKAGE = str(Path(channels.__file__).parent)
POOLS = ("channels-sync-", "ThreadPoolExecutor-", "asyncio_")
"""Threads that wait for work; pools are bounded, so they need not shrink."""

OWN_GROUPS = "_channels."

counts: Counter[str] = Counter()
_lock = threading.Lock()


def count(name: str, number: int = 1) -> None:
    with _lock:
        counts[name] += number


def watch_deliveries() -> None:
    """Count every copy of a message that is put before a mailbox, those that did not fit, and calls
    of sync handlers that had no thread yet when their connection ended."""
    fill = Delivery.fill

    def counting_fill(self: Any, channels: Iterable[str], *args: Any, **kwargs: Any) -> Any:
        channels = list(channels)
        full, awake = fill(self, channels, *args, **kwargs)
        count("offered", len(channels))
        count("refused", len(full))
        return full, awake

    Delivery.fill = counting_fill  # type: ignore[method-assign]

    begins = strands._Reply.set_running_or_notify_cancel

    def counting_begins(self: Any) -> bool:
        begun = begins(self)
        count("never begun", not begun)
        return begun

    strands._Reply.set_running_or_notify_cancel = counting_begins  # type: ignore[method-assign]


class Marks:
    """A set of small numbers that takes a byte for each: the account must not be what grows."""

    def __init__(self) -> None:
        self._marks = bytearray()

    def add(self, number: int) -> bool:
        """Add a number; ``False`` where it is there already."""
        if number >= len(self._marks):
            self._marks.extend(bytes(number + 1 - len(self._marks)))
        known = self._marks[number]
        self._marks[number] = 1
        return not known

    def __len__(self) -> int:
        return self._marks.count(1)

    def without(self, other: "Marks") -> int:
        """How many are here and not there."""
        heard = other._marks.ljust(len(self._marks), b"\0")
        return sum(mark > there for mark, there in zip(self._marks, heard, strict=False))


class Heard:
    """What somebody who is always there has heard in one room: each message once, or a gap."""

    def __init__(self) -> None:
        self.numbers = Marks()
        self.repeated = 0
        self.gaps = 0
        """How many messages it was told that it missed; an unknown number counts as all."""

    def said(self, number: int) -> None:
        self.repeated += not self.numbers.add(number)

    def missed(self, number: int | None) -> None:
        self.gaps += 10**9 if number is None else number


class Rooms:
    """What was said in each room, by whether the layer took it, and what the listeners heard."""

    def __init__(self) -> None:
        self.taken: dict[str, Marks] = {}
        self.next = 0
        self.heard: dict[str, Heard] = {}

    def number(self) -> int:
        with _lock:
            self.next += 1
            return self.next

    def took(self, room: str, number: int) -> None:
        with _lock:
            if room in self.heard:
                self.taken.setdefault(room, Marks()).add(number)

    def listen(self, room: str) -> Heard:
        return self.heard.setdefault(room, Heard())

    def state(self) -> dict[str, Any]:
        """For all rooms together: what nobody can explain is what is wrong."""
        missing = unexplained = repeated = gaps = 0
        for room, heard in list(self.heard.items()):
            absent = self.taken.get(room, Marks()).without(heard.numbers)
            missing += absent
            unexplained += max(0, absent - heard.gaps)
            repeated += heard.repeated
            gaps += heard.gaps
        return {
            "said": sum(map(len, self.taken.values())),
            "heard": sum(len(heard.numbers) for heard in self.heard.values()),
            "missing": missing,
            "unexplained": unexplained,
            "repeated": repeated,
            "gaps": gaps,
        }


rooms = Rooms()


def state() -> dict[str, Any]:
    """Everything, after the garbage was collected."""
    layer: Any = get_channel_layer()
    for _ in range(3):
        gc.collect()
    mailboxes, memberships = _tables(layer)
    return {
        "counts": dict(counts),
        "package": statistics(),
        "drops": dict(layer.drops.counts),
        "rooms": rooms.state(),
        "mailboxes": len(mailboxes),
        "unread": sum(box.qsize() for box in mailboxes.values()),
        "memberships": sum(map(len, memberships)),
        "tasks": sum(map(_is_ours, asyncio.all_tasks())),
        "threads": sum(not thread.name.startswith(POOLS) for thread in threading.enumerate()),
        "pool": sum(thread.name.startswith(POOLS) for thread in threading.enumerate()),
        "blocks": sys.getallocatedblocks(),
        "resident": _resident(),
        "files": len(os.listdir("/proc/self/fd")),
    }


def _tables(layer: Any) -> tuple[dict[str, Any], list[Any]]:
    """The mailboxes, and the members of every group, of either layer; without those by which the
    processes tell each other whom to close."""
    hubs = list(getattr(layer, "_hubs", {}).values())
    deliveries = [hub.delivery for hub in hubs] or [layer._delivery]
    tables = [hub.memberships for hub in hubs] or [layer._memberships]
    groups = {name: members for table in tables for name, members in table.groups.items()}
    own = {
        channel
        for name, members in groups.items()
        if name.startswith(OWN_GROUPS)
        for channel in members
    }
    boxes = {
        name: box
        for delivery in deliveries
        for name, box in delivery.boxes.items()
        if name not in own
    }
    others = [members for name, members in groups.items() if not name.startswith(OWN_GROUPS)]
    return boxes, others


def _is_ours(task: "asyncio.Task[Any]") -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and PACKAGE in code.co_filename


def _resident() -> int:
    """Bytes in memory, once the allocator has given back what is free."""
    with suppress(OSError, AttributeError):  # glibc's own
        ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
