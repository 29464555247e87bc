"""Whether the account balances: pure, from what the site says of itself."""

from dataclasses import dataclass
from typing import Any

MOST_GROWTH = 0.05
POOL = 80
"""Threads for sync code: 40, and as many again while handlers are left behind."""


@dataclass(frozen=True)
class Line:
    """One thing that has to hold."""

    what: str
    holds: bool
    figures: str


def connections(state: dict[str, Any]) -> list[Line]:
    """Everybody who came has gone."""
    counts, package = state["counts"], state["package"]
    opened, ended = package.get("connections.opened", 0), package.get("connections.ended", 0)
    connected, disconnected = counts.get("connected", 0), counts.get("disconnected", 0)
    joined, left = counts.get("joined", 0), counts.get("left", 0)
    return [
        Line("connections opened = ended", opened == ended, f"{opened:,} = {ended:,}"),
        Line(
            "connect() ran = disconnect() ran",
            connected == disconnected,
            f"{connected:,} = {disconnected:,}",
        ),
        Line("groups joined = left", joined == left, f"{joined:,} = {left:,}"),
    ]


def messages(state: dict[str, Any]) -> list[Line]:
    """What was put before mailboxes went somewhere; what was said in a room was heard there."""
    counts, drops, rooms = state["counts"], state["drops"], state["rooms"]
    offered = counts.get("offered", 0)
    handled, frames = counts.get("handled", 0), counts.get("frames", 0)
    refused = counts.get("refused", 0)
    expired, closed = drops.get("expired", 0), drops.get("closed", 0)
    explained = handled + frames + refused + expired + closed + state["unread"]
    # A sync consumer's message may be in hand, without a thread yet, when its connection ends.
    never_begun = counts.get("never begun", 0)
    return [
        Line(
            "copies sent = delivered + dropped",
            0 <= offered - explained <= never_begun,
            f"{offered:,} = {handled:,} handled + {frames:,} frames + {refused:,} full + "
            f"{expired:,} expired + {closed:,} closed + {state['unread']:,} waiting"
            + (f" + {offered - explained:,} never begun" if offered != explained else ""),
        ),
        Line(
            "messages taken = heard + reported gaps",
            rooms["unexplained"] == 0,
            f"{rooms['said']:,} taken, {rooms['missing']:,} of them missing, gaps reported for "
            f"{rooms['gaps']:,}",
        ),
        Line("nothing was heard twice", rooms["repeated"] == 0, f"{rooms['repeated']:,} repeated"),
    ]


def tables(state: dict[str, Any]) -> list[Line]:
    """Nobody is there any more: nothing is held for anybody."""
    return [
        Line("no mailbox is left", state["mailboxes"] == 0, f"{state['mailboxes']:,}"),
        Line("no membership is left", state["memberships"] == 0, f"{state['memberships']:,}"),
    ]


def resources(start: dict[str, Any], end: dict[str, Any]) -> list[Line]:
    """What the process holds is what it held after the warm-up, when nobody was there either."""
    lines = [
        Line(f"{name} are back", end[name] <= start[name], f"{start[name]} → {end[name]}")
        for name in ("tasks", "threads")
    ]
    lines.append(Line("threads for sync code are bounded", end["pool"] <= POOL, f"{end['pool']}"))
    for name, unit in (("resident", 2**20), ("blocks", 1)):
        growth = end[name] / start[name] - 1
        figures = f"{start[name] / unit:,.1f} → {end[name] / unit:,.1f} ({growth:+.1%})"
        what = "memory (MiB)" if name == "resident" else "memory blocks of Python"
        lines.append(Line(f"{what} within {MOST_GROWTH:.0%}", growth <= MOST_GROWTH, figures))
    return lines
